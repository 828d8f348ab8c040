"""The JUnit XML that pytest itself writes, to which the figures of suites are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["property_adder"]


def property_adder(config: pytest.Config) -> Callable[[str, str], None] | None:
    """Return what adds a property to the XML that pytest writes; ``None`` where it writes none."""
    for plugin in config.pluginmanager.get_plugins():
        # pytest offers this to fixtures only, and items that run elsewhere have none of a suite.
        add: Callable[[str, str], None] | None = getattr(plugin, "add_global_property", None)
        if add is not None:
            return add
    return None
