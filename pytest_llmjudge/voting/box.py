"""One voter's ballots: which is next, and what has been said of them."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Vote
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.keys import text_digest
from pytest_llmjudge.storage.votes import append_vote, votes_so_far
from pytest_llmjudge.storage.write_lock import turn_to_write
from pytest_llmjudge.voting.ballots import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.voting.ballots import Ballot, Key

__all__ = ["BallotBox", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a voter has come, in ballots."""

    voted: int
    skipped: int
    total: int


class BallotBox:
    """The ballots of one voter and the votes file; for use from several threads and processes.

    A vote is on the disk before :meth:`cast` returns. The file may change in other hands, so it is
    read again whenever it does.

    Args:
        ballots: In the order in which they are shown.
        path: Of the votes file.
        voter: Whose ballots they are.

    Raises:
        PeopleFileError: The file cannot be read or written, or holds a line that is no vote.
    """

    def __init__(self, ballots: Sequence[Ballot], path: Path, voter: str) -> None:
        self._ballots = {ballot.token: ballot for ballot in ballots}
        self._keys = {ballot.token: ballot.key for ballot in ballots}
        self._path, self._voter = path, voter
        self._lock = threading.Lock()
        self._skipped: dict[str, None] = {}
        self._cast = 0
        self._is_closed = False
        self._mark: tuple[int, int, int] | None = None
        self._votes: tuple[Vote, ...] = ()
        self._mine: dict[Key, Vote] = {}
        self._read()

    @property
    def cast_now(self) -> int:
        """How many votes this box has written."""
        return self._cast

    def votes(self) -> tuple[Vote, ...]:
        """Return the votes of everybody on these ballots, in file order."""
        with self._lock:
            self._read()
            keys = set(self._keys.values())
            return tuple(vote for vote in self._votes if key_of(vote) in keys)

    def next(self) -> Ballot | None:
        """Return what is to be shown now; ``None`` when all is voted on.

        Skipped ballots come again when all others are voted on.
        """
        with self._lock:
            self._read()
            fresh = (token for token in self._ballots if token not in self._skipped)
            order = itertools.chain(fresh, self._skipped)
            token = next((token for token in order if not self._is_done(token)), None)
            return None if token is None else self._ballots[token]

    def progress(self) -> Progress:
        """Return how far the voter has come."""
        with self._lock:
            voted = sum(map(self._is_done, self._ballots))
            return Progress(voted, len(self._skipped), len(self._ballots))

    def find(self, token: str) -> Ballot | None:
        """Return the ballot that a form names."""
        return self._ballots.get(token)

    def skip(self, ballot: Ballot) -> None:
        """Show a ballot again after all others."""
        with self._lock:
            if not self._is_done(ballot.token):
                self._skipped.pop(ballot.token, None)
                self._skipped[ballot.token] = None

    def cast(self, ballot: Ballot, choice: str) -> str:
        """Write a vote, unless this voter has voted on this ballot, and return what stands.

        Returns:
            The winner in the file, ``a``, ``b``, ``tie`` or ``both_bad``: another than was meant
            when the ballot was voted on before.

        Raises:
            PeopleFileError: It cannot be written, and is not.
        """
        # Another process of this voter may write on the same ballot, between reading and writing.
        with self._lock, turn_to_write(self._path):
            self._read()
            known = self._mine.get(ballot.key)
            if known is not None:
                return ballot.winner_in(known)
            if self._is_closed:
                where, problem = "llmjudge vote", "it has ended"
                raise PeopleFileError(where, problem, "start it again to go on")
            append_vote(self._path, self._vote(ballot, choice))
            self._cast += 1
            self._read()
            return ballot.winner(choice)

    def close(self) -> None:
        """Wait for the vote that is being written, and take no further one."""
        with self._lock:
            self._is_closed = True

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

    def _read(self) -> None:
        """Read the file where it has changed."""
        mark = self._state()
        if mark == self._mark and mark is not None:
            return
        self._votes = votes_so_far(self._path, named_by="--out")
        self._mark = mark
        self._mine = {key_of(vote): vote for vote in self._votes if vote.voter == self._voter}
        self._skipped = {token: None for token in self._skipped if not self._is_done(token)}

    def _is_done(self, token: str) -> bool:
        return self._keys[token] in self._mine

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns
