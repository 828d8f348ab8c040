"""One number of an answer changed: by a step, or two of its digits swapped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.judging.near.asks import Ask

__all__ = ["change_formula", "step_number", "swap_digits"]

_UNITS: Final = (
    "km|cm|mm|nm|m|kg|mg|g|lbs?|oz|l|ml|s|ms|h|hz|khz|mhz|ghz|kb|mb|gb|tb|k|c|f|w|kw|v|j|kj|mph"
)
_NUMBER: Final = re.compile(
    r"(?<![\w.,:/^\\#@])(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?P<part>\.[0-9]{1,9})?"
    rf"(?P<suffix>st|nd|rd|th|{_UNITS})?(?!\w|\^|[.,/:]\d|\s*[+*/\u00d7÷^=<>])",
    re.IGNORECASE,
)
_WORDS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_SPELLED: Final = re.compile(
    rf"(?<![\w-])(?P<word>{'|'.join(_WORDS[2:])})"
    r"(?!\w|-(?:\d|one|two|three|four|five|six|seven|eight|nine|thirds?|fourths?|fifths?|fold)"
    r"|\s+(?:or|and|to|thirds?|hundred|thousand|million|billion)\b)",
    re.IGNORECASE,
)
_ANY_SPELLED: Final = re.compile(rf"(?<!\w)({'|'.join(_WORDS)})(?!\w)", re.IGNORECASE)
_ANY_DIGITS: Final = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_YEAR: Final = re.compile(r"1\d{3}|20\d\d|2100")
_MEASURED: Final = re.compile(
    r"\s?(?:[%°$€£]|(?:square |cubic |degrees? )?"
    r"(?!is|was|were|and|to|in|by|the|after|when|with|as|at|on|of|from|for|or|between|but)[a-z]{2,})"
)
_VAGUE: Final = re.compile(
    r"(?<!\w)(?:about|approximately|approx\.?|around|roughly|nearly|almost|circa|c\.|some|~|≈|over|under"
    r"|more than|less than|at least|at most|up to|estimated at)\W{0,3}$",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"\b(?:step|example|figure|fig\.?|item|question|note|line|option|chapter|section|part|level"
    r"|vitamin|version|no\.|type|grade|(?:for example|for instance|e\.g\.|such as)(?:\W{1,3}\w+)?)"
    r"\W{0,3}$",
    re.IGNORECASE,
)
_RANGE_BEFORE: Final = re.compile(
    r"(?:\w[-\u2013]|\d\s[-\u2013]\s|\d to |\bbetween (?:[\d.,]+ and )?)$", re.IGNORECASE
)
_RANGE_AFTER: Final = re.compile(r"[-\u2013]\d|\s[-\u2013]\s\d| to \d")
_CONDITION: Final = re.compile(r"\bat (?:an? (?:temperature|pressure) of )?-?$", re.IGNORECASE)
"""Before a number that says where another one holds, such as the speed of sound at 20 °C."""
_ACIDITY: Final = re.compile(r"\bpH\b")
_FORMULA: Final = re.compile(
    r"(?<![\w(])(?:[A-Z][a-z]?[0-9₀-₉]*|\([A-Z][A-Za-z0-9₀-₉]*\)[0-9₀-₉]*){1,9}(?!\w)"
)
_SINGLE_UNIT: Final = re.compile(
    r"\s(?:square |cubic )?(?:\w*(?:gram|meter|metre|liter|litre)|mile|pound|ounce|inch|foot|second"
    r"|minute|hour|day|week|month|year|degree)\b"
)
_CONTEXT: Final = 80
_SUBSCRIPTS: Final = "₀₁₂₃₄₅₆₇₈₉"


@dataclass(frozen=True, slots=True)
class _Found:
    """A number in an answer.

    Attributes:
        start: Where it stands.
        end: Where it ends, without its unit.
        text: Its digits as they stand, or a word.
        value: What it means, without a sign.
        least: Smallest change that makes it wrong.
        is_year: Whether it is a year.
        suffix: Of an ordinal; empty for none.
    """

    start: int
    end: int
    text: str
    value: Decimal
    least: Decimal
    is_year: bool = False
    suffix: str = ""


def step_number(ask: Ask, question: str, answer: str, seed: int) -> str | None:
    """Return the answer with its last number one step higher or lower; ``None`` without one.

    The step is the least power of ten that makes it wrong, and that leaves its final zeros.

    Args:
        ask: What is asked for.
        question: All that was asked; a number that stands in it is no part of the answer.
        answer: The right one.
        seed: Decides whether it is higher or lower.
    """
    known = _values(question) | _values(answer)
    for found in _numbers(ask, question, answer):
        step = _step(found)
        signs = (1, -1) if seed % 2 == 0 or found.value <= 2 or found.value <= step else (-1, 1)
        for sign in signs:
            changed = found.value + sign * step
            if changed > 0 and changed not in known:
                return _put(answer, found, _written(found, changed))
    return None


def swap_digits(ask: Ask, question: str, answer: str, seed: int) -> str | None:
    """Return the answer with two neighbouring digits of its last number swapped.

    ``None`` where none is wrong then: it takes what :func:`step_number` takes.
    """
    known = _values(question) | _values(answer)
    for found in _numbers(ask, question, answer):
        if found.suffix or not found.text[0].isdigit():
            continue
        swapped = [text for text in _swaps(found) if _value(text) not in known]
        if swapped:
            return _put(answer, found, swapped[seed % len(swapped)])
    return None


def change_formula(question: str, answer: str) -> str | None:
    """Return the answer with a number in its chemical formula one higher; ``None`` without one."""
    if "formula" not in question.lower():
        return None
    for match in _FORMULA.finditer(answer):
        places = [place for place, char in enumerate(match[0]) if char.isdigit()]
        lone = [
            place
            for place in places
            if place - 1 not in places and place + 1 not in places and match[0][place] not in "9₉"
        ]
        if lone and match[0] not in question:
            place = match.start() + lone[-1]
            digit = answer[place]
            digits = _SUBSCRIPTS if digit in _SUBSCRIPTS else "0123456789"
            return answer[:place] + digits[digits.index(digit) + 1] + answer[place + 1 :]
    return None


def _numbers(ask: Ask, question: str, answer: str) -> Iterator[_Found]:
    """Yield the numbers that are the answer's own, or all it keeps: conditions last."""
    given = set() if ask.keeps else _values(question)
    found = [*_digits(answer), *_spelled(answer)]
    for number in sorted(found, key=lambda one: (_is_condition(answer, one), -one.start)):
        if number.value not in given:
            yield number


