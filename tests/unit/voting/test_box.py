"""One voter's ballots: each is voted on once, whatever happens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.local_page.box import Progress
from pytest_llmjudge.storage.votes import append_vote, read_votes
from pytest_llmjudge.voting.box import BallotBox
from tests.support.races import race
from tests.unit.voting.making import ballots_of, vote_on

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.voting.ballots import Ballots

COUNT = 6


@pytest.fixture(name="made")
def six_ballots() -> Ballots:
    return ballots_of({"p": [f"p{n}" for n in range(COUNT)], "q": [f"q{n}" for n in range(COUNT)]})


@pytest.fixture(name="path")
def votes_file(tmp_path: Path) -> Path:
    return tmp_path / "votes.jsonl"


def test_every_ballot_once(made: Ballots, path: Path) -> None:
    """In their order, each in the file with all that says what it is about."""
    box = BallotBox(made.ballots, path, "ann")
    shown = []
    while (ballot := box.next()) is not None:
        shown.append(ballot)
        assert box.cast(ballot, "left") == ballot.winner("left")

    assert tuple(shown) == made.ballots
    assert box.progress() == Progress(COUNT, 0, COUNT)
    votes = read_votes(path)
    assert [vote.id for vote in votes] == [ballot.id for ballot in shown]
    for vote, ballot in zip(votes, shown, strict=True):
        number = ballot.id[1:]
        expected = vote_on(ballot.id, ballot.winner("left"), (f"p{number}", f"q{number}"))
        assert (vote.model_a, vote.model_b, vote.winner) == ("p", "q", expected.winner)
        assert (vote.response_a, vote.response_b) == (expected.response_a, expected.response_b)
        assert (vote.voter, vote.at[-6:]) == ("ann", "+00:00")


def test_a_second_vote_is_not_written(made: Ballots, path: Path) -> None:
    """The first stands, and is returned."""
    box = BallotBox(made.ballots, path, "ann")
    ballot = made.ballots[0]

    assert box.cast(ballot, "left") == ballot.winner("left")
    assert box.cast(ballot, "right") == ballot.winner("left")
    assert box.written_now == len(read_votes(path)) == 1


def test_votes_at_the_same_time(made: Ballots, path: Path) -> None:
    """Of many threads on the same ballots one writes each."""
    box = BallotBox(made.ballots, path, "ann")
    start = threading.Barrier(8)

    def vote() -> None:
        start.wait()
        for ballot in made.ballots:
            box.cast(ballot, "tie")

    threads = [threading.Thread(target=vote) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(vote.id for vote in read_votes(path)) == [f"r{n}" for n in range(COUNT)]


def test_a_vote_of_another_process_meanwhile(made: Ballots, path: Path) -> None:
    """Whoever comes second waits until the first is done, and is told what stands."""
    box = BallotBox(made.ballots, path, "ann")
    ballot = made.ballots[0]
    number = ballot.id[1:]
    choices: list[str] = []
    waiting = threading.Thread(target=lambda: choices.append(box.cast(ballot, "left")))
    with FileLock(f"{path}.lock"):
        waiting.start()
        waiting.join(0.2)
        assert (choices, path.exists()) == ([], False)
        append_vote(path, vote_on(ballot.id, "both_bad", (f"p{number}", f"q{number}")))
    waiting.join()

    assert choices == ["both_bad"]
    assert (box.written_now, len(read_votes(path))) == (0, 1)


def test_processes_of_one_voter_at_the_same_time(path: Path) -> None:
    """Each ballot has one vote, and both know which."""
    code = """if True:
        import sys
        from pathlib import Path
        from pytest_llmjudge.voting.box import BallotBox
        from tests.unit.voting.making import ballots_of

        path, choice = Path(sys.argv[1]), sys.argv[2]
        made = ballots_of({name: [f"{name}{n}" for n in range(100)] for name in "pq"})
        box = BallotBox(made.ballots, path, "ann")
        print("ready", flush=True)
        sys.stdin.readline()
        print([box.cast(ballot, choice) for ballot in made.ballots], box.written_now)
    """
    printed = race(code, *((path, choice) for choice in ("tie", "both_bad")))
    outputs = [one.rpartition(" ") for one in printed]

    votes = read_votes(path)
    assert len({vote.id for vote in votes}) == len(votes) == 100
    assert outputs[0][0] == outputs[1][0]
    assert sum(int(cast) for _, _, cast in outputs) == 100


def test_a_restart_goes_on(made: Ballots, path: Path) -> None:
    """Also after votes that another tool wrote with the sides the other way round."""
    append_vote(path, vote_on("r2", "b", ("q2", "p2"), models="qp"))
    append_vote(path, vote_on("r3", "a", ("p3", "q3"), voter="bob"))
    append_vote(path, vote_on("r4", "a", ("p4", "another answer")))
    before = path.read_bytes()
    box = BallotBox(made.ballots, path, "ann")

    assert box.progress() == Progress(1, 0, COUNT)
    assert path.read_bytes() == before
    shown = []
    while (ballot := box.next()) is not None:
        shown.append(ballot.id)
        box.cast(ballot, "right")
    assert sorted(shown) == ["r0", "r1", "r3", "r4", "r5"]
    assert path.read_bytes().startswith(before)
    # The vote on another answer is kept in the file, and is none on these.
    assert len(read_votes(path)) == 3 + 5
    assert len(box.votes()) == 2 + 5


def test_skipped_ones_come_again(made: Ballots, path: Path) -> None:
    """After all others, in the order of skipping, until they are voted on."""
    box = BallotBox(made.ballots, path, "ann")
    first, second, *others = made.ballots
    box.skip(second)
    box.skip(first)
    assert box.progress() == Progress(0, 2, COUNT)
    for ballot in others:
        assert box.next() == ballot
        box.cast(ballot, "tie")

    assert box.next() == second
    box.skip(second)
    assert box.next() == first
    box.cast(first, "tie")
    assert box.next() == second
    box.cast(second, "tie")
    box.skip(second)
    assert (box.next(), box.progress()) == (None, Progress(COUNT, 0, COUNT))


def test_a_file_in_other_hands(made: Ballots, path: Path) -> None:
    """A vote that another window's server wrote is seen, and one whose line was removed is open."""
    boxes = [BallotBox(made.ballots, path, "ann") for _ in range(2)]
    ballot = made.ballots[0]
    boxes[0].cast(ballot, "left")

    assert boxes[1].cast(ballot, "right") == ballot.winner("left")
    assert boxes[1].next() == made.ballots[1]
    path.write_bytes(b"")
    assert [box.next() for box in boxes] == [ballot, ballot]
    path.unlink()
    assert [box.next() for box in boxes] == [ballot, ballot]


def test_a_vote_that_cannot_be_written(made: Ballots, path: Path) -> None:
    """It is an error, and the ballot stays open."""
    box = BallotBox(made.ballots, path, "ann")
    path.mkdir()

    with pytest.raises(PeopleFileError) as caught:
        box.cast(made.ballots[0], "left")
    assert str(caught.value) == (
        f"--out {path}: it cannot be read (Is a directory); name a file that llmjudge vote wrote"
    )
    path.rmdir()
    assert box.next() == made.ballots[0]
    assert box.written_now == 0


def test_a_box_that_is_closed(made: Ballots, path: Path) -> None:
    """What was reported at the end stays true."""
    box = BallotBox(made.ballots, path, "ann")
    box.close()

    with pytest.raises(PeopleFileError) as caught:
        box.cast(made.ballots[0], "left")
    assert str(caught.value) == "llmjudge vote: it has ended; start it again to go on"
    assert not path.exists()
