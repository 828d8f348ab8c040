"""The formats of records: which one a file has, and what a record of each says.

A format is one entry of :data:`FORMATS`: the fields that it needs, and a function that reads them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.data import FollowUp, Turn
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.records.conversations import (
    CRITERIA,
    BadRecordError,
    Parts,
    conversation,
    has_criteria,
    need_text,
    optional_text,
    reference_text,
)
from pytest_llmjudge.records.json_values import kind_of, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

__all__ = [
    "ALPACA",
    "ALPACA_EVAL",
    "FORMATS",
    "MESSAGES",
    "MT_BENCH",
    "PROMPT",
    "Format",
    "check_alpaca_eval",
    "check_format",
    "check_text_only",
    "detect",
    "fits_any",
]

Value = dict[str, Any]


class Format(NamedTuple):
    """A shape that the records of a file may have.

    Attributes:
        name: For messages.
        needs: Fields that each record has.
        read: Returns what a record says, or raises :class:`BadRecordError`.
        unless: A record that has all of these fields too is of another format.
        parts: What ``fields=`` calls those that it needs, where it can choose the format.
        reference: The field of the reference, which a record with criteria may omit; empty where
            it is one of several messages.
    """

    name: str
    needs: tuple[str, ...]
    read: Callable[[Value], Parts]
    unless: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    reference: str = ""

    def fits(self, fields: Iterable[str], *, free: bool = False) -> bool:
        """Say whether a record with these fields may be of this format.

        Args:
            fields: Of the record.
            free: Whether it may lack its reference.
        """
        names = {*fields, self.reference} if free else set(fields)
        others = self.unless and names.issuperset(self.unless)
        return names.issuperset(self.needs) and not others


def _alpaca(value: Value) -> Parts:
    texts = need_text(value, "instruction"), optional_text(value, "input")
    return _with_history(value, Parts(*texts, reference_text(value, "output")))


def _with_history(value: Value, parts: Parts) -> Parts:
    """Add the text and the turns of ``system`` and ``history``, as LLaMA-Factory has them."""
    system, history = optional_text(value, "system"), value.get("history")
    if not history:
        return parts._replace(system=system)
    if not isinstance(history, list):
        problem = f'"history" is {kind_of(history)}'
        raise BadRecordError(problem, "it must be a list of pairs, [question, answer]")
    turns = []
    for pair in history:
        if not (isinstance(pair, list) and [type(text) for text in pair] == [str, str]):
            problem = '"history" has an entry that is no pair of texts'
            raise BadRecordError(problem, "write [question, answer]")
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    return parts._replace(system=system, turns=tuple(turns))


_ATTACHED: Final = ("images", "videos", "audios")
_NOT_TEXT: Final = (*_ATTACHED, "image", "video", "audio", "tools")


def check_text_only(value: Value, chosen: Format) -> None:
    """Refuse a record with more than texts; other fields of Alpaca's format may mean anything.

    Raises:
        BadRecordError: It has an image, a sound or tools.
    """
    for field in _ATTACHED if chosen is ALPACA else _NOT_TEXT:
        if value.get(field):
            problem = f'it has "{field}"'
            raise BadRecordError(problem, "only texts can be judged, so leave the record out")


def check_format(value: Value, chosen: Format) -> None:
    """Refuse a record that is of another format than the others of its file.

    Raises:
        BadRecordError: It has all fields that records of the format do not have.
    """
    if not chosen.unless or any(value.get(field) is None for field in chosen.unless):
        return
    if chosen is ALPACA:
        raise _no_reference()
    problem = f"it has {listed(chosen.unless)}, which is of another format than {chosen.name}"
    raise BadRecordError(problem, "leave the record out, or write it as the others are")


def _dialogue(field: str) -> Callable[[Value], Parts]:
    def read(value: Value) -> Parts:
        if field not in value:
            problem = f'"{field}" is missing'
            raise BadRecordError(problem, "every record needs its conversation")
        if value.get("history") or value.get("input"):
            beside = "history" if value.get("history") else "input"
            problem = f'it has "{beside}" beside "{field}"'
            raise BadRecordError(problem, "leave it out, or write it as messages")
        system, free = optional_text(value, "system"), has_criteria(value)
        return conversation(field, value[field], system, needs_reference=not free)

    return read


def _prompt(value: Value) -> Parts:
    prompt, completion = value.get("prompt"), value.get("completion")
    free = not completion and has_criteria(value)
    if isinstance(prompt, list) and (free or isinstance(completion, list)):
        if not prompt:
            problem = '"prompt" is empty'
            raise BadRecordError(problem, "it must be a list of messages")
        both, system = [*prompt, *(completion or ())], optional_text(value, "system")
        return conversation("completion", both, system, len(prompt), needs_reference=not free)
    texts = need_text(value, "prompt"), reference_text(value, "completion")
    if optional_text(value, "system"):
        problem = 'it has "system", and a prompt that is a text is sent as it is'
        raise BadRecordError(problem, "write the prompt as a list of messages")
    return Parts(texts[0], "", texts[1], is_raw=True)


def _columns(instruction: str, output: str) -> Callable[[Value], Parts]:
    def read(value: Value) -> Parts:
        texts = need_text(value, instruction), _material(value)
        return Parts(*texts, reference_text(value, output), optional_text(value, "system"))

    return read


_MATERIAL: Final = ("context", "input")
"""Fields of the text that an instruction speaks of, in formats other than Alpaca's."""


