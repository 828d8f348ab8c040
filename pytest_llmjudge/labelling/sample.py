"""Results file -> the responses that one labeler is asked about, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Design
from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.keys import content_digest, make_key
from pytest_llmjudge.records.answers import show_references, show_response
from pytest_llmjudge.stats.labels import draw, records_digest, response_digest
from pytest_llmjudge.storage.saved_responses import answers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.storage.results_reader import SavedRun
    from pytest_llmjudge.storage.saved_responses import SavedAnswer, SavedAnswers

__all__ = ["DEFAULT_SEED", "DEFAULT_SIZE", "Item", "Sample", "Wanted", "make_sample"]

DEFAULT_SIZE = 40
DEFAULT_SEED = 123

_SHOWN_NAMES = 10


@dataclass(frozen=True, slots=True)
class Item:
    """A response to be labelled.

    Attributes:
        token: Names it in a form.
        record: Id of its record.
        digest: :func:`~pytest_llmjudge.stats.labels.response_digest` of the response.
        asked: The record; it has no score, so that no page can show one.
        response: As a results file has it.
    """

    token: str
    record: str
    digest: str
    asked: SavedAnswer
    response: str

    @property
    def key(self) -> tuple[str, str]:
        """That of :attr:`Label.key <pytest_llmjudge.data.labels.Label.key>`."""
        return self.record, self.digest

    @property
    def reference(self) -> str:
        """The reference as it is shown; empty where there is none."""
        return show_references(self.asked)


@dataclass(frozen=True, slots=True)
class Sample:
    """All responses that a labeler is asked about.

    Attributes:
        design: How their records were drawn.
        items: In the order in which they are shown to this labeler.
        missing: Records of the sample that have no response, in file order.
    """

    design: Design
    items: tuple[Item, ...]
    missing: tuple[SavedAnswer, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says of the sample; ``None`` where it says nothing."""

    suite: str | None = None
    size: int | None = None
    seed: int | None = None


def make_sample(
    run: SavedRun, known: Design | None, wanted: Wanted, *, labeler: str, out: str
) -> Sample:
    """Draw the sample of a new labels file, or draw that of an existing one again.

    Each labeler gets the same responses in an order of their own, by a hash of labeler and
    response, so that they do not all score the same response when they are tired.

    Args:
        run: The results file.
        known: The design of the labels file; ``None`` for a new one.
        wanted: What the command line says.
        labeler: Name of the person.
        out: The labels file, for messages.

    Raises:
        SettingsError: The results have no such suite or not all of its records, or the labels file
            has another sample.
    """
    suite, total = _suite(run, wanted.suite, known, out)
    _check_whole(run, suite, total)
    ids = [answer.id for answer in suite.answers]
    size = wanted.size or (known.size if known else DEFAULT_SIZE)
    seed = wanted.seed if wanted.seed is not None else known.seed if known else DEFAULT_SEED
    digest = records_digest((one.id, content_digest(one)) for one in suite.answers)
    design = Design(suite.suite, total, min(size, total), seed, digest)
    if known is not None and known != design:
        raise _difference(out, known, design, str(run.path))
    drawn = set(draw(ids, design.size, design.seed))
    sampled = [answer for answer in suite.answers if answer.id in drawn]
    items = [
        _item(answer, response, labeler)
        for answer in sampled
        if (response := answer.response) is not None
    ]
    if not items:
        where = f"{run.path}: {suite.suite}"
        problem = f"none of the {design.size} records that were drawn has a response"
        raise SettingsError(where, problem, "name results with responses")
    return Sample(
        design,
        tuple(sorted(items, key=lambda item: make_key("label order", labeler, *item.key))),
        tuple(answer for answer in sampled if answer.response is None),
    )


def _item(answer: SavedAnswer, response: str, labeler: str) -> Item:
    shown = show_response(answer, response)
    digest = response_digest(shown)
    token = make_key("label token", labeler, answer.id, digest)[:20]
    return Item(token, answer.id, digest, replace(answer, score=None, error=None), shown)


def _suite(
    run: SavedRun, wanted: str | None, known: Design | None, out: str
) -> tuple[SavedAnswers, int]:
    """Return the suite that is labelled, and how many records it has."""
    where = str(run.path)
    judged = {suite.suite: suite for suite in answers_of(run)}
    if not judged:
        hint = "name results of a suite that is marked llm_judge"
        raise SettingsError(where, "it has no responses that a judge scored", hint)
    name = known.suite if wanted is None and known is not None else wanted
    if name is None and len(judged) > 1:
        problem = f"it has {len(judged)} suites of scored records"
        raise SettingsError(where, problem, f"choose one with --suite: {_names(list(judged))}")
    suite = judged.get(name) if name is not None else next(iter(judged.values()))
    if suite is None:
        labelled = f", which is labelled in {out}" if wanted is None else ""
        problem = f"it has no suite {name} of scored records{labelled}"
        hint = f"name results or a suite that fit; it has {_names(list(judged))}"
        raise SettingsError(where, problem, hint)
    totals = {one["name"]: one["total"] for one in run.document["suites"]}
    return suite, totals[suite.suite]


def _names(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(one_line(name, 80) for name in names[:_SHOWN_NAMES]) + more


def _check_whole(run: SavedRun, suite: SavedAnswers, total: int) -> None:
    if len(suite.answers) < total:
        where = f"{run.path}: {suite.suite}"
        problem = f"it has {len(suite.answers)} of {total} records"
        hint = "name results of a run over all of them, from which a sample can be drawn"
        raise SettingsError(where, problem, hint)


def _difference(out: str, known: Design, design: Design, results: str) -> SettingsError:
    """Say in which ways a labels file has another sample than the one that is wanted."""
    ways, options = [], []
    if known.suite != design.suite:
        ways.append(f"it is of {one_line(known.suite, 80)} and not of {one_line(design.suite, 80)}")
        options.append("--suite")
    if known.total != design.total:
        ways.append(f"it is of {known.total} records and {results} has {design.total}")
    elif known.records != design.records:
        ways.append(f"it is of other records than those of {results}")
    # A suite that has shrunk below the sample has another size as well.
    if known.total == design.total and known.size != design.size:
        ways.append(f"it has {known.size} records and not {design.size}")
        options.append("--sample")
    if known.seed != design.seed:
        ways.append(f"it was drawn by the seed {known.seed} and not by {design.seed}")
        options.append("--seed")
    problem = f"its sample is another one: {', '.join(ways)}"
    hint = "name another file"
    if len(options) == len(ways):
        hint += f", or leave out {' and '.join(options)} to go on with this one"
    return SettingsError(f"--out {out}", problem, hint)
