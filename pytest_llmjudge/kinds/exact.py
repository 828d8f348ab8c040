"""Suites of generated answers that are compared with their references after an extraction."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_llmjudge.data import Measure
from pytest_llmjudge.data.page import Term
from pytest_llmjudge.data.summary import Statement
from pytest_llmjudge.errors import RecordsError, SettingsError, one_line
from pytest_llmjudge.kinds.accuracy import (
    ACCURACY_KEYWORDS,
    CUT,
    SHOTS_KEYWORDS,
    AccuracyKind,
    AccuracySuite,
    cut_statement,
    no_model_for_set,
    shots_digest,
)
from pytest_llmjudge.kinds.accuracy_results import OwnFigures
from pytest_llmjudge.kinds.asked import ask_set
from pytest_llmjudge.kinds.exact_results import ExactAnswer, ExactResult, shown_answer
from pytest_llmjudge.kinds.markers import GATES
from pytest_llmjudge.kinds.plain import with_response
from pytest_llmjudge.kinds.records import check_single_turns, records_file, records_reader
from pytest_llmjudge.questions.extraction import (
    EXACT,
    check_extraction,
    deciding_filter,
    make_extraction,
)
from pytest_llmjudge.questions.presets import EXACT_PRESETS
from pytest_llmjudge.settings import RAW, RECORD_KEYWORDS, chosen_for
from pytest_llmjudge.storage.consistent import differs
from pytest_llmjudge.values import check_choice, integer_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record, Side
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.kinds.accuracy_results import (
        AccuracyLimits,
        AccuracyResult,
        AnsweredRecord,
    )
    from pytest_llmjudge.kinds.base import Marked, Sample, SuiteRun
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.questions.base import ExactForm
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.records.files import Source
    from pytest_llmjudge.settings import Settings, SuiteSettings

__all__ = ["EXACT_ANSWERS", "ExactSuite"]

_MARKER = "llm_exact"
_EXAMPLE = 'llm_exact("own.json", extract="last-number", min_accuracy=0.5)'
_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "preset": check_choice(*EXACT_PRESETS),
    "extract": check_extraction,
    **SHOTS_KEYWORDS,
    "max_new_tokens": integer_check(
        "{value} is no number of tokens", "a whole number of 1 or more", lambda number: number >= 1
    ),
    **ACCURACY_KEYWORDS,
    **RECORD_KEYWORDS,
}
_TERMS = ("preset", "extract", "shots", "shots_digest", "max_new_tokens", "responses")


class _Exact(AccuracyKind):
    """Suites of the marker ``llm_exact``."""

    name = "exact"
    title = "Exact answers"
    marker = _MARKER
    measure = Measure("exact", value="accuracy in points", verbs=("right", "wrong"), is_binary=True)
    settings = (
        *("data", *_TERMS),
        *("by", "min_accuracy", "every_right"),
    )
    asked_as = _TERMS
    keywords = _KEYWORDS

    def read(
        self,
        marked: Marked,
        keywords: Mapping[str, Any],
        limits: AccuracyLimits,
        settings: Settings,
    ) -> ExactSuite:
        return _load(marked, keywords, limits, settings)

    def ask(
        self,
        resources: Resources,
        model: Callable[[], ModelLike],
        file: object,
        **keywords: object,
    ) -> ExactResult:
        answers = ask_set("exact_match", self, file, keywords, resources=resources, model=model)
        return ExactResult(answers)

    def reader(self, facts: Mapping[str, Any]) -> Callable[[Source], Sequence[Record]]:
        return _reader(facts["terms"]["preset"], facts)

    def compared(self, terms: Mapping[str, Any]) -> dict[str, str]:
        # Only what both sides name is compared, so that one without a preset says so.
        own = {
            "extraction": terms["extract"],
            "preset": terms["preset"] or "none",
            "number of shots": str(terms["shots"]),
        }
        digest = terms["shots_digest"]
        return {**own, "digest of the shots": digest} if digest else own

    def own_category(self, record: Record, terms: Mapping[str, Any]) -> str | None:
        if terms["preset"] is None:
            return record.category
        column = EXACT_PRESETS[terms["preset"]].category
        return None if column is None else record.label(column)

    def plain_record(self, one: AnsweredRecord) -> dict[str, Any]:
        filters = one.facts.get("filters", {})
        first = next(iter(filters.values()), None)
        return {
            "response": one.facts.get("response"),
            "extracted": None if first is None else first[0],
            **({} if one.expected in ("", one.record.output) else {"expected": one.expected}),
            "filters": {
                name: {"extracted": text, "correct": correct}
                for name, (text, correct) in filters.items()
            },
            **({"is_cut": True} if one.facts.get("is_cut") else {}),
        }

    def saved_facts(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> dict[str, Any]:
        filters = {
            name: (one["extracted"], one["correct"]) for name, one in record["filters"].items()
        }
        decides = deciding_filter(suite["extract"])
        if decides in filters:
            filters = {decides: filters[decides], **filters}
        is_cut = record.get("is_cut", False)
        return {"response": record["response"], "filters": filters, "is_cut": is_cut}

    def saved_expected(self, record: Mapping[str, Any]) -> str:
        # Earlier versions did not write what was extracted from a reference.
        return str(record.get("expected", record["output"]))

    def saved_answer(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        if record["correct"] is None:
            return None
        return shown_answer(record["response"] or "", record["extracted"])

    def is_right(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> bool | None:
        # Tools that write a file anew may sort what stands in it.
        first = record["filters"].get(deciding_filter(suite["extract"]))
        if first is None:
            return None
        return bool(first["correct"]) and first["extracted"] is not None

    def figures(self, result: AccuracyResult) -> dict[str, Any]:
        answered = [one.facts["filters"] for one in result.answered]
        is_whole = len(answered) == result.total
        names = answered[0] if is_whole and answered else {}
        return {
            "filters": {
                name: _counted(sum(one[name][1] for one in answered), result.total)
                for name in names
            },
            "cut": _count_cut(result),
        }

    def wrong_figures(self, suite: Mapping[str, Any]) -> Iterator[str]:
        records, filters = suite["records"], suite["filters"]
        decides = deciding_filter(suite["extract"])
        for record in records:
            first = record["filters"].get(decides, {"extracted": None})["extracted"]
            if record["extracted"] != first:
                yield f'{record["id"]}: its "extracted" is not what {decides} found'
        yield from differs(suite, "cut", sum(record.get("is_cut", False) for record in records))
        own = [set(record["filters"]) for record in records]
        is_whole = bool(own) and all(own) and len(own) == suite["total"]
        # Of a part of the records there is no accuracy.
        names = set.union(*own) if is_whole else set()
        if filters.keys() != names or any(names - one for one in own):
            yield 'its "filters" are not those of its records'
            return
        for name, figures in filters.items():
            correct = sum(record["filters"][name]["correct"] for record in records)
            for problem in (
                *differs(figures, "correct", correct),
                *differs(figures, "accuracy", correct / len(records)),
            ):
                yield f"filter {one_line(name, 60)}: {problem}"

    def own_figures(self, result: AccuracyResult) -> OwnFigures:
        facts = [("nothing found", str(_count_without(result)))]
        statements = []
        filters = self.figures(result)["filters"]
        for name, figures in filters.items() if len(filters) > 1 else ():
            share = f"{figures['accuracy']:.4f} ({figures['correct']} of {result.total})"
            facts.append((name, share))
            statements.append(Statement(f"{name}: {share}", is_named=True))
        cut = _count_cut(result)
        if cut:
            facts.append(("prompts cut", str(cut)))
            statements.append(cut_statement(cut, result.total))
        return OwnFigures(
            columns=("nothing found",),
            cells=(str(_count_without(result)),),
            statements=tuple(statements),
            facts=tuple(facts),
            terms=_PAGE_TERMS,
        )

    def with_responses(self, result: AccuracyResult) -> list[dict[str, Any]]:
        made = result.checkpoint is not None
        return [
            with_response(
                one.record, one.facts.get("response"), {"correct": one.correct}, made=made
            )
            for one in result.records
        ]


EXACT_ANSWERS = _Exact()


class ExactSuite(AccuracySuite[ExactAnswer]):
    """A suite of exact answers.

    Args:
        loaded: Its records and settings.
        limits: What is asked of it.
        terms: How its records are asked, as a results file has it.
        shots_from: Where its solved questions stand; ``None`` where it shows none.
    """

    kind: ClassVar[AccuracyKind] = EXACT_ANSWERS

    def __init__(
        self,
        loaded: suites.Suite,
        limits: AccuracyLimits,
        terms: Mapping[str, Any],
        shots_from: Path | None = None,
    ) -> None:
        self._asked_as = dict(terms)
        self._form = None if terms["preset"] is None else EXACT_PRESETS[terms["preset"]]
        self._shots_from = shots_from
        where = f"{loaded.name}: extract"
        self._extraction = make_extraction(where, terms["extract"])
        references = {record.id: record.output for record in loaded.records}
        self._expected = self._extraction.expected(where, references)
        super().__init__(loaded, limits)

    def asked_as(self) -> dict[str, Any]:
        """Return how the records are asked, as a results file has it."""
        return self._asked_as

    def no_model(self) -> SettingsError:
        """Return the error that no model under test is named."""
        if self._form is None:
            return super().no_model()
        return no_model_for_set(self.name)

    def check_prompts_of(self, model: Model) -> None:
        """Prove that the answers of a set leave room for its prompts; see :class:`.RecordSuite`.

        Raises:
            SettingsError: They do not.
        """
        super().check_prompts_of(model)
        tokens, most = self._asked_as["max_new_tokens"], model.most_context
        if self._form is not None and most is not None and tokens >= most:
            problem = (
                f"{model.info.path} sees {most} tokens, and answers of {tokens} leave no room for "
                "a prompt"
            )
            raise SettingsError(self.name, problem, "allow fewer with max_new_tokens=")

    def inputs(self, root: Path) -> Iterator[tuple[Path, str]]:
        """Yield the files that the suite reads, beside checkpoints."""
        yield from super().inputs(root)
        if self._shots_from is not None:
            yield self._shots_from, f"the solved questions of {self.name}"

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,  # noqa: ARG002  # nobody judges what is the same
        needed: Sequence[str],
    ) -> SuiteRun[ExactAnswer]:
        """Begin the suite in this process."""
        from pytest_llmjudge.kinds.exact_run import Asking, ExactRun

        asking = Asking(self._extraction, self._expected, self._asked_as["max_new_tokens"])
        return ExactRun(self, resources, model, needed, asking)

    def row(self, sample: Sample[ExactAnswer]) -> dict[str, Any] | None:
        """Return what is known of a record as plain data, a response that was stopped at too."""
        row = super().row(_decided(sample))
        value = sample.value
        if row is not None and value is not None and value.response is not None:
            row["facts"] = self.plain(value)
        return row

    def side(self, samples: Sequence[Sample[ExactAnswer]], judge: JudgeLike | None) -> Side:
        """Return the suite as a comparison with its baseline takes it."""
        return super().side([*map(_decided, samples)], judge)

    def plain(self, value: ExactAnswer) -> dict[str, Any]:
        """Return what is kept of an answer as plain data."""
        filters = {name: [one.text, one.correct] for name, one in value.filters.items()}
        return {"response": value.response, "filters": filters, "is_cut": value.is_cut}

    def texts(self, value: ExactAnswer) -> Iterator[tuple[str, str]]:
        """Yield what is shown of a record that failed, each text under a name."""
        yield "instruction", value.record.instruction
        yield "input", value.record.input
        yield "reference", value.record.output
        yield "response", value.response or "(empty)"
        for name, one in value.filters.items():
            shown = "(nothing found)" if one.text is None else one.text
            yield name if len(value.filters) > 1 else "extracted", shown

    def fixtures(self, value: ExactAnswer) -> dict[str, object]:
        """Return the values of the fixtures that an item of a record has."""
        return {"record": value.record, "response": value.response, "exact": value}


def _decided(sample: Sample[ExactAnswer]) -> Sample[ExactAnswer]:
    """Return a sample without the answer of which nobody knows whether it is right."""
    return sample if sample.error is None else replace(sample, value=None)


def _counted(correct: int, total: int) -> dict[str, Any]:
    return {"correct": correct, "accuracy": round(correct / total, 4)}


def _count_cut(result: AccuracyResult) -> int:
    return sum(one.facts.get("is_cut", False) for one in result.records)


def _count_without(result: AccuracyResult) -> int:
    """Count the answers in which the deciding filter found nothing."""
    firsts = (next(iter(one.facts["filters"].values())) for one in result.answered)
    return sum(text is None for text, _ in firsts)


def _load(
    marked: Marked, keywords: Mapping[str, Any], limits: AccuracyLimits, settings: Settings
) -> ExactSuite:
    """Load what a marker or a call names.

    Raises:
        LlmJudgeError: It cannot be used.
    """
    name, form = marked.name, EXACT_PRESETS.get(keywords.get("preset", ""))
    problem, hint = "without a preset it has no meaning", "leave it out, or name a preset"
    if form is not None:
        problem, hint = "a preset has its own form and reads its own columns", "leave it out"
    for one in _OF_PRESETS if form is None else _WITHOUT_PRESET:
        if one in keywords:
            where = f"{name}: {one}"
            raise SettingsError(where, problem, hint)
    chosen = chosen_for(name, keywords, marked.base, settings, takes_responses=form is None)
    terms: dict[str, Any] = {
        "preset": None if form is None else form.name,
        "extract": keywords.get("extract", EXACT if form is None else form.extract),
        "shots": 0,
        "shots_digest": None,
        "max_new_tokens": keywords.get("max_new_tokens", form and form.max_new_tokens),
        "responses": chosen.responses,
    }
    if form is None:
        return ExactSuite(_read(marked, chosen, _reader(None, asdict(chosen))), limits, terms)
    loaded, shots = _read_preset(marked, keywords, form, chosen)
    path = marked.base / keywords["shots_from"] if "shots_from" in keywords else None
    return ExactSuite(loaded, limits, {**terms, **shots}, path)


def _read(
    marked: Marked, chosen: SuiteSettings, read: Callable[[Source], tuple[Record, ...]]
) -> suites.Suite:
    # Who only reads results files does not wait for this import.
    from pytest_llmjudge.records.suites import read_suite

    file = records_file(marked, _MARKER, _EXAMPLE)
    loaded = read_suite(marked.name, file, marked.base, chosen, read)
    check_single_turns(marked.name, _MARKER, loaded.records)
    return loaded


def _read_preset(
    marked: Marked, keywords: Mapping[str, Any], form: ExactForm, chosen: SuiteSettings
) -> tuple[suites.Suite, dict[str, Any]]:
    """Read a public set and its shots, and say which those are."""
    from pytest_llmjudge.kinds.exact_run import with_form
    from pytest_llmjudge.questions.shots import count_shots, read_shots

    shots_from = keywords.get("shots_from")
    has_file = shots_from is not None
    shots = count_shots(marked.name, form, keywords.get("shots"), has_file=has_file)
    whole: list[Record] = []

    def read(source: Source) -> tuple[Record, ...]:
        # Shots are drawn for all questions of a file, whichever of them are asked.
        whole.extend(_reader(form.name, {})(source))
        return tuple(whole)

    # Options for other suites may name a template, fields or a group.
    group = keywords.get("group")
    chosen = replace(chosen, prompt=RAW, is_prompt_given=True, fields=None, group=group)
    loaded = _read(marked, chosen, read)
    if shots_from is None:
        return with_form(loaded, form, {}), {}
    solved = read_shots(marked.name, marked.base / shots_from, form, shots, whole)
    says = {"shots": shots, "shots_digest": shots_digest(solved.values())}
    return with_form(loaded, form, solved), says


def _reader(preset: str | None, terms: Mapping[str, Any]) -> Callable[[Source], tuple[Record, ...]]:
    """Return what reads the records of a source.

    Args:
        preset: Of the suite.
        terms: As :func:`.records_reader` takes them, of a suite without one.
    """
    if preset is None:
        return partial(_with_references, terms, records_reader(terms))
    from pytest_llmjudge.questions.files import read_questions

    return partial(read_questions, form=EXACT_PRESETS[preset], gates=GATES)


def _with_references(
    terms: Mapping[str, Any], read: Callable[[Source], tuple[Record, ...]], source: Source
) -> tuple[Record, ...]:
    """Read records, each of which has a reference.

    Raises:
        RecordsError: One has none, or they are questions with choices.
    """
    from pytest_llmjudge.records.files import read_contents
    from pytest_llmjudge.records.prompts import is_blank

    may_have_choices = terms["fields"] is None and terms["responses"] is None
    try:
        records = read(source)
    except RecordsError:
        if may_have_choices:
            _check_no_choices(source, read_contents(source).values)
        raise
    if may_have_choices:
        _check_no_choices(source, [record.fields for record in records])
    lacking = [record for record in records if is_blank(record.output)]
    if lacking:
        some = f"{len(lacking)} of {len(records)} records (the first is {lacking[0].id})"
        problem, hint = f"there is no reference in {some}", "leave them out; an answer is that of a"
        raise RecordsError(source.path.name, problem, f"{hint} reference")
    return records


def _check_no_choices(source: Source, rows: Sequence[object]) -> None:
    """Refuse questions with choices, of which a record's prompt would show none.

    Raises:
        RecordsError: They are.
    """
    from pytest_llmjudge.questions.files import marker_of_choices

    marker = marker_of_choices(rows)
    if marker is not None:
        problem = "its questions have choices, which the prompts of records do not show"
        raise RecordsError(source.path.name, problem, f"it reads like {marker}")


_PAGE_TERMS = (
    Term(
        "nothing found",
        ("nothing found",),
        "Answers in which the extraction that decides found nothing; they count as wrong.",
    ),
    CUT,
)
_WITHOUT_PRESET = ("prompt", "system", "responses", "fields")
_OF_PRESETS = ("shots", "shots_from")
