"""The gate over what a suite's records and the training data have in common."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_llmjudge.data import Duplicate, Overlap, TrainingFile
from pytest_llmjudge.data.page import Panel
from pytest_llmjudge.data.summary import Excerpt, Excerpts
from pytest_llmjudge.decisions.gates import Decision
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.read_back import made
from pytest_llmjudge.storage.consistent import differs, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.records.training import Training

__all__ = [
    "OVERLAP",
    "decide_overlap",
    "overlap_blocks",
    "overlap_contradictions",
    "overlap_from_plain",
    "overlap_panel",
    "overlap_text",
    "plain_overlap",
    "read_all_training",
    "rest_of",
    "saved_overlap",
    "wanted_overlap",
]

OVERLAP = "overlap"
_SHOWN = 10


class _OfRecord(Protocol):
    """What became of a record, in a suite of any kind."""

    @property
    def record(self) -> Record:
        """What was asked."""


_Result = TypeVar("_Result", bound=_OfRecord)
_HEADINGS = ("similarity", "record", "training record", "where")


def read_all_training(loaded: suites.Suite, resources: Resources) -> list[Training]:
    """Read the training data that a suite names.

    Raises:
        RecordsError: A file cannot be used.
        SettingsError: One is the suite's own records file.
    """
    from pytest_llmjudge.records.files import find_source
    from pytest_llmjudge.records.training import is_same_data, read_training

    settings, where = loaded.settings, f"{loaded.name}: training"
    own = find_source(loaded.path, settings.split)
    read: list[Training] = []
    for path in settings.training:
        shown = resources.models.shown_path(path)
        training = read_training(path, shown, settings.fields)
        if is_same_data(training.source, own):
            problem = f"{shown} is the suite's own records file"
            hint = "name the data that the model was trained on"
            raise SettingsError(where, problem, hint)
        read.append(training)
    return read


def decide_overlap(overlap: Overlap) -> Decision:
    """Decide over a suite: no record appears in the training data word for word.

    With ``max_overlap`` the share of those that appear there, word for word or nearly, is at most
    that.
    """
    return Decision(overlap.is_allowed, f"{_counts(overlap)}{_unread(overlap)}")


def _counts(overlap: Overlap) -> str:
    exact, near, of = overlap.exact, overlap.near, f"of {overlap.total} records"
    if not overlap.duplicates:
        return f"none {of} appears in the training data, word for word or nearly"
    if overlap.max_overlap is not None:
        found = f"{exact + near} {of} ({exact} word for word and {near} nearly)"
        beside = "no more" if overlap.is_allowed else "more"
        share = f"a share of {overlap.share:.4g}, {beside} than max_overlap {overlap.max_overlap:g}"
        return f"{found} appear in the training data, {share}"
    others = f" ({near} nearly)" if near else ""
    if not exact:
        return f"none {of} appears in the training data word for word{others}"
    appear, them = ("appears", "it") if exact == 1 else ("appear", "them")
    hint = f"take {them} out of the training data, or out of the suite"
    return f"{exact} {of} {appear} in the training data word for word{others}; {hint}"


def _unread(overlap: Overlap) -> str:
    return "".join(
        f"; {one.unread} of {one.records} records of {one.path} could not be read, and were left "
        f"out ({one.problem})"
        for one in overlap.files
        if one.unread
    )


def overlap_text(overlap: Overlap, most: int | None = _SHOWN) -> str:
    """Return what is shown of the gate: its reason and the first records, the exact ones first.

    Args:
        overlap: What was found.
        most: How many exact and how many near ones are shown; ``None`` for all.
    """
    lines = [decide_overlap(overlap).reason]
    for title, is_exact in (("word for word:", True), ("nearly:", False)):
        listed = [one for one in _ordered(overlap) if one.is_exact == is_exact]
        if listed:
            lines.append(title)
            lines += map(_line, listed[:most])
        if most is not None and len(listed) > most:
            lines.append(f"  and {len(listed) - most} more")
    return "\n".join(lines)


def _line(one: Duplicate) -> str:
    place = f"{one.id}  {one.file}: {one.place}"
    return f"  {place}" if one.is_exact else f"  {_similarity(one)}  {place}: {one.text}"


def _similarity(one: Duplicate) -> str:
    return "exact" if one.is_exact else f"{one.similarity:.2f}"


def plain_overlap(overlap: Overlap) -> dict[str, Any]:
    """Return what was found as a results file has it, and as it travels between processes."""
    return {
        "training": [asdict(one) for one in overlap.files],
        "total": overlap.total,
        "exact": overlap.exact,
        "near": overlap.near,
        "max_overlap": overlap.max_overlap,
        "records": [
            {**asdict(one), "similarity": round(one.similarity, 4)} for one in overlap.duplicates
        ],
    }


def saved_overlap(
    overlap: Overlap | None,
    measure: str,
    value: float | None,
    interval: tuple[float, float] | None,
) -> dict[str, Any]:
    """Return what a results file has of a suite's overlap, by its key; nothing without any.

    Args:
        overlap: What was found, where the gate has run.
        measure: What the suite measures.
        value: That of the records that do not appear in the training data; ``None`` where it is not
            known, or no record appears there.
        interval: Its 95 % interval.
    """
    if overlap is None:
        return {}
    without = None
    if value is not None:
        bounds = None if interval is None else [round(bound, 4) for bound in interval]
        rest = overlap.total - len(overlap.duplicates)
        without = {"total": rest, measure: round(value, 4), "ci95": bounds}
    return {OVERLAP: {**plain_overlap(overlap), "without": without}}


def rest_of(overlap: Overlap | None, results: Sequence[_Result], total: int) -> list[_Result]:
    """Return the results of the records that do not appear in the training data.

    Args:
        overlap: What was found, where the gate has run.
        results: Of the records that have one.
        total: How many records the suite has.

    Returns:
        Those; empty where no record appears there, or one has no result, which may be the worst.
    """
    if overlap is None or not overlap.duplicates or len(results) < total:
        return []
    known = overlap.ids
    return [one for one in results if one.record.id not in known]


def overlap_from_plain(plain: Mapping[str, Any] | None) -> Overlap | None:
    """Return what was found, as xdist carries it and a file has it; ``None`` without the gate."""
    if plain is None:
        return None
    return Overlap(
        total=plain["total"],
        files=tuple(made(TrainingFile, one) for one in plain["training"]),
        duplicates=tuple(made(Duplicate, one) for one in plain["records"]),
        max_overlap=plain["max_overlap"],
    )


def overlap_contradictions(suite: Mapping[str, Any]) -> Iterator[str]:
    """Yield which figures of a results file's overlap are not those of its records."""
    overlap = suite.get(OVERLAP)
    if overlap is None:
        return
    records = overlap["records"]
    yield from repeated("overlapping records", [one["id"] for one in records])
    exact = sum(one["is_exact"] for one in records)
    for name, number in (("exact", exact), ("near", len(records) - exact)):
        yield from (f"{OVERLAP}: {problem}" for problem in differs(overlap, name, number))


