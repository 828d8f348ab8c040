"""The HTML report in a real browser, opened from the disk."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from pytest_llmjudge.data import CategoryResult, Criterion, Explanation, FollowUp, Turn
from tests.browser.chromium import installed
from tests.support import runs

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from pytest_llmjudge.data import Entry, Record, RunResult

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="needs Playwright"),
    pytest.mark.skipif(installed() is None, reason="needs chromium or google-chrome"),
]

Scheme: TypeAlias = Literal["light", "dark"]
NAME = "test_suite.py::test_instructions"
HOSTILE = (
    "<script>document.title = 'taken'</script></script><!--"
    "<img src=x onerror=\"document.title = 'taken'\">"
    "<a href=javascript:alert(1)>here</a> \u202e right \u05d0\u05d1 \U0001f697 \ud83d"
)
SHOWN = HOSTILE.replace("\ud83d", "\ufffd")


def many(count: int) -> tuple[RunResult, dict[str, dict[str, Entry]]]:
    """Make a run of records: every tenth fails, and every hundredth of those passed before."""
    results = [
        runs.result(f"r{n:05}", 20 if n % 10 == 3 else 60 + n % 40, of=asked(n), reply="ok")
        for n in range(count)
    ]
    results[7] = runs.result("r00007", None, of=asked(7))
    known = {
        f"r{n:05}": runs.entry(f"r{n:05}", 90.0 if n % 100 == 3 else 20.0, f"The text r{n:05}.")
        for n in range(count)
        if n % 10 == 3
    }
    return runs.run(runs.suite(results)), {NAME: known}


def asked(n: int) -> Record:
    return runs.record(f"r{n:05}", instruction=f"Describe animal {n}.", input=f"needle{n}end")


class Opened:
    """A report in a browser, watched for whatever goes wrong."""

    def __init__(self, browser: Browser, path: Path, width: int, scheme: Scheme) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.problems == []
        assert {url.partition(":")[0] for url in self.requests} <= {"file", "data"}


@pytest.fixture(scope="module", name="thousand")
def write_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("report"), *many(1000))


def written(folder: Path, run: RunResult, before: dict[str, dict[str, Entry]]) -> Path:
    path = folder / "report.html"
    path.write_text(runs.page(run, before, "0.1.0"), encoding="utf-8")
    return path


def mixed() -> tuple[RunResult, dict[str, dict[str, Entry]]]:
    """Make a run with a suite of each kind."""
    results = [runs.result(f"r{n}", 10 * n, samples=(10 * n, 40, 60)) for n in range(11)]
    known = {f"r{n}": runs.entry(f"r{n}", 60.0, f"A word, r{n}!") for n in range(11)}
    exam = runs.exam([runs.subject(one, 4, 9) for one in ("anatomy", "virology")])
    pairs = [runs.pair("p0", "a"), runs.pair("p1", "tie"), runs.pair("p2", "b")]
    name = "a/rather/long/way/to/test_suite.py::TestQuality::test_instructions_of_the_release"
    run = runs.run(
        runs.suite(results, name=name),
        exam,
        runs.preference(pairs, outcome="failed"),
        notes=("a note",),
    )
    return run, {name: known}


def conversations() -> RunResult:
    """Make a run of a conversation that is judged by criteria, and of one of two turns."""
    chat = runs.record(
        "r0",
        system="You are polite.",
        turns=(Turn("user", "Good morning."), Turn("assistant", "Good morning!")),
        output="",
        criteria=(Criterion("polite", "Greets back."), Criterion("<b>short", "A sentence.")),
    )
    asked = runs.record("r1", follow_ups=(FollowUp("And now in verse.", "A rhyme."),))
    results = [
        runs.result(
            "r0",
            60,
            of=chat,
            thoughts="They greet me.\nI greet back.",
            parts=(("polite", 80), ("<b>short", 40)),
            explanation=Explanation("<b>short: It has two sentences."),
        ),
        runs.result(
            "r1",
            50,
            of=asked,
            model_response="Turn 1:\nProse.\n\nTurn 2:\nVerse.",
            answers=("Prose.", "Verse."),
            parts=(("turn 1", 70), ("turn 2", 30)),
        ),
    ]
    parts = tuple(
        CategoryResult(name, 1, (score,), None) for one in results for name, score in one.parts
    )
    return runs.run(runs.suite(results, parts=parts))


def shown_rows(page: Page) -> str:
    return page.inner_text("#shown-rows")


def ids(page: Page) -> list[str]:
    return page.locator("#rows .name").all_text_contents()


def search(page: Page, text: str, expected: str) -> None:
    page.get_by_label("Search").fill(text)
    page.wait_for_function(
        "wanted => document.querySelector('#shown-rows').textContent.includes(wanted)", arg=expected
    )


@pytest.mark.parametrize("width", [375, 1920])
def test_finding_records(browser: Browser, thousand: Path, width: int) -> None:
    """Pages, filters, search and order do what they say, together; nothing is requested."""
    with Opened(browser, thousand, width, "light") as page:
        assert shown_rows(page) == "1 to 100 of 1000 rows"
        assert ids(page)[0] == "r00003"
        assert page.inner_text("#page") == "Page 1 of 10"
        page.get_by_role("button", name="Next").click()
        assert shown_rows(page) == "101 to 200 of 1000 rows"
        page.get_by_role("button", name="Failed 100").click()
        assert shown_rows(page) == "1 to 100 of 100 rows"
        assert not page.locator("#pages").is_visible()
        page.get_by_role("button", name="Flipped 10").click()
        assert shown_rows(page) == "1 to 10 of 10 rows"
        assert page.locator("#rows .tag", has_text="fails now").count() == 10
        search(page, "NEEDLE203end", "1 to 1 of 1 rows")
        assert ids(page) == ["r00203"]
        search(page, "no such text", "No row is like this.")
        page.get_by_role("button", name="Unscored 1").click()
        search(page, "", "1 to 1 of 1 rows")
        assert ids(page) == ["r00007"]
        page.get_by_role("button", name="All 1000").click()
        page.get_by_label("Sort by").select_option("id true")
        assert ids(page)[:2] == ["r00999", "r00998"]
        page.get_by_label("Sort by").select_option("score false")
        scores = page.locator("#rows .score").all_inner_texts()
        assert scores == sorted(scores, key=int)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_columns_sort(browser: Browser, thousand: Path) -> None:
    """A column's button sorts by it, pressed again the other way, and says so to all."""
    with Opened(browser, thousand, 1024, "light") as page:
        head = page.locator("th[data-order=score]")
        for order in ("ascending", "descending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == order
            assert page.locator("th[aria-sort]").count() == 1
        assert page.locator("#rows .score").first.inner_text() == "99"
        page.get_by_label("Sort by").select_option("score true")
        page.get_by_role("button", name="Next").click()
        assert page.locator("#rows .score").first.inner_text() != "unscored"
        for _ in range(8):
            page.get_by_role("button", name="Next").click()
        assert page.locator("#rows .score").last.inner_text() == "unscored"


def test_opening_a_row(browser: Browser, thousand: Path) -> None:
    """By keyboard: all its texts, and the words that differ from the baseline's are marked."""
    with Opened(browser, thousand, 375, "light") as page:
        button = page.locator(".open").first
        button.focus()
        page.keyboard.press("Enter")
        detail = page.locator(".detail")
        detail.get_by_text("Response now").wait_for()
        assert button.get_attribute("aria-expanded") == "true"
        assert detail.get_attribute("id") == button.get_attribute("aria-controls")
        text = detail.inner_text()
        for part in ("Describe animal 3.", "needle3end", "The word r00003.", "baseline 90", "ok"):
            assert part in text
        assert detail.locator("del").all_inner_texts() == ["text"]
        assert detail.locator("ins").all_inner_texts() == ["word"]
        page.keyboard.press("Enter")
        assert detail.count() == 0


def test_a_conversation(tmp_path: Path, browser: Browser) -> None:
    """Who said what, the criteria, the score by each, and the thoughts once they are unfolded."""
    with Opened(browser, written(tmp_path, conversations(), {}), 375, "light") as page:
        page.get_by_label("Sort by").select_option("file false")
        page.locator(".open").first.click()
        detail = page.locator(".detail")
        detail.locator(".texts").wait_for()
        assert detail.locator("h3").all_inner_texts() == [
            *("System text", "User", "Assistant", "Instruction", "Response"),
            *("Criterion polite", "Criterion <b>short", "Scores", "Judge's reply"),
            "What is wrong, in the judge's words",
        ]
        assert detail.get_by_text("<b>short: It has two sentences.").is_visible()
        assert detail.locator(".figures div").all_inner_texts() == ["polite\n80", "<b>short\n40"]
        thoughts = detail.get_by_text("They greet me.")
        assert not thoughts.is_visible()
        detail.get_by_text("Thoughts").click()
        assert thoughts.inner_text() == "They greet me.\nI greet back."
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_answers_to_several_turns(tmp_path: Path, browser: Browser) -> None:
    """Each stands below its instruction, beside its reference."""
    with Opened(browser, written(tmp_path, conversations(), {}), 1024, "light") as page:
        page.get_by_label("Sort by").select_option("file true")
        page.locator(".open").first.click()
        detail = page.locator(".detail")
        detail.locator(".texts").wait_for()
        assert detail.locator("h3").all_inner_texts() == [
            *("Instruction", "Response", "Reference"),
            *("Instruction 2", "Response 2", "Reference 2", "Scores", "Judge's reply"),
        ]
        texts = detail.locator(".text").all_inner_texts()
        assert texts[1] == "Prose."
        assert texts[3:6] == ["And now in verse.", "Verse.", "A rhyme."]
        search(page, "in VERSE", "1 to 1 of 1 rows")
        search(page, "no such text", "No row is like this.")
        search(page, "greet back", "1 to 1 of 1 rows")
        assert ids(page) == ["r0"]


def test_the_averages_by_part(tmp_path: Path, browser: Browser) -> None:
    """They are a table of the suite, as those by category are."""
    with Opened(browser, written(tmp_path, conversations(), {}), 1024, "light") as page:
        table = page.locator(".scroll table")
        assert table.locator("caption").inner_text() == "By part"
        assert table.locator("thead th").all_inner_texts() == [
            *("part", "scored", "average", "95 % interval")
        ]
        assert table.locator("tbody tr").first.inner_text() == "polite\t1\t80.00\t-"


def test_what_got_worse_leads_to_its_row(browser: Browser, thousand: Path) -> None:
    """From the list on top to the opened row, on whatever page and behind whatever filter."""
    with Opened(browser, thousand, 1024, "light") as page:
        for _ in range(2):
            page.get_by_role("button", name="Unscored 1").click()
            page.get_by_role("link", name="Describe animal 903.").click()
            page.locator(".detail").get_by_text("needle903end").wait_for()
            assert shown_rows(page) == "1 to 100 of 1000 rows"
            assert page.evaluate("document.activeElement.dataset.row") == "903"


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1920, "light")])
@pytest.mark.parametrize("has_conversations", [False, True], ids=["mixed", "conversations"])
def test_it_can_be_used_by_all(
    tmp_path: Path, browser: Browser, width: int, scheme: Scheme, *, has_conversations: bool
) -> None:
    """axe-core has nothing serious to say, neither of the page nor of what it unfolds."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    run, known = (conversations(), {}) if has_conversations else mixed()
    with Opened(browser, written(tmp_path, run, known), width, scheme) as page:
        for button in page.locator(".open").all()[:2]:
            button.click()
        page.locator(".detail .texts").nth(1).wait_for()
        for summary in page.locator("summary").all():
            summary.click()
        results = axe.Axe().run(page)
        serious = [
            (one["id"], [node["target"] for node in one["nodes"]])
            for one in results.response["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
        assert serious == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light(tmp_path: Path, browser: Browser) -> None:
    """The page follows what the reader prefers, its charts too."""
    path = written(tmp_path, *mixed())
    colors = {}
    for scheme in ("light", "dark"):
        with Opened(browser, path, 1024, "light" if scheme == "light" else "dark") as page:
            colors[scheme] = [
                page.evaluate(f"getComputedStyle(document.querySelector('{one}')).{what}")
                for one, what in (("body", "backgroundColor"), (".chart text", "fill"))
            ]

    assert all(light != dark for light, dark in zip(*colors.values(), strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_printing(browser: Browser, thousand: Path, scheme: Scheme) -> None:
    """Paper is white: dark ink on it, whatever the screen's scheme; open rows, and no buttons."""
    with Opened(browser, thousand, 1024, scheme) as page:
        page.locator(".open").first.click()
        page.locator(".detail").get_by_text("Response now").wait_for()
        shown = "element => getComputedStyle(element).color"
        on_screen = page.eval_on_selector("body", shown)
        page.emulate_media(media="print", color_scheme=scheme)

        ink = [int(part) for part in re.findall(r"\d+", page.eval_on_selector("body", shown))]
        assert max(ink) < 64
        assert (on_screen == page.eval_on_selector("body", shown)) == (scheme == "light")
        ground = "element => getComputedStyle(element).backgroundColor"
        assert page.eval_on_selector("body", ground) == "rgb(255, 255, 255)"
        assert page.locator(".detail").is_visible()
        assert not page.get_by_label("Search").is_visible()
        assert not page.locator("#pages").is_visible()
        assert page.pdf(format="A4").startswith(b"%PDF-")


