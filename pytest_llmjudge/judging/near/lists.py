"""One entry of an answer's list replaced, or one of the answers that a question offers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["another_option", "find_entries", "replace_entry", "subject_of", "task_of"]

_MARKED_LINE: Final = re.compile(r"^[ ]*(?:\d+[.)]|[-*•])[ ]+(.+?)[.;,]?[ ]*$", re.MULTILINE)
_ROW: Final = re.compile(
    r"(?:^(?![^,\n]*\b(?:are|is|include)\b)|\b(?:are|is|include|be)[: ]\s*|:\s*)"
    r"(?P<row>[\w'\u2019-]+(?: [\w'\u2019-]+){0,2}(?:, [\w'\u2019 -]+)+)(?=[.\n]|$)",
    re.MULTILINE,
)
_ENTRY: Final = re.compile(
    r"(?:(?:and|or) )?(?P<entry>[\w'\u2019-]+(?: (?!and\b|or\b)[\w'\u2019-]+)*)"
)
_LONGEST: Final = 3
_LONG_WORD: Final = re.compile(r"[a-z]{5,}")
_COMMON: Final = {
    *("following", "given", "these", "those", "three", "seven", "eight", "first", "items", "words"),
    *(
        "types",
        "kinds",
        "names",
        "order",
        "ascending",
        "descending",
        "alphabetical",
        "chronological",
    ),
    *("arrange", "classify", "categorize", "group", "either", "which", "their", "where", "there"),
}
_OPTIONS: Final = re.compile(
    r"(?:(?<!such )\bas\b|\b(?:into|either)\b|\bwhether\b[^.?:;\n]*?\b(?:is|are)\b"
    r"|\b(?:labels|categories|options|following)\b.*?:)\s*"
    r"(?P<options>\[[^\]\n]+\]|[\w' -]+(?:, [\w' -]+)*,? or [\w' -]+)(?=[.?:;\n\[]|$)",
    re.IGNORECASE,
)
_QUOTED_OPTIONS: Final = re.compile(r"['\"](\w+)[,.]?['\"],? or ['\"](\w+)[,.]?['\"]")
_BEFORE_OPTION: Final = re.compile(r"(?:being |either |an? |the )*", re.IGNORECASE)
_CHOOSES: Final = re.compile(
    r"\b(?:classif|categor|label|identif|determin|decid|choose|select|pick|whether|which|evaluat)",
    re.IGNORECASE,
)


def find_entries(answer: str) -> list[tuple[int, int]]:
    """Return where the entries of the first list are, if they are short words; else none.

    A list in a sentence has at least three: there may be a comma between any two words.
    """
    spans = [match.span(1) for match in _MARKED_LINE.finditer(answer)]
    if len(spans) < 2:
        row = _ROW.search(answer)
        spans = []
        if row:
            found = _ENTRY.finditer(answer, row.start("row"), row.end("row"))
            spans = [match.span("entry") for match in found]
        if len(spans) < 3:
            return []
    entries = [answer[start:end] for start, end in spans]
    fits = all(len(one.split()) <= _LONGEST and not re.search(r"\d", one) for one in entries)
    return spans if fits else []


def task_of(instruction: str) -> str:
    """Return the first word of an instruction, such as ``sort``, in small letters."""
    return instruction.split(maxsplit=1)[0].lower() if instruction.strip() else ""


def subject_of(instruction: str) -> set[str]:
    """Return the words of an instruction that say what its list is of."""
    return set(_LONG_WORD.findall(instruction.lower())) - _COMMON


def replace_entry(question: str, answer: str, others: Sequence[str], seed: int) -> str | None:
    """Return the answer with an entry of its list replaced by one of others.

    ``None`` where it has no list, or none of the others is new to question and answer.
    """
    spans = find_entries(answer)
    given = f"{question}\n{answer}".lower()
    fit = [other for other in others if other.lower() not in given]
    if not (spans and fit):
        return None
    start, end = spans[seed % len(spans)]
    other = fit[seed % len(fit)]
    if answer[start].isupper() or other[:2].isupper():
        other = other[0].upper() + other[1:]
    else:
        other = other.lower()
    return answer[:start] + other + answer[end:]


def another_option(instruction: str, answer: str, seed: int) -> str | None:
    """Return the answer with one of the offered options replaced by another.

    ``None`` where the instruction offers none, or the answer does not take one of them: a line
    that names two may speak of both.
    """
    options = _offered(instruction)
    if len(options) < 2:
        return None
    longest_first = "|".join(map(re.escape, sorted(options, key=len, reverse=True)))
    any_option = re.compile(rf"(?<![\w-])(?:{longest_first})(?![\w-])", re.IGNORECASE)
    taken = []
    offset = 0
    for line in answer.splitlines(keepends=True):
        found = list(any_option.finditer(line))
        if len(found) == 1 and not line[found[0].end() :].lstrip().startswith(":"):
            taken.append((offset + found[0].start(), offset + found[0].end()))
        offset += len(line)
    if not taken:
        return None
    start, end = taken[seed % len(taken)]
    others = [option for option in options if option.lower() != answer[start:end].lower()]
    other = others[seed % len(others)]
    if answer[start].isupper():
        other = other[0].upper() + other[1:]
    return _with_article(answer[:start], other) + answer[end:]


def _offered(instruction: str) -> list[str]:
    if not _CHOOSES.search(instruction):
        return []
    quoted = _QUOTED_OPTIONS.search(instruction)
    if quoted:
        return list(quoted.groups())
    match = _OPTIONS.search(instruction)
    if match is None:
        return []
    pieces = re.split(r",\s*(?:or |and )?|\s(?:or|and)\s", match["options"].strip("[]"))
    options = [_BEFORE_OPTION.sub("", piece.strip(" '"), count=1) for piece in pieces]
    return options if all(option and len(option.split()) <= _LONGEST for option in options) else []


def _with_article(before: str, option: str) -> str:
    article = re.search(r"\b([Aa])n? $", before)
    if not article:
        return before + option
    is_vowel = option[0].lower() in "aeiou"
    return f"{before[: article.start()]}{article[1]}{'n' if is_vowel else ''} {option}"
