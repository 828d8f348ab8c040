"""What one process computes for all: it takes its turn with the model, and the others wait."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from pytest_llmjudge.generation.base import LocalModel
from pytest_llmjudge.pipeline.protocols import KnownProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_llmjudge.storage.store import Store

__all__ = ["MEMORY", "turn_of", "wait_or_compute"]

MEMORY: Final = "local model"
"""Name of the lock that a process holds while it has a model in memory beside which no other may
be; see :class:`.room.SharedRoom`."""

_WAIT_SECONDS = 0.05

Kept = TypeVar("Kept")


def wait_or_compute(
    store: Store,
    key: str,
    stored: Callable[[], Kept | None],
    compute: Callable[[], None],
    model: object,
) -> Kept:
    """Return what is stored, after computing it if no other process does.

    Args:
        store: Shared with all processes of the run.
        key: Under which a failure is noted.
        stored: Looks for it.
        compute: Stores it, or notes why it cannot be had; only one process at a time is in here,
            so that ``-n 4`` needs the memory of one model.
        model: Computes it.

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
                with turn_of(store, model):
                    compute()
        if not held:
            time.sleep(_WAIT_SECONDS)


@contextmanager
def turn_of(store: Store, model: object) -> Iterator[None]:
    """Give a model its turn where it shares its memory with a judge; others need none.

    Args:
        store: Shared with all processes of the run.
        model: Asked meanwhile.
    """
    if not isinstance(model, LocalModel) or model.room is None:
        yield
        return
    with store.lock(MEMORY):
        try:
            yield
        finally:
            model.end_turn()
