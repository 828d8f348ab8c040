"""What suites have in common whose records are answered right or wrong."""

from __future__ import annotations

import textwrap
from abc import abstractmethod
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from pytest_llmjudge.data import Entry, Side
from pytest_llmjudge.data.history import Figure
from pytest_llmjudge.data.page import Term
from pytest_llmjudge.data.summary import Statement
from pytest_llmjudge.decisions.accuracy import decide_share, share_of
from pytest_llmjudge.decisions.gates import Decision, unscored
from pytest_llmjudge.decisions.rules import rule_of
from pytest_llmjudge.errors import RecordsError, SettingsError, count_of, one_line, printable
from pytest_llmjudge.keys import content_of, make_key
from pytest_llmjudge.kinds.accuracy_results import (
    ACCURACY,
    AccuracyLimits,
    AccuracyResult,
    AnsweredRecord,
    OwnFigures,
    by_category,
)
from pytest_llmjudge.kinds.accuracy_summary import accuracy_page, accuracy_summary
from pytest_llmjudge.kinds.base import Kind, gates_over_all
from pytest_llmjudge.kinds.categories import category_of, check_categories, gate_of
from pytest_llmjudge.kinds.overlap import (
    overlap_contradictions,
    saved_overlap,
)
from pytest_llmjudge.kinds.plain import plain_comparison, plain_gates, record_texts
from pytest_llmjudge.kinds.read_back import (
    comparison_from_plain,
    record_from_document,
)
from pytest_llmjudge.kinds.records import RecordSuite, known_fields, saved_fields, settled
from pytest_llmjudge.questions.base import ExactQuestion
from pytest_llmjudge.settings import BASELINE_KEYWORDS
from pytest_llmjudge.stats.groups import group_numbers
from pytest_llmjudge.storage.consistent import counted, differs, repeated
from pytest_llmjudge.storage.results_reader import saved_content
from pytest_llmjudge.values import (
    ALL,
    check_accuracies,
    check_flag,
    check_path,
    check_text,
    integer_check,
    read_keywords,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Measure, Record, Rule
    from pytest_llmjudge.data.page import SuitePage
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.decisions.accuracy import Share
    from pytest_llmjudge.kinds.base import Gathered, Marked, Sample, Suite
    from pytest_llmjudge.pipeline import JudgeLike
    from pytest_llmjudge.questions.base import AnyQuestion
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.records.files import Source
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = [
    "ACCURACY_KEYWORDS",
    "CUT",
    "SHOTS_KEYWORDS",
    "AccuracyKind",
    "AccuracySuite",
    "Answer",
    "Given",
    "accuracy_limits",
    "check_accuracy_can_fail",
    "cut_statement",
    "no_model_for_set",
    "set_files_checked",
    "shots_digest",
]

_RIGHT = 100.0
"""What a record scores that is answered right; 0 what is answered wrong."""

ACCURACY_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "min_accuracy": check_accuracies,
    "by": check_text,
    "every_right": check_flag,
    **BASELINE_KEYWORDS,
}
"""Of the markers of these suites."""

SHOTS_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "shots": integer_check(
        "{value} is no number of solved questions",
        "a whole number of 0 or more",
        lambda shots: shots >= 0,
    ),
    "shots_from": check_path,
}
"""Of those that may show solved questions."""

CUT = Term(
    "prompts cut",
    ("prompts cut",),
    "Prompts that lost their beginning, as the model's context has no room for all of them.",
)
"""Under this name the HTML page counts them."""

_DIGEST = 12
"""Hexadecimal digits of the digest of what is shown solved."""


class Answer(Protocol):
    """What a model made of a record."""

    @property
    def record(self) -> Record:
        """What was asked."""

    @property
    def is_right(self) -> bool:
        """Whether the answer is right, by the accuracy that decides."""

    @property
    def shown(self) -> str:
        """What was answered, as people read it."""

    @property
    def expected(self) -> str:
        """The right answer, as people read it."""


