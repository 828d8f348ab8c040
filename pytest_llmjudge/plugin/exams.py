"""Functions marked with ``llm_mmlu``: their items, what those decide, and what reports carry."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.comparison import compare
from pytest_llmjudge.data import Side
from pytest_llmjudge.errors import DatasetError, LlmJudgeError, SettingsError, printable
from pytest_llmjudge.gates import (
    XPASSED,
    Decision,
    decide_accuracy,
    decide_baseline,
    decide_subject,
)
from pytest_llmjudge.mmlu.exam import load_exam, make_exam
from pytest_llmjudge.mmlu.files import LETTERS
from pytest_llmjudge.pipeline import MMLURun
from pytest_llmjudge.pipeline.protocols import Counter
from pytest_llmjudge.plugin.cases import (
    BASELINE,
    EXAM_ATTRIBUTE,
    EXAM_FIXTURE,
    EXAM_MARKER,
    MARKER,
    PAIR_MARKER,
    ExamCase,
    exam_case_of,
)
from pytest_llmjudge.plugin.collect import SuiteProblem, gates_after
from pytest_llmjudge.plugin.identity import agree_on_fixtures
from pytest_llmjudge.plugin.options import is_listing
from pytest_llmjudge.plugin.reports import is_unexpected_pass
from pytest_llmjudge.plugin.session import is_ours, is_rerun
from pytest_llmjudge.plugin.watch import watch
from pytest_llmjudge.reporting.comparison import comparison_text
from pytest_llmjudge.storage.results_reader import RIGHT, answered, exam_terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Comparison, Entry
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.mmlu.accuracy import MMLUResult
    from pytest_llmjudge.mmlu.exam import Exam
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["Exams"]


@dataclass(slots=True, eq=False)
class _Ready:
    case: ExamCase
    run: MMLURun
    result: MMLUResult | None = None
    decision: Decision | None = None
    comparison: Comparison | None = None
    checkpoint: list[Any] = field(default_factory=lambda: ["llm_model", "", None])
    causes: dict[str, str] = field(default_factory=dict)


_READY = pytest.StashKey[_Ready]()


class Exams:
    """The exams of one process of a run.

    Attributes:
        known: Those that were collected.
    """

    def __init__(self, session: LlmSession) -> None:
        self.known: list[Exam] = []
        self._session = session
        self._needed: dict[str, list[str]] = {}
        self._due: dict[str, list[str]] = {}
        self._runs: dict[str, MMLURun] = {}

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Turn a marked function into its exam's items.

        Raises:
            SuiteProblem: The marker or the data cannot be used.
        """
        marker = metafunc.definition.get_closest_marker(EXAM_MARKER)
        if marker is None:
            return
        try:
            exam = self._load(metafunc.definition, marker)
        except SettingsError as error:
            raise SuiteProblem(error, usage=True) from None
        except DatasetError as error:
            where = f"{metafunc.definition.nodeid}: {error.where}"
            told = DatasetError(where, error.found, error.todo)
            raise SuiteProblem(told, usage=False) from None
        self.known.append(exam)
        gates = gates_after(self._session)
        cases = [
            *(ExamCase(exam, subject) for subject in exam.subjects),
            *(ExamCase(exam, None, gate) for gate in gates),
        ]
        self._session.completeness.expect(exam.name, "mmlu", len(cases))
        metafunc.fixturenames.append(EXAM_FIXTURE)
        metafunc.parametrize(EXAM_FIXTURE, cases, indirect=True, ids=[*exam.subjects, *gates])

    def _load(self, function: pytest.Function, marker: pytest.Mark) -> Exam:
        name = function.nodeid
        if function.get_closest_marker("parametrize") is not None:
            todo = "write one marked function for each variant"
            raise SettingsError(name, "llm_mmlu and parametrize stand together", todo)
        for other in (MARKER, PAIR_MARKER):
            if function.get_closest_marker(other) is not None:
                found = f"{other} and {EXAM_MARKER} stand together"
                raise SettingsError(name, found, "mark a function with each")
        if sum(mark.name == EXAM_MARKER for mark in function.own_markers) > 1:
            todo = "write one marked function for each"
            raise SettingsError(name, "it has several llm_mmlu markers", todo)
        folder: object = self._session.settings.mmlu_data
        if marker.args:
            (folder,) = marker.args if len(marker.args) == 1 else (None,)
        if not isinstance(folder, (str, Path)):
            found = "llm_mmlu names no data"
            todo = (
                'give it one path, as in llm_mmlu("data/mmlu", min_accuracy=0.25), '
                "or set the ini option llm_mmlu_data"
            )
            raise SettingsError(name, found, todo)
        base = function.path.parent
        return load_exam(name, str(folder), marker.kwargs, base, self._session.settings)

    def plan(self, session: pytest.Session) -> None:
        """Note which subjects this run needs, and prove that their model is there.

        Raises:
            LlmJudgeError: It is not.
        """
        cases = [(item, case) for item in session.items if (case := _checked_case(item))]
        for _, case in cases:
            if case.subject is None:
                self._due.setdefault(case.exam.name, []).append(case.gate)
        for item, case in cases:
            exam = case.exam
            if exam.name not in self._needed and not is_listing(self._session.config):
                is_our_model = is_ours(session, item, "llm_model")
                self._announce(exam, self._checked_model(exam) if is_our_model else None)
            needed = self._needed.setdefault(exam.name, [])
            needed += exam.subjects if case.subject is None else [case.subject]

    def _announce(self, exam: Exam, model: Model | None) -> None:
        """Have the exam in the results also when the run ends before it is reached."""
        facts = self._facts(exam, None)
        self._session.store.note_suite(exam.name, facts, planned=True)
        facts["checkpoint"] = self._session.checkpoint_facts(model)
        if self._session.worker != "main":
            facts["digest"] = exam.data.digest(exam.subjects)
        self._session.announced[exam.name] = facts
        watch(self._session, model)

    def _checked_model(self, exam: Exam) -> Model:
        if exam.checkpoint is None:
            todo = "give --llm-judge-checkpoint, or checkpoint= in the marker"
            raise SettingsError(exam.name, "it has no model under test", todo)
        model = self._session.model(exam.checkpoint)
        model.check()
        return model

    def set_up(self, request: pytest.FixtureRequest) -> None:
        """Have an item's subject answered; without that the item errs with a single line."""
        item, case = request.node, request.param
        problem = None
        try:
            ready = _Ready(case, self._run(case.exam, request))
            ready.checkpoint = self._session.checkpoint_facts(ready.run.model)
            item.stash[_READY] = ready
            if case.subject is not None:
                ready.result = ready.run.result(case.subject, again=is_rerun(item))
        except LlmJudgeError as error:
            problem = str(error)
        if problem is not None:
            # Outside of the handler: pytest would show what the error was raised from.
            pytest.fail(problem, pytrace=False)

    def _run(self, exam: Exam, request: pytest.FixtureRequest) -> MMLURun:
        model = self._session.model_of(request)
        run = self._runs.get(exam.name)
        if run is None:
            agree_on_fixtures(self._session, exam.name, model, None)
            run = self._runs[exam.name] = self._make_run(exam, model, self._needed[exam.name])
        if run.model is not model:
            found = "llm_model is made anew for every item"
            raise SettingsError(exam.name, found, 'give the fixture scope="session"')
        return run

    def _make_run(self, exam: Exam, model: object, needed: list[str]) -> MMLURun:
        session = self._session
        counter = Counter(session.store, "questions", exam.name, session.worker)
        settings, store = session.settings, session.store
        return MMLURun(exam, settings, store, model=model, needed=needed, counter=counter)

    def ask(
        self, request: pytest.FixtureRequest, subject: object, data: object, **how: object
    ) -> MMLUResult | str:
        """Answer a call of the ``mmlu`` fixture, with one line where there is no result."""
        path = self._session.settings.mmlu_data
        try:
            if data is not None and not isinstance(data, (str, Path)):
                where, todo = "mmlu: data", "give a path"
                raise SettingsError(where, f"{data!r} is no path", todo)
            if data is not None:
                path = self._session.config.rootpath / data
            if path is None:
                where, todo = "mmlu", "set the ini option llm_mmlu_data, or give data="
                raise SettingsError(where, "no copy of MMLU is named", todo)
            exam = make_exam("mmlu", path, subject, **how)
            model = self._session.model_of(request)
            return self._make_run(exam, model, []).result(exam.subjects[0])
        except LlmJudgeError as error:
            return str(error)

    @staticmethod
    def result_of(request: pytest.FixtureRequest) -> MMLUResult:
        """Return an item's result for its ``mmlu_result`` fixture."""
        ready = request.node.stash.get(_READY, None)
        if ready is None or ready.result is None:
            found = "fixture 'mmlu_result' is used in a test that is no subject of MMLU"
            todo = "mark the test with llm_mmlu"
            if ready is not None:
                found = "fixture 'mmlu_result' is used by an autouse fixture, and a gate has none"
                todo = "let the test function ask for it"
            pytest.fail(f"{request.node.nodeid}: {found}; {todo}", pytrace=False)
        result: MMLUResult = ready.result
        return result

    def call(self, item: pytest.Function) -> bool:
        """Decide over an item; say whether that was all, so that its body is not called.

        Raises:
            pytest.fail.Exception: The accuracy is too low, or lower than the baseline's.
            LlmJudgeError: The model is another one now.
        """
        ready = item.stash.get(_READY, None)
        if ready is None:
            return False
        exam = ready.case.exam
        if ready.result is not None:
            minimum = exam.min_subject_accuracy
            ready.decision = decide_subject(ready.result.correct, ready.result.total, minimum)
        elif ready.case.gate == BASELINE:
            ready.decision = self._decide_baseline(ready, again=is_rerun(item))
        else:
            ready.decision = _decide_over_all(ready, again=is_rerun(item))
        if not ready.decision.passed:
            text = ready.decision.reason
            if ready.comparison is not None:
                text = comparison_text(text, ready.comparison)
            pytest.fail(printable(text), pytrace=False)
        if ready.result is not None:
            return False
        try:
            self._session.check_unchanged(exam.name, ready.run.model)
        except LlmJudgeError as error:
            ready.decision = Decision(passed=False, reason=str(error))
            raise
        return True

    def _decide_baseline(self, ready: _Ready, *, again: bool) -> Decision:
        exam = ready.case.exam
        entries = tuple(
            entry
            for subject in exam.subjects
            for entry in _entries(ready.run, subject, again=again)
        )
        terms = exam_terms(exam.mode, exam.shots)
        now = Side("mmlu", exam.name, entries, terms=terms, passes_at=RIGHT)
        before = self._session.completeness.baseline_side("mmlu", exam.name)
        ready.comparison = compare(before, now)
        return decide_baseline(ready.comparison, self._session.settings.max_drop)

    def attach(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add what became of an item to the report that ends its deciding phase."""
        case = exam_case_of(item)
        if case is None or not (
            report.when == "call" or (report.when == "setup" and not report.passed)
        ):
            return
        ready = item.stash.get(_READY, None)
        outcome = "passed"
        if report.failed:
            outcome = "error" if report.when == "setup" else "failed"
        elif report.skipped or hasattr(report, "wasxfail"):
            if ready is None or ready.decision is None:
                return
            # What the user skips or expects to fail has the outcome of its accuracy.
            outcome = "passed" if ready.decision.passed else "failed"
        reason = report.longreprtext.strip().partition("\n")[0]
        if ready is not None and ready.decision is not None:
            reason = ready.decision.reason
            if is_unexpected_pass(report):
                reason += f"; {XPASSED}"
        payload: dict[str, Any] = {
            "exam": self._facts(case.exam, ready),
            "subject": case.subject,
            "gate": case.gate,
            "comparison": None,
            "causes": {} if ready is None else ready.causes,
            "outcome": outcome,
            "reason": reason,
            "rows": [],
        }
        if ready is not None:
            known = [ready.result] if ready.result is not None else ready.run.known
            payload["rows"] = [_row(result) for result in known]
            if ready.comparison is not None:
                payload["comparison"] = asdict(ready.comparison)
        setattr(report, EXAM_ATTRIBUTE, payload)

    def _facts(self, exam: Exam, ready: _Ready | None) -> dict[str, Any]:
        unknown = ["llm_model", "", None]
        return {
            "exam": True,
            "name": exam.name,
            "path": self._session.shown_path(exam.path),
            "checkpoint": unknown if ready is None else ready.checkpoint,
            "mode": exam.mode,
            "shots": exam.shots,
            "limit": exam.limit,
            "subjects": list(exam.subjects),
            "min_accuracy": exam.min_accuracy,
            "min_subject_accuracy": exam.min_subject_accuracy,
            "due": self._due.get(exam.name, []),
        }


def _checked_case(item: pytest.Item) -> ExamCase | None:
    """Return what ``item`` is about.

    Raises:
        SettingsError: It is marked, but cannot be asked as it is collected.
    """
    case = exam_case_of(item)
    if case is None:
        if item.get_closest_marker(EXAM_MARKER) is None:
            return None
        todo = "write it as a plain function or as a method of a plain class"
        raise SettingsError(item.nodeid, "llm_mmlu marks what pytest cannot parametrise", todo)
    if len(item.callspec.params) > 1:  # type: ignore[attr-defined]
        others = ", ".join(name for name in item.callspec.params if name != EXAM_FIXTURE)  # type: ignore[attr-defined]
        todo = "write one marked function for each variant"
        raise SettingsError(case.exam.name, f"it is parametrised by {others} as well", todo)
    return case


def _decide_over_all(ready: _Ready, *, again: bool) -> Decision:
    correct = total = 0
    run, causes = ready.run, ready.causes
    for subject in run.exam.subjects:
        try:
            result = run.result(subject, again=again)
        except LlmJudgeError as error:  # noqa: PERF203  # each subject is told of
            causes[subject] = str(error)
        else:
            correct, total = correct + result.correct, total + result.total
    subjects = len(run.exam.subjects)
    return decide_accuracy(correct, total, run.exam.min_accuracy, causes, subjects)


def _entries(run: MMLURun, subject: str, *, again: bool) -> Iterator[Entry]:
    """Yield a subject's questions as a comparison takes them, without a score where none is."""
    try:
        for answer in run.result(subject, again=again).answers:
            letter = LETTERS[answer.question.answer]
            yield answered(answer.question.id, letter, answer.prediction)
    except LlmJudgeError:
        # What is wrong is told by the subject's own item, and by the average.
        for question in run.exam.questions(subject):
            yield answered(question.id, LETTERS[question.answer], None)


def _row(result: MMLUResult) -> list[Any]:
    """What a report carries of a subject: plain data, as xdist needs it."""
    questions = [
        [
            answer.question.id,
            LETTERS[answer.question.answer],
            answer.prediction,
            list(answer.logprobs),
            answer.shots,
            answer.is_cut,
        ]
        for answer in result.answers
    ]
    return [result.subject, result.accuracy_norm, questions]
