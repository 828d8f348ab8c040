"""Which operating systems this package runs on."""

from __future__ import annotations

import sys

from pytest_llmjudge.errors import SettingsError

__all__ = ["check_system"]


def check_system(where: str) -> None:
    """Refuse Windows, whose files are not opened and whose processes are not limited as here.

    Args:
        where: What was asked for, for the message.

    Raises:
        SettingsError: This is Windows.
    """
    system: str = sys.platform
    if system == "win32":
        raise SettingsError(
            where, "it does not run on Windows itself", "run it in WSL, or on Linux"
        )
