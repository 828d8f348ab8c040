"""Verdicts on responses that are judged in parts: by each criterion, and each answer by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.pipeline.judgements import Judgements
from pytest_llmjudge.records.answers import answered_turns, split_answers
from pytest_llmjudge.scoring import with_cost
from pytest_llmjudge.stats.basics import mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.errors import LlmJudgeError
    from pytest_llmjudge.judging.check import Probe
    from pytest_llmjudge.pipeline.verdicts import Verdicts

__all__ = ["Part", "PartVerdicts", "has_parts", "join_parts", "parts_of"]


class Part(NamedTuple):
    """One question to the judge of those that make a score.

    Attributes:
        name: Unique among the parts of a response; empty for the only one.
        record: Of one question and at most one criterion.
        response: The answer to it.
    """

    name: str
    record: Record
    response: str


def has_parts(record: Record) -> bool:
    """Say whether the questions about a response to a record have names."""
    return bool(record.follow_ups) or any(one.name for one in record.criteria)


def parts_of(record: Record, response: str) -> list[Part]:
    """Return what a judge is asked about a response.

    Args:
        record: What was answered.
        response: The answer, or all answers as
            :func:`~pytest_llmjudge.records.answers.join_answers` has them.
    """
    answers = split_answers(record, response)
    parts = []
    for number, (asked, answer) in enumerate(
        zip(answered_turns(record, answers), answers, strict=True), 1
    ):
        turn = f"turn {number}" if record.follow_ups else ""
        for criterion in asked.criteria or (None,):
            names = (turn, criterion.name if criterion is not None else "")
            own = asked if criterion is None else replace(asked, criteria=(criterion,))
            parts.append(Part(": ".join(filter(None, names)), own, answer))
    return parts


def join_parts(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """Return the verdict whose score is the mean of several, rounded half to even.

    Args:
        verdicts: By the name of their part. Where one has no score, there is none.
    """
    named = [(name, verdict) for name, verdict in verdicts if verdict.reply]
    reply = "\n".join(f"{name}: {verdict.reply}" for name, verdict in named)
    asked = [verdict for _, verdict in verdicts]
    for name, verdict in verdicts:
        if verdict.score is None:
            error = verdict.error if verdict.is_infrastructure else f"{name}: {verdict.error}"
            return with_cost(replace(verdict, reply=reply, error=error), asked)
    parts = tuple((name, verdict.score or 0) for name, verdict in verdicts)
    covered = [verdict.covered for verdict in asked if verdict.covered is not None]
    joined = Verdict(
        round(mean([score for _, score in parts]) or 0),
        reply,
        samples=_mean_samples([verdict.samples for verdict in asked]),
        covered=min(covered, default=None),
        parts=parts,
    )
    return with_cost(joined, asked)


def _mean_samples(samples: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the mean of each draw; none where a part was not drawn as often as the others."""
    if len({len(draws) for draws in samples}) != 1:
        return ()
    return tuple(round(mean(draw) or 0) for draw in zip(*samples, strict=True))


class PartVerdicts(Judgements[str, Verdict]):
    """Verdicts of which some are made of several, one for each part of a response.

    Args:
        verdicts: On the parts.
        step: Called for each verdict on a whole response that is made, with ``kept``: whether the
            next run finds it.
    """

    def __init__(self, verdicts: Verdicts, step: Callable[..., None]) -> None:
        self._verdicts = verdicts
        self._step = step
        self.is_ours = verdicts.is_ours
        self.asks_a_server = verdicts.asks_a_server

    def load(self, pairs: Sequence[tuple[Record, str]]) -> Iterator[tuple[Record, str, Verdict]]:
        """Yield those pairs of record and response that need not be asked about any more."""
        asked = [(record, response, parts_of(record, response)) for record, response in pairs]
        questions = [(part.record, part.response) for *_, parts in asked for part in parts]
        known = {id(question): verdict for question, _, verdict in self._verdicts.load(questions)}
        for record, response, parts in asked:
            verdicts = [(part.name, known.get(id(part.record))) for part in parts]
            joined = _joined(verdicts)
            if joined is not None:
                yield record, response, joined

    def get(self, record: Record, response: str) -> Verdict:
        """Return the verdict on ``response``; ask the judge about the parts that have none.

        Raises:
            LlmJudgeError: The judge cannot be named, or the cache cannot be used.
        """
        known = self.find(record, response)
        if known is not None:
            return known
        verdict = self._made(record, response, self._verdicts.get)
        self._step(kept=verdict.score is not None and self._verdicts.keeps)
        return verdict

    def find(self, record: Record, response: str) -> Verdict | None:
        """Return the verdict on ``response`` where no part need be asked about any more."""
        return _joined(
            [
                (part.name, self._verdicts.find(part.record, part.response))
                for part in parts_of(record, response)
            ]
        )

    def probe(self, probe: Probe) -> Verdict:
        """Return the verdict on a known answer; see :meth:`.Verdicts.probe`.

        Raises:
            LlmJudgeError: As :meth:`get`.
        """

        def ask(record: Record, response: str) -> Verdict:
            return self._verdicts.probe(replace(probe, record=record, response=response))

        return self._made(probe.record, probe.response, ask)

    def name(self, record: Record, response: str) -> str:
        """Name the verdict on ``response`` among those of this run."""
        first = parts_of(record, response)[0]
        return self._verdicts.name(first.record, first.response)

    def forget_failure(self, record: Record, response: str) -> None:
        """Let a verdict that could not be had be tried again."""
        for part in parts_of(record, response):
            self._verdicts.forget_failure(part.record, part.response)

    def forget_failed_probe(self, probe: Probe) -> None:
        """Let a verdict on a known answer that could not be had be tried again."""
        for part in parts_of(probe.record, probe.response):
            own = replace(probe, record=part.record, response=part.response)
            self._verdicts.forget_failed_probe(own)

    def confirm(self) -> None:
        """Prove that a judge at a server is still the one with which the run began."""
        self._verdicts.confirm()

    def failed(self, error: LlmJudgeError) -> Verdict:
        """Return a verdict without a score."""
        return self._verdicts.failed(error)

    def _made(
        self, record: Record, response: str, ask: Callable[[Record, str], Verdict]
    ) -> Verdict:
        """Ask about one part after the other, up to one that gets no score."""
        verdicts = []
        for part in parts_of(record, response):
            verdict = ask(part.record, part.response)
            verdicts.append((part.name, verdict))
            if verdict.score is None:
                break
        return _join(verdicts)


def _joined(verdicts: Sequence[tuple[str, Verdict | None]]) -> Verdict | None:
    """Join verdicts where one has no score, or none is missing."""
    known = [(name, verdict) for name, verdict in verdicts if verdict is not None]
    if len(known) == len(verdicts) or any(verdict.score is None for _, verdict in known):
        return _join(known)
    return None


def _join(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    (name, first), *others = verdicts
    return first if not name and not others else join_parts(verdicts)
