"""Reads people's and several judges' scores of the same responses."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.cost import mean_cost
from pytest_llmjudge.data.judges import LabelledJudge, LabelledScores
from pytest_llmjudge.decisions.comparison import judge_key
from pytest_llmjudge.errors import LlmJudgeError, SettingsError, one_line, storable
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.stats.labels import response_digest
from pytest_llmjudge.storage.labels import read_labels
from pytest_llmjudge.storage.results_reader import judge_of, read_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import JudgeIdentity, LabelsFile
    from pytest_llmjudge.storage.results_reader import SavedKind

__all__ = ["read_judge_scores"]

_Key = tuple[str, str]
"""Id of a record, and digest of the response to it."""

_JUDGED = "judge"
_SHOWN_SUITES = 300


@dataclass(frozen=True, slots=True)
class _Judged:
    """A judge's suite in a results file, with its records by id and digest of the response."""

    path: Path
    suite: str
    judge: JudgeIdentity
    records: Mapping[_Key, Mapping[str, Any]]


def read_judge_scores(
    labels: Path, results: Sequence[Path], kinds: Iterable[SavedKind], suite: str | None = None
) -> LabelledScores:
    """Read people's and several judges' scores of the same responses.

    A label is matched with a record of a results file by the record's id and its response.

    Args:
        labels: Labels file.
        results: Results files, one of each judge.
        kinds: Of suites, those that this version knows.
        suite: Which suite of each file; by default the one whose records were drawn to be labelled,
            or the only one that has a judge.

    Raises:
        LlmJudgeError: A file cannot be used; one line for each problem.
    """
    problems: list[LlmJudgeError] = []
    read: LabelsFile | None = None
    try:
        read = read_labels(labels)
    except LlmJudgeError as error:
        problems.append(error)
    drawn = suite or (read.design.suite if read is not None and read.design is not None else None)
    known = tuple(kinds)
    judged: list[_Judged] = []
    seen: set[Path] = set()
    for path in results:
        try:
            if real_path(path) in seen:
                raise SettingsError(str(path), "it is named twice", "name each file once")
            seen.add(real_path(path))
            judged.append(_judged(path, known, drawn, is_asked_for=suite is not None))
        except LlmJudgeError as error:  # noqa: PERF203  # all files are to be named
            problems.append(error)
    problems += _same_judges(judged)
    people = {} if read is None else read.scores()
    if people:
        problems += [
            _foreign(one, labels, len(people))
            for one in judged
            if not people.keys() & one.records.keys()
        ]
    if problems:
        first, *others = problems
        first.more = (*first.more, *others)
        raise first
    return _joined(labels, people, judged)


def _judged(
    path: Path, kinds: Sequence[SavedKind], wanted: str | None, *, is_asked_for: bool
) -> _Judged:
    """Read the suite that is asked for, or the only one of a judge.

    Raises:
        LlmJudgeError: The file cannot be read, or it is not known which suite is meant.
    """
    run = read_results(path, kinds)
    suites = {one["name"]: one for one in run.document["suites"] if one["kind"] == _JUDGED}
    names = one_line(", ".join(suites), _SHOWN_SUITES)
    where = str(path)
    if not suites:
        problem = "it has no suite whose records a judge scored"
        raise SettingsError(where, problem, "name a results file of a suite with llm_judge")
    if is_asked_for and wanted not in suites:
        problem = f'it has no judged suite named "{one_line(wanted or "")}", but {names}'
        raise SettingsError(where, problem, "name one of them with --suite")
    if len(suites) > 1 and wanted not in suites:
        problem = f"it has several judged suites: {names}"
        raise SettingsError(where, problem, "name one with --suite")
    suite = suites[wanted] if wanted in suites else next(iter(suites.values()))
    judge = judge_of(suite, run.document["judge"])
    if judge is None:
        problem = f"it does not say who judged {suite['name']}"
        raise SettingsError(where, problem, "name a file as --llm-judge-report wrote it")
    records = {
        (storable(record["id"]), response_digest(record["model_response"])): record
        for record in suite["records"]
        if record["model_response"] is not None
    }
    if not records:
        problem = f"it has no responses in {suite['name']}, so that no label is of one of them"
        raise SettingsError(where, problem, "name the file of a run that had responses")
    return _Judged(path, suite["name"], judge, records)


def _same_judges(judged: Sequence[_Judged]) -> list[LlmJudgeError]:
    """Return a problem for each file of a judge of which there is an earlier file."""
    by_key: dict[str, _Judged] = {}
    problems: list[LlmJudgeError] = []
    for one in judged:
        # A judge of the user's own without a fingerprint has no identity to compare.
        key = judge_key(one.judge)
        if key is None:
            continue
        first = by_key.setdefault(key, one)
        if first is not one:
            problem = f"it is of the same judge as {first.path} ({one_line(one.judge.model, 100)})"
            hint = "name one file of each judge"
            problems.append(SettingsError(str(one.path), problem, hint))
    return problems


def _foreign(one: _Judged, labels: Path, count: int) -> LlmJudgeError:
    problem = f"none of its {len(one.records)} responses has one of the {count} labels of {labels}"
    hint = "name results with the responses that were labelled"
    return SettingsError(f"{one.path}: {one.suite}", problem, hint)


def _joined(
    labels: Path, people: Mapping[_Key, Mapping[str, int]], judged: Sequence[_Judged]
) -> LabelledScores:
    """Return all judges' scores of the labelled responses.

    Raises:
        SettingsError: All of them scored none.
    """
    keys = [
        key
        for key in people
        if all(key in one.records and one.records[key]["score"] is not None for one in judged)
    ]
    if not keys:
        where = ", ".join(str(one.path) for one in judged)
        problem = f"no response with a label in {labels} is scored in all of them"
        raise SettingsError(where, problem, "name results of the same responses")
    return LabelledScores(
        labelled=len(people),
        labelers=len({name for given in people.values() for name in given}),
        people=tuple(fmean(people[key].values()) for key in keys),
        groups=tuple(_group(judged, key) for key in keys),
        judges=tuple(_labelled(one, people, keys) for one in judged),
    )


def _group(judged: Sequence[_Judged], key: _Key) -> str | None:
    """Return the group of a record, by the first file that names one."""
    names = (one.records[key].get("group") for one in judged)
    return next(filter(None, names), None)


def _labelled(one: _Judged, people: Mapping[_Key, object], keys: Sequence[_Key]) -> LabelledJudge:
    there = [one.records[key] for key in people if key in one.records]
    unscored = [record for record in there if record["score"] is None]
    return LabelledJudge(
        path=str(one.path),
        suite=one.suite,
        judge=one.judge,
        scored=len(there) - len(unscored),
        scores=tuple(one.records[key]["score"] for key in keys),
        unscored=tuple(
            (storable(record["id"]), storable(record["error"] or "")) for record in unscored
        ),
        missing=len(people) - len(there),
        cost=mean_cost(
            (record.get("seconds"), record.get("tokens")) for record in one.records.values()
        ),
    )
