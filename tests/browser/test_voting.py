"""``llmjudge vote`` in a real browser: by keyboard, through a crash, with hostile answers."""

from __future__ import annotations

import importlib.util
import signal
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from tests.browser.chromium import installed, vote_by_key
from tests.browser.watching import LEAST_CONTRAST, Watch, check_form_stays
from tests.support.ballots import lines_in, record, suite_of, voting, write_pair, write_results

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="needs Playwright"),
    pytest.mark.skipif(installed() is None, reason="needs chromium or google-chrome"),
]

Scheme: TypeAlias = Literal["light", "dark"]
HOSTILE = (
    "<script>document.title = 'taken'</script>"
    "<img src=x onerror=\"document.title = 'taken'\">"
    "<a href=javascript:alert(1)>here</a>"
)
KEYS = ["ArrowLeft", "1", "a", "ArrowRight", "2", "b", "t", "x", "A", "T"]
CHOICES = ["left"] * 3 + ["right"] * 3 + ["tie", "both_bad", "left", "tie"]


def shown(page: Page) -> list[str]:
    """Return the two answers from left to right."""
    return page.locator(".answer .text").all_inner_texts()


def test_twenty_votes_and_a_crash(tmp_path: Path, page: Page) -> None:
    """Cast by keyboard, the server killed after 11: each is in the file once, as it was meant."""
    write_pair(tmp_path, 20)
    path = tmp_path / "votes.jsonl"
    meant: list[tuple[str, str]] = []

    def vote(count: int) -> None:
        for _ in range(count):
            key, choice = KEYS[len(meant) % 10], CHOICES[len(meant) % 10]
            assert f"{len(meant) + 1} of 20" in page.inner_text("header")
            left, right = shown(page)
            better = {"left": left, "right": right}.get(choice, choice)
            meant.append((page.inner_text(".question .text"), better))
            vote_by_key(page, key)
            assert len(lines_in(path)) == len(meant)

    with voting(tmp_path) as server:
        watch = Watch(page)
        page.goto(server.address)
        vote(11)
        watch.check(server.address)
        status, _, _ = server.end(signal.SIGKILL)
        killed = server.address
    assert status == -signal.SIGKILL
    with voting(tmp_path) as server:
        assert server.lines[0] == "20 ballots for ann, 11 voted on before"
        watch = Watch(page)
        page.goto(server.address)
        vote(9)
        assert page.inner_text("h1") == "Thank you, that was all."
        assert "old-pony.pth against new-zebra.pth" in page.inner_text("main")
        watch.check(server.address, killed)
        status, lines, problem = server.end(signal.SIGINT)

    assert (status, problem) == (0, "")
    assert lines[0] == "9 votes cast, 20 of 20 ballots voted on; votes are in votes.jsonl"
    votes = lines_in(path)
    assert sorted(vote["id"] for vote in votes) == sorted(f"r{number}" for number in range(20))
    for vote_, (asked, better) in zip(votes, meant, strict=True):
        assert asked == f"Say {vote_['id']}."
        number = vote_["id"][1:]
        sides = {"a": f"First of {number}.", "b": f"Second of {number}."}
        assert sides.get(vote_["winner"], vote_["winner"]) == better


def test_hostile_answers(tmp_path: Path, page: Page) -> None:
    """They are shown as what they are, and do nothing, on the end page too."""
    for file, model in (("a.json", "<b>old</b>"), ("b.json", "<i>new</i>")):
        answers = [
            record(0, f"{model} {HOSTILE}", instruction=HOSTILE, input=HOSTILE, output=HOSTILE)
        ]
        write_results(tmp_path / file, suite_of(model, answers))
    with voting(tmp_path) as server:
        watch = Watch(page)
        page.goto(server.address)
        page.keyboard.press("r")
        assert page.locator("details .text").inner_text() == HOSTILE
        assert sorted(shown(page)) == [f"<b>old</b> {HOSTILE}", f"<i>new</i> {HOSTILE}"]
        assert page.locator("main img, main script, main a, main b, main i").count() == 0
        assert page.title().startswith("1 of 1")
        vote_by_key(page, "1")
        assert page.inner_text("h2") == "<b>old</b> against <i>new</i>"
        watch.check(server.address)


