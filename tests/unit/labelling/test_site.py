"""The page over HTTP: what it shows, what it writes, and what it refuses."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_llmjudge.data import FollowUp, Turn
from pytest_llmjudge.labelling.box import LabelBox
from pytest_llmjudge.labelling.messages import ending
from pytest_llmjudge.labelling.outcome import label_outcome
from pytest_llmjudge.labelling.site import LONGEST_NOTE, make_site
from pytest_llmjudge.local_page.guard import Guard
from pytest_llmjudge.local_page.server import bind, serving
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.stats.labels import seal
from pytest_llmjudge.storage.labels import append_design, append_label, labels_so_far
from tests.unit.labelling.making import label_on, sample_of, write_responses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.data import Label
    from pytest_llmjudge.labelling.sample import Sample

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;"
PATIENCE = 300
ELSEWHERE = "This request comes from another page. Nothing was written."


class Visitor:
    """Asks one server, as a browser or a program would."""

    def __init__(self, port: int, path: Path, sample: Sample) -> None:
        self.port, self.path, self.sample = port, path, sample
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path: str = "/", **headers: str) -> requests.Response:
        return requests.get(self.address + path, headers=headers, timeout=PATIENCE)

    def form(self, score: object = 70, path: str = "/", **fields: str) -> dict[str, str]:
        """Return what the page that is shown now would send."""
        hidden = r'<input type="hidden" name="(\w+)" value="([^"]*)">'
        found = dict(re.findall(hidden, self.get(path).text))
        return {**found, "score": str(score), "note": "", "action": "save", **fields}

    def post(self, form: Mapping[str, str], **headers: str) -> requests.Response:
        return requests.post(
            f"{self.address}/label",
            data=form,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=PATIENCE,
            allow_redirects=False,
        )

    def labels(self) -> tuple[Label, ...]:
        return labels_so_far(self.path).labels


@contextmanager
def visiting(path: Path, sample: Sample) -> Iterator[Visitor]:
    box = LabelBox(sample, path, "ann")
    listener = bind(0)
    port = listener.getsockname()[1]

    def outcome() -> object:
        return ending(sample, label_outcome(sample, box.labels(), "ann"), "l.jsonl")

    site = make_site(box, Guard(port, "llmjudge label"), outcome)  # type: ignore[arg-type]
    with serving(site, listener):
        yield Visitor(port, path, sample)


@pytest.fixture(name="sample")
def three_responses(tmp_path: Path) -> Sample:
    return sample_of(write_responses(tmp_path / "a.json", ["p0", MARKUP, ""]))


@pytest.fixture(name="visitor")
def start_server(tmp_path: Path, sample: Sample) -> Iterator[Visitor]:
    with visiting(tmp_path / "labels.jsonl", sample) as visitor:
        yield visitor


def test_a_label(visitor: Visitor) -> None:
    """It is in the file, and the browser is led to the next response, which a reload keeps."""
    first = visitor.get().text
    assert first == visitor.get().text
    form = visitor.form(85, note="nearly  right ")
    reply = visitor.post(form, Origin=visitor.address, Sec_Fetch_Site="same-origin")

    assert (reply.status_code, reply.headers["Location"]) == (303, "/")
    (label,) = visitor.labels()
    assert (label.record, label.score) == (visitor.sample.items[0].record, 85)
    assert (label.note, label.labeler) == ("nearly  right", "ann")
    assert "1 of 3" in first
    assert "2 of 3" in visitor.get().text


def test_scores(visitor: Visitor) -> None:
    """Whole numbers from 0 to 100; what is none is refused in a line, and nothing is guessed."""
    form = visitor.form()
    for score in ("", "101", "-1", "7.5", "x", "\u0667", "1e2", "0x10"):
        reply = visitor.post({**form, "score": score})
        assert reply.status_code == 400
        assert "A score is a whole number from 0 to 100. Nothing was written." in reply.text
    assert not visitor.path.exists()

    for score in ("0", "100", " 007 "):
        assert visitor.post(visitor.form(score)).status_code == 303
    assert [label.score for label in visitor.labels()] == [0, 100, 7]


def test_a_long_note(visitor: Visitor) -> None:
    """The longest is written, in whatever script; a longer one is refused."""
    long = visitor.post(visitor.form(note="😀" * (LONGEST_NOTE + 1)))
    assert (long.status_code, visitor.labels()) == (400, ())
    assert "A note has at most 2000 characters. Nothing was written." in long.text

    assert visitor.post(visitor.form(note="😀" * LONGEST_NOTE)).status_code == 303
    assert [len(label.note) for label in visitor.labels()] == [LONGEST_NOTE]


def test_a_repeated_form(visitor: Visitor) -> None:
    """One label; who gave another score the second time is told that the first stands."""
    form = visitor.form(70)
    replies = [visitor.post(form) for _ in range(3)]
    other = visitor.post({**form, "score": "10"})

    assert [reply.headers["Location"] for reply in replies] == ["/"] * 3
    assert other.headers["Location"] == "/?note=other"
    assert "That label stands." in visitor.get("/?note=other").text
    assert [label.score for label in visitor.labels()] == [70]


def test_skipping(visitor: Visitor) -> None:
    """Nothing is written, no score is needed, and the others come first."""
    form = visitor.form("", action="skip")
    reply = visitor.post(form)

    assert reply.headers["Location"] == "/?note=skipped"
    assert visitor.form()["item"] != form["item"]
    assert "1 skipped for later" in visitor.get().text
    assert not visitor.path.exists()


def test_a_correction(visitor: Visitor) -> None:
    """The page shows what was given before, and what is saved then takes its place."""
    visitor.post(visitor.form(30, note="<hm>"))
    back = re.findall(r'href="(/again/\w+)"', visitor.get().text)
    page = visitor.get(back[0]).text
    reply = visitor.post(visitor.form(40, back[0]))
    late = visitor.post(visitor.form(99, back[0], replaced="0" * 16))

    assert 'value="30"' in page
    assert 'value="&lt;hm&gt;"' in page
    assert "What you save now replaces that label" in page
    assert reply.headers["Location"] == "/?note=corrected"
    assert late.headers["Location"] == "/?note=other"
    assert [(label.score, label.note) for label in visitor.labels()] == [(40, "")]
    assert len(visitor.path.read_text().splitlines()) == 3


def test_going_back_to_what_is_not_labelled(visitor: Visitor) -> None:
    """It leads to what is to be labelled; what no page names is not there."""
    open_ = visitor.get(f"/again/{visitor.sample.items[2].token}")

    assert (open_.history[0].status_code, open_.url) == (302, f"{visitor.address}/")
    assert visitor.get("/again/x").status_code == 404


def test_blind(tmp_path: Path, sample: Sample) -> None:
    """No page tells the judge's scores, the model, or what others gave, before the end."""
    path = tmp_path / "labels.jsonl"
    append_design(path, sample.design)
    for item in sample.items:
        append_label(path, label_on(item, 13, labeler="ben"))
    seen = []
    with visiting(path, sample) as visitor:
        for score in (61, 62, 63):
            seen += [visitor.get().text, visitor.post(visitor.form(score)).text]
        end = visitor.get().text

    shown = [re.sub(r'value="[\w-]{20,}"|/again/\w+', "", text) for text in seen]
    assert not [text for text in shown if "ben" in text or "13" in text or "model" in text]
    assert "Krippendorff&#39;s alpha" in end
    assert "<dt>ben</dt><dd>3 labels, mean score 13.0</dd>" in end
    assert "3 labels of ann in l.jsonl." in end
    assert "<code>--llm-judge-labels=l.jsonl</code>" in end


