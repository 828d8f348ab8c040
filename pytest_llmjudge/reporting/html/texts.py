"""Texts of strangers, made fit to stand in the page."""

from __future__ import annotations

import unicodedata

__all__ = ["safe_text"]

_UNFIT = {"Cc", "Cs"}
_FIT = "\n\t"
# No characters, by which an XML document would be none.
_NONE = "\ufffe\uffff"


def safe_text(text: str) -> str:
    """Show control characters and half surrogates, which no page can hold, as escapes.

    Line breaks and tabs stay. So do marks of direction: the page isolates each text.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(ascii(char)[1:-1] if _is_unfit(char) else char for char in text)


def _is_unfit(char: str) -> bool:
    return char in _NONE or (char not in _FIT and unicodedata.category(char) in _UNFIT)
