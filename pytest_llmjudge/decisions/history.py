"""Results of many runs as a history: their order, which suite is which, what flipped."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.data.history import (
    Change,
    FlippedRecord,
    History,
    Point,
    Step,
    SuiteHistory,
)
from pytest_llmjudge.decisions.comparison import LEAST_PAIRED, compare, is_same_judge
from pytest_llmjudge.decisions.gates import decide_baseline
from pytest_llmjudge.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_llmjudge.data import CheckpointReference, Comparison, JudgeIdentity, Side
    from pytest_llmjudge.data.history import HistoryRun, SavedSuite

__all__ = ["BY_CREATED", "BY_NAME", "in_order", "judge_label", "make_history", "model_label"]

BY_CREATED = "created"
BY_NAME = "name"
_MOST_FLIPPED = 10
_SHOWN_DIGITS = 12
_LONGEST = 200

_Key = tuple[str, str]


def in_order(runs: Iterable[HistoryRun], order: str) -> list[HistoryRun]:
    """Sort runs by the time they were created, or by the names of their files.

    Runs of the same time are in the order of their names, in which ``9`` comes before ``10``.
    """
    by_name = sorted(runs, key=lambda run: _natural(run.file))
    return by_name if order == BY_NAME else sorted(by_name, key=lambda run: run.created)


def _natural(name: str) -> list[tuple[int, str]]:
    # Digits alternate with other texts, so that like is compared with like.
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]


def make_history(runs: Sequence[HistoryRun], order: str, notes: Iterable[str] = ()) -> History:
    """Follow each suite through the runs.

    Args:
        runs: In their order.
        order: What it is by.
        notes: On the files.
    """
    suites = tuple(_suite_history(runs, line) for line in _lines(runs))
    names = _short_names([run.file for run in runs])
    return History(tuple(runs), names, suites, (*notes, *_notes(runs, order)))


def _short_names(files: Sequence[str]) -> tuple[str, ...]:
    """Return paths from the folder that all of them share."""
    try:
        folder = os.path.commonpath([Path(file).parent for file in files])
    except ValueError:
        # Paths from a root beside those from the working folder, or two drives of Windows.
        return tuple(files)
    return tuple(Path(file).relative_to(folder).as_posix() for file in files)


def _notes(runs: Sequence[HistoryRun], order: str) -> Iterator[str]:
    for run in runs:
        if not run.suites and not run.unknown:
            yield f"{run.file}: it has no suite"
        for name in run.unknown:
            yield f"{run.file}: {name} is a suite of a kind that this version does not know"
    if order == BY_CREATED:
        for time, number in Counter(run.created for run in runs).items():
            if number > 1:
                names = ", ".join(run.file for run in runs if run.created == time)
                yield f"{names}: created at the same time, so their order is that of their names"


def _lines(runs: Sequence[HistoryRun]) -> list[list[tuple[int, SavedSuite]]]:
    """Return each suite with the runs that have it.

    Suites are the same when kind and name are. A new name continues a suite that is gone for good
    where four of five records of either are the same, and no other suite comes into question.
    """
    last_place = {_key(suite): place for place, run in enumerate(runs) for suite in run.suites}
    lines: list[list[tuple[int, SavedSuite]]] = []
    of_key: dict[_Key, list[tuple[int, SavedSuite]]] = {}
    for place, run in enumerate(runs):
        gone = [line for key, line in of_key.items() if last_place[key] < place]
        new = [suite for suite in run.suites if _key(suite) not in of_key]
        continued = [
            (suite, line) for suite in new for line in gone if _is_renamed(line[-1][1], suite)
        ]
        for suite in new:
            lines_of_it = [line for one, line in continued if one is suite]
            rivals = [one for one, line in continued if lines_of_it and line is lines_of_it[0]]
            if len(lines_of_it) == len(rivals) == 1:
                (line,) = lines_of_it
                del of_key[_key(line[-1][1])]
            else:
                line = []
                lines.append(line)
            of_key[_key(suite)] = line
        for suite in run.suites:
            of_key[_key(suite)].append((place, suite))
    return lines


def _key(suite: SavedSuite) -> _Key:
    return suite.kind, suite.name


def _is_renamed(old: SavedSuite, new: SavedSuite) -> bool:
    same = sum(new.samples.get(name) == content for name, content in old.samples.items())
    most = max(len(old.samples), len(new.samples), 1)
    return old.kind == new.kind and same >= LEAST_PAIRED * most


def _suite_history(
    runs: Sequence[HistoryRun], line: Sequence[tuple[int, SavedSuite]]
) -> SuiteHistory:
    points = [Point(*line[0], None)]
    for (before, old), (after, new) in pairwise(line):
        points.append(Point(after, new, _step(runs[before], old, runs[after], new)))
    sides = [suite.side for _, suite in line]
    has_limit = any(side is not None and side.passes_at is not None for side in sides)
    flipped = _flipped(points, has_limit=has_limit)
    scores = [_scores(side) for side in sides]
    records = (
        FlippedRecord(
            id=turns.key[0],
            fell=turns.fell,
            rose=turns.rose,
            changes=turns.changes,
            distance=math.fsum(turns.distances),
            scores=tuple(one.get(turns.key) for one in scores),
        )
        for turns in flipped[:_MOST_FLIPPED]
    )
    return SuiteHistory(tuple(points), tuple(records), len(flipped), has_limit)


def _step(old_run: HistoryRun, old: SavedSuite, new_run: HistoryRun, new: SavedSuite) -> Step:
    comparison = None
    if old.side is not None and new.side is not None:
        # Only a fall is in question, and its test takes most of the time.
        comparison = compare(old.side, new.side.judged, tests_rises=False)
        # What to do about it concerns whoever runs the gate.
        refusal = comparison.refusal or ""
        apart = refusal.rpartition("; ")[0] or refusal
    else:
        apart = _why_apart(old, new)
    edited = sum(
        name in old.samples and old.samples[name] != content
        for name, content in new.samples.items()
    )
    return Step(
        apart=apart,
        comparison=None if apart else comparison,
        worse="" if apart or comparison is None else _worse(comparison),
        changes=tuple(_changes(old_run, old, new_run, new)),
        added=len(new.samples.keys() - old.samples.keys()),
        removed=len(old.samples.keys() - new.samples.keys()),
        edited=edited,
    )


def _why_apart(old: SavedSuite, new: SavedSuite) -> str:
    """Say why the figures of a kind without a paired test mean different things."""
    judges = old.judge, new.judge
    if judges != (None, None) and not (
        old.judge and new.judge and is_same_judge(old.judge, new.judge)
    ):
        was, now = map(judge_label, judges)
        return f"results of different judges do not compare: it was {was} and is {now} now"
    return next(
        (
            f"{name} was {_shown(old.settings[name])} and is {_shown(new.settings[name])} now"
            for name in new.terms
            if old.settings[name] != new.settings[name]
        ),
        "",
    )


def _worse(comparison: Comparison) -> str:
    """Say what the gate [baseline] would fail for; empty where it would pass."""
    if decide_baseline(comparison).passed:
        return ""
    measure, pairs_alone = comparison.measure, replace(comparison, unpaired_p=None)
    if decide_baseline(pairs_alone).passed:
        return f"{measure.drop} of unpaired {measure.noun}"
    return measure.drop


def _changes(
    old_run: HistoryRun, old: SavedSuite, new_run: HistoryRun, new: SavedSuite
) -> Iterator[Change]:
    """Yield what differs beside the records, what decides most first."""
    pairs = [
        ("name", old.name, new.name),
        ("judge", judge_label(old.judge), judge_label(new.judge)),
        *_judge_details(old.judge, new.judge),
        ("model", model_label(old.model), model_label(new.model)),
        *(
            (name, _shown(old.settings[name]), _shown(value))
            for name, value in new.settings.items()
        ),
        ("pytest-llmjudge", one_line(old_run.version), one_line(new_run.version)),
    ]
    yield from (Change(*pair) for pair in pairs if pair[1] != pair[2])


def _judge_details(
    old: JudgeIdentity | None, new: JudgeIdentity | None
) -> Iterator[tuple[str, str, str]]:
    """Yield what a judge's label does not show."""
    if old is not None and new is not None:
        yield "question to the judge", _shown(old.ask), _shown(new.ask)
        yield "options of the judge", _shown(old.options), _shown(new.options)


