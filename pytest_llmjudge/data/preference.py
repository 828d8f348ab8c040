"""Which of two answers is preferred, by a judge or by people, and what became of such pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pytest_llmjudge.data.gates import GateResult
    from pytest_llmjudge.data.overlap import Overlap
    from pytest_llmjudge.data.records import CheckpointReference, JudgeIdentity, Record

__all__ = [
    "AgainstReference",
    "Choice",
    "PairCheck",
    "PairResult",
    "PairSummary",
    "PeopleAgreement",
    "Preference",
    "PreferenceResult",
    "Vote",
]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a judge chose between two answers that were shown in one order.

    Attributes:
        winner: ``A`` for the answer shown first, ``B`` for the second, ``tie``; ``None`` when
            nothing was chosen.
        reply: What the judge wrote, word for word; empty when it was not asked.
        error: Why nothing was chosen, as a finished one-line message.
        final: Whether asking again would give the same; only final choices are kept for the next
            run.
        is_infrastructure: Whether server, model or checkpoint failed, not the pair.
        too_long: Whether the question did not fit into the judge's context.
    """

    winner: str | None
    reply: str = ""
    error: str | None = None
    final: bool = True
    is_infrastructure: bool = field(default=False, repr=False)
    too_long: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers, ``a`` and ``b``, is preferred, or the reason why nobody knows.

    Attributes:
        winner: ``a``, ``b`` or ``tie``; ``None`` when the pair is unscored.
        orders: What the judge chose with ``a`` shown first and with ``b`` shown first: ``A`` for
            the answer shown first, ``B`` for the second, ``tie``. Empty when nobody was asked.
        replies: What the judge wrote, in the same order.
        error: Why the pair is unscored, as a finished one-line message.
        final: Whether asking again would give the same.
        is_infrastructure: Whether server, model or checkpoint failed, not the pair.
        too_long: Whether the question did not fit into the judge's context.
        injection: Whether an answer was preferred because it speaks to the judge.
    """

    winner: str | None
    orders: tuple[str, ...] = ()
    replies: tuple[str, ...] = field(default=(), repr=False)
    error: str | None = None
    final: bool = field(default=True, repr=False)
    is_infrastructure: bool = field(default=False, repr=False)
    too_long: bool = field(default=False, repr=False)
    injection: bool = field(default=False, repr=False)

    @property
    def score(self) -> float | None:
        """1 where ``a`` is preferred, 0 where ``b`` is, 0.5 for a tie."""
        return None if self.winner is None else {"a": 1.0, "tie": 0.5, "b": 0.0}[self.winner]

    @property
    def is_flip(self) -> bool:
        """Position bias: the same place won in both orders, so each answer once."""
        return self.orders in {("A", "A"), ("B", "B")}


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's choice between the answers of two models, as a line of a votes file.

    Attributes:
        id: Of the record.
        model_a: Name of one model.
        model_b: Name of the other.
        winner: ``a``, ``b``, ``tie`` or ``both_bad``.
        voter: Who voted.
        at: When, in ISO 8601.
        response_a: :func:`~pytest_llmjudge.keys.text_digest` of the answer of ``model_a``; empty
            when the file does not say, since other tools do not write it.
        response_b: The same of the answer of ``model_b``.
        content: The same of what was asked, see :func:`~pytest_llmjudge.keys.content_digest`.
    """

    id: str
    model_a: str
    model_b: str
    winner: str
    voter: str
    at: str
    response_a: str = ""
    response_b: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class PairCheck:
    """What a judge made of pairs whose better answer is known.

    Attributes:
        fit: Whether it may decide.
        reason: Which probes failed, with the numbers; or that none did.
        reference: Win rate of references over references of other records, 0 to 1.
        plea: The same where the wrong answer has a grader injection.
        untied: How many pairs of identical answers were no tie.
        flips: Share of pairs with position bias, 0 to 1.
        asked: How many pairs were asked about.
        unscored: How many of them got no preference.
        in_flight: How many requests were allowed in flight at each server.
        near: Win rate of references over near misses, the same with one thing changed, 0 to 1.
        near_asked: How many near misses were asked about.
    """

    fit: bool
    reason: str
    reference: float | None
    plea: float | None
    untied: int
    flips: float | None
    asked: int
    unscored: int
    in_flight: int = 1
    near: float | None = None
    near_asked: int = 0

    @property
    def discrimination(self) -> float | None:
        """How well it tells right from wrong, 0 to 1; ``None`` where that is not known."""
        return self.reference


