"""One voter's ballots: which is next, and what has been said of them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Vote
from pytest_llmjudge.keys import text_digest
from pytest_llmjudge.local_page.box import Box
from pytest_llmjudge.storage.votes import append_vote, votes_so_far
from pytest_llmjudge.voting.ballots import Ballot, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.voting.ballots import Key

__all__ = ["BallotBox"]


class BallotBox(Box[Ballot]):
    """The ballots of one voter and the votes file.

    A vote is on the disk before :meth:`cast` returns.

    Args:
        ballots: In the order in which they are shown.
        path: Of the votes file.
        voter: Whose ballots they are.

    Raises:
        PeopleFileError: The file cannot be read or written, or holds a line that is no vote.
    """

    def __init__(self, ballots: Sequence[Ballot], path: Path, voter: str) -> None:
        self._keys = {ballot.token: ballot.key for ballot in ballots}
        self._voter = voter
        self._votes: tuple[Vote, ...] = ()
        self._mine: dict[Key, Vote] = {}
        super().__init__(ballots, path, "llmjudge vote")

    def votes(self) -> tuple[Vote, ...]:
        """Return the votes of everybody on these ballots, in file order."""
        with self._reading():
            keys = set(self._keys.values())
            return tuple(vote for vote in self._votes if key_of(vote) in keys)

    def cast(self, ballot: Ballot, choice: str) -> str:
        """Write a vote, unless this voter has voted on this ballot, and return what stands.

        Returns:
            The winner in the file, ``a``, ``b``, ``tie`` or ``both_bad``: another than was meant
            when the ballot was voted on before.

        Raises:
            PeopleFileError: It cannot be written, and is not.
        """
        with self._writing():
            known = self._mine.get(ballot.key)
            if known is not None:
                return ballot.winner_in(known)
            self._check_open()
            append_vote(self._path, self._vote(ballot, choice))
            self._written += 1
            return ballot.winner(choice)

    def _vote(self, ballot: Ballot, choice: str) -> Vote:
        digests = [text_digest(response) for response in ballot.responses]
        return Vote(
            id=ballot.id,
            model_a=ballot.models[0],
            model_b=ballot.models[1],
            winner=ballot.winner(choice),
            voter=self._voter,
            at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            response_a=digests[0],
            response_b=digests[1],
            content=ballot.content,
        )

    def _load(self) -> None:
        self._votes = votes_so_far(self._path, named_by="--out")
        self._mine = {key_of(vote): vote for vote in self._votes if vote.voter == self._voter}

    def _is_done(self, token: str) -> bool:
        return self._keys[token] in self._mine