Given = TypeVar("Given", bound=Answer)
"""What a kind keeps of an answer."""


class AccuracyKind(Kind[AccuracyResult]):
    """A kind of suite whose records are answered right or wrong.

    Attributes:
        by: What categories are called, where no field is named.
        asked_as: Keys of its part of a results file that say how records are asked.
    """

    asks_judge = False
    figure = Figure(ACCURACY, digits=4, interval_digits=4)
    by: ClassVar[str] = "category"
    asked_as: ClassVar[tuple[str, ...]]
    measure: ClassVar[Measure]
    keywords: ClassVar[Mapping[str, Callable[[str, object], object]]]

    def load(self, marked: Marked, settings: Settings) -> Suite[Any]:
        """Check a marker, and load the set that it names."""
        keywords = read_keywords(marked.name, marked.keywords, self.keywords)
        limits = accuracy_limits(keywords)
        has_training = "training" in keywords
        check_accuracy_can_fail(marked.name, limits, settings, has_training=has_training)
        with set_files_checked():
            suite = self.read(marked, keywords, limits, settings)
        suite.rule = rule_of(marked.name, keywords, settings, self.measure)
        return suite

    @abstractmethod
    def read(
        self,
        marked: Marked,
        keywords: Mapping[str, Any],
        limits: AccuracyLimits,
        settings: Settings,
    ) -> AccuracySuite[Any]:
        """Read the set that a marker names.

        Args:
            marked: The test function.
            keywords: Its marker's, checked one by one.
            limits: What it asks of the suite.
            settings: The run's options.

        Raises:
            LlmJudgeError: It cannot be used.
        """

    @abstractmethod
    def reader(self, facts: Mapping[str, Any]) -> Callable[[Source], Sequence[Record]]:
        """Return what reads the records of a source, from what :meth:`Suite.facts` says."""

    @abstractmethod
    def compared(self, terms: Mapping[str, Any]) -> dict[str, str]:
        """Return what has to be the same for two suites to compare, by name.

        Args:
            terms: How the records were asked, as a results file has it.
        """

    @abstractmethod
    def own_category(self, record: Record, terms: Mapping[str, Any]) -> str | None:
        """Return the category of a record, where the marker names no field.

        Args:
            record: As it was read.
            terms: How the records are asked, as a results file has it.
        """

    def asked(self, record: Record, terms: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return what a record asks beside its texts, as a results file has it.

        Args:
            record: As it was read.
            terms: How the records are asked, as a results file has it.
        """
        return {}

    @abstractmethod
    def plain_record(self, one: AnsweredRecord) -> dict[str, Any]:
        """Return what a results file has of a record beside its texts and what became of it."""

    @abstractmethod
    def saved_facts(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept of a record of a results file: of :meth:`plain_record`."""

    @abstractmethod
    def saved_expected(self, record: Mapping[str, Any]) -> str:
        """Return the right answer to a record of a results file, as people read it."""

    @abstractmethod
    def saved_answer(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> str | None:
        """Return what was answered to a record of a results file; ``None`` for nothing."""

    @abstractmethod
    def is_right(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> bool | None:
        """Say whether a record of a results file is right by its answer; ``None`` without one."""

    @abstractmethod
    def figures(self, result: AccuracyResult) -> dict[str, Any]:
        """Return what else a results file has of a suite; the accuracy that decides is there."""

    @abstractmethod
    def wrong_figures(self, suite: Mapping[str, Any]) -> Iterator[str]:
        """Yield which of these are not those of the records."""

    def saved_pairing(self, record: Mapping[str, Any]) -> str:
        """Return all that a record of a results file asks, as :meth:`AccuracySuite.pairing`."""
        return content_of(saved_content(record))

    def shown_record(self, one: AnsweredRecord) -> Record:
        """Return a record as the HTML page shows it."""
        return one.record

    @abstractmethod
    def own_figures(self, result: AccuracyResult) -> OwnFigures:
        """Return what reports show of a suite beside its accuracy."""

    def result(
        self, gathered: Gathered, suite: Suite[Any] | None, *, whole: bool
    ) -> AccuracyResult:
        """Return what became of a suite."""
        assert suite is None or isinstance(suite, AccuracySuite)  # noqa: S101  # it is of this kind
        facts = gathered.facts
        limits = self._limits(**facts["limits"])

        def decide(row: Mapping[str, Any]) -> str:
            if row.get("correct") is None:
                return "error"
            return "failed" if limits.every_right and not row["correct"] else "passed"

        read = self.reader(facts)
        rows = settled(gathered, suite, whole=whole, measure="correct", decide=decide, read=read)
        if whole:
            # Of a record that was not run nothing else knows it.
            rows = ((record, self._with_question(record, row, facts)) for record, row in rows)
        records = tuple(_answered_record(record, row) for record, row in rows)
        result = AccuracyResult(
            **known_fields(gathered),
            kind=self.name,
            terms=facts["terms"],
            limits=limits,
            records=records,
            categories=by_category(facts["categories"], limits, records),
        )
        return self.decided(result, gathered.gates, gathered.comparison)

    def _limits(
        self,
        min_accuracy: float | None,
        min_accuracies: Mapping[str, float],
        *,
        every_right: bool,
        by: str | None,
    ) -> AccuracyLimits:
        """Return what is asked of a suite; a results file does not tell the default field named."""
        own = None if by == self.by else by
        return AccuracyLimits(min_accuracy, min_accuracies, every_right, own)

    def _with_question(
        self, record: Record, row: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Add to what became of a record what it asks, and its category."""
        terms, by = facts["terms"], facts["limits"]["by"]
        category = self.own_category(record, terms) if by is None else category_of(record, by)
        asked = {**self.asked(record, terms), **row.get("facts", {})}
        return {**row, "facts": asked, "category": category}

    def document(self, result: AccuracyResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002  # nobody judges what is right
        """Return a suite's part of a results file."""
        share, limits = result.share, result.limits
        document = {
            "name": result.name,
            "kind": self.name,
            "checkpoint": asdict(result.checkpoint) if result.checkpoint is not None else None,
            "data": result.path,
            **result.terms,
            "total": result.total,
            **({} if result.groups is None else {"groups": result.groups}),
            "scored": len(result.answered),
            "unscored": result.total - len(result.answered),
            **_plain_share(share),
            **self.figures(result),
        }
        if result.categories:
            document["by"] = limits.by or self.by
            document["categories"] = {
                one.name: {
                    "total": one.total,
                    "scored": one.scored,
                    **_plain_share(one.share),
                    "min_accuracy": one.min_accuracy,
                }
                for one in result.categories
            }
        rest = result.share_without_overlap
        document |= saved_overlap(
            result.overlap,
            ACCURACY,
            None if rest is None else rest.accuracy,
            None if rest is None else rest.interval,
        )
        return document | {
            "min_accuracy": limits.min_accuracy,
            "every_right": limits.every_right,
            "outcome": result.outcome,
            "within_noise": share is not None and share.is_within_noise(limits.min_accuracy),
            "baseline": result.comparison and plain_comparison(result.comparison),
            "gates": plain_gates(result.gates),
            "records": [self._plain_record(one) for one in result.records],
        }

    def _plain_record(self, one: AnsweredRecord) -> dict[str, Any]:
        document = {
            **record_texts(one.record),
            **self.plain_record(one),
            "correct": one.correct,
            "error": one.error,
            "outcome": one.outcome,
        }
        more = {"cause": one.cause, "category": one.category}
        return document | {name: value for name, value in more.items() if value is not None}

    def from_document(
        self,
        suite: Mapping[str, Any],
        judge: Mapping[str, Any] | None,  # noqa: ARG002  # nobody judges what is right
    ) -> AccuracyResult:
        """Return a suite of a results file as a result."""
        saved, by = suite.get("categories", {}), suite.get("by")
        least = {name: one["min_accuracy"] for name, one in saved.items()}
        limits = self._limits(
            suite["min_accuracy"],
            {name: value for name, value in least.items() if value is not None},
            every_right=suite["every_right"],
            by=by,
        )
        records = tuple(self._from_document(record, suite) for record in suite["records"])
        return AccuracyResult(
            **saved_fields(suite),
            kind=self.name,
            path=suite["data"],
            terms={name: suite[name] for name in self.asked_as},
            limits=limits,
            records=records,
            categories=by_category(
                {name: one["total"] for name, one in saved.items()}, limits, records
            ),
            comparison=comparison_from_plain(suite.get("baseline"), self.measure),
        )

    def _from_document(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> AnsweredRecord:
        is_answered = record["correct"] is not None
        return AnsweredRecord(
            record_from_document(record),
            facts=self.saved_facts(record, suite),
            correct=record["correct"],
            shown=(self.saved_answer(record, suite) or "") if is_answered else "",
            expected=self.saved_expected(record) if is_answered else "",
            error=record["error"],
            outcome=record["outcome"],
            cause=record.get("cause"),
            category=record.get("category"),
        )

    def has_all(self, result: AccuracyResult) -> bool:
        """Say whether each record has an answer."""
        return len(result.answered) >= result.total

    def joined(
        self,
        shards: Sequence[AccuracyResult],
        samples: Sequence[AnsweredRecord],
        facts: Mapping[str, Any],
    ) -> AccuracyResult:
        """Return what the shards of a run found of a suite as one result."""
        result = super().joined(shards, samples, facts)
        totals = {one.name: one.total for one in result.categories}
        return replace(result, categories=by_category(totals, result.limits, samples))

    def decide(
        self,
        gate: str,
        result: AccuracyResult,
        facts: Mapping[str, Any],  # noqa: ARG002  # the result has them
    ) -> Decision:
        """Decide over all records, or those of a category."""
        decided = (
            _Decided(one.record.id, one.category, one.correct, one.error, one.record.group)
            for one in result.records
        )
        return _decide(gate, decided, result.limits)

    def property_of(self, sample: Mapping[str, Any]) -> tuple[str, object]:
        """Return the property of a record's test case in JUnit XML."""
        right = sample["correct"]
        return "llm_judge_correct", None if right is None else str(right).lower()

    def decide_saved(self, suite: Mapping[str, Any], sample: Mapping[str, Any]) -> Decision:
        """Decide over a record of a results file that has an answer."""
        return _decide_answer(
            is_right=bool(sample["correct"]), every_right=suite.get("every_right", False)
        )

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        """Yield which figures are not those of the records."""
        records = suite["records"]
        yield from repeated("records", [record["id"] for record in records])
        for record in records:
            right = self.is_right(record, suite)
            if record["correct"] is not right:
                shown = "null" if right is None else str(right).lower()
                given = str(record["correct"]).lower().replace("none", "null")
                yield f'{record["id"]}: its "correct" is {given}, and by its answer {shown}'
        answered = [record["correct"] for record in records if record["correct"] is not None]
        yield from counted(suite, len(records), len(answered))
        yield from _wrong_share(suite, answered, suite["total"])
        for name, figures in suite.get("categories", {}).items():
            own = [
                record["correct"]
                for record in records
                if record.get("category") == name and record["correct"] is not None
            ]
            for problem in (
                *differs(figures, "scored", len(own)),
                *_wrong_share(figures, own, figures["total"]),
            ):
                yield f"category {one_line(name, 60)}: {problem}"
        yield from self.wrong_figures(suite)
        yield from overlap_contradictions(suite)

    def saved_side(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side:  # noqa: ARG002  # nobody judges what is right
        """Return a suite of a results file as a comparison takes it."""
        entries = (
            _entry(
                record["id"],
                self.saved_pairing(record),
                correct=record["correct"],
                answer=self.saved_answer(record, suite),
                group=record.get("group"),
            )
            for record in suite["records"]
        )
        return self.side(suite["name"], entries, suite)

    def side(self, name: str, entries: Iterable[Entry], terms: Mapping[str, Any]) -> Side:
        """Return a suite as a comparison takes it.

        Args:
            name: Of the suite.
            entries: Its records.
            terms: How they were asked, as a results file has it.
        """
        own = self.compared(terms)
        return Side(self.measure, name, tuple(entries), terms=own, passes_at=_RIGHT)

    def saved_samples(self, suite: Mapping[str, Any]) -> dict[str, object]:
        """Return what each record of a suite of a results file asks, by id."""
        return {record["id"]: self.saved_pairing(record) for record in suite["records"]}

    def summary(self, result: AccuracyResult, rule: Rule) -> Summary:
        """Return what reports show of a suite."""
        return accuracy_summary(self, result, rule, self.own_figures(result))

    def page(
        self,
        result: AccuracyResult,
        summary: Summary,  # noqa: ARG002  # the result has all figures
        before: Mapping[str, Entry],
    ) -> SuitePage:
        """Return what the HTML page shows of a suite beside its summary."""
        shown = tuple(replace(one, record=self.shown_record(one)) for one in result.records)
        return accuracy_page(replace(result, records=shown), self.own_figures(result), before)

    def entries_before(self, baseline: SavedRun, result: AccuracyResult) -> dict[str, Entry]:
        """Return the baseline's entries of the same records, if they were asked in the same way."""
        side = self._baseline_side(baseline, result)
        if side.terms != self.compared(result.terms):
            return {}
        old = {(entry.id, entry.content): entry for entry in side.entries}
        asked = map(self._plain_record, result.records)
        keys = ((record["id"], self.saved_pairing(record)) for record in asked)
        return {key[0]: old[key] for key in keys if key in old}


class AccuracySuite(RecordSuite[Given]):
    """A suite whose records are answered right or wrong.

    Args:
        loaded: Its records and settings.
        limits: What is asked of it.

    Raises:
        SettingsError: A category that the marker names is not there.
    """

    kind: ClassVar[AccuracyKind]

    def __init__(self, loaded: suites.Suite, limits: AccuracyLimits) -> None:
        super().__init__(loaded)
        self.limits = limits
        records = loaded.records
        own = [self.kind.own_category(record, self.asked_as()) for record in records]
        wanted = limits.min_accuracies
        check_categories(loaded.name, records, limits.by, wanted, keyword="min_accuracy", own=own)
        if limits.by is not None:
            own = [category_of(record, limits.by) for record in records]
        self._categories = dict(zip(self.samples, own, strict=True))

    @abstractmethod
    def asked_as(self) -> dict[str, Any]:
        """Return how the records are asked, as a results file has it."""

    @abstractmethod
    def plain(self, value: Given) -> dict[str, Any]:
        """Return what the kind keeps of an answer as plain data."""

    def pairing(self, record: Record) -> str:
        """Return all that a record asks, for pairing it with itself."""
        return content_of(record)

    @abstractmethod
    def texts(self, value: Given) -> Iterator[tuple[str, str]]:
        """Yield what is shown of a record that failed, each text under a name."""

    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Name the gates over its data, and those over its accuracies and its baseline."""
        average, *others = gates_over_all(settings)
        return list(self.data_gates), [average, *map(gate_of, self.limits.min_accuracies), *others]

    def row(self, sample: Sample[Given]) -> dict[str, Any] | None:
        """Return what is known of a record as plain data."""
        value = sample.value
        row: dict[str, Any] = {
            "correct": None,
            "error": sample.error,
            "cause": sample.cause,
            "category": self._categories[sample.id],
            **self._group_in_row(sample.id),
        }
        if value is not None:
            row |= {
                "correct": value.is_right,
                "facts": self.plain(value),
                "shown": value.shown,
                "expected": value.expected,
            }
        return row

    def decide(self, gate: str, samples: Sequence[Sample[Given]]) -> Decision:
        """Decide over all records, or those of a category: each has an answer, enough are right."""
        decided = (
            _Decided(
                one.id,
                self._categories[one.id],
                None if one.error is not None or one.value is None else one.value.is_right,
                one.error,
                self.record(one.id).group,
            )
            for one in samples
        )
        return _decide(gate, decided, self.limits)

    def decide_sample(self, value: Given) -> Decision:
        """Decide over a record: right or wrong, it passes unless each has to be right."""
        return _decide_answer(is_right=value.is_right, every_right=self.limits.every_right)

    def failure_text(self, sample: Sample[Given], decision: Decision) -> str:
        """Return what was asked, what is right, and what was answered."""
        assert sample.value is not None  # noqa: S101  # it was decided over
        lines = [decision.reason]
        for name, text in self.texts(sample.value):
            if text:
                shown = textwrap.indent(printable(text), " " * 15)
                lines.append(f"{name + ':':<15}{shown[15:]}")
        return "\n".join(lines)

    def properties(self, value: Given) -> dict[str, object]:
        """Return whether it is right, for JUnit XML."""
        return {"llm_judge_correct": str(value.is_right).lower()}

    def baseline_keys(self) -> list[tuple[str, str]]:
        """Return id and content of each record."""
        return [(record.id, self.pairing(record)) for record in self.loaded.records]

    def cannot_fail(self, problem: str, hint: str) -> SettingsError | None:
        """Return the error that no gate can fail; ``None`` where one of its own can."""
        limits = self.limits
        if limits.min_accuracy or any(limits.min_accuracies.values()) or limits.every_right:
            return None
        hint = f"{hint}, or set min_accuracy above 0"
        return SettingsError(self.name, f"it cannot fail: {problem}", hint)

    def side(self, samples: Sequence[Sample[Given]], judge: JudgeLike | None) -> Side:  # noqa: ARG002
        """Return the suite as a comparison with its baseline takes it."""
        entries = (
            _entry(
                one.id,
                self.pairing(self.record(one.id)),
                correct=None if one.value is None else one.value.is_right,
                answer=None if one.value is None else one.value.shown,
                group=self.record(one.id).group,
            )
            for one in samples
        )
        return self.kind.side(self.name, entries, self.asked_as())

    def _limits(self) -> dict[str, Any]:
        names = self._categories.values()
        return {
            "limits": self.limits._asdict(),
            "terms": self.asked_as(),
            "categories": dict(Counter(name for name in names if name is not None)),
        }


class _Decided(NamedTuple):
    """What a gate knows of a record."""

    id: str
    category: str | None
    is_right: bool | None
    error: str | None
    group: str | None


def _decide(gate: str, records: Iterable[_Decided], limits: AccuracyLimits) -> Decision:
    """Decide over all records, or those of a category: each has an answer, enough are right.

    Args:
        gate: Over the accuracy of the suite, or of a category.
        records: Of the suite.
        limits: What is asked of it.
    """
    asked, least = list(records), limits.min_accuracy
    for category, of_category in limits.min_accuracies.items():
        if gate == gate_of(category):
            asked, least = [one for one in asked if one.category == category], of_category
    causes = {one.id: str(one.error) for one in asked if one.is_right is None}
    if causes:
        return unscored(list(causes), len(asked), causes, "records", ACCURACY)
    share = share_of([bool(one.is_right) for one in asked], group_numbers(o.group for o in asked))
    assert share is not None  # noqa: S101  # no suite and no category is empty
    return decide_share(share, least)


def accuracy_limits(keywords: Mapping[str, Any]) -> AccuracyLimits:
    """Return what a marker asks of a suite, from its keywords once they are checked."""
    accuracies = dict(keywords.get("min_accuracy", {}))
    return AccuracyLimits(
        min_accuracy=accuracies.pop(ALL, None),
        min_accuracies=accuracies,
        every_right=keywords.get("every_right", False),
        by=keywords.get("by"),
    )


def check_accuracy_can_fail(
    where: str, limits: AccuracyLimits, settings: Settings, *, has_training: bool
) -> None:
    """Refuse a suite that passes whatever is answered.

    Args:
        where: The suite, for messages.
        limits: What is asked of it.
        settings: The run's options.
        has_training: Whether it names training data.

    Raises:
        SettingsError: It has no gate.
    """
    has_limit = limits.min_accuracy is not None or limits.min_accuracies or limits.every_right
    if has_limit or settings.baseline is not None:
        return
    problem = "it has no gate and so cannot fail"
    if has_training:
        problem = "no answer of it can fail, only its overlap with the training data"
    hint = "set min_accuracy or every_right=True, or compare with --llm-judge-baseline"
    raise SettingsError(where, problem, hint)


def no_model_for_set(where: str) -> SettingsError:
    """Return the error that no model under test is named, where records hold no responses."""
    hint = "give --llm-judge-checkpoint, or checkpoint= in the marker"
    return SettingsError(where, "it has no model under test", hint)


def cut_statement(cut: int, total: int) -> Statement:
    """Say how many of all prompts were cut."""
    text = f"{cut} of {count_of(total, 'prompt')} lost their beginning, because they did not fit"
    return Statement(text, is_named=True)


def shots_digest(drawn: Iterable[Sequence[AnyQuestion]]) -> str | None:
    """Return a digest of the solved questions before each question; ``None`` without any.

    In another order they are other prompts, as are those with another solution.
    """
    shown = {tuple(map(_solved, shots)) for shots in drawn}
    return make_key(sorted(shown))[:_DIGEST] if any(shown) else None


def _solved(question: AnyQuestion) -> tuple[str, ...]:
    """Return all that is shown of a solved question."""
    if isinstance(question, ExactQuestion):
        return (*question.content, question.solution)
    return (*question.content, str(question.answer))


@contextmanager
def set_files_checked() -> Iterator[None]:
    """Have what is wrong with the file of a set end the run, as what is wrong with a marker does.

    Such a file is not what its marker says; nothing of the run tells what was meant.

    Raises:
        SettingsError: In the place of what says that a file cannot be used.
    """
    try:
        yield
    except RecordsError as error:
        problem = SettingsError(
            error.where, error.problem, error.hint, more=error.more, left=error.left
        )
    else:
        return
    raise problem


def _entry(
    name: str, content: str, *, correct: bool | None, answer: str | None, group: str | None
) -> Entry:
    """Return a record as a comparison takes it."""
    score = None if correct is None else _RIGHT * correct
    return Entry(name, content, score, answer, group)


def _answered_record(record: Record, row: Mapping[str, Any]) -> AnsweredRecord:
    return AnsweredRecord(
        record,
        facts=row.get("facts", {}),
        correct=row.get("correct"),
        shown=row.get("shown", ""),
        expected=row.get("expected", ""),
        error=row["error"],
        outcome=row["outcome"],
        cause=row.get("cause"),
        category=row.get("category"),
    )


def _plain_share(share: Share | None) -> dict[str, Any]:
    """Return right answers, accuracy and interval as a results file has them."""
    if share is None:
        return dict.fromkeys(("correct", ACCURACY, "ci95"))
    return {
        "correct": share.correct,
        ACCURACY: round(share.accuracy, 4),
        "ci95": [round(bound, 4) for bound in share.interval],
    }


def _wrong_share(figures: Mapping[str, Any], right: Sequence[bool], total: int) -> Iterator[str]:
    # Of a part of the records there is no accuracy.
    is_whole = bool(right) and len(right) == total
    yield from differs(figures, "correct", sum(right) if is_whole else None)
    yield from differs(figures, ACCURACY, sum(right) / total if is_whole else None)


def _decide_answer(*, is_right: bool, every_right: bool) -> Decision:
    """Decide over an answer: right or wrong, it passes unless each has to be right."""
    if is_right:
        return Decision(passed=True, reason="it is answered right")
    return Decision(passed=not every_right, reason="it is answered wrong")
