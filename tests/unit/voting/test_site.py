"""The page over HTTP: what it answers, what it refuses, and what it does not tell."""

from __future__ import annotations

import re
import socket
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_llmjudge.data import FollowUp, Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.local_page.guard import LARGEST_BODY, Guard
from pytest_llmjudge.local_page.server import bind, serving
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.storage.votes import read_votes
from pytest_llmjudge.voting.box import BallotBox
from pytest_llmjudge.voting.messages import ending
from pytest_llmjudge.voting.outcome import pair_outcomes
from pytest_llmjudge.voting.site import make_site
from tests.unit.voting.making import ballots_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.voting.ballots import Ballots

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;"
RESPONSES = {"pony.pth": ["p0", "p1", MARKUP], "zebra.pth": ["q0", "q1", ""]}
PATIENCE = 300


class Visitor:
    """Asks one server, as a browser or a program would."""

    def __init__(self, port: int, path: Path, made: Ballots) -> None:
        self.port, self.path, self.made = port, path, made
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path: str = "/", **headers: str) -> requests.Response:
        return requests.get(self.address + path, headers=headers, timeout=PATIENCE)

    def form(self, choice: str = "left") -> dict[str, str]:
        """Return what the page that is shown now would send."""
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', self.get().text)
        return {**dict(fields), "choice": choice}

    def post(self, form: Mapping[str, str], **headers: str) -> requests.Response:
        return requests.post(
            f"{self.address}/vote",
            data=form,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=PATIENCE,
            allow_redirects=False,
        )

    def count(self) -> int:
        return len(read_votes(self.path)) if self.path.exists() else 0


@contextmanager
def visiting(path: Path, made: Ballots) -> Iterator[Visitor]:
    box = BallotBox(made.ballots, path, "ann")
    listener = bind(0)
    port = listener.getsockname()[1]
    site = make_site(
        box,
        Guard(port, "llmjudge vote"),
        lambda: ending(made, pair_outcomes(made, box.votes()), "ann", "v.jsonl"),
    )
    with serving(site, listener):
        yield Visitor(port, path, made)


@pytest.fixture(name="visitor")
def start_server(tmp_path: Path) -> Iterator[Visitor]:
    with visiting(tmp_path / "votes.jsonl", ballots_of(RESPONSES)) as visitor:
        yield visitor


def test_a_conversation(tmp_path: Path) -> None:
    """All of it is shown before the instruction, and none of it is markup."""
    made = ballots_of({"p": ["x"], "q": ["y"]})
    turns = Turn("user", "Hello?"), Turn("assistant", MARKUP)
    (ballot,) = made.ballots
    talk = replace(made, ballots=(replace(ballot, system="Be brief.", turns=turns),))

    with visiting(tmp_path / "votes.jsonl", talk) as visitor:
        page = visitor.get().text

    shown = re.findall(r'<h[12][^>]*>([^<]*)</h[12]>\s*<div class="text" dir="auto">', page)
    assert shown[:4] == ["System text", "User", "Assistant", "Instruction"]
    assert page.index("Be brief.") < page.index("Hello?") < page.index("&lt;script&gt;")
    assert MARKUP not in page


def test_several_turns(tmp_path: Path) -> None:
    """All questions are shown, and the answers under a heading for each."""
    made = ballots_of({"p": ["x"], "q": ["y"]})
    (ballot,) = made.ballots
    ballot = replace(
        ballot,
        follow_ups=(FollowUp("And then?", "Nothing."),),
        responses=(join_answers(["x", MARKUP]), join_answers(["y", ""])),
    )

    with visiting(tmp_path / "votes.jsonl", replace(made, ballots=(ballot,))) as visitor:
        page = visitor.get().text

    assert '<h2>Turn 2</h2>\n<div class="text" dir="auto">And then?</div>' in page
    assert "Turn 1:\nx\n\nTurn 2:\n&lt;script&gt;" in page
    assert "Turn 1:\ny\n\nTurn 2:\n</div>" in page
    assert "Turn 2:\nNothing.</div>" in page
    assert MARKUP not in page


def test_a_vote(visitor: Visitor) -> None:
    """It is in the file, and the browser is led to the next ballot, which a reload keeps."""
    first = visitor.get().text
    assert first == visitor.get().text
    reply = visitor.post(visitor.form(), Origin=visitor.address, Sec_Fetch_Site="same-origin")

    assert (reply.status_code, reply.headers["Location"]) == (303, "/")
    (vote,) = read_votes(visitor.path)
    assert (vote.id, vote.winner) == (
        visitor.made.ballots[0].id,
        visitor.made.ballots[0].winner("left"),
    )
    assert "1 of 3" in first
    assert "2 of 3" in visitor.get().text


