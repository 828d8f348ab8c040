"""The [baseline] gate on simulated releases: what it promises, and what it can show.

    python benchmarks/gate_power.py [folder/of/recorded-judge] [--part PART]... [--size N]...

`drops`: false alarms and power of the rule no-drop, and an unpaired test beside it. A release has
as many records as a suite; their scores are drawn from real ones. The candidate gives a record the
same score with probability 1 - 1 / 1.8 and else one drawn anew, so that scores keep their
distribution and pairing needs 1.8 times fewer records than an unpaired comparison, as with
published releases. Then all its scores are lowered by the true drop. 2,000 releases a cell, seed
123.

For each cell: how often the gate fails (at drop 0: false alarms), what the power formula says, and
how often an unpaired z-test of the two averages would fail. Status 1 when there are more than 6 %
false alarms, or when the power is more than 3 points from the formula. Asked for integers, the
small judge gives 85 or 95 to nearly all: differences are then far from normal, the test has more
power than the formula says, and only too little power counts.

The gate's own functions decide. Its sign flips depend on the number of records alone, so all
releases of a cell are flipped in one product; 20 of each cell are decided by the gate itself too.

`suites`: how often one of 1, 4 or 16 suites of equal models fails when each is tested at 5 % / k,
by sign flips and by McNemar's test; 20,000 runs. Status 1 above 5.5 %.

`groups`: how often the gate fails equal models whose records are in groups that share their
difference, three in each or 1 to 5, and how often it would if it took each record for itself;
10,000 releases a cell. Status 1 above 5.5 %.

`coverage`: how often a one-sided bound of the mean difference is on the wrong side of the true one,
which for L is also how often a model exactly M worse is passed by the rule not-worse; `power`: how
often an equal model passes, beside Student's and BCa bounds; `records`: whether the number of
records said to tell does. See bound_coverage.py. Status 1 when a bound is wrong more often than
alpha + 0.5 points, and when the records said to tell have less than 78 % power.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import bound_coverage
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pytest_llmjudge.data import Entry, JudgeIdentity, Side
from pytest_llmjudge.data.comparison import SIGNIFICANCE
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import decide_baseline
from pytest_llmjudge.kinds.judged import JUDGED
from pytest_llmjudge.scoring import parse_integer, weigh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RELEASES = 2000
SIZES = (50, 110, 500)
DROPS = (0, 2, 5, 10)
GAIN = 1.8
CHECKED = 20
FLIPS = 10_000
MOST_ALARMS = 0.06
FURTHEST = 0.03
PARTS = ("drops", "suites", "groups", "coverage", "power", "records")
RUNS = 20_000
SUITES = (1, 4, 16)
SUITE_SIZES = (50, 110)
MOST_SUITE_ALARMS = 0.055
GROUPS = (17, 37, 167)
GROUP_SIZES = {"3": (3,), "1 to 5": (1, 2, 3, 4, 5)}
ROUNDS = 5

JUDGE = JudgeIdentity("simulated", "none", "", "d", {})
Scores = NDArray[np.float64]


def real_scores(folder: Path) -> dict[str, Scores]:
    """Read the scores that a recorded judge gave when it was asked in each of the two ways."""
    replies = {
        how: [json.loads(line)["response"] for line in path.read_text("utf-8").splitlines()]
        for how, path in (
            ("integer", folder / "qwen2.5-coder-1.5b.jsonl"),
            ("weighted", folder / "qwen2.5-coder-1.5b-weighted.jsonl"),
        )
    }
    integers = [parse_integer(reply["message"]["content"]) for reply in replies["integer"]]
    weighed = [
        weigh(
            [(one["token"], one["logprob"]) for one in reply["logprobs"][0]["top_logprobs"]]
        ).score
        for reply in replies["weighted"]
    ]
    return {
        "integer": np.asarray([score for score in integers if score is not None], dtype=float),
        "weighted": np.asarray([score for score in weighed if score is not None], dtype=float),
    }


def simulate(lots: np.random.Generator, scores: Scores, size: int) -> tuple[Scores, Scores]:
    """Draw 2,000 releases and their candidates without a drop; shape (2000, size)."""
    before = lots.choice(scores, (RELEASES, size))
    anew = lots.choice(scores, (RELEASES, size))
    return before, np.where(lots.random((RELEASES, size)) < 1 - 1 / GAIN, before, anew)


def flips(size: int) -> Scores:
    """Return the signs that the gate's test draws for so many records; shape (10000, size)."""
    seen: list[Scores] = []

    def keep(sample: Scores, axis: int) -> Scores:
        seen.append(np.sign(sample))
        return np.asarray(sample.mean(axis=axis))

    stats.permutation_test(
        (np.ones(size),),
        keep,
        permutation_type="samples",
        alternative="less",
        vectorized=True,
        n_resamples=FLIPS,
        random_state=np.random.default_rng(123),
    )
    return np.concatenate([signs for signs in seen if signs.ndim == 2])[:FLIPS]


