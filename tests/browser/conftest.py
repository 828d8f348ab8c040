"""A browser for the tests of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import launched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture(scope="package", name="browser")
def start_browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(name="context")
def open_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1024, "height": 700})
    yield context
    context.close()


@pytest.fixture(name="page")
def open_page(context: BrowserContext) -> Page:
    context.set_default_timeout(60_000)
    return context.new_page()