def test_hostile_texts(tmp_path: Path, browser: Browser) -> None:
    """They are shown as what they are, in the table too, and do nothing."""
    fields = dict.fromkeys(("instruction", "input", "output"), HOSTILE)
    long = "word " * 20_000
    results = [
        runs.result(
            "r0", 10, of=runs.record("r0", **fields), model_response=HOSTILE, reply=HOSTILE
        ),
        runs.result("r1", 20, reply="a\x00b\x1b[0m", model_response=long),
    ]
    suite = runs.suite(results, name=HOSTILE, judge_label=HOSTILE)
    known = {
        HOSTILE: {"r0": runs.entry("r0", 90.0, HOSTILE), "r1": runs.entry("r1", 90.0, long[5:])}
    }
    with Opened(browser, written(tmp_path, runs.run(suite), known), 1024, "light") as page:
        for button in page.locator(".open").all():
            button.click()
        page.locator(".detail .texts").nth(1).wait_for()
        texts = page.locator(".detail .text").all_text_contents()
        assert texts.count(HOSTILE) + texts.count(SHOWN) == 5
        assert "a\\x00b\\x1b[0m" in texts
        assert max(map(len, texts)) == len(long)
        assert page.locator("main img, main script, main a[href^=javascript]").count() == 0
        assert page.title().startswith("failed: ")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1024


