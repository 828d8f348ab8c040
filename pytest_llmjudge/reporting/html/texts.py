"""Texts of strangers, made fit to stand in the page."""

from __future__ import annotations

import unicodedata

__all__ = ["safe_text"]

_UNFIT = {"Cc", "Cs"}


def safe_text(text: str) -> str:
    """Show control characters and half surrogates, which no page can hold, as escapes.

    Line breaks and tabs stay. So do marks of direction: the page isolates each text.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in _UNFIT and char not in "\n\t" else char
        for char in text
    )
