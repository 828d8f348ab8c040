"""Votes files: what was written is read again, and what is none is named."""

from __future__ import annotations

import json
import os
from importlib import resources
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Vote
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.storage.votes import append_vote, read_votes

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(min_size=1, max_size=20)
VOTES = st.builds(
    Vote,
    *[TEXT] * 3,
    st.sampled_from(["a", "b", "tie", "both_bad"]),
    *[TEXT] * 5,
)
LINES: st.SearchStrategy[object] = st.one_of(
    st.integers() | st.lists(TEXT, max_size=2),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.sampled_from(["a", "tie", "", None, 1, ["a"], {}])
            for name in Vote.__dataclass_fields__
        },
    ),
)


CORRECT = "correct or remove the line"


@given(st.lists(VOTES, min_size=1, max_size=5))
def test_what_is_appended_is_read(
    tmp_path_factory: pytest.TempPathFactory, votes: list[Vote]
) -> None:
    """Whatever characters names have, line breaks of all kinds included."""
    path = tmp_path_factory.mktemp("votes") / "votes.jsonl"

    for vote in votes:
        append_vote(path, vote)

    assert read_votes(path) == tuple(votes)
    assert len(path.read_bytes().splitlines()) == len(votes)


def test_votes_of_other_tools(tmp_path: Path) -> None:
    """A vote needs its record, both models and a winner; unknown keys do no harm."""
    path = tmp_path / "votes.jsonl"
    line = {"id": "r0", "model_a": "x", "model_b": "y", "winner": "tie", "mood": "good"}
    path.write_text(f"\ufeff\n{json.dumps(line)}\r\n\n", encoding="utf-8")

    assert read_votes(path) == (Vote("r0", "x", "y", "tie", "", ""),)


@given(LINES)
def test_every_line_is_held_to_the_schema(
    tmp_path_factory: pytest.TempPathFactory, line: object
) -> None:
    """What is read is what the schema of a vote allows, and nothing else."""
    path = tmp_path_factory.mktemp("votes") / "votes.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")
    schema = resources.files("pytest_llmjudge").joinpath("schemas/vote.json").read_bytes()
    is_vote = jsonschema.Draft202012Validator(json.loads(schema)).is_valid(line)

    if is_vote:
        assert len(read_votes(path)) == 1
    else:
        with pytest.raises(PeopleFileError):
            read_votes(path)


def test_a_line_that_was_cut_off_swallows_no_vote(tmp_path: Path) -> None:
    """The vote after it has a line of its own, and the broken one is named."""
    path = tmp_path / "votes.jsonl"
    path.write_bytes(b'{"id": "r0", "mod')

    append_vote(path, Vote("r1", "x", "y", "a", "ann", "now"))

    lines = path.read_text().splitlines()
    assert lines[0] == '{"id": "r0", "mod'
    assert json.loads(lines[1])["id"] == "r1"
    with pytest.raises(PeopleFileError) as error:
        read_votes(path)
    message = f'line 1: it is no JSON: {{"id": "r0", "mod; {CORRECT}'
    assert str(error.value) == f"{path}: {message}"


def test_every_vote_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was voted survives a power cut: the file is synchronised before the answer."""
    synced: list[int] = []
    real = os.fsync

    def sync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)

    append_vote(tmp_path / "votes.jsonl", Vote("r1", "x", "y", "a", "ann", "now"))

    assert len(synced) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no vote; cast some with llmjudge vote"),
        (b"\n \n", "it has no vote; cast some with llmjudge vote"),
        (b"\xff\xfe", "it is no UTF-8; name a file that llmjudge vote wrote"),
        (b"\0" * 4096, "it holds NUL bytes; name a file that llmjudge vote wrote"),
        (
            b"x" * (8 << 20),
            f"line 1: it is no JSON: {'x' * 119}…; {CORRECT}",
        ),
        (
            b'{"id": "r0", "model_a": "x", "model_b": "y", "winner": "b", "winner": "a"}',
            'line 1: it has the key "winner" twice; keep one of them',
        ),
        (b"[]", "line 1: it is no vote ([] is not of type 'object'); correct or remove the line"),
        (
            b'{"id": "", "model_a": "x", "model_b": "y", "winner": "a"}',
            f"line 1: it is no vote (id: '' should be non-empty); {CORRECT}",
        ),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    """Told in one line, with the line that is at fault."""
    path = tmp_path / "votes.jsonl"
    path.write_bytes(content)

    with pytest.raises(PeopleFileError) as error:
        read_votes(path, named_by="votes")

    assert str(error.value) == f"votes {path}: {message}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Reading and writing say which file it is."""
    with pytest.raises(PeopleFileError) as error:
        read_votes(tmp_path / "no.jsonl")
    message = "it cannot be read (No such file or directory); name a file that llmjudge vote wrote"
    assert str(error.value) == f"{tmp_path}/no.jsonl: {message}"

    with pytest.raises(PeopleFileError) as error:
        append_vote(tmp_path, Vote("r1", "x", "y", "a", "ann", "now"))
    message = "the vote cannot be written (Is a directory); make room or name another place"
    assert str(error.value) == f"{tmp_path}: {message}"
