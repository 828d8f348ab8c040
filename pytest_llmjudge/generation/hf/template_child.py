"""Renders chat templates with transformers, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from pytest_llmjudge.records.template_process import (
    TOO_MUCH_MEMORY,
    limit_memory,
    longest_text,
)

__all__ = ["main"]


def main() -> None:
    """Read a line of JSON for each prompt, and write one: ``{"text": …}`` or ``{"error": …}``.

    What is read has ``seconds`` of this process's own time that it may take, the ``template``, its
    ``messages`` and further ``variables``. Where it takes more time, the process ends by SIGXCPU.
    """
    import resource
    import signal

    # Who interrupts the run still wants its end in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # No template needs torch, which takes seconds to import, or threads, which take memory.
    os.environ.update(USE_TORCH="0", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    from transformers.utils.chat_template_utils import render_jinja_template

    limit_memory()
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        until = int(time.process_time() + asked["seconds"]) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (until, most))
        answer = _answer(render_jinja_template, asked, len(line))
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _answer(render: Any, asked: dict[str, Any], length: int) -> dict[str, str]:  # noqa: ANN401 - transformers has no types
    try:
        texts, _ = render(
            conversations=[asked["messages"]],
            chat_template=asked["template"],
            **asked["variables"],
        )
        (text,) = texts
    except MemoryError:
        return {"error": TOO_MUCH_MEMORY}
    except Exception as error:  # noqa: BLE001 - a template may raise whatever it wants
        return {"error": f"{type(error).__name__}: {error}"[:1000]}
    if len(text) > longest_text(length):
        return {"error": f"its text has {len(text):,} characters"}
    return {"text": text}