def gate_fails(differences: Scores, signs: Scores) -> NDArray[np.bool_]:
    """Say for each release whether the gate fails; shape (2000,)."""
    totals = differences.sum(axis=1)
    # A tie counts as low; the products are exact but for the last digits.
    low = signs @ differences.T <= totals + 1e-9 * np.abs(totals)
    p = (low.sum(axis=0) + 1) / (FLIPS + 1)
    failed: NDArray[np.bool_] = (p < SIGNIFICANCE) & (totals < 0)
    return failed


def gate_itself_fails(
    before: Scores, after: Scores, groups: Sequence[str | None] | None = None
) -> bool:
    """Let the gate decide over one release, whose records may be in groups."""
    ids = [f"{number:06}" for number in range(len(before))]
    old, new = (
        Side(
            JUDGED.measure,
            "s",
            tuple(
                Entry(name, "", float(score), "", group)
                for name, score, group in zip(ids, side, groups or [None] * len(ids), strict=True)
            ),
            JUDGE,
        )
        for side in (before, after)
    )
    return not decide_baseline(compare(old, new)).passed


def unpaired_fails(before: Scores, after: Scores) -> NDArray[np.bool_]:
    """Say for each release whether a one-sided z-test of two averages fails; shape (2000,)."""
    size = before.shape[1]
    error = np.sqrt((before.var(axis=1, ddof=1) + after.var(axis=1, ddof=1)) / size)
    failed: NDArray[np.bool_] = (after.mean(axis=1) - before.mean(axis=1)) / error < -_quantile()
    return failed


def expected_power(drop: float, deviation: float, size: int) -> float:
    """Return the power of the formula in specs: (z + z') sd / sqrt(n) = drop, solved for z'."""
    return statistics.NormalDist().cdf(drop * math.sqrt(size) / deviation - _quantile())


def _quantile() -> float:
    return statistics.NormalDist().inv_cdf(1 - SIGNIFICANCE)


def main() -> None:
    """Print the tables asked for; end with 1 where one does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, nargs="?", default=default_scores())
    parser.add_argument("--part", action="append", choices=PARTS, help="of these alone")
    parser.add_argument("--size", action="append", type=int, help="pairs of a suite")
    arguments = parser.parse_args()
    real, sizes = real_scores(arguments.scores), arguments.size or SIZES
    kinds, has_failed = bound_coverage.shapes(real), False
    for part in arguments.part or PARTS:
        started = time.perf_counter()
        if part == "drops":
            good = list(drops(real, sizes))
        elif part == "suites":
            good = list(many_suites(real, arguments.size or SUITE_SIZES))
        elif part == "groups":
            good = list(groups_alike(real))
        elif part == "coverage":
            good = list(bound_coverage.coverage(kinds, sizes))
        elif part == "records":
            good = list(bound_coverage.enough_records(kinds))
        else:
            bound_coverage.power(kinds, sizes)
            good = []
        has_failed = has_failed or not all(good)
        print(f"{part}: {time.perf_counter() - started:.0f} s", flush=True)
    sys.exit(has_failed)


def drops(real: dict[str, Scores], sizes: Sequence[int]) -> Iterator[bool]:
    """Print false alarms and power of the rule no-drop; say of each cell whether it is right."""
    for how, scores in real.items():
        spread = f"mean {scores.mean():.1f}, deviation {scores.std(ddof=1):.1f}"
        print(f"{how}: {len(scores)} real scores, {spread}; {RELEASES} releases a cell")
        print(f"{'n':>5} {'drop':>5} {'gate fails':>11} {'formula':>8} {'unpaired':>9}")
        for size in sizes:
            yield from cells(scores, size, is_normal=how == "weighted")


def many_suites(real: dict[str, Scores], sizes: Sequence[int]) -> Iterator[bool]:
    """Print how often one of k equal suites fails at alpha / k; say if that is rare enough."""
    print(f"equal models that fail in one of k suites, each tested at 5 % / k; {RUNS} runs")
    print(f"{'test':<22}{'n':>5}" + "".join(f"{f'k = {many}':>9}" for many in SUITES))
    for size in sizes:
        for how, scores in real.items():
            lots, signs = np.random.default_rng(123), flips(size)
            drawn = [_differences(lots, scores, size) for _ in range(max(SUITES))]
            yield _alarms(f"sign flips, {how}", size, [flip_p(some, signs) for some in drawn])
        lots = np.random.default_rng(123)
        turned = [lots.binomial(size, 0.2, RUNS) for _ in range(max(SUITES))]
        chances = [
            stats.binom.sf(lots.binomial(changed, 0.5) - 1, changed, 0.5) for changed in turned
        ]
        yield _alarms("McNemar, 20 % differ", size, chances)


def _alarms(test: str, size: int, chances: Sequence[Scores]) -> bool:
    shares = [
        float(np.any([p < SIGNIFICANCE / many for p in chances[:many]], axis=0).mean())
        for many in SUITES
    ]
    print(f"{test:<22}{size:>5}" + "".join(f"{share:>9.2%}" for share in shares), flush=True)
    return max(shares) <= MOST_SUITE_ALARMS


def _differences(lots: np.random.Generator, scores: Scores, size: int) -> Scores:
    before, after = lots.choice(scores, (2, RUNS, size))
    return np.asarray((after - before) * (lots.random((RUNS, size)) >= 1 - 1 / GAIN))


def flip_p(differences: Scores, signs: Scores) -> Scores:
    """Return the p of the gate's test; 1 for releases that are surely above 5 %."""
    totals = differences.sum(axis=1)
    low = np.zeros(len(totals))
    alive = np.flatnonzero(totals < 0)
    for block in np.array_split(signs, 10):
        some = totals[alive]
        low[alive] += (block @ differences[alive].T <= some + 1e-9 * np.abs(some)).sum(axis=0)
        alive = alive[low[alive] < SIGNIFICANCE * (FLIPS + 1)]
    p = np.ones(len(totals))
    p[alive] = (low[alive] + 1) / (FLIPS + 1)
    return p


