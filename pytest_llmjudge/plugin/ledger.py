"""What the reports of all processes say of the suites, gathered into one result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import GateResult, Rule, RunResult
from pytest_llmjudge.decisions.gates import TEARDOWN_FAILED, with_break
from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.kinds import all_kinds, kind_named
from pytest_llmjudge.kinds.base import NOT_RUN, Gathered, SampleReport, node_ids
from pytest_llmjudge.kinds.read_back import comparison_from_plain
from pytest_llmjudge.pipeline.answering import JUDGE_NAME, answering_name
from pytest_llmjudge.plugin.reports import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from pytest_llmjudge.data import Comparison
    from pytest_llmjudge.kinds.base import Suite
    from pytest_llmjudge.plugin.rows import Rows
    from pytest_llmjudge.storage.store import Store

__all__ = ["Ledger"]

_CRASHED = "the process that ran it crashed"


@dataclass(slots=True)
class _Page:
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    gates: dict[str, GateResult] = field(default_factory=dict)
    comparison: Comparison | None = None
    details: dict[str, dict[str, Any]] = field(default_factory=dict)


class Ledger:
    """Gathers what reports carry; kept by the process that owns the terminal.

    Args:
        store: Has what the processes say of the suites.
        rows: The results of the items.
    """

    def __init__(self, store: Store, rows: Rows) -> None:
        self._store = store
        self._rows = rows
        self._pages: dict[str, _Page] = {}
        self._broken: dict[str, str] = {}
        self._failed_within: set[str] = set()
        self._skipped: set[str] = set()
        self._known: dict[str, dict[str, dict[str, Any]]] = {}
        self._is_settled = False

    def __bool__(self) -> bool:
        return bool(self._pages)

    def add(self, report: pytest.TestReport) -> None:
        """Take note of one report; a later one on the same item wins."""
        if hasattr(report, "context"):
            # A subtest's, which pytest holds against its item only when it prints the item.
            if report.failed:
                self._failed_within.add(report.nodeid)
            return
        payload = getattr(report, ATTRIBUTE, None)
        if report.skipped:
            self._skipped.add(report.nodeid)
        if payload is None:
            reason = _broken(report)
            if reason is not None:
                self._broken[report.nodeid] = reason
            return
        page, item = self._pages.setdefault(payload["suite"], _Page()), payload["item"]
        if payload["place"] is not None:
            if payload["outcome"] == "passed" and report.nodeid in self._failed_within:
                payload = {**payload, "outcome": "failed"}
            page.items[item] = payload
            return
        page.gates[item] = GateResult(
            item, payload["outcome"], payload["reason"], payload.get("cause")
        )
        if "comparison" in payload:
            plain = payload["comparison"]
            measure = kind_named(plain["kind"]).measure
            page.comparison = comparison_from_plain(plain, measure)
        if "details" in payload:
            page.details[item] = payload["details"]

    def settle(self) -> None:
        """Let no fault count that is noted from now on: all is decided, and stands."""
        self._is_settled = True

    def result(
        self, created: str, suites: Mapping[str, Suite[Any]], *, whole: bool
    ) -> tuple[RunResult, tuple[LlmJudgeError, ...]]:
        """Return what became of the run, and which suites nothing can be said of.

        Args:
            created: When it began, in ISO 8601.
            suites: Those this process has collected, by name.
            whole: List the samples that were not run too, with all their texts.

        Returns:
            The result, and an error for each suite whose data changed while the run was going on:
            its results belong to samples that are gone.

        Raises:
            StoreError: The cache cannot be used.
        """
        results: dict[str, list[Any]] = {kind.name: [] for kind in all_kinds()}
        problems: list[LlmJudgeError] = []
        rules: dict[str, Rule] = {}
        checks = self._store.checks()
        fault = None if self._is_settled else self._store.fault()
        for name, planned in self._store.suites().items():
            facts = {**planned, "judge": self._named(planned["judge"])}
            kind = kind_named(facts["kind"])
            if facts["rule"] is not None:
                rules[name] = Rule(**facts["rule"])
            gathered = replace(self._gathered(name, facts), check=checks.get(name))
            if fault is not None and kind.asks_judge:
                gathered = _without_results(gathered, fault)
            try:
                result = kind.result(gathered, suites.get(name), whole=whole)
            except LlmJudgeError as error:
                # Each suite stands or falls alone.
                problems.append(error)
            else:
                results[kind.name].append(result)
        combined = (one for kind in all_kinds() for one in kind.together(results[kind.name]))
        run = RunResult(created, tuple(combined), self._store.notes(), rules)
        return run, tuple(problems)

    def _named(self, judge: dict[str, Any] | None) -> dict[str, Any] | None:
        """Add to a judge's facts the name under which it answered, known after its first reply."""
        if judge is None or judge["backend"] != "openai":
            return judge
        return {**judge, "answers_as": answering_name(self._store, JUDGE_NAME, judge["model"])}

    def _gathered(self, name: str, facts: Mapping[str, Any]) -> Gathered:
        page = self._pages.get(name, _Page())
        gates = dict(page.gates)
        for gate in facts["due"]:
            reason = self._fault(name, gate)
            if reason:
                gates[gate] = with_break(gates.get(gate), gate, reason)
        return Gathered(
            name=name,
            facts=facts,
            samples=dict(self._samples(name, page)),
            # In the suite's order, whichever worker was first.
            gates=tuple(
                gates.get(gate) or GateResult(gate, "not run", NOT_RUN) for gate in facts["gates"]
            ),
            fault=partial(self._fault, name),
            comparison=page.comparison,
            details=page.details,
        )

    def _samples(self, name: str, page: _Page) -> Iterator[tuple[str, SampleReport]]:
        """Yield the samples that reports speak of, in the suite's order."""
        # The rows of an item count once its report says that the item came to an end. The
        # result is asked for when all reports are there, so the rows are read once.
        if name not in self._known:
            self._known[name] = self._rows.of_suite(name)
        known = self._known[name]
        of_gates: dict[str, dict[str, Any]] = {}
        for gate in page.gates:
            of_gates |= known.get(gate, {})
        places = {sample: place for place, sample in enumerate(of_gates)}
        places |= {sample: payload["place"] for sample, payload in page.items.items()}
        for sample in sorted(places, key=lambda one: places[one]):
            own, of_gate = known.get(sample, {}).get(sample), of_gates.get(sample)
            payload = page.items.get(sample)
            if payload is None:
                is_skipped = not self._skipped.isdisjoint(node_ids(name, sample))
                yield sample, SampleReport(sample, of_gate=of_gate, is_skipped=is_skipped)
                continue
            outcome, reason, note = payload["outcome"], payload["reason"], payload["note"]
            yield (
                sample,
                SampleReport(
                    sample,
                    own,
                    of_gate,
                    is_reported=True,
                    outcome=outcome,
                    reason=reason,
                    note=note,
                ),
            )

    def _fault(self, suite: str, item: str) -> str | None:
        """Say why an item has no proper end; ``None`` for one that has."""
        names = node_ids(suite, item)
        return next((self._broken[name] for name in names if name in self._broken), None)


def _without_results(gathered: Gathered, fault: str) -> Gathered:
    """Return a suite whose results do not count: nobody knows whose some of them are."""
    samples = {
        name: SampleReport(name, is_reported=True, outcome="error", reason=fault)
        for name in gathered.samples
    }
    gates = tuple(
        replace(gate, outcome="error", reason=fault) if gate.outcome == "passed" else gate
        for gate in gathered.gates
    )
    broken = gathered.fault
    return replace(
        gathered,
        samples=samples,
        gates=gates,
        fault=lambda name: None if broken(name) is None else fault,
        comparison=None,
    )


def _broken(report: pytest.TestReport) -> str | None:
    """Say how an item broke beside its own decision; ``None`` for one that did not."""
    if not report.failed or report.when in {"setup", "call"}:
        return None
    return TEARDOWN_FAILED if report.when == "teardown" else _CRASHED
