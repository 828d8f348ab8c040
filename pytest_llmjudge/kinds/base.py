"""What a kind of suite says of itself, so that the plugin can run suites without knowing kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pytest_llmjudge.data import CheckpointReference, Rule
from pytest_llmjudge.data.cases import SampleCase
from pytest_llmjudge.data.page import SuitePage
from pytest_llmjudge.decisions.gates import outcome_of
from pytest_llmjudge.storage.results_reader import saved_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import (
        AnyResult,
        Comparison,
        Entry,
        Explanation,
        GateResult,
        JudgeIdentity,
        Measure,
        Side,
    )
    from pytest_llmjudge.data.history import Figure
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.decisions.gates import Decision
    from pytest_llmjudge.errors import SettingsError
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.kinds.shared import Shared
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.pipeline.explanations import Question
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.sharding import Shard
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = [
    "AVERAGE",
    "BASELINE",
    "CAUSE",
    "INCOMPLETE",
    "JUDGE_CHECK",
    "NOT_RUN",
    "DataDecision",
    "Fitness",
    "Gathered",
    "Kind",
    "Marked",
    "Sample",
    "SampleReport",
    "Suite",
    "SuiteRun",
    "Value",
    "gates_over_all",
    "node_ids",
    "without_item",
]

AVERAGE = "average"
BASELINE = "baseline"
JUDGE_CHECK = "judge-check"
NOT_RUN = "it was not run"
CAUSE = "llm_judge_cause"
"""The property in JUnit XML that says why an item did not pass."""
OWN_FAILURE = "its test failed beside that, which the results file does not explain"
"""Why a sample failed that its figures let pass: by what its test's body says."""

INCOMPLETE = "incomplete"
"""The outcome of a suite of which no gate has decided."""

_TEXTS = (
    *(("system", "system text"), ("instruction", "instruction"), ("input", "input")),
    *(("output", "reference"), ("model_response", "response"), ("response", "response")),
    ("reply", "judge's reply"),
)
"""What of a record of a results file is shown where it did not pass, and how that is called."""

Value = TypeVar("Value")
"""What a kind keeps of the result of one sample."""
Result = TypeVar("Result", bound="AnyResult")


@dataclass(frozen=True, slots=True)
class Sample(Generic[Value]):
    """What this process knows of one sample of a suite.

    Attributes:
        id: As in the item's node id.
        value: What the kind keeps of its result; ``None`` when nothing at all is known.
        error: Why there is no result, as one line; ``None`` when there is one.
        cause: Of an error: ``record`` when nothing could be made of this sample, ``rig`` when
            server, model or checkpoint failed.
    """

    id: str
    value: Value | None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What is known of a sample when the run is over.

    Attributes:
        id: As in the item's node id.
        own: The row that its own item stored.
        of_gate: The row that a gate over the whole suite stored.
        is_reported: Whether its own item came to an end that pytest reported.
        is_skipped: Whether the user skips its own item, so that the stored row decides.
        outcome: Of its own item: ``passed``, ``failed`` or ``error``; ``None`` when the user skips
            the item or expects it to fail, so that only the row counts.
        reason: First line of what pytest shows of its own item.
        note: What pytest holds against the item beside its own decision; empty for nothing.
    """

    id: str
    own: Mapping[str, Any] | None = None
    of_gate: Mapping[str, Any] | None = None
    is_reported: bool = False
    is_skipped: bool = False
    outcome: str | None = None
    reason: str = ""
    note: str = ""


def without_item(sample: SampleReport, outcome: str) -> str:
    """Return the outcome of a sample whose own item has not run.

    A gate may have its result, but nothing has decided over it: it is ``not run``, unless it has an
    error or the user skips the item.

    Args:
        sample: What is known of it.
        outcome: What its result alone comes to.
    """
    return outcome if outcome == "error" or sample.is_skipped else "not run"


@dataclass(frozen=True, slots=True)
class DataDecision:
    """What a gate over a suite's data decided.

    Attributes:
        decision: Whether it passes, and why in one line.
        text: What is shown where it fails.
        details: Plain data for the suite's result.
    """

    decision: Decision
    text: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known of a suite when the run is over.

    Attributes:
        name: Node id of the test function.
        facts: Its :meth:`Suite.facts`, with ``checkpoint`` and ``judge``, and the names of its
            ``gates`` and of those that are ``due`` in this run.
        samples: Those of which anything is known, by id, in the suite's order.
        gates: All gates of the suite; one that was not due, or did not finish, is ``not run``.
        fault: Says for a sample's id how its item broke beside its own decision, else ``None``.
        comparison: With the baseline, where that gate has run.
        check: What the judge made of known answers.
        details: Of the gates over the suite's data that have run, by name.
    """

    name: str
    facts: Mapping[str, Any]
    samples: Mapping[str, SampleReport]
    gates: tuple[GateResult, ...]
    fault: Callable[[str], str | None]
    comparison: Comparison | None = None
    check: Mapping[str, Any] | None = None
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def checkpoint(self) -> CheckpointReference | None:
        """The model under test; ``None`` when the records held the responses."""
        facts = self.facts["checkpoint"]
        return None if facts is None else CheckpointReference(*facts)


