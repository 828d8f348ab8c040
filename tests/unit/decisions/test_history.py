"""Results files over time: which run is beside which, what changed, and what flipped."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import AgainstReference
from pytest_llmjudge.data.history import Change, FlippedRecord
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.history import BY_CREATED, BY_NAME, in_order, make_history
from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.kinds.history import read_run
from pytest_llmjudge.kinds.loss import LossRecord, LossResult
from tests.support import results
from tests.support.history import NAME, checkpoint, judged, write_run

if TYPE_CHECKING:
    from pytest_llmjudge.data import AnyResult, Comparison
    from pytest_llmjudge.data.history import History, SuiteHistory

RENAMED = "test_a.py::test_renamed"
FIRST = [90, 80, 85, 70, 95, 88, 60, 40]
LOWER = [70, 65, 80, 40, 95, 60, 50, 30]


def follow(folder: Path, *runs: list[AnyResult]) -> History:
    """Write a results file for each run, a month apart, and read them as a history."""
    paths = [
        write_run(folder / f"{month}.json", month, *suites) for month, suites in enumerate(runs, 1)
    ]
    return make_history([read_run(path) for path in paths], BY_CREATED)


def follow_one(folder: Path, *runs: AnyResult) -> SuiteHistory:
    """Do the same with runs of one suite."""
    (suite,) = follow(folder, *([run] for run in runs)).suites
    return suite


def comparison_at(suite: SuiteHistory, place: int) -> Comparison:
    """Return the comparison of a run with the one before it."""
    step = suite.points[place].step
    assert step is not None
    assert step.comparison is not None
    return step.comparison


def exact_p(differences: list[int]) -> float:
    """Return the share of all ways to flip the signs that have as low a sum."""
    sums = [
        sum(sign * one for sign, one in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(one <= sum(differences) for one in sums) / len(sums)


def test_neighbours_are_compared_as_the_gate_does(tmp_path: Path) -> None:
    """The paired test of each run with the one before it, beside all arrangements of signs."""
    suite = follow_one(tmp_path, judged(FIRST), judged(LOWER), judged(FIRST))

    steps = [point.step for point in suite.points]
    assert steps[0] is None
    assert [step and step.worse for step in steps[1:]] == ["drop", ""]
    fall = comparison_at(suite, 1)
    differences = [new - old for old, new in zip(FIRST, LOWER, strict=True)]
    assert fall.difference == sum(differences) / 8
    assert fall.p == exact_p(differences)
    assert suite.tested == 2
    assert [point.suite.value for point in suite.points] == [76.0, 61.25, 76.0]


def test_only_the_test_of_a_rise_is_left_out(tmp_path: Path) -> None:
    """Everything else of a comparison is what the gate has."""
    suite = follow_one(tmp_path, judged(LOWER), judged(FIRST), judged(LOWER))

    (low, high, _) = (point.suite.side for point in suite.points)
    assert low is not None
    assert high is not None
    rise, whole = comparison_at(suite, 1), compare(low, high)
    assert rise.p is None
    assert whole.p is not None
    assert whole.p >= 0.5
    assert (rise.difference, rise.interval, rise.wins) == (
        whole.difference,
        whole.interval,
        whole.wins,
    )
    assert comparison_at(suite, 2) == compare(high, low)


def test_another_judge_is_drawn_apart(tmp_path: Path) -> None:
    """Not joined, not compared, with the reason; later runs of that judge are compared again."""
    suite = follow_one(
        tmp_path,
        judged(FIRST),
        judged(FIRST, judge="abc"),
        judged(LOWER, judge="def"),
        judged(LOWER, judge="def"),
    )

    assert [len(segment) for segment in suite.segments] == [2, 2]
    step = suite.points[2].step
    assert step is not None
    assert (step.apart, step.comparison, step.worse) == (
        (
            "results of different judges do not compare: its model was llama3 (abc) and is "
            "llama3 (def) now"
        ),
        None,
        "",
    )
    assert step.changes[0] == Change(
        "judge", "llama3 (ollama 0.24.0, digest abc)", "llama3 (ollama 0.24.0, digest def)"
    )
    assert suite.tested == 2
    assert suite.flipped == ()


def test_what_changed_is_named(tmp_path: Path) -> None:
    """The model, records, options and the package's version."""
    old = judged(FIRST, "old.pth")
    new = judged([*FIRST[:7], 40, 50], edited=[2], min_score=20)
    paths = [
        write_run(tmp_path / "1.json", 1, old),
        write_run(tmp_path / "2.json", 2, new, version="0.2.0"),
    ]
    history = make_history([read_run(path) for path in paths], BY_CREATED)

    (suite,) = history.suites
    step = suite.points[1].step
    assert step is not None
    assert (step.added, step.removed, step.edited) == (1, 0, 1)
    was, now = (checkpoint(name).fingerprint[:12] for name in ("old.pth", "new.pth"))
    assert step.changes == (
        Change("model", f"old.pth ({was})", f"new.pth ({now})"),
        Change("min_score", "50", "20"),
        Change("pytest-llmjudge", "0.1.0", "0.2.0"),
    )


