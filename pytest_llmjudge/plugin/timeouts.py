"""Keeps the work that items share out of the time that pytest-timeout allows each of them.

The first item of a suite generates the responses of all records, and any item may wait for another
process or judge for others. pytest-timeout would count that as the time of the one item, interrupt
it wherever it is, such as in the middle of torch's import, or end the whole process.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TimeoutHooks", "off_the_clock"]

_RUNNING: pytest.StashKey[Any] = pytest.StashKey()
"""On an item, with which settings of pytest-timeout its timer runs."""


class TimeoutHooks:
    """Notes which timers run, by the hooks that pytest-timeout has for other plugins."""

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> None:  # noqa: ANN401  # pytest-timeout has no types
        """Note that a timer runs."""
        item.stash[_RUNNING] = settings

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> None:
        """Note that it does not run any more."""
        # It is cancelled for collectors that failed too, and for items that have no timer.
        item.stash.setdefault(_RUNNING, None)
        del item.stash[_RUNNING]


@contextmanager
def off_the_clock(item: pytest.Item) -> Iterator[None]:
    """Stop the timer of an item, if it has one, and start it anew afterwards."""
    settings = item.stash.get(_RUNNING, None)
    if settings is None:
        yield
        return
    hooks = item.config.hook
    hooks.pytest_timeout_cancel_timer(item=item)
    try:
        yield
    finally:
        hooks.pytest_timeout_set_timer(item=item, settings=settings)
