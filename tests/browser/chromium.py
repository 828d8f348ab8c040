"""A browser that is installed on this machine, driven by Playwright."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ["installed", "label_by_keys", "launched", "vote_by_key"]

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
    _press(page, "ballot", key)


def label_by_keys(page: Page, *keys: str) -> None:
    """Press keys on a response to be labelled, the last of which leads on, and wait for that."""
    _press(page, "item", *keys)


def _press(page: Page, field: str, *keys: str) -> None:
    page.wait_for_selector("html[data-ready]", state="attached")
    shown = page.input_value(f"input[name={field}]")
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_selector(f"input[name={field}][value='{shown}']", state="detached")
    page.wait_for_load_state()
