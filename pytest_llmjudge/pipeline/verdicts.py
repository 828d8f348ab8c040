"""A suite's verdicts: from the store, or from the judge, one request at a time."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import JudgeError, LlmJudgeError, one_line, storable
from pytest_llmjudge.judging.decoys import confirm_by_decoys
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline.judgements import AskedJudgements
from pytest_llmjudge.pipeline.protocols import judge_name
from pytest_llmjudge.pipeline.user_code import described, user_code
from pytest_llmjudge.scoring import combine
from pytest_llmjudge.servers.fleet import servers_that_answer
from pytest_llmjudge.storage.store import Failure
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.judging.check import Probe

__all__ = ["Verdicts"]

_DECOY = "decoy"


class Verdicts(AskedJudgements[str, Verdict]):
    """Verdicts of one judge; see :class:`~pytest_llmjudge.pipeline.judgements.AskedJudgements`."""

    @cached_property
    def _samples(self) -> range:
        return range(1 if self._ours is None else self._ours.samples)

    def load(self, pairs: Sequence[tuple[Record, str]]) -> Iterator[tuple[Record, str, Verdict]]:
        """Yield those pairs of record and response that need not be asked about any more."""
        self._watch.adopt()
        asked = []
        for record, response in pairs:
            known = self._known(record, response)
            if known is not None:
                yield record, response, known
            else:
                keys = [self._key(record, response, sample) for sample in self._samples]
                asked.append((record, response, keys))
        stored = self._store.verdicts([key for _, _, keys in asked for key in keys])
        suspicious = []
        for record, response, keys in asked:
            if all(key in stored for key in keys):
                verdict = combine((stored[key] for key in keys), len(keys))
                decoys = self._decoy_keys(record, response, verdict)
                if decoys:
                    suspicious.append((record, response, verdict, decoys))
                else:
                    yield record, response, verdict
        stored = self._store.verdicts([key for *_, decoys in suspicious for key in decoys])
        for record, response, verdict, decoys in suspicious:
            held = confirm_by_decoys(record, verdict, map(stored.get, decoys))
            if held is not None:
                yield record, response, held

    def get(self, record: Record, response: str) -> Verdict:
        """Return the verdict on ``response``; ask the judge if there is none.

        Raises:
            LlmJudgeError: The judge cannot be named, or the cache cannot be used.
        """
        known = self._known(record, response)
        if known is not None:
            return known
        settled = (self._settle(record, response, sample) for sample in self._samples)
        return self._held(record, response, combine(settled, len(self._samples)))

    def find(self, record: Record, response: str) -> Verdict | None:
        """Return the verdict on ``response`` where it need not be asked about any more."""
        known = self._known(record, response)
        if known is not None:
            return known
        verdicts = []
        for sample in self._samples:
            verdict = self._stored(self._key(record, response, sample))
            if verdict is None:
                return None
            verdicts.append(verdict)
        verdict = combine(verdicts, len(verdicts))
        decoys = self._decoy_keys(record, response, verdict)
        return confirm_by_decoys(record, verdict, map(self._stored, decoys)) if decoys else verdict

    def probe(self, probe: Probe) -> Verdict:
        """Return the verdict on a known answer; ask the judge if there is none.

        Such verdicts are kept under keys of their own: an echo that came from the cache would prove
        nothing, and answers that are usually not sent are sent here.

        Raises:
            LlmJudgeError: As :meth:`get`.
        """
        verdict = self._settle(probe.record, probe.response, 0, probe=probe.kind)
        if not probe.is_attack or self._ours is None or not self._ours.refuses_with_decoys:
            return verdict
        return self._held(probe.record, probe.response, verdict)

    def name(self, record: Record, response: str) -> str:
        """Name the verdict on ``response`` among those of this run."""
        return self._key(record, response, 0)

    def forget_failure(self, record: Record, response: str) -> None:
        """Let a verdict that could not be had be tried again."""
        for sample in self._samples:
            self._store.forget_failure(self._key(record, response, sample))
        self._forget_decoys(record, response)

    def failed(self, error: LlmJudgeError) -> Verdict:
        """Return a verdict without a score."""
        return Verdict(None, "", str(error), final=False, is_infrastructure=error.is_infrastructure)

    def forget_failed_probe(self, probe: Probe) -> None:
        """Let a verdict on a known answer that could not be had be tried again."""
        self._store.forget_failure(self._key(probe.record, probe.response, 0, probe=probe.kind))
        self._forget_decoys(probe.record, probe.response)

    def _held(self, record: Record, response: str, verdict: Verdict) -> Verdict:
        """Ask decoy questions about a response whose score looks suspicious."""
        decoys = (
            self._settle(question, response, 0, probe=_DECOY)
            for question in self._decoy_questions(record, response, verdict)
        )
        first = next(decoys, None)
        if first is None:
            return verdict
        return confirm_by_decoys(record, verdict, chain([first], decoys)) or verdict

    def _decoy_questions(self, record: Record, response: str, verdict: Verdict) -> Sequence[Record]:
        if self._ours is None:
            return ()
        return self._ours.decoy_questions(record, response, verdict, self._decoys)

    def _decoy_keys(self, record: Record, response: str, verdict: Verdict) -> list[str]:
        return [
            self._key(question, response, 0, probe=_DECOY)
            for question in self._decoy_questions(record, response, verdict)
        ]

    def _forget_decoys(self, record: Record, response: str) -> None:
        if self._ours is not None:
            for question in self._decoys.questions(record, response):
                key = self._key(question, response, 0, probe=_DECOY)
                self._store.forget_failure(key)

    def _known(self, record: Record, response: str) -> Verdict | None:
        return None if self._ours is None else self._ours.known(record, response)

    def _settle(self, record: Record, response: str, sample: int, *, probe: str = "") -> Verdict:
        key = self._key(record, response, sample, probe=probe)
        verdict = self._stored(key)
        if verdict is not None:
            return verdict
        with self._turn(key):
            verdict = self._stored(key)
            if verdict is None:
                verdict = self._ask(key, record, response, sample)
                is_last = sample == self._samples[-1] or verdict.score is None
                if is_last and not probe:
                    self._count(has_score=verdict.score is not None)
            return verdict

    def _stored(self, key: str) -> Verdict | None:
        verdict = self._store.verdict(key)
        if verdict is None:
            failure = self._store.failure(key)
            if failure is not None:
                verdict = Verdict(
                    None,
                    "",
                    failure.message,
                    final=False,
                    is_infrastructure=failure.is_infrastructure,
                    too_long=failure.too_long,
                )
        return verdict

    def _ask(self, key: str, record: Record, response: str, sample: int) -> Verdict:
        self._watch.check()
        with servers_that_answer() as servers:
            try:
                verdict = self._scored(record, response, sample)
            except LlmJudgeError as error:
                verdict = self.failed(error)
        if verdict.final:
            verdict = self._store.add_verdict(key, verdict, self._watch.awaits(servers))
            self._watch.wrote()
            return verdict
        failure = Failure(str(verdict.error), verdict.is_infrastructure, verdict.too_long)
        self._store.add_failure(key, failure)
        return verdict

    def _scored(self, record: Record, response: str, sample: int) -> Verdict:
        name = judge_name(self._judge)
        hint = "correct it, or return a Verdict with an error"
        verdict: object
        began = time.monotonic()
        with user_code(lambda error: JudgeError(name, f"score() raised {described(error)}", hint)):
            if self._ours is not None:
                verdict = self._ours.ask(record, response, sample)
            else:
                verdict = self._judge.score(record, response)
            took = time.monotonic() - began
            # Whatever is in its fields, or not there at all, is the user's as well.
            valid = verdict if isinstance(verdict, Verdict) and _is_valid(verdict) else None
        if valid is None:
            problem = f"score() gave {shown(verdict, 100)}"
            hint = "return a Verdict with a score from 0 to 100 or with an error, not both"
            raise JudgeError(name, problem, hint)
        message = None if valid.error is None else one_line(valid.error, 2000)
        if self._ours is None:
            # Nobody knows whether a judge of the user's own would fail again, so it may try.
            seconds = took if valid.seconds is None else valid.seconds
            valid = replace(valid, final=valid.score is not None, seconds=seconds)
        return replace(valid, reply=storable(valid.reply), error=message)

    def _key(self, record: Record, response: str, sample: int, *, probe: str = "") -> str:
        if self._ours is not None:
            key = self._ours.key(record, response, sample=sample)
            return make_key("probe/1", probe + self._load, key) if probe else key
        return self._custom_key("custom verdict/1", record, response, probe)


def _is_valid(verdict: Verdict) -> bool:
    reply: object = verdict.reply
    error: object = verdict.error
    flags: tuple[object, ...] = verdict.is_infrastructure, verdict.too_long, verdict.injection
    if not isinstance(reply, str) or not all(isinstance(flag, bool) for flag in flags):
        return False
    if not _is_evidence(verdict.samples, verdict.covered):
        return False
    if not _is_cost(verdict.seconds, verdict.tokens):
        return False
    if verdict.score is None:
        return isinstance(error, str) and bool(error)
    return _is_score(verdict.score) and error is None


def _is_evidence(samples: object, covered: object) -> bool:
    if not isinstance(samples, tuple) or not all(map(_is_score, samples)):
        return False
    return covered is None or (isinstance(covered, float) and math.isfinite(covered))


def _is_cost(seconds: object, tokens: object) -> bool:
    is_time = isinstance(seconds, int | float) and 0 <= seconds < math.inf
    is_count = type(tokens) is int and tokens >= 0
    return (seconds is None or is_time) and (tokens is None or is_count)


def _is_score(score: object) -> bool:
    return type(score) is int and 0 <= score <= 100
