"""Suites of MMLU: a sample is a subject, with all its questions."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Entry, Measure, Side
from pytest_llmjudge.data.cases import SampleCase
from pytest_llmjudge.data.history import Figure
from pytest_llmjudge.decisions.rules import rule_of
from pytest_llmjudge.errors import DatasetError, LlmJudgeError, SettingsError
from pytest_llmjudge.kinds.base import (
    INCOMPLETE,
    NOT_RUN,
    Kind,
    Sample,
    Suite,
    SuiteRun,
    gates_over_all,
    without_item,
)
from pytest_llmjudge.kinds.mmlu_summary import mmlu_page, mmlu_summary
from pytest_llmjudge.kinds.plain import plain_comparison, plain_gates, rounded
from pytest_llmjudge.kinds.read_back import (
    checkpoint_from_document,
    comparison_from_plain,
    gates_from_document,
    made,
)
from pytest_llmjudge.kinds.shared import Shared
from pytest_llmjudge.mmlu.accuracy import by_category, macro_average, pool, pooled_stderr
from pytest_llmjudge.mmlu.files import LETTERS
from pytest_llmjudge.mmlu.gates import decide_accuracy, decide_subject
from pytest_llmjudge.mmlu.results import ExamResult, QuestionResult, SubjectResult
from pytest_llmjudge.mmlu.subjects import category_of
from pytest_llmjudge.storage.consistent import differs, repeated
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Rule
    from pytest_llmjudge.data.page import SuitePage
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.decisions.accuracy import Share
    from pytest_llmjudge.decisions.gates import Decision
    from pytest_llmjudge.kinds.base import Gathered, Marked, SampleReport
    from pytest_llmjudge.kinds.mmlu_run import MMLURun
    from pytest_llmjudge.mmlu.accuracy import MMLUResult
    from pytest_llmjudge.mmlu.exam import Exam
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.sharding import Shard
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["MMLU"]


_MEASURE = Measure(
    "mmlu",
    noun="questions",
    suite="exam",
    value="accuracy in points",
    verbs=("right", "wrong"),
    is_binary=True,
)
_DATA = "llm_mmlu_data"
"""The ini option that names a copy of MMLU."""
_RIGHT = 100.0
"""What a question scores that is answered right; 0 what is answered wrong."""


class _MMLUKind(Kind[ExamResult]):
    """Suites of the marker ``llm_mmlu``."""

    name = ExamResult.kind
    title = "MMLU"
    marker = "llm_mmlu"
    asks_judge = False
    measure = _MEASURE
    figure = Figure("accuracy", digits=4, interval_digits=4, noun=_MEASURE.noun)
    samples = "subjects"
    settings = ("data", "mode", "shots", "limit", "min_accuracy", "min_subject_accuracy")

    def load(self, marked: Marked, settings: Settings) -> Suite[Any]:
        from pytest_llmjudge.mmlu.exam import load_exam

        name, arguments = marked.name, marked.arguments
        folder: object = settings.paths.get(_DATA)
        if arguments:
            folder = arguments[0] if len(arguments) == 1 else None
        if not isinstance(folder, (str, Path)):
            hint = (
                'give it one path, as in llm_mmlu("data/mmlu", min_accuracy=0.25), '
                "or set the ini option llm_mmlu_data"
            )
            raise SettingsError(name, "llm_mmlu names no data", hint)
        try:
            exam = load_exam(name, str(folder), marked.keywords, marked.base, settings)
        except DatasetError as error:
            where = f"{name}: {error.where}"
            raise DatasetError(where, error.problem, error.hint) from None
        suite = _MMLUSuite(exam)
        suite.rule = rule_of(name, marked.keywords, settings, self.measure)
        return suite

    def ask(
        self,
        resources: Resources,
        model: Callable[[], ModelLike],
        subject: object,
        *,
        shots: object = 5,
        mode: object = "letters",
        limit: object = None,
        data: object = None,
    ) -> MMLUResult:
        exam = _named_subject(resources, subject, data, shots=shots, mode=mode, limit=limit)
        return _make_run(exam, model(), [], resources).result(exam.subjects[0])

    def result(
        self,
        gathered: Gathered,
        suite: Suite[Any] | None,  # noqa: ARG002  # the facts name all subjects
        *,
        whole: bool,  # noqa: ARG002
    ) -> ExamResult:
        facts = gathered.facts
        assert gathered.checkpoint is not None  # noqa: S101  # a model answers
        result = ExamResult(
            name=gathered.name,
            path=facts["path"],
            checkpoint=gathered.checkpoint,
            mode=facts["mode"],
            shots=facts["shots"],
            limit=facts["limit"],
            min_accuracy=facts["min_accuracy"],
            min_subject_accuracy=facts["min_subject_accuracy"],
            subjects=tuple(_subject_result(gathered, subject) for subject in facts["subjects"]),
            gates=(),
            outcome=INCOMPLETE,
        )
        return self.decided(result, gathered.gates, gathered.comparison)

    def summary(self, result: ExamResult, rule: Rule) -> Summary:
        return mmlu_summary(self, result, rule)

    def page(
        self,
        result: ExamResult,
        summary: Summary,  # noqa: ARG002  # the result has all figures
        before: Mapping[str, Entry],
    ) -> SuitePage:
        return mmlu_page(result, before)

    def document(self, result: ExamResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002  # nobody judges letters
        answered = [subject for subject in result.subjects if subject.questions]
        # Of a part of the subjects there is no accuracy: those without a result may be the worst.
        is_whole = len(answered) == len(result.subjects)
        return {
            "name": result.name,
            "kind": self.name,
            "checkpoint": asdict(result.checkpoint),
            "data": result.path,
            "mode": result.mode,
            "shots": result.shots,
            "limit": result.limit,
            **(_share(pool(answered)) if is_whole else dict.fromkeys(_SHARE)),
            "stderr": rounded(pooled_stderr(answered)) if is_whole else None,
            "macro": round(macro_average(answered), 4) if is_whole else None,
            "categories": {name: _share(share) for name, share in by_category(answered).items()},
            "min_accuracy": result.min_accuracy,
            "min_subject_accuracy": result.min_subject_accuracy,
            "outcome": result.outcome,
            "within_noise": is_whole and pool(answered).is_within_noise(result.min_accuracy),
            "baseline": result.comparison and plain_comparison(result.comparison),
            "gates": plain_gates(result.gates),
            "subjects": [_subject(subject) for subject in result.subjects],
        }

    def from_document(
        self,
        suite: Mapping[str, Any],
        judge: Mapping[str, Any] | None,  # noqa: ARG002  # nobody judges letters
    ) -> ExamResult:
        checkpoint = checkpoint_from_document(suite)
        assert checkpoint is not None  # noqa: S101  # a model answers
        return ExamResult(
            name=suite["name"],
            path=suite["data"],
            checkpoint=checkpoint,
            mode=suite["mode"],
            shots=suite["shots"],
            limit=suite["limit"],
            min_accuracy=suite["min_accuracy"],
            min_subject_accuracy=suite["min_subject_accuracy"],
            subjects=tuple(
                made(
                    SubjectResult,
                    subject,
                    questions=tuple(made(QuestionResult, one) for one in subject["questions"]),
                )
                for subject in suite["subjects"]
            ),
            gates=gates_from_document(suite),
            outcome=suite["outcome"],
            comparison=comparison_from_plain(suite.get("baseline"), self.measure),
        )

    def sample_id(self, sample: SubjectResult) -> str:
        return sample.subject

    def has_all(self, result: ExamResult) -> bool:
        return all(subject.questions for subject in result.subjects)

    def part_of(self, result: ExamResult, shard: Shard) -> ExamResult:  # noqa: ARG002
        """Return the exam as it is: its accuracies are those of the subjects it lists."""
        return result

    def decide(
        self,
        gate: str,  # noqa: ARG002  # there is one
        result: ExamResult,
        facts: Mapping[str, Any],  # noqa: ARG002  # the result has them
    ) -> Decision:
        answered = [subject for subject in result.subjects if subject.questions]
        causes = {one.subject: str(one.error) for one in result.subjects if not one.questions}
        return decide_accuracy(answered, causes, result.min_accuracy)

    def saved_cases(self, suite: Mapping[str, Any]) -> Iterator[SampleCase]:
        for subject in suite["subjects"]:
            yield SampleCase(subject["subject"], subject["outcome"], self._why(suite, subject))

    def decide_saved(self, suite: Mapping[str, Any], sample: Mapping[str, Any]) -> Decision:
        minimum = suite["min_subject_accuracy"]
        return decide_subject(sample["correct"], sample["total"], minimum)

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        subjects = suite["subjects"]
        questions = [question for subject in subjects for question in subject["questions"]]
        yield from repeated("subjects", [subject["subject"] for subject in subjects])
        yield from repeated("questions", [question["id"] for question in questions])
        for subject in subjects:
            for problem in _wrong_shares(subject, subject["questions"]):
                yield f"{subject['subject']}: {problem}"
        # Of a part of the subjects there is no accuracy.
        is_whole = all(subject["questions"] for subject in subjects)
        yield from _wrong_shares(suite, questions if is_whole else [])

    def saved_side(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side:  # noqa: ARG002  # nobody judges letters
        entries = (
            _entry(question["id"], question["answer"], question["prediction"])
            for subject in suite["subjects"]
            for question in subject["questions"]
        )
        return _side(suite["name"], entries, suite["mode"], suite["shots"])

    def saved_samples(self, suite: Mapping[str, Any]) -> dict[str, object]:
        """Return the right answer of each question of a suite of a results file, by id."""
        return {
            question["id"]: question["answer"]
            for subject in suite["subjects"]
            for question in subject["questions"]
        }

    def saved_outcomes(self, suite: Mapping[str, Any]) -> dict[str, str]:
        return {subject["subject"]: subject["outcome"] for subject in suite["subjects"]}

    def entries_before(self, baseline: SavedRun, result: ExamResult) -> dict[str, Entry]:
        side = self._baseline_side(baseline, result)
        if side.terms != _terms(result.mode, result.shots):
            return {}
        return {entry.id: entry for entry in side.entries}


MMLU = _MMLUKind()


class _MMLUSuite(Suite["MMLUResult"]):
    kind = MMLU

    def __init__(self, exam: Exam) -> None:
        super().__init__(exam.name, exam.path, exam.subjects, exam.checkpoint)
        self.exam = exam

    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        return [], gates_over_all(settings)

    def no_model(self) -> SettingsError:
        hint = "give --llm-judge-checkpoint, or checkpoint= in the marker"
        return SettingsError(self.name, "it has no model under test", hint)

    def digest(self) -> str:
        return self.exam.data.digest(self.exam.subjects)

    def facts(self, resources: Resources) -> dict[str, Any]:
        return {"path": resources.models.shown_path(self.exam.path), **self._terms()}

    def _terms(self) -> dict[str, Any]:
        return {
            "mode": self.exam.mode,
            "shots": self.exam.shots,
            "limit": self.exam.limit,
            "subjects": list(self.exam.subjects),
            "min_accuracy": self.exam.min_accuracy,
            "min_subject_accuracy": self.exam.min_subject_accuracy,
        }

    def shared(self, resources: Resources) -> Iterator[Shared]:  # noqa: ARG002
        for key, value in self._terms().items():
            yield Shared(f"{self.name} {key}", self.name, key, value)

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,  # noqa: ARG002  # nobody judges letters
        needed: Sequence[str],
    ) -> SuiteRun[MMLUResult]:
        return _Run(needed, _make_run(self.exam, model, needed, resources))

    def row(self, sample: Sample[MMLUResult]) -> dict[str, Any] | None:

        if sample.value is None:
            return {"error": sample.error}
        questions = [
            {
                "id": answer.question.id,
                "answer": LETTERS[answer.question.answer],
                "prediction": answer.prediction,
                "logprobs": list(answer.logprobs),
                "shots": answer.shots,
                "is_cut": answer.is_cut,
            }
            for answer in sample.value.answers
        ]
        return {"accuracy_norm": sample.value.accuracy_norm, "questions": questions}

    def decide(self, gate: str, samples: Sequence[Sample[MMLUResult]]) -> Decision:  # noqa: ARG002
        results = [sample.value for sample in samples if sample.value is not None]
        causes = {sample.id: sample.error for sample in samples if sample.error is not None}
        return decide_accuracy(results, causes, self.exam.min_accuracy)

    def decide_sample(self, value: MMLUResult) -> Decision:
        return decide_subject(value.correct, value.total, self.exam.min_subject_accuracy)

    def fixtures(self, value: MMLUResult) -> dict[str, object]:
        return {"mmlu_result": value}

    def baseline_keys(self) -> list[tuple[str, str]]:

        try:
            return [
                (question.id, LETTERS[question.answer])
                for subject in self.exam.subjects
                for question in self.exam.questions(subject)
            ]
        except DatasetError:
            # The subject's own item says so, and fails.
            return []

    def cannot_fail(self, problem: str, hint: str) -> SettingsError | None:
        if self.exam.min_accuracy or self.exam.min_subject_accuracy:
            return None
        return SettingsError(
            self.name, f"it cannot fail: {problem}", f"{hint}, or set min_accuracy above 0"
        )

    def side(self, samples: Sequence[Sample[MMLUResult]], judge: JudgeLike | None) -> Side:  # noqa: ARG002

        entries = (entry for sample in samples for entry in self._entries(sample))
        return _side(self.name, entries, self.exam.mode, self.exam.shots)

    def _entries(self, sample: Sample[MMLUResult]) -> Iterator[Entry]:
        """Yield a subject's questions as a comparison takes them, without a score where none is."""
        if sample.value is None:
            # What is wrong is said by the subject's own item, and by the average.
            for question in self.exam.questions(sample.id):
                yield _entry(question.id, LETTERS[question.answer], None)
            return
        for answer in sample.value.answers:
            letter = LETTERS[answer.question.answer]
            yield _entry(answer.question.id, letter, answer.prediction)


