"""Results files of earlier runs, read back for a comparison."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, fields
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

from pytest_llmjudge.data import FollowUp, JudgeIdentity, Side, Turn
from pytest_llmjudge.errors import BaselineError, one_line, storable
from pytest_llmjudge.keys import Content
from pytest_llmjudge.paths import POINTER, PULL, is_pointer
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    RepeatedKeyError,
    TooManyValuesError,
    parse_json,
    read_file,
    why_unreadable,
)
from pytest_llmjudge.storage.consistent import SHOWN_NAME, inconsistency
from pytest_llmjudge.storage.schema_problem import schema_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from pytest_llmjudge.data import Measure

__all__ = [
    "SCHEMA_VERSION",
    "SavedKind",
    "SavedRun",
    "first_problem",
    "judge_of",
    "read_results",
    "saved_content",
]

_NAME_ONE = "name a file that --llm-judge-report wrote"
_DIGITS = 18
"""Of an integer: enough for the weights of any model."""
_AS_IT_WAS = "as it was written"

SCHEMA_VERSION = 1


class SavedKind(Protocol):
    """How one kind of suite is read back; what the schema demands of it is known to hold."""

    @property
    def name(self) -> str:
        """Of the kind, in results files."""

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        """Yield which figures of a suite are not those of its own samples."""

    def saved_side(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side | None:
        """Return a suite as a comparison takes it; ``None`` for a kind that does not compare.

        Args:
            suite: Its part of the file.
            judge: The judge that the file names for all suites.
        """


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A results file.

    Attributes:
        path: Where it lies.
        document: All that it holds, keys that this version does not know included.
        sides: Its suites that compare, by name, as a comparison takes them.
    """

    path: Path
    document: Mapping[str, Any]
    sides: Mapping[str, Side]

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds of all its suites by name, also of those that do not compare."""
        return {suite["name"]: suite["kind"] for suite in self.document["suites"]}

    def known_deviation(self, name: str) -> tuple[float | None, int, float | None]:
        """Return what is known of a suite's differences from its own baseline.

        Returns:
            Their deviation, the number of pairs, and the design effect of their groups.
        """
        named = (suite for suite in self.document["suites"] if suite["name"] == name)
        compared = next((suite.get("baseline") for suite in named), None)
        if not compared or compared["refusal"] is not None:
            return None, 0, None
        if "corrected" in compared:
            # It is that of people's scores, of which few are known.
            return None, 0, None
        grouped = compared.get("grouped") or {}
        return compared["deviation"], compared["paired"], grouped.get("design_effect")

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of the model that a suite was made with; empty when unknown."""
        suites = (suite for suite in self.document["suites"] if suite["name"] == name)
        return next(
            ((suite.get("checkpoint") or {}).get("fingerprint", "") for suite in suites), ""
        )

    def side(self, measure: Measure, name: str) -> Side:
        """Return a suite of a kind by its name, an empty one when it is not there."""
        saved = self.sides.get(name)
        if saved is not None and saved.measure == measure:
            return saved
        others = tuple(other for other, side in self.sides.items() if side.measure == measure)
        return Side(measure, name, (), others=others)


def read_results(
    path: Path,
    kinds: Iterable[SavedKind],
    *,
    named_by: str = "",
    is_shard: bool | None = False,
    version: str = "",
) -> SavedRun:
    """Read a results file.

    Args:
        path: Of the file.
        kinds: Those that this version knows; suites of others are left alone.
        named_by: The option that names it, for messages.
        is_shard: Whether it is to hold a shard of a run, or a whole one; ``None`` for either.
        version: Of this package, for whoever reads shards, which another one may write otherwise.

    Raises:
        BaselineError: It is not there, no results file that this version can read, or holds the
            other.
    """
    where = f"{named_by} {path}".strip()
    document = _parse(where, path)
    if not isinstance(document, dict) or "schema" not in document:
        raise BaselineError(where, "it is no results file", _NAME_ONE)
    schema = document["schema"]
    if type(schema) is int and schema > SCHEMA_VERSION:
        newer = f"it has schema version {schema}, and this version reads {SCHEMA_VERSION}"
        raise BaselineError(where, newer, "update pytest-llmjudge")
    problem = first_problem(document)
    if version and "shard" in document and (is_shard or problem is not None):
        _check_version(where, document.get("pytest_llmjudge"), version)
    if problem is not None:
        raise BaselineError(
            where, f"it is no results file: {problem}", f"{_NAME_ONE}, {_AS_IT_WAS}"
        )
    _check_shard(where, document.get("shard"), is_shard=is_shard)
    known = {kind.name: kind for kind in kinds}
    wrong = inconsistency(document, {name: kind.contradictions for name, kind in known.items()})
    if wrong is not None:
        raise BaselineError(where, wrong, f"{_NAME_ONE}, {_AS_IT_WAS}")
    sides = {
        suite["name"]: side
        for suite in document["suites"]
        if (kind := known.get(suite["kind"]))
        and (side := kind.saved_side(suite, document["judge"]))
    }
    return SavedRun(path, document, sides)