def test_without_javascript(tmp_path: Path, browser: Browser) -> None:
    """Buttons vote all the same, and no key is promised."""
    write_pair(tmp_path, 3)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    with voting(tmp_path) as server:
        page.goto(server.address)
        assert not page.locator("kbd").first.is_visible()
        for label in ("Answer 1 is better", "Skip", "Tie", "Both bad"):
            page.get_by_role("button", name=label).click()
        assert page.inner_text("h1") == "Thank you, that was all."
    context.close()

    assert len(lines_in(tmp_path / "votes.jsonl")) == 3


def test_a_second_click_votes_on_nothing(tmp_path: Path, page: Page) -> None:
    """Neither a double click nor a held key decides a ballot that nobody has seen."""
    write_pair(tmp_path, 5)
    with voting(tmp_path) as server:
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", state="attached")
        page.get_by_role("button", name="Answer 1 is better").dblclick(no_wait_after=True)
        page.wait_for_selector("text=2 of 5")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.keyboard.down("t")
        page.wait_for_selector("text=3 of 5")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.keyboard.down("t")
        page.keyboard.down("Control")
        page.keyboard.press("x")
        page.keyboard.up("Control")
        page.reload()
        assert "3 of 5" in page.inner_text("header")

    assert len(lines_in(tmp_path / "votes.jsonl")) == 2


def test_selecting_text_is_no_vote(tmp_path: Path, page: Page) -> None:
    """Neither arrows with Shift nor any key beside a selection decide; without one they do."""
    write_pair(tmp_path, 2)
    with voting(tmp_path) as server:
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", state="attached")
        page.keyboard.press("Shift+ArrowRight")
        page.locator(".answer .text").first.select_text()
        for key in ("Shift+ArrowRight", "ArrowLeft", "t", "1"):
            page.keyboard.press(key)
        page.reload()
        assert "1 of 2" in page.inner_text("header")
        assert not (tmp_path / "votes.jsonl").exists()
        page.locator(".answer .text").first.select_text()
        page.locator("h1").click()
        vote_by_key(page, "Shift+T")
        assert "2 of 2" in page.inner_text("header")

    assert [vote["winner"] for vote in lines_in(tmp_path / "votes.jsonl")] == ["tie"]


def test_buttons_leave_room(tmp_path: Path, page: Page) -> None:
    """They stay in sight only where they take no more than a third; a low window scrolls to them."""
    windows = [
        *((320, 256, False), (512, 350, False), (1280, 256, False)),
        *((812, 375, True), (375, 667, True)),
    ]
    for file, model in (("a.json", "p"), ("b.json", "q")):
        records = [record(number, f"{model} " * 900) for number in range(len(windows))]
        write_results(tmp_path / file, suite_of(model, records))
    with voting(tmp_path) as server:
        page.goto(server.address)
        for width, height, stays in windows:
            check_form_stays(page, width, height, stays=stays)
            vote_by_key(page, "t")
        assert page.inner_text("h1") == "Thank you, that was all."


def test_another_window(tmp_path: Path, page: Page, context: BrowserContext) -> None:
    """A ballot that was voted on there is not voted on again, and the page says so."""
    write_pair(tmp_path, 3)
    with voting(tmp_path) as server:
        other = context.new_page()
        for one in (page, other):
            one.goto(server.address)
        vote_by_key(page, "1")
        vote_by_key(other, "2")
        assert "The first vote stands." in other.inner_text("header")
        assert "2 of 3" in other.inner_text("header")

    assert len(lines_in(tmp_path / "votes.jsonl")) == 1


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1024, "light")])
def test_it_can_be_read(tmp_path: Path, browser: Browser, width: int, scheme: Scheme) -> None:
    """Nothing sticks out, buttons are large and do not move, and text stands out from its ground."""
    records = [("short", "x"), ("word " * 400, "y" * 900), ("line\n" * 60, "z")]
    for side, file, model in ((0, "a.json", "p"), (1, "b.json", "q")):
        answers = [record(n, texts[side]) for n, texts in enumerate(records)]
        write_results(tmp_path / file, suite_of(model, answers))
    context = browser.new_context(viewport={"width": width, "height": 760}, color_scheme=scheme)
    page = context.new_page()
    places = set()
    with voting(tmp_path) as server:
        page.goto(server.address)
        for _ in range(3):
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            boxes = [button.bounding_box() for button in page.locator("button").all()]
            assert all(box and box["height"] >= 44 and box["width"] >= 44 for box in boxes)
            places.add(str(boxes))
            assert page.evaluate(LEAST_CONTRAST) >= 4.5
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            vote_by_key(page, "t")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(LEAST_CONTRAST) >= 4.5
    context.close()

    assert len(places) == 1
