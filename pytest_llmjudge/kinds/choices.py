"""Suites of questions with a choice of answers, of which a model says how likely it finds each."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pytest_llmjudge.data import Measure
from pytest_llmjudge.data.page import Term
from pytest_llmjudge.data.summary import NONE, Statement
from pytest_llmjudge.decisions.accuracy import said_of_ties
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.keys import content_of
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
from pytest_llmjudge.kinds.choices_run import ChoiceSet, ChoicesRun
from pytest_llmjudge.kinds.markers import GATES
from pytest_llmjudge.kinds.records import records_file
from pytest_llmjudge.questions.answers import ChoiceAnswer, ChoicesResult, lettered_choice
from pytest_llmjudge.questions.base import ACC, ACC_NORM, LETTERS, ChoiceQuestion, by_length
from pytest_llmjudge.questions.following import FollowingForm
from pytest_llmjudge.questions.modes import with_fields
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS
from pytest_llmjudge.settings import RECORD_KEYWORDS, chosen_for
from pytest_llmjudge.storage.consistent import differs
from pytest_llmjudge.storage.results_reader import saved_content
from pytest_llmjudge.values import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.kinds.accuracy_results import (
        AccuracyLimits,
        AccuracyResult,
        AnsweredRecord,
    )
    from pytest_llmjudge.kinds.base import Marked
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.questions.base import ChoiceForm
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.records.files import Source
    from pytest_llmjudge.settings import Settings

__all__ = ["CHOICES"]

_MARKER: Final = "llm_choices"
_EXAMPLE: Final = 'llm_choices("arc.jsonl", preset="arc_easy", min_accuracy=0.4)'
_ROUNDING: Final = 1e-6
"""By which log-probabilities of a results file may be wrong."""
_TERMS: Final = ("preset", "mode", "shots", "shots_digest", "metric")
_OF_ANSWER: Final = ("prediction", "prediction_norm", "logprobs", "shots", "is_cut")
_OF_RECORD: Final = ("choices", "answer", *_OF_ANSWER)
"""What a results file has of a question beside its texts."""
_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "preset": check_choice(*CHOICE_PRESETS),
    "mode": check_choice(*CHOICE_MODES),
    **SHOTS_KEYWORDS,
    "metric": check_choice(ACC, ACC_NORM),
    **ACCURACY_KEYWORDS,
    **{
        name: check
        for name, check in RECORD_KEYWORDS.items()
        if name not in {"prompt", "system", "responses"}
    },
}


class _ChoicesKind(AccuracyKind):
    """Suites of the marker ``llm_choices``."""

    name = "choices"
    title = "Choices"
    marker = _MARKER
    measure = Measure(
        "choices", value="accuracy in points", verbs=("right", "wrong"), is_binary=True
    )
    keywords = _KEYWORDS
    by: ClassVar[str] = "subject"
    asked_as = ("preset", "mode", "fields", "shots", "shots_digest", "metric", "chance")
    settings = ("data", *_TERMS, "by", "min_accuracy", "every_right")

    def read(
        self,
        marked: Marked,
        keywords: Mapping[str, Any],
        limits: AccuracyLimits,
        settings: Settings,
    ) -> _ChoicesSuite:
        loaded, asked, terms, shots_file = _load(marked, keywords, settings)
        return _ChoicesSuite(loaded, limits, terms, asked, shots_file)

    def ask(
        self,
        resources: Resources,
        model: Callable[[], ModelLike],
        file: object,
        **keywords: object,
    ) -> ChoicesResult:
        answers = ask_set("choices", self, file, keywords, resources=resources, model=model)
        return ChoicesResult(answers)

    def reader(self, facts: Mapping[str, Any]) -> Callable[[Source], Sequence[Record]]:
        from pytest_llmjudge.questions.files import read_questions

        return partial(read_questions, form=_form(self.marker, facts["terms"]), gates=GATES)

    def compared(self, terms: Mapping[str, Any]) -> dict[str, str]:
        own = {
            "preset or mode": terms["preset"] or terms["mode"],
            "metric": terms["metric"],
            "number of shots": str(terms["shots"]),
        }
        digest = terms["shots_digest"]
        return {**own, "digest of the shots": digest} if digest else own

    def own_category(self, record: Record, terms: Mapping[str, Any]) -> str | None:
        return _form(self.marker, terms).parse(record.fields).subject

    def asked(self, record: Record, terms: Mapping[str, Any]) -> dict[str, Any]:
        question = _form(self.marker, terms).parse(record.fields)
        return {"choices": list(question.choices), "answer": LETTERS[question.answer]}

    def plain_record(self, one: AnsweredRecord) -> dict[str, Any]:
        return {name: one.facts.get(name) for name in _OF_RECORD}

    def saved_facts(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {name: record[name] for name in _OF_RECORD}

    def saved_expected(self, record: Mapping[str, Any]) -> str:
        return lettered_choice(record["answer"], record["choices"])

    def saved_answer(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> str | None:
        letter = record[_PREDICTIONS[suite["metric"]]]
        return None if letter is None else lettered_choice(letter, record["choices"])

    def is_right(self, record: Mapping[str, Any], suite: Mapping[str, Any]) -> bool | None:
        letter = record[_PREDICTIONS[suite["metric"]]]
        return None if letter is None else letter == record["answer"]

    def saved_pairing(self, record: Mapping[str, Any]) -> str:
        return _pairing(content_of(saved_content(record)), record["choices"], record["answer"])

    def figures(self, result: AccuracyResult) -> dict[str, Any]:
        both = _both(result)
        return {name: None if one is None else round(one, 4) for name, one in both.items()}

    def wrong_figures(self, suite: Mapping[str, Any]) -> Iterator[str]:
        records = suite["records"]
        preset, mode = suite["preset"], suite["mode"]
        if (preset is None) == (mode is None):
            yield 'it has both of "preset" and "mode", or neither'
        # Another version may know others.
        form = CHOICE_PRESETS.get(preset) or CHOICE_MODES.get(mode)
        for record in records:
            yield from _wrong_choice(record, form)
        is_whole = bool(records) and len(records) == suite["total"]
        for metric, name in _PREDICTIONS.items():
            right = [record[name] == record["answer"] for record in records]
            has_all = is_whole and all(record[name] is not None for record in records)
            yield from differs(suite, metric, sum(right) / len(right) if has_all else None)
        if is_whole:
            chances = [1 / len(record["choices"]) for record in records]
            yield from differs(suite, "chance", math.fsum(chances) / len(chances))

    def shown_record(self, one: AnsweredRecord) -> Record:
        """Return a question as the HTML page shows it, with its choices behind their letters."""
        choices = one.facts["choices"]
        right = lettered_choice(one.facts["answer"], choices)
        return replace(one.record, input=_listed(choices), output=right)

    def own_figures(self, result: AccuracyResult) -> OwnFigures:
        both, chance, cut = _both(result), result.terms["chance"], _count_cut(result)
        cells = (*map(_shown, both.values()), _shown(chance))
        names = (*both, "chance")
        return OwnFigures(
            columns=names,
            cells=cells,
            statements=tuple(_statements(result)),
            facts=(
                ("asked as", result.terms["preset"] or result.terms["mode"]),
                ("shots", str(result.terms["shots"])),
                *zip(names, cells, strict=True),
                *((("prompts cut", str(cut)),) if cut else ()),
            ),
            terms=_PAGE_TERMS,
        )


CHOICES = _ChoicesKind()


class _ChoicesSuite(AccuracySuite[ChoiceAnswer]):
    kind = CHOICES
    # No response is made that could be written back.
    has_records = False

    def __init__(
        self,
        loaded: suites.Suite,
        limits: AccuracyLimits,
        terms: Mapping[str, Any],
        asked: ChoiceSet,
        shots_file: Path | None,
    ) -> None:
        self._asked = asked
        self._terms_of_asking = terms
        self._shots_file = shots_file
        super().__init__(loaded, limits)

    def asked_as(self) -> dict[str, Any]:
        return dict(self._terms_of_asking)

    def plain(self, value: ChoiceAnswer) -> dict[str, Any]:
        return {
            "answer": value.answer,
            "prediction": value.prediction,
            "prediction_norm": value.prediction_norm,
            "logprobs": [round(one, 6) for one in value.logprobs],
            "shots": value.shots,
            "is_cut": value.is_cut,
        }

    def pairing(self, record: Record) -> str:
        question = self._asked.questions[record.id]
        return _pairing(content_of(record), question.choices, LETTERS[question.answer])

    def texts(self, value: ChoiceAnswer) -> Iterator[tuple[str, str]]:
        yield "question", value.record.instruction
        yield "choices", _listed(value.question.choices)
        yield "right", value.expected
        yield "answered", value.shown

    def no_model(self) -> SettingsError:
        return no_model_for_set(self.name)

    def check(self, resources: Resources) -> None:
        from pytest_llmjudge.pipeline.scoring_model import scoring_model

        super().check(resources)
        if self.checkpoint is not None:
            scoring_model(resources.models.get(self.checkpoint), self.kind.marker)

    def check_prompts_of(self, model: Model) -> None:
        """Have no template: a model reads the set's own prompts."""

    def _makes_responses(self) -> bool:
        return False

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,  # noqa: ARG002  # nobody judges choices
        needed: Sequence[str],
    ) -> ChoicesRun:
        return ChoicesRun(self, self._asked, resources, model, needed)

    def fixtures(self, value: ChoiceAnswer) -> dict[str, object]:
        return {"record": value.record, "choice": value}

    def advice(self, baseline_fingerprint: str, fingerprint: str) -> Iterator[str]:  # noqa: ARG002
        least, chance = self.limits.min_accuracy, self._terms_of_asking["chance"]
        if least is not None and 0 < least <= chance:
            yield (
                f"{self.name}: min_accuracy {least:g} is not above {chance:g}, the accuracy of "
                "chance, so that a model that guesses may pass; raise it"
            )

    def inputs(self, root: Path) -> Iterator[tuple[Path, str]]:
        yield from super().inputs(root)
        if self._shots_file is not None:
            yield self._shots_file, f"the shots of {self.name}"


