"""Suites whose samples are decided without a run: whole, and as the shards of one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import GateResult
from pytest_llmjudge.decisions.gates import decide_baseline
from pytest_llmjudge.kinds.base import BASELINE, JUDGE_CHECK, Gathered, SampleReport
from pytest_llmjudge.kinds.read_back import joined_gates

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.data import AnyResult, Comparison
    from pytest_llmjudge.kinds.base import Sample, Suite

__all__ = ["Decided", "joined_shards", "merged", "read_again"]

RESOURCES: Any = SimpleNamespace(models=SimpleNamespace(shown_path=str))


@dataclass
class Decided:
    """A suite with what is known of all its samples.

    Attributes:
        suite: It.
        samples: All of them.
        gates: The names of those that decide over all samples.
        more: Facts beside the suite's own.
        check: What the judge made of known answers; ``None`` without that gate.
        details: Of gates over data, by name.
        outcomes: Of items that end in another way than by their own decision.
        comparison: With a baseline.
    """

    suite: Suite[Any]
    samples: Sequence[Sample[Any]]
    gates: Sequence[str]
    more: Mapping[str, Any] = field(default_factory=dict)
    check: Mapping[str, Any] | None = None
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The suite's facts, as the store has them."""
        before = [JUDGE_CHECK] if self.check is not None else []
        baseline = [BASELINE] if self.comparison is not None else []
        gates = [*before, *self.details, *self.gates, *baseline]
        facts = {**self.suite.facts(RESOURCES), "gates": gates, "checkpoint": None, **self.more}
        plain: dict[str, Any] = json.loads(json.dumps(facts))
        return plain

    def result(self, ids: Collection[str] | None = None) -> Any:  # noqa: ANN401  # of any kind
        """Return the result of the whole suite, or of a shard.

        Args:
            ids: Of the shard's samples; it leaves gates over all samples to the merge.
        """
        first = [] if self.check is None else [_gate(JUDGE_CHECK, passed=self.check["fit"])]
        first += [_gate(name, passed=True) for name in self.details]
        others = [*self.gates, *([BASELINE] if self.comparison is not None else [])]
        if ids is None:
            after = [self._decided(gate) for gate in others]
        else:
            after = [GateResult(gate, "not run", "decided by the merge") for gate in others]
        gathered = Gathered(
            self.suite.name,
            self.facts,
            {
                one.id: self._report(one)
                for one in self.samples
                if (ids is None or one.id in ids) and self.outcomes.get(one.id) != "not run"
            },
            (*first, *after),
            lambda _: None,
            comparison=self.comparison if ids is None else None,
            check=self.check,
            details=self.details,
        )
        return self.suite.kind.result(gathered, self.suite, whole=True)

    def _decided(self, gate: str) -> GateResult:
        if gate == BASELINE:
            assert self.comparison is not None
            decision = decide_baseline(self.comparison)
        else:
            decision = self.suite.decide(gate, self.samples)
        outcome = "passed" if decision.passed else "failed"
        return GateResult(gate, outcome, decision.reason, decision.cause)

    def _report(self, sample: Sample[Any]) -> SampleReport:
        row = json.loads(json.dumps(self.suite.row(sample)))
        decision = None if sample.error else self.suite.decide_sample(sample.value)
        outcome = "failed" if decision is not None and not decision.passed else "passed"
        outcome = self.outcomes.get(sample.id, "error" if sample.error else outcome)
        return SampleReport(sample.id, row, is_reported=True, outcome=outcome)


def _gate(name: str, *, passed: bool) -> GateResult:
    return GateResult(name, "passed" if passed else "failed", "by its figures")


def read_again(result: AnyResult, kind: Any) -> Any:  # noqa: ANN401  # of any kind
    """Return a result as a results file gives it back."""
    judge = kind.judge(result)
    document = json.loads(json.dumps(kind.document(result, judge and asdict(judge))))
    return kind.from_document(document, judge and asdict(judge))


def joined_shards(decided: Decided, shards: Sequence[AnyResult]) -> tuple[Any, Any]:
    """Return what the results files of shards come to before any gate is decided, and the gates."""
    kind = decided.suite.kind
    again = [read_again(one, kind) for one in shards]
    places = {name: place for place, name in enumerate(decided.suite.samples)}
    found: dict[int, Any] = {}
    for sample in (one for shard in again for one in getattr(shard, kind.samples)):
        place = places[kind.sample_id(sample)]
        if place not in found or sample.outcome != "not run":
            found[place] = sample
    samples = [found[place] for place in sorted(found)]
    joined = kind.joined(again, samples, decided.facts)
    return joined, joined_gates(kind.worst_first(again), decided.facts["gates"])


def merged(decided: Decided, shards: Sequence[AnyResult]) -> Any:  # noqa: ANN401  # of any kind
    """Return what the results files of shards come to, as one."""
    kind, facts = decided.suite.kind, decided.facts
    joined, gates_of_shards = joined_shards(decided, shards)
    gates = []
    for gate in gates_of_shards:
        if gate.name in decided.gates:
            decision = kind.decide(gate.name, joined, facts)
            outcome = "passed" if decision.passed else "failed"
            gates.append(GateResult(gate.name, outcome, decision.reason, decision.cause))
        elif gate.name == BASELINE:
            assert decided.comparison is not None
            decision = decide_baseline(decided.comparison)
            outcome = "passed" if decision.passed else "failed"
            gates.append(GateResult(gate.name, outcome, decision.reason, decision.cause))
        else:
            gates.append(gate)
    return kind.decided(joined, gates, decided.comparison)
