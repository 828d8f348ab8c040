"""A votes file whose last line was cut off by a crash."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Vote
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.storage.torn_line import set_aside_cut_off
from pytest_llmjudge.storage.votes import VOTE_BEGINNINGS, append_vote, votes_so_far

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = (Vote(f"r{n}", "p", "q", "tie", "änn", "now", "1", "2") for n in range(2))
LINE = (json.dumps(asdict(SECOND)) + "\n").encode()


@given(st.integers(min_value=0, max_value=len(LINE)))
def test_a_crash_at_any_byte(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """No vote that was written whole is lost, and no byte of the other; the file can be used."""
    path = tmp_path_factory.mktemp("cut") / "votes.jsonl"
    append_vote(path, FIRST)
    with path.open("ab") as file:
        file.write(LINE[:length])
    aside = set_aside_cut_off(path, VOTE_BEGINNINGS)
    votes = votes_so_far(path)
    append_vote(path, SECOND)

    is_whole = length >= len(LINE) - 1
    assert votes == ((FIRST, SECOND) if is_whole else (FIRST,))
    assert votes_so_far(path) == (*votes, SECOND)
    if is_whole or length == 0:
        assert aside is None
    else:
        assert aside == path.with_name("votes.jsonl.cut-off")
        assert aside.read_bytes() == LINE[:length] + b"\n"
    assert set_aside_cut_off(path, VOTE_BEGINNINGS) is None


def test_two_crashes(tmp_path: Path) -> None:
    """What is set aside is added to what was."""
    path = tmp_path / "votes.jsonl"
    for _ in range(2):
        path.write_bytes(LINE[:20])
        aside = set_aside_cut_off(path, VOTE_BEGINNINGS)

    assert aside is not None
    assert aside.read_bytes() == (LINE[:20] + b"\n") * 2
    assert votes_so_far(path) == ()


@pytest.mark.parametrize("content", [b'{"schema": 1, "suites": [', b"my notes", b"[1, 2]", b"\xff"])
def test_what_is_no_vote_is_not_touched(tmp_path: Path, content: bytes) -> None:
    """Another file that was named by mistake, or another tool's: it stays as it is."""
    path = tmp_path / "votes.jsonl"
    path.write_bytes(content)

    assert set_aside_cut_off(path, VOTE_BEGINNINGS) is None
    assert path.read_bytes() == content
    with pytest.raises(PeopleFileError):
        votes_so_far(path)


def test_a_line_that_cannot_be_moved(tmp_path: Path) -> None:
    """The message names it, and it stays."""
    path = tmp_path / "votes.jsonl"
    path.write_bytes(LINE[:20])
    (tmp_path / "votes.jsonl.cut-off").mkdir()

    with pytest.raises(PeopleFileError) as caught:
        set_aside_cut_off(path, VOTE_BEGINNINGS)
    assert str(caught.value) == (
        f"{path}: its last line was cut off, and cannot be moved away (Is a directory); "
        "remove that line"
    )
    assert path.read_bytes() == LINE[:20]


def test_no_file_yet(tmp_path: Path) -> None:
    """None, an empty one, and one of blank lines have no votes so far."""
    path = tmp_path / "votes.jsonl"
    assert (set_aside_cut_off(path, VOTE_BEGINNINGS), votes_so_far(path)) == (None, ())
    path.write_text("\n \n", encoding="utf-8")
    assert (set_aside_cut_off(path, VOTE_BEGINNINGS), votes_so_far(path)) == (None, ())
