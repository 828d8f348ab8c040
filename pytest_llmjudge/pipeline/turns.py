"""What one process computes for all: it takes its turn with the model, and the others wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from pytest_llmjudge.pipeline.protocols import KnownProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmjudge.storage.store import Store

__all__ = ["wait_or_compute"]

_WAIT_SECONDS = 0.05

Kept = TypeVar("Kept")


def wait_or_compute(
    store: Store, key: str, stored: Callable[[], Kept | None], compute: Callable[[], None]
) -> Kept:
    """Return what is stored, after computing it if no other process does.

    Args:
        store: Shared with all processes of the run.
        key: Under which a failure is noted.
        stored: Looks for it.
        compute: Stores it, or notes why it cannot be had; only one process at a time is in here,
            so that ``-n 4`` needs the memory of one model.

    Raises:
        KnownProblemError: It could not be had earlier in this run, in whatever process.
    """
    while True:
        kept = stored()
        if kept is not None:
            return kept
        failure = store.failure(key)
        if failure is not None:
            raise KnownProblemError(failure.message, is_infrastructure=failure.is_infrastructure)
        with store.try_lock("generate") as held:
            if held and stored() is None:
                compute()
        if not held:
            time.sleep(_WAIT_SECONDS)
