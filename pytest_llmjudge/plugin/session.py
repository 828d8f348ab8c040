"""What one process of a run with ``--llm-judge`` holds: its resources, suites and plan."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.decisions.matching import Matching
from pytest_llmjudge.kinds.base import BASELINE
from pytest_llmjudge.pipeline.resources import MAIN
from pytest_llmjudge.plugin.rows import Rows
from pytest_llmjudge.storage.results_reader import read_results

if TYPE_CHECKING:
    import pytest

    from pytest_llmjudge.data import Rule, Side
    from pytest_llmjudge.kinds.base import Suite, SuiteRun
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["LlmSession"]


class LlmSession:
    """State of a run with ``--llm-judge``; there is one in each process.

    Args:
        config: pytest's own.
        resources: Of this process.

    Attributes:
        rows: The results of the items.
        suites: Those whose function was collected, by name.
        collected: Names of the suites that have items, whatever was deselected later.
        gated: Names of those whose gate over the baseline is among these items.
        compared: How many suites of the run are compared with the baseline.
        early_notes: What is to be said of suites before work begins, by name.
        due: Names of the gates that are selected, by suite.
        needed: Ids of the samples that this run needs, by suite.
        announced: What was said of each suite before it began, by name.
        passed_over: Files of which ``--lf`` collects nothing.
        runs: The suites that have begun, by name.
        matching: Which suite of the baseline is which.
        item: The one that is running.
    """

    def __init__(self, config: pytest.Config, resources: Resources) -> None:
        self.config = config
        self.resources = resources
        self.settings = resources.settings
        self.store = resources.store
        self.rows = Rows(self.store, is_worker=self.is_worker)
        self.suites: dict[str, Suite[Any]] = {}
        self.collected: set[str] = set()
        self.gated: set[str] = set()
        self.compared = 1
        self.early_notes: dict[str, str] = {}
        self.due: dict[str, list[str]] = {}
        self.needed: dict[str, list[str]] = {}
        self.announced: dict[str, dict[str, Any]] = {}
        self.passed_over: set[str] = set()
        self.runs: dict[str, SuiteRun[Any]] = {}
        self.matching = Matching({}, ())
        self.item: pytest.Item | None = None

    @property
    def is_worker(self) -> bool:
        """Whether another process owns the terminal."""
        return self.resources.worker != MAIN

    @property
    def selects_failed(self) -> bool:
        """Whether ``--lf`` selects what failed in the run before, if anything did."""
        return bool(self.config.getoption("lf", default=False))

    @property
    def is_repeated_part(self) -> bool:
        """Whether ``--lf`` takes suites away from a run whose options are those of the whole."""
        is_part = self.passed_over or self.announced.keys() != self.suites.keys()
        return self.selects_failed and bool(is_part)

    @cached_property
    def baseline(self) -> SavedRun | None:
        """The results to compare with; ``None`` when none are named.

        Raises:
            BaselineError: They cannot be used.
        """
        path = self.settings.baseline
        if path is None:
            return None
        return read_results(path, self.resources.kinds, named_by="--llm-judge-baseline")

    def baseline_side(self, suite: Suite[Any]) -> Side:
        """Return what a suite of this run is compared with; there is a baseline."""
        measure = suite.kind.measure
        assert self.baseline is not None  # noqa: S101  # without one nothing asks
        assert measure is not None  # noqa: S101  # of a kind that does not compare nothing asks
        return self.baseline.side(measure, self.matching.old_name(suite.name))

    def is_compared(self, suite: Suite[Any]) -> bool:
        """Whether a suite has a gate over the baseline."""
        return BASELINE in suite.gates(self.settings)[1]

    def rule(self, suite: Suite[Any]) -> Rule:
        """Return how a suite is held to the baseline, among all that are compared in this run."""
        return replace(suite.rule, suites=self.compared)

    def baseline_fingerprint(self, name: str) -> str:
        """Return the fingerprint of the model that the baseline's suite was made with, or none."""
        if self.baseline is None:
            return ""
        return self.baseline.fingerprint(self.matching.old_name(name))
