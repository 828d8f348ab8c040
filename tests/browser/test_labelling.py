"""``llmjudge label`` in a real browser: by keyboard, through a crash, with hostile responses."""

from __future__ import annotations

import importlib.util
import signal
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from pytest_llmjudge.storage.labels import read_labels
from tests.browser.chromium import installed, label_by_keys
from tests.browser.watching import LEAST_CONTRAST, Watch, check_form_stays
from tests.support.ballots import labelling, lines_in, record, suite_of, write_results

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="needs Playwright"),
    pytest.mark.skipif(installed() is None, reason="needs chromium or google-chrome"),
]

Scheme: TypeAlias = Literal["light", "dark"]
HOSTILE = (
    "<script>document.title = 'taken'</script></form><input name=score value=100>"
    "<img src=x onerror=\"document.title = 'taken'\">"
    "<a href=javascript:alert(1)>here</a>"
)
KEYS = {"0": 0, "1": 10, "5": 50, "9": 90, "f": 100, "F": 100, "ArrowLeft": 50, "ArrowUp": 50}


def write_responses(folder: Path, *responses: str) -> None:
    """Write ``a.json`` with the responses to r0, r1, …."""
    records = [record(number, text) for number, text in enumerate(responses)]
    write_results(folder / "a.json", suite_of("model.pth", records))


def shown(page: Page) -> str:
    """Return the response on the page."""
    return page.inner_text(".response .text")


def scores(path: Path) -> list[int]:
    """Return the scores of the labels that stand, in file order."""
    return [label.score for label in read_labels(path).labels]


def test_labels_and_a_crash(tmp_path: Path, page: Page) -> None:
    """Two keys each, the server killed after 5: each is in the file once, as it was meant."""
    write_responses(tmp_path, *(f"Response to r{n}." for n in range(8)))
    path = tmp_path / "labels.jsonl"
    meant: dict[str, int] = {}
    keys = iter(KEYS.items())

    def label(count: int) -> None:
        for _ in range(count):
            key, score = next(keys)
            assert f"{len(meant) + 1} of 8" in page.inner_text("header")
            meant[shown(page)] = score
            label_by_keys(page, key, "Enter")
            assert len(lines_in(path)) == 1 + len(meant)

    with labelling(tmp_path) as server:
        watch = Watch(page)
        page.goto(server.address)
        label(5)
        watch.check(server.address)
        status, _, _ = server.end(signal.SIGKILL)
        killed = server.address
    assert status == -signal.SIGKILL
    with labelling(tmp_path) as server:
        assert server.lines[1] == "8 responses for ann, 5 labelled before"
        watch = Watch(page)
        page.goto(server.address)
        label(3)
        assert page.inner_text("h1") == "Thank you, that was all."
        watch.check(server.address, killed)
        status, lines, problem = server.end(signal.SIGINT)

    assert (status, problem) == (0, "")
    assert lines == ["3 labels written, 8 of 8 responses labelled; labels are in labels.jsonl"]
    labels = read_labels(path).labels
    assert {f"Response to {one.record}.": one.score for one in labels} == meant