def _material(value: Value) -> str:
    context, further = (optional_text(value, field) for field in _MATERIAL)
    if context and further and context != further:
        problem = '"context" and "input" differ'
        raise BadRecordError(problem, "leave one of them out")
    return context or further


def _mt_bench(value: Value) -> Parts:
    turns, reference = value.get("turns"), value.get("reference")
    if not isinstance(turns, list) or not turns:
        problem = f'"turns" is {_shown(turns)}'
        raise BadRecordError(problem, "it must be a list of questions")
    references = reference if isinstance(reference, list) else [reference] * bool(reference)
    if references and len(turns) != 1 and len(references) != len(turns):
        problem = f'"turns" has {len(turns)} texts and "reference" has {len(references)}'
        raise BadRecordError(problem, 'write a list of as many in "reference"', cause="turns")
    criteria = value.get(CRITERIA)
    first, *follow_ups = (
        FollowUp(
            _of_turn("turns", turns, number, need_text, criteria),
            _of_turn("reference", references, number, reference_text, criteria),
        )
        for number in range(len(turns))
    )
    return Parts(first.instruction, "", first.output, follow_ups=tuple(follow_ups))


def _of_turn(
    field: str,
    texts: Sequence[object],
    number: int,
    read: Callable[[Value, str], str],
    criteria: object,
) -> str:
    """Return the text that a field has for a turn, counted from 0.

    Raises:
        BadRecordError: It is missing, blank, or no text.
    """
    try:
        return read({CRITERIA: criteria} | ({field: texts[number]} if texts else {}), field)
    except BadRecordError as error:
        if number:
            error.problem = error.problem.replace('"', f'turn {number + 1} of "', 1)
        raise


def _shown(value: object) -> str:
    return "empty" if value == [] else kind_of(value)


def _no_reference() -> BadRecordError:
    return BadRecordError(
        'it is an output of AlpacaEval, whose "output" is the response of a model',
        'judge it with responses="output", and give criteria=, or name a reference with '
        'fields={"output": "…"}',
    )


def check_alpaca_eval(value: Value, needed: Mapping[str, str]) -> None:
    """Refuse an output of AlpacaEval that is not judged by criteria as what it is, a response.

    Args:
        value: The record.
        needed: Fields that are responses, by the keyword that names them.

    Raises:
        BadRecordError: It has no criteria, or responses from elsewhere.
    """
    if not has_criteria(value) or needed.get("responses") != "output":
        raise _no_reference()


def _alpaca_eval(value: Value) -> Parts:
    return Parts(need_text(value, "instruction"), "", "")


_TEXTS: Final = ("instruction", "output")


def _pair(name: str, instruction: str, output: str, *unless: str) -> Format:
    read = _columns(instruction, output)
    return Format(name, (instruction, output), read, unless, _TEXTS, output)


ALPACA: Final = Format("Alpaca", _TEXTS, _alpaca, ("generator", "dataset"), _TEXTS, "output")
MESSAGES: Final = Format(
    "OpenAI's messages", ("messages",), _dialogue("messages"), parts=("messages",)
)
_BOTH: Final = ("prompt", "completion")
PROMPT: Final = Format("prompt and completion", _BOTH, _prompt, ("label",), _BOTH, "completion")
MT_BENCH: Final = Format("MT-Bench", ("question_id", "turns"), _mt_bench, reference="reference")
ALPACA_EVAL: Final = Format("AlpacaEval", (*_TEXTS, "generator", "dataset"), _alpaca_eval)