def _form(where: str, terms: Mapping[str, Any]) -> ChoiceForm:
    """Return the form that a marker or a results file names.

    Raises:
        SettingsError: A marker names none, or two, or columns of a preset.
        RecordsError: It names what is no part of a question.
    """
    preset, mode, fields = terms.get("preset"), terms.get("mode"), terms.get("fields")
    if (preset is None) == (mode is None):
        problem = "it has neither preset= nor mode="
        if preset is not None:
            problem = "it has both preset= and mode="
        hint = "name the public set with preset=, or say with mode= how one of your own is asked"
        raise SettingsError(where, problem, hint)
    if preset is None:
        form = CHOICE_MODES[str(mode)]
        return form if fields is None else with_fields(f"{where}: fields", form, fields)
    if fields is not None:
        where = f"{where}: fields"
        problem = f'preset="{preset}" reads the columns of the public set'
        raise SettingsError(where, problem, "leave it out, or choose a mode")
    return CHOICE_PRESETS[str(preset)]


def _load(
    marked: Marked, keywords: Mapping[str, Any], settings: Settings
) -> tuple[suites.Suite, ChoiceSet, dict[str, Any], Path | None]:
    """Return questions, how they are asked, the same as a results file has it, and the shots' file.

    Raises:
        SettingsError: The marker cannot be used.
        RecordsError: A file cannot be used.
    """
    # Who only reads results files does not wait for these imports.
    from pytest_llmjudge.questions.files import read_questions
    from pytest_llmjudge.questions.shots import count_shots, read_shots
    from pytest_llmjudge.records.suites import read_suite

    where, form = marked.name, _form(marked.name, keywords)
    source = keywords.get("shots_from")
    count = count_shots(where, form, keywords.get("shots"), has_file=source is not None)
    own = {name: value for name, value in keywords.items() if name != "fields"}
    chosen = chosen_for(where, own, marked.base, settings, takes_responses=False)
    # An option for records of other kinds may name their fields.
    chosen = replace(chosen, fields=None, group=keywords.get("group"))
    whole: list[Record] = []

    def read(source: Source) -> tuple[Record, ...]:
        records = read_questions(source, form, GATES)
        whole.extend(records)
        return records

    file = records_file(marked, _MARKER, _EXAMPLE)
    loaded = read_suite(where, file, marked.base, chosen, read)
    drawn: Mapping[str, tuple[ChoiceQuestion, ...]] = {}
    path = None
    if source is not None:
        path = marked.base / source
        drawn = read_shots(where, path, form, count, whole)
    metric = keywords.get("metric", form.metric)
    questions = {record.id: form.parse(record.fields) for record in loaded.records}
    terms = {
        "preset": keywords.get("preset"),
        "mode": keywords.get("mode"),
        "fields": keywords.get("fields"),
        "shots": count,
        "shots_digest": shots_digest(drawn.values()),
        "metric": metric,
        "chance": round(_chance(questions.values()), 4),
    }
    shots = {name: drawn[name] for name in questions} if drawn else {}
    return loaded, ChoiceSet(form, metric, questions, shots), terms, path


