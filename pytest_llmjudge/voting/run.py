"""One voter's session, from results files to the summary."""

from __future__ import annotations

import getpass
import signal
import threading
import webbrowser
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import PeopleFileError, SettingsError, storable
from pytest_llmjudge.storage.files import check_writable
from pytest_llmjudge.storage.results_reader import read_results
from pytest_llmjudge.storage.saved_responses import answers_of, answers_of_pairs
from pytest_llmjudge.storage.torn_line import set_aside_cut_off
from pytest_llmjudge.storage.votes import VOTE_BEGINNINGS
from pytest_llmjudge.voting.ballots import Source, make_ballots
from pytest_llmjudge.voting.box import BallotBox
from pytest_llmjudge.voting.messages import end_lines, ending, opening_lines
from pytest_llmjudge.voting.outcome import pair_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_llmjudge.storage.results_reader import SavedKind
    from pytest_llmjudge.voting.ballots import Ballots
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
    _need_flask()
    voter = _checked_voter(voter)
    made = make_ballots(_sources(results, kinds, names), voter)
    if not made.ballots:
        where = ", ".join(map(str, results))
        alike = sum(made.identical.values())
        problem = f"no record has two answers to choose from ({alike} have identical ones)"
        raise SettingsError(where, problem, "name results of two models on the same records")
    box = _box(made, out, voter, tell)
    with _until_signalled() as ended:
        for line in opening_lines(made, box.progress(), voter):
            tell(line)
        if box.next() is not None:
            _serve(
                box,
                port,
                lambda: ending(made, pair_outcomes(made, box.votes()), voter, str(out)),
                tell=tell,
                ended=ended,
                opens_browser=opens_browser,
            )
        box.close()
        outcomes = pair_outcomes(made, box.votes())
        for line in end_lines(made, outcomes, box.progress(), now=box.cast_now, path=str(out)):
            tell(line)
    return outcomes


def _serve(
    box: BallotBox,
    port: int,
    outcome: Callable[[], Ending],
    *,
    tell: Callable[[str], None],
    ended: threading.Event,
    opens_browser: bool,
) -> None:
    from pytest_llmjudge.voting.guard import Guard
    from pytest_llmjudge.voting.server import bind, serving
    from pytest_llmjudge.voting.site import make_site

    listener = bind(port)
    port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with serving(make_site(box, Guard(port), outcome), listener):
        tell(f"vote at {address} and end with Ctrl-C")
        if opens_browser:
            webbrowser.open(address)
        ended.wait()


@contextmanager
def _until_signalled() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, and nothing else does."""
    ended = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(one, lambda *_: ended.set()) for one in signals]
    try:
        yield ended
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _need_flask() -> None:
    try:
        import flask  # noqa: F401  # missing, it is reported here, before any work
    except ImportError:
        where, problem = "llmjudge vote", "its page needs Flask"
        hint = 'install it with pip install "pytest-llmjudge[vote]"'
        raise SettingsError(where, problem, hint) from None


def _checked_voter(given: str | None) -> str:
    where, hint = "--voter", "give the name of who votes"
    if given is None:
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise SettingsError(where, "the login name is not known", hint) from None
    if not given.strip():
        raise SettingsError(where, "it is empty", hint)
    _check_text(where, given, hint)
    return given.strip()


def _check_text(where: str, given: str, hint: str) -> None:
    """Refuse bytes of a command line that are no text, which no page and no file can show."""
    if storable(given) != given:
        raise SettingsError(where, "it has bytes that are no UTF-8", hint)


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
        _check_text(where, name, "give a name")
    sources = []
    for number, path in enumerate(results):
        run = read_results(path, kinds)
        suites = answers_of(run) + answers_of_pairs(run)
        if names:
            suites = tuple(replace(suite, model=names[number].strip()) for suite in suites)
        sources.append(Source(str(path), suites))
    return sources


def _box(made: Ballots, out: Path, voter: str, tell: Callable[[str], None]) -> BallotBox:
    _check_text("--out", str(out), "name another place")
    check_writable("--out", out)
    try:
        if out.exists():
            # Opened to append, and closed: nothing is changed.
            out.open("ab").close()
    except OSError as error:
        where, problem = f"--out {out}", f"it cannot be written ({error.strerror})"
        raise PeopleFileError(where, problem, "name another place") from None
    aside = set_aside_cut_off(out, VOTE_BEGINNINGS)
    if aside is not None:
        tell(f"{out}: its last line was cut off while it was written; it is in {aside} now")
    return BallotBox(made.ballots, out, voter)