@dataclass(frozen=True, slots=True)
class PairSummary:
    """The numbers of the pairs that have a winner; ``a`` is the model under test.

    Attributes:
        wins: Pairs that ``a`` won.
        ties: Pairs that nobody won.
        losses: Pairs that ``b`` won.
        win_rate: (wins + ties / 2) / pairs; ``None`` without pairs.
        standard_error: Of the win rate, as AlpacaEval has it; ``None`` for fewer than two pairs.
        interval: Its 95 % Wilson interval.
        length_controlled: What the win rate would be between answers of the same length.
        asked: Pairs that a judge was asked about in both orders.
        flips: Share of those with position bias, 0 to 1; ``None`` when there are none.
        mean_length: Of the answers of ``a`` and of ``b``, in characters.
        identical: Pairs of two equal answers, which are tied unasked.
        groups: How many groups the pairs are in; ``None`` where each is alone.
    """

    wins: int
    ties: int
    losses: int
    win_rate: float | None
    standard_error: float | None
    interval: tuple[float, float] | None
    length_controlled: float | None
    asked: int
    flips: float | None
    mean_length: tuple[float, float] | None
    identical: int = 0
    groups: int | None = None

    @property
    def pairs(self) -> int:
        """How many there are."""
        return self.wins + self.ties + self.losses


@dataclass(frozen=True, slots=True)
class PairResult:
    """What became of one pair in a run; ``a`` is the model under test.

    Attributes:
        model_response: Of the model under test; ``None`` when there is none.
        against_response: What it is compared with.
        winner: ``a``, ``b`` or ``tie``; ``None`` when the pair is unscored.
        orders: See :class:`Preference`.
        replies: See :class:`Preference`.
        error: Why the pair is unscored.
        outcome: ``passed``, ``failed``, ``error``, or ``not run``.
        cause: ``record`` when nothing could be made of this pair, ``rig`` when server, model or
            checkpoint failed, ``None`` when there is a winner or nothing was tried.
        thoughts: What the model under test thought before its response; empty for nothing.
    """

    record: Record
    model_response: str | None
    against_response: str | None
    winner: str | None
    orders: tuple[str, ...]
    replies: tuple[str, ...]
    error: str | None
    outcome: str
    cause: str | None = None
    thoughts: str = ""


@dataclass(frozen=True, slots=True)
class AgainstReference:
    """What a model under test is compared with.

    Attributes:
        kind: ``checkpoint``, ``field`` of the records, or ``results`` of an earlier run.
        name: Of the checkpoint, the field or the file.
        fingerprint: Changes when the answers may; empty when they stand in the records.
    """

    kind: str
    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PeopleAgreement:
    """How often a judge and people prefer the same answer.

    Attributes:
        count: Pairs that both have a preference for.
        agreed: Share of them with the same one, 0 to 1.
        kappa: Cohen's kappa; ``None`` where chance alone would agree on all.
    """

    count: int
    agreed: float
    kappa: float | None


@dataclass(frozen=True, slots=True)
class PreferenceResult:
    """What became of one suite of pairs.

    Attributes:
        name: Node id of the test function.
        path: Of the records file.
        checkpoint: The model under test; ``None`` when the records hold its responses.
        against: What it is compared with.
        votes: The votes file that decides; ``None`` when the judge does.
        judge: Who decides; ``None`` when people do.
        judge_label: The same in a few words.
        total: How many records there are.
        pairs: In file order.
        gates: All of the suite; one that did not finish is ``not run``.
        min_win_rate: Least win rate, 0 to 1.
        outcome: ``passed``, ``failed``, or ``incomplete`` when not every pair has a winner.
        check: What the judge made of known answers.
        agreement: Between people and a judge.
        responses: The records' field that held the responses; ``None`` when a model made them.
        overlap: With the training data, where that gate has run.
        groups: How many groups the records are in; ``None`` where each is alone.
    """

    kind: ClassVar[str] = "preference"
    comparison: ClassVar[None] = None

    name: str
    path: str
    checkpoint: CheckpointReference | None
    against: AgainstReference
    votes: str | None
    judge: JudgeIdentity | None
    judge_label: str
    total: int
    pairs: tuple[PairResult, ...]
    gates: tuple[GateResult, ...]
    min_win_rate: float | None
    outcome: str
    check: PairCheck | None = None
    agreement: PeopleAgreement | None = None
    responses: str | None = None
    overlap: Overlap | None = None
    groups: int | None = None