DOLLY: Final = _pair("Dolly", "instruction", "response", "output")
FORMATS: Final = (
    ALPACA,
    MESSAGES,
    Format("ShareGPT", ("conversations",), _dialogue("conversations"), parts=("messages",)),
    PROMPT,
    DOLLY,
    _pair("question and answer", "question", "answer"),
    _pair("query and response", "query", "response"),
    _pair("problem and solution", "problem", "solution"),
    MT_BENCH,
    ALPACA_EVAL,
)
"""All formats that are known by their content."""

_LOOKS: Final = (
    (
        ("chosen",),
        "preference data",
        'give fields={"instruction": "prompt", "output": "chosen"}, or {"messages": "chosen"}',
    ),
    (
        ("prompt", "completion", "label"),
        "unpaired preference data",
        "leave out the completions that were not liked, and the field label",
    ),
    (("question", "choices"), "multiple choice", "records need a reference answer in words"),
    (("text",), "text to train on", 'measure its loss with llm_loss("text.txt")'),
)
"""Fields of data that holds no records, what it is, and what to do."""


def fits_any(fields: Iterable[str]) -> bool:
    """Say whether an object with these fields may be a record."""
    names = set(fields)
    free = CRITERIA in names
    known = any(one.fits(names, free=free) for one in FORMATS)
    return known or not names.isdisjoint(ALPACA.needs)


def detect(name: str, values: Sequence[object], *, free: bool = False) -> Format:
    """Return the format of a file's records: that of most of them.

    Args:
        name: Of the file.
        values: Its records, unchecked.
        free: Whether records may lack their references; those with criteria of their own may.

    Raises:
        RecordsError: No record is of a known format, or one is of two.
    """
    alike: dict[tuple[str, ...], list[Value]] = {}
    for value in values:
        if isinstance(value, dict):
            alike.setdefault(tuple(value), []).append(value)
    counts: Counter[Format] = Counter()
    for fields, records in alike.items():
        fitting, lacking = [one for one in FORMATS if one.fits(fields)], set[str]()
        if not fitting and (free or CRITERIA in fields):
            fitting = _without_reference(fields)
            lacking = {one.reference for one in fitting} - set(fields)
        if len(fitting) > 1:
            # Tables have all fields in all rows: a format for which one is always null is none.
            full = {field for value in records for field, part in value.items() if part is not None}
            fitting = [one for one in fitting if full.issuperset({*one.needs} - lacking)]
        if len(fitting) > 1:
            names = " and as ".join(one.name for one in fitting)
            examples = " or ".join(_example(one, fields) for one in fitting if one.parts)
            problem = f"its records can be read as {names}"
            raise RecordsError(name, problem, f"say which: {examples}")
        counts.update(dict.fromkeys(fitting, len(records)))
    if counts:
        return max(counts, key=lambda one: counts[one])
    if sum(map(len, alike.values())) == len(values) > 1:
        _refuse(name, list(dict.fromkeys(key for fields in alike for key in fields)), len(values))
    return ALPACA


def _without_reference(fields: Collection[str]) -> list[Format]:
    """Return the formats that records with these fields may have, were there references."""
    fitting = [one for one in FORMATS if one.reference and one.fits(fields, free=True)]
    # Without its response a record of Dolly's is one of Alpaca's but for this field.
    other = ALPACA if "context" in fields else DOLLY
    return [one for one in fitting if one is not other or len(fitting) == 1]


def _example(one: Format, fields: Collection[str]) -> str:
    """Write the keyword that chooses a format, for records with some fields."""
    pairs = list(zip(one.parts, one.needs, strict=True))
    if one.parts is _TEXTS and one is not ALPACA:
        pairs[1:1] = [("input", field) for field in _MATERIAL if field in fields][:1]
    return "fields={" + ", ".join(f'"{part}": "{field}"' for part, field in pairs) + "}"


def _refuse(name: str, fields: Sequence[str], total: int) -> None:
    """Refuse a file whose records all lack the same field.

    Args:
        name: Of the file.
        fields: All that its records have.
        total: How many records it has.

    Raises:
        RecordsError: They do.
    """
    lacking = [field for field in _TEXTS if field not in fields]
    if not lacking:
        return
    wanted = ", ".join(f'"{field}": "…"' for field in lacking)
    what = f": name yours with fields={{{wanted}}}"
    for needs, kind, hint in _LOOKS:
        if set(needs) <= set(fields):
            what = f", which is {kind}: {hint}"
            break
    problem = f'all {total} records lack "{lacking[0]}"'
    raise RecordsError(name, problem, f"the fields are {listed(fields)}{what}")
