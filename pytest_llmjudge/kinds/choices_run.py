"""Asks a model the questions of a suite of choices: how likely it finds each choice."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, PromptError
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.kinds.scored_run import ScoredRecordsRun, Task
from pytest_llmjudge.questions.answers import ChoiceAnswer
from pytest_llmjudge.questions.base import Draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.kinds.records import RecordSuite
    from pytest_llmjudge.pipeline import ModelLike
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.pipeline.scoring_model import ScoringModel
    from pytest_llmjudge.questions.base import AskedChoices, ChoiceForm, ChoiceQuestion

__all__ = ["ChoiceSet", "ChoicesRun"]

_NUMBERS: Final = (int, float)


@dataclass(frozen=True, slots=True)
class ChoiceSet:
    """The questions of a suite, and how they are asked.

    Attributes:
        form: Of the set.
        metric: By which an answer is right.
        questions: By the id of their record.
        shots: The solved questions that come before each of them; empty for none.
    """

    form: ChoiceForm
    metric: str
    questions: Mapping[str, ChoiceQuestion]
    shots: Mapping[str, tuple[ChoiceQuestion, ...]]

    def ask(self, name: str) -> AskedChoices:
        """Return what a model is asked for a record."""
        return self.form.ask(self.questions[name], self.shots.get(name, ()))

    def beginning(self, name: str) -> str:
        """Name what the prompt of a question begins with, where others begin with the same."""
        is_of_subject = self.form.draw is Draw.FIRST_OF_SUBJECT
        return (self.questions[name].subject or "") if is_of_subject else ""


class _Kept(NamedTuple):
    """What is stored of a question."""

    logprobs: tuple[float, ...]
    lengths: tuple[int, ...]
    is_cut: bool


class ChoicesRun(ScoredRecordsRun[ChoiceAnswer]):
    """A suite of choices that has begun in this process.

    Args:
        suite: The suite.
        asked: Its questions.
        resources: Of this process.
        model: Under test.
        needed: Ids of the records that this run needs.
    """

    _marker = "llm_choices"

    def __init__(
        self,
        suite: RecordSuite[ChoiceAnswer],
        asked: ChoiceSet,
        resources: Resources,
        model: ModelLike | None,
        needed: Sequence[str],
    ) -> None:
        super().__init__(suite, resources, model, needed, "questions")
        self._asked = asked

    def _make_key(self, record: Record) -> str:
        from pytest_llmjudge.generation.base import Model

        settings, (pairs, lengths) = self._resources.settings, self._asked.ask(record.id)
        how = {
            "device": settings.device,
            "dtype": settings.dtype,
            "begin": isinstance(self.model, Model) and self.model.may_begin_texts,
        }
        return make_key("choices/1", self._fingerprint.first, pairs, lengths, how)

    def _read(self, facts: str) -> _Kept:
        logprobs, lengths, is_cut = json.loads(facts)
        if len(logprobs) != len(lengths) or not all(map(_is_logprob, logprobs)):
            raise ValueError
        if type(is_cut) is not bool or not all(type(one) is int for one in lengths):
            raise ValueError
        return _Kept(tuple(logprobs), tuple(lengths), is_cut)

    def _value(self, record: Record, kept: _Kept) -> ChoiceAnswer:
        asked = self._asked
        shots = len(asked.shots.get(record.id, ()))
        return ChoiceAnswer(
            record,
            asked.questions[record.id],
            kept.logprobs,
            kept.lengths,
            shots,
            kept.is_cut,
            asked.metric,
        )

    def _encode(self, model: ScoringModel, record: Record) -> Task:
        from pytest_llmjudge.pipeline.scoring_model import encoded_prompt
        from pytest_llmjudge.questions.tokens import encode_choices

        name = record.id
        pairs, lengths = self._asked.ask(name)
        encode, context = partial(encoded_prompt, model), model.context_length
        choices = encode_choices(name, pairs, encode=encode, context=context)
        alike = choices.is_cut, self._asked.beginning(name)
        return Task(choices.contexts, alike, (lengths, choices.is_cut))

    def _facts(
        self, record: str, values: Sequence[Sequence[Any]], task: Task
    ) -> str | LlmJudgeError:
        from pytest_llmjudge.pipeline.scoring_model import wrong_logprob

        lengths, is_cut = task.about
        logprobs = [one for some in values for one in some]
        where = self._model_name()
        if len(logprobs) != len(lengths):
            problem = (
                f"score() gave {len(logprobs)} values for the {len(lengths)} choices of {record}"
            )
            hint = "give a log-probability for each branch of each context"
            return CheckpointError(where, problem, hint)
        wrong = wrong_logprob(where, logprobs, f"record {record}")
        if wrong is not None:
            return wrong
        if not all(map(_is_logprob, logprobs)):
            return self._no_answer(record)
        return json.dumps([logprobs, list(lengths), is_cut])

    def _no_answer(self, record: str) -> PromptError:
        from pytest_llmjudge.generation.nonfinite import FLOAT16, WIDER

        problem = f"its log-probabilities for record {record} are NaN or infinite"
        is_narrow = self._resources.settings.dtype == FLOAT16
        hint = WIDER if is_narrow else "see whether its training diverged"
        return PromptError(self._model_name(), problem, hint)


def _is_logprob(value: object) -> bool:
    # An integer of a user's model may be larger than any float.
    return isinstance(value, _NUMBERS) and abs(value) <= sys.float_info.max
