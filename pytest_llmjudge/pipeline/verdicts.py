"""A suite's verdicts: from the store, or from the judge, one request at a time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import JudgeError, LlmJudgeError, one_line, storable
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline.parts import judge_fingerprint, judge_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.pipeline.parts import Counter, JudgeLike
    from pytest_llmjudge.storage.store import Store

__all__ = ["Verdicts"]


class Verdicts:
    """Verdicts of one judge.

    Args:
        suite: Name of the suite.
        judge: Scores responses; ours, or one of the user's own.
        store: Shared with all processes of the run.
        counter: Told how many are made.
    """

    def __init__(self, suite: str, judge: JudgeLike, store: Store, counter: Counter) -> None:
        from pytest_llmjudge.judging.judge import Judge

        self._suite = suite
        self._judge = judge
        self._ours = judge if isinstance(judge, Judge) else None
        self._store = store
        self._counter = counter

    @property
    def is_ours(self) -> bool:
        """Whether the judge is one of this package, and not the user's own."""
        return self._ours is not None

    def load(self, pairs: Sequence[tuple[Record, str]]) -> Iterator[tuple[Record, str, Verdict]]:
        """Yield those pairs of record and response that have a verdict in the store."""
        keys = [self._key(record, response) for record, response in pairs]
        stored = self._store.verdicts(keys)
        for key, (record, response) in zip(keys, pairs, strict=True):
            if key in stored:
                yield record, response, stored[key]

    def get(self, record: Record, response: str) -> Verdict:
        """Return the verdict on ``response``; ask the judge if there is none.

        Raises:
            LlmJudgeError: The judge cannot be named, or the cache cannot be used.
        """
        key = self._key(record, response)
        verdict = self._stored(key)
        if verdict is not None:
            return verdict
        with self._turn(key):
            verdict = self._stored(key)
            return verdict if verdict is not None else self._ask(key, record, response)

    def forget_failure(self, record: Record, response: str) -> None:
        """Let a verdict that could not be had be tried again."""
        self._store.forget_failure(self._key(record, response))

    def _stored(self, key: str) -> Verdict | None:
        verdict = self._store.verdict(key)
        if verdict is None:
            failure = self._store.failure(key)
            verdict = None if failure is None else Verdict(None, "", failure, final=False)
        return verdict

    def _ask(self, key: str, record: Record, response: str) -> Verdict:
        try:
            verdict = self._scored(record, response)
        except LlmJudgeError as error:
            verdict = Verdict(None, "", str(error), final=False)
        self._counter.step()
        if verdict.final:
            return self._store.add_verdict(key, verdict)
        self._store.add_failure(key, str(verdict.error))
        return verdict

    def _scored(self, record: Record, response: str) -> Verdict:
        name = judge_name(self._judge)
        try:
            verdict: object = self._judge.score(record, response)
        except LlmJudgeError:
            raise
        except Exception as error:
            found = f"score() raised {type(error).__name__}: {one_line(str(error), 200)}"
            todo = "correct it, or return a Verdict with an error"
            raise JudgeError(name, found, todo) from error
        if not isinstance(verdict, Verdict) or not _is_valid(verdict):
            found = f"score() gave {one_line(repr(verdict), 100)}"
            todo = "return a Verdict with a score from 0 to 100, or with an error"
            raise JudgeError(name, found, todo)
        told = None if verdict.error is None else one_line(verdict.error, 2000)
        if self._ours is None:
            # Nobody knows whether a judge of the user's own would fail again, so it may try.
            verdict = replace(verdict, final=verdict.score is not None)
        return replace(verdict, reply=storable(verdict.reply), error=told)

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """Keep the other processes from asking the same thing meanwhile."""
        if self._ours is not None and self._ours.server is None:
            yield
            return
        with self._store.lock(f"verdict {key[:2]}"):
            yield

    def _key(self, record: Record, response: str) -> str:
        if self._ours is not None:
            return self._ours.key(record, response)
        kind = f"{type(self._judge).__module__}.{type(self._judge).__qualname__}"
        parts = ["custom verdict/1", kind, record.id, dict(record.fields), response]
        fingerprint = judge_fingerprint(self._judge)
        if fingerprint is not None:
            return make_key(*parts, fingerprint)
        # Without a fingerprint nobody can tell when a judge of the user's own has changed.
        return self._store.key_of_this_run(make_key(*parts, self._suite))


def _is_valid(verdict: Verdict) -> bool:
    reply: object = verdict.reply
    if not isinstance(reply, str):
        return False
    if verdict.score is None:
        return bool(verdict.error)
    return type(verdict.score) is int and 0 <= verdict.score <= 100
