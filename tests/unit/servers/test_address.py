"""Addresses of servers: read as Ollama reads OLLAMA_HOST."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.servers.address import is_loopback, normalise_url

ANYWHERE = "0.0.0.0"  # noqa: S104  # to be read, not to be bound
READABLE = {
    "": "http://localhost:11434",
    "localhost": "http://localhost:11434",
    "1.2.3.4": "http://1.2.3.4:11434",
    ":1234": "http://localhost:1234",
    "1.2.3.4:1234": "http://1.2.3.4:1234",
    "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234",
    "EXAMPLE.com": "http://example.com:11434",
    "gpu_box.internal.": "http://gpu_box.internal.:11434",
    "bücher.example": "http://xn--bcher-kva.example:11434",
    "host/ollama": "http://host:11434/ollama",
    "host:1234/ollama/": "http://host:1234/ollama",
    "http://localhost:11434": "http://localhost:11434",
    "http://localhost:11434/": "http://localhost:11434",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "https://example.com/ollama": "https://example.com:443/ollama",
    "HTTPS://example.com:8443": "https://example.com:8443",
    ANYWHERE: "http://127.0.0.1:11434",
    "0.0.0.0:8080": "http://127.0.0.1:8080",
    "http://0.0.0.0": "http://127.0.0.1:80",
    "[::]": "http://[::1]:11434",
    "[::]:1337": "http://[::1]:1337",
    "::": "http://[::1]:11434",
    "[::1]": "http://[::1]:11434",
    "::1": "http://[::1]:11434",
    "[2001:DB8::1]:1337": "http://[2001:db8::1]:1337",
    " 1.2.3.4 ": "http://1.2.3.4:11434",
    '"1.2.3.4"': "http://1.2.3.4:11434",
    " ' 1.2.3.4 ' ": "http://1.2.3.4:11434",
}
GARBAGE = [
    ":0",
    ":66000",
    ":-1",
    "host:port",
    "host:",
    "ftp://host",
    "http://",
    "http://:1234",
    "/api",
    "a b",
    "http://a\nb",
    "a..b",
    "-a",
    "1.2.3",
    "999.1.1.1",
    "http://[::1",
    "[::1]]",
    "http://host/#top",
    "http://host/\x00",
    "http:/host",
    "x" * 64,
    "http://host/\u00e4",
]


@pytest.mark.parametrize(("text", "url"), READABLE.items())
def test_readable_addresses(text: str, url: str) -> None:
    """Host, port, scheme and path are found in each form, and the rest is filled in."""
    assert url == normalise_url(text)


@pytest.mark.parametrize("text", READABLE)
def test_canonical_addresses_stay(text: str) -> None:
    """An address that has been read once is read as itself."""
    url = normalise_url(text)

    assert url == normalise_url(url)


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage(text: str) -> None:
    """What is no address is refused; no default is put in its place."""
    with pytest.raises(SettingsError, match="is no address of a server"):
        normalise_url(text)


def test_garbage_is_quoted() -> None:
    """The message says where it stood, what stood there, and what may stand there."""
    with pytest.raises(SettingsError) as caught:
        normalise_url("local host", "OLLAMA_HOST")

    assert str(caught.value) == (
        'OLLAMA_HOST: "local host" is no address of a server; '
        "write host, host:port or http://host:port"
    )


def test_user_names_are_refused() -> None:
    """A password in an address would end up in messages and files, so it is refused unseen."""
    with pytest.raises(SettingsError) as caught:
        normalise_url("https://me:secret@host:1")

    assert str(caught.value) == (
        '--llm-judge-url: "***@host:1" has a user name in it; '
        "put user and password into the file ~/.netrc"
    )


def test_passwords_in_garbage_are_hidden() -> None:
    """Not even the message about an unreadable address shows a password."""
    with pytest.raises(SettingsError) as caught:
        normalise_url("https://me:secret@host:port")

    assert str(caught.value) == (
        '--llm-judge-url: "***@host:port" is no address of a server; '
        "write host, host:port or http://host:port"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h/v1?key=sk-secret", "http://h/v1?***"),
        ("host:8000?sk-secret", "host:8000?***"),
        ("https://h/?a=1&api_key=sk-secret#sk-secret", "https://h/?***"),
    ],
)
def test_queries_are_refused(text: str, shown: str) -> None:
    """A key in an address would end up in messages and files, and was never sent."""
    with pytest.raises(SettingsError) as caught:
        normalise_url(text)

    assert str(caught.value) == (
        f'--llm-judge-url: "{shown}" has a query, which is not sent; leave it out; the key of an '
        "OpenAI-compatible server belongs into OPENAI_API_KEY"
    )


@pytest.mark.parametrize(
    "text",
    [
        "http:///v1?key=sk-secret",
        "http://h:port/v1?key=sk-secret",
        "http://h/v1#sk-secret",
        "ftp://h?sk-secret",
        "http://h/v 1?key=sk-secret",
        "http://me:sk-secret@h?x=1",
        "http://me:sk-secret?x@h",
        "http://me:sk#-secret@h",
        "http://h/v1?key=me@sk-secret",
        "//me:sk-secret@[h",
    ],
)
def test_secrets_in_garbage_are_hidden(text: str) -> None:
    """However an address is broken, what may be a secret is not in the message."""
    with pytest.raises(SettingsError) as caught:
        normalise_url(text)

    assert "sk" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://sk-secret-of-mine:80:80/v1", "http://***:80:80"),
        ("sk-secret-of-mine:80:80", "***:80:80"),
        ("http://host:port/sk-secret-of-mine", "http://host:port"),
        ("http://[sk-secret-of-mine]/", "http://[***]"),
        ("http://u@[sk-secret-of-mine]/", "***@[***]"),
        ("ftp://host/sk-secret-of-mine", "ftp://host"),
        ("sk-secret-of-mine://host:port", "***://host:port"),
        ("http://host:sk-secret-of-mine", "http://host:***"),
        ("http://localhost:port", "http://localhost:port"),
    ],
)
def test_keys_in_garbage_are_hidden(text: str, shown: str) -> None:
    """A key may stand at any place of a text that is no address."""
    with pytest.raises(SettingsError) as caught:
        normalise_url(text)

    assert str(caught.value) == (
        f'--llm-judge-url: "{shown}" is no address of a server; '
        "write host, host:port or http://host:port"
    )


@given(st.text() | st.text(":/.[]@?#%0123456789ab "))
def test_no_text_breaks_it(text: str) -> None:
    """Every text is an address or a settings error, and an address is canonical."""
    try:
        url = normalise_url(text)
    except SettingsError:
        return

    assert url == normalise_url(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:11434", True),
        ("http://judge.localhost:1", True),
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9:1", True),
        ("http://[::1]:1", True),
        ("http://192.168.0.1:1", False),
        ("http://localhost.example:1", False),
        ("http://example.com:80", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:  # noqa: FBT001
    """Addresses of this machine are known, by name and by number."""
    assert expected is is_loopback(url)