def _check_version(where: str, writer: object, version: str) -> None:
    if writer != version:
        problem = (
            f"it was written by pytest-llmjudge {one_line(str(writer))}, and this is {version}"
        )
        raise BaselineError(where, problem, "run and merge all shards with one version")


def _check_shard(where: str, shard: Mapping[str, int] | None, *, is_shard: bool | None) -> None:
    if shard is not None and is_shard is False:
        problem = f"it holds shard {shard['number']} of {shard['count']}"
        raise BaselineError(where, problem, "merge the shards first (llmjudge merge)")
    if shard is None and is_shard:
        hint = "name the results files of runs with --llm-judge-shard"
        raise BaselineError(where, "it holds no shard of a run", hint)


def first_problem(document: object) -> str | None:
    """Say in what a document is no results file; ``None`` when it is one."""
    error = next(_validator().iter_errors(document), None)
    return None if error is None else _message(error)


def _parse(where: str, path: Path) -> object:
    try:
        content = read_file(path, DATA_LIMIT)
        if is_pointer(content):
            raise BaselineError(where, POINTER, PULL)
        text = content.decode("utf-8-sig")
        return parse_json(text, parse_constant=_refuse, parse_int=_counted)
    except OSError as error:
        problem = why_unreadable(error)
        raise BaselineError(where, problem, _NAME_ONE) from None
    except RepeatedKeyError as error:
        problem = f'an object in it has the key "{one_line(str(error), SHOWN_NAME)}" twice'
        raise BaselineError(where, problem, f"{_NAME_ONE}, {_AS_IT_WAS}") from None
    except TooManyValuesError as error:
        raise BaselineError(where, str(error), _NAME_ONE) from None
    except _TooManyDigitsError as error:
        problem = f"it has an integer of {error} digits"
        raise BaselineError(where, problem, f"{_NAME_ONE}, {_AS_IT_WAS}") from None
    except ValueError:
        problem = "it is no JSON, or not all of it" if path.stat().st_size else "it is empty"
        raise BaselineError(where, problem, _NAME_ONE) from None


class _TooManyDigitsError(ValueError):
    """An integer is larger than anything that is counted, and than a float may hold."""


def _counted(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise _TooManyDigitsError(len(digits))
    return int(digits)


def _refuse(constant: str) -> object:
    """Take no NaN and no Infinity, which are no JSON, and no numbers to reckon with."""
    raise ValueError(constant)


def judge_of(suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> JudgeIdentity | None:
    """Return who judged a suite of a file whose own judge is ``judge``; ``None`` for nobody."""
    saved = suite.get("judge", judge)
    if not saved:
        return None
    known = {field.name for field in fields(JudgeIdentity)} & saved.keys()
    texts = {name: storable(saved[name]) for name in known if isinstance(saved[name], str)}
    return JudgeIdentity(**{**{name: saved[name] for name in known}, **texts})


def saved_content(record: Mapping[str, Any]) -> Content:
    """Return what a record of a file says."""
    turns = tuple(Turn(turn["role"], turn["content"]) for turn in record.get("turns", ()))
    follow_ups = tuple(
        FollowUp(one["instruction"], one["output"]) for one in record.get("follow_ups", ())
    )
    system = record.get("system", "")
    texts = record["instruction"], record["input"], record["output"], system
    return Content(*texts, turns, follow_ups)


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    schema = resources.files("pytest_llmjudge").joinpath("schemas/results.json").read_bytes()
    return jsonschema.Draft202012Validator(json.loads(schema))


def _message(error: ValidationError) -> str:
    # The schema's alternatives are suites of several kinds; what is wrong stands one level below.
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return schema_problem(error, "the whole")
