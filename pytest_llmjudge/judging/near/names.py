"""The name in an answer replaced by another record's, or its month or day by another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.judging.near.asks import blank_quotes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["another_month_or_day", "find_name", "kind_of_name", "replace_name"]

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DATE_WORD: Final = re.compile(
    rf"\b(?:{'|'.join(_DAYS)}|{'|'.join(name for name in _MONTHS if name not in {'March', 'May'})}"
    r"|(?<=[io]n )(?:March|May)|(?:March|May)(?= \d))\b"
)
_WORD: Final = r"[A-Z][\w'\u2019]*(?:-[A-Z]\w*)*"
_NAME: Final = re.compile(
    rf"(?<![\w.'\u2019-])(?!I\b){_WORD}(?: (?:(?:of|de|van|von|da|the) )?{_WORD})*"
    r"(?![\w'\u2019-]|\.\w)"
)
_SENTENCE_START: Final = re.compile(r"(?:^|[.!?:]\s*|\n\W*)[\"'“\u2018(*_-]*$")
_NO_NAMES: Final = frozenset({"yes", "no", "true", "false", "none", "the", "a", "an", "it", "in"})
_LONGEST: Final = 4
_PERSONS: Final = ("who", "whom")
_KIND_END: Final = re.compile(r"of|for|in|on|at|from|that|which|who|by|to|did|does|is|was")


def another_month_or_day(question: str, answer: str, seed: int) -> str | None:
    """Return the answer with its last month or day replaced by another; ``None`` without one."""
    for match in reversed(list(_DATE_WORD.finditer(blank_quotes(answer)))):
        if match[0] not in question:
            words = _MONTHS if match[0] in _MONTHS else _DAYS
            other = words[(words.index(match[0]) + 1 + seed % 2) % len(words)]
            return answer[: match.start()] + other + answer[match.end() :]
    return None


def find_name(question: str, answer: str) -> tuple[int, int] | None:
    """Return where the last name is that an answer adds to its question; ``None`` without one.

    A name begins with a capital and not a sentence, or it is the whole answer.
    """
    whole = answer.strip().removesuffix(".").strip()
    if _NAME.fullmatch(whole) and len(whole.split()) <= _LONGEST:
        start = answer.index(whole)
        spans = [(start, start + len(whole))]
    else:
        spans = [
            match.span()
            for match in _NAME.finditer(blank_quotes(answer))
            if not _SENTENCE_START.search(answer[: match.start()])
        ]
    for start, end in reversed(spans):
        name = answer[start:end]
        is_given = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE)
        is_date = name in _MONTHS or name in _DAYS
        if not (is_given or is_date or name.lower() in _NO_NAMES):
            return start, end
    return None


def kind_of_name(instruction: str) -> str | None:
    """Return what an instruction asks the name of, such as ``what is the capital of``.

    ``None`` where it asks for a place, which may lie in another one.
    """
    words = re.findall(r"[\w'\u2019]+", blank_quotes(instruction).lower())
    if not words or words[0] == "where":
        return None
    if words[0] in _PERSONS or "author" in words[:4]:
        return "who"
    ends = (place for place, word in enumerate(words) if place > 2 and _KIND_END.fullmatch(word))
    return " ".join(words[: next(ends, len(words)) + 1])


def replace_name(question: str, answer: str, others: Sequence[str], seed: int) -> str | None:
    """Return the answer with its name replaced by one of others; ``None`` where none fits."""
    place = find_name(question, answer)
    if place is None:
        return None
    start, end = place
    name, given = answer[start:end].lower(), f"{question}\n{answer}".lower()
    fit = [other for other in others if other.lower() not in given and name not in other.lower()]
    return answer[:start] + fit[seed % len(fit)] + answer[end:] if fit else None
