"""Unicode's normal forms of a text, in a time that does not grow with the square of its length."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["normal_form"]

# All marks that are put in order are among these, and what is decomposed into such a mark.
_MARKS: Final = re.compile(r"(?:[^\w\x00-\u02ff]|[\uff9e\uff9f]){64,}")


def normal_form(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """Return a normal form of a text, as :func:`unicodedata.normalize` does.

    That puts a row of marks in order by an insertion sort, which a million marks keep busy for
    hours.
    """
    if text.isascii():
        return text
    decomposed: Literal["NFD", "NFKD"] = "NFD" if form == "NFC" else "NFKD"
    ordered = _MARKS.sub(lambda row: "".join(_ordered(decomposed, row[0])), text)
    return unicodedata.normalize(form, ordered)


def _ordered(form: Literal["NFD", "NFKD"], row: str) -> Iterator[str]:
    """Yield the characters of a row decomposed, with its marks in order."""
    chars = (char for one in row for char in unicodedata.normalize(form, one))
    for _, group in groupby(chars, lambda char: unicodedata.combining(char) > 0):
        yield from sorted(group, key=unicodedata.combining)