@dataclass(frozen=True, slots=True)
class Marked:
    """A marked test function.

    Attributes:
        name: Its node id.
        arguments: The marker's positional ones.
        keywords: The marker's.
        base: Folder of the test file.
    """

    name: str
    arguments: Sequence[object]
    keywords: Mapping[str, object]
    base: Path


class Fitness(Protocol):
    """The result of a judge check."""

    @property
    def fit(self) -> bool:
        """Whether it may decide."""

    @property
    def reason(self) -> str:
        """Why, with the numbers."""


class SuiteRun(ABC, Generic[Value]):
    """A suite that has begun in this process.

    Attributes:
        model: Under test; ``None`` when the records hold the responses.
        judge: ``None`` for a suite that needs none.
    """

    model: object
    judge: JudgeLike | None

    @abstractmethod
    def sample(self, name: str, *, again: bool = False) -> Sample[Value]:
        """Return what is known of a sample, or find out; a problem is part of what it returns.

        Args:
            name: Id of the sample.
            again: Try once more what failed earlier in this run.
        """

    @abstractmethod
    def samples(self) -> list[Sample[Value]]:
        """Return the samples that this run needs in the suite's order, as :meth:`sample` does."""

    @abstractmethod
    def prepare(self, *, again: bool) -> None:
        """Have all of these, before a gate decides.

        Args:
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: Judge or model was replaced during the run, or nobody knows.
        """

    def check(self, *, again: bool) -> Fitness | None:  # noqa: ARG002
        """Return what the judge makes of known answers; ``None`` for a suite that has no judge.

        Args:
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: The infrastructure failed, so that nothing is known of the judge.
        """
        return None