def wanted_overlap(overlap: Overlap | None) -> str:
    """Return what the gate asks, in a few words; empty where it has not run."""
    if overlap is None:
        return ""
    most = overlap.max_overlap
    return "no exact overlap" if most is None else f"overlap <= {most:g}"


def overlap_blocks(
    name: str, overlap: Overlap | None, measure: str, value: str, without: str
) -> Iterator[str | Excerpts]:
    """Yield what the summary of a suite says of its overlap with the training data.

    Args:
        name: Of the suite.
        overlap: What was found, where the gate has run.
        measure: What the suite measures.
        value: That of the suite, as it is shown.
        without: That without the records that appear in the training data; empty for none.
    """
    if overlap is None:
        return
    yield f"overlap of {name}: {decide_overlap(overlap).reason}"
    if overlap.duplicates:
        entries = tuple(
            Excerpt(_similarity(one), one.id, f"{one.file}: {one.place}", one.text)
            for one in _ordered(overlap)
        )
        beside = f" ({measure} {value}, without them {without})" if without else ""
        title = f"in the training data of {name}{beside}"
        yield Excerpts(title, entries, _HEADINGS, are_quoted=False)


def overlap_panel(overlap: Overlap | None, measure: str, without: str) -> Iterator[Panel]:
    """Yield what the page shows of a suite's overlap; arguments as of :func:`overlap_blocks`."""
    if overlap is None:
        return
    facts = [
        ("training records", str(sum(one.records for one in overlap.files))),
        ("appear there word for word", str(overlap.exact)),
        ("appear there nearly", str(overlap.near)),
    ]
    if without:
        facts.append((f"{measure} without them", without))
    facts += [(f"{one.id} ({_similarity(one)})", one.place) for one in _ordered(overlap)[:_SHOWN]]
    more = len(overlap.duplicates) - _SHOWN
    note = f"and {more} more, which are in the results file" if more > 0 else ""
    yield Panel("Overlap with the training data", tuple(facts), note, is_bad=not overlap.is_allowed)


def _ordered(overlap: Overlap) -> list[Duplicate]:
    """Return what was found, the exact ones first, then those that are most alike."""
    return sorted(overlap.duplicates, key=lambda one: (not one.is_exact, -one.similarity))
