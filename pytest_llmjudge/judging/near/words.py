"""One word of an answer changed: another form of it, a month or day, a name or list entry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.judging.near.asks import blank_quotes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.judging.near.asks import Ask

__all__ = [
    "another_form",
    "another_month_or_day",
    "entries_of",
    "name_of",
    "replace_entry",
    "replace_name",
]

_MONTHS: Final = (
    "January February March April May June July August September October November December"
).split()
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_DATE_WORD: Final = re.compile(
    rf"\b(?:{'|'.join(_DAYS)}|(?:{'|'.join(set(_MONTHS) - {'May', 'March'})}"
    r"|(?<=[io]n )(?:May|March)|(?:May|March)(?= \d)))\b"
)
_LONE_WORD: Final = re.compile(r"[\"'“‘]([A-Za-z-]+)[.,]?[\"'”’]")
_SAME_FORM: Final = frozenset(
    "fish sheep deer moose series species shrimp salmon trout aircraft beat bid squid cod".split()
)
_DEGREES: Final = {
    "better": "best",
    "worse": "worst",
    "farther": "farthest",
    "further": "furthest",
    "less": "least",
    "more": "most",
}
_NAME: Final = re.compile(
    r"(?<![\w.'’-])(?!I\b)[A-Z][\w'’]*(?:-[A-Z]\w*)*"
    r"(?: (?:(?:of|de|van|von|da|the) )?[A-Z][\w'’]*(?:-[A-Z]\w*)*)*(?![\w'’-])"
)
_SENTENCE_START: Final = re.compile(r"(?:^|[.!?:\n]\s*|\n\W*)[\"'“‘(*_-]*$")
_NO_NAMES: Final = frozenset("yes no true false none the a an it in".split())
_MARKED_LINE: Final = re.compile(r"^[ ]*(?:\d+[.)]|[-*•])[ ]+(.+?)[.;,]?[ ]*$", re.MULTILINE)
_IN_A_ROW: Final = re.compile(
    r"(?:^|\b(?:are|is|include|be)[: ]+|:\s*)(?P<entries>[\w' -]+(?:, [\w' -]+)*,? (?:and|or) [\w' -]+"
    r"|[\w' -]+(?:, [\w' -]+)+)(?=[.\n]|$)",
    re.MULTILINE,
)
_LONGEST_ENTRY: Final = 3
_LONGEST_NAME: Final = 4


def another_form(ask: Ask, question: str, answer: str) -> str | None:
    """Return the answer with another form of the word that is asked for; ``None`` without one.

    A comparative becomes a superlative and the other way round, any other form that of the question.
    """
    if not ask.form:
        return None
    asked = {word.lower() for word in _LONE_WORD.findall(question)}
    asked |= {line.strip(" .").lower() for line in question.splitlines()[1:] if " " not in line.strip()}
    found = _answered_word(answer)
    if found is None or len(asked) != 1:
        return None
    start, end = found
    (given,), word = asked, answer[start:end]
    if word.lower() == given or given in _SAME_FORM:
        return None
    other = _degree(ask.form, word) if ask.form in {"comparative", "superlative"} else given
    if other is None:
        return None
    other = other.capitalize() if word[0].isupper() else other
    return answer[:start] + other + answer[end:]


def _answered_word(answer: str) -> tuple[int, int] | None:
    """Return where the word is that an answer consists of or ends with."""
    whole = re.fullmatch(r"\W*([A-Za-z-]+)\W*", answer)
    if whole:
        return whole.span(1)
    quoted = list(_LONE_WORD.finditer(answer))
    return quoted[-1].span(1) if len(quoted) > 1 else None


def _degree(form: str, word: str) -> str | None:
    pairs = {first: second for first, second in _DEGREES.items()}
    if form == "superlative":
        pairs = {second: first for first, second in pairs.items()}
    if word.lower() in pairs:
        return pairs[word.lower()]
    ends = ("er", "est") if form == "comparative" else ("est", "er")
    return word[: -len(ends[0])] + ends[1] if word.lower().endswith(ends[0]) else None


def another_month_or_day(question: str, answer: str, seed: int) -> str | None:
    """Return the answer with its last month or day replaced by another; ``None`` without one."""
    for match in reversed(list(_DATE_WORD.finditer(blank_quotes(answer)))):
        if match[0] not in question:
            words = _MONTHS if match[0] in _MONTHS else _DAYS
            other = words[(words.index(match[0]) + 1 + seed % 2) % len(words)]
            return answer[: match.start()] + other + answer[match.end() :]
    return None


def name_of(question: str, answer: str) -> tuple[int, int] | None:
    """Return where the last name is that an answer adds to its question; ``None`` without one.

    A name has capitals and is not the first word of a sentence, or it is the whole answer.
    """
    whole = answer.strip().rstrip(".").strip()
    start = answer.find(whole)
    names: Sequence[tuple[int, int]] = [
        match.span()
        for match in _NAME.finditer(blank_quotes(answer))
        if not _SENTENCE_START.search(answer[: match.start()])
    ]
    if _NAME.fullmatch(whole) and len(whole.split()) <= _LONGEST_NAME:
        names = [(start, start + len(whole))]
    lowered = question.lower()
    for first, last in reversed(names):
        name = answer[first:last]
        is_known = re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", lowered)
        is_date = _DATE_WORD.fullmatch(name) or name in _MONTHS
        if not (is_known or is_date) and name.lower() not in _NO_NAMES:
            return first, last
    return None


def replace_name(
    question: str, answer: str, others: Sequence[str], seed: int
) -> str | None:
    """Return the answer with its name replaced by one of others; ``None`` where none fits."""
    found = name_of(question, answer)
    if found is None:
        return None
    start, end = found
    taken = f"{question}\n{answer}".lower()
    name = answer[start:end].lower()
    fit = [other for other in others if other.lower() not in taken and name not in other.lower()]
    if not fit:
        return None
    return answer[:start] + fit[seed % len(fit)] + answer[end:]


def entries_of(answer: str) -> list[tuple[int, int]]:
    """Return where the entries of a list are, if they are short; none where there is no list."""
    spans = [match.span(1) for match in _MARKED_LINE.finditer(answer)]
    if len(spans) < 2:
        spans = []
        row = _IN_A_ROW.search(answer)
        if row:
            start = row.start("entries")
            for piece in re.finditer(r"(?:(?:and|or) )?([^,]+?)(?=,|\s+(?:and|or)\s|$)\W*", row["entries"]):
                spans.append((start + piece.start(1), start + piece.end(1)))
    texts = [answer[start:end] for start, end in spans]
    if len(spans) < 2 or any(len(text.split()) > _LONGEST_ENTRY or not text for text in texts):
        return []
    return spans


def replace_entry(
    question: str, answer: str, others: Sequence[str], seed: int
) -> str | None:
    """Return the answer with one entry of its list replaced; ``None`` where none fits."""
    spans = [
        span for span in entries_of(answer) if not any(map(str.isdigit, answer[slice(*span)]))
    ]
    if not spans:
        return None
    taken = f"{question}\n{answer}".lower()
    start, end = spans[seed % len(spans)]
    entry = answer[start:end]
    fit = [
        other
        for other in others
        if other.lower() not in taken and not any(map(str.isdigit, other))
    ]
    if not fit:
        return None
    other = fit[seed % len(fit)]
    other = other[0].upper() + other[1:] if entry[0].isupper() else other.lower()
    return answer[:start] + other + answer[end:]