class Suite(ABC, Generic[Value]):
    """What one marked test function decides over.

    Args:
        name: Node id of the test function.
        path: The suite's data.
        samples: Ids of its samples, in order.
        checkpoint: The model under test, as options and marker name it.

    Attributes:
        kind: What kind of suite it is.
        has_records: Whether its samples are the records of a file, which may be written back.
        uses_model: Whether a model answers; ``False`` when the records hold the responses.
        uses_judge: Whether a judge decides.
        data_gates: Those of its gates that decide over its data alone, without model and judge.
        rule: How it is held to its baseline, as in a run of it alone.
    """

    kind: ClassVar[Kind[Any]]
    has_records: ClassVar[bool] = False
    uses_model: bool = True
    uses_judge: bool = False
    data_gates: tuple[str, ...] = ()
    rule: Rule = Rule()

    def __init__(
        self, name: str, path: Path, samples: Sequence[str], checkpoint: Path | str | None
    ) -> None:
        self.name = name
        self.path = path
        self.samples = samples
        self.checkpoint = checkpoint

    @abstractmethod
    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Name the gates that come before the samples, and those that come after them."""

    def needed_by(self, gate: str) -> Sequence[str]:  # noqa: ARG002
        """Return the ids of the samples that a gate after them decides over."""
        return self.samples

    @abstractmethod
    def no_model(self) -> SettingsError:
        """Return the error that no model under test is named."""

    @abstractmethod
    def digest(self) -> str:
        """Return a digest of the suite's data."""

    @abstractmethod
    def facts(self, resources: Resources) -> dict[str, Any]:
        """Describe the suite as plain data, for the process that writes the results."""

    @abstractmethod
    def shared(self, resources: Resources) -> Iterator[Shared]:
        """Yield what must be the same in all processes, beside model, judge and data."""

    @abstractmethod
    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,
        needed: Sequence[str],
    ) -> SuiteRun[Value]:
        """Begin the suite in this process.

        Args:
            resources: Of this process.
            model: Under test; ``None`` when the records hold the responses.
            judge: ``None`` for a suite that needs none.
            needed: Ids of the samples that this run needs, so that all are answered together.

        Raises:
            LlmJudgeError: It cannot be run.
        """

    @abstractmethod
    def row(self, sample: Sample[Value]) -> dict[str, Any] | None:
        """Return what is known of a sample as plain data, ``None`` for nothing worth keeping."""

    @abstractmethod
    def decide(self, gate: str, samples: Sequence[Sample[Value]]) -> Decision:
        """Decide over the whole suite, for a gate of the kind's own."""

    def check_data(self, resources: Resources) -> None:
        """Prove that what the gates over the suite's data need is there.

        Raises:
            LlmJudgeError: It is not.
        """

    def decide_over_data(self, gate: str, resources: Resources) -> DataDecision:
        """Decide over the suite's data, for one of its ``data_gates``.

        Raises:
            LlmJudgeError: What that needs cannot be had.
        """
        raise NotImplementedError

    @abstractmethod
    def fixtures(self, value: Value) -> dict[str, object]:
        """Return the values of the fixtures that an item of a sample has."""

    def other_fixture(self, name: str) -> tuple[str, str] | None:  # noqa: ARG002
        """Say what a test of the suite is that asks for a fixture of another kind, and what to do.

        Returns:
            ``None`` where it is to be marked as the fixture's own kind says.
        """
        return None

    def decide_sample(self, value: Value) -> Decision | None:  # noqa: ARG002
        """Decide over a sample; ``None`` when it decides nothing by itself."""
        return None

    def failure_text(self, sample: Sample[Value], decision: Decision) -> str:  # noqa: ARG002
        """Return what is shown of a sample that failed."""
        return decision.reason

    def properties(self, value: Value) -> dict[str, object]:  # noqa: ARG002
        """Return the properties of a sample's test case in JUnit XML."""
        return {}

    def check(self, resources: Resources) -> None:
        """Prove that what the suite needs beside its model and judge can be had.

        Raises:
            LlmJudgeError: It cannot.
        """

    def ignores_template(self) -> bool:
        """Say whether the model under test reads a form in which its chat template plays no part.

        That is the default, so that nobody may have chosen it.
        """
        return False

    def longest_question(self, settings: Settings) -> int:  # noqa: ARG002
        """Return how many bytes of texts the longest question to the judge has, at most."""
        return 0

    def check_model(self, resources: Resources, fingerprint: str) -> None:
        """Prove that the suite can say anything of the model under test.

        Raises:
            LlmJudgeError: It cannot.
        """

    def check_judge(self, judge: JudgeIdentity) -> None:
        """Prove that a judge of this package's own can judge the suite, before it is asked.

        Raises:
            SettingsError: It cannot.
        """

    def check_prompts_of(self, model: Model) -> None:
        """Prove that a model of this package's own reads the prompts as what they are.

        Raises:
            LlmJudgeError: It does not.
        """

    def other_models(self, resources: Resources) -> list[Model]:  # noqa: ARG002
        """Return the models beside the one under test whose answers decide."""
        return []

    def named_models(self) -> Iterable[Path | str | None]:
        """Return the models that are named at the head of a run."""
        return ()

    def inputs(self, root: Path) -> Iterator[tuple[Path, str]]:  # noqa: ARG002
        """Yield the files that the suite reads, beside checkpoints, each with what it is.

        Args:
            root: pytest's root folder.
        """
        return iter(())

    def checkpoints(self) -> Iterable[Path | str | None]:
        """Return the checkpoints that the suite reads."""
        return (self.checkpoint,)

    def advice(self, baseline_fingerprint: str, fingerprint: str) -> Iterator[str]:  # noqa: ARG002
        """Yield what whoever set up the suite may not have meant.

        Args:
            baseline_fingerprint: Of the model that the baseline's suite was made with, or empty.
            fingerprint: Of the model under test, or empty.
        """
        return iter(())

    def baseline_keys(self) -> list[tuple[str, str]] | None:
        """Return id and content of what pairs up with a baseline; ``None`` for nothing."""
        return None

    def group_names(self) -> list[str | None] | None:
        """Return the group of each of these; ``None`` where each is alone."""
        return None

    def cannot_fail(self, problem: str, hint: str) -> SettingsError | None:  # noqa: ARG002
        """Return the error that the suite cannot fail; ``None`` when it has other gates.

        Args:
            problem: Why its gate over the baseline cannot fail.
            hint: What to do about that.
        """
        return None

    def check_baseline(self, before: Side) -> None:
        """Prove that a baseline has what the comparison with it needs, as far as a file tells.

        Args:
            before: The suite there; without entries where there is none.

        Raises:
            SettingsError: It has not.
        """

    def side(self, samples: Sequence[Sample[Value]], judge: JudgeLike | None) -> Side:
        """Return the suite as a comparison with its baseline takes it.

        Raises:
            LlmJudgeError: It cannot be had.
        """
        raise NotImplementedError


