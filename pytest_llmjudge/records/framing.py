"""Tells what a template wrote into a prompt from the texts that it wrote around."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["FIRST_PLACE", "FramedText", "framed", "places", "split_frame"]

FIRST_PLACE: Final = 0xE000
"""First of the characters for private use, which stand for texts in a frame."""


class FramedText(str):
    """A prompt that knows which parts of it a template wrote, for models with control tokens.

    Attributes:
        parts: The template's texts and those of others in turn; the first and the last are the
            template's.
    """

    __slots__ = ("parts",)
    parts: tuple[str, ...]

    def __new__(cls, parts: Iterable[str]) -> FramedText:
        """Join the parts."""
        parts = tuple(parts)
        text = super().__new__(cls, "".join(parts))
        text.parts = parts
        return text

    @property
    def frame(self) -> tuple[str, ...]:
        """What the template wrote."""
        return self.parts[::2]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts between what the template wrote."""
        return self.parts[1::2]


def places(count: int) -> list[str]:
    """Return texts that are found again in what a template makes of them."""
    return [chr(FIRST_PLACE + number) for number in range(count)]


def split_frame(rendered: str, count: int) -> tuple[str, ...]:
    """Split what a template made of :func:`places`: its texts and the places, in turn."""
    return tuple(re.split(f"([{''.join(places(count))}])", rendered))


def framed(prompt: str, frame: Sequence[str], texts: Sequence[Sequence[str]]) -> FramedText | None:
    """Tell a template's parts of a prompt from the others.

    Args:
        prompt: What the template made of some texts.
        frame: What it made of as many places, as :func:`split_frame` returns it.
        texts: What may stand in each place; a template may also write it trimmed.

    Returns:
        The parts; ``None`` where the template did more to the texts than trim them.
    """
    before, *others = frame
    if not prompt.startswith(before):
        return None
    parts, end = [before], len(before)
    for place, after in zip(others[::2], others[1::2], strict=True):
        ways = texts[ord(place) - FIRST_PLACE]
        ways = (*ways, *(way.strip() for way in ways))
        text = next((way for way in ways if prompt.startswith(way + after, end)), None)
        if text is None:
            return None
        parts += [text, after]
        end += len(text) + len(after)
    return FramedText(parts) if end == len(prompt) else None