def test_a_repeated_form(visitor: Visitor) -> None:
    """One vote; who chose otherwise the second time is told that the first stands."""
    form = visitor.form("left")
    replies = [visitor.post(form) for _ in range(3)]
    other = visitor.post({**form, "choice": "right"})

    assert [reply.headers["Location"] for reply in replies] == ["/"] * 3
    assert other.headers["Location"] == "/?note=other"
    assert "The first vote stands." in visitor.get("/?note=other").text
    assert visitor.count() == 1


def test_skipping(visitor: Visitor) -> None:
    """Nothing is written, and the others come first."""
    form = visitor.form("skip")
    reply = visitor.post(form)

    assert reply.headers["Location"] == "/?note=skipped"
    assert visitor.form()["ballot"] != form["ballot"]
    assert "1 skipped for later" in visitor.get().text
    assert visitor.count() == 0


def test_nothing_tells_the_models_before_the_end(visitor: Visitor) -> None:
    """No page, header, file or error has a name; the end page has both."""
    seen = []
    for choice in ("left", "skip", "tie", "both_bad"):
        form = visitor.form(choice)
        pages = [visitor.get(), visitor.post(form), visitor.get("/none"), visitor.post({})]
        seen += [page.text + str(page.headers) for page in pages]
        assert not any("Set-Cookie" in page.headers for page in pages)
    seen += [
        visitor.get(f"/{name}").text
        for name in ("vote.js", "vote.css", "page.js", "page.css", "icon.svg")
    ]
    end = visitor.get().text

    assert not [text for text in seen if "pony" in text or "zebra" in text]
    assert "pony.pth" in end
    assert "zebra.pth" in end
    assert "win rate" in end
    assert visitor.count() == 3


def test_markup_is_text(visitor: Visitor) -> None:
    """An answer cannot become a part of the page; an empty one is said to be empty."""
    pages = ""
    for _ in range(3):
        pages += visitor.get().text
        visitor.post(visitor.form("tie"))

    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;" in pages
    )
    assert "alert(1)</script>" not in pages
    assert '<div class="text empty">(empty)</div>' in pages


def test_headers(visitor: Visitor) -> None:
    """No script or style but the page's own files, nothing kept, nothing said of the server."""
    for reply in (visitor.get(), visitor.get("/vote.js"), visitor.get("/x"), visitor.post({})):
        assert reply.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert reply.headers["Referrer-Policy"] == "same-origin"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Server"] == "llmjudge"
    text = visitor.get().text
    assert not re.search(
        r"<script(?! src=\"/(?:page|vote)\.js\" defer></script>)|<style| style=| on\w+=", text
    )
    assert not re.search(r"(?:src|href|action)=\"(?!/)", text)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", ""]
)
def test_a_foreign_host(visitor: Visitor, host: str) -> None:
    """A name that leads to 127.0.0.1 is not let in, neither to read nor to vote."""
    name = host.format(port=visitor.port)
    read, voted = visitor.get(Host=name), visitor.post(visitor.form(), Host=name)

    assert (read.status_code, voted.status_code) == (403, 403)
    assert "This address is not the one that llmjudge vote printed." in read.text
    assert "Do r" not in read.text
    assert visitor.count() == 0


def test_localhost_is_this_host(visitor: Visitor) -> None:
    """By that name a form may come too, from a page of the same name only."""
    name = f"localhost:{visitor.port}"

    assert visitor.get(Host=name.upper()).status_code == 200
    assert visitor.post(visitor.form(), Host=name, Origin=visitor.address).status_code == 403
    assert visitor.post(visitor.form(), Host=name, Origin=f"http://{name}").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_a_foreign_origin(visitor: Visitor, headers: dict[str, str]) -> None:
    """A form of another page is refused, even with this page's token."""
    sent = {name: value.format(port=visitor.port) for name, value in headers.items()}
    reply = visitor.post(visitor.form(), **sent)

    assert reply.status_code == 403
    assert "This request comes from another page. Nothing was written." in reply.text
    assert visitor.count() == 0


