"""What of an answer is compared with its reference, and whether the two are the same."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections import deque
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_llmjudge.errors import ExtractionError, SettingsError, one_line, storable
from pytest_llmjudge.normal_forms import normal_form
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import regex

__all__ = [
    "EXACT",
    "EXTRACTIONS",
    "Extracted",
    "Extraction",
    "Found",
    "check_extraction",
    "deciding_filter",
    "make_extraction",
]

EXACT: Final = "exact"
EXTRACTIONS: Final = (
    *(EXACT, "contains", "last-number", "regex:…", "regex-last:…", "json:…"),
    *("gsm8k", "gsm8k-flexible"),
)
"""As people are told what there is; what stands for ``…`` is theirs."""

_SECONDS: Final = 1.0
"""How long a pattern of the user's may search one text, in seconds of this process's own time."""
_REPETITIONS: Final = 100_000
"""The most that the counts of a pattern multiply to: each is written out in memory."""
_TRIED: Final = 1_000_000
"""Characters of a text that may be read in vain for JSON."""
_PASSED: Final = 4096
"""Characters of it that are kept before the place of a search."""
_DIGITS: Final = 1000
"""Of a fraction that is reduced, which takes long for more."""
_INDEX_DIGITS: Final = 18
_SHOWN: Final = 60


class Found(NamedTuple):
    """What stands in a text.

    Attributes:
        text: As people read it.
        value: What is compared.
    """

    text: str
    value: object


class Extracted(NamedTuple):
    """What was extracted from an answer.

    Attributes:
        text: As it stands there; ``None`` when nothing was found.
        correct: Whether it is the reference's; what was not found is not.
    """

    text: str | None
    correct: bool


@dataclass(frozen=True)
class _Filter:
    """One way to extract.

    Attributes:
        name: Of the way.
        find: Returns what stands in an answer, ``None`` for nothing.
        expect: The same of a reference.
        take: Returns what a reference is where no reference has anything to be found.
    """

    name: str
    find: Callable[[str], Found | None]
    expect: Callable[[str], Found | None]
    take: Callable[[str], Found]

    def grade(self, answer: str, expected: Found) -> Extracted:
        found = self.find(answer)
        if found is None:
            return Extracted(None, correct=False)
        return Extracted(found.text, self.is_same(found, expected))

    def is_same(self, found: Found, expected: Found) -> bool:
        return found.value == expected.value


class _Json(_Filter):
    def is_same(self, found: Found, expected: Found) -> bool:
        # A reference that is no JSON does not say whether its 5 is a number or a text.
        return found.text == expected.text or found.value == expected.value


class _Contains(_Filter):
    def grade(self, answer: str, expected: Found) -> Extracted:
        is_there = str(expected.value) in str(_folded(answer).value)
        return Extracted(expected.text if is_there else None, correct=is_there)


@dataclass(frozen=True)
class Extraction:
    """How answers are compared with their references.

    Attributes:
        name: As users write it.
        filters: The ways to extract; the first decides, and the others are reported beside it.
    """

    name: str
    filters: tuple[_Filter, ...]

    def expected(self, where: str, references: Mapping[str, str]) -> dict[str, tuple[Found, ...]]:
        """Return what each reference asks for, by the record's id and for each filter.

        Where nothing can be extracted from any reference they are the answers themselves.

        Args:
            where: The keyword, for messages.
            references: By id; none is blank.

        Raises:
            SettingsError: Something can be extracted from some of them and not from others, or a
                pattern takes too long.
        """
        try:
            found = [self._of_references(where, one, references) for one in self.filters]
        except ExtractionError as error:
            raise SettingsError(where, error.problem, error.hint) from None
        columns = zip(*found, strict=True)
        return dict(zip(references, columns, strict=True))

    def _of_references(
        self, where: str, one: _Filter, references: Mapping[str, str]
    ) -> list[Found]:
        found = {name: one.expect(text) for name, text in references.items()}
        lacking = [name for name, what in found.items() if what is None]
        if lacking and len(lacking) < len(references):
            problem = (
                f'"{one_line(self.name, _SHOWN)}" finds nothing in the references of '
                f"{len(lacking)} of {len(references)} records (the first is "
                f"{one_line(lacking[0], _SHOWN)})"
            )
            hint = "correct these, or write all references as the bare answers"
            raise SettingsError(where, problem, hint)
        return [what or one.take(references[name]) for name, what in found.items()]

    def grade(self, answer: str, expected: Sequence[Found]) -> dict[str, Extracted]:
        """Compare an answer with its reference, by each filter's name; the first decides.

        Raises:
            ExtractionError: A pattern takes too long on this answer.
        """
        pairs = zip(self.filters, expected, strict=True)
        return {one.name: one.grade(answer, what) for one, what in pairs}


def check_extraction(where: str, value: object) -> str:
    """Return the name of an extraction that a marker gives.

    Raises:
        SettingsError: There is none of this name, or its pattern cannot be used.
    """
    if not isinstance(value, str):
        raise _unknown(where, value)
    make_extraction(where, value)
    return value


def deciding_filter(name: str) -> str:
    """Return the name of the filter that decides, of an extraction as users write it."""
    return _NAMED[name][0].name if name in _NAMED else name.partition(":")[0]


def make_extraction(where: str, name: str) -> Extraction:
    """Return the extraction of a name.

    Args:
        where: The keyword, for messages.
        name: One of :data:`EXTRACTIONS`, or the beginning of one with a pattern or path behind it.

    Raises:
        SettingsError: There is none of this name, or its pattern cannot be used.
    """
    kind, colon, rest = name.partition(":")
    if name in _NAMED:
        return Extraction(name, _NAMED[name])
    if colon and kind in ("regex", "regex-last"):
        match = partial(_match, _compiled(where, rest), kind == "regex-last")
        return Extraction(name, (_Filter(kind, match, match, _plain),))
    if colon and kind == "json":
        reach = partial(_in_json, _steps(where, rest))
        return Extraction(name, (_Json(kind, reach, reach, _bare_json),))
    raise _unknown(where, name)


def _unknown(where: str, value: object) -> SettingsError:
    *most, last = EXTRACTIONS
    problem = f"{shown(value)} is no extraction"
    return SettingsError(where, problem, f"choose {', '.join(most)} or {last}")


def _plain(text: str) -> Found:
    """Take a whole text, whatever the blanks at its ends and the form of its characters."""
    text = text.strip()
    return Found(text, normal_form("NFC", text))


def _whole(text: str) -> Found | None:
    found = _plain(text)
    return found if found.text else None


def _folded(text: str) -> Found:
    """Take a whole text, whatever its case, its blanks and the form of its characters."""
    folded = normal_form("NFKC", text).casefold()
    return Found(text.strip(), " ".join(folded.split()))


def _last(matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    return next(iter(deque(matches, maxlen=1)), None)


# A minus sign behind a digit, a letter or a bracket is a hyphen or an operation, and digits behind
# a letter are a part of a name. Dates are no fractions.
_NUMBER: Final = re.compile(
    r"(?P<sign>(?<![\w)\]])[-+\u2212])?[$€£¥]?(?<![A-Za-z_\d])(?<![A-Za-z_\d]\.)"
    r"(?:(?<!/)(?P<above>\d+)/(?P<below>0*[1-9]\d*)(?![.,]?\d|/)"
    r"|(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+\u2212]?\d{1,3})(?!\w))?)"
)
_MINUS: Final = "-", "\u2212"


def _last_number(text: str) -> Found | None:
    """Find the last number of a text, which is compared by its value: 1,000 is 1e3, 0.75 is 3/4.

    Signs of currencies before it and all that is behind it, such as %, make no difference.
    """
    last = _last(_NUMBER.finditer(text))
    if last is None:
        return None
    # The sign is read with the digits: Decimal rounds what is negated afterwards.
    sign = _MINUS[0] if last["sign"] in _MINUS else ""
    if last["below"] is None:
        exponent = (last["exponent"] or "0").replace(_MINUS[1], _MINUS[0])
        return Found(last[0], Decimal(f"{sign}{last['digits'].replace(',', '')}e{exponent}"))
    above, below = last["above"], last["below"]
    if len(above) + len(below) > _DIGITS:
        return Found(last[0], last[0])
    return Found(last[0], Fraction(int(f"{sign}{above}"), int(below)))


_COUNT: Final = re.compile(r"(?s)\\.|\{(\d+)(?:,\d*)?\}")
_LITERAL_BRACE: Final = re.compile(r"(?s)(\\N\{[^}]*\}|\\.)|\{(?!\d*,?\d*\})")


def _escaped(found: re.Match[str]) -> str:
    """Escape a brace that repeats nothing: before some letters regex reads it as approximate."""
    return found[1] or r"\{"


def _compiled(where: str, pattern: str) -> regex.Pattern[str]:
    """Compile a pattern of the user's, in the syntax of Python's own module.

    Raises:
        SettingsError: It is none, or it may mean something else one day.
    """
    # Its searches can be stopped, and those of the standard library cannot.
    import regex

    hint = "write a regular expression of Python's module re"
    try:
        if not pattern:
            # It is found in any text, and finds nothing.
            raise re.error("it is empty")  # noqa: EM101
        with warnings.catch_warnings():
            # Of sets within sets, which the two modules read differently.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
            counts = (int(one[1]) for one in _COUNT.finditer(pattern) if one[1])
            if math.prod(count or 1 for count in counts) > _REPETITIONS:
                raise re.error("it repeats too often")  # noqa: EM101
            return regex.compile(_LITERAL_BRACE.sub(_escaped, pattern), regex.VERSION0)
    except (
        re.error,
        regex.error,
        ValueError,
        OverflowError,
        RecursionError,
        FutureWarning,
    ) as error:
        problem = f'"{one_line(pattern, _SHOWN)}" is no pattern ({one_line(str(error), _SHOWN)})'
        raise SettingsError(where, problem, hint) from None


def _match(pattern: regex.Pattern[str], takes_last: bool, text: str) -> Found | None:  # noqa: FBT001  # of a partial
    """Find the first or last match of a pattern: its group ``answer``, its first that is not blank.

    A pattern without groups is the answer as a whole.

    Raises:
        ExtractionError: It takes too long.
    """
    try:
        if takes_last:
            found = _last(pattern.finditer(text, timeout=_SECONDS))
        else:
            found = pattern.search(text, timeout=_SECONDS)
    except TimeoutError:
        where = f'extract "{one_line(pattern.pattern, _SHOWN)}"'
        problem = f"the pattern was stopped after {_SECONDS:g} second on a text of {len(text)} "
        hint = "write it without alternatives and repetitions that match the same text"
        raise ExtractionError(where, f"{problem}characters", hint) from None
    if found is None:
        return None
    is_named = "answer" in pattern.groupindex
    groups = (found["answer"],) if is_named else found.groups() or (found[0],)
    return next((_plain(group) for group in groups if group and group.strip()), None)


def _steps(where: str, path: str) -> tuple[str, ...]:
    steps = tuple(path.split("."))
    if not all(steps):
        hint = "name a field, as in json:answer, or several with dots between them: json:steps.0"
        raise SettingsError(where, f'"{one_line(path, _SHOWN)}" is no path', hint)
    return steps


def _not_a_number(name: str) -> object:
    raise ValueError(name)


_OPENING: Final = re.compile(r"[{\[]")
_JSON: Final = json.JSONDecoder(
    parse_int=Decimal, parse_float=Decimal, parse_constant=_not_a_number
)
_UNROUNDED: Final = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


def _in_json(steps: Sequence[str], text: str) -> Found | None:
    """Follow a path in the first JSON object of a text, or the first array if it begins so.

    What is nested too deeply has nothing, and neither has a text of a great many brackets.
    """
    kind = list if steps[0].isdecimal() else dict
    end = tried = 0
    while tried <= _TRIED and (opened := _OPENING.search(text, end)):
        start = opened.start()
        if start > _PASSED:
            # An error counts the lines before its place.
            text, start = text[start:], 0
        try:
            value, end = _JSON.raw_decode(text, start)
            if isinstance(value, kind):
                return _of_json(_at(steps, value))
        except RecursionError:
            # What begins within it would be as deep.
            return None
        except json.JSONDecodeError as error:
            end, tried = start + 1, tried + error.pos - start
        except (ValueError, InvalidOperation):
            end = start + 1
    return None


def _at(steps: Sequence[str], value: object) -> object:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
            continue
        is_index = step.isdecimal() and len(step) <= _INDEX_DIGITS
        if not isinstance(value, list) or not is_index or int(step) >= len(value):
            return None
        value = value[int(step)]
    return value


def _of_json(value: object) -> Found | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _whole(storable(value))
    if isinstance(value, bool):
        # True is equal to the number 1.
        return Found(str(value).lower(), str(value).lower())
    if isinstance(value, Decimal):
        return Found(str(value), value)
    return Found(_written(value), _canonical(value))


def _written(value: object) -> str:
    """Write a JSON value with all digits of its numbers, which json would round."""
    if isinstance(value, dict):
        fields = (f"{_quoted(key)}: {_written(one)}" for key, one in value.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value) if isinstance(value, Decimal) else _quoted(value)


def _quoted(value: object) -> str:
    return storable(json.dumps(value, ensure_ascii=False))


def _canonical(value: object) -> str:
    """Write a JSON value so that equal ones are the same: true is not 1, and 1.0 is."""
    if isinstance(value, dict):
        fields = (f"{json.dumps(key)}: {_canonical(one)}" for key, one in sorted(value.items()))
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_canonical, value))}]"
    if isinstance(value, Decimal):
        return str(_UNROUNDED.normalize(value)) if value else "0"
    return json.dumps(value)


def _bare_json(text: str) -> Found:
    """Take a reference that is no JSON: a number, or a text."""
    found = _plain(text)
    try:
        number = Decimal(found.text)
    except InvalidOperation:
        return found
    # Nothing can be compared with a signaling NaN.
    return Found(found.text, number) if number.is_finite() else found


# The filters of the task gsm8k of lm-evaluation-harness 0.4.13, and what its exact_match ignores.
_STRICT: Final = re.compile(r"#### (-?[0-9.,]+)")
_FLEXIBLE: Final = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def _gsm8k(text: str) -> Found:
    text_after = text.replace(",", "").replace("$", "").rpartition("#### ")[2]
    return Found(text, re.sub(r"\.$", "", text_after).lower())


def _gsm8k_reference(text: str) -> Found:
    value = str(_gsm8k(text).value)
    return Found(value, value)


def _strict(text: str) -> Found | None:
    found = _STRICT.search(text)
    return found and _gsm8k(found[1])


def _flexible(text: str) -> Found | None:
    last = _last(_FLEXIBLE.finditer(text))
    return last and _gsm8k(last[0])


_GSM8K: Final = (
    _Filter("strict-match", _strict, _gsm8k_reference, _gsm8k_reference),
    _Filter("flexible-extract", _flexible, _gsm8k_reference, _gsm8k_reference),
)
_NAMED: Final[Mapping[str, tuple[_Filter, ...]]] = {
    EXACT: (_Filter(EXACT, _whole, _whole, _plain),),
    "contains": (_Contains("contains", _folded, _folded, _folded),),
    "last-number": (_Filter("last-number", _last_number, _last_number, _plain),),
    "gsm8k": _GSM8K,
    "gsm8k-flexible": _GSM8K[::-1],
}
