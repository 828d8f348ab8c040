"""The results of a run's items, where the process that writes the results file reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.storage.store import Store

__all__ = ["Rows"]


class Rows:
    """The rows of a run's items.

    The rows of the process that writes the results stay in its memory: a transaction for each item
    costs a run without xdist a tenth of its time. All others use the store.

    Args:
        store: Shared with the other processes.
        is_worker: Whether another process writes the results.
    """

    def __init__(self, store: Store, *, is_worker: bool) -> None:
        self._store = store
        # An item may run in a process that was forked for it alone.
        self._writer = None if is_worker else os.getpid()
        self._own: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}

    def note(self, suite: str, item: str, rows: Mapping[str, dict[str, Any]]) -> None:
        """Keep the result of an item.

        Args:
            suite: Name of the suite.
            item: Which of its items.
            rows: Plain data by the ids of samples: of one sample, or for a gate of all.

        Raises:
            StoreError: The cache cannot be used.
        """
        if os.getpid() == self._writer:
            self._own.setdefault(suite, {})[item] = dict(rows)
        else:
            self._store.note_results(suite, item, rows)

    def of_suite(self, suite: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the results of a suite's items, by item and sample.

        Raises:
            StoreError: The cache cannot be used.
        """
        return self._store.results(suite) | self._own.get(suite, {})
