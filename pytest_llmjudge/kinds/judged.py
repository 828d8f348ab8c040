"""Suites of responses that a judge scores."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import (
    Entry,
    JudgeCheck,
    JudgeIdentity,
    Measure,
    RecordResult,
    Side,
    SuiteResult,
)
from pytest_llmjudge.data.history import Figure
from pytest_llmjudge.decisions.comparison import is_same_judge
from pytest_llmjudge.decisions.gates import (
    Decision,
    decide_record,
)
from pytest_llmjudge.decisions.rules import rule_of
from pytest_llmjudge.errors import SettingsError, one_line, printable, storable
from pytest_llmjudge.keys import content_of
from pytest_llmjudge.kinds.agreement import AGREEMENT, agreement_contradictions
from pytest_llmjudge.kinds.base import JUDGE_CHECK, Kind, gates_over_all
from pytest_llmjudge.kinds.categories import (
    average_by_category,
    category_contradictions,
    category_of,
    check_categories,
    count_categories,
    gate_of,
)
from pytest_llmjudge.kinds.corrected import (
    LabelSample,
    corrected_contradictions,
    corrected_results,
    saved_sample,
    settle_correction,
)
from pytest_llmjudge.kinds.explaining import questions_about, with_explanations
from pytest_llmjudge.kinds.judged_document import judged_document, judged_from_document
from pytest_llmjudge.kinds.judged_gates import decide_judged, limits_of
from pytest_llmjudge.kinds.judged_summary import (
    judged_page,
    judged_summary,
)
from pytest_llmjudge.kinds.labels import (
    SuiteLabels,
    read_suite_labels,
    saved_human_score,
    used_labels,
)
from pytest_llmjudge.kinds.overlap import (
    overlap_contradictions,
)
from pytest_llmjudge.kinds.parts import average_by_part, part_contradictions
from pytest_llmjudge.kinds.plain import (
    plain_criteria,
    with_response,
)
from pytest_llmjudge.kinds.read_back import check_from_plain
from pytest_llmjudge.kinds.records import (
    RecordRun,
    RecordSuite,
    known_fields,
    records_file,
    records_reader,
    settled,
)
from pytest_llmjudge.records.answers import questions_of, show_response, split_answers
from pytest_llmjudge.stats.agreement import agreement_of
from pytest_llmjudge.stats.basics import mean
from pytest_llmjudge.stats.corrected_change import why_designs_differ
from pytest_llmjudge.storage.consistent import counted, differs, repeated
from pytest_llmjudge.storage.results_reader import judge_of, saved_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge import pipeline
    from pytest_llmjudge.data import Explanation, Record, Rule, Verdict
    from pytest_llmjudge.data.page import SuitePage
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.kinds.base import Gathered, Marked, Sample, Suite
    from pytest_llmjudge.kinds.shared import Shared
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike, Outcome
    from pytest_llmjudge.pipeline.explanations import Question
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["JUDGED"]

_EXAMPLE = 'llm_judge("records.json", min_average=50)'
_MEASURE = Measure("judge", is_judged=True)
_LONGEST_THOUGHTS = 200
_LONGEST_NAME = 60


class _Scored(NamedTuple):
    """A record, its response, what the judge made of it, and the thoughts before the response."""

    record: Record
    response: str | None
    verdict: Verdict
    thoughts: str


class _Judged(Kind[SuiteResult]):
    """Suites of the marker ``llm_judge``."""

    name = SuiteResult.kind
    title = "Judged"
    marker = "llm_judge"
    asks_judge = True
    explains = True
    measure = _MEASURE
    figure = Figure("average", digits=2, interval_digits=1)
    settings = (
        *("responses", "min_score", "min_average", "correct"),
        *("min_agreement", "max_judge_error", "max_judge_bias"),
    )

    def load(self, marked: Marked, settings: Settings) -> Suite[Any]:
        # Who only reads results files does not wait for these imports.
        from pytest_llmjudge.records.suites import read_suite
        from pytest_llmjudge.settings import check_can_fail, resolve_suite

        file = records_file(marked, self.marker, _EXAMPLE)
        chosen = resolve_suite(marked.name, marked.keywords, marked.base, settings)
        read = records_reader(asdict(chosen))
        loaded = read_suite(marked.name, file, marked.base, chosen, read)
        check_categories(marked.name, loaded.records, chosen.by, chosen.min_averages)
        loaded, labels = read_suite_labels(loaded, marked.keywords)
        loaded, sample = settle_correction(loaded, labels, marked.keywords)
        check_can_fail(marked.name, loaded.settings, settings)
        suite = _JudgedSuite(loaded, labels, sample)
        suite.rule = rule_of(marked.name, marked.keywords, settings, self.measure)
        return suite

    def result(self, gathered: Gathered, suite: Suite[Any] | None, *, whole: bool) -> SuiteResult:
        assert suite is None or isinstance(suite, _JudgedSuite)  # noqa: S101  # it is of this kind
        facts = gathered.facts
        min_score: int | None = facts["min_score"]

        def decide(row: Mapping[str, Any]) -> str:
            if row.get("score") is None:
                return "error"
            return "passed" if decide_record(row["score"], min_score).passed else "failed"

        read = records_reader(facts)
        rows = settled(gathered, suite, whole=whole, measure="score", decide=decide, read=read)
        results = [_record_result(record, row, facts["by"]) for record, row in rows]
        judge = dict(facts["judge"])
        label = judge.pop("label")
        result = SuiteResult(
            **known_fields(gathered),
            **_of_records(facts, results),
            judge=JudgeIdentity(**judge),
            judge_label=label,
            check=check_from_plain(JudgeCheck, gathered.check),
        )
        return self.decided(result, gathered.gates, gathered.comparison)

    def summary(self, result: SuiteResult, rule: Rule) -> Summary:
        return judged_summary(self, result, rule)

    def page(
        self,
        result: SuiteResult,
        summary: Summary,  # noqa: ARG002  # the result has all figures
        before: Mapping[str, Entry],
    ) -> SuitePage:
        return judged_page(result, before)

    def document(self, result: SuiteResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:
        return judged_document(result, judge)

    def from_document(
        self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None
    ) -> SuiteResult:
        return judged_from_document(suite, judge, self.measure)

    def has_all(self, result: SuiteResult) -> bool:
        return len(result.scores) >= result.total

    def joined(
        self,
        shards: Sequence[SuiteResult],
        samples: Sequence[RecordResult],
        facts: Mapping[str, Any],
    ) -> SuiteResult:
        seen = super().joined(shards, samples, facts)
        return replace(seen, path=facts["path"], **_of_records(facts, samples))

    def decide(self, gate: str, result: SuiteResult, facts: Mapping[str, Any]) -> Decision:
        return decide_judged(gate, result.records, facts)

    def property_of(self, sample: Mapping[str, Any]) -> tuple[str, object]:
        return "llm_judge_score", sample["score"]

    def decide_saved(self, suite: Mapping[str, Any], sample: Mapping[str, Any]) -> Decision:
        return decide_record(sample["score"], suite["min_score"])

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        records = suite["records"]
        scores = [record["score"] for record in records if record["score"] is not None]
        yield from repeated("records", [record["id"] for record in records])
        yield from counted(suite, len(records), len(scores))
        # Of a part of the records there is no average.
        average = mean(scores) if len(scores) == suite["total"] else None
        yield from differs(suite, "average", average)
        yield from category_contradictions(suite)
        yield from part_contradictions(suite)
        yield from corrected_contradictions(suite)
        yield from overlap_contradictions(suite)
        yield from agreement_contradictions(suite)

    def saved_side(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side:
        design, drawn = saved_sample(suite)
        entries = (
            Entry(
                record["id"],
                _content(content_of(saved_content(record)), record.get("criteria")),
                record["score"],
                # Half a surrogate pair would not get from a worker of xdist to its controller.
                record["model_response"] and storable(record["model_response"]),
                record.get("group"),
                saved_human_score(record) if record["id"] in drawn else None,
            )
            for record in suite["records"]
        )
        side = _side(suite["name"], entries, judge_of(suite, judge), suite["min_score"])
        return replace(side, corrects=suite.get("correct", False), design=design)

    def saved_interval(self, suite: Mapping[str, Any]) -> tuple[float, float] | None:
        """Return the 95 % interval of the average, within what scores can be."""
        interval = super().saved_interval(suite)
        return interval and (max(0.0, interval[0]), min(100.0, interval[1]))

    def judge(self, result: SuiteResult) -> JudgeIdentity:
        return result.judge

    def with_responses(self, result: SuiteResult) -> list[dict[str, Any]]:
        made = result.checkpoint is not None
        return [
            with_response(
                one.record,
                list(one.answers) or one.model_response,
                {"score": one.score},
                made=made,
            )
            for one in result.records
        ]

    def questions(
        self, result: SuiteResult, before: Mapping[str, Entry], most: int | None
    ) -> list[Question]:
        return questions_about(result, before, most)

    def explained(
        self, result: SuiteResult, explanations: Mapping[str, Explanation]
    ) -> SuiteResult:
        return with_explanations(result, explanations)

    def entries_before(self, baseline: SavedRun, result: SuiteResult) -> dict[str, Entry]:
        """Return the baseline's entries of the same records.

        Entries of another judge lose their scores, which do not compare; their responses do.
        """
        side = self._baseline_side(baseline, result)
        old = {(entry.id, entry.content): entry for entry in side.entries}
        compares = side.judge is not None and is_same_judge(side.judge, result.judge)
        entries = {}
        for one in result.records:
            entry = old.get((one.record.id, _record_content(one.record)))
            if entry is not None:
                entries[one.record.id] = entry if compares else replace(entry, score=None)
        return entries


JUDGED = _Judged()


class _JudgedSuite(RecordSuite[_Scored]):
    kind = JUDGED
    uses_judge = True

    def __init__(self, loaded: suites.Suite, labels: SuiteLabels, sample: LabelSample) -> None:
        super().__init__(loaded)
        self._labels = labels
        self._drawn, self._lack = sample
        self._agrees = labels.file is not None or bool(loaded.settings.limits)
        self._by_gate = {gate_of(name): name for name in loaded.settings.min_averages}
        self._categories = count_categories(loaded.records, loaded.settings.by)

    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        average, *others = gates_over_all(settings)
        before = [] if settings.check == "off" else [JUDGE_CHECK]
        before += self.data_gates
        return before, [average, *self._by_gate, *([AGREEMENT] if self._agrees else []), *others]

    def needed_by(self, gate: str) -> Sequence[str]:
        if gate != AGREEMENT:
            return self.samples
        labelled = self._labels.records
        return [name for name in self.samples if name in labelled]

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,
        needed: Sequence[str],
    ) -> RecordRun[_Scored]:
        from pytest_llmjudge.pipeline import ScoredRun

        assert judge is not None  # noqa: S101  # the suite uses one
        run = ScoredRun(
            self.loaded,
            resources.settings,
            resources.store,
            judge=judge,
            model=model,
            needed=[self.record(name) for name in needed],
            worker=resources.worker,
            pool=resources.judges.pool_for(judge),
            in_flight=resources.judges.in_flight,
        )
        return _JudgedRun(self, run)

    def row(self, sample: Sample[_Scored]) -> dict[str, Any] | None:
        scored = sample.value
        if scored is None:
            return None
        record, response, verdict, thoughts = scored
        shown = None if response is None else show_response(record, response)
        answers = split_answers(record, response) if record.follow_ups and response else []
        row: dict[str, Any] = {
            "model_response": shown,
            "answers": answers,
            "score": verdict.score,
            "reply": None if response is None else verdict.reply,
            "error": verdict.error,
            "cause": sample.cause,
            "samples": list(verdict.samples),
            "covered": verdict.covered,
            "category": self._category(record.id),
            **self._group_in_row(record.id),
        }
        # Most records have neither, and rows go through the store.
        if thoughts:
            row["thoughts"] = thoughts
        if verdict.parts:
            row["parts"] = list(verdict.parts)
        if verdict.seconds is not None:
            row["seconds"] = round(verdict.seconds, 3)
        if verdict.tokens is not None:
            row["tokens"] = verdict.tokens
        people = self._labels.of(record, response)
        if people is not None:
            row |= {"human_score": people.score, "labelers": people.labelers}
        return row

    def decide(self, gate: str, samples: Sequence[Sample[_Scored]]) -> Decision:
        known = {one.id: one for one in samples}
        category = {gate_of(name): name for name in self.loaded.settings.min_averages}.get(gate)
        results = [
            self._known(one, known.get(one.id))
            for one in self.loaded.records
            if category is None or self._category(one.id) == category
        ]
        facts = {**self._limits(), **self._people(self._labels.plain())}
        return decide_judged(gate, results, facts)

    def _known(self, record: Record, sample: Sample[_Scored] | None) -> RecordResult:
        """Return what is known of a record, without an outcome."""
        row = {"error": sample and sample.error, **((sample and self.row(sample)) or {})}
        row.pop("group", None)
        return _record_result(record, {**row, "outcome": "not run"}, self.loaded.settings.by)

    def _category(self, name: str) -> str | None:
        return category_of(self.record(name), self.loaded.settings.by)

    def decide_sample(self, value: _Scored) -> Decision:
        assert value.verdict.score is not None  # noqa: S101  # an unscored record errs in its setup
        return decide_record(value.verdict.score, self.loaded.settings.min_score)

    def failure_text(self, sample: Sample[_Scored], decision: Decision) -> str:
        assert sample.value is not None  # noqa: S101  # it was decided over
        return _failure_text(decision.reason, sample.value)

    def fixtures(self, value: _Scored) -> dict[str, object]:
        return {"record": value.record, "response": value.response, "verdict": value.verdict}

    def properties(self, value: _Scored) -> dict[str, object]:
        return {"llm_judge_score": value.verdict.score}

    def advice(self, baseline_fingerprint: str, fingerprint: str) -> Iterator[str]:
        settings = self.loaded.settings
        for least in dict.fromkeys((settings.min_average, *settings.min_averages.values())):
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
        return [(record.id, _record_content(record)) for record in self.loaded.records]

    def cannot_fail(self, problem: str, hint: str) -> SettingsError | None:
        settings = self.loaded.settings
        if settings.min_score or settings.min_average or any(settings.min_averages.values()):
            return None
        if settings.limits:
            return None
        hint = f"{hint}, or set min_average or min_score above 0"
        return SettingsError(self.name, f"it cannot fail: {problem}", hint)

    def side(self, samples: Sequence[Sample[_Scored]], judge: JudgeLike | None) -> Side:
        from pytest_llmjudge.pipeline.judge_resources import judge_identity

        drawn = frozenset(self._drawn or ())
        entries = (
            Entry(
                one.record.id,
                _record_content(one.record),
                one.verdict.score,
                None if one.response is None else show_response(one.record, one.response),
                one.record.group,
                self._labels.label(one.record, one.response) if one.record.id in drawn else None,
            )
            for one in (sample.value for sample in samples)
            if one is not None
        )
        least = self.loaded.settings.min_score
        side = _side(self.name, entries, judge_identity(judge), least)
        labelled = {entry.id for entry in side.entries if entry.people is not None}
        file = self._labels.file
        design = file.design if file is not None and drawn and drawn <= labelled else None
        return replace(side, corrects=self.loaded.settings.correct, design=design)

    def check_baseline(self, before: Side) -> None:
        file = self._labels.file
        if not self.loaded.settings.correct or file is None or not before.entries:
            return
        lack = why_designs_differ(before.design, file.design)
        if lack is not None:
            where = f"{self.name}: correct"
            raise SettingsError(where, *lack)

    def _limits(self) -> dict[str, Any]:
        settings = self.loaded.settings
        return {
            "min_score": settings.min_score,
            "min_average": settings.min_average,
            "min_averages": dict(settings.min_averages),
            "by": settings.by,
            "categories": self._categories,
            "correct": settings.correct,
            **asdict(settings.limits),
        }

    def facts(self, resources: Resources) -> dict[str, Any]:
        labels = None
        if self._labels.file is not None:
            path = resources.models.shown_path(Path(self._labels.file.path))
            labels = self._labels.plain(path)
        return {**super().facts(resources), **self._people(labels)}

    def _people(self, labels: dict[str, Any] | None) -> dict[str, Any]:
        """Describe what people say of the suite's responses, and what of that corrects it."""
        return {
            "labels": labels,
            "human_scores": self._labels.scored,
            "drawn": self._drawn,
            "lack": self._lack,
        }

    def shared(self, resources: Resources) -> Iterator[Shared]:
        yield from super().shared(resources)
        yield from self._labels.shared(self.name)

    def inputs(self, root: Path) -> Iterator[tuple[Path, str]]:
        yield from super().inputs(root)
        if self._labels.file is not None:
            yield Path(self._labels.file.path), f"the labels file of {self.name}"