class Kind(ABC, Generic[Result]):
    """A kind of suite.

    Attributes:
        name: In results files, and as the ``kind`` of its results.
        title: For people.
        marker: Makes a function a suite of this kind.
        asks_judge: Whether a judge's server, or people, stand behind its results.
        measure: What its scores mean beside a baseline's; ``None`` when it has no such gate.
        figure: What is followed over many runs.
        settings: Keys of its part of a results file that say how it was run, beside model and
            judge; a change of one of them is named in a history.
        explains: Whether the judge can be asked what is wrong with a sample that failed.
        terms: Those of ``settings`` without which the figure means something else, of a kind
            without a measure.
        samples: Name of the field of its results that holds what became of the samples.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    marker: ClassVar[str]
    asks_judge: ClassVar[bool]
    explains: ClassVar[bool] = False
    measure: ClassVar[Measure | None] = None
    figure: ClassVar[Figure]
    settings: ClassVar[tuple[str, ...]]
    terms: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[str] = "records"

    @abstractmethod
    def load(self, marked: Marked, settings: Settings) -> Suite[Any]:
        """Check a marker, and load what it names.

        Args:
            marked: The test function.
            settings: The run's options.

        Raises:
            SettingsError: The marker cannot be used.
            LlmJudgeError: The data cannot be used.
        """

    def ask(
        self,
        resources: Resources,
        model: Callable[[], ModelLike],
        *arguments: Any,  # noqa: ANN401  # of each kind's own
        **keywords: Any,  # noqa: ANN401
    ) -> object:
        """Answer a call of the kind's fixture for any test.

        Args:
            resources: Of this process.
            model: Returns the model under test, or raises the error that there is none.
            arguments: The call's own.
            keywords: The same.

        Raises:
            LlmJudgeError: An argument cannot be used, or there is no result.
        """
        raise NotImplementedError

    @abstractmethod
    def result(self, gathered: Gathered, suite: Suite[Any] | None, *, whole: bool) -> Result:
        """Return what became of a suite.

        Args:
            gathered: What is known of it.
            suite: The suite itself, where this process has collected it.
            whole: List the samples that were not run too, with all their texts.

        Raises:
            LlmJudgeError: Its data changed while the run was going on.
        """

    @abstractmethod
    def summary(self, result: Result, rule: Rule) -> Summary:
        """Return what reports show of a suite.

        Args:
            result: Of the suite.
            rule: How it is held to its baseline.
        """

    def page(
        self,
        result: Result,  # noqa: ARG002
        summary: Summary,  # noqa: ARG002
        before: Mapping[str, Entry],  # noqa: ARG002
    ) -> SuitePage:
        """Return what the HTML page shows of a suite beside its summary.

        Args:
            result: Of the suite, with all texts.
            summary: Of the suite.
            before: What :meth:`entries_before` returned.
        """
        return SuitePage()

    @abstractmethod
    def document(self, result: Result, judge: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return a suite's part of a results file.

        Args:
            result: Of the suite.
            judge: The judge that the file names for all suites; a suite with another names its own.
        """

    @abstractmethod
    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        """Yield which figures of a suite of a results file are not those of its own samples."""

    @abstractmethod
    def from_document(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Result:
        """Return a suite of a results file as the result that was written: of :meth:`document`.

        Args:
            suite: Its part of a file that was checked as a whole.
            judge: The judge that the file names for all suites.
        """

    def sample_id(self, sample: Any) -> str:  # noqa: ANN401  # of each kind's own
        """Return the id of one of the samples of a result."""
        name: str = sample.record.id
        return name

    @abstractmethod
    def has_all(self, result: Result) -> bool:
        """Say whether there is a result of each sample of a suite."""

    def part_of(self, result: Result, shard: Shard) -> Result:
        """Return a result that lists the samples of a shard alone; its total stays."""
        samples = getattr(result, self.samples)
        own = tuple(sample for sample in samples if self.sample_id(sample) in shard)
        return _replaced(result, **{self.samples: own})

    def worst_first(self, shards: Sequence[Any]) -> list[Any]:
        """Return what shards found, that of the worst judge first."""

        def fitness(shard: Any) -> tuple[int, float]:  # noqa: ANN401  # a result of the kind
            if not self.asks_judge or shard.check is None:
                return 2, 0.0
            return int(shard.check.fit), shard.check.discrimination or 0.0

        return sorted(shards, key=fitness)

    def first_run(self, shards: Sequence[Result]) -> Result:
        """Return the first shard in which a sample ran.

        One in which none ran may not have seen a model or a judge of the user's own.
        """
        ran = (
            shard
            for shard in shards
            if any(sample.outcome != "not run" for sample in getattr(shard, self.samples))
        )
        return next(ran, shards[0])

    def joined(
        self,
        shards: Sequence[Result],
        samples: Sequence[Any],
        facts: Mapping[str, Any],  # noqa: ARG002
    ) -> Result:
        """Return what the shards of a run found of a suite as one result, no gate decided yet.

        Args:
            shards: What each found, in their order.
            samples: Those of all shards, in the suite's order.
            facts: The suite's :meth:`Suite.facts`, the same in all shards.
        """
        more = {"check": self.worst_first(shards)[0].check} if self.asks_judge else {}
        return _replaced(self.first_run(shards), **{self.samples: tuple(samples)}, **more)

    @abstractmethod
    def decide(self, gate: str, result: Result, facts: Mapping[str, Any]) -> Decision:
        """Decide a gate of the kind's own from a result alone, as :meth:`Suite.decide` does.

        Args:
            gate: Not the one over the baseline.
            result: Of the whole suite, as :meth:`joined` returned it.
            facts: As there.
        """

    def decided(
        self, result: Result, gates: Sequence[GateResult], comparison: Comparison | None
    ) -> Result:
        """Return a result with its gates, and its outcome.

        Args:
            result: Of all samples of which something is known.
            gates: All gates of the suite, in its order.
            comparison: With the baseline, where there is one.
        """
        more = {} if self.measure is None else {"comparison": comparison}
        samples = getattr(result, self.samples)
        outcome = outcome_of(samples, gates, has_all=self.has_all(result))
        return _replaced(result, gates=tuple(gates), outcome=outcome, **more)

    def saved_side(
        self,
        suite: Mapping[str, Any],  # noqa: ARG002
        judge: Mapping[str, Any] | None,  # noqa: ARG002
    ) -> Side | None:
        """Return a suite of a results file as a comparison takes it; ``None`` without a measure.

        Args:
            suite: Its part of the file.
            judge: The judge that the file names for all suites.
        """
        return None

    def saved_interval(self, suite: Mapping[str, Any]) -> tuple[float, float] | None:
        """Return the 95 % interval of the figure of a suite of a results file."""
        return suite["ci95"] and tuple(suite["ci95"])

    def saved_samples(self, suite: Mapping[str, Any]) -> dict[str, object]:
        """Return what each sample of a suite of a results file asks, by id."""
        return {
            record["id"]: (saved_content(record), record.get("criteria"))
            for record in suite["records"]
        }

    def saved_cases(self, suite: Mapping[str, Any]) -> Iterator[SampleCase]:
        """Yield the samples of a suite of a results file as test cases."""
        for record in suite["records"]:
            named = self.property_of(record)
            properties = [] if named is None else [named]
            if self.asks_judge and "cause" in record:
                properties.append((CAUSE, record["cause"]))
            yield SampleCase(
                record["id"],
                record["outcome"],
                self._why(suite, record),
                tuple((shown, text) for key, shown in _TEXTS if (text := record.get(key))),
                tuple((name, str(value)) for name, value in properties if value is not None),
                record.get("seconds"),
            )

    def property_of(self, sample: Mapping[str, Any]) -> tuple[str, object] | None:  # noqa: ARG002
        """Return name and value of the property that a sample's test case has in JUnit XML.

        Args:
            sample: Of a results file.

        Returns:
            ``None`` for a kind that has none; ``None`` for the value where this sample has none.
        """
        return None

    def decide_saved(
        self,
        suite: Mapping[str, Any],  # noqa: ARG002
        sample: Mapping[str, Any],  # noqa: ARG002
    ) -> Decision | None:
        """Decide over a sample of a results file that has a result, as the suite did.

        Returns:
            ``None`` where samples decide nothing by themselves.
        """
        return None

    def _why(self, suite: Mapping[str, Any], sample: Mapping[str, Any]) -> str:
        """Say why a sample did not pass; empty where it did."""
        if sample["outcome"] == "passed":
            return ""
        if sample["error"] is not None:
            return str(sample["error"])
        decision = self.decide_saved(suite, sample)
        if sample["outcome"] == "failed" and decision is not None and not decision.passed:
            return decision.reason
        return NOT_RUN if sample["outcome"] == "not run" else OWN_FAILURE

    def saved_outcomes(self, suite: Mapping[str, Any]) -> dict[str, str]:
        """Return the outcome of each sample of a suite of a results file, by id."""
        return {record["id"]: record["outcome"] for record in suite["records"]}

    def judge(self, result: Result) -> JudgeIdentity | None:  # noqa: ARG002
        """Return the judge that decided; ``None`` when none did."""
        return None

    def with_responses(self, result: Result) -> list[dict[str, Any]] | None:  # noqa: ARG002
        """Return a suite's records with their responses; ``None`` when it has no records."""
        return None

    def questions(
        self,
        result: Result,  # noqa: ARG002
        before: Mapping[str, Entry],  # noqa: ARG002
        most: int | None,  # noqa: ARG002
    ) -> Sequence[Question]:
        """Return what the judge can be asked about samples that failed, the worst first.

        Args:
            result: Of the suite, with all texts.
            before: What :meth:`entries_before` returned.
            most: How many questions; ``None`` for one about each.
        """
        return ()

    def explained(self, result: Result, explanations: Mapping[str, Explanation]) -> Result:  # noqa: ARG002
        """Return a result with explanations of its samples, by their ids."""
        return result

    def together(self, results: Sequence[Result]) -> tuple[Result, ...]:
        """Add to the results of a run what only all of them together say."""
        return tuple(results)

    def models(self, result: Result) -> tuple[str, ...]:
        """Name the models whose answers decided, as the result names them."""
        return () if result.checkpoint is None else (result.checkpoint.path,)

    def entries_before(self, baseline: SavedRun, result: Result) -> dict[str, Entry] | None:  # noqa: ARG002
        """Return the baseline's entries that stand beside a result, by id; ``None`` for none."""
        return None

    def _baseline_side(self, baseline: SavedRun, result: Result) -> Side:
        """Return what the baseline has of a suite; the kind has a measure."""
        assert self.measure is not None  # noqa: S101  # else it compares with no baseline
        compared = result.comparison
        old = compared.baseline_suite if compared is not None else ""
        return baseline.side(self.measure, old or result.name)


def _replaced(result: Result, **fields: object) -> Result:
    """Return a result with other values of some fields; of each kind it is a dataclass."""
    plain: Any = result
    made: Result = replace(plain, **fields)
    return made


def node_ids(suite: str, item: str) -> tuple[str, str]:
    """Return the node ids that an item may have."""
    # pytest writes what is not ASCII in an id as escapes, unless an ini option forbids it.
    escaped = item.encode("unicode_escape").decode("ascii")
    return f"{suite}[{item}]", f"{suite}[{escaped}]"


def gates_over_all(settings: Settings, figure: str = AVERAGE) -> list[str]:
    """Name the gates over a suite's figure, and over the baseline where there is one."""
    return [figure] if settings.baseline is None else [figure, BASELINE]