def test_markup_is_text(visitor: Visitor) -> None:
    """A response cannot become a part of the page; an empty one is said to be empty."""
    pages = ""
    for _ in range(3):
        pages += visitor.get().text
        visitor.post(visitor.form())

    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;" in pages
    )
    assert "alert(1)</script>" not in pages
    assert '<div class="text empty">(empty)</div>' in pages


def test_what_nobody_would_see(tmp_path: Path) -> None:
    """Control characters and what turns the order of reading are shown; joiners stay."""
    text = "a\x00b\x1b[31mc\x7f\u202ed\u2066e\u200d\u0645\tf\ng"
    sample = sample_of(write_responses(tmp_path / "a.json", [text]))

    with visiting(tmp_path / "labels.jsonl", sample) as visitor:
        page = visitor.get().text

    assert r"a\x00b\x1b[31mc\x7f\u202ed\u2066e" + "\u200d\u0645\tf\ng</div>" in page


def test_all_of_a_conversation(visitor: Visitor, tmp_path: Path) -> None:
    """System text, turns, follow-ups, criteria and both references, and none of it is markup."""
    (item, *_) = visitor.sample.items
    asked = replace(
        item.asked,
        system="Be brief.",
        turns=(Turn("user", "Hello?"), Turn("assistant", MARKUP)),
        follow_ups=(FollowUp("And then?", "Nothing."),),
        criteria="accuracy: is it right?",
        response=join_answers(["x", "y"]),
    )
    sample = replace(visitor.sample, items=(replace(item, asked=asked),))

    with visiting(tmp_path / "other.jsonl", sample) as other:
        page = other.get().text

    order = [
        *("Be brief.", "Hello?", "&lt;script&gt;", asked.instruction, "And then?"),
        *("accuracy: is it right?", "Turn 2:\nNothing."),
    ]
    alone = replace(item, asked=replace(item.asked, output="", criteria="accuracy: is it right?"))
    with visiting(tmp_path / "alone.jsonl", replace(sample, items=(alone,))) as other:
        assert "Reference" not in other.get().text

    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert MARKUP not in page


