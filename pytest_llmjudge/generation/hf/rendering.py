"""Has chat templates rendered by a process that has little memory and time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.records.template_process import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["RenderingError", "render_template"]

_SECONDS: Final = 10


class RenderingError(Exception):
    """A template cannot be rendered; its text says why."""


def render_template(
    template: str, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, object]
) -> str:
    """Render a chat template as transformers does.

    Args:
        template: Its text.
        messages: Each with ``role`` and ``content``.
        variables: What else the template is given, by name.

    Raises:
        RenderingError: It raises an error, takes more than 1 GiB of memory or 10 seconds of
            processor time, or writes far more than its messages.
    """
    asked = {
        "seconds": _SECONDS,
        "template": template,
        "messages": messages,
        "variables": variables,
    }
    line = json.dumps(asked).encode() + b"\n"
    with _lock:
        answer = _process().ask(line)
    if "error" in answer:
        raise RenderingError(answer["error"])
    return answer["text"]


class _Process:
    """One that renders whatever it is given, one after another."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and code of this package
            command("pytest_llmjudge.generation.hf.template_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.stop = weakref.finalize(self, _stop, self._process, self.owner)

    def ask(self, line: bytes) -> dict[str, str]:
        """Return what it answers to a line.

        Raises:
            RenderingError: It ended instead.
        """
        reads, writes = self._process.stdin, self._process.stdout
        assert reads is not None  # noqa: S101  # it was asked for
        assert writes is not None  # noqa: S101  # likewise
        try:
            reads.write(line)
            reads.flush()
            answer = writes.readline()
        except BrokenPipeError:
            answer = b""
        except BaseException:
            # The next would be given the answer to this.
            self.stop()
            raise
        if not answer.endswith(b"\n"):
            self._process.wait()
            self.stop()
            if self._process.returncode == -signal.SIGXCPU:
                message = f"it was not rendered within {_SECONDS} seconds of processor time"
                raise RenderingError(message)
            message = f"the process that renders it ended with status {self._process.returncode}"
            raise RenderingError(message)
        value: dict[str, str] = json.loads(answer)
        return value


_lock = threading.Lock()
_running: list[_Process] = []


def _process() -> _Process:
    """Return the one of this process, which it shares with no fork."""
    if not (_running and _running[0].stop.alive and _running[0].owner == os.getpid()):
        _running[:] = [_Process()]
    return _running[0]


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner == os.getpid():
        process.kill()
        process.wait()
    else:
        # It is the parent's, and no zombie of this one.
        process.returncode = 0
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
