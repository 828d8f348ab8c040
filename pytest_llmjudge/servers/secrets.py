"""Removes secrets from what a server writes, in whatever encoding it repeats them."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Secrets", "secrets_of"]

_STRUCK: Final = "***"
_SHORTEST: Final = 8
"""Characters below which a secret may be a word, such as ``none`` where no key is needed."""
_RUN: Final = 8
_RUN_IN_ANSWER: Final = 16
"""Characters of a part that is struck: a model may well write eight of a key by chance."""
_SHORTEST_BASE64: Final = 4
_LAYERS: Final = 5
_ESCAPE: Final = re.compile(r"\\u[0-9a-fA-F]{4}|\\[\"\\/]|(?:%[0-9a-fA-F]{2})+")
_WORD: Final = "[A-Za-z0-9+/_-]"
_URL_SAFE: Final = str.maketrans("+/", "-_")


class Secrets:
    r"""What nobody else may read.

    It is found as it is, with the escapes of JSON (``\u002B``, ``\/``) and of addresses (``%2B``,
    ``%252b``, ``+`` for a blank), and in base64 of either alphabet, alone or within a longer text.
    Escapes may stand around other escapes and around base64. Except in base64 its letters may be
    large or small, and eight characters of it in a row are struck wherever they stand, in what a
    model wrote sixteen. It is not found in any other form.

    Args:
        texts: The secrets. One of less than eight characters is looked for as a word by itself, and
            in errors only: a model may well write it.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        distinct = [text for text in dict.fromkeys(texts) if text]
        self._long = _Finder([text for text in distinct if len(text) >= _SHORTEST])
        self._all = _Finder(distinct)
        self._runs, self._runs_in_answer = _Runs(distinct, _RUN), _Runs(distinct, _RUN_IN_ANSWER)

    def __bool__(self) -> bool:
        return bool(self._all)

    def strike(self, text: str, *, is_error: bool = True) -> str:
        """Return a text without them; one that holds none stays as it is.

        Args:
            text: What a server says.
            is_error: Whether it says what went wrong, and not what a model wrote.
        """
        finder = self._all if is_error else self._long
        forms = [text]
        for _ in range(_LAYERS):
            form = forms[-1]
            if finder.finds(form):
                form = finder.strike(form)
                forms = [form]
            decoded = _ESCAPE.sub(_unescaped, form)
            if decoded == form:
                break
            forms.append(decoded)
        runs = self._runs if is_error else self._runs_in_answer
        # The last first: escapes within a part of a secret leave pieces of it too short to be seen.
        found = next((form for form in reversed(forms) if runs.finds(form)), None)
        return forms[0] if found is None else runs.strike(found)

    def strike_body(self, body: bytes, *, is_error: bool) -> bytes:
        """Do the same to the body of a reply; JSON stays JSON."""
        text = body.decode(json.detect_encoding(body), "replace")
        struck = self.strike(text, is_error=is_error)
        if struck == text:
            return body
        try:
            kept = json.dumps(self._without(json.loads(text), is_error=is_error))
        except (ValueError, RecursionError):
            return struck.encode("utf-8", "replace")
        # A number may be a secret as well.
        return self.strike(kept, is_error=is_error).encode()

    def _without(self, value: object, *, is_error: bool) -> object:
        if isinstance(value, str):
            return self.strike(value, is_error=is_error)
        if isinstance(value, list):
            return [self._without(one, is_error=is_error) for one in value]
        if isinstance(value, dict):
            return {
                self.strike(name, is_error=is_error): self._without(one, is_error=is_error)
                for name, one in value.items()
            }
        return value