def test_too_few_records_in_common_are_drawn_apart(tmp_path: Path) -> None:
    """Averages over other records say nothing of each other."""
    suite = follow_one(tmp_path, judged(FIRST), judged(FIRST, edited=range(4)))

    step = suite.points[1].step
    assert step is not None
    assert step.edited == 4
    assert step.apart.startswith("only 4 of the 8 records of the baseline have a score")
    assert step.apart.endswith("and 80 % are needed")


def test_a_drop_of_unpaired_records(tmp_path: Path) -> None:
    """Records that were edited and fell far are named, where the pairs stayed as they were."""
    scores = [70 + place % 7 for place in range(40)]
    edited = range(34, 40)
    suite = follow_one(tmp_path, judged(scores), judged([*scores[:34], *[0] * 6], edited=edited))

    step = suite.points[1].step
    assert step is not None
    assert step.worse == "drop of unpaired records"
    assert comparison_at(suite, 1).difference == 0


def test_a_renamed_suite_goes_on(tmp_path: Path) -> None:
    """With at least 80 % of the records, where the old name does not come back."""
    suite = follow_one(
        tmp_path,
        judged(FIRST),
        judged(LOWER, name=RENAMED, edited=[3]),
        judged(LOWER, name=RENAMED),
    )

    assert (suite.last.name, suite.earlier_names) == (RENAMED, (NAME,))
    step = suite.points[1].step
    assert step is not None
    assert step.changes == (Change("name", NAME, RENAMED),)
    assert step.worse == "drop"


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(
            [[judged(FIRST)], [judged(LOWER, name=RENAMED)], [judged(FIRST)]], id="comes back"
        ),
        pytest.param(
            [[judged(FIRST)], [judged(FIRST, name=RENAMED, prefix="s")]], id="other records"
        ),
        pytest.param(
            [[judged(FIRST)], [judged(FIRST, name=RENAMED), judged(FIRST, name="b")]],
            id="two new ones",
        ),
        pytest.param(
            [[judged(FIRST), judged(FIRST, name="b")], [judged(FIRST, name=RENAMED)]],
            id="two old ones",
        ),
    ],
)
def test_suites_that_may_be_others_are_kept_apart(
    tmp_path: Path, runs: list[list[AnyResult]]
) -> None:
    """A line never mixes suites on a guess."""
    history = follow(tmp_path, *runs)

    assert [suite.earlier_names for suite in history.suites] == [()] * len(history.suites)
    assert len(history.suites) == len({one.name for run in runs for one in run})


def test_runs_without_a_suite_are_passed_over(tmp_path: Path) -> None:
    """A suite is held against the last run that has it."""
    history = follow(
        tmp_path, [judged(FIRST)], [judged(FIRST, name="b", prefix="s")], [judged(LOWER)]
    )

    first, other = history.suites
    assert [point.run for point in first.points] == [0, 2]
    assert first.points[1].step is not None
    assert first.points[1].step.worse == "drop"
    assert [point.run for point in other.points] == [1]