def test_what_is_refused(visitor: Visitor) -> None:
    """A request of another page, even with this page's token, and a form of none: a line each."""
    form = visitor.form()
    host = "This address is not the one that llmjudge label printed."
    stale = "This page was made by an earlier start of llmjudge label."
    no_form = "This form is not one of this page. Nothing was written."
    cases: list[tuple[dict[str, str], dict[str, str], int, str]] = [
        ({"Host": "evil.example"}, {}, 403, host),
        ({"Origin": "http://evil.example"}, {}, 403, ELSEWHERE),
        ({"Origin": "null"}, {}, 403, ELSEWHERE),
        ({"Sec_Fetch_Site": "cross-site"}, {}, 403, ELSEWHERE),
        ({}, {"token": "x"}, 403, stale),
        ({}, {"token": ""}, 403, stale),
        ({}, {"item": "x"}, 400, no_form),
        ({}, {"action": "save all"}, 400, no_form),
        ({}, {"action": ""}, 400, no_form),
        ({}, {"more": "x" * 70_000}, 413, "The request is too long. Nothing was written."),
    ]

    for headers, change, status, text in cases:
        reply = visitor.post({**form, **change}, **headers)
        assert (reply.status_code, text in reply.text) == (status, True), text
    assert not visitor.path.exists()
    assert visitor.post(form).status_code == 303


def test_headers(visitor: Visitor) -> None:
    """No script or style but the page's own files, and nothing kept."""
    for path in ("/", "/label.js", "/label.css", "/page.js", "/page.css", "/icon.svg", "/x"):
        reply = visitor.get(path)
        assert reply.status_code == (404 if path == "/x" else 200)
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert reply.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in reply.headers
    text = visitor.get().text
    assert not re.search(
        r"<script(?! src=\"/(?:page|label)\.js\" defer></script>)|<style| style=| on\w+=", text
    )
    assert not re.search(r"(?:src|href|action)=\"(?!/)", text)


def test_a_label_that_cannot_be_written(visitor: Visitor) -> None:
    """The page says so and why; the same form works when that is mended."""
    form = visitor.form()
    visitor.path.write_text("[]\n", encoding="utf-8")
    reply, read = visitor.post(form), visitor.get()

    assert (reply.status_code, read.status_code) == (500, 500)
    assert "The label was not written" in reply.text
    assert "<h1>The labels cannot be read</h1>" in read.text
    for text in (reply.text, read.text):
        assert "labels.jsonl: line 1: it is no label ([] is not of type &#39;object&#39;)" in text
    visitor.path.unlink()
    assert visitor.post(form).status_code == 303
    assert [seal(label) for label in visitor.labels()]