class _Run(SuiteRun["MMLUResult"]):
    judge = None

    def __init__(self, needed: Sequence[str], run: MMLURun) -> None:
        self.model = run.model
        self._needed = needed
        self._run = run

    def sample(self, name: str, *, again: bool = False) -> Sample[MMLUResult]:
        try:
            return Sample(name, self._run.result(name, again=again))
        except LlmJudgeError as error:
            return Sample(name, None, str(error), "rig")

    def samples(self) -> list[Sample[MMLUResult]]:
        return [self.sample(subject) for subject in self._needed]

    def prepare(self, *, again: bool) -> None:
        for subject in self._needed:
            with contextlib.suppress(LlmJudgeError):
                self._run.result(subject, again=again)


def _side(name: str, entries: Iterable[Entry], mode: str, shots: int) -> Side:
    return Side(_MEASURE, name, tuple(entries), terms=_terms(mode, shots), passes_at=_RIGHT)


def _terms(mode: str, shots: int) -> dict[str, str]:
    """Return what has to be the same for two exams to compare, by name."""
    return {"mode": mode, "number of shots": str(shots)}


def _entry(question: str, answer: str, prediction: str | None) -> Entry:
    """Return a question as a comparison takes it.

    Args:
        question: Its id.
        answer: Letter of the right choice.
        prediction: Letter of the one that was taken, ``None`` when the question was not answered.
    """
    score = None if prediction is None else _RIGHT * (prediction == answer)
    return Entry(question, answer, score, prediction)


