"""The page of a history in a real browser, opened from the disk."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.cli import main
from tests.browser.chromium import installed
from tests.browser.history_pictures import write_runs
from tests.browser.test_html_report import Opened

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.test_html_report import Scheme

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="needs Playwright"),
    pytest.mark.skipif(installed() is None, reason="needs chromium or google-chrome"),
]


@pytest.fixture(scope="module", name="written")
def write_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    write_runs(folder / "results")
    assert main(["history", str(folder / "results"), "--html", str(folder / "history.html")]) == 0
    return folder / "history.html"


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1280, "light")])
def test_it_fits_the_window(browser: Browser, written: Path, width: int, scheme: Scheme) -> None:
    """Charts and tables scroll by themselves, nothing is requested, nothing breaks its policy."""
    with Opened(browser, written, width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        figures = page.locator("figure svg")
        assert figures.count() == 2
        box = figures.first.bounding_box()
        assert box is not None
        # Its labels can be read on a phone too.
        assert box["width"] >= 700
        page.locator("figure").first.focus()
        assert page.evaluate("document.activeElement.tagName") == "FIGURE"
