"""Models that give log-probabilities of given answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from pytest_llmjudge.errors import CheckpointError, PromptError, one_line
from pytest_llmjudge.generation.base import LocalModel, Model
from pytest_llmjudge.pipeline.protocols import name_of
from pytest_llmjudge.pipeline.user_code import described
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Context

__all__ = [
    "ScoringModel",
    "encoded",
    "encoded_pair",
    "encoded_prompt",
    "most_groups",
    "raised_by",
    "scored",
    "scoring_model",
    "wrong_logprob",
]

_IDS = "whole numbers of 0 or more"
_SHOWN = 100
"""Characters of what a user's model gave."""
_ROUNDING: Final = 1e-3
"""By which a log-probability may be above 0."""


Name = TypeVar("Name", bound="Hashable")


class Scorer(Protocol):
    """What gives log-probabilities of tokens."""

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context the log-probability of each of its branches."""


class ScoringModel(Scorer, Protocol):
    """All that a model may need to offer so that given texts can be scored."""

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""

    @property
    def context_length(self) -> int:
        """How many tokens it can see."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""

    def encode_pair(
        self, prompt: str, reference: str, *, chat: bool = False, end: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of the reference behind it, encoded as one text."""


def wrong_logprob(where: str, values: Iterable[object], about: str) -> CheckpointError | None:
    """Return the error of a log-probability that is none; ``None`` where there is none such.

    NaN and -inf are left to the caller: they are a diverged model's, not wrong code's.

    Args:
        where: The model, for the message.
        values: What it gave.
        about: What for.
    """
    for value in values:
        if type(value) is bool or not isinstance(value, (int, float)):
            problem = f"score() gave {shown(value)} for {about}"
            return CheckpointError(where, problem, "give floats")
        if value > _ROUNDING:
            problem = f"score() gave a log-probability above 0 for {about}"
            return CheckpointError(where, problem, "give the logarithm, not its negative")
    return None


def raised_by(model: object, error: BaseException) -> CheckpointError:
    """Return the error that stands in the place of what a model raised."""
    what = described(error)
    hint = "lower --llm-judge-batch-size" if "memory" in what else "correct it"
    return CheckpointError(name_of(model), f"it raised {what}", hint)


def scoring_model(model: object, needed_by: str, encoder: str = "encode") -> ScoringModel:
    """Return a model under test as one that scores given texts.

    Args:
        model: Under test.
        needed_by: What is measured, for messages.
        encoder: The method that makes tokens of what is scored.

    Raises:
        CheckpointError: It gives no log-probabilities.
    """
    if isinstance(model, Model) and model.is_served:
        problem = (
            f"a served model gives no log-probabilities of given answers, which {needed_by} needs"
        )
        hint = "name a checkpoint or a Hugging Face folder"
        raise CheckpointError(str(model.info.path), problem, hint)
    wanted = ("context_length", encoder, "score")
    # Looked for without asking: a checkpoint would be loaded to tell its context.
    if any(inspect.getattr_static(model, name, None) is None for name in wanted):
        problem = f"it gives no log-probabilities, which {needed_by} needs"
        hint = f"give it context_length, {encoder}() and score(), or name a checkpoint"
        raise CheckpointError(name_of(model), problem, hint)
    return model  # type: ignore[return-value]  # it has what the protocol asks for


def most_groups(model: object) -> int:
    """Return how many groups of samples a model is best asked at once; see :func:`scored`."""
    return model.most_groups if isinstance(model, LocalModel) else 1


def scored(
    model: Scorer, groups: Sequence[Mapping[Name, Sequence[Context]]]
) -> Iterator[tuple[Name, list[list[float]] | PromptError]]:
    """Score samples of one context or more.

    Args:
        model: Scores them.
        groups: The contexts of samples, by name. Those of a group are scored together, so that what
            they begin with is computed once.

    Yields:
        The name of each sample, with the log-probability of each branch of each of its contexts, or
        with the error of one that cannot be scored; in any order. Where a user's model says nothing
        of a context, it has no branches.

    Raises:
        CheckpointError: The model cannot be used.
    """
    listed = [[one for contexts in group.values() for one in contexts] for group in groups]
    owners = [
        (name, len(contexts))
        for group in groups
        for name, contexts in group.items()
        for _ in contexts
    ]
    results: Iterator[tuple[int, list[float] | PromptError]] = (
        model.score_groups(listed)
        if isinstance(model, LocalModel)
        else enumerate(_each(model, listed))
    )
    known: dict[Name, dict[int, list[float]]] = {}
    errors: dict[Name, PromptError] = {}
    for number, values in results:
        name, size = owners[number]
        of_sample = known.setdefault(name, {})
        if isinstance(values, PromptError):
            errors[name], of_sample[number] = values, []
        else:
            of_sample[number] = values
        if len(of_sample) == size:
            del known[name]
            yield name, errors.get(name) or [of_sample[at] for at in sorted(of_sample)]


def _each(model: Scorer, groups: Sequence[Sequence[Context]]) -> Iterator[list[float]]:
    for group in groups:
        scores = iter(model.score(group))
        for _ in group:
            yield next(scores, [])


def encoded(model: ScoringModel, text: str) -> list[int]:
    """Return the tokens of a text, without special ones.

    Raises:
        CheckpointError: A user's model gives something else.
    """
    ids: object = model.encode(text)
    if not _are_ids(model, ids):
        raise _no_ids(model, "encode", ids, f"a list of token ids, {_IDS}")
    return ids  # type: ignore[return-value]  # it was checked


def encoded_prompt(model: ScoringModel, text: str) -> list[int]:
    """Return the tokens of the beginning of a text, with those that the tokenizer puts in front.

    Raises:
        CheckpointError: A user's model gives something else.
    """
    ids = encoded(model, text)
    return [*model.begin, *ids] if isinstance(model, Model) else ids


def encoded_pair(
    model: ScoringModel, prompt: str, reference: str, *, chat: bool, end: bool
) -> tuple[list[int], list[int]]:
    """Return the tokens of a prompt and of the reference behind it, encoded as one text.

    Raises:
        CheckpointError: A user's model gives something else.
    """
    pair: object = model.encode_pair(prompt, reference, chat=chat, end=end)
    is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
    if not is_pair or not all(_are_ids(model, ids) for ids in pair):  # type: ignore[attr-defined]  # it is a pair
        wanted = f"(prompt_ids, reference_ids), two lists of {_IDS}"
        raise _no_ids(model, "encode_pair", pair, wanted)
    return tuple(pair)  # type: ignore[arg-type,return-value]  # it was checked


def _are_ids(model: object, ids: object) -> bool:
    # This package's own models give what their tokenizers do, and MMLU has millions of tokens.
    if isinstance(model, Model):
        return True
    return isinstance(ids, (list, tuple)) and all(type(one) is int and one >= 0 for one in ids)


def _no_ids(model: object, method: str, given: object, wanted: str) -> CheckpointError:
    problem = f"{method}() gave {one_line(repr(given), _SHOWN)}"
    return CheckpointError(name_of(model), problem, f"let it return {wanted}")
