"""One labeler's session, from a results file to the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.labelling.box import LabelBox, design_of
from pytest_llmjudge.labelling.messages import end_lines, ending, opening_lines
from pytest_llmjudge.labelling.outcome import label_outcome
from pytest_llmjudge.labelling.sample import make_sample
from pytest_llmjudge.local_page.session import (
    check_answers_file,
    check_flask,
    hold,
    person_name,
)
from pytest_llmjudge.storage.labels import LABEL_BEGINNINGS, labels_so_far
from pytest_llmjudge.storage.results_reader import read_results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_llmjudge.labelling.messages import Ending
    from pytest_llmjudge.labelling.outcome import Outcome
    from pytest_llmjudge.labelling.sample import Sample, Wanted
    from pytest_llmjudge.storage.results_reader import SavedKind

__all__ = ["Labelled", "hold_labelling"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """What became of a session: which responses were asked about, and where the labeler stands."""

    sample: Sample
    outcome: Outcome


def hold_labelling(
    results: Path,
    out: Path,
    kinds: Sequence[SavedKind],
    wanted: Wanted,
    *,
    tell: Callable[[str], None],
    labeler: str | None = None,
    port: int = 0,
    opens_browser: bool = False,
) -> Labelled:
    """Show responses until Ctrl-C or SIGTERM; tell what is asked, the address and the outcome.

    Args:
        results: A results file.
        out: Labels file, which is appended to.
        kinds: Of suites, those that this version knows.
        wanted: Which sample.
        tell: Takes a line for the terminal.
        labeler: Name of who labels, by default the login name.
        port: On loopback; 0 for any free one.
        opens_browser: Whether to show the page at once.

    Raises:
        PeopleFileError: The labels file cannot be used.
        LlmJudgeError: Another file or a setting cannot be used, or Flask is not installed.
    """
    check_flask("llmjudge label", "label")
    from pytest_llmjudge.labelling.site import make_site

    labeler = person_name("--labeler", labeler, "who labels")
    run = read_results(results, kinds)
    check_answers_file(out, LABEL_BEGINNINGS, tell)
    known = design_of(labels_so_far(out, named_by="--out"))
    sample = make_sample(run, known, wanted, labeler=labeler, out=str(out))
    box = LabelBox(sample, out, labeler)

    def outcome() -> Outcome:
        return label_outcome(sample, box.labels(), labeler)

    def end_page() -> Ending:
        return ending(sample, outcome(), str(out))

    reached = hold(
        box,
        lambda guard: make_site(box, guard, end_page),
        port,
        "label",
        opening=lambda: opening_lines(sample, outcome(), str(results)),
        reached=outcome,
        closing=lambda end: end_lines(sample, end, now=box.written_now, path=str(out)),
        tell=tell,
        opens_browser=opens_browser,
    )
    return Labelled(sample, reached)