def cells(scores: Scores, size: int, *, is_normal: bool) -> Iterator[bool]:
    """Simulate all drops for suites of one size; say of each whether it is as it should be."""
    lots, signs = np.random.default_rng(123), flips(size)
    for drop in DROPS:
        before, after = simulate(lots, scores, size)
        after = after - drop
        failed = gate_fails(after - before, signs)
        for release in range(CHECKED):
            if gate_itself_fails(before[release], after[release]) != failed[release]:
                msg = f"release {release} of {size} records: the gate itself decides otherwise"
                raise AssertionError(msg)
        share = float(failed.mean())
        formula = expected_power(drop, float((after - before).std(ddof=1)), size)
        unpaired = float(unpaired_fails(before, after).mean())
        print(f"{size:>5} {drop:>5} {share:>11.1%} {formula:>8.1%} {unpaired:>9.1%}")
        if not drop:
            yield share <= MOST_ALARMS
        else:
            yield share >= formula - FURTHEST and (share <= formula + FURTHEST or not is_normal)


def groups_alike(real: dict[str, Scores]) -> Iterator[bool]:
    """Print the false alarms with records in groups; say of each cell if they are rare enough."""
    print(f"equal models with records in groups; {ROUNDS * RELEASES} releases a cell")
    print(f"{'scores':<10}{'groups':>6}{'of':>8}{'records':>9}{'gate fails':>12}{'alone':>8}")
    for how, scores in real.items():
        for number in GROUPS:
            for of, some in GROUP_SIZES.items():
                sizes, rounds = np.resize(some, number), range(ROUNDS)
                shares = [alarms(scores, sizes, np.random.default_rng(n)) for n in rounds]
                share, alone = np.mean(shares, axis=0)
                cell = f"{how:<10}{number:>6}{of:>8}{sizes.sum():>9}"
                print(f"{cell}{share:>12.1%}{alone:>8.1%}", flush=True)
                yield bool(share <= MOST_SUITE_ALARMS)


def alarms(
    scores: Scores, sizes: NDArray[np.int64], lots: np.random.Generator
) -> tuple[float, float]:
    """Return how often the gate fails without a drop, with groups and with records for themselves.

    Args:
        scores: Real ones.
        sizes: Of the groups, whose records share their difference.
        lots: Draw the releases.
    """
    own = np.repeat(np.arange(len(sizes)), sizes)
    before, after = simulate(lots, scores, len(sizes))
    failed = gate_fails((after - before) * sizes, flips(len(sizes)))
    for release in range(CHECKED):
        sides = before[release][own], after[release][own]
        if gate_itself_fails(*sides, [str(group) for group in own]) != failed[release]:
            msg = f"release {release} of {len(sizes)} groups: the gate itself decides otherwise"
            raise AssertionError(msg)
    alone = gate_fails((after - before)[:, own], flips(len(own)))
    return float(failed.mean()), float(alone.mean())


def default_scores() -> Path:
    """Where recorded replies are unless they are named."""
    return Path(os.environ.get("LLMJUDGE_REAL_DATA", "")) / "recorded-judge"


if __name__ == "__main__":
    main()