class _JudgedRun(RecordRun[_Scored]):
    _run: pipeline.ScoredRun

    def check(self, *, again: bool) -> JudgeCheck:
        return self._run.check(again=again)

    def _value(self, record: Record, outcome: Outcome[str, Verdict]) -> _Scored:
        thoughts = self._run.thoughts(record)
        return _Scored(record, outcome.response, outcome.verdict, thoughts)


def _record_content(record: Record) -> str:
    return _content(content_of(record), plain_criteria(record))


def _content(says: str, criteria: Sequence[Mapping[str, Any]] | None) -> str:
    """Return all that a score is about: scores by other criteria do not compare."""
    return f"{says} {json.dumps(criteria)}" if criteria else says


def _side(
    name: str, entries: Iterable[Entry], judge: JudgeIdentity | None, min_score: int | None
) -> Side:
    return Side(_MEASURE, name, tuple(entries), judge=judge, passes_at=min_score)


def _record_result(record: Record, row: Mapping[str, Any], by: str | None) -> RecordResult:
    # A row has the category where the record itself was not read again.
    category = category_of(record, by)
    fields = {"model_response": None, "score": None, "reply": None, "category": category, **row}
    for name in ("samples", "answers"):
        fields[name] = tuple(fields.get(name, ()))
    fields["parts"] = tuple((name, score) for name, score in fields.get("parts", ()))
    return RecordResult(record, **fields)