def test_without_javascript(tmp_path: Path, browser: Browser) -> None:
    """Decision, explanations, charts and what got worse are there, and it says what is not."""
    path = written(tmp_path, *mixed())
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())

    assert "of 3 suites 2 failed" in page.inner_text("h1").lower()
    assert page.locator(".chart svg").count() == 4
    assert page.locator(".drops tbody tr").count() == 6
    assert page.locator(".losses li").count() == 1
    page.get_by_text("What the figures mean").click()
    assert page.get_by_text("Each pair is shown in both orders.").is_visible()
    assert page.locator("noscript p").is_visible()
    assert not page.locator("#table").is_visible()
    context.close()


def test_pairs_in_the_table(tmp_path: Path, browser: Browser) -> None:
    """Won, tied and lost; the place that decided; and a choice of suites where there are two."""
    with Opened(browser, written(tmp_path, *mixed()), 1024, "light") as page:
        page.get_by_role("combobox", name="Suite").select_option("test_pairs.py::test_pairs")
        page.get_by_label("Sort by").select_option("file false")
        assert page.locator("#rows .outcome").all_inner_texts() == ["won", "tied", "lost"]
        assert page.locator("#rows .score").count() == 0
        page.get_by_role("button", name="Lost 1").click()
        assert ids(page) == ["p2"]
        page.get_by_role("button", name="All 14").click()
        page.locator(".open").nth(1).click()
        detail = page.locator(".detail")
        detail.get_by_text("Compared with").wait_for()
        assert re.search(r"chosen: first, then first", detail.inner_text())
        assert page.locator(".tag", has_text="position bias").count() == 1


