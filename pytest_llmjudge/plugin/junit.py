"""The figures of suites as properties of the test suite in JUnit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import printable
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.reporting.digest import NONE, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_llmjudge.data import RunResult

__all__ = ["property_adder", "suite_properties"]


def property_adder(config: pytest.Config) -> Callable[[str, str], None] | None:
    """Return what adds a property to the XML that pytest writes; ``None`` where it writes none."""
    for plugin in config.pluginmanager.get_plugins():
        # pytest offers this to fixtures only, and items that run elsewhere have none of a suite.
        add: Callable[[str, str], None] | None = getattr(plugin, "add_global_property", None)
        if add is not None:
            return add
    return None


def suite_properties(run: RunResult) -> Iterator[tuple[str, str]]:
    """Yield names and values; as a run has one test suite, each name ends with that of ours."""
    counts = [kind.counts(result) for kind in all_kinds() for result in kind.results(run)]
    for summary, result, counted in zip(digest(run).suites, run.results, counts, strict=True):
        figures = {
            "outcome": summary.outcome,
            summary.measure.replace(" ", "_"): summary.value,
            "interval": summary.interval,
            "change": summary.change,
            **counted,
        }
        if result.checkpoint is not None:
            figures["checkpoint"] = result.checkpoint.path
            figures["fingerprint"] = result.checkpoint.fingerprint
        for name, value in figures.items():
            if value != NONE:
                # A name of a file may hold what XML cannot.
                yield f"llm_judge_{name}[{printable(summary.name)}]", value