def _is_condition(answer: str, number: _Found) -> bool:
    return bool(_CONDITION.search(_before(answer, number.start)))


def _before(answer: str, place: int) -> str:
    """Return what stands right before a number; more would make long answers slow."""
    return answer[max(0, place - _CONTEXT) : place]


def _digits(answer: str) -> Iterator[_Found]:
    for match in _NUMBER.finditer(answer):
        before, after = _before(answer, match.start()), answer[match.end() :]
        starts_line = not before.rpartition("\n")[2].strip()
        is_enumerator = starts_line and re.match(r"[.)]\s", after)
        is_range = _RANGE_BEFORE.search(before) or _RANGE_AFTER.match(after)
        if is_enumerator or is_range or _LABEL.search(before):
            continue
        whole, part, suffix = match["whole"], match["part"] or "", match["suffix"] or ""
        if whole.startswith("0") and len(whole) > 1:
            continue
        is_ordinal = suffix.lower() in {"st", "nd", "rd", "th"}
        value = _value(whole + part)
        is_vague = bool(_VAGUE.search(before))
        if is_vague and _ACIDITY.search(before):
            continue  # from one source to the next these differ by more than a step
        is_plain = not part and not suffix
        is_year = bool(is_plain and _YEAR.fullmatch(whole) and not _MEASURED.match(after))
        is_exact = is_year or (not part and value < 1000)
        end = match.end() - (0 if is_ordinal else len(suffix))
        least = _least(value, exact=is_exact, vague=is_vague, year=is_year)
        ordinal = suffix if is_ordinal else ""
        yield _Found(match.start(), end, whole + part, value, least, is_year, ordinal)


def _least(value: Decimal, *, exact: bool, vague: bool, year: bool) -> Decimal:
    """Return the smallest change that makes a number wrong; measured ones are rounded."""
    if vague:
        return Decimal(100) if year else value / 10
    return Decimal(1) if exact else value / 50


def _spelled(answer: str) -> Iterator[_Found]:
    for match in _SPELLED.finditer(answer):
        if not _LABEL.search(_before(answer, match.start())):
            value = Decimal(_WORDS.index(match["word"].lower()))
            yield _Found(match.start(), match.end(), match["word"], value, Decimal(1))


def _step(found: _Found) -> Decimal:
    step = Decimal("0.000000001")
    while step < found.least:
        step *= 10
    # 3000 becomes 4000, not 3001, and 30 becomes 31.
    is_round = found.value >= 100 and not found.is_year
    while (is_round or step < 1) and step < found.value and found.value % (step * 10) == 0:
        step *= 10
    return step


def _written(found: _Found, value: Decimal) -> str:
    if not found.text[0].isdigit():
        word = _WORDS[int(value)] if value < len(_WORDS) else "thirty"
        return word.capitalize() if found.text[0].isupper() else word
    places = len(found.text.partition(".")[2])
    text = f"{value:,.{places}f}"
    text = text if "," in found.text else text.replace(",", "")
    return text + _ordinal(int(value)) if found.suffix else text


def _ordinal(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _swaps(found: _Found) -> Iterator[str]:
    text = found.text
    for place in range(len(text) - 1):
        first, second = text[place], text[place + 1]
        swapped = text[:place] + second + first + text[place + 2 :]
        if not (first.isdigit() and second.isdigit()) or (swapped[0] == "0" != text[0]):
            continue
        change = abs(_value(swapped) - found.value)
        is_plausible = not found.is_year or 1000 <= _value(swapped) <= 2100
        if change and change >= found.least and is_plausible:
            yield swapped


def _put(answer: str, found: _Found, text: str) -> str:
    after = answer[found.end :]
    unit = _SINGLE_UNIT.match(after) if found.value == 1 else None
    if unit:
        after = after[: unit.end()] + "s" + after[unit.end() :]
    return answer[: found.start] + text + after


def _values(text: str) -> set[Decimal]:
    spelled = {Decimal(_WORDS.index(word.lower())) for word in _ANY_SPELLED.findall(text)}
    return spelled | {_value(number) for number in _ANY_DIGITS.findall(text)}


def _value(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))
