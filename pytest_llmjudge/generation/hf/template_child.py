"""Renders chat templates with transformers, in a process of its own.

A template is a program. The sandbox keeps it from all that is not its messages, and nothing else
bounds its time and memory than the process that it runs in.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Final

__all__ = ["main"]

_MEMORY: Final = 1 << 30
_LONGEST: Final = 1 << 20
"""Characters of a prompt, beside ten for each character of its messages."""


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

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
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
        return {"error": "it takes more than 1 GiB of memory"}
    except Exception as error:  # noqa: BLE001 - a template may raise whatever it wants
        return {"error": f"{type(error).__name__}: {error}"[:1000]}
    if len(text) > _LONGEST + 10 * length:
        return {"error": f"its text has {len(text):,} characters"}
    return {"text": text}
