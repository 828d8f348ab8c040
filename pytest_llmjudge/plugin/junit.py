"""The figures of suites as properties of the test suite in JUnit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data.summary import NONE
from pytest_llmjudge.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["property_adder", "suite_properties"]


def property_adder(config: pytest.Config) -> Callable[[str, str], None] | None:
    """Return what adds a property to the XML that pytest writes; ``None`` where it writes none."""
    for plugin in config.pluginmanager.get_plugins():
        # pytest offers this to fixtures only, and items that run elsewhere have none of a suite.
        add: Callable[[str, str], None] | None = getattr(plugin, "add_global_property", None)
        if add is not None:
            return add
    return None


def suite_properties(run: RunSummary) -> Iterator[tuple[str, str]]:
    """Yield names and values; as a run has one test suite, each name ends with that of ours."""
    for suite in run.summaries:
        figures = {
            "outcome": suite.outcome,
            suite.measure.replace(" ", "_"): suite.value,
            "interval": suite.interval,
            "change": suite.change,
            **dict(suite.counts),
            "judge": suite.judge or NONE,
        }
        if suite.model is not None:
            figures["checkpoint"] = suite.model.path
            figures["fingerprint"] = suite.model.fingerprint
        for name, value in figures.items():
            if value != NONE:
                # A name of a file may hold what XML cannot.
                yield f"llm_judge_{name}[{printable(suite.name)}]", value