def _wrong_shares(
    reported: Mapping[str, Any], questions: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    correct = sum(question["prediction"] == question["answer"] for question in questions)
    total = len(questions)
    yield from differs(reported, "total", total or None)
    yield from differs(reported, "correct", correct if total else None)
    yield from differs(reported, "accuracy", correct / total if total else None)


def _named_subject(
    resources: Resources,
    subject: object,
    data: object,
    *,
    shots: object,
    mode: object,
    limit: object,
) -> Exam:
    """Settle what a call of the ``mmlu`` fixture asks for.

    Raises:
        LlmJudgeError: An argument cannot be used.
    """
    from pytest_llmjudge.mmlu.exam import make_exam

    path = resources.settings.paths.get(_DATA)
    if data is not None and not isinstance(data, (str, Path)):
        where, hint = "mmlu: data", "give a path"
        raise SettingsError(where, f"{shown(data)} is no path", hint)
    if data is not None:
        path = resources.root / data
    if path is None:
        where, hint = "mmlu", "set the ini option llm_mmlu_data, or give data="
        raise SettingsError(where, "no copy of MMLU is named", hint)
    return make_exam("mmlu", path, subject, shots=shots, mode=mode, limit=limit)


def _make_run(
    exam: Exam, model: ModelLike | None, needed: Sequence[str], resources: Resources
) -> MMLURun:
    from pytest_llmjudge.kinds.mmlu_run import MMLURun
    from pytest_llmjudge.pipeline.protocols import Counter

    settings, store = resources.settings, resources.store
    counter, subjects = (
        Counter(store, kind, exam.name, resources.worker) for kind in ("questions", "subjects")
    )
    return MMLURun(
        exam,
        settings,
        store,
        model=model,
        needed=needed,
        counter=counter,
        subjects=subjects,
    )


def _subject_result(gathered: Gathered, subject: str) -> SubjectResult:
    known, minimum = gathered.samples.get(subject), gathered.facts["min_subject_accuracy"]
    row = _row_of(known)
    result = SubjectResult(subject, error=NOT_RUN)
    if row is not None and "questions" in row:
        questions = tuple(
            QuestionResult(**{**question, "logprobs": tuple(question["logprobs"])})
            for question in row["questions"]
        )
        result = SubjectResult(subject, questions, row["accuracy_norm"])
        decision = decide_subject(result.correct, result.total, minimum)
        outcome = "passed" if decision.passed else "failed"
        if known is not None and known.own is None and not known.is_reported:
            outcome = without_item(known, outcome)
        result = replace(result, outcome=outcome)
    elif row is not None:
        result = replace(result, error=row["error"])
    fault = gathered.fault(subject)
    own = None if known is None else known.outcome
    if fault is not None and own != "failed":
        return replace(result, outcome="error", error=fault)
    if own is None:
        return result
    is_wanting = own == "error" or not result.questions
    reason = (row or {}).get("error") or (known.reason if known is not None else None)
    return replace(result, outcome=own, error=reason if is_wanting else None)


def _row_of(known: SampleReport | None) -> Mapping[str, Any] | None:
    """Return the row with a subject's questions, where there is one, else what a gate says."""
    if known is None:
        return None
    if known.own is not None and "questions" in known.own:
        return known.own
    return known.of_gate or known.own


_SHARE = ("total", "correct", "accuracy", "ci95")


def _share(share: Share) -> dict[str, Any]:
    interval = [round(bound, 4) for bound in share.interval]
    values = share.total, share.correct, round(share.accuracy, 4), interval
    return dict(zip(_SHARE, values, strict=True))


def _subject(result: SubjectResult) -> dict[str, Any]:
    share = _share(pool([result])) if result.questions else dict.fromkeys(_SHARE)
    norm = result.accuracy_norm
    return {
        "subject": result.subject,
        "category": category_of(result.subject),
        **share,
        "accuracy_norm": None if norm is None else round(norm, 4),
        "outcome": result.outcome,
        "error": result.error,
        "questions": [
            {**asdict(question), "logprobs": [round(value, 6) for value in question.logprobs]}
            for question in result.questions
        ],
    }
