"""Two releases side by side: what pairs up, what is refused, and numbers that hold."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Entry, Flip, JudgeIdentity, Measure, Side
from pytest_llmjudge.decisions.comparison import compare

if TYPE_CHECKING:
    import random

JUDGE = JudgeIdentity("llama3", "ollama", "0.24.0", "a" * 64, {"seed": 123}, "integer/1")
JUDGED = Measure("judge", is_judged=True)
EXAM = Measure("mmlu", noun="questions", suite="exam", is_binary=True)
AGAIN = "judge the baseline's model again with this judge"
NEW_BASELINE = "make a baseline of the release with these records"
SCORES = st.lists(st.integers(min_value=0, max_value=100), min_size=1, max_size=40)


def side(*scores: float | None, name: str = "test_a.py::test_a", **more: object) -> Side:
    """Make a side whose records are called r0, r1 and so on."""
    entries = tuple(
        Entry(f"r{number}", "", score, f"answer {score}") for number, score in enumerate(scores)
    )
    return replace(Side(JUDGED, name, entries, judge=JUDGE), **more)  # type: ignore[arg-type]


def flip(record: str, was: int, now: int, *, fails_now: bool = False) -> Flip:
    return Flip(record, was, now, fails_now, f"answer {was}", f"answer {now}")


def exam(right: str, **more: object) -> Side:
    """Make an exam whose questions are right where ``right`` has an x."""
    entries = tuple(
        Entry(f"anatomy-{number}", "A", 100.0 * (letter == "x"), "A" if letter == "x" else "B")
        for number, letter in enumerate(right)
    )
    terms = {"mode": "letters", "number of shots": "5"}
    made = Side(EXAM, "test_m.py::test_m", entries, terms=terms, passes_at=100.0)
    return replace(made, **more)  # type: ignore[arg-type]


@given(SCORES)
def test_a_release_beside_itself(scores: list[int]) -> None:
    """No difference, no doubt."""
    comparison = compare(side(*scores), side(*scores))

    assert comparison.refusal is None
    assert (comparison.paired, comparison.added, comparison.removed) == (len(scores), 0, 0)
    assert (comparison.difference, comparison.p) == (0, 1)
    assert comparison.interval == (None if len(scores) == 1 else (0, 0))
    assert comparison.flips == ()


@given(st.lists(st.tuples(*[st.integers(min_value=0, max_value=100)] * 2), min_size=2, max_size=30))
def test_swapped_sides_negate(pairs: list[tuple[int, int]]) -> None:
    """The difference changes its sign, its spread and what can be shown do not change."""
    old, new = side(*(was for was, _ in pairs)), side(*(now for _, now in pairs))

    there, back = compare(old, new), compare(new, old)

    assert there.difference == pytest.approx(-(back.difference or 0))
    assert there.deviation == pytest.approx(back.deviation)
    assert there.detectable == pytest.approx(back.detectable)
    assert (there.before, there.after) == (back.after, back.before)
    assert (there.p or 0) + (back.p or 0) >= 1 - 0.02


@pytest.mark.slow
@given(SCORES.filter(lambda scores: len(scores) > 1), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(scores: list[int], lots: random.Random) -> None:
    """Not for a single digit, resampling included."""
    old, new = side(*reversed(scores)), side(*scores)
    shuffled = list(new.entries)
    lots.shuffle(shuffled)

    assert compare(old, replace(new, entries=tuple(shuffled))) == compare(old, new)


def test_what_pairs_up() -> None:
    """Added, removed and edited records do not; an edited one is one removed and one added."""
    old, new = side(*[50] * 10), side(*[40] * 11)
    edited = replace(new.entries[3], content="another reference")
    new = replace(new, entries=(*new.entries[:3], edited, *new.entries[4:]))

    comparison = compare(old, new)

    assert comparison.refusal is None
    assert (comparison.paired, comparison.added, comparison.removed) == (9, 2, 1)
    assert (comparison.before, comparison.after, comparison.difference) == (50, 40, -10)


def test_records_without_a_score_do_not_pair() -> None:
    """They are counted on their own side, and dropped from neither."""
    comparison = compare(side(None, None, *[50] * 20), side(50, 50, None, *[50] * 19))

    assert (comparison.paired, comparison.unscored_before, comparison.unscored_after) == (19, 2, 1)
    assert (comparison.added, comparison.removed) == (0, 0)


def test_figures_of_a_comparison() -> None:
    """As the formulas say, beside the standard library's."""
    was, now = [90, 80, 70, 60, 50, 40], [85, 82, 60, 60, 10, 45]
    differences = [-5, 2, -10, 0, -40, 5]

    comparison = compare(side(*was), side(*now, passes_at=50))

    assert comparison.difference == statistics.mean(differences) == -8
    assert comparison.deviation == pytest.approx(statistics.stdev(differences))
    assert comparison.detectable == pytest.approx(
        2.486475 * statistics.stdev(differences) / 6**0.5, rel=1e-5
    )
    assert (comparison.losses, comparison.wins) == (1, 0)
    assert comparison.mcnemar_p == 0.5
    assert comparison.flips == (
        flip("r4", 50, 10, fails_now=True),
        flip("r2", 70, 60),
        flip("r0", 90, 85),
    )


