"""People's votes in the place of a judge's preferences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Preference
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.keys import content_digest, text_digest
from pytest_llmjudge.pipeline.judgements import Judgements
from pytest_llmjudge.pipeline.protocols import Pair
from pytest_llmjudge.stats.preference import latest, majority

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record, Vote
    from pytest_llmjudge.errors import LlmJudgeError

__all__ = ["VoteJudgements"]

_SWAPPED = {"a": "b", "b": "a"}


class VoteJudgements(Judgements[Pair, Preference]):
    """Preferences that people voted for.

    A vote counts where it is on this record and these two answers: by their digests, or, where a
    file has none, by the names of the models. Of one voter's votes on a pair the last counts, and
    of several voters the majority decides.

    Args:
        path: Of the votes file, for messages.
        votes: All of it.
        names: Of the model under test and of what it is compared with.
    """

    is_ours = False
    asks_a_server = False

    def __init__(self, path: Path, votes: Sequence[Vote], names: tuple[str, str]) -> None:
        self._path = path
        self._names = names
        self._votes: dict[str, list[Vote]] = {}
        for vote in votes:
            self._votes.setdefault(vote.id, []).append(vote)

    def load(
        self, pairs: Sequence[tuple[Record, Pair]]
    ) -> Iterator[tuple[Record, Pair, Preference]]:
        """Yield all pairs: nobody is asked here."""
        for record, pair in pairs:
            yield record, pair, self.get(record, pair)

    def get(self, record: Record, candidate: Pair) -> Preference:
        """Return what most people preferred; identical answers are a tie without a vote."""
        if candidate.a.strip() == candidate.b.strip():
            return Preference("tie")
        votes = self._votes.get(record.id, [])
        turned = (
            replace(vote, winner=winner)
            for vote in votes
            if (winner := self._winner(vote, record, candidate))
        )
        winners = [vote.winner for vote in latest(turned)]
        if winners:
            return Preference(majority(winners))
        problem = f"it has no vote on record {record.id}"
        if votes:
            count = "a vote" if len(votes) == 1 else f"{len(votes)} votes"
            problem = f"it has {count} on record {record.id}, but not on these two answers to it"
        hint = "vote on these models' results with llmjudge vote, or draw fewer with sample="
        error = PeopleFileError(str(self._path), problem, hint)
        error.is_infrastructure = False
        return self.failed(error)

    def find(self, record: Record, candidate: Pair) -> Preference | None:
        """Return what most people preferred."""
        return self.get(record, candidate)

    def name(self, record: Record, candidate: Pair) -> str:  # noqa: ARG002  # as in Judgements
        """Name the preference among those of this run."""
        return f"{self._path} {record.id}"

    def forget_failure(self, record: Record, candidate: Pair) -> None:
        """Forget nothing: the file is as it is."""

    def failed(self, error: LlmJudgeError) -> Preference:
        """Return a preference without a winner."""
        return Preference(
            None, error=str(error), final=False, is_infrastructure=error.is_infrastructure
        )

    def _winner(self, vote: Vote, record: Record, pair: Pair) -> str | None:
        """Turn a vote to the pair's own sides; ``None`` when it is on something else."""
        content = content_digest(record)
        if vote.content not in {"", content}:
            return None
        sides = (vote.model_a, vote.response_a), (vote.model_b, vote.response_b)
        ours = tuple(zip(self._names, pair, strict=True))
        if all(map(_is_of, sides, ours)):
            return vote.winner
        if all(map(_is_of, sides, ours[::-1])):
            return _SWAPPED.get(vote.winner, vote.winner)
        return None


def _is_of(side: tuple[str, str], ours: tuple[str, str]) -> bool:
    """Whether a side of a vote, a name and a digest, is this model's answer."""
    (name, digest), (model, answer) = side, ours
    return digest == text_digest(answer) if digest else name == model