def _chance(questions: Collection[ChoiceQuestion]) -> float:
    """Return the mean of one over the number of choices."""
    return math.fsum(1 / len(one.choices) for one in questions) / len(questions)


def _listed(choices: Sequence[str]) -> str:
    """Return choices as people read them, a line each behind its letter."""
    return "\n".join(lettered_choice(letter, choices) for letter in LETTERS[: len(choices)])


def _pairing(content: str, choices: Sequence[str], answer: str) -> str:
    return json.dumps([content, list(choices), answer])


def _both(result: AccuracyResult) -> dict[str, float | None]:
    """Return both accuracies by metric; ``None`` where a record has no answer."""
    answered = [one.facts for one in result.answered]
    if len(answered) < result.total:
        return dict.fromkeys(_PREDICTIONS)
    return {
        metric: sum(facts[name] == facts["answer"] for facts in answered) / len(answered)
        for metric, name in _PREDICTIONS.items()
    }


def _wrong_choice(record: Mapping[str, Any], form: ChoiceForm | None) -> Iterator[str]:
    """Yield what of a record of a results file is not that of its choices."""
    count, logprobs = len(record["choices"]), record["logprobs"]
    for name in ("answer", *_PREDICTIONS.values()):
        letter = record[name]
        if letter is not None and letter not in LETTERS[:count]:
            yield f'{record["id"]}: its "{name}" is {letter}, and it has {count} choices'
            return
    missing = [name for name in _OF_ANSWER if record[name] is None]
    if missing:
        if len(missing) < len(_OF_ANSWER):
            yield f'{record["id"]}: its "{missing[0]}" is null, and it has an answer'
        return
    if len(logprobs) != count:
        yield f'{record["id"]}: it has {len(logprobs)} "logprobs", and {count} choices'
        return
    letter = record["prediction"]
    if logprobs[LETTERS.index(letter)] < max(logprobs):
        yield f'{record["id"]}: its "prediction" is {letter}, and another choice is likelier'
    if not isinstance(form, FollowingForm):
        # What it divides by is not in the file.
        return
    question = ChoiceQuestion(record["instruction"], tuple(record["choices"]), 0, None, {})
    normed = by_length(logprobs, [len(answer) for answer in form.answers(question)])
    letter = record["prediction_norm"]
    if normed[LETTERS.index(letter)] < max(normed) - _ROUNDING:
        problem = (
            f'its "prediction_norm" is {letter}, and another choice is likelier for its length'
        )
        yield f"{record['id']}: {problem}"


