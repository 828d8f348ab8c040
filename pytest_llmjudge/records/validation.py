"""Checks the values of a records file, and says what is wrong in one line for each cause."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.criteria import BadCriteriaError, read_criteria
from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.records.conversations import (
    CRITERIA,
    INSTRUCTION,
    REFERENCE,
    BadRecordError,
    Parts,
    is_blank,
)
from pytest_llmjudge.records.fieldmap import has_field, mapped, mapping_format, with_own_names
from pytest_llmjudge.records.formats import (
    ALPACA,
    ALPACA_EVAL,
    MT_BENCH,
    check_alpaca_eval,
    check_format,
    check_text_only,
    detect,
)
from pytest_llmjudge.records.json_values import NotFinite, Repeated, kind_of, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from pytest_llmjudge.data import Criterion
    from pytest_llmjudge.records.files import Contents
    from pytest_llmjudge.records.formats import Format

__all__ = [
    "Checked",
    "Problem",
    "bad_characters",
    "check",
    "is_plain",
    "odd_values",
    "refuse",
    "taken",
]

_SHOWN_CAUSES: Final = 20
_SHOWN_FIELDS: Final = 8
_OPTIONAL: Final = ("id", "input", "model_response")
_NEEDED: Final = {
    "instruction": INSTRUCTION,
    "output": REFERENCE,
}
_TEXTS: Final = (*_NEEDED, *_OPTIONAL)
_TEXT_OR_NULL: Final = (str, type(None))


class Problem(NamedTuple):
    """What is wrong with one record.

    Attributes:
        number: Of the record among those of its file or folder, from 0.
        text: What is wrong.
        hint: What to do.
        field: Which of its texts is wrong; empty where ``text`` names it.
        cause: What other records share whose ``text`` differs; empty for ``text`` itself.
        fields: Names of the record's fields, where it lacks one that it needs.
    """

    number: int
    text: str
    hint: str
    field: str = ""
    cause: str = ""
    fields: tuple[str, ...] = ()


class Checked(NamedTuple):
    """A record that can be used.

    Attributes:
        id: That it has of its own, or none.
        parts: What it says.
        value: The record as it stands in the file.
    """

    id: str | None
    parts: Parts
    value: dict[str, Any]


def check(
    content: Contents,
    needed: Mapping[str, str],
    gates: Collection[str] = (),
    fields: Mapping[str, str] | None = None,
    *,
    criteria: Sequence[Criterion] = (),
) -> tuple[Format, list[Checked]]:
    """Check all records of a file.

    Args:
        content: Of the file, or of all files of a folder.
        needed: Fields that must hold a string in every record, by the keyword that names them.
        gates: Names that no record may have as its id.
        fields: Which field each part of a record is; none where the content decides.
        criteria: Of the records that have none of their own.

    Returns:
        The format, and the records in file order.

    Raises:
        RecordsError: With all causes, the first 20 in full.
    """
    name, values = content.name, content.values
    chosen = mapping_format(name, fields) if fields else detect(name, values, free=bool(criteria))
    for field in (*needed.values(), *(fields or {}).values()):
        _check_is_known(name, field, values)
    own, is_odd = tuple(criteria), content.is_odd
    reader = _Reader(chosen, needed, gates, fields or {}, criteria=own, is_odd=is_odd)
    ids: dict[str, int] = {}
    problems: list[Problem] = []
    records: list[Checked] = []
    for number, value in enumerate(values):
        record = reader.read(number, value, problems)
        if record is not None:
            problems += taken(content, number, record.id, ids)
            records.append(record)
    refuse(content, problems)
    raw = sum(record.parts.is_raw for record in records)
    if 0 < raw < len(records):
        problem = f"{raw} of {len(records)} prompts are texts, and the others lists of messages"
        raise RecordsError(name, problem, "write all of them as lists of messages")
    return chosen, records


def refuse(content: Contents, problems: Sequence[Problem]) -> None:
    """Refuse a file that has problems, one line for each cause.

    Raises:
        RecordsError: It has some; with all causes, the first 20 in full.
    """
    if not problems:
        return
    first, *others = _by_cause(content, problems)
    more = others[: _SHOWN_CAUSES - 1]
    left = len(others) - len(more)
    raise RecordsError(first.where, first.problem, first.hint, more=tuple(more), left=left)


def _check_is_known(name: str, field: str, values: Sequence[object]) -> None:
    """Refuse the name of a field that no record has."""
    records = [value for value in values if isinstance(value, dict)]
    if not records or any(has_field(value, field) for value in records):
        return
    known = list(dict.fromkeys(one_line(key, 40) for value in records for key in value))
    more = f" and {len(known) - _SHOWN_FIELDS} more" if len(known) > _SHOWN_FIELDS else ""
    problem = f'no record has "{one_line(field, 40)}"'
    hint = f"the fields are {', '.join(known[:_SHOWN_FIELDS])}{more}"
    raise RecordsError(name, problem, hint)


class _Reader:
    """Reads the records of a file in its format, and says what is wrong with each."""

    def __init__(
        self,
        chosen: Format,
        needed: Mapping[str, str],
        gates: Collection[str],
        fields: Mapping[str, str],
        *,
        criteria: tuple[Criterion, ...],
        is_odd: bool,
    ) -> None:
        self._format = chosen
        self._needed = needed
        self._gates = gates
        self._fields = fields
        self._criteria = criteria
        self._is_odd = is_odd
        self._is_alpaca = chosen is ALPACA and not fields
        field = fields.get(chosen.reference, chosen.reference)
        self._judges_reference = bool(field) and needed.get("responses") == field

    def read(self, number: int, value: object, problems: list[Problem]) -> Checked | None:
        """Return a record, and add what is wrong with it to ``problems``."""
        before = len(problems)
        if self._is_odd and isinstance(value, dict):
            problems += odd_values(number, value, self._needed)
        if not isinstance(value, dict):
            problem = f"it is {kind_of(value)}"
            problems.append(Problem(number, problem, "a record is an object"))
            return None
        view = mapped(self._format, self._fields, value) if self._fields else value
        identifier = view.get("id")
        criteria = self._criteria_of(number, view, problems)
        if criteria is None:
            return Checked(None, _NO_PARTS, value)
        if criteria:
            view = {**view, CRITERIA: criteria}
        if type(identifier) is int and not self._is_alpaca:
            identifier = str(identifier)
        if self._is_alpaca or self._needed or identifier is not None or _OWN & value.keys():
            problems += self._values_beside_schema(number, value, identifier, criteria)
        parts = None
        # What is wrong so far may be wrong with its texts, and is not said again.
        if len(problems) == before:
            parts = self._parts(number, value, view, problems)
        if parts is not None and (criteria or self._judges_reference):
            parts = self._with_criteria(number, parts, criteria, problems)
        if not isinstance(identifier, str) or not identifier.strip():
            identifier = None
        return Checked(identifier, parts or _NO_PARTS, value)

    def _values_beside_schema(
        self, number: int, value: dict[str, Any], identifier: object, criteria: Sequence[Criterion]
    ) -> Iterator[Problem]:
        """Say which values are not what the schema of records wants, of whatever format."""
        if self._is_alpaca:
            texts = (*_TEXTS, *self._needed.values())
            shown: dict[str, Any] | None = value
            if criteria and is_blank(value.get("output")):
                shown = {**value, "output": _GOOD["output"]}
        else:
            own: dict[str, Any] = {field: value[field] for field in _OWN & value.keys()}
            if self._has_turns(value):
                own.pop(_RESPONSE, None)
                yield from _answers_problems(number, value, self._needed)
            shown = {**_GOOD, **own, "id": identifier} if own or identifier is not None else None
            texts = tuple(self._needed.values())
        if shown is not None and not is_plain(shown):
            yield from _beside_schema(number, shown)
        if shown is not None and not self._is_alpaca:
            yield from _characters_of(number, shown, ("id",))
        yield from _characters_of(number, value, texts)
        if not self._has_turns(value):
            yield from _needed_problems(number, value, self._needed)
        if isinstance(identifier, str) and identifier in self._gates:
            problem = f'"id" is "{identifier}", the name of a gate'
            yield Problem(number, problem, "give the record another id")

    def _with_criteria(
        self, number: int, parts: Parts, criteria: tuple[Criterion, ...], problems: list[Problem]
    ) -> Parts:
        """Add criteria; what is judged as the response is no reference."""
        if not self._judges_reference:
            return parts._replace(criteria=criteria)
        if not criteria:
            problem = f'"{self._needed["responses"]}" is both its reference and the response'
            hint = "name the field that holds the responses, or give criteria"
            problems.append(Problem(number, problem, hint))
        return parts._replace(criteria=criteria, output="")

    def _has_turns(self, value: Mapping[str, Any]) -> bool:
        """Say whether a record asks several questions."""
        turns = value.get("turns") if self._format is MT_BENCH else None
        return isinstance(turns, list) and len(turns) > 1

    def _criteria_of(
        self, number: int, view: dict[str, Any], problems: list[Problem]
    ) -> tuple[Criterion, ...] | None:
        """Return what responses to a record are judged by, its own criteria or the marker's.

        ``None`` is for criteria that cannot be read, so that nobody knows what else is needed.
        """
        own = view.get(CRITERIA)
        if own is None or own == "":
            return self._criteria
        try:
            return read_criteria(own)
        except BadCriteriaError as fault:
            problems.append(Problem(number, fault.problem, fault.hint, CRITERIA))
            return None

    def _parts(
        self, number: int, value: dict[str, Any], view: dict[str, Any], problems: list[Problem]
    ) -> Parts | None:
        if self._is_alpaca and _FURTHER.isdisjoint(view):
            return Parts(value["instruction"], value.get("input") or "", value["output"])
        try:
            if not self._fields:
                check_format(value, self._format)
            if self._format is ALPACA_EVAL:
                check_alpaca_eval(view, self._needed)
            check_text_only(value, self._format)
            parts = self._format.read(view)
        except BadRecordError as fault:
            problem = with_own_names(fault.problem, self._fields)
            problems.append(Problem(number, problem, fault.hint, cause=fault.cause))
            return None
        for field, text in zip(Parts._fields, parts, strict=True):
            if type(text) is str and not (text.isascii() and "\0" not in text):
                problems += bad_characters(number, field, text)
        for turn in parts.turns:
            problems += bad_characters(number, "turns", turn.text)
        for question in parts.follow_ups:
            problems += bad_characters(number, "turns", question.instruction)
            problems += bad_characters(number, "reference", question.output)
        return parts


_NO_PARTS: Final = Parts("", "", "")
_RESPONSE: Final = "model_response"
_OWN: Final = {_RESPONSE, "human_score"}
_GOOD: Final = {"instruction": "x", "output": "x"}
_FURTHER: Final = frozenset(
    (*ALPACA.unless, "system", "history", "images", "videos", "audios", CRITERIA)
)


def _by_cause(content: Contents, problems: Iterable[Problem]) -> list[RecordsError]:
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        key = (problem.field, problem.cause or problem.text, problem.hint)
        groups.setdefault(key, []).append(problem)
    return [_error_of(content, group) for group in groups.values()]


def _error_of(content: Contents, group: Sequence[Problem]) -> RecordsError:
    first = group[0]
    where = _where(content, group)
    if first.field:
        where = f"{where}: {first.field}"
    problem = first.text
    if len(group) > 1 and first.fields:
        fields = dict.fromkeys(field for one in group for field in one.fields)
        problem = f"{problem}, the fields are {listed(fields)}"
    return RecordsError(where, problem, first.hint)


def _where(content: Contents, group: Sequence[Problem]) -> str:
    places = [
        content.place(number) for number in dict.fromkeys(problem.number for problem in group)
    ]
    first, *others = places
    are_alike = len({problem.text for problem in group}) == 1
    if are_alike and len(places) == len(content.values) > 2:
        return f"{content.name}: all {len(places)} records"
    more = f"and {len(others)} other{'s' * (len(others) > 1)}"
    if any(place.file != first.file for place in others):
        like = "" if are_alike else " like it"
        return f"{content.name}: {content.spell(first)} {more}{like}"
    where, numbers = f"{first.file}: {first.unit}", [place.number for place in places]
    if not others:
        return f"{where} {first.number}"
    if not are_alike:
        return f"{where} {first.number} {more} like it"
    if len(numbers) > 3:
        return f"{where}s {first.number}, {numbers[1]} and {len(numbers) - 2} others"
    return f"{where}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _characters_of(
    number: int, value: Mapping[str, Any], fields: Iterable[str]
) -> Iterator[Problem]:
    for field in dict.fromkeys(fields):
        text = value.get(field)
        # Nearly all texts are plain, and there may be many.
        if isinstance(text, str) and not (text.isascii() and "\0" not in text):
            yield from bad_characters(number, field, text)


def _needed_problems(
    number: int, value: Mapping[str, Any], needed: Mapping[str, str]
) -> Iterator[Problem]:
    for keyword, field in needed.items():
        if not isinstance(value.get(field), str):
            problem = f'"{field}" is missing'
            if field in value:
                problem = f'"{field}" is {kind_of(value[field])}'
            hint = f'{keyword}="{field}" needs a string there in every record'
            yield Problem(number, problem, hint)


def _answers_problems(
    number: int, value: Mapping[str, Any], needed: Mapping[str, str]
) -> Iterator[Problem]:
    """Find what is wrong with the fields of a record that hold an answer to each of its turns."""
    holders = {} if value.get(_RESPONSE) is None else {_RESPONSE: "it must be"}
    holders |= {field: f'{keyword}="{field}" needs' for keyword, field in needed.items()}
    for field, start in holders.items():
        problem = _answers_problem(field, value)
        if problem:
            hint = f"{start} a list of strings, one for each turn"
            yield Problem(number, problem, hint, cause=f"answers {field}")
        else:
            for answer in value[field]:
                yield from bad_characters(number, field, answer)


def _answers_problem(field: str, value: Mapping[str, Any]) -> str:
    answers, turns = value.get(field), len(value["turns"])
    if field not in value:
        return f'"{field}" is missing'
    if not isinstance(answers, list):
        return f'"{field}" is {kind_of(answers)}'
    if len(answers) != turns:
        return f'"{field}" is a list of {len(answers)}, and "turns" one of {turns}'
    other = [answer for answer in answers if not isinstance(answer, str)]
    return f'"{field}" holds {kind_of(other[0])}' if other else ""


def is_plain(value: object) -> bool:
    """Tell at a glance that a record is good, as nearly all are; the schema judges the others.

    For a large file the schema takes as long as all else that pytest does to collect it.
    """
    return (
        isinstance(value, dict)
        and "human_score" not in value
        and all(type(value.get(field)) in _TEXT_OR_NULL for field in _OPTIONAL)
        and all(type(value.get(field)) is str and value[field].strip() for field in _NEEDED)
        and (value.get("id") is None or bool(value["id"].strip()))
    )


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    schema = resources.files("pytest_llmjudge").joinpath("schemas/record.json").read_bytes()
    return jsonschema.Draft202012Validator(json.loads(schema))


def _beside_schema(number: int, value: dict[str, Any]) -> Iterator[Problem]:
    missing = [field for field in _NEEDED if field not in value]
    fields = tuple(value)
    if len(missing) == 2:
        problem, hint = '"instruction" and "output" are missing', "every record needs both"
        yield Problem(number, problem, hint, fields=fields)
    elif missing:
        problem, hint = f'"{missing[0]}" is missing', _NEEDED[missing[0]]
        yield Problem(number, problem, hint, fields=fields)
    for error in _validator().iter_errors(value):
        # Missing fields are reported above, and a record's own numbers by odd_values(). Which field
        # is the group is known where the marker is.
        if (
            error.validator != "required"
            and not isinstance(error.instance, NotFinite)
            and error.absolute_path[0] != "group"
        ):
            yield _of_schema(number, error)


def _of_schema(number: int, error: ValidationError) -> Problem:
    field = str(error.absolute_path[0])
    if field == "human_score":
        problem = f'"{field}" is {one_line(json.dumps(error.instance, default=kind_of), 40)}'
        hint = "it must be an integer from 0 to 100"
        return Problem(number, problem, hint, cause=field)
    if error.validator == "type":
        problem, hint = f'"{field}" is {kind_of(error.instance)}', "it must be a string"
        return Problem(number, problem, _NEEDED[field] if error.instance is None else hint)
    hint = _NEEDED.get(field, "give it a value or leave it out")
    return Problem(number, f'"{field}" is empty', hint)


def bad_characters(number: int, field: str, text: str) -> Iterator[Problem]:
    """Find characters that no file or tokenizer takes."""
    if "\0" in text:
        yield Problem(number, "it holds a NUL character", "remove it", field)
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = f"it holds half a surrogate pair (character {error.start + 1})"
        yield Problem(number, problem, "write the text again as UTF-8", field, cause="surrogate")


def taken(
    content: Contents, number: int, identifier: str | None, first: dict[str, int]
) -> Iterator[Problem]:
    """Report an id that is taken; ``first`` keeps which record had each id first."""
    if identifier is None:
        return
    if identifier in first:
        place = content.spell(content.place(first[identifier]))
        problem = f'"id" is "{one_line(identifier, 60)}", as in {place}'
        yield Problem(number, problem, "ids must differ within a file", cause="taken")
    first.setdefault(identifier, number)


def odd_values(number: int, value: dict[str, Any], needed: Mapping[str, str]) -> Iterator[Problem]:
    """Find keys that an object has more than once, and numbers that JSON lacks, at any depth."""
    # The list grows while it is read: a file may be nested too deeply for a recursion.
    inside: list[tuple[str | None, object]] = [(None, value)]
    for field, part in inside:
        holder = "it" if field is None else f'"{one_line(field, 40)}"'
        if isinstance(part, Repeated):
            problem = f"{holder} has {listed(part.again)} more than once"
            yield Problem(number, problem, "keep one of them")
        if isinstance(part, dict):
            inside += [(key if field is None else field, inner) for key, inner in part.items()]
        elif isinstance(part, list):
            inside += [(field, inner) for inner in part]
        elif field is not None and isinstance(part, NotFinite):
            is_whole = value[field] is part
            if is_whole and field in needed.values():
                continue  # _problems() says so
            problem = (
                f"{holder} {'is' if is_whole else 'holds'} {part.text}, which JSON does not have"
            )
            is_needed = is_whole and field in _NEEDED
            hint = _NEEDED[field] if is_needed else "leave it out or write null"
            yield Problem(number, problem, hint)