def test_all_keys(tmp_path: Path, page: Page) -> None:
    """Arrows by five within bounds, notes, skipping, going back; Enter without a score does nothing."""
    write_responses(tmp_path, "one", "two", "three")
    path = tmp_path / "labels.jsonl"
    with labelling(tmp_path) as server:
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", state="attached")
        press, score = page.keyboard.press, page.locator("#score")
        press("Enter")
        assert page.inner_text("#said") == "Give a score first."
        for key, value in [
            *(("8", "80"), ("ArrowRight", "85"), ("ArrowUp", "90"), ("f", "100")),
            *(("ArrowUp", "100"), ("0", "0"), ("ArrowDown", "0"), ("5", "50"), ("ArrowLeft", "45")),
        ]:
            press(key)
            assert score.input_value() == value
            assert page.inner_text("#said") == f"Score {value}"
            assert page.get_attribute("#slider", "aria-valuetext") == f"{value} of 100"
        press("Control+7")
        press("Shift+ArrowRight")
        assert score.input_value() == "45"
        press("n")
        page.keyboard.type("5 of 9 are fine, see b")
        press("Escape")
        press("ArrowRight")
        assert (score.input_value(), path.exists()) == ("50", False)
        first = shown(page)
        label_by_keys(page, "Enter")
        label_by_keys(page, "s")
        assert "Skipped." in page.inner_text("header")
        label_by_keys(page, "b")
        assert shown(page) == first
        assert (score.input_value(), page.input_value("#note")) == ("50", "5 of 9 are fine, see b")
        label_by_keys(page, "Escape")
        label_by_keys(page, "b")
        label_by_keys(page, "2", "Enter")
        assert "Corrected." in page.inner_text("header")
        assert "2 of 3" in page.inner_text("header")

    (label,) = read_labels(path).labels
    assert (label.score, label.note) == (20, "5 of 9 are fine, see b")


def test_by_mouse_and_by_typing(tmp_path: Path, page: Page) -> None:
    """The slider, a mark, the field for any whole number; a number beyond is refused."""
    write_responses(tmp_path, "one", "two", "three")
    path = tmp_path / "labels.jsonl"
    with labelling(tmp_path) as server:
        page.goto(server.address)
        box = page.locator("#slider").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
        assert page.input_value("#score") == "25"
        page.keyboard.press("ArrowRight")
        assert page.input_value("#score") == "30"
        label_by_keys(page, "Enter")
        page.get_by_role("button", name="Score 70").click()
        page.wait_for_selector("html[data-ready]", state="attached")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("text=3 of 3")
        page.get_by_role("spinbutton").fill("173")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.keyboard.press("Enter")
        assert page.inner_text("#said") == "A score is a whole number from 0 to 100."
        assert scores(path) == [30, 70]
        page.get_by_role("spinbutton").fill("")
        page.keyboard.type("73")
        page.keyboard.press("ArrowUp")
        label_by_keys(page, "Enter")

    assert scores(path) == [30, 70, 78]


def test_a_second_enter_labels_nothing(tmp_path: Path, page: Page) -> None:
    """Neither a held key nor a second one decides a response that nobody has seen."""
    write_responses(tmp_path, *(f"response {n}" for n in range(4)))
    with labelling(tmp_path) as server:
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", state="attached")
        for key in ("6", "Enter", "Enter"):
            page.keyboard.press(key)
        page.wait_for_selector("text=2 of 4")
        page.wait_for_selector("html[data-ready]", state="attached")
        for key in ("7", "Enter", "Enter", "Enter"):
            page.keyboard.down(key)
        page.wait_for_selector("text=3 of 4")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.keyboard.down("Enter")
        page.reload()
        assert "3 of 4" in page.inner_text("header")

    assert scores(tmp_path / "labels.jsonl") == [60, 70]


def test_hostile_responses(tmp_path: Path, page: Page) -> None:
    """They are shown as what they are, and do nothing; nor does a long line or a control character."""
    turned = "safe \u202egnp.exe\u202c \x1b[2J \u05d0\u05d1 end"
    records = [
        record(0, HOSTILE, instruction=HOSTILE, input=HOSTILE, output=HOSTILE),
        record(1, "x" * 500_000, output="word " * 20_000),
        record(2, turned),
    ]
    write_results(tmp_path / "a.json", suite_of("m", records))
    seen = {}
    with labelling(tmp_path) as server:
        watch = Watch(page)
        page.goto(server.address)
        for _ in records:
            seen[len(shown(page))] = shown(page)
            assert page.locator("main img, main script, main a, form a").count() <= 1
            assert page.locator("[name=score]").count() == 1
            assert page.title().endswith("Score the response")
            assert page.evaluate("document.documentElement.scrollWidth") <= 1024
            label_by_keys(page, "n", *HOSTILE[:9], "Escape", "1", "Enter")
        watch.check(server.address)

    assert HOSTILE in seen.values()
    assert 500_000 in seen
    assert r"safe \u202egnp.exe\u202c \x1b[2J " + "\u05d0\u05d1 end" in seen.values()