def judge_label(judge: JudgeIdentity | None) -> str:
    """Name a judge in a few words."""
    if judge is None:
        return "none"
    known = f"{judge.backend} {judge.version}".strip()
    digest = f", digest {judge.digest[:_SHOWN_DIGITS]}" if judge.digest else ""
    named = f", answers as {judge.answers_as}" if judge.answers_as else ""
    return one_line(f"{judge.model} ({known}{digest}{named})")


def model_label(model: CheckpointReference | None) -> str:
    """Name a model under test in a few words."""
    if model is None:
        return "responses from the records"
    return one_line(f"{model.path} ({model.fingerprint[:_SHOWN_DIGITS]})")


def _shown(value: object) -> str:
    if value in (None, "", {}):
        return "none"
    if isinstance(value, dict):
        text = ", ".join(f"{name} {_shown(one)}" for name, one in sorted(value.items()))
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return one_line(text, _LONGEST)


def _flipped(points: Sequence[Point], *, has_limit: bool) -> list[_Turns]:
    """Return the records that flipped, or whose score changed, those that did most first."""
    found: dict[_Key, _Turns] = {}
    for old, new in pairwise(points):
        if new.step is not None and new.step.comparison is not None:
            for key, distance, fell in _turns(old.suite.side, new.suite.side):
                turns = found.setdefault(key, _Turns(key))
                turns.changes += 1
                turns.distances.append(distance)
                turns.fell += fell is True
                turns.rose += fell is False
    flipped = [one for one in found.values() if not has_limit or one.fell + one.rose]
    return sorted(flipped, key=lambda one: (*(-number for number in one.weight), one.key))


@dataclass(slots=True)
class _Turns:
    """What became of a record's score from run to run."""

    key: _Key
    fell: int = 0
    rose: int = 0
    changes: int = 0
    distances: list[float] = field(default_factory=list)

    @property
    def weight(self) -> tuple[float, ...]:
        return self.fell + self.rose, self.changes, math.fsum(self.distances)


def _turns(old: Side | None, new: Side | None) -> Iterator[tuple[_Key, float, bool | None]]:
    """Yield each record that has another score: how far it moved, and whether it fell or rose.

    The last is ``None`` when it passes or fails on both sides, or nothing says what passes.
    """
    before, after = _scores(old), _scores(new)
    for key, now in after.items():
        was = before.get(key)
        if was is None or now is None or was == now:
            continue
        fell = None
        if new is not None and new.passes_at is not None:
            passed, passes = (new.measure.passes(score, new.passes_at) for score in (was, now))
            fell = None if passed == passes else passed
        yield key, abs(now - was), fell


def _scores(side: Side | None) -> dict[_Key, float | None]:
    entries = () if side is None else side.entries
    return {(entry.id, entry.content): entry.score for entry in entries}