def test_identical_answers(tmp_path: Path, browser: Browser) -> None:
    """Those of a pair are both models'; a response like the baseline's is the same as before."""
    pair = runs.pair("p0", "tie", model_response="Both say so.", against_response="Both say so.")
    run = runs.run(runs.suite([runs.result("r0")]), runs.preference([pair]))
    known = {run.results[0].name: {"r0": runs.entry("r0", 60.0)}}
    with Opened(browser, written(tmp_path, run, known), 1024, "light") as page:
        page.get_by_label("Sort by").select_option("file false")
        for place, heading in enumerate(
            ["Response, the same as before", "Both responses, which are identical"]
        ):
            page.locator(".open").nth(place).click()
            page.get_by_role("heading", name=heading).wait_for()
        assert page.get_by_role("heading", name="the same as before").count() == 1


def test_a_table_of_pairs_alone(tmp_path: Path, browser: Browser) -> None:
    """It has no scores; what was lost leads to its row, and a body that failed is marked."""
    pairs = [
        runs.pair("p0", "a"),
        runs.pair("p1", "b"),
        runs.pair("p2", "a", outcome="failed"),
        runs.pair("p3", None),
    ]
    run = runs.run(runs.preference(pairs, outcome="failed"))
    with Opened(browser, written(tmp_path, run, {}), 1024, "light") as page:
        heads = page.locator("#rows thead th").all_inner_texts()
        assert heads == ["outcome", "instruction", "id"]
        assert page.locator("#rows .outcome").all_inner_texts() == ["error", "lost", "won", "won"]
        assert page.locator("#rows .tag.bad").all_inner_texts() == ["failed"]
        filters = page.locator("[data-filter]").all_inner_texts()
        assert filters == ["All 4", "Failed 1", "Lost 1", "Unscored 1"]
        page.get_by_role("link", name="Say p1 in words.").click()
        page.locator(".detail").get_by_text("A word, p1.").wait_for()
        assert page.evaluate("document.activeElement.dataset.row") == "1"


@pytest.mark.parametrize("width", [375, 1024])
def test_records_of_the_same_instruction(tmp_path: Path, browser: Browser, width: int) -> None:
    """Their inputs and the ends of their ids can be seen, however narrow the page is."""
    slug = "state-the-opposite-of-the-following-word"
    results = [
        runs.result(
            f"{slug}-{n:08x}",
            of=runs.record(f"{slug}-{n:08x}", instruction="Give the opposite. " * 9, input=word),
        )
        for n, word in enumerate(("hot", "tall"))
    ]
    run = runs.run(runs.suite(results))
    with Opened(browser, written(tmp_path, run, {}), width, "light") as page:
        assert page.locator("#rows .given").all_inner_texts() == ["hot", "tall"]
        assert ids(page) == [one.record.id for one in results]
        for part in (".given", ".name span:last-child"):
            assert page.evaluate(
                """part => [...document.querySelectorAll("#rows " + part)].every(found => {
                  const inner = found.getBoundingClientRect();
                  const outer = found.closest("td").getBoundingClientRect();
                  return found.scrollWidth <= found.clientWidth + 1
                    && inner.left >= outer.left && inner.right <= outer.right + 1;
                })""",
                part,
            )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
