"""What an item of a suite is about, and where the plugin keeps what it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_llmjudge.data import Comparison
    from pytest_llmjudge.decisions.gates import Decision
    from pytest_llmjudge.kinds.base import DataDecision, Fitness, Sample, Suite, SuiteRun
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["DECIDED", "FIXTURE", "READY", "SESSION", "WORKER_KEY", "Case", "Ready", "case_of"]

FIXTURE = "_llm_judge_case"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One item of a suite: a sample or a gate.

    Attributes:
        suite: Whose item it is.
        id: In the node id.
        place: A sample's position in the suite; ``None`` for a gate.
    """

    suite: Suite[Any]
    id: str
    place: int | None = None

    @property
    def is_gate(self) -> bool:
        """Whether the item decides over the whole suite."""
        return self.place is None

    @property
    def is_data_gate(self) -> bool:
        """Whether it decides over the suite's data alone."""
        return self.is_gate and self.id in self.suite.data_gates


@dataclass(slots=True, eq=False)
class Ready:
    """An item whose setup is done.

    Attributes:
        sample: A sample's.
        check: What the judge made of known answers, where this item asked for it.
        decision: A gate's, once it was called.
        comparison: With the baseline, once that gate was called.
        is_left: Whether a gate is left to the merge of the shards.
    """

    case: Case
    run: SuiteRun[Any]
    sample: Sample[Any] | None = None
    check: Fitness | None = None
    decision: Decision | None = None
    comparison: Comparison | None = None
    is_left: bool = False


READY: pytest.StashKey[Ready] = pytest.StashKey()
DECIDED: pytest.StashKey[DataDecision] = pytest.StashKey()
"""What a gate over data decided."""
SESSION: pytest.StashKey[LlmSession] = pytest.StashKey()
"""Where the run is kept on pytest's config; it is there only with ``--llm-judge``."""
WORKER_KEY = "llm_judge"
"""Under which a worker of xdist finds in its input which run it belongs to."""


def case_of(item: pytest.Item) -> Case | None:
    """Return what ``item`` is about; ``None`` when it is no item of a suite."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(FIXTURE) if callspec is not None else None
    return case if isinstance(case, Case) else None
