"""What people preferred, pair of models by pair, and how far the judge agrees."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.stats.preference import kappa, latest, majority, win_rate, win_rate_interval
from pytest_llmjudge.voting.ballots import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import PeopleAgreement, Vote
    from pytest_llmjudge.voting.ballots import Ballot, Ballots, Key

__all__ = ["PairOutcome", "pair_outcomes"]

_SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """What people preferred of two models' answers.

    Where several people voted on one ballot it counts once, with what most of them prefer.

    Attributes:
        models: The win rate is the first one's, over the second.
        ballots: How many there are.
        won: Ballots on which the first is preferred.
        tied: Ballots with no preference, those where both are bad included.
        both_bad: Those of ``tied`` where everybody who voted called both bad.
        lost: Ballots on which the second is preferred.
        rate: (won + tied / 2) / (won + tied + lost), 0 to 1; ``None`` without votes.
        interval: Wilson's 95 % interval of it.
        identical: Records that both answered alike, which nobody is asked about.
        rate_with_identical: The rate with these as ties; ``None`` while a ballot is open, and
            where there are none.
        voters: How many people voted.
        judge: Who scored the answers of both; ``None`` where nobody did, or two judges.
        agreement: Between people and the judge's higher score; equal scores are a tie.
    """

    models: tuple[str, str]
    ballots: int
    won: int
    tied: int
    both_bad: int
    lost: int
    rate: float | None
    interval: tuple[float, float] | None
    identical: int
    rate_with_identical: float | None
    voters: int
    judge: str | None
    agreement: PeopleAgreement | None


def pair_outcomes(made: Ballots, votes: Sequence[Vote]) -> tuple[PairOutcome, ...]:
    """Count the votes on these ballots.

    Args:
        made: The ballots of one voter; other voters have the same ones in another order.
        votes: Of everybody; of two by one voter on one ballot the later counts.
    """
    on: defaultdict[Key, list[Vote]] = defaultdict(list)
    for vote in votes:
        on[key_of(vote)].append(vote)
    counted = {key: latest(ballot_votes) for key, ballot_votes in on.items()}
    return tuple(_pair(made, models, counted) for models in made.pairs)


def _pair(made: Ballots, models: tuple[str, str], on: Mapping[Key, Sequence[Vote]]) -> PairOutcome:
    ballots = [ballot for ballot in made.ballots if ballot.models == models]
    cast = [(ballot, on.get(ballot.key, ())) for ballot in ballots]
    winners = [
        (ballot, [ballot.winner_in(vote) for vote in votes]) for ballot, votes in cast if votes
    ]
    people = [(ballot, majority(choices)) for ballot, choices in winners]
    counts = Counter(winner for _, winner in people)
    scores = [_SCORES[winner] for _, winner in people]
    identical = made.identical.get(models, 0)
    is_whole = len(people) == len(ballots) and identical > 0
    judged = [(winner, by) for ballot, winner in people if (by := _by_score(ballot)) is not None]
    return PairOutcome(
        models=models,
        ballots=len(ballots),
        won=counts["a"],
        tied=counts["tie"],
        both_bad=sum(set(choices) == {"both_bad"} for _, choices in winners),
        lost=counts["b"],
        rate=win_rate(scores),
        interval=win_rate_interval(scores),
        identical=identical,
        rate_with_identical=win_rate([*scores, *[0.5] * identical]) if is_whole else None,
        voters=len({vote.voter for _, votes in cast for vote in votes}),
        judge=made.judges.get(models),
        agreement=kappa([winner for winner, _ in judged], [by for _, by in judged]),
    )


def _by_score(ballot: Ballot) -> str | None:
    first, second = ballot.scores
    if first is None or second is None:
        return None
    return "tie" if first == second else "a" if first > second else "b"
