"""What a server was sent in confidence, in every form in which it may come back."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.servers.secrets import Secrets, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk-a+b/c"
NOBODY = "***"


def escaped(text: str) -> str:
    """Escape as a strict JSON writer would: all but letters and digits, and the slash its own way."""
    return "".join(
        char if char.isalnum() else r"\/" if char == "/" else f"\\u{ord(char):04X}" for char in text
    )


def quoted(text: str) -> str:
    return quote(text, safe="")


def lower(text: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), quoted(text))


def coded(text: str, before: str = "", after: str = "") -> str:
    return base64.b64encode(f"{before}{text}{after}".encode()).decode()


def url_safe(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


ESCAPES: list[Callable[[str], str]] = [
    escaped,
    quoted,
    lower,
    quote_plus,
    lambda text: json.dumps(text)[1:-1],
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
]


@pytest.mark.parametrize(
    ("said", "struck"),
    [
        (KEY, NOBODY),
        (r"sk-a\u002Bb\/c", NOBODY),
        (r"sk\u002da\u002bb\u002fc", NOBODY),
        (r"sk-a\\u002Bb\\\/c", NOBODY),
        ("sk-a%2Bb%2Fc", NOBODY),
        ("sk-a%2bb%2fc", NOBODY),
        ("sk-a%252Bb%252fc", NOBODY),
        (r"sk-a\u00252Bb%5Cu002fc", NOBODY),
        (coded(KEY), NOBODY),
        (coded(KEY).rstrip("="), NOBODY),
        (f"Basic {coded(KEY)}", f"Basic {NOBODY}"),
        (quoted(coded(KEY)), f"{NOBODY}%3D"),
        (f"no {KEY} and no {quoted(KEY)}", f"no {NOBODY} and no {NOBODY}"),
        ("sk-a+b and /c", "sk-a+b and /c"),
        ("100%2B \\u002B", "100%2B \\u002B"),
        ("", ""),
    ],
)
def test_each_form(said: str, struck: str) -> None:
    """It is struck out, and a text without it stays letter by letter."""
    assert struck == Secrets([KEY]).strike(said)


LONG = "sk-proj-AbC/dEf+123=xyz-9876543210"


@pytest.mark.parametrize(
    ("said", "struck"),
    [
        (LONG.lower(), NOBODY),
        (LONG.upper(), NOBODY),
        (LONG.title(), NOBODY),
        (quoted(LONG).lower(), NOBODY),
        (f"bad key {LONG[:-4]}****.", f"bad key {NOBODY}****."),
        (f"bad key ****{LONG[-8:]}.", f"bad key ****{NOBODY}."),
        (f"bad key {LONG[:12].upper()}…{LONG[-12:]}", f"bad key {NOBODY}…{NOBODY}"),
        (escaped(f"{LONG[:20]}****"), f"{NOBODY}****"),
        (quoted(f"{LONG[:20]}****"), f"{NOBODY}****"),
        (f"{LONG[:7]}… {LONG[-7:]}", f"{LONG[:7]}… {LONG[-7:]}"),
        (f"{LONG[:10]}{LONG[20:30]} {LONG[:9]}", f"{NOBODY} {NOBODY}"),
    ],
)
def test_letters_and_parts(said: str, struck: str) -> None:
    """Eight characters in a row of a key, large or small, are struck in what went wrong."""
    assert struck == Secrets([LONG]).strike(said)


def test_parts_in_an_answer() -> None:
    """There it takes sixteen: a model may write a date, and a server a time, that a key has."""
    secrets = Secrets(["sk-1234567890-abcdefgh"])
    body = json.dumps({"created": 1234567890, "content": "Count: 1234567890."}).encode()

    assert secrets.strike_body(body, is_error=False) == body
    assert NOBODY in secrets.strike('"Your key is SK-1234567890-ABC***."', is_error=False)


@given(
    st.text("abcXYZ0189+/=_-.~:", min_size=8, max_size=40),
    st.lists(st.sampled_from(ESCAPES), max_size=3),
    st.booleans(),
    st.text("abc+/? \u00e9", max_size=4),
    st.text("abc+/? \u00e9", max_size=4),
)
def test_forms_around_forms(
    secret: str,
    layers: list[Callable[[str], str]],
    is_coded: bool,  # noqa: FBT001
    before: str,
    after: str,
) -> None:
    """Within other text and at each place of a base64 text, no reader finds it any more."""
    said = coded(secret, before, after) if is_coded else f"{before}{secret}{after}"
    said = (
        said if len(before) % 2 else said.translate(str.maketrans("+/", "-_")) if is_coded else said
    )
    for layer in layers:
        said = layer(said)
    assert secret in readings(said)

    assert secret not in readings(Secrets([secret]).strike(f"refused: {said}."))


def readings(text: str) -> str:
    """Return all that a patient reader can make of a text."""
    texts = [text]
    for form in texts[:]:
        for _ in range(4):
            plain = re.sub(
                r"\\u([0-9a-fA-F]{4})|\\(.)", lambda m: m[2] or chr(int(m[1], 16)), unquote(form)
            )
            texts.append(plain)
            form = plain  # noqa: PLW2901  # each reading is read again
    for form in texts[:]:
        for run in re.findall("[A-Za-z0-9+/_-]+", form):
            for start in range(4):
                rest = run[start:].translate(str.maketrans("-_", "+/"))
                rest = rest[: len(rest) - (len(rest) % 4 == 1)]
                data = base64.b64decode(rest + "=" * (-len(rest) % 4))
                texts.append(data.decode("utf-8", "replace"))
    return "\n".join(texts)


def test_json_stays_json() -> None:
    """Names, values and numbers, in whatever coding, and all else as it was."""
    secrets = Secrets([KEY, "12345678"])
    said = {"a": [f'"{quoted(KEY)}"', 1.5, None, 12345678], KEY: {"b": "\u00e9"}}
    expected = {"a": [f'"{NOBODY}"', 1.5, None, 12345678], NOBODY: {"b": "\u00e9"}}

    for coding in ("utf-8", "utf-8-sig", "utf-16", "utf-32-le"):
        body = json.dumps({**said, "a": said["a"][:3]}).encode(coding)  # type: ignore[index]
        kept = json.loads(secrets.strike_body(body, is_error=True))
        assert {**expected, "a": expected["a"][:3]} == kept  # type: ignore[index]
    numbers = secrets.strike_body(json.dumps(said).encode(), is_error=True)
    assert b"12345678" not in numbers


@pytest.mark.usefixtures("without_collection")
@pytest.mark.parametrize("body", [b"", b"\xff\xfe\xfd", b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_a_body_without_a_secret_stays(body: bytes) -> None:
    """Byte by byte, whatever it is."""
    assert body == Secrets([KEY]).strike_body(body, is_error=True)


@pytest.mark.usefixtures("without_collection")
def test_a_body_that_is_no_json() -> None:
    """Pages and broken replies lose it as well."""
    secrets = Secrets([KEY])
    deep = b"[" * 100_000 + KEY.encode()

    assert secrets.strike_body(b"<p>sk-a%2Bb%2Fc</p>", is_error=True) == b"<p>***</p>"
    assert KEY.encode() not in secrets.strike_body(deep, is_error=True)


@pytest.mark.parametrize("word", ["none", "EMPTY", "x", "1"])
def test_a_short_key_changes_no_answer(word: str) -> None:
    """Servers that need no key are given any word, which a model may write as well."""
    secrets = Secrets([word])
    body = json.dumps({"content": f"{word} of them, 100 {word}s", "model": word}).encode()

    assert body == secrets.strike_body(body, is_error=False)
    assert f"key {NOBODY} of {word}{word}" == secrets.strike(f"key {word} of {word}{word}")


def test_a_login() -> None:
    """What the header holds, and the password by itself; the same of a proxy's address."""
    text = "Basic dXNlcjpwYXNz, password pass or pa%73s, pass it on, passes"
    expected = "Basic ***, password *** or ***, *** it on, passes"

    assert expected == secrets_of({"Authorization": "Basic dXNlcjpwYXNz"}, {}).strike(text)
    assert expected == secrets_of({}, {"http": "http://user:p%61ss@proxy:1"}).strike(text)


@pytest.mark.parametrize("proxy", ["http://proxy:1", "proxy", "http://[::1", "", "http://@x"])
def test_nothing_to_hide(proxy: str) -> None:
    """Then nothing is looked for, whatever the environment holds."""
    assert not secrets_of({}, {"http": proxy, "no": "localhost,.example"})


def test_long_texts_take_no_longer_than_their_length() -> None:
    """Escapes without end are undone a few times, and no more."""
    for text in ("%25" * 100_000, "\\" * 300_000, r"\u005c" * 50_000, "A" * 300_000):
        assert text == Secrets([KEY]).strike(text)
