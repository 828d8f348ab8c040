"""Keeps Ctrl-C from a part of a run that must not be left half done."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["without_interrupts"]


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C: who presses it twice ends the asking, and does not lose what was decided."""
    # Only there can signals be handled, and only there does Ctrl-C raise anything.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        # A handler that was not installed from Python cannot be restored.
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)