def test_without_javascript(tmp_path: Path, browser: Browser) -> None:
    """The score is typed, and everything else is a button or a link; no key is promised."""
    write_responses(tmp_path, "one", "two")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    path = tmp_path / "labels.jsonl"
    with labelling(tmp_path) as server:
        page.goto(server.address)
        assert not page.locator("kbd").first.is_visible()
        assert not page.locator("#slider").is_visible()
        page.get_by_role("button", name="Save").click()
        assert "1 of 2" in page.inner_text("header")
        page.get_by_role("button", name="Skip").click()
        page.get_by_role("spinbutton").fill("85")
        page.get_by_label("Note").fill("well")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="Back").click()
        page.get_by_role("spinbutton").fill("80")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("spinbutton").fill("5")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Thank you, that was all.")
        page.get_by_role("link", name="Correct the last label").click()
        assert page.input_value("#score") == "5"
    context.close()

    assert [(one.score, one.note) for one in read_labels(path).labels] == [(80, "well"), (5, "")]


def test_another_window(tmp_path: Path, page: Page, context: BrowserContext) -> None:
    """A response that was labelled there is not labelled again, and the page says so."""
    write_responses(tmp_path, "one", "two", "three")
    with labelling(tmp_path) as server:
        other = context.new_page()
        for one in (page, other):
            one.goto(server.address)
        label_by_keys(page, "1", "Enter")
        label_by_keys(other, "2", "Enter")
        assert "That label stands." in other.inner_text("header")
        assert "2 of 3" in other.inner_text("header")

    assert scores(tmp_path / "labels.jsonl") == [10]


def test_the_score_leaves_room(tmp_path: Path, page: Page) -> None:
    """It stays in sight only where it takes no more than a third; a low window scrolls to it."""
    windows = [(320, 256, False), (812, 375, True), (375, 667, True)]
    write_responses(tmp_path, *["word " * 900] * len(windows))
    with labelling(tmp_path) as server:
        page.goto(server.address)
        for width, height, stays in windows:
            check_form_stays(page, width, height, stays=stays)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            label_by_keys(page, "5", "Enter")
        assert page.inner_text("h1") == "Thank you, that was all."


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1024, "light")])
def test_it_can_be_read(tmp_path: Path, browser: Browser, width: int, scheme: Scheme) -> None:
    """Nothing sticks out, targets are large and do not move, and text stands out from its ground."""
    write_responses(tmp_path, "short", "word " * 400 + "y" * 900, "line\n" * 60)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(viewport={"width": width, "height": 760}, color_scheme=scheme)
    page = context.new_page()
    places: list[tuple[float, float]] = []
    targets = "form button:visible, form a, #score, #note"
    with labelling(tmp_path) as server:
        page.goto(server.address)
        for _ in range(3):
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            boxes = [target.bounding_box() for target in page.locator(targets).all()]
            assert all(box and box["height"] >= 44 and box["width"] >= 40 for box in boxes)
            page.keyboard.press("4")
            assert page.evaluate(LEAST_CONTRAST) >= 4.5
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            if not places:
                found = axe.Axe().run(page).response["violations"]
                assert [one["id"] for one in found] == []
            save = page.locator("[value=save]").bounding_box()
            assert save is not None
            places.append((save["x"], save["y"]))
            label_by_keys(page, "Escape", "Enter")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(LEAST_CONTRAST) >= 4.5
    context.close()

    # What is sticky may be a part of a pixel off.
    assert all(place == pytest.approx(places[0], abs=1) for place in places)
