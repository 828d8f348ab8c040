"""What a suite's run asks of whoever judges, such as a judge's verdicts or people's votes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from pytest_llmjudge.judging.judge import Judge
from pytest_llmjudge.keys import Content, content_of, contents, make_key
from pytest_llmjudge.pipeline.protocols import Candidate, Judgement, judge_fingerprint
from pytest_llmjudge.pipeline.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.errors import LlmJudgeError
    from pytest_llmjudge.judging.decoys import Decoys
    from pytest_llmjudge.pipeline.protocols import JudgeLike
    from pytest_llmjudge.storage.store import Store

__all__ = ["AskedJudgements", "Judgements"]


class Judgements(ABC, Generic[Candidate, Judgement]):
    """Judgements on responses, or on pairs of them."""

    is_ours: bool
    """Whether they may be asked for before an item needs them."""
    asks_a_server: bool
    """Whether a request goes somewhere, so that several may be under way at once."""

    @abstractmethod
    def load(
        self, pairs: Sequence[tuple[Record, Candidate]]
    ) -> Iterator[tuple[Record, Candidate, Judgement]]:
        """Yield those that need not be asked about any more."""

    @abstractmethod
    def get(self, record: Record, candidate: Candidate) -> Judgement:
        """Return the judgement; ask for it if there is none.

        Raises:
            LlmJudgeError: The judge cannot be named, or the cache cannot be used.
        """

    @abstractmethod
    def find(self, record: Record, candidate: Candidate) -> Judgement | None:
        """Return the judgement where it need not be asked for any more."""

    @abstractmethod
    def name(self, record: Record, candidate: Candidate) -> str:
        """Name the judgement among those of this run."""

    @abstractmethod
    def forget_failure(self, record: Record, candidate: Candidate) -> None:
        """Let one that could not be had be tried again."""

    def confirm(self) -> None:
        """Prove that whoever gave them is still the one with which the run began.

        Raises:
            LlmJudgeError: It is another one, or nobody knows.
        """

    @abstractmethod
    def failed(self, error: LlmJudgeError) -> Judgement:
        """Return what stands in the place of a judgement that an error prevents."""


class AskedJudgements(Judgements[Candidate, Judgement]):
    """Judgements that a judge is asked for, and that the store keeps.

    Args:
        suite: Name of the suite.
        judge: Ours, or one of the user's own.
        store: Shared with all processes of the run.
        step: Called for each that is made, with ``kept``: whether the next run finds it.
        decoys: What the judge is asked besides about a response that looks suspicious.
        in_flight: How many requests may be in flight at each server.
    """

    def __init__(
        self,
        suite: str,
        judge: JudgeLike,
        store: Store,
        step: Callable[..., None],
        decoys: Decoys,
        *,
        in_flight: int = 1,
    ) -> None:
        self._suite = suite
        self._judge = judge
        self._ours = judge if isinstance(judge, Judge) else None
        self._store = store
        self._step = step
        self._decoys = decoys
        # What an answer was under one load says nothing of another load.
        self._load = f" with {in_flight} in flight" if in_flight > 1 else ""
        self.is_ours = self._ours is not None
        self.asks_a_server = self._ours is not None and self._ours.server is not None
        self._watch = Watch(store, self._ours if self.asks_a_server else None)

    def confirm(self) -> None:
        """Prove that a judge at a server is still the one with which the run began."""
        self._watch.confirm()

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """Keep the other processes from asking the same thing meanwhile."""
        if self._ours is not None and self._ours.server is None:
            yield
            return
        with self._store.lock(f"verdict {key[:2]}"):
            yield

    @cached_property
    def keeps(self) -> bool:
        """Whether the next run finds what the judge says.

        Without a fingerprint nobody can tell when a judge of the user's own has changed.

        Raises:
            JudgeError: Its fingerprint cannot be had.
        """
        return self._ours is not None or judge_fingerprint(self._judge) is not None

    def _count(self, *, has_score: bool) -> None:
        self._step(kept=has_score and self.keeps)

    def _custom_key(self, kind: str, record: Record, *candidate: str) -> str:
        """Name what a judge of the user's own makes of a record."""
        named = f"{type(self._judge).__module__}.{type(self._judge).__qualname__}"
        parts: list[object] = [kind, named, record.id, dict(record.fields), *candidate]
        says = contents(record)
        if says != _as_alpaca(record.fields):
            # A marker decides what else is said, with ``system=`` and ``fields=``.
            parts.append(content_of(says))
        if record.criteria:
            parts.append([[one.name, one.text] for one in record.criteria])
        fingerprint = judge_fingerprint(self._judge)
        if fingerprint is not None:
            return make_key(*parts, fingerprint)
        return self._store.key_of_this_run(make_key(*parts, self._suite))


def _as_alpaca(fields: Mapping[str, Any]) -> Content:
    """Return what a record says whose fields are its texts."""
    return Content(
        fields.get("instruction", ""), fields.get("input") or "", fields.get("output", "")
    )
