"""What suites of a records file have in common, whatever is measured on its records."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Criterion, Record
from pytest_llmjudge.errors import RecordsError, SettingsError
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.kinds.base import (
    INCOMPLETE,
    NOT_RUN,
    DataDecision,
    Sample,
    Suite,
    SuiteRun,
    Value,
    without_item,
)
from pytest_llmjudge.kinds.markers import GATES
from pytest_llmjudge.kinds.overlap import (
    OVERLAP,
    decide_overlap,
    overlap_from_plain,
    overlap_text,
    plain_overlap,
    read_all_training,
)
from pytest_llmjudge.kinds.read_back import checkpoint_from_document, gates_from_document
from pytest_llmjudge.kinds.shared import Shared
from pytest_llmjudge.stats.groups import count_groups, group_numbers
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import JudgeIdentity
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.kinds.base import Gathered, Marked, SampleReport
    from pytest_llmjudge.pipeline import Outcome, Run
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.records.files import Source
    from pytest_llmjudge.records.training import Training
    from pytest_llmjudge.settings import Settings

__all__ = [
    "RESPONSE",
    "RecordRun",
    "RecordSuite",
    "check_single_turns",
    "has_response",
    "known_fields",
    "records_file",
    "records_reader",
    "saved_fields",
    "settled",
]


RESPONSE = "model_response"
"""The field into which ``--llm-judge-responses`` writes."""


class RecordSuite(Suite[Value]):
    """A suite of records.

    Args:
        loaded: Its records and settings.
    """

    has_records = True

    def __init__(self, loaded: suites.Suite) -> None:
        ids = tuple(record.id for record in loaded.records)
        super().__init__(loaded.name, loaded.path, ids, loaded.settings.checkpoint)
        self.loaded = loaded
        self.uses_model = loaded.settings.responses is None
        self.data_gates = (OVERLAP,) if loaded.settings.training else ()
        self._training: list[Training] | None = None
        self._by_id = dict(zip(ids, loaded.records, strict=True))

    def record(self, name: str) -> Record:
        """Return a record by its id."""
        return self._by_id[name]

    def group_names(self) -> list[str | None]:
        """Return the group of each record; ``None`` for one that is alone."""
        return [record.group for record in self.loaded.records]

    def _group_in_row(self, name: str) -> dict[str, str]:
        """Return the group of a record for its row, from which whoever has not read it knows it."""
        group = self.record(name).group
        return {} if group is None else {"group": group}

    def no_model(self) -> SettingsError:
        """Return the error that no model under test is named."""
        hint = "give --llm-judge-checkpoint, or checkpoint= or responses= in the marker"
        if self.has_records and all(has_response(record) for record in self.loaded.records):
            field = f"--llm-judge-responses-field={RESPONSE}"
            hint += f", or judge the {RESPONSE} that every record has with {field}"
        return SettingsError(self.name, "it has no model under test", hint)

    def longest_question(self, settings: Settings) -> int:
        """Return how many bytes of texts the longest question to the judge has, at most.

        Known answers and decoy questions put any record's reference beside any other record's
        question, so that the longest texts of all records count together.
        """
        from pytest_llmjudge.judging.context import text_size

        records = self.loaded.records
        question = max(
            sum(map(text_size, (record.system, record.instruction, record.input)))
            + sum(text_size(turn.text) for turn in record.turns)
            + sum(text_size(one.name) + text_size(one.text) for one in record.criteria)
            + sum(text_size(one.instruction) for one in record.follow_ups)
            for record in records
        )
        reference = max(
            text_size(text)
            for record in records
            for text in (record.output, *(one.output for one in record.follow_ups))
        )
        longest = (self._longest_answer(field, settings) for field in self._answer_fields())
        return question + reference + sum(max(reference, answer) for answer in longest)

    def _answer_fields(self) -> list[str | None]:
        """Name where each answer that a question shows stands; ``None`` for one that is made."""
        return [self.loaded.settings.responses]

    def _longest_answer(self, field: str | None, settings: Settings) -> int:
        """Return how many bytes an answer has at most; a token that is made is taken for four.

        The question about a later turn shows the answers to those before it as well.
        """
        from pytest_llmjudge.judging.context import text_size

        records = self.loaded.records
        if field is None:
            return 4 * settings.max_new_tokens * max(1 + len(one.follow_ups) for one in records)
        return max(text_size(str(record.fields[field])) for record in records)

    def digest(self) -> str:
        """Return the SHA-256 of the records file as it was when it was loaded."""
        return self.loaded.digest

    @abstractmethod
    def _limits(self) -> dict[str, Any]:
        """Return the gates that the suite sets, by keyword."""

    def check_data(self, resources: Resources) -> None:
        """Read the training data; see :meth:`.base.Suite.check_data`."""
        self._training = read_all_training(self.loaded, resources)

    def decide_over_data(self, gate: str, resources: Resources) -> DataDecision:  # noqa: ARG002
        """Decide over what records and training data have in common."""
        from pytest_llmjudge.records.training import find_overlap

        training = self._training or read_all_training(self.loaded, resources)
        self._training = None
        overlap = find_overlap(self.loaded.records, training, self.loaded.settings.max_overlap)
        decision = decide_overlap(overlap)
        return DataDecision(decision, overlap_text(overlap), plain_overlap(overlap))

    def facts(self, resources: Resources) -> dict[str, Any]:  # noqa: ARG002
        """Describe the suite as plain data."""
        return {"path": str(self.path), "digest": self.loaded.digest, **self._terms()}

    def _terms(self) -> dict[str, Any]:
        settings, groups = self.loaded.settings, group_numbers(self.group_names())
        return {
            "group": settings.group,
            "groups": None if groups is None else count_groups(groups),
            "responses": settings.responses,
            "sample": settings.sample,
            "fields": settings.fields,
            "split": settings.split,
            "system": settings.system,
            "criteria": [asdict(one) for one in settings.criteria],
            "max_overlap": settings.max_overlap,
            "total": len(self.samples),
            **self._limits(),
        }

    def shared(self, resources: Resources) -> Iterator[Shared]:
        """Yield what must be the same in all processes, beside model, judge and records file."""
        for key, value in self._terms().items():
            yield Shared(f"{self.name} {key}", self.name, key, value)
        template = make_key(self.loaded.template)
        yield Shared(f"{self.name} prompt", self.name, "prompt", template)
        # Who only reads results files does not wait for this import.
        from pytest_llmjudge.records.training import training_digest

        for number, path in enumerate(self.loaded.settings.training, 1):
            shown, key = resources.models.shown_path(path), f"{self.name} training {number}"
            yield Shared(key, shown, "content", training_digest(path))

    def check(self, resources: Resources) -> None:
        """Prove that prompts and near misses can be made; see :meth:`.base.Suite.check`."""
        if self._makes_responses():
            self.loaded.check_prompts()
        least, records = resources.settings.check_near, self.loaded.records
        if least is None or not self.uses_judge or resources.settings.check == "off":
            return
        from pytest_llmjudge.judging.check import has_near_misses
        from pytest_llmjudge.judging.near import no_near_misses

        if not has_near_misses(records):
            problem = f"no near misses: {no_near_misses(len(records))}"
            hint = f"leave out --llm-judge-check-near={least:g}, which needs one"
            raise SettingsError(self.name, problem, hint)

    def check_judge(self, judge: JudgeIdentity) -> None:
        """Prove that a judge understands what criteria there are; see :class:`.base.Suite`."""
        from pytest_llmjudge.settings import EMBEDDED

        if judge.backend == EMBEDDED and any(record.criteria for record in self.loaded.records):
            problem = "the embedded judge compares with a reference, and understands no criteria"
            hint = "name a language model with --llm-judge-model"
            raise SettingsError(self.name, problem, hint)

    def check_prompts_of(self, model: Model) -> None:
        """Prove that a model reads the prompts as what they are; see :class:`.base.Suite`."""
        from pytest_llmjudge.kinds.prompt_fit import check_prompts_of

        check_prompts_of(self.loaded, model)

    def ignores_template(self) -> bool:
        """Say whether models read the default prompt; see :meth:`.Suite.ignores_template`."""
        return self._makes_responses() and self.loaded.template == "alpaca"

    def _makes_responses(self) -> bool:
        """Say whether a model reads prompts of the suite."""
        return self.uses_model

    def named_models(self) -> list[Path | str | None]:
        """Return the models that are named at the head of a run."""
        return self.checkpoints()

    def checkpoints(self) -> list[Path | str | None]:
        """Return the checkpoints that the suite reads."""
        return [self.checkpoint] if self.uses_model else []

    def inputs(self, root: Path) -> Iterator[tuple[Path, str]]:  # noqa: ARG002
        """Yield the files that the suite reads, beside checkpoints."""
        from pytest_llmjudge.settings import BUILT_IN_PROMPTS

        yield self.path, f"the records file of {self.name}"
        for path in self.loaded.settings.training:
            yield path, f"the training data of {self.name}"
        prompt = self.loaded.settings.prompt
        if prompt not in BUILT_IN_PROMPTS:
            yield Path(prompt), f"the prompt of {self.name}"


class RecordRun(SuiteRun[Value]):
    """A suite of records that has begun in this process.

    Args:
        suite: The suite.
        run: Has its outcomes, or finds them out.
    """

    def __init__(self, suite: RecordSuite[Value], run: Run[Any, Any]) -> None:
        self.model = run.model
        self.judge = run.judge
        self._suite = suite
        self._run = run

    def sample(self, name: str, *, again: bool = False) -> Sample[Value]:
        """Return what is known of a record, or find out."""
        record = self._suite.record(name)
        return self._sample(record, self._run.outcome(record, again=again))

    def samples(self) -> list[Sample[Value]]:
        """Return the records that this run needs, in file order."""
        return [self._sample(record, outcome) for record, outcome in self._run.outcomes()]

    def prepare(self, *, again: bool) -> None:
        """Have all outcomes that are needed, and proof of one judge and one model."""
        self._run.prepare(again=again)

    def _sample(self, record: Record, outcome: Outcome[Any, Any]) -> Sample[Value]:
        verdict, value = outcome.verdict, self._value(record, outcome)
        if verdict.score is not None:
            return Sample(record.id, value)
        return Sample(
            record.id, value, str(verdict.error), "rig" if verdict.is_infrastructure else "record"
        )

    @abstractmethod
    def _value(self, record: Record, outcome: Outcome[Any, Any]) -> Value:
        """Return what the kind keeps of an outcome."""


def check_single_turns(name: str, marker: str, records: Sequence[Record]) -> None:
    """Refuse records of several turns, which a kind of suite has no use for.

    Args:
        name: Of the suite.
        marker: Of the kind.
        records: Of the suite.

    Raises:
        SettingsError: There are some.
    """
    several = [record for record in records if record.follow_ups]
    if several:
        problem = (
            f"{marker} takes records of one turn, and {len(several)} of {len(records)} have "
            f"several (the first is {several[0].id})"
        )
        raise SettingsError(name, problem, "judge them with llm_judge")


def records_file(marked: Marked, marker: str, example: str) -> str:
    """Return the records file that a marker names.

    Raises:
        SettingsError: It names none, or several.
    """
    arguments = marked.arguments
    if len(arguments) == 1 and isinstance(arguments[0], (str, Path)):
        return str(arguments[0])
    problem = f"{marker} has {len(arguments)} positional arguments"
    if len(arguments) == 1:
        problem = f"{marker} has {shown(arguments[0])} for a records file"
    raise SettingsError(marked.name, problem, f"give it one records file, as in {example}")


def known_fields(gathered: Gathered) -> dict[str, Any]:
    """Return the fields that results of all suites of records have, of a run, none decided yet."""
    facts = gathered.facts
    return {
        "name": gathered.name,
        "path": facts["path"],
        "checkpoint": gathered.checkpoint,
        "total": facts["total"],
        "groups": facts["groups"],
        "overlap": overlap_from_plain(gathered.details.get(OVERLAP)),
        "gates": (),
        "outcome": INCOMPLETE,
    }


def saved_fields(suite: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that results of all suites of records have, of a suite of a file."""
    return {
        "name": suite["name"],
        "checkpoint": checkpoint_from_document(suite),
        "total": suite["total"],
        "groups": suite.get("groups"),
        "overlap": overlap_from_plain(suite.get(OVERLAP)),
        "gates": gates_from_document(suite),
        "outcome": suite["outcome"],
    }


