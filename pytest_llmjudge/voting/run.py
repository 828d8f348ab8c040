"""One voter's session, from results files to the summary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.local_page.session import (
    check_answers_file,
    check_flask,
    check_text,
    hold,
    person_name,
)
from pytest_llmjudge.storage.results_reader import read_results
from pytest_llmjudge.storage.saved_responses import answers_of, answers_of_pairs
from pytest_llmjudge.storage.votes import VOTE_BEGINNINGS
from pytest_llmjudge.voting.ballots import Source, make_ballots
from pytest_llmjudge.voting.box import BallotBox
from pytest_llmjudge.voting.messages import end_lines, ending, opening_lines
from pytest_llmjudge.voting.outcome import pair_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_llmjudge.storage.results_reader import SavedKind
    from pytest_llmjudge.voting.messages import Ending
    from pytest_llmjudge.voting.outcome import PairOutcome

__all__ = ["hold_vote"]


def hold_vote(
    results: Sequence[Path],
    out: Path,
    kinds: Sequence[SavedKind],
    *,
    tell: Callable[[str], None],
    voter: str | None = None,
    names: Sequence[str] = (),
    port: int = 0,
    opens_browser: bool = False,
) -> tuple[PairOutcome, ...]:
    """Show ballots until Ctrl-C or SIGTERM; tell what is left out, the address and the outcome.

    Returns:
        What people preferred of each two models.

    Args:
        results: Two results files or more.
        out: Votes file, which is appended to.
        kinds: Of suites, those that this version knows.
        tell: Takes a line for the terminal.
        voter: Name of who votes, by default the login name.
        names: What the models are called, one for each file; by default what the files call them.
        port: On loopback; 0 for any free one.
        opens_browser: Whether to show the page at once.

    Raises:
        LlmJudgeError: A file or setting cannot be used, or Flask is not installed.
    """
    check_flask("llmjudge vote", "vote")
    from pytest_llmjudge.voting.site import make_site

    voter = person_name("--voter", voter, "who votes")
    made = make_ballots(_sources(results, kinds, names), voter)
    if not made.ballots:
        where = ", ".join(map(str, results))
        alike = sum(made.identical.values())
        problem = f"no record has two answers to choose from ({alike} have identical ones)"
        raise SettingsError(where, problem, "name results of two models on the same records")
    check_answers_file(out, VOTE_BEGINNINGS, tell)
    box = BallotBox(made.ballots, out, voter)

    def outcomes() -> tuple[PairOutcome, ...]:
        return pair_outcomes(made, box.votes())

    def end_page() -> Ending:
        return ending(made, outcomes(), voter, str(out))

    return hold(
        box,
        lambda guard: make_site(box, guard, end_page),
        port,
        "vote",
        opening=lambda: opening_lines(made, box.progress(), voter),
        reached=outcomes,
        closing=lambda end: end_lines(
            made, end, box.progress(), now=box.written_now, path=str(out)
        ),
        tell=tell,
        opens_browser=opens_browser,
    )


def _sources(
    results: Sequence[Path], kinds: Sequence[SavedKind], names: Sequence[str]
) -> list[Source]:
    where = "--name"
    if names and len(names) != len(results):
        problem = f"{len(names)} for {len(results)} results files"
        raise SettingsError(where, problem, "give one for each file, or none")
    for name in names:
        if not name.strip():
            raise SettingsError(where, "it is empty", "give a name")
        check_text(where, name, "give a name")
    sources = []
    for number, path in enumerate(results):
        run = read_results(path, kinds)
        suites = answers_of(run) + answers_of_pairs(run)
        if names:
            suites = tuple(replace(suite, model=names[number].strip()) for suite in suites)
        sources.append(Source(str(path), suites))
    return sources