def test_records_that_flip(tmp_path: Path) -> None:
    """Counted in each step that compares, those that flipped most often first."""
    suite = follow_one(
        tmp_path,
        judged([90, 40, 80, 60, 70]),
        judged([30, 60, 85, 20, 70]),
        judged([90, 20, 80, 10, 70]),
        judged([20, 90, 20, 90, 90], judge="def"),
        judged([20, 90, 90, 90, 90], judge="def"),
    )

    assert suite.has_limit
    assert suite.flipped_total == 4
    assert suite.flipped == (
        FlippedRecord("r0", 1, 1, 2, 120, (90, 30, 90, 20, 20)),
        FlippedRecord("r1", 1, 1, 2, 60, (40, 60, 20, 90, 90)),
        FlippedRecord("r2", 0, 1, 3, 80, (80, 85, 80, 20, 90)),
        FlippedRecord("r3", 1, 0, 2, 50, (60, 20, 10, 90, 90)),
    )


def test_records_that_move_without_a_limit(tmp_path: Path) -> None:
    """Those that changed most often come first, of those the ones that moved furthest."""
    runs = [[90, 40, 80, 60], [80, 60, 80, 20], [90, 60, 80, 90]]
    suite = follow_one(tmp_path, *(judged(scores, min_score=None) for scores in runs))

    assert not suite.has_limit
    assert [(one.id, one.changes, one.distance) for one in suite.flipped] == [
        ("r3", 2, 110),
        ("r0", 2, 20),
        ("r1", 1, 20),
    ]


def test_an_edited_record_is_another_one(tmp_path: Path) -> None:
    """Its score before does not stand beside its score now."""
    suite = follow_one(
        tmp_path, judged(FIRST), judged(LOWER, edited=[3]), judged(FIRST, edited=[3])
    )

    tracks = {(one.id, one.scores) for one in suite.flipped}
    assert ("r3", (None, 40, 70)) in tracks


def test_a_suite_with_an_unscored_record_has_no_average(tmp_path: Path) -> None:
    """The run is there, without a figure; the others are compared."""
    suite = follow_one(tmp_path, judged(FIRST), judged([None, *LOWER[1:]]))

    assert suite.last.value is None
    assert suite.last.interval is None
    assert suite.points[1].step is not None
    assert suite.points[1].step.worse == "drop"


def test_figures_of_all_kinds(tmp_path: Path) -> None:
    """Each kind has its own; questions of MMLU are compared, pairs have no such test."""
    exams = [results.exam([results.subject("anatomy", right, 50)]) for right in (40, 25)]
    pairs = [results.pairs([results.pair(f"p{n}", "a") for n in range(4)])] * 2

    history = follow(tmp_path, *zip(exams, pairs, strict=True))  # type: ignore[arg-type]

    exam, preference = history.suites
    assert [point.suite.value for point in exam.points] == [0.8, 0.5]
    # Fifteen answers that turned wrong, none that turned right.
    assert comparison_at(exam, 1).p == pytest.approx(0.5**15)
    assert (exam.last.total, exam.last.figure.name) == (50, "accuracy")
    assert preference.last.figure.shown(preference.last.value) == "1.000"
    assert [len(segment) for segment in preference.segments] == [2]
    assert preference.tested == 0


def test_pairs_with_another_opponent_are_drawn_apart(tmp_path: Path) -> None:
    """Their win rates are over different models."""
    old = results.pairs([results.pair("p0", "a")])
    other = AgainstReference("field", "release", "")
    suite = follow_one(tmp_path, old, results.pairs([results.pair("p0", "a")], against=other), old)

    assert [len(segment) for segment in suite.segments] == [1, 1, 1]
    assert suite.points[1].step is not None
    assert suite.points[1].step.apart == (
        "against was fingerprint none, kind field, name human and is fingerprint none, kind "
        "field, name release now"
    )


def test_an_interval_lies_within_what_scores_can_be(tmp_path: Path) -> None:
    """As in all reports; Student's t knows no bounds."""
    suite = follow_one(tmp_path, judged([100, 100, 100, 70]))

    assert suite.last.interval is not None
    assert suite.last.interval[1] == 100