def settled(
    gathered: Gathered,
    suite: RecordSuite[Any] | None,
    *,
    whole: bool,
    measure: str,
    decide: Callable[[Mapping[str, Any]], str],
    read: Callable[[Source], Sequence[Record]],
) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Yield the records of a suite, each with its row and an ``outcome`` in it.

    Args:
        gathered: What is known of the suite.
        suite: The suite itself, where this process has collected it.
        whole: Yield the records that were not run too.
        measure: The key of a row that has no value when the record is unscored.
        decide: Returns the outcome of a row alone.
        read: Returns the records of the suite's file, where this process has not collected it.

    Raises:
        RecordsError: The records file changed while the run was going on.
    """
    if not whole:
        for sample in gathered.samples.values():
            row = _settled(sample, gathered.fault(sample.id), measure, decide)
            yield Record(sample.id, "", "", "", {}, group=row.pop("group", None)), row
        return
    loaded = suite.loaded.records if suite is not None else _load(gathered, read)
    for record in loaded:
        known, fault = gathered.samples.get(record.id), gathered.fault(record.id)
        if known is not None:
            row = _settled(known, fault, measure, decide)
            row.pop("group", None)
            yield record, row
        elif fault is not None:
            yield record, {"error": fault, "cause": "rig", "outcome": "error"}
        else:
            yield record, {"error": NOT_RUN, "outcome": "not run"}


def _settled(
    sample: SampleReport,
    fault: str | None,
    measure: str,
    decide: Callable[[Mapping[str, Any]], str],
) -> dict[str, Any]:
    """Join what a record's own item and the gates know of it."""
    own, of_gate = sample.own, sample.of_gate
    if own is None and not sample.is_reported:
        row = dict(of_gate or {})
        outcome = without_item(sample, decide(row))
        return {**row, "outcome": outcome if fault is None else "error"}
    if own is None:
        own = {"error": sample.reason, "cause": "rig"}
    outcome = sample.outcome or decide(own)
    if own.get(measure) is None:
        # A gate that was run again may have had what the record's own item had not.
        has_more = of_gate is not None and of_gate.get(measure) is not None
        row = dict(of_gate or {}) if has_more else dict(own)
        return {**row, "outcome": outcome if fault is None else "error"}
    error = "; ".join(filter(None, (own["error"], sample.note, fault))) or None
    if fault is not None and outcome != "failed":
        outcome = "error"
    return {**own, "error": error, "outcome": outcome}


