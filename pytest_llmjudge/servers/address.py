"""A server's address, as people write it in OLLAMA_HOST, made into one canonical URL."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pytest_llmjudge.errors import SettingsError, one_line

__all__ = ["DEFAULT_URL", "is_loopback", "normalise_url", "shown_address"]

DEFAULT_URL: Final = "http://localhost:11434"

_OLLAMA_PORT: Final = 11434
_PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_HOST_AND_PORT: Final = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]*)(:[0-9]+)?")
_PATH: Final = re.compile(r"[!-~]*")
_BEHIND: Final = re.compile("([?#])")
# What is shorter may be a word; see servers.secrets.
_WORD: Final = re.compile(r"[^:/@.\s\[\]]{8,}")
_TODO: Final = "write host, host:port or http://host:port"


def normalise_url(text: str, option: str = "--llm-judge-url") -> str:
    """Read an address the way Ollama reads ``OLLAMA_HOST``.

    Host, ``host:port``, ``:port``, or a URL with or without scheme and path; blanks and quotes
    around it do not count, and nothing at all is ``http://localhost:11434``. Without a scheme
    the port defaults to 11434, ``http://`` means 80 and ``https://`` 443. An address that a
    server listens on (``0.0.0.0``, ``[::]``) becomes the loopback address one can connect to.

    Args:
        text: What was written.
        option: Where it was written, for the message.

    Returns:
        ``scheme://host:port`` and the path, if there is one, without a final slash.

    Raises:
        SettingsError: Nobody can tell what is meant.
    """
    address = text.strip().strip("\"'").strip()
    if not address:
        return DEFAULT_URL
    has_scheme = "://" in address
    try:
        parts = urlsplit(address if has_scheme else f"http://{_bracketed(address)}")
        port = parts.port
        if parts.netloc.rpartition("@")[2].startswith("["):
            # Python looks at what is in brackets only since 3.11.
            ipaddress.IPv6Address(parts.hostname or "")
    except ValueError:
        raise _garbage(option, text) from None
    _check(parts, address, option)
    if port is None:
        port = _PORTS[parts.scheme] if has_scheme else _OLLAMA_PORT
    host = _host(parts.hostname or "localhost")
    if host is None or not port:
        raise _garbage(option, text)
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def is_loopback(url: str) -> bool:
    """Whether a canonical URL leads to this machine, where no proxy could reach it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _bracketed(address: str) -> str:
    """An IPv6 address written without brackets gets them; anything else stays."""
    try:
        return f"[{ipaddress.IPv6Address(address)}]"
    except ValueError:
        return address


def _check(parts: SplitResult, address: str, option: str) -> None:
    if parts.username is not None or parts.password is not None:
        problem = f"{_quoted(address)} has a user name in it"
        raise SettingsError(option, problem, "put user and password into the file ~/.netrc")
    if parts.hostname and parts.query:
        problem = f"{_quoted(address)} has a query, which is not sent"
        hint = "leave it out; the key of an OpenAI-compatible server belongs into OPENAI_API_KEY"
        raise SettingsError(option, problem, hint)
    only_port = parts.netloc.startswith(":") and "://" not in address
    # urlsplit drops line breaks silently, so what was written is looked at here.
    readable = address.isprintable() and " " not in address and _PATH.fullmatch(parts.path)
    whole = _HOST_AND_PORT.fullmatch(parts.netloc) and (parts.hostname or only_port)
    if not readable or not whole or parts.scheme not in _PORTS or parts.query or parts.fragment:
        raise _garbage(option, address)


def _host(name: str) -> str | None:
    try:
        ip = ipaddress.ip_address(name)
    except ValueError:
        return _host_name(name)
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return str(ip) if ip.version == 4 else f"[{ip}]"


def _host_name(name: str) -> str | None:
    try:
        ascii_name = name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = ascii_name.removesuffix(".").split(".")
    is_name = all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdecimal()
    return ascii_name if is_name else None


def _garbage(option: str, text: str) -> SettingsError:
    return SettingsError(option, f"{_quoted(_shape(text))} is no address of a server", _TODO)


def _shape(text: str) -> str:
    """Return what cannot be a key in a text that is no address, such as ``http://***:80:80``.

    Nobody can tell the host of such a text, so that a key may stand at any place in it.
    """
    scheme, mark, rest = shown_address(text).rpartition("://")
    return f"{_hidden(scheme)}{mark}{_hidden(rest.partition('/')[0])}"


def _hidden(text: str) -> str:
    return _WORD.sub(lambda word: word[0] if word[0].lower() == "localhost" else "***", text)


def _quoted(text: str) -> str:
    return f'"{one_line(shown_address(text), 80)}"'


def shown_address(text: str) -> str:
    """Return an address as it may be shown: user, password, query and fragment left out.

    Args:
        text: Anything that was meant as one.
    """
    address, mark, rest = (*_BEHIND.split(text, maxsplit=1), "", "")[:3]
    if "@" in rest:
        # The mark may stand in a password, of which nothing is shown.
        return "***@***"
    _, at, host = address.rpartition("@")
    return f"{'***@' if at else ''}{host}{mark}{'***' if rest else ''}"
