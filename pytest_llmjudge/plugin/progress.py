"""Shows how far the run is: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.reporting.progress import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TextIO

    from pytest_llmjudge.storage.store import Store

__all__ = ["ProgressHooks"]

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 30.0


class ProgressHooks:
    """Watches the store from a thread, because the main thread is busy in an item's setup.

    It writes to a copy of the output's file descriptor, taken before pytest captures it, and
    below pytest's own line, to which the cursor returns. pytest's writing waits meanwhile.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pace = Pace()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._column: Callable[[], int] = int
        self._stream: TextIO | None = None
        self._live = False
        self._drawn = False
        self._silent = False

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Begin to watch."""
        if session.config.pluginmanager.get_plugin("terminalreporter") is None:
            return
        writer = session.config.get_terminal_writer()
        self._column = lambda: writer.width_of_current_line
        # Without a file descriptor, as under some IDEs, there is nowhere to write to.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        if self._stream is None or session.config.option.verbose < 0:
            return
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._thread = threading.Thread(target=self._watch, name="llm-judge-progress", daemon=True)
        self._thread.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Stop watching and remove the line."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._clear()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Generator[None, None, None]:
        """Keep the line away while pytest writes."""
        with self._paused():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, None, None]:
        """Keep the line away while pytest writes."""
        with self._paused():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, None, None]:
        """Keep the line away while pytest writes."""
        with self._paused():
            return (yield)

    def pytest_enter_pdb(self) -> None:
        """Leave the terminal to the debugger."""
        with self._paused():
            self._silent = True

    def pytest_leave_pdb(self) -> None:
        """Take it back."""
        self._silent = False

    @contextlib.contextmanager
    def _paused(self) -> Generator[None, None, None]:
        with self._lock:
            self._clear()
            yield

    def _watch(self) -> None:
        shown = time.monotonic()
        while not self._stop.wait(LIVE_SECONDS):
            # The cache's troubles are reported by the items that need it.
            with contextlib.suppress(LlmJudgeError):
                counts = {
                    kind: (progress.done, progress.total)
                    for kind, progress in self._store.progress().items()
                }
                # Looked at this often, the first line that is shown has a rate.
                now = time.monotonic()
                line = self._pace.line(counts, now)
                if self._live or now - shown >= PLAIN_SECONDS:
                    shown = now
                    with self._lock:
                        self._show(line)

    def _show(self, line: str) -> None:
        if self._silent:
            return
        if self._live:
            self._clear()
            if line:
                self._below(line[: shutil.get_terminal_size().columns - 1])
                self._drawn = True
        elif line:
            self._write(f"{os.linesep if self._column() else ''}{line}{os.linesep}")

    def _clear(self) -> None:
        if self._drawn:
            self._below("")
            self._drawn = False

    def _below(self, text: str) -> None:
        column = self._column()
        back = f"\x1b[1A\r\x1b[{column}C" if column else "\x1b[1A\r"
        self._write(f"\n\r\x1b[2K{text}{back}")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.write(text)
                self._stream.flush()
