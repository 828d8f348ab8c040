"""Votes files: one vote a line, read whole or appended to."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Vote
from pytest_llmjudge.errors import PeopleFileError, one_line
from pytest_llmjudge.storage.json_lines import append_line, has_lines, parse_line, read_lines
from pytest_llmjudge.storage.schema_problem import schema_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jsonschema import Draft202012Validator

__all__ = ["VOTE_BEGINNINGS", "append_vote", "read_votes", "votes_so_far"]

VOTE_BEGINNINGS = (b'{"id": ',)
"""How every line begins that :func:`append_vote` writes."""


_SHOWN = 120
_WINNERS = ("a", "b", "tie", "both_bad")


def read_votes(path: Path, *, named_by: str = "") -> tuple[Vote, ...]:
    """Read all votes of a file, in file order; blank lines do not count.

    Keys that this version does not know are left out of the votes and stay in the file.

    Args:
        path: Of the file.
        named_by: What names it, for messages.

    Raises:
        PeopleFileError: It is not there, it has no vote, or one of its lines is none.
    """
    where = f"{named_by} {path}".strip()
    votes = tuple(_votes(read_lines(path, where, "llmjudge vote")))
    if not votes:
        raise PeopleFileError(where, "it has no vote", "cast some with llmjudge vote")
    return votes


def votes_so_far(path: Path, *, named_by: str = "") -> tuple[Vote, ...]:
    """Read the votes of a file that may not be there yet, or hold none yet.

    Raises:
        PeopleFileError: It cannot be read, or one of its lines is no vote.
    """
    return read_votes(path, named_by=named_by) if has_lines(path) else ()


def append_vote(path: Path, vote: Vote) -> None:
    """Add a vote to the end of a file, and return when it is on the disk.

    Raises:
        PeopleFileError: It cannot be written.
    """
    append_line(path, asdict(vote), "vote")


def _votes(lines: Iterator[tuple[str, str]]) -> Iterator[Vote]:
    names = Vote.__dataclass_fields__
    for place, line in lines:
        value = parse_line(place, line)
        # With the schema for each line reading takes five times as long, and files may be long.
        error = None if _is_vote(value) else next(_validator().iter_errors(value), None)
        if error is not None:
            reason = one_line(schema_problem(error), _SHOWN)
            raise PeopleFileError(place, f"it is no vote ({reason})", "correct or remove the line")
        known = {name: value[name] for name in names if name in value}
        yield Vote(**{"voter": "", "at": "", **known})


def _is_vote(value: object) -> bool:
    """Whether a line surely is what the schema asks for."""
    if not isinstance(value, dict):
        return False
    names = Vote.__dataclass_fields__
    texts = [value[name] for name in names if name in value]
    return (
        all(isinstance(text, str) for text in texts)
        and all(value.get(name) for name in ("id", "model_a", "model_b"))
        and value.get("winner") in _WINNERS
    )


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    schema = resources.files("pytest_llmjudge").joinpath("schemas/vote.json").read_bytes()
    return jsonschema.Draft202012Validator(json.loads(schema))