def _shown(share: float | None) -> str:
    return NONE if share is None else f"{share:.4f}"


def _statements(result: AccuracyResult) -> Iterator[Statement]:
    share, chance = result.share, result.terms["chance"]
    if share is not None and share.interval[0] <= chance:
        text = f"accuracy is not shown to be above that of chance, {chance:.4f}"
        yield Statement(text, is_named=True)
    cut = _count_cut(result)
    if cut:
        yield cut_statement(cut, result.total)
    ties = said_of_ties(one.facts["logprobs"] for one in result.answered)
    if ties is not None:
        yield Statement(ties, is_named=True)


def _count_cut(result: AccuracyResult) -> int:
    return sum(one.facts["is_cut"] for one in result.answered)


_PAGE_TERMS: Final = (
    Term("acc", ("acc",), "How often the likeliest choice is right."),
    Term(
        "acc_norm",
        ("acc_norm",),
        (
            "How often the choice is right that is likeliest for its length: its log-probability "
            "is divided by the number of its characters, so that long choices lose nothing."
        ),
    ),
    Term("chance", ("chance",), "What guessing gives: the mean of one over the number of choices."),
    CUT,
)
_PREDICTIONS: Final = {ACC: "prediction", ACC_NORM: "prediction_norm"}
"""Under which key a record has the letter that is chosen by each metric."""