class _Finder:
    """Finds texts as they are and in base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        words: list[str] = []
        needles: list[str] = []
        patterns: list[str] = []
        for secret in secrets:
            for text in dict.fromkeys((secret, secret.replace(" ", "+"))):
                words.append(text.lower())
                whole = f"(?i:{re.escape(text)})"
                is_long = len(text) >= _SHORTEST
                patterns.append(whole if is_long else rf"(?<!\w){whole}(?!\w)")
            for core, pattern in _in_base64(secret):
                needles += dict.fromkeys((core, core.translate(_URL_SAFE)))
                patterns.append(pattern)
        self._words, self._needles = tuple(words), tuple(needles)
        # The longest first: a password stands within what is sent with it.
        self._pattern = re.compile("|".join(sorted(patterns, key=len, reverse=True)))

    def __bool__(self) -> bool:
        return bool(self._words)

    def finds(self, text: str) -> bool:
        """Whether it is worth while to strike; this is a good deal faster."""
        small = text.lower()
        return any(word in small for word in self._words) or any(
            needle in text for needle in self._needles
        )

    def strike(self, text: str) -> str:
        """Return a text without them."""
        return self._pattern.sub(_STRUCK, text)


class _Runs:
    """Finds parts of texts, from so many characters in a row on."""

    def __init__(self, secrets: Iterable[str], length: int) -> None:
        parts = {
            secret[start : start + length].lower()
            for secret in secrets
            for start in range(len(secret) - length + 1)
        }
        self._parts = tuple(parts)
        self._length = length
        self._pattern = re.compile(f"(?={'|'.join(map(re.escape, parts))})", re.IGNORECASE)

    def finds(self, text: str) -> bool:
        """Whether it is worth while to strike; this is a good deal faster."""
        small = text.lower()
        return any(part in small for part in self._parts)

    def strike(self, text: str) -> str:
        """Return a text without them; those that overlap are one."""
        kept: list[str] = []
        end = 0
        for match in self._pattern.finditer(text):
            if match.start() > end or not kept:
                kept += text[end : match.start()], _STRUCK
            end = match.start() + self._length
        return "".join([*kept, text[end:]])


def _in_base64(secret: str) -> Iterator[tuple[str, str]]:
    """Yield what of a secret's base64 depends on nothing else, and a pattern for all of it.

    Three bytes are four characters, so it looks different at each of three places. The characters
    next to it may hold bits of it and of what stands beside it.
    """
    # requests sends user and password in Latin-1, and a server may well take them for UTF-8.
    codings = (secret.encode(coding, "replace") for coding in ("utf-8", "latin-1"))
    for data in dict.fromkeys(codings):
        for before in range(3):
            coded = base64.b64encode(bytes(before) + data).decode().rstrip("=")
            is_shared = (before + len(data)) % 3 != 0
            core = coded[before + 1 if before else 0 : len(coded) - is_shared]
            if len(core) < _SHORTEST_BASE64:
                continue
            pattern = re.escape(core).replace(r"\+", "[+-]").replace("/", "[/_]")
            start = f"{_WORD}?" if before else ""
            end = f"{_WORD}?={{0,2}}" if is_shared else ""
            yield core, f"{start}{pattern}{end}"


def _unescaped(match: re.Match[str]) -> str:
    text = match[0]
    if text[0] == "%":
        return unquote(text)
    return chr(int(text[2:], 16)) if text[1] == "u" else text[1]


def secrets_of(headers: Mapping[str, str], proxies: Mapping[str, str]) -> Secrets:
    """Return what is sent in confidence with a request.

    Args:
        headers: As they are sent.
        proxies: Addresses of proxies, which may hold passwords.
    """
    return Secrets([*_sent(headers.get("Authorization", "")), *_of_proxies(proxies)])


def _sent(authorization: str) -> Iterator[str]:
    kind, _, value = authorization.partition(" ")
    if kind == "Basic":
        user, _, password = base64.b64decode(value).decode("latin-1").partition(":")
        yield from _of_login(user, password)
    else:
        yield value


def _of_proxies(proxies: Mapping[str, str]) -> Iterator[str]:
    for address in proxies.values():
        try:
            parts = urlsplit(address)
        except ValueError:
            # Nothing can be sent through it.
            continue
        if parts.username:
            yield from _of_login(unquote(parts.username), unquote(parts.password or ""))


def _of_login(user: str, password: str) -> tuple[str, str]:
    # Where there is no password, the name of the user is a key.
    return f"{user}:{password}", password or user
