"""The figures of suites as properties of the test suite in JUnit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import ExamResult, PreferenceResult
from pytest_llmjudge.reporting.digest import NONE, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_llmjudge.data import RunResult, SuiteResult

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
    results: list[SuiteResult | ExamResult | PreferenceResult] = [
        *run.suites,
        *run.exams,
        *run.preferences,
    ]
    for told, result in zip(digest(run).suites, results, strict=True):
        figures = {
            "outcome": told.outcome,
            told.measure.replace(" ", "_"): told.value,
            "interval": told.interval,
            "change": told.change,
            **_counts(result),
        }
        if result.checkpoint is not None:
            figures["checkpoint"] = result.checkpoint.path
            figures["fingerprint"] = result.checkpoint.fingerprint
        for name, value in figures.items():
            if value != NONE:
                yield f"llm_judge_{name}[{told.name}]", value


def _counts(result: SuiteResult | ExamResult | PreferenceResult) -> dict[str, str]:
    if isinstance(result, ExamResult):
        questions = sum(subject.total for subject in result.subjects)
        missing = sum(not subject.questions for subject in result.subjects)
        return {"questions": str(questions), "subjects_without_a_result": str(missing)}
    if isinstance(result, PreferenceResult):
        scored = sum(pair.winner is not None for pair in result.pairs)
    else:
        scored = len(result.scores)
    return {
        "scored": str(scored),
        "unscored": str(result.total - scored),
        "judge": result.judge_label,
    }
