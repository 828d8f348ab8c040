"""MMLU subjects: from the store, or computed together by the process that comes first."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, PromptError
from pytest_llmjudge.generation.base import Model
from pytest_llmjudge.generation.nonfinite import FLOAT16, WIDER
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.mmlu.accuracy import MMLUAnswer, MMLUResult
from pytest_llmjudge.mmlu.prompts import make_task, prompt_text
from pytest_llmjudge.pipeline.protocols import Fingerprint, name_of
from pytest_llmjudge.pipeline.scoring_model import (
    encoded_prompt,
    most_groups,
    raised_by,
    scored,
    scoring_model,
    wrong_logprob,
)
from pytest_llmjudge.pipeline.turns import wait_or_compute
from pytest_llmjudge.pipeline.user_code import user_code
from pytest_llmjudge.storage.store import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Context
    from pytest_llmjudge.mmlu.exam import Exam
    from pytest_llmjudge.mmlu.prompts import Task
    from pytest_llmjudge.mmlu.results import MMLUQuestion
    from pytest_llmjudge.pipeline.protocols import Counter
    from pytest_llmjudge.pipeline.scoring_model import ScoringModel
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["MMLURun", "alike"]


class MMLURun:
    """An exam in one process of a run.

    Args:
        exam: Subjects and questions.
        settings: The run's options.
        store: Shared with all processes of the run.
        model: Answers the questions.
        needed: The subjects this run needs, so that all are computed by who comes first.
        counter: Counts the questions that are answered.
        subjects: Counts the subjects that are done.
    """

    def __init__(
        self,
        exam: Exam,
        settings: Settings,
        store: Store,
        *,
        model: object,
        needed: Sequence[str],
        counter: Counter,
        subjects: Counter,
    ) -> None:
        self.exam = exam
        self.model = model
        self._settings = settings
        self._store = store
        self._needed = tuple(needed)
        self._counter = counter
        self._done = subjects
        self._fingerprint = Fingerprint(model)
        self._results: dict[str, MMLUResult] = {}
        self._read: dict[str, tuple[tuple[MMLUQuestion, ...], tuple[MMLUQuestion, ...]]] = {}

    @property
    def known(self) -> tuple[MMLUResult, ...]:
        """The results that were asked for so far."""
        return tuple(self._results.values())

    def result(self, subject: str, *, again: bool = False) -> MMLUResult:
        """Return how the model did in a subject; ask it, where nobody has yet.

        Args:
            subject: One of the exam's.
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: There is no result; says why.
        """
        if subject not in self._results:
            key = self._key(subject)
            if again:
                self._store.forget_failure(key)
            self._results[subject] = wait_or_compute(
                self._store,
                key,
                lambda: self._stored(key, subject),
                lambda: self._compute({subject: key}),
                self.model,
            )
        return self._results[subject]

    def _compute(self, known: dict[str, str]) -> None:
        missing: dict[str, str] = {}
        found = 0
        for subject in dict.fromkeys([*known, *self._needed]):
            try:
                key = known.get(subject) or self._key(subject)
            except LlmJudgeError:
                continue  # its own item meets the same error and reports it
            if self._stored(key, subject) is not None:
                found += self._size(subject)
            elif self._store.failure(key) is None:
                missing[subject] = key
        asked = sum(map(self._size, missing))
        self._counter.found(found, found + asked)
        self._counter.start(asked)
        self._done.start(len(missing))
        waiting, done = iter(missing), 0
        try:
            while some := list(islice(waiting, most_groups(self.model))):
                self._ask({subject: missing[subject] for subject in some})
                done += sum(map(self._size, some))
                self._counter.reach(done)
        finally:
            self._counter.flush()

    def _ask(self, keys: dict[str, str]) -> None:
        """Ask the model some subjects together; keep what becomes of each under its key."""
        left = dict(keys)
        try:
            for subject, answers in self._answers(keys):
                if not isinstance(answers, LlmJudgeError):
                    self._fingerprint.check()
                    self._store.add_answers({left[subject]: json.dumps(answers)})
                    self._counter.keep(self._size(subject))
                    self._done.step(kept=False)
                    del left[subject]
                else:
                    self._fail(left.pop(subject), answers)
        except LlmJudgeError as error:
            for key in left.values():
                self._fail(key, error)

    def _fail(self, key: str, error: LlmJudgeError) -> None:
        self._store.add_failure(key, Failure(str(error), error.is_infrastructure))
        self._done.step(kept=False)

    def _answers(
        self, subjects: Iterable[str]
    ) -> Iterator[tuple[str, list[list[object]] | LlmJudgeError]]:
        """Yield subjects, each with what is stored of it or with why it has no answers.

        What is stored is for each question the log-probabilities, the shots shown, and whether it
        is cut.

        Raises:
            CheckpointError: The model cannot be used.
        """
        model = scoring_model(self.model, "MMLU")
        self._fingerprint.check()
        tasks: dict[str, list[Task]] = {}
        groups: list[dict[tuple[str, int], Sequence[Context]]] = []
        scores: dict[str, dict[int, list[float]]] = {}
        with user_code(partial(raised_by, self.model)):
            for subject in subjects:
                try:
                    tasks[subject] = self._tasks(model, subject)
                except PromptError as error:
                    yield subject, error
                    continue
                groups += [
                    {(subject, index): tasks[subject][index].contexts for index in indices}
                    for indices in alike(tasks[subject])
                ]
            for (subject, index), values in scored(model, groups):
                self._counter.step(kept=False)
                if subject not in tasks:
                    continue  # it has failed
                if isinstance(values, PromptError):
                    del tasks[subject]
                    yield subject, values
                    continue
                of_subject = scores.setdefault(subject, {})
                of_subject[index] = [one for some in values for one in some]
                if len(of_subject) == len(tasks[subject]):
                    yield subject, self._facts(subject, tasks[subject], scores.pop(subject))

    def _tasks(self, model: ScoringModel, subject: str) -> list[Task]:
        """Write the questions of a subject as tokens.

        Raises:
            PromptError: One cannot be asked.
        """
        questions, solved = self._questions(subject)
        encode, context = partial(encoded_prompt, model), model.context_length
        mode = self.exam.mode
        return [
            make_task(subject, solved, question, mode, encode=encode, context=context)
            for question in questions
        ]

    def _facts(
        self, subject: str, tasks: Sequence[Task], scores: Mapping[int, list[float]]
    ) -> list[list[object]] | CheckpointError:
        for index, question in enumerate(self._questions(subject)[0]):
            if len(scores[index]) != len(question.choices):
                problem = (
                    f"score() gave {len(scores[index])} values for {len(question.choices)} choices"
                )
                hint = "give a log-probability for each branch of each context"
                return CheckpointError(name_of(self.model), problem, hint)
            wrong = wrong_logprob(name_of(self.model), scores[index], f"question {question.id}")
            if wrong is not None:
                return wrong
            if not all(_is_finite(value) for value in scores[index]):
                problem = f"its log-probabilities for question {question.id} are no numbers"
                is_narrow = isinstance(self.model, Model) and self._settings.dtype == FLOAT16
                hint = WIDER if is_narrow else "see whether its training diverged"
                return CheckpointError(name_of(self.model), problem, hint)
        return [[scores[index], task.shots, task.is_cut] for index, task in enumerate(tasks)]

    def _questions(self, subject: str) -> tuple[tuple[MMLUQuestion, ...], tuple[MMLUQuestion, ...]]:
        if subject not in self._read:
            self._read[subject] = self.exam.questions(subject), self.exam.solved(subject)
        return self._read[subject]

    def _size(self, subject: str) -> int:
        return len(self._questions(subject)[0])

    def _key(self, subject: str) -> str:
        questions, solved = self._questions(subject)
        mode = self.exam.mode
        prompts = [prompt_text(subject, solved, question, mode) for question in questions]
        choices = [question.choices for question in questions] if mode == "continuation" else []
        options: dict[str, object] = {
            "device": self._settings.device,
            "dtype": self._settings.dtype,
        }
        if isinstance(self.model, Model) and self.model.may_begin_texts:
            # Earlier versions asked such models without the token for the beginning of a text.
            options["begin"] = True
        return make_key("mmlu/1", self._fingerprint.first, mode, prompts, choices, options)

    def _stored(self, key: str, subject: str) -> MMLUResult | None:
        questions, _ = self._questions(subject)

        def read(facts: str) -> MMLUResult:
            answers = [
                _answer(question, *values)
                for question, values in zip(questions, json.loads(facts), strict=True)
            ]
            return MMLUResult(subject, self.exam.mode, self.exam.shots, tuple(answers))

        return self._store.answers([key], read).get(key)


def _answer(question: MMLUQuestion, values: list[float], shots: int, is_cut: bool) -> MMLUAnswer:  # noqa: FBT001  # as stored
    """Return an answer as it was stored.

    Raises:
        ValueError: It is none.
    """
    if len(values) != len(question.choices) or not all(map(_is_finite, values)):
        raise ValueError
    # Earlier versions kept those of models that gave no logarithms.
    if wrong_logprob("", values, question.id) is not None:
        raise ValueError
    if type(shots) is not int or type(is_cut) is not bool:
        raise ValueError
    return MMLUAnswer(question, tuple(values), shots, is_cut)


def _is_finite(value: object) -> bool:
    # An integer may be larger than any float; math.isfinite() would raise an error.
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def alike(tasks: Sequence[Task]) -> list[list[int]]:
    """Return the numbers of tasks of a subject, those together that begin alike."""

    def kind(index: int) -> tuple[int, bool]:
        return -tasks[index].shots, tasks[index].is_cut

    return [list(group) for _, group in groupby(sorted(range(len(tasks)), key=kind), key=kind)]
