"""A browser that is installed on this machine, driven by Playwright."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ["installed", "launched", "vote_by_key"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def installed() -> str | None:
    """Return the path of the browser, ``None`` when there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the browser, and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its sandbox cannot be had in most containers, and it only opens pages of these tests.
        browser = playwright.chromium.launch(executable_path=installed(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def vote_by_key(page: Page, key: str) -> None:
    """Press a key on a ballot, and wait for what comes next."""
    page.wait_for_selector("html[data-ready]", state="attached")
    ballot = page.input_value("input[name=ballot]")
    page.keyboard.press(key)
    page.wait_for_selector(f"input[name=ballot][value='{ballot}']", state="detached")
    page.wait_for_load_state()