def _of_records(facts: Mapping[str, Any], results: Sequence[RecordResult]) -> dict[str, Any]:
    """Return the fields of a result that follow from its records, and from the suite's facts."""
    corrected, lack = corrected_results(facts["drawn"], results, facts["total"])
    asked = ("min_score", "min_average", "responses", "by", "correct")
    return {
        **{name: facts[name] for name in asked},
        "records": tuple(results),
        "categories": average_by_category(facts["categories"], facts["min_averages"], results),
        "parts": average_by_part(results, facts["total"]),
        "agreement": agreement_of(results),
        "limits": limits_of(facts),
        "labels": used_labels(facts["labels"], results),
        "corrected": corrected,
        "lack": facts["lack"] or lack,
    }


def _failure_text(reason: str, scored: _Scored) -> str:
    """Show all that the judge saw, what it made of it, and the start of what the model thought."""
    record = scored.record
    scores = (f"{one_line(name, _LONGEST_NAME)} {score}" for name, score in scored.verdict.parts)
    parts = [
        ("system text", record.system),
        *((turn.role, turn.text) for turn in record.turns),
        *_asked(record, scored.response or ""),
        ("criteria", "\n".join(one.titled for one in record.criteria)),
        ("thoughts", one_line(scored.thoughts, _LONGEST_THOUGHTS)),
        ("judge's reply", scored.verdict.reply),
        ("scores", ", ".join(scores)),
    ]
    lines = [reason]
    for name, text in parts:
        if text:
            shown = textwrap.indent(printable(text), " " * 15)
            lines.append(f"{name + ':':<15}{shown[15:]}")
    return "\n".join(lines)


def _asked(record: Record, response: str) -> Iterator[tuple[str, str]]:
    """Yield each question of a record with its reference and the answer to it, under a name."""
    answers = split_answers(record, response)
    questions = questions_of(record)
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True), 1):
        yield f"turn {number}" if record.follow_ups else "instruction", question.instruction
        yield "input", record.input
        yield "reference", question.output
        yield "response", answer or "(empty)"