def records_reader(
    terms: Mapping[str, Any], against: str | None = None
) -> Callable[[Source], tuple[Record, ...]]:
    """Return a function that reads the records of a source.

    Args:
        terms: Has ``fields`` and ``split``, and may have ``responses``, a field that must hold a
            string in every record, and ``criteria``; as a suite's settings and its facts have them.
        against: Another such field, as ``against=`` names it.
    """
    from pytest_llmjudge.records.loading import load_records

    return partial(
        load_records,
        response_field=terms.get("responses"),
        against_field=against,
        gates=GATES,
        fields=terms["fields"],
        split=terms["split"],
        criteria=[Criterion(**one) for one in terms.get("criteria", ())],
    )


def has_response(record: Record) -> bool:
    """Say whether a record holds a response where ``--llm-judge-responses`` writes one."""
    return isinstance(record.fields.get(RESPONSE), list if record.follow_ups else str)


def _load(gathered: Gathered, read: Callable[[Source], Sequence[Record]]) -> Sequence[Record]:
    from pytest_llmjudge.records.files import find_source, source_digest
    from pytest_llmjudge.records.loading import draw_sample
    from pytest_llmjudge.records.suites import with_groups, with_system

    facts = gathered.facts
    path = Path(facts["path"])
    source = find_source(path, facts["split"])
    if source_digest(source) != facts["digest"]:
        hint = "run again; the verdicts are kept in the cache"
        raise RecordsError(path.name, "it changed while the run was going on", hint)
    records = with_groups(gathered.name, read(source), facts["group"])
    return with_system(draw_sample(records, facts["sample"]), facts["system"])
