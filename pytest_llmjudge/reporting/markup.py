"""Texts as Markdown shows them letter by letter, and documents that can be cut."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Section", "fenced", "fitted", "head", "inline", "joined", "row"]

_NOTHING = "<!-- -->"
_NOTE = 8_192
_NAMED = 5
_LONGEST_NAME = 80
_LONGEST_PLACE = 300
_NO_LINKS = re.compile(
    r"(?<=:)(?=//|[\w+-]+:)|(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=\bwww)(?=\.)", re.IGNORECASE
)
"""Where GitHub would see the beginning of an address, an emoji, a mention or an issue."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document of which the end can be left out.

    Attributes:
        title: What a note calls it.
        opening: Lines without which the rest means nothing.
        parts: One after the other, each whole by itself.
        closing: Lines that end what ``opening`` began.
    """

    title: str
    opening: tuple[str, ...]
    parts: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join((*self.opening, *self.parts, *self.closing))

    def shortened(self, room: int) -> Section | None:
        """Keep the first parts that fit into ``room`` bytes; ``None`` when not even one does."""
        left = room - _bytes(Section(self.title, self.opening, (), self.closing).text)
        kept: list[str] = []
        for part in self.parts:
            left -= _bytes(part) + 1
            if left < 0:
                break
            kept.append(part)
        if left < 0 and not kept:
            return None
        return Section(self.title, self.opening, tuple(kept), self.closing)


def joined(sections: Sequence[Section]) -> str:
    """Return the whole document."""
    return "\n\n".join(section.text for section in sections) + "\n"


def fitted(sections: Sequence[Section], room: int, why: str, whole: str) -> str:
    """Return the document in at most ``room`` bytes of UTF-8.

    Of what does not fit the first parts are kept, and a note says what is left out. What is folded
    away, and so has a closing, takes the room that the rest leaves.

    Args:
        sections: The more important ones first.
        room: At least 16,384.
        why: What sets the limit.
        whole: Where all of it is.
    """
    text = joined(sections)
    if _bytes(text) <= room:
        return text
    left = room - _NOTE
    kept: dict[int, Section] = {}
    for place in sorted(range(len(sections)), key=lambda place: bool(sections[place].closing)):
        shortened = sections[place].shortened(left)
        if shortened is not None:
            kept[place] = shortened
            left -= _bytes(shortened.text) + 2
    missed = [
        part for place, section in enumerate(sections) for part in _missed(section, kept.get(place))
    ]
    note = Section("", (_left_out(missed, why, whole),))
    return joined([*(kept[place] for place in sorted(kept)), note])


def _missed(section: Section, kept: Section | None) -> Iterator[str]:
    number = len(section.parts) - len(kept.parts if kept is not None else ())
    if number:
        yield f"{number} of {len(section.parts)} {section.title}"
    elif kept is None:
        yield section.title


def _left_out(missed: Sequence[str], why: str, whole: str) -> str:
    named = [inline(one[:_LONGEST_NAME]) for one in missed[:_NAMED]]
    if len(missed) > _NAMED:
        named.append(f"and parts of {len(missed) - _NAMED} more sections")
    return f"**Left out, because {why}:** {'; '.join(named)}. {inline(whole[:_LONGEST_PLACE])}"


def _bytes(text: str) -> int:
    return len(text.encode())


def row(cells: Iterator[str] | Sequence[str]) -> str:
    """Return a row of a table; its cells come from :func:`inline`."""
    return f"| {' | '.join(cells)} |"


def head(headings: Sequence[str]) -> tuple[str, str]:
    """Return the two lines that begin a table."""
    return row(headings), row(["---"] * len(headings))


def inline(text: str) -> str:
    """Return a text as Markdown shows it letter by letter, on one line.

    Neither does GitHub make links or mentions of it: an empty comment keeps apart what it looks
    for.
    """
    shown = _NO_LINKS.sub(_NOTHING, html.escape(_folded(text), quote=False))
    shown = re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", shown)
    # At the beginning of a line these make lists and headings.
    shown = re.sub(r"^(\d+(?=[.)]( |$))|(?=[-+]( |$)|[-=]{2,}$))", r"\1\\", shown)
    return shown.replace("$", "&#36;")


def fenced(text: str) -> Iterator[str]:
    """Yield the lines of a block of code that shows a text."""
    shown = printable(text or "(empty)")
    # A fence is closed by nothing shorter than itself.
    fence = "`" * max(3, _longest_run(shown) + 1)
    yield from (fence, shown, fence)


def _folded(text: str) -> str:
    return " ".join(printable(text).split())


def _longest_run(text: str) -> int:
    return max((len(ticks) for ticks in re.findall("`+", text)), default=0)