@pytest.mark.parametrize("token", [None, "", "x", "ä"])
def test_another_token(visitor: Visitor, token: str | None) -> None:
    """A page of an earlier start, or none at all, cannot vote."""
    form = visitor.form()
    form.pop("token")
    reply = visitor.post(form if token is None else {**form, "token": token})

    assert reply.status_code == 403
    assert "This page was made by an earlier start of llmjudge vote." in reply.text
    assert visitor.count() == 0


@pytest.mark.parametrize(
    "change", [{"choice": ""}, {"choice": "a"}, {"ballot": "x"}, {"ballot": ""}]
)
def test_a_form_of_no_page(visitor: Visitor, change: dict[str, str]) -> None:
    """It is refused, in a line."""
    reply = visitor.post({**visitor.form(), **change})

    assert reply.status_code == 400
    assert "This form is not one of this page. Nothing was written." in reply.text
    assert visitor.count() == 0


def test_a_body_of_10_megabytes(visitor: Visitor) -> None:
    """The browser sees the refusal, and the server goes on."""
    reply = visitor.post({**visitor.form(), "more": "x" * 10_000_000})

    assert reply.status_code == 413
    assert "The request is too long. Nothing was written." in reply.text
    assert visitor.post(visitor.form()).status_code == 303


def test_a_long_body_is_not_waited_for(visitor: Visitor) -> None:
    """The refusal comes before any of the body has been sent."""
    head = f"POST /vote HTTP/1.1\r\nHost: 127.0.0.1:{visitor.port}\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", visitor.port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode())
        assert connection.recv(20).startswith(b"HTTP/1.1 413")


def test_a_body_without_length(visitor: Visitor) -> None:
    """Whoever does not say how long it is may send without end."""
    reply = requests.post(f"{visitor.address}/vote", data=iter([b"x" * 100] * 3), timeout=PATIENCE)

    assert reply.status_code == 411
    assert "The request does not say how long it is. Nothing was written." in reply.text


@pytest.mark.parametrize(
    "path",
    ["/x", "//evil.example", "/pages/vote.css", "/static/vote.css", "/%2e%2e/run.py", "/vote.css/"],
)
def test_unknown_paths(visitor: Visitor, path: str) -> None:
    """Only what is named is there."""
    reply = visitor.get(path)

    assert reply.status_code == 404
    assert "There is no such page." in reply.text


def test_other_methods(visitor: Visitor) -> None:
    """A ballot is read by GET, and voted on by POST."""
    assert visitor.get("/vote").status_code == 405
    assert requests.post(visitor.address, data={}, timeout=PATIENCE).status_code == 405
    assert requests.delete(visitor.address, timeout=PATIENCE).status_code == 405


def test_a_vote_that_cannot_be_written(visitor: Visitor) -> None:
    """The page says so and why; the same form works when that is mended."""
    form = visitor.form()
    visitor.path.write_text("[]\n", encoding="utf-8")
    reply = visitor.post(form)

    assert reply.status_code == 500
    assert "The vote was not written" in reply.text
    assert "votes.jsonl: line 1: it is no vote ([] is not of type &#39;object&#39;)" in reply.text
    visitor.path.unlink()
    assert visitor.post(form).status_code == 303
    assert visitor.count() == 1


def test_votes_that_cannot_be_read(visitor: Visitor) -> None:
    """Who asked for a ballot is told so, and hears of no vote."""
    visitor.path.write_text("{\n", encoding="utf-8")
    reply = visitor.get()

    assert reply.status_code == 500
    assert "<h1>The votes cannot be read</h1>" in reply.text
    assert "votes.jsonl: line 1: it is no JSON: {; correct or remove the line" in reply.text
    assert "The vote was not written" not in reply.text


def test_the_server_writes_no_log(visitor: Visitor, capfd: pytest.CaptureFixture[str]) -> None:
    """The terminal is the voter's."""
    visitor.get()
    visitor.get("/x")
    with socket.create_connection(("127.0.0.1", visitor.port), timeout=PATIENCE) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.recv(100)

    assert capfd.readouterr() == ("", "")


def test_an_address_that_cannot_be_read(
    visitor: Visitor, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is refused, and nothing is written to the voter's terminal."""
    with socket.create_connection(("127.0.0.1", visitor.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET http://[::1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(20).startswith(b"HTTP/1.1 400")

    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken() -> None:
    """One line; nothing listens anywhere else instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            bind(port)

    assert str(caught.value) == (
        f"--port {port}: it cannot be had on 127.0.0.1 (Address already in use); give another, or "
        "0 for any free one"
    )
