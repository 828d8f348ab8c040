"""Results files -> ballots: which pairs of answers a voter is asked about, and in which order."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_llmjudge.decisions.comparison import is_same_judge
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.keys import content_digest, content_of, make_key, text_digest
from pytest_llmjudge.records.answers import show_references, show_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmjudge.data import FollowUp, JudgeIdentity, Turn, Vote
    from pytest_llmjudge.storage.saved_responses import SavedAnswer, SavedAnswers

__all__ = ["CHOICES", "Ballot", "Ballots", "Key", "Source", "Unanswered", "key_of", "make_ballots"]

Key = tuple[str, str, frozenset[tuple[str, str]]]
"""What a vote is about: a record's id, its content's digest, each model with its answer's."""

CHOICES = ("left", "right", "tie", "both_bad")
"""What a voter can say of the two answers as they are shown."""

_AS_WRITTEN = "name a file that --llm-judge-report wrote, as it was written"


@dataclass(frozen=True, slots=True)
class Source:
    """A results file as ballots are made from it: where it lies, and its suites."""

    path: str
    suites: tuple[SavedAnswers, ...]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One instruction with the answers of two models.

    Attributes:
        token: Names the ballot in a form; tells nothing of the models.
        models: Names of the two, in the order of the files that name them first.
        responses: Their answers, in the same order.
        scores: What the judge gave them; ``None`` where it gave none, or where two judges scored.
        is_swapped: Whether the second model's answer is shown on the left.
    """

    token: str
    id: str
    instruction: str
    input: str
    output: str
    models: tuple[str, str]
    responses: tuple[str, str]
    scores: tuple[int | None, int | None]
    is_swapped: bool
    system: str = ""
    turns: tuple[Turn, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    criteria: str = ""

    @property
    def key(self) -> Key:
        """What a vote has to be about to be one on this ballot, whichever side is called a."""
        digests = map(text_digest, self.responses)
        return self.id, self.content, frozenset(zip(self.models, digests, strict=True))

    @property
    def content(self) -> str:
        """The digest of what is asked."""
        return content_digest(self)

    @property
    def reference(self) -> str:
        """The reference as it is shown."""
        return show_references(self)

    @property
    def shown(self) -> tuple[str, str]:
        """The answers from left to right."""
        first, second = (show_response(self, response) for response in self.responses)
        return (second, first) if self.is_swapped else (first, second)

    def winner(self, choice: str) -> str:
        """Return ``a``, ``b``, ``tie`` or ``both_bad`` for one of :data:`CHOICES`."""
        sides = {"left": "b", "right": "a"} if self.is_swapped else {"left": "a", "right": "b"}
        return sides.get(choice, choice)

    def winner_in(self, vote: Vote) -> str:
        """Return who won in a vote on this ballot, whichever side the vote calls a."""
        turned = {"a": "b", "b": "a"} if vote.model_a == self.models[1] else {}
        return turned.get(vote.winner, vote.winner)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A record that another file has an answer to and this one has not."""

    path: str
    suite: str
    id: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Ballots:
    """All that a voter is asked about, and what is not asked.

    Attributes:
        ballots: In the order in which they are shown.
        pairs: The pairs of models, whether or not any ballot is left of them.
        identical: How many records both models answered alike, by pair of models.
        unanswered: Records without an answer on one side, in file order.
        notes: What else could not be paired, a line each.
        judges: Name of the judge whose scores the ballots have, by pair of models.
    """

    ballots: tuple[Ballot, ...]
    pairs: tuple[tuple[str, str], ...]
    identical: Mapping[tuple[str, str], int]
    unanswered: tuple[Unanswered, ...]
    notes: tuple[str, ...]
    judges: Mapping[tuple[str, str], str]


def key_of(vote: Vote) -> Key:
    """Return what a vote is about; a vote that does not say on what exactly matches no ballot."""
    answers = {(vote.model_a, vote.response_a), (vote.model_b, vote.response_b)}
    return vote.id, vote.content, frozenset(answers)


def make_ballots(sources: Sequence[Source], voter: str) -> Ballots:
    """Pair the answers of all models over the records that their files share.

    Records pair up in suites of the same name, by id and content. Order and sides are drawn from
    a hash over the voter and the ballot, and so are the same after every restart.

    Raises:
        SettingsError: Two files have answers of the same model, or a suite has a record twice.
    """
    pairing = _Pairing(voter, _ranks(sources))
    names = dict.fromkeys(suite.suite for source in sources for suite in source.suites)
    for name in names:
        sides = [
            _Side(source.path, suite)
            for source in sources
            for suite in source.suites
            if suite.suite == name
        ]
        if len(sides) == 1:
            alone = f"{sides[0].path}: {name}: no other file has a suite of that name"
            pairing.notes.append(f"{alone}; it is left out")
        for first, second in itertools.combinations(sides, 2):
            pairing.add(*sorted((first, second), key=lambda side: pairing.ranks[side.model]))
    return pairing.made()


def _ranks(sources: Iterable[Source]) -> dict[str, int]:
    """Return the place of each model's name among all; a name belongs to one file."""
    owners: dict[str, str] = {}
    for source in sources:
        for suite in source.suites:
            owner = owners.setdefault(suite.model, source.path)
            if owner != source.path:
                where = f"{owner}, {source.path}"
                problem = f"both have answers of {suite.model}"
                raise SettingsError(
                    where, problem, "tell the models apart with --name for each file"
                )
    return {model: rank for rank, model in enumerate(owners)}


