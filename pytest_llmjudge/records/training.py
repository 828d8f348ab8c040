"""Reads the questions of training data, and finds the held-out records that appear among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.data import Duplicate, Overlap, TrainingFile
from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.records.conversations import CRITERIA, BadRecordError
from pytest_llmjudge.records.fieldmap import has_field, mapped, mapping_format
from pytest_llmjudge.records.files import find_default, read_default, source_digest
from pytest_llmjudge.records.formats import detect
from pytest_llmjudge.records.json_values import kind_of
from pytest_llmjudge.records.overlap import find_matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.records.conversations import Parts
    from pytest_llmjudge.records.files import Contents, Source
    from pytest_llmjudge.records.formats import Format

__all__ = ["Training", "find_overlap", "is_same_data", "read_training", "training_digest"]

_SPLIT: Final = "train"
"""The split that is read where there are several."""
_USE: Final = "to train on"
_PREFERENCES: Final = ({"messages": "chosen"}, {"prompt": "prompt"})
"""Where the question of preference data stands that has no format of records."""
_SHOWN: Final = 80
"""Characters of a training record that are shown."""
_ANY: Final = [True]
"""Stands for criteria, with which a record needs no reference: only its question is compared."""


@dataclass(frozen=True, slots=True)
class Training:
    """What the records of one file of training data ask.

    Attributes:
        file: What it is.
        source: Where it was read from.
        questions: Of each record that could be read, what its user says, one message after the
            other: a model was trained to answer each.
        places: Where each of these records stands, such as ``record 356``.
    """

    file: TrainingFile
    source: Source
    questions: tuple[tuple[str, ...], ...]
    places: tuple[str, ...]


def read_training(path: Path, shown: str, fields: Mapping[str, str] | None = None) -> Training:
    """Read training data of any format and type that a records file may have.

    Records need no reference. One that cannot be read is counted and left out: data to train on has
    all kinds of records, and those beside it can be compared all the same.

    Args:
        path: The file, or the folder of a data set, of which the split ``train`` is read where it
            has several.
        shown: How messages and results name it.
        fields: Which field each part of a record is, for a file that has all of these fields; any
            other file is read by its own format.

    Raises:
        RecordsError: It cannot be read, or none of its records can.
    """
    source, content = read_default(path, _SPLIT, _USE)
    name, values = content.name, content.values
    if not values:
        raise RecordsError(
            name, "it holds no record", "name the data that the model was trained on"
        )
    chosen, own = _format(content, fields)
    questions: list[tuple[str, ...]] = []
    places: list[str] = []
    problems: list[str] = []
    for number, value in enumerate(values):
        place = content.spell(content.place(number))
        try:
            questions.append(_said(_parts(value, chosen, own)))
        except BadRecordError as error:
            problems.append(f"{place}: {error.problem}")
        else:
            places.append(place)
    if not questions:
        many = f"none of its {len(values)} records asks a question"
        what = many if len(values) > 1 else "its only record asks no question"
        raise RecordsError(name, f"{what} ({problems[0]})", _hint(name))
    first = one_line(problems[0]) if problems else ""
    file = TrainingFile(shown, len(values), len(problems), first)
    return Training(file, source, tuple(questions), tuple(places))


def is_same_data(one: Source, other: Source) -> bool:
    """Say whether two sources hold the same bytes, and the same split is read of them."""
    return one.split == other.split and source_digest(one) == source_digest(other)


def training_digest(path: Path) -> str:
    """Return the SHA-256 of training data, in hex; empty where it cannot be read."""
    try:
        return source_digest(find_default(path, _SPLIT, _USE))
    except RecordsError:
        return ""


def _format(
    content: Contents, fields: Mapping[str, str] | None
) -> tuple[Format, Mapping[str, str] | None]:
    """Return the format of the records, and ``fields`` where they apply."""
    name, values = content.name, content.values
    if fields and all(
        any(isinstance(value, dict) and has_field(value, field) for value in values)
        for field in fields.values()
    ):
        return mapping_format(name, fields), fields
    try:
        return detect(name, values, free=True), None
    except RecordsError as error:
        problem = error.problem
    for other in _PREFERENCES:
        (field,) = other.values()
        if all(isinstance(value, dict) and value.get(field) for value in values):
            return mapping_format(name, other), other
    raise RecordsError(name, problem, _hint(name))


def _hint(name: str) -> str:
    return f"give the records of {name} an instruction, a prompt or messages"


def _parts(value: object, chosen: Format, fields: Mapping[str, str] | None) -> Parts:
    """Return what a record says.

    Raises:
        BadRecordError: It has no question that can be read.
    """
    if not isinstance(value, dict):
        problem = f"it is {kind_of(value)}"
        raise BadRecordError(problem, "a record is an object")
    view: dict[str, Any] = value if fields is None else mapped(chosen, fields, value)
    return chosen.read({**view, CRITERIA: _ANY})


def _said(record: Parts | Record) -> tuple[str, ...]:
    """Return what the user says, one message after the other; the input is part of its message."""
    turns = (turn.text for turn in record.turns if turn.role == "user")
    follow_ups = (one.instruction for one in record.follow_ups)
    return (*turns, "\n".join(filter(None, (record.instruction, record.input))), *follow_ups)


def _asked(record: Record) -> Iterator[str]:
    """Yield each question that a record asks, behind what the user said before it."""
    said = _said(record)
    for count in range(len(said) - len(record.follow_ups), len(said) + 1):
        yield "\n".join(said[:count])


def find_overlap(
    records: Sequence[Record], training: Sequence[Training], max_overlap: float | None = None
) -> Overlap:
    """Find the records that appear in training data.

    Args:
        records: Of the suite.
        training: All that the model was trained on.
        max_overlap: Share of the records that may appear there; ``None`` for no exact one.
    """
    asked = [(text, record.id) for record in records for text in _asked(record)]
    trained = [
        (said, one.file.path, place)
        for one in training
        for said, place in zip(one.questions, one.places, strict=True)
    ]
    matches = find_matches([text for text, _ in asked], [said for said, *_ in trained])
    found: dict[str, Duplicate] = {}
    for (_, name), match in zip(asked, matches, strict=True):
        if match is None:
            continue
        said, file, place = trained[match.position]
        duplicate = Duplicate(
            name,
            is_exact=match.is_exact,
            similarity=match.similarity,
            file=file,
            place=place,
            text=one_line("\n".join(said[: match.steps]), _SHOWN),
        )
        known = found.get(name)
        if known is None or _rank(duplicate) > _rank(known):
            found[name] = duplicate
    files = tuple(one.file for one in training)
    return Overlap(len(records), files, tuple(found.values()), max_overlap)


def _rank(duplicate: Duplicate) -> tuple[bool, float]:
    return duplicate.is_exact, duplicate.similarity
