"""The HTML report of runs of 1,000 and 52,000 records: its size, and the time to write and open it.

    python -m benchmarks.html_report [--records N ...]

Records are as long as Alpaca's, with a baseline whose responses differ in every fourth word. Their
words are drawn from the README's at random, which packs worse than sentences do. A browser opens
the file from the disk; without one only the size and the time to write are printed.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge import __version__
from pytest_llmjudge.data import Entry, JudgeIdentity, Record, RecordResult, RunResult, SuiteResult
from pytest_llmjudge.kinds.reports import run_pages, run_summary
from pytest_llmjudge.reporting.html import html_report
from pytest_llmjudge.storage.files import write_text
from tests.browser.chromium import installed, launched

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "test_suite.py::test_instructions"
VOCABULARY = re.findall(
    r"[A-Za-z]+[,.]?", (Path(__file__).parents[1] / "README.md").read_text("utf-8")
)
JUDGE = JudgeIdentity("llama3", "ollama", "0.24.0", "1ca99c7a9cf4", {}, "integer/1")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long something took."""
    started = time.perf_counter()
    yield
    print(f"  {what}: {time.perf_counter() - started:.2f} s", flush=True)


def words(draw: random.Random, count: int) -> str:
    """Return a text of about ``count`` words, five times as many characters."""
    return " ".join(draw.choices(VOCABULARY, k=draw.randint(count // 2, 3 * count // 2)))


def changed(draw: random.Random, text: str) -> str:
    """Return a text with about every fourth word another one."""
    return " ".join(
        draw.choice(VOCABULARY) if draw.random() < 0.25 else word for word in text.split()
    )


def make(count: int) -> tuple[RunResult, dict[str, dict[str, Entry]], float]:
    """Return a run, what its baseline holds, and the mean number of characters of a record."""
    draw = random.Random(123)  # noqa: S311  # nobody is to be kept from guessing
    results, known, size = [], {}, 0
    for number in range(count):
        name, score = f"describe-the-thing-{number:08x}", draw.randint(0, 100)
        record = Record(name, words(draw, 12), words(draw, 10), words(draw, 50), {})
        was = words(draw, 50)
        now = changed(draw, was)
        results.append(RecordResult(record, now, score, str(score), None, "passed"))
        known[name] = Entry(name, "", draw.randint(0, 100), was)
        size += sum(map(len, (record.instruction, record.input, record.output, was, now)))
    suite = SuiteResult(
        *(NAME, "data.json", None, JUDGE, "llama3", count, tuple(results), ()),
        min_score=20,
        min_average=50.0,
        outcome="passed",
    )
    return RunResult("2026-01-01T00:00:00+00:00", (suite,)), {NAME: known}, size / count


def open_in_browser(path: Path, count: int) -> None:
    """Open the page, and do what a reader does."""
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        with timed("open, until rows are shown"):
            page.goto(path.as_uri())
            page.wait_for_selector("#rows .row")
        with timed("the first row's texts"):
            page.locator(".open").first.click()
            page.wait_for_selector(".detail .texts")
        with timed("sort by score"):
            page.get_by_label("Sort by").select_option("score true")
        with timed("the next page"):
            page.locator("#next").click()
        for what in ("search all texts", "search them again"):
            with timed(what):
                page.get_by_label("Search").fill(f"thing-{count - 1:08x}")
                page.wait_for_function(
                    "() => document.querySelector('#told').textContent === '1 to 1 of 1 rows'"
                )
            page.get_by_label("Search").fill("")
            page.wait_for_function(
                "() => !document.querySelector('#told').textContent.startsWith('1 to 1 of')"
            )


def main() -> None:
    """Measure each number of records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 52_000])
    for count in parser.parse_args().records:
        run, before, size = make(count)
        print(f"{count} records of {size:.0f} characters")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.html"
            with timed("write"):
                summary = run_summary(run)
                pages = run_pages(run, summary, before)
                write_text(path, html_report(summary, pages, __version__))
            print(f"  size: {path.stat().st_size / 1e6:.2f} MB")
            if installed() is not None:
                open_in_browser(path, count)


if __name__ == "__main__":
    main()
