"""Results files of earlier runs, read back for a comparison."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, fields
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.comparison import NOUNS
from pytest_llmjudge.data import Entry, JudgeIdentity, Side
from pytest_llmjudge.errors import BaselineError, storable
from pytest_llmjudge.paths import POINTER, PULL, is_pointer
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    RepeatedKeyError,
    parse_json,
    read_file,
    unique_keys,
    why_unreadable,
)
from pytest_llmjudge.storage.consistent import contradiction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

__all__ = [
    "RIGHT",
    "SCHEMA_VERSION",
    "SavedRun",
    "answered",
    "content_of",
    "exam_terms",
    "first_problem",
    "judge_of",
    "read_results",
]

_NAME_ONE = "name a file that --llm-judge-report wrote"
_DIGITS = 18
"""Of an integer: enough for the weights of any model."""
_AS_IT_WAS = "as it was written"

SCHEMA_VERSION = 1
RIGHT = 100.0
"""What a question scores that is answered right; 0 what is answered wrong."""


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A results file.

    Attributes:
        path: Where it lies.
        document: All that it holds, keys that this version does not know included.
        sides: Its suites by name, as a comparison takes them.
    """

    path: Path
    document: Mapping[str, Any]
    sides: Mapping[str, Side]

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds of all its suites by name, also of those that do not compare."""
        return {suite["name"]: suite["kind"] for suite in self.document["suites"]}

    def known_deviation(self, name: str) -> tuple[float | None, int]:
        """Return the deviation of a suite's differences from its own baseline, and the pairs."""
        found = next(suite for suite in self.document["suites"] if suite["name"] == name)
        compared = found.get("baseline")
        if not compared or compared["refusal"] is not None:
            return None, 0
        return compared["deviation"], compared["paired"]

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of the model that a suite was made with; empty when unknown."""
        found = (suite for suite in self.document["suites"] if suite["name"] == name)
        return next(((suite.get("checkpoint") or {}).get("fingerprint", "") for suite in found), "")

    def side(self, kind: str, name: str) -> Side:
        """Return a suite by its name, an empty one when it is not there."""
        found = self.sides.get(name)
        if found is not None and found.kind == kind:
            return found
        others = tuple(other for other, side in self.sides.items() if side.kind == kind)
        return Side(kind, name, (), others=others)


def read_results(path: Path, *, named_by: str = "") -> SavedRun:
    """Read a results file.

    Args:
        path: Of the file.
        named_by: The option that names it, for messages.

    Raises:
        BaselineError: It is not there, or no results file that this version can read.
    """
    where = f"{named_by} {path}".strip()
    document = _parse(where, path)
    if not isinstance(document, dict) or "schema" not in document:
        raise BaselineError(where, "it is no results file", _NAME_ONE)
    version = document["schema"]
    if type(version) is int and version > SCHEMA_VERSION:
        found = f"it has schema version {version}, and this version reads {SCHEMA_VERSION}"
        raise BaselineError(where, found, "update pytest-llmjudge")
    problem = first_problem(document)
    if problem is not None:
        raise BaselineError(
            where, f"it is no results file: {problem}", f"{_NAME_ONE}, {_AS_IT_WAS}"
        )
    wrong = contradiction(document)
    if wrong is not None:
        raise BaselineError(where, wrong, f"{_NAME_ONE}, {_AS_IT_WAS}")
    judge = document["judge"]
    known = [suite for suite in document["suites"] if suite["kind"] in NOUNS]
    sides = {suite["name"]: _side(suite, judge) for suite in known}
    return SavedRun(path, document, sides)


def first_problem(document: object) -> str | None:
    """Say in what a document is no results file; ``None`` when it is one."""
    error = next(_validator().iter_errors(document), None)
    return None if error is None else _told(error)


def content_of(instruction: str, context: str, output: str) -> str:
    """Return what a record says, for pairing it with itself."""
    return json.dumps([instruction, context, output])


def exam_terms(mode: str, shots: int) -> dict[str, str]:
    """Return what has to be the same for two exams to compare, by name."""
    return {"mode": mode, "number of shots": str(shots)}


def answered(question: str, answer: str, prediction: str | None) -> Entry:
    """Return a question of MMLU as a comparison takes it.

    Args:
        question: Its id.
        answer: Letter of the right choice.
        prediction: Letter of the one that was taken, ``None`` when the question was not answered.
    """
    score = None if prediction is None else RIGHT * (prediction == answer)
    return Entry(question, answer, score, prediction)


def _parse(where: str, path: Path) -> object:
    try:
        content = read_file(path, DATA_LIMIT)
        if is_pointer(content):
            raise BaselineError(where, POINTER, PULL)
        text = content.decode("utf-8-sig")
        return parse_json(
            text, parse_constant=_refuse, parse_int=_counted, object_pairs_hook=unique_keys
        )
    except OSError as error:
        found = why_unreadable(error)
        raise BaselineError(where, found, _NAME_ONE) from None
    except RepeatedKeyError as error:
        found = f'an object in it has the key "{error}" twice'
        raise BaselineError(where, found, f"{_NAME_ONE}, {_AS_IT_WAS}") from None
    except _TooManyDigitsError as error:
        found = f"it has an integer of {error} digits"
        raise BaselineError(where, found, f"{_NAME_ONE}, {_AS_IT_WAS}") from None
    except ValueError:
        found = "it is no JSON, or not all of it" if path.stat().st_size else "it is empty"
        raise BaselineError(where, found, _NAME_ONE) from None


class _TooManyDigitsError(ValueError):
    """An integer is larger than anything that is counted, and than a float may hold."""


def _counted(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise _TooManyDigitsError(len(digits))
    return int(digits)


def _refuse(constant: str) -> object:
    """Take no NaN and no Infinity, which are no JSON, and no numbers to reckon with."""
    raise ValueError(constant)


def _side(suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side:
    if suite["kind"] == "mmlu":
        return Side(
            kind="mmlu",
            name=suite["name"],
            entries=tuple(
                answered(question["id"], question["answer"], question["prediction"])
                for subject in suite["subjects"]
                for question in subject["questions"]
            ),
            terms=exam_terms(suite["mode"], suite["shots"]),
            passes_at=RIGHT,
        )
    return Side(
        kind="judge",
        name=suite["name"],
        entries=tuple(
            Entry(
                id=record["id"],
                content=content_of(record["instruction"], record["input"], record["output"]),
                score=record["score"],
                # Half a surrogate pair would not get from a worker of xdist to its controller.
                response=record["model_response"] and storable(record["model_response"]),
            )
            for record in suite["records"]
        ),
        judge=judge_of(suite, judge),
        passes_at=suite["min_score"],
    )


def judge_of(suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> JudgeIdentity | None:
    """Return who judged a suite of a file whose own judge is ``judge``; ``None`` for nobody."""
    told = suite.get("judge", judge)
    if not told:
        return None
    known = {field.name for field in fields(JudgeIdentity)} & told.keys()
    texts = {name: storable(told[name]) for name in known if isinstance(told[name], str)}
    return JudgeIdentity(**{**{name: told[name] for name in known}, **texts})


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    schema = resources.files("pytest_llmjudge").joinpath("schemas/results.json").read_bytes()
    return jsonschema.Draft202012Validator(json.loads(schema))


def _told(error: ValidationError) -> str:
    # The schema's alternatives are suites of two kinds; what is wrong stands one level below.
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    place = ".".join(map(str, error.absolute_path)) or "the whole"
    return f"{place}: {error.message}"
