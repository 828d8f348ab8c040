"""Votes files: one vote a line, read whole or appended to."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Vote
from pytest_llmjudge.errors import VotesError, one_line
from pytest_llmjudge.paths import POINTER, PULL, is_pointer
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    RepeatedKeyError,
    parse_json,
    read_file,
    why_unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jsonschema import Draft202012Validator

__all__ = ["append_vote", "read_votes"]

_SHOWN = 120
_WINNERS = ("a", "b", "tie", "both_bad")


def read_votes(path: Path, *, named_by: str = "") -> tuple[Vote, ...]:
    """Read all votes of a file, in file order; blank lines do not count.

    Keys that this version does not know are left out of the votes and stay in the file.

    Args:
        path: Of the file.
        named_by: What names it, for messages.

    Raises:
        VotesError: It is not there, it has no vote, or one of its lines is none.
    """
    where = f"{named_by} {path}".strip()
    try:
        content = read_file(path, DATA_LIMIT)
        if is_pointer(content):
            raise VotesError(where, POINTER, PULL)
        if b"\0" in content:
            problem, hint = "it holds NUL bytes", "name a file that llmjudge vote wrote"
            raise VotesError(where, problem, hint)
        text = content.decode("utf-8-sig")
    except OSError as error:
        problem = why_unreadable(error)
        raise VotesError(where, problem, "name a file that llmjudge vote wrote") from None
    except UnicodeDecodeError:
        problem, hint = "it is no UTF-8", "name a file that llmjudge vote wrote"
        raise VotesError(where, problem, hint) from None
    votes = tuple(_votes(where, text))
    if not votes:
        raise VotesError(where, "it has no vote", "cast some with llmjudge vote")
    return votes


def append_vote(path: Path, vote: Vote) -> None:
    """Add a vote to the end of a file, and return when it is on the disk.

    Raises:
        VotesError: It cannot be written.
    """
    line = json.dumps(asdict(vote), ensure_ascii=True) + "\n"
    try:
        with path.open("ab+") as file:
            if file.tell():
                # What was cut off in the middle of a line must not swallow this one.
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else f"\n{line}"
            file.write(line.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        problem = f"the vote cannot be written ({error.strerror})"
        raise VotesError(str(path), problem, "make room or name another place") from None


def _votes(where: str, text: str) -> Iterator[Vote]:
    names = Vote.__dataclass_fields__
    # Only what JSON Lines ends a line with: a response may hold other line breaks.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{where}: line {number}"
        value = _parse(place, line)
        # With the schema for each line reading takes five times as long, and files may be long.
        error = None if _is_vote(value) else next(_validator().iter_errors(value), None)
        if error is not None:
            what = ".".join(map(str, error.absolute_path))
            reason = one_line(f"{what}: {error.message}" if what else error.message, _SHOWN)
            raise VotesError(place, f"it is no vote ({reason})", "correct or remove the line")
        known = {name: value[name] for name in names if name in value}
        yield Vote(**{"voter": "", "at": "", **known})


def _parse(place: str, line: str) -> Any:  # noqa: ANN401  # whatever stands there
    try:
        return parse_json(line)
    except RepeatedKeyError as error:
        problem = f'it has the key "{one_line(str(error), 60)}" twice'
        raise VotesError(place, problem, "keep one of them") from None
    except ValueError:
        problem = f"it is no JSON: {one_line(line, _SHOWN)}"
        raise VotesError(place, problem, "correct or remove the line") from None


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
