"""Outcomes of pairs, gathered from votes files and results files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Outcome, Unscored
from pytest_llmjudge.decisions.comparison import is_same_judge, judge_key
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.keys import content_digest, content_of, text_digest
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.stats.preference import kappa, majority
from pytest_llmjudge.storage.model_identity import Models
from pytest_llmjudge.storage.results_reader import read_results
from pytest_llmjudge.storage.saved_responses import answers_of, pairs_of
from pytest_llmjudge.storage.votes import read_votes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmjudge.data import JudgeIdentity, PeopleAgreement, Vote
    from pytest_llmjudge.storage.results_reader import SavedKind, SavedRun
    from pytest_llmjudge.storage.saved_responses import SavedAnswer, SavedAnswers, SavedPairs

__all__ = ["Gathered", "gather"]

_SWAPPED = {"a": "b", "b": "a"}
_SCORES = {"a": 1.0, "b": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True, slots=True)
class Gathered:
    """What files say of pairs of models.

    Attributes:
        outcomes: In the order of the files, and of the lines or records within them.
        unscored: Records and pairs that gave none.
        notes: What else a reader should know, as finished sentences.
        agreement: Between people and judges, over pairs that both decided; ``None`` without such.
    """

    outcomes: tuple[Outcome, ...]
    unscored: tuple[Unscored, ...]
    notes: tuple[str, ...]
    agreement: PeopleAgreement | None


def gather(paths: Sequence[Path], kinds: Sequence[SavedKind]) -> Gathered:
    """Read files, and return the outcomes of all pairs of models in them.

    - A vote is an outcome, ``both_bad`` being a tie; of one voter's votes on a pair the last is.
    - A pair of a suite of pairs is one, unless people decided it with votes that are in ``paths``.
    - A record that two models answered and that judges of one identity scored is one: the higher
      score wins. Records pair up by id and content.

    What one judge said of one pair in several files counts once, as the last of them has it, and
    so do votes. A model is known by its fingerprint, so that a file
    of two names is one model, and two models of one name are told apart by their fingerprints; for
    those without one see :class:`~pytest_llmjudge.storage.model_identity.Models`.

    Args:
        paths: Votes files (``.jsonl``) and results files (``.json``).
        kinds: Of suites, those that this version knows.

    Raises:
        SettingsError: A file is neither, or is named twice.
        PeopleFileError: A votes file cannot be read, or names a model that may be one of two.
        BaselineError: A results file cannot be read.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.suffix.lower() not in {".json", ".jsonl"}:
            problem = "it is neither a votes file (.jsonl) nor a results file (.json)"
            raise SettingsError(str(path), problem, "name such files")
        if real_path(path) in seen:
            raise SettingsError(str(path), "it is named twice", "name each file once")
        seen.add(real_path(path))
    votes = {path: read_votes(path) for path in paths if path.suffix.lower() == ".jsonl"}
    runs = {path: read_results(path, kinds) for path in paths if path not in votes}
    gathering = _Gathering(Models(runs), votes)
    for path in paths:
        if path in votes:
            gathering.add_votes(path, votes[path])
        else:
            gathering.add_run(path, runs[path])
    return gathering.result()


@dataclass(frozen=True, slots=True)
class _Judged:
    """A pair that somebody decided: its record's id, models, digests of answers, and winner.

    ``content`` is the record's digest; it and those of answers are empty where they are not known.
    """

    id: str
    content: str
    models: tuple[str, str]
    digests: tuple[str, str]
    winner: str

    @property
    def subject(self) -> tuple[object, ...]:
        """What was decided, whichever model is called a."""
        return self.id, self.content, frozenset(self._sides)

    @property
    def keys(self) -> tuple[object, ...]:
        """What the same pair is found by elsewhere: its answers where they are known, and names."""
        answers = (self.id, frozenset(self.digests)) if all(self.digests) else None
        return answers, (self.id, frozenset(self.models))

    def winner_for(self, other: _Judged) -> str | None:
        """Return the winner as ``other`` names the two; ``None`` when it is about other answers."""
        if self.content and other.content and self.content != other.content:
            return None
        mine, theirs = self._sides, other._sides
        if all(map(_is_same, mine, theirs)):
            return self.winner
        if all(map(_is_same, mine, theirs[::-1])):
            return _SWAPPED.get(self.winner, self.winner)
        return None

    @property
    def _sides(self) -> tuple[tuple[str, str], ...]:
        return tuple(zip(self.models, self.digests, strict=True))


def _said(vote: Vote, models: tuple[str, str]) -> _Judged:
    """Return what a vote says of two models, by these names of theirs."""
    digests = vote.response_a, vote.response_b
    return _Judged(vote.id, vote.content, models, digests, vote.winner)