def losses(*means: float, tokenizer: str = "t") -> LossResult:
    """Make a suite of losses of records with 10, 11, … tokens."""
    records = []
    for place, mean in enumerate(means):
        record, tokens = results.scored(f"r{place}", 0).record, 10 + place
        parts = ((mean * tokens, tokens),)
        records.append(LossRecord(record, parts, tokenizer, f"d{place}", None, "passed"))
    return LossResult(
        name="test_l.py::test_loss",
        path="a.json",
        checkpoint=checkpoint("new.pth"),
        total=len(records),
        terms={"prompt": None, "end": True, "stride": None},
        limits={"max_perplexity": 100.0, "max_loss": 2.0},
        records=tuple(records),
        gates=(),
        outcome="passed",
    )


def test_losses(tmp_path: Path) -> None:
    """Their mean with its own interval, of which the file has the exponential; a rise is worse."""
    low, high = (1.0, 1.2, 1.4, 1.6, 1.8, 1.9), (1.3, 1.4, 1.9, 1.7, 2.1, 2.2)
    first = losses(*low)
    suite = follow_one(tmp_path, first, losses(*high), losses(*high, tokenizer="u"))

    figures = first.figures
    assert figures is not None
    point = suite.points[0].suite
    assert point.value == pytest.approx(figures.loss, abs=1e-4)
    assert point.interval == pytest.approx(figures.interval, abs=1e-4)
    assert suite.points[1].step is not None
    assert suite.points[1].step.worse == "rise"
    assert comparison_at(suite, 1).p == 1 / 2**6
    assert suite.points[2].step is not None
    assert suite.points[2].step.apart.startswith("results of different suites do not compare: its")
    assert suite.points[2].step.changes == (Change("tokenizer", "t", "u"),)
    assert [(one.id, one.fell, one.rose) for one in suite.flipped] == [("r5", 1, 0), ("r4", 1, 0)]


def test_order_of_runs(tmp_path: Path) -> None:
    """By time, or by name, in which numbers count as numbers; ties are said."""
    paths = [
        write_run(tmp_path / name, month, judged(FIRST))
        for name, month in (("r10.json", 1), ("r9.json", 2), ("r2.json", 2))
    ]
    runs = [read_run(path) for path in paths]

    by_time = in_order(runs, BY_CREATED)
    assert [Path(run.file).name for run in by_time] == ["r10.json", "r2.json", "r9.json"]
    assert [Path(run.file).name for run in in_order(runs, BY_NAME)] == [
        "r2.json",
        "r9.json",
        "r10.json",
    ]
    history = make_history(by_time, BY_CREATED)
    assert history.notes == (
        (
            f"{paths[2]}, {paths[1]}: created at the same time, so their order is that of their "
            "names"
        ),
    )
    assert history.names == ("r10.json", "r2.json", "r9.json")
    assert make_history(in_order(runs, BY_NAME), BY_NAME).notes == ()


def rewrite(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")


@pytest.mark.parametrize("text", ["2026-01-31T23:59:00Z", "2026-01-31T23:59:00"])
def test_times_without_an_offset_are_in_utc(tmp_path: Path, text: str) -> None:
    """Files of other tools say it in either way."""
    path = write_run(tmp_path / "a.json", 1, judged(FIRST))
    rewrite(path, created=text)

    assert read_run(path).created == datetime(2026, 1, 31, 23, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none(tmp_path: Path, text: str) -> None:
    """The file cannot be put in order."""
    path = write_run(tmp_path / "a.json", 1, judged(FIRST))
    rewrite(path, created=text)

    with pytest.raises(BaselineError) as caught:
        read_run(path)

    assert str(caught.value) == (
        f'{path}: its "created" is no time: {text}; write it like 2026-01-31T23:59:00+00:00'
    )


def test_suites_of_a_later_version_are_named(tmp_path: Path) -> None:
    """They are left out, and not in silence."""
    path = write_run(tmp_path / "a.json", 1, judged(FIRST))
    document = json.loads(path.read_text("utf-8"))
    other = {"name": "t.py::t", "kind": "haiku", "outcome": "passed"}
    rewrite(path, suites=[*document["suites"], other])
    empty = write_run(tmp_path / "b.json", 2)

    history = make_history([read_run(path), read_run(empty)], BY_CREATED)

    assert history.notes == (
        f"{path}: t.py::t is a suite of a kind that this version does not know",
        f"{empty}: it has no suite",
    )
    assert len(history.suites) == 1
