"""Says what is kept of a run that did not come to its end, and how it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.reporting.progress import in_order

if TYPE_CHECKING:
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["has_too_many_failures", "kept_line"]


def has_too_many_failures(collected: pytest.Session) -> bool:
    """Say whether as many items failed as end a run, with ``-x`` one.

    Args:
        collected: pytest's own.
    """
    most = collected.config.getoption("maxfail", default=0)
    return bool(most) and collected.testsfailed >= most


def kept_line(session: LlmSession, collected: pytest.Session, *, temporary: bool) -> str:
    """Return a line on what the cache has of a run that was stopped, or in which something broke.

    Args:
        session: Of this process.
        collected: pytest's own.
        temporary: Whether the cache goes with the run.

    Returns:
        The line; empty for a run that came to its end, and for one in which nothing worked.

    Raises:
        StoreError: The cache cannot be read.
    """
    config, store = collected.config, session.store
    too_many = has_too_many_failures(collected)
    is_stopped = too_many or collected.exitstatus == pytest.ExitCode.INTERRUPTED
    # What another model answered is not kept, and the fault says so.
    if not (is_stopped or store.has_broken()) or store.fault() is not None:
        return ""
    kept = in_order(store.kept())
    has_begun = any(one.done for one in kept.values())
    is_whole = all(one.done >= one.total for one in kept.values())
    if not is_stopped and (is_whole or not has_begun):
        return ""
    parts = ", ".join(
        f"{min(one.done, one.total)} of {one.total} {kind}" for kind, one in kept.items()
    )
    if not parts:
        return ""
    if temporary:
        return f"not kept, because the cache is off: {parts}"
    without = [
        flag
        for flag, is_set in (
            ("-x" if config.getoption("maxfail", default=0) == 1 else "--maxfail", too_many),
            ("--cache-clear", config.getoption("cacheclear", default=False)),
            ("--llm-judge-cache=refresh", session.settings.cache == "refresh"),
        )
        if is_set
    ]
    how = f"without {' and '.join(without)} the" if without else "the"
    return f"kept in the cache: {parts}; {how} same command goes on from there"
