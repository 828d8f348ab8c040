"""The first sentences of a text."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["first_sentences"]

_CLOSING: Final = "\"'\u201d\u2019)\\]*_"
# Behind a Latin mark there is a blank, or the text ends; 3.5 and file.py end nothing.
_END: Final = re.compile(
    rf"[.!?\u2026]{{1,9}}[{_CLOSING}]{{0,9}}(?=\s|$)"
    rf"|[\u3002\uff01\uff1f]{{1,9}}[{_CLOSING}\u300d\u300f]{{0,9}}"
)
_ABBREVIATIONS: Final = frozenset(
    {
        *(
            "e.g",
            "i.e",
            "cf",
            "vs",
            "viz",
            "approx",
            "resp",
            "incl",
            "fig",
            "eq",
            "sec",
            "vol",
            "pp",
        ),
        *("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr"),
    }
)
_LETTERS: Final = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_NUMBER: Final = re.compile(r"\d{1,3}")


def first_sentences(text: str, most: int, *, is_cut: bool = False) -> str:
    """Return the first sentences of a text on one line.

    Where it is not clear whether a full stop ends a sentence, the sentence goes on.

    Args:
        text: Blanks are folded.
        most: How many sentences, at least 1.
        is_cut: Whether the text breaks off, so that its last sentence may say something else than
            it was to say; it is left out unless it is the only one.
    """
    line = " ".join(text.split())
    ends = list(islice(_ends(line), most))
    return line[: ends[-1]] if len(ends) == most or (is_cut and ends) else line


def _ends(line: str) -> Iterator[int]:
    start = 0
    for match in _END.finditer(line):
        if _is_end(line, start, match):
            yield match.end()
            start = match.end()


def _is_end(line: str, start: int, match: re.Match[str]) -> bool:
    following = line[match.end() : match.end() + 2].strip()[:1]
    if match[0] != ".":
        # An ellipsis before a small letter is a pause.
        return not (match[0].startswith(("...", "\u2026")) and following.islower())
    begin = max(start, line.rfind(" ", start, match.start()) + 1)
    word = line[begin : match.start()].lstrip("(\"'\u201c*_")
    if following.islower() or word.lower() in _ABBREVIATIONS:
        return False
    if _NUMBER.fullmatch(word):
        # The number of an entry of a list begins its sentence.
        return bool(line[start:begin].strip())
    # Initials, such as J. R. R. Tolkien or U.S.; "I" is a word.
    return not following or word == "I" or not _LETTERS.fullmatch(word) or not word.isupper()