def test_the_ten_worst() -> None:
    """The deepest falls come first, and no more than ten."""
    comparison = compare(side(*[100] * 30), side(*range(100, 70, -1)))

    assert [flip.after for flip in comparison.flips] == list(range(71, 81))
    assert (comparison.worse, comparison.counted_flips) == (29, "10 of 29")
    assert compare(side(80, 90, 70), side(70, 90, 70)).counted_flips == "1"


def test_exams_are_paired_by_question() -> None:
    """Differences are percentage points, and p is McNemar's."""
    comparison = compare(exam("xxxxxxxxxx........"), exam("xx.......x.x......"))

    assert (comparison.losses, comparison.wins) == (7, 1)
    assert comparison.difference == pytest.approx(-100 * 6 / 18)
    assert comparison.p == comparison.mcnemar_p == pytest.approx(9 / 256)


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        (
            side(50, judge=replace(JUDGE, digest="b" * 64)),
            side(50),
            f"results of different judges do not compare: its model was llama3 (bbbbbbbbbbbb) and is llama3 (aaaaaaaaaaaa) now; {AGAIN}",
        ),
        (
            side(50, judge=replace(JUDGE, ask="weighted/1", options={"seed": 1})),
            side(50),
            f'results of different judges do not compare: its prompt was weighted/1 and is integer/1 now, its set of options was {{"seed": 1}} and is {{"seed": 123}} now; {AGAIN}',
        ),
        (
            side(50, judge=replace(JUDGE, digest="a" * 12 + "b")),
            side(50, judge=replace(JUDGE, digest="a" * 12 + "c")),
            f"results of different judges do not compare: its model was llama3 (aaaaaaaaaaaab) and is llama3 (aaaaaaaaaaaac) now; {AGAIN}",
        ),
        (
            side(50, judge=None),
            side(50),
            f"the baseline does not say who judged; {AGAIN}",
        ),
        (
            side(50, judge=JudgeIdentity("Mine", "custom", "", "", {})),
            side(50, judge=JudgeIdentity("Mine", "custom", "", "", {})),
            (
                "whether Mine is the same judge as before cannot be told; give it a fingerprint "
                "that changes when its scores may"
            ),
        ),
        (
            exam("x", terms={"mode": "continuation", "number of shots": "5"}),
            exam("x"),
            (
                "results of different exams do not compare: its mode was continuation and is "
                "letters now; ask the baseline's model again in this way"
            ),
        ),
        (
            side(*[50] * 20),
            side(*[50] * 15),
            f"only 15 of the 20 records of the baseline have a score on both sides, and 80 % are needed; {NEW_BASELINE}",
        ),
        (
            side(*[50] * 4),
            side(*[50] * 3, None, *[50] * 2),
            f"only 3 of the 4 records of the baseline have a score on both sides, and 80 % are needed; {NEW_BASELINE}",
        ),
        (
            side(*[50] * 4),
            side(*[50] * 4, entries=(*side(50, 50, 50).entries, Entry("r3", "other", 50, ""))),
            f"only 3 of the 4 records of the baseline have a score on both sides (1 have other texts now, such as another system text, or other criteria), and 80 % are needed; {NEW_BASELINE}",
        ),
        (
            side(),
            side(50),
            f"the baseline has no records of a suite named test_a.py::test_a; {NEW_BASELINE}",
        ),
        (
            exam("x"),
            exam(""),
            f"this run has no questions of a suite named test_m.py::test_m; {NEW_BASELINE}",
        ),
    ],
)
def test_refusals(old: Side, new: Side, refusal: str) -> None:
    """Each says what differs and what to do."""
    assert compare(old, new).refusal == refusal


def test_another_version_is_noted() -> None:
    """A server's update is no reason to refuse, but a reason to look."""
    comparison = compare(side(50, judge=replace(JUDGE, version="0.23.1")), side(50))

    assert comparison.refusal is None
    assert comparison.note == "the judge's version was 0.23.1 and is 0.24.0 now"


def test_the_same_weights_under_another_name() -> None:
    """The digest says that it is the same judge."""
    renamed = replace(JUDGE, model="llama3:8b")

    assert compare(side(50, judge=renamed), side(50)).refusal is None


@given(
    st.lists(st.tuples(*[st.integers(min_value=0, max_value=100)] * 2), min_size=6, max_size=12),
    st.integers(min_value=0, max_value=100),
)
def test_where_higher_is_worse(pairs: list[tuple[int, int]], passes_at: int) -> None:
    """It is the mirror image: the same doubt, the same records worst, the change turned."""
    old, new = side(*(was for was, _ in pairs)), side(*(now for _, now in pairs))
    new = replace(new, passes_at=100 - passes_at, entries=new.entries[:-1])
    loss = replace(JUDGED, higher_is_better=False)

    comparison = compare(old, new)
    turned = compare(mirrored(old, loss), mirrored(new, loss))

    assert turned.difference == pytest.approx(-(comparison.difference or 0))
    assert (turned.p, turned.unpaired_p) == (comparison.p, comparison.unpaired_p)
    assert (turned.losses, turned.wins) == (comparison.losses, comparison.wins)
    assert [(one.id, one.fails_now) for one in turned.flips] == [
        (one.id, one.fails_now) for one in comparison.flips
    ]


def mirrored(one: Side, measure: Measure) -> Side:
    """Turn scores around, so that what was 100 is 0."""
    entries = tuple(
        replace(entry, score=None if entry.score is None else 100 - entry.score)
        for entry in one.entries
    )
    passes_at = None if one.passes_at is None else 100 - one.passes_at
    return replace(one, measure=measure, entries=entries, passes_at=passes_at)