class _Side:
    """The answers of one model in one suite, by id and content."""

    def __init__(self, path: str, suite: SavedAnswers) -> None:
        self.path, self.suite = path, suite.suite
        self.model, self.judge = suite.model, suite.judge
        self.answers: dict[tuple[str, str], SavedAnswer] = {}
        for answer in suite.answers:
            key = answer.id, _content(answer)
            if key in self.answers:
                where = f"{path}: {suite.suite}"
                raise SettingsError(where, f'it has the record "{answer.id}" twice', _AS_WRITTEN)
            self.answers[key] = answer


@dataclass(slots=True)
class _Pairing:
    """What has been paired so far."""

    voter: str
    ranks: Mapping[str, int]
    notes: list[str] = field(default_factory=list)
    _ballots: dict[Key, Ballot] = field(default_factory=dict)
    _alike: dict[Key, tuple[str, str]] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], None] = field(default_factory=dict)
    _unanswered: dict[tuple[str, ...], Unanswered] = field(default_factory=dict)
    _judges: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, first: _Side, second: _Side) -> None:
        """Pair two models' answers in one suite."""
        models = (first.model, second.model)
        self._pairs[models] = None
        self._count_unpaired(first, second)
        judge = _common(first.judge, second.judge)
        if judge:
            self._judges.setdefault(models, judge.model)
        repeated = 0
        for key, one in first.answers.items():
            other = second.answers.get(key)
            if other is None:
                continue
            if one.response is None or other.response is None:
                self._miss(first, one)
                self._miss(second, other)
                continue
            scores = (one.score, other.score) if judge else (None, None)
            ballot = self._ballot(one, models, (one.response, other.response), scores)
            repeated += not self._keep(ballot)
        if repeated:
            note = f"{repeated} pairs of answers are those of another suite, and shown once"
            self.notes.append(f"{first.path}, {second.path}: {first.suite}: {note}")

    def made(self) -> Ballots:
        """Return all that was paired, in the order of this voter."""
        shuffled = sorted(
            self._ballots.values(), key=lambda ballot: _drawn("order", self.voter, ballot.key)
        )
        return Ballots(
            ballots=tuple(shuffled),
            pairs=tuple(self._pairs),
            identical=Counter(self._alike.values()),
            unanswered=tuple(self._unanswered.values()),
            notes=tuple(self.notes),
            judges=self._judges,
        )

    def _ballot(
        self,
        record: SavedAnswer,
        models: tuple[str, str],
        responses: tuple[str, str],
        scores: tuple[int | None, int | None],
    ) -> Ballot:
        digests = map(text_digest, responses)
        content = content_digest(record)
        key = record.id, content, frozenset(zip(models, digests, strict=True))
        return Ballot(
            token=_drawn("token", self.voter, key)[:20],
            id=record.id,
            instruction=record.instruction,
            input=record.input,
            output=record.output,
            models=models,
            responses=responses,
            scores=scores,
            # Not by the order of the files, which may be another after a restart.
            is_swapped=(_drawn("sides", self.voter, key) < "8") == (models[0] < models[1]),
            system=record.system,
            turns=record.turns,
            follow_ups=record.follow_ups,
            criteria=record.criteria,
        )

    def _keep(self, ballot: Ballot) -> bool:
        """Take a ballot that is new, and say whether it was."""
        key = ballot.key
        if text_digest(ballot.responses[0]) == text_digest(ballot.responses[1]):
            is_new = key not in self._alike
            self._alike[key] = ballot.models
            return is_new
        known = self._ballots.get(key)
        # A suite of pairs has no scores of answers that another suite may have.
        if known is None or known.scores == (None, None):
            self._ballots[key] = ballot
        return known is None

    def _miss(self, side: _Side, answer: SavedAnswer) -> None:
        if answer.response is None:
            key = side.path, side.model, answer.id, _content(answer)
            missing = Unanswered(side.path, side.suite, answer.id, answer.error)
            self._unanswered.setdefault(key, missing)

    def _count_unpaired(self, first: _Side, second: _Side) -> None:
        ids = [{id_ for id_, _ in side.answers} for side in (first, second)]
        paired = {id_ for id_, _ in first.answers.keys() & second.answers.keys()}
        changed = len((ids[0] & ids[1]) - paired)
        counts = [
            f"{count} {words}"
            for count, words in (
                (len(ids[0] - ids[1]), f"in {first.path} alone"),
                (len(ids[1] - ids[0]), f"in {second.path} alone"),
                (changed, "with another instruction, input, reference or conversation"),
            )
            if count
        ]
        if counts:
            where = f"{first.path}, {second.path}: {first.suite}"
            self.notes.append(f"{where}: left out are records {', '.join(counts)}")


def _content(answer: SavedAnswer) -> str:
    return content_of(answer)


def _common(first: JudgeIdentity | None, second: JudgeIdentity | None) -> JudgeIdentity | None:
    """Return the judge of both; scores of two judges say nothing of which answer is better."""
    same = first is not None and second is not None and is_same_judge(first, second)
    return first if same else None


def _drawn(purpose: str, voter: str, key: Key) -> str:
    """Return hex digits that look random, and are the same every time."""
    id_, content, sides = key
    return make_key(purpose, voter, id_, content, sorted(sides))
