"""A process in which chat templates are rendered: how it is started, and what it may take.

A template is a program. The sandbox keeps it from all that is not its messages, and nothing else
bounds its time and memory than the process that it runs in.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Final

__all__ = ["TOO_MUCH_MEMORY", "command", "limit_memory", "longest_text"]

TOO_MUCH_MEMORY: Final = "it takes more than 1 GiB of memory"
_MEMORY: Final = 1 << 30
_LONGEST: Final = 1 << 20
"""Characters of a prompt, beside ten for each character of its messages."""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a process that runs the ``main`` of a module of this package.

    Nothing of the user's environment or working folder decides what it imports.

    Args:
        module: Its name.
        arguments: Whole numbers for that ``main``.
    """
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
        f"from {module} import main; main(*map(int, sys.argv[2:]))"
    )
    return [sys.executable, "-I", "-c", code, json.dumps(sys.path), *arguments]


def limit_memory() -> None:
    """Let this process have 1 GiB, and leave no core file when a signal ends it.

    macOS limits no process's memory, so that only time is limited there.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # It is a ValueError on macOS, whatever the limit (python/cpython#84698), and where less is
    # allowed already.
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def longest_text(asked: int) -> int:
    """Return how many characters a prompt may have whose messages came in so many."""
    return _LONGEST + 10 * asked