def _is_same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two sides, a name and a digest, are one answer; by name where one has no digest."""
    return one[1] == other[1] if one[1] and other[1] else one[0] == other[0]


@dataclass(frozen=True, slots=True)
class _Suite:
    """A suite of scored records, and where it stands."""

    path: Path
    model: str
    answers: SavedAnswers
    by_content: Mapping[tuple[str, str], SavedAnswer]

    @property
    def label(self) -> str:
        return f"{self.path}: {self.answers.suite}"


_Index = dict[object, dict[object, _Judged]]
"""What people decided, by where it is looked for, and then by what it is counted as."""


def _add(index: _Index, key: object, judged: _Judged) -> None:
    for place in judged.keys:
        index.setdefault(place, {})[key] = judged


def _winners(index: _Index, pair: _Judged) -> list[str]:
    """Return what people said of a pair, as it names the two models."""
    winners = {
        key: judged.winner_for(pair)
        for place in pair.keys
        if place is not None
        for key, judged in index.get(place, {}).items()
    }
    return [winner for winner in winners.values() if winner is not None]


@dataclass(slots=True)
class _Gathering:
    """What was gathered so far."""

    models: Models
    votes: Mapping[Path, tuple[Vote, ...]]
    outcomes: dict[object, Outcome] = field(default_factory=dict)
    unscored: dict[tuple[str, str, str], Unscored] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    by_people: _Index = field(default_factory=dict)
    by_file: dict[str, _Index] = field(default_factory=dict)
    by_judge: dict[object, _Judged] = field(default_factory=dict)
    suites: list[_Suite] = field(default_factory=list)
    paired: set[tuple[Path, str]] = field(default_factory=set)
    repeated: int = 0
    changed: int = 0

    def __post_init__(self) -> None:
        # Pairs that they decided may stand in a file that is named before theirs.
        for path, votes in self.votes.items():
            # Where votes lay on the machine of a run need not be where they lie now.
            index = self.by_file.setdefault(path.name, {})
            for key, judged in self._judged(path, votes):
                _add(index, key, judged)
            # By the names that the run knew too, whatever the models are called among all files.
            for number, vote in enumerate(votes):
                called = vote.model_a, vote.model_b
                if called[0] != called[1]:
                    _add(index, (path, number), _said(vote, called))

    def add_votes(self, path: Path, votes: Sequence[Vote]) -> None:
        for key, judged in self._judged(path, votes):
            self._count(key, judged, "people")

    def _judged(self, path: Path, votes: Sequence[Vote]) -> Iterable[tuple[object, _Judged]]:
        """Return votes with what the same vote is known by elsewhere."""
        by_key: dict[object, _Judged] = {}
        seen: Counter[Vote] = Counter()
        for number, vote in enumerate(votes, 1):
            models = self.models.named(path, vote.model_a), self.models.named(path, vote.model_b)
            if models[0] == models[1]:
                cause = f"vote {number} is between {models[0]} and itself"
                self._leave_out(path, "", vote.id, cause)
                continue
            judged = _said(vote, models)
            # Votes that nobody signed are the same only in a copy of the file.
            seen[vote] += 1
            signed = ("signed", vote.voter, *judged.subject)
            by_key[signed if vote.voter else ("unsigned", vote, seen[vote])] = judged
        return by_key.items()

    def add_run(self, path: Path, run: SavedRun) -> None:
        totals = {suite["name"]: suite.get("total") for suite in run.document["suites"]}
        for pairs in pairs_of(run):
            self._add_pairs(path, pairs)
            self._note_missing(f"{path}: {pairs.suite}", len(pairs.pairs), totals[pairs.suite])
        for answers in answers_of(run):
            model = self.models.own(path, answers.fingerprint, answers.field)
            by_content = {_content(answer): answer for answer in answers.answers}
            suite = _Suite(path, model, answers, by_content)
            for earlier in self.suites:
                self._pair_up(earlier, suite)
            self.suites.append(suite)
            self._note_missing(suite.label, len(answers.answers), totals[answers.suite])

    def result(self) -> Gathered:
        alone = [
            suite for suite in self.suites if (suite.path, suite.answers.suite) not in self.paired
        ]
        for suite in alone:
            self.notes.append(
                f"{suite.label}: no other model's records pair up with its "
                f"{len(suite.by_content)}, so they rate nothing"
            )
        if self.repeated:
            self.notes.append(f"{self.repeated} outcomes stand in several places and count once")
        if self.changed:
            self.notes.append(
                f"{self.changed} outcomes were decided again by the same, and differently; the "
                "last counts"
            )
        return Gathered(
            tuple(self.outcomes.values()),
            tuple(self.unscored.values()),
            (*self.models.notes(), *self.notes),
            self._agreement(),
        )

    def _add_pairs(self, path: Path, suite: SavedPairs) -> None:
        label = f"{path}: {suite.suite}"
        models = (
            self.models.own(path, suite.fingerprint_a, suite.field_a),
            self.models.other(suite),
        )
        if models[0] == models[1]:
            self.notes.append(
                f"{label}: its {len(suite.pairs)} pairs are of {models[0]} and itself, so they "
                "rate nothing"
            )
            return
        by = "judge" if suite.votes is None else "people"
        file = PurePath(suite.votes or "").name
        decider = _decider(path, suite.judge) if by == "judge" else file
        voted = beside = 0
        for pair in suite.pairs:
            if pair.winner is None:
                self._leave_out(path, suite.suite, pair.id, pair.error or "nobody decided")
                continue
            digests = text_digest(pair.response_a or ""), text_digest(pair.response_b or "")
            judged = _Judged(pair.id, pair.content, models, digests, pair.winner)
            if by == "people":
                called = replace(judged, models=(suite.field_a or suite.model_a, suite.model_b))
                files = {
                    name
                    for name, index in self.by_file.items()
                    if _winners(index, judged) or _winners(index, called)
                }
                if file in files:
                    voted += 1
                    continue
                beside += bool(files)
            self._count((by, "pairs", decider, *judged.subject), judged, by)
        if voted:
            self.notes.append(
                f"{label}: {voted} of its pairs were decided by votes that are named too, which "
                "count in their place"
            )
        if beside:
            self.notes.append(
                f"{label}: {beside} of its pairs were decided by {file}, and count beside votes on "
                "them in files of other names"
            )

    def _pair_up(self, one: _Suite, other: _Suite) -> None:
        """Add an outcome for each record that both suites have a score for."""
        shared = [key for key in other.by_content if key in one.by_content]
        if one.model == other.model or not shared:
            return
        judges = one.answers.judge, other.answers.judge
        if judges[0] is None or judges[1] is None or not is_same_judge(judges[0], judges[1]):
            self.notes.append(
                f"{one.label} and {other.label}: {len(shared)} records were not paired, since that "
                "one judge scored both cannot be told"
            )
            return
        for suite, lacking in ((one, other), (other, one)):
            self.paired.add((suite.path, suite.answers.suite))
            missing = len(suite.by_content) - len(shared)
            if missing:
                self.notes.append(f"{suite.label}: {missing} records are not in {lacking.label}")
        for key in shared:
            first, second = one.by_content[key], other.by_content[key]
            for suite, answer in ((one, first), (other, second)):
                if answer.score is None:
                    cause = answer.error or "it has no score"
                    self._leave_out(suite.path, suite.answers.suite, answer.id, cause)
            if first.score is not None and second.score is not None:
                winner = "a" if first.score > second.score else "b"
                judged = _Judged(
                    first.id,
                    content_digest(first),
                    (one.model, other.model),
                    (text_digest(first.response or ""), text_digest(second.response or "")),
                    "tie" if first.score == second.score else winner,
                )
                decider = _decider(one.path, judges[0])
                self._count(("judge", "scores", decider, *judged.subject), judged, "judge")

    def _count(self, key: object, judged: _Judged, by: str) -> None:
        """Take an outcome, in the place of what the same decider said of the same pair before."""
        outcome = Outcome(*judged.models, _SCORES[judged.winner], by)
        known = self.outcomes.pop(key, None)
        if known is not None:
            turned = Outcome(outcome.model_b, outcome.model_a, 1 - outcome.score, by)
            self.repeated += known in {outcome, turned}
            self.changed += known not in {outcome, turned}
        self.outcomes[key] = outcome
        if by == "judge":
            self.by_judge[key] = judged
        else:
            _add(self.by_people, key, judged)

    def _agreement(self) -> PeopleAgreement | None:
        """Compare the majority of people with the judge, over pairs that both decided."""
        people, judge = [], []
        for judged in self.by_judge.values():
            votes = _winners(self.by_people, judged)
            if votes:
                people.append(majority(votes))
                judge.append(judged.winner)
        return kappa(people, judge)

    def _leave_out(self, path: Path, suite: str, name: str, cause: str) -> None:
        # A record without a score lacks it beside each other model; it is named once.
        key = f"{path}: {suite}", name, cause
        self.unscored.setdefault(key, Unscored(name, str(path), cause))

    def _note_missing(self, label: str, there: int, total: int | None) -> None:
        if total is not None and there < total:
            self.notes.append(f"{label}: {total - there} of {total} records were not run")


def _decider(path: Path, judge: JudgeIdentity | None) -> str:
    """Return what is the same for the same judge; for one that is not known, of one file alone."""
    return (judge and judge_key(judge)) or f"the judge of {real_path(path)}"


def _content(answer: SavedAnswer) -> tuple[str, str]:
    # Scores by other criteria do not compare.
    return answer.id, f"{content_of(answer)} {answer.criteria}"
