"""Suites of responses that a judge scores."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pytest_llmjudge.comparison import is_same_judge
from pytest_llmjudge.data import (
    CheckpointReference,
    Entry,
    JudgeCheck,
    JudgeIdentity,
    RecordResult,
    Side,
    SuiteResult,
)
from pytest_llmjudge.errors import printable
from pytest_llmjudge.gates import Decision, decide_average, decide_record, whole_outcome
from pytest_llmjudge.kinds.base import JUDGE_CHECK, Kind, gates_over_all
from pytest_llmjudge.kinds.records import RecordRun, RecordSuite, records_file, settled
from pytest_llmjudge.prompts import clean_response
from pytest_llmjudge.stats import mean
from pytest_llmjudge.storage.results_reader import content_of
from pytest_llmjudge.suites import load_suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge import pipeline
    from pytest_llmjudge.data import Record, Verdict
    from pytest_llmjudge.kinds.base import Gathered, Sample, Suite
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike, Outcome
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["Judged"]

_EXAMPLE = 'llm_judge("records.json", min_average=50)'


class _Scored(NamedTuple):
    """A record, its response, and what the judge made of it."""

    record: Record
    response: str | None
    verdict: Verdict


class Judged(Kind[SuiteResult]):
    """Suites of the marker ``llm_judge``."""

    name = "judge"
    marker = "llm_judge"
    asks_judge = True
    field = "suites"

    def load(
        self,
        name: str,
        arguments: Sequence[object],
        keywords: Mapping[str, object],
        base: Path,
        settings: Settings,
    ) -> Suite[Any]:
        """Check a marker, and load its records."""
        file = records_file(name, self.marker, arguments, _EXAMPLE)
        return _JudgedSuite(load_suite(name, file, keywords, base, settings))

    def result(self, gathered: Gathered, suite: Suite[Any] | None, *, whole: bool) -> SuiteResult:
        """Return what became of a suite."""
        assert suite is None or isinstance(suite, _JudgedSuite)  # noqa: S101  # it is of this kind
        facts, gates = gathered.facts, gathered.gates
        min_score: int | None = facts["min_score"]

        def decide(row: Mapping[str, Any]) -> str:
            if row.get("score") is None:
                return "error"
            return "passed" if decide_record(row["score"], min_score).passed else "failed"

        found = settled(gathered, suite, whole=whole, measure="score", decide=decide)
        results = [_record_result(record, row) for record, row in found]
        judge = dict(facts["judge"])
        label = judge.pop("label")
        return SuiteResult(
            name=gathered.name,
            path=facts["path"],
            checkpoint=CheckpointReference(*facts["checkpoint"]) if facts["checkpoint"] else None,
            judge=JudgeIdentity(**judge),
            judge_label=label,
            total=facts["total"],
            records=tuple(results),
            gates=gates,
            min_score=min_score,
            min_average=facts["min_average"],
            outcome=_outcome(gathered, results),
            check=None if gathered.check is None else JudgeCheck(**gathered.check),
            comparison=gathered.comparison,
            responses=facts["responses"],
        )

    def counts(self, result: SuiteResult) -> dict[str, str]:
        """Return the figures of a suite for JUnit XML."""
        scored = len(result.scores)
        return {
            "scored": str(scored),
            "unscored": str(result.total - scored),
            "judge": result.judge_label,
        }

    def entries_before(self, baseline: SavedRun, result: SuiteResult) -> dict[str, Entry]:
        """Return the baseline's entries of the same records.

        Entries of another judge lose their scores, which do not compare; their responses do.
        """
        side = baseline.side(self.name, result.old_name)
        old = {(entry.id, entry.content): entry for entry in side.entries}
        compares = side.judge is not None and is_same_judge(side.judge, result.judge)
        found = {}
        for one in result.records:
            entry = old.get((one.record.id, _content(one.record)))
            if entry is not None:
                found[one.record.id] = entry if compares else replace(entry, score=None)
        return found


class _JudgedSuite(RecordSuite[_Scored]):
    kind: ClassVar[Judged] = Judged()
    uses_judge = True

    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        return [] if settings.check == "off" else [JUDGE_CHECK], gates_over_all(settings)

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,
        needed: Sequence[str],
    ) -> RecordRun[_Scored]:
        from pytest_llmjudge.pipeline import SuiteRun

        assert judge is not None  # noqa: S101  # the suite uses one
        run = SuiteRun(
            self.loaded,
            resources.settings,
            resources.store,
            judge=judge,
            model=model,
            needed=[self.record(name) for name in needed],
            worker=resources.worker,
            pool=resources.judges.pool_for(judge),
            in_flight=resources.settings.concurrency,
        )
        return _JudgedRun(self, run)

    def row(self, sample: Sample[_Scored]) -> dict[str, Any] | None:
        found = sample.found
        if found is None:
            return None
        record, response, verdict = found
        return {
            "model_response": response,
            "score": verdict.score,
            "reply": None if response is None else verdict.reply,
            "error": verdict.error,
            "cause": sample.cause,
            "samples": list(verdict.samples),
            "covered": verdict.covered,
            "human_score": _human_score(record, response),
        }

    def decide(self, gate: str, samples: Sequence[Sample[_Scored]]) -> Decision:  # noqa: ARG002
        scores = {one.id: one.found and one.found.verdict.score for one in samples}
        causes = {one.id: one.error for one in samples if one.error is not None}
        return decide_average(scores, self.loaded.settings.min_average, causes)

    def decide_sample(self, found: _Scored) -> Decision:
        assert found.verdict.score is not None  # noqa: S101  # an unscored record errs in its setup
        return decide_record(found.verdict.score, self.loaded.settings.min_score)

    def failure_text(self, sample: Sample[_Scored], decision: Decision) -> str:
        assert sample.found is not None  # noqa: S101  # it was decided over
        return _failure_text(decision.reason, sample.found)

    def values(self, found: _Scored) -> dict[str, object]:
        return found._asdict()

    def properties(self, found: _Scored) -> dict[str, object]:
        return {"llm_judge_score": found.verdict.score}

    def advice(self, baseline_fingerprint: str, fingerprint: str) -> Iterator[str]:
        least = self.loaded.settings.min_average
        if least is not None and 0 < least < 1:
            yield (
                f"{self.name}: min_average is {least:g} of 100 points, which hardly anything "
                f"misses; write {100 * least:g} if a share was meant"
            )
        if fingerprint and fingerprint == baseline_fingerprint:
            yield (
                f"{self.name}: the baseline was made with this very checkpoint; name the "
                "candidate with --llm-judge-checkpoint"
            )

    def baseline_keys(self) -> list[tuple[str, str]]:
        return [(record.id, _content(record)) for record in self.loaded.records]

    def minimums(self) -> tuple[tuple[float | None, ...], str]:
        limits = self.loaded.settings
        return (limits.min_score, limits.min_average), "min_average or min_score"

    def side(self, samples: Sequence[Sample[_Scored]], judge: JudgeLike | None) -> Side:
        from pytest_llmjudge.pipeline.judge_resources import judge_identity

        entries = tuple(
            Entry(one.record.id, _content(one.record), one.verdict.score, one.response)
            for one in (sample.found for sample in samples)
            if one is not None
        )
        identity, passes_at = judge_identity(judge), self.loaded.settings.min_score
        return Side(self.kind.name, self.name, entries, judge=identity, passes_at=passes_at)

    def _limits(self) -> dict[str, Any]:
        settings = self.loaded.settings
        return {"min_score": settings.min_score, "min_average": settings.min_average}


class _JudgedRun(RecordRun[_Scored]):
    _run: pipeline.SuiteRun

    def check(self, *, again: bool) -> JudgeCheck:
        return self._run.check(again=again)

    def _found(self, record: Record, outcome: Outcome[str, Verdict]) -> _Scored:
        return _Scored(record, outcome.response, outcome.verdict)


def _record_result(record: Record, row: Mapping[str, Any]) -> RecordResult:
    fields = {"model_response": None, "score": None, "reply": None, **row}
    return RecordResult(record, **{**fields, "samples": tuple(fields.get("samples", ()))})


def _outcome(gathered: Gathered, results: Sequence[RecordResult]) -> str:
    facts = gathered.facts
    scores = [result.score for result in results if result.score is not None]
    if len(scores) < facts["total"]:
        return "incomplete"
    outcomes = {result.outcome for result in results} | {gate.outcome for gate in gathered.gates}
    # A suite whose gate was deselected is still worth no more than its average.
    average, least = mean(scores), facts["min_average"]
    return whole_outcome(outcomes, low=None not in (average, least) and average < least)


def _content(record: Record) -> str:
    return content_of(record.instruction, record.input, record.output)


def _human_score(record: Record, response: str | None) -> int | None:
    """Return what people gave this response; a score of another response says nothing of it."""
    scored = record.fields.get("model_response")
    if isinstance(scored, str) and clean_response(scored) != response:
        return None
    score = record.fields.get("human_score")
    return score if isinstance(score, int) else None


def _failure_text(reason: str, found: _Scored) -> str:
    """Show all that the judge saw, and what it made of it."""
    parts = {
        "instruction": found.record.instruction,
        "input": found.record.input,
        "reference": found.record.output,
        "response": found.response or "(empty)",
        "judge's reply": found.verdict.reply,
    }
    lines = [reason]
    for name, text in parts.items():
        if text:
            shown = textwrap.indent(printable(text), " " * 15)
            lines.append(f"{name + ':':<15}{shown[15:]}")
    return "\n".join(lines)
