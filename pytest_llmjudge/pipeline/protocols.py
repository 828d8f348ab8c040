"""What the pipeline is made of: a model, a judge, and what they make of a record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from pytest_llmjudge.errors import CheckpointError, JudgeError, LlmJudgeError
from pytest_llmjudge.pipeline.user_code import described, user_code
from pytest_llmjudge.storage.store import Progress, Store
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Record, Verdict

__all__ = [
    "Candidate",
    "Counter",
    "Fingerprint",
    "JudgeLike",
    "Judgement",
    "KnownProblemError",
    "ModelLike",
    "Outcome",
    "Pair",
    "fingerprint_of",
    "judge_fingerprint",
    "judge_name",
    "name_of",
]

_TOKENS = "tokens"
"""The kind of progress that counts generated tokens."""


class KnownProblemError(LlmJudgeError):
    """A finished message of an earlier failure, in this process or in another."""

    def __init__(self, message: str, *, is_infrastructure: bool) -> None:
        super().__init__("", message, "")
        self.message = message
        self.is_infrastructure = is_infrastructure

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as it was first reported."""
        return (self.message,)


class ModelLike(Protocol):
    """All that a model under test needs to offer."""

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Return one response for each prompt, in order."""


class JudgeLike(Protocol):
    """All that a judge needs to offer."""

    def score(self, record: Record, response: str) -> Verdict:
        """Score one response."""


class Pair(NamedTuple):
    """The answer of the model under test, and the one that it is compared with."""

    a: str
    b: str


class AnyJudgement(Protocol):
    """What is said of a response or of a pair: a score, or why there is none."""

    @property
    def score(self) -> float | None:
        """``None`` when it is unscored."""

    @property
    def error(self) -> str | None:
        """Why, as one line."""

    @property
    def is_infrastructure(self) -> bool:
        """Whether it was not the record that failed."""


Candidate = TypeVar("Candidate")
"""What a judgement is on: a response, or a pair of them."""
Judgement = TypeVar("Judgement", bound=AnyJudgement)
"""The kind of judgement, such as a verdict."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Candidate, Judgement]):
    """A record's response or pair, ``None`` when there is none, and what was made of it."""

    response: Candidate | None
    verdict: Judgement


def name_of(model: object) -> str:
    """Name a model under test in messages."""
    return f"llm_model ({type(model).__name__})"


def fingerprint_of(model: object) -> str:
    """Return a model's fingerprint.

    Raises:
        CheckpointError: It has none.
    """
    with user_code(
        lambda error: CheckpointError(
            name_of(model), f"fingerprint raised {described(error)}", "correct it"
        )
    ):
        fingerprint: object = getattr(model, "fingerprint", None)
    if not isinstance(fingerprint, str) or not fingerprint:
        hint = "give it a string attribute that changes when its answers may"
        raise CheckpointError(name_of(model), "it has no fingerprint", hint)
    return fingerprint


class Fingerprint:
    """A model's fingerprint: read once for all keys, and proved to have stayed the same.

    Args:
        model: Under test.
    """

    def __init__(self, model: object) -> None:
        self._model = model

    @cached_property
    def first(self) -> str:
        """The fingerprint as it was first read.

        Raises:
            CheckpointError: There is none.
        """
        return fingerprint_of(self._model)

    def check(self) -> None:
        """Read it again, before an answer is kept under the first.

        Raises:
            CheckpointError: It is another one now.
        """
        if fingerprint_of(self._model) != self.first:
            problem = "its fingerprint changes from call to call"
            hint = "make it a text that changes only when the answers may"
            raise CheckpointError(name_of(self._model), problem, hint)


def judge_name(judge: object) -> str:
    """Name a judge of the user's own in messages."""
    return f"llm_judge ({type(judge).__name__})"


def judge_fingerprint(judge: object) -> str | None:
    """Return the fingerprint of a judge of the user's own; ``None`` when it has none.

    Raises:
        JudgeError: It is no text, or cannot be had.
    """
    with user_code(
        lambda error: JudgeError(
            judge_name(judge), f"fingerprint raised {described(error)}", "correct it"
        )
    ):
        fingerprint: object = getattr(judge, "fingerprint", None)
    if fingerprint is not None and (not isinstance(fingerprint, str) or not fingerprint):
        hint = "make it a string that changes when its scores may, or leave it out"
        problem = f"fingerprint is {shown(fingerprint, 80)}"
        raise JudgeError(judge_name(judge), problem, hint)
    return fingerprint


class Counter:
    """Work done by this process, written to the store now and then."""

    def __init__(self, store: Store, kind: str, suite: str, worker: str) -> None:
        self._store = store
        self._names = (kind, suite, worker)
        self._done = self._total = self._tokens = self._kept = 0

    def found(self, number: int, total: int) -> None:
        """Say how many of all pieces the cache has, before any is made."""
        kind, suite, _ = self._names
        self._store.note_found(kind, suite, Progress(number, total))

    def start(self, total: int) -> None:
        """Announce ``total`` pieces of work."""
        self._done, self._total = 0, total
        if total:
            self._note()
            self.flush()

    def step(self, pieces: int = 1, *, kept: bool = True) -> None:
        """Count pieces as done.

        Args:
            pieces: How many.
            kept: Whether the next run finds them in the cache.
        """
        self._done += pieces
        if kept:
            self.keep(pieces)
        self._note()

    def reach(self, done: int) -> None:
        """Count all pieces up to a number as done, those too that could not be made."""
        self._done = done
        self._note()

    def keep(self, pieces: int) -> None:
        """Count pieces that the next run finds in the cache, and are counted as done elsewhere."""
        self._kept += pieces
        self._store.note_kept(*self._names, self._kept)

    def wrote(self, tokens: int) -> None:
        """Count tokens that a model generated, which responses do not tell before they end."""
        self._tokens += tokens
        _, suite, worker = self._names
        # Nobody knows how many there will be.
        self._store.note_progress(_TOKENS, suite, worker, Progress(self._tokens, 0))

    def flush(self) -> None:
        """Write it to the store now."""
        self._store.write_progress()

    def _note(self) -> None:
        self._store.note_progress(*self._names, Progress(self._done, self._total))
