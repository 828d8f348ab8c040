"""A text as a reader takes it: one spelling for all the characters that look alike."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.normal_forms import normal_form

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fold", "readings"]

_RIGHT_TO_LEFT: Final = "\u202e"

# Letters that look like Latin ones, after the confusables of Unicode Technical Standard 39. Large
# and small letters stand apart, since they may look like different Latin ones. The small u of
# Cyrillic looks like a y, but is used for u as well, which words of grading have more often.
_LOOK_ALIKES: Final = (
    # Cyrillic
    ("АВЕЅІЈКМНОРСТУХҮԌԚԜЗ", "abesijkmhopctyxygqw3"),
    ("аеѕіјорсухһԁԛԝүӏгкмнтвпьѵ", "aesijopcuxhdqwylrkmhtbnbv"),
    # Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abezhikmnoptyx"),  # noqa: RUF001  # look-alikes on purpose
    ("αβγεικνορστυχηωμ", "abyeikvopotuxnwu"),
    # Armenian
    ("օոսհզցյԼՏՍՕ", "onuhqgjlsuo"),
    # Cherokee
    ("ᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᎩᏃ", "abcdeghijklmprstvwyz"),  # noqa: RUF001  # look-alikes on purpose
    # Latin letters without a decomposition
    ("ıɑɡʟɪɴʀʏʙɢʜꜰꜱᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢøłđ", "iaglinrybghfsacdejkmoptuvwzold"),
)
_ALPHABETS: Final = (0x1F150, 0x1F170, 0x1F1E6)
"""Code points of the letter A in such alphabets."""

_TAGS: Final = re.compile("[\U000e0020-\U000e007e]+")
"""Invisible twins of ASCII, which models read."""


def _table() -> Mapping[int, str | None]:
    # Fillers and the blank of Braille, which are letters and a symbol for Unicode.
    table: dict[int, str | None] = {0x115F: None, 0x1160: None, 0x2800: " ", 0x2019: "'"}
    for letters, latin in _LOOK_ALIKES:
        table |= {ord(one): other for one, other in zip(letters, latin, strict=True)}
    for first in _ALPHABETS:
        table |= {first + step: chr(ord("a") + step) for step in range(26)}
    return table


_LATIN: Final = _table()
_CONTROLS: Final = {
    code: None for code in range(128) if not chr(code).isprintable() and not chr(code).isspace()
}
# What nobody sees: controls, private use, surrogates, and marks upon letters.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me"})


def fold(text: str) -> str:
    """Return ``text`` in one spelling, for a search and not to be shown.

    Case, compatibility forms, look-alikes of Latin letters, marks upon letters, invisible
    characters, the number of blanks and marks of quotation at the start of lines do not count.
    """
    if not text.isascii():
        text = _TAGS.sub(_visible, normal_form("NFKD", text)).translate(_LATIN)
        text = "".join(
            char for char in text if char.isspace() or unicodedata.category(char) not in _UNSEEN
        )
    lines = (" ".join(line.split()) for line in text.translate(_CONTROLS).casefold().splitlines())
    return "\n".join(line.lstrip("> ") for line in lines).strip()


def _visible(tags: re.Match[str]) -> str:
    return f" {''.join(chr(ord(tag) - 0xE0000) for tag in tags[0])} "


_ENTITY: Final = re.compile(r"&#?\w{1,8};")
_LETTER: Final = r"[^\W\d_]"
_SINGLE_LETTERS: Final = re.compile(
    rf"(?<![^\W_])(?:{_LETTER}[\W_]{{1,3}}){{2,}}{_LETTER}(?![^\W_])"
)
_INSIDE_WORD: Final = re.compile(
    rf"(?<={_LETTER})(?:[^\w\s]|_)+\n?(?={_LETTER})|(?<={_LETTER})\n(?={_LETTER})"
)
_BETWEEN_WORDS: Final = re.compile(rf"(?<={_LETTER})(?:[^\w\s]|_)+(?={_LETTER})|\n")
_MIXED: Final = re.compile(r"[\w@$]+")
_NOT_LETTERS: Final = re.compile(r"[\W_]+")
_TO_LETTERS: Final = str.maketrans("0134578@$", "oieastbas")
_TO_DIGITS: Final = str.maketrans("oil", "011")


def readings(text: str) -> str:
    """Return all that a reader may take ``text`` for, folded, one reading after another.

    Beside the text itself it is what a reversed direction shows, what entities of HTML mean, the
    text with separators within a word left out and with those between words as blanks, and words
    whose letters are replaced by digits.
    """
    if _RIGHT_TO_LEFT in text:
        text = f"{text}\n{text[::-1]}"
    if "&" in text and _ENTITY.search(text):
        text = f"{text}\n{html.unescape(text)}"
    plain = fold(text)
    forms = [plain]
    joined = _SINGLE_LETTERS.sub(lambda match: _NOT_LETTERS.sub("", match[0]), plain)
    others = _INSIDE_WORD.sub("", joined), _BETWEEN_WORDS.sub(" ", plain)
    forms += [other for other in others if other != plain]
    for word in _MIXED.findall(plain):
        if not word.isalpha() and not word.isdecimal():
            forms += word.translate(_TO_LETTERS), word.translate(_TO_DIGITS)
    return "\n".join(forms)
