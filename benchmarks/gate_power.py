"""The [baseline] gate on simulated releases: false alarms, power, and an unpaired test beside it.

    python benchmarks/gate_power.py [folder/of/recorded-judge] [--groups]

A release has as many records as a suite; their scores are drawn from real ones. The candidate
gives a record the same score with probability 1 - 1 / 1.8 and else one drawn anew, so that scores
keep their distribution and pairing needs 1.8 times fewer records than an unpaired comparison, as
with published releases. Then all its scores are lowered by the true drop. 2,000 releases a cell,
seed 123.

For each cell: how often the gate fails (at drop 0: false alarms), what the power formula says, and
how often an unpaired z-test of the two averages would fail. Ends with status 1 when there are more
than 6 % false alarms, or when the power is more than 3 points from the formula. Asked for
integers, the small judge gives 85 or 95 to nearly all: differences are then far from normal, the
test has more power than the formula says, and only too little power counts.

With ``--groups``: records in groups that share their difference, three in each or 1 to 5, and no
drop. For each number of groups how often the gate fails, and how often it would if it took each
record for itself. 10,000 releases a cell; ends with status 1 when there are more than 5.5 % false
alarms.

The gate's own functions decide. Its sign flips depend on the number of records alone, so all
releases of a cell are flipped in one product; 20 of each cell are decided by the gate itself too.
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

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pytest_llmjudge.comparison import compare
from pytest_llmjudge.data import Entry, JudgeIdentity, Side
from pytest_llmjudge.gates import decide_baseline
from pytest_llmjudge.kinds.judged import JUDGED
from pytest_llmjudge.scoring import parse_integer, weigh
from pytest_llmjudge.stats import SIGNIFICANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RELEASES = 2000
SIZES = (50, 110, 500)
DROPS = (0, 2, 5, 10)
GAIN = 1.8
CHECKED = 20
FLIPS = 10_000
MOST_ALARMS = 0.06
GROUPS = (17, 37, 167)
GROUP_SIZES = {"3": (3,), "1 to 5": (1, 2, 3, 4, 5)}
MOST_GROUPED_ALARMS = 0.055
ROUNDS = 5
FURTHEST = 0.03

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
    return not decide_baseline(compare(old, new), 0).passed


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
    """Print the table; end with 1 where it does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path, nargs="?", default=default_scores())
    parser.add_argument("--groups", action="store_true", help="Records in groups")
    options = parser.parse_args()
    started, has_failed = time.perf_counter(), False
    for how, scores in real_scores(options.scores).items():
        if options.groups:
            good = list(cells_of_groups(how, scores))
            has_failed = has_failed or not all(good)
            continue
        spread = f"mean {scores.mean():.1f}, deviation {scores.std(ddof=1):.1f}"
        print(f"{how}: {len(scores)} real scores, {spread}; {RELEASES} releases a cell")
        print(f"{'n':>5} {'drop':>5} {'gate fails':>11} {'formula':>8} {'unpaired':>9}")
        for size in SIZES:
            good = list(cells(scores, size, is_normal=how == "weighted"))
            has_failed = has_failed or not all(good)
    print(f"{time.perf_counter() - started:.0f} s")
    sys.exit(has_failed)


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


def cells_of_groups(how: str, scores: Scores) -> Iterator[bool]:
    """Simulate releases that are equally good; say of each cell whether alarms are few enough."""
    print(f"{how}: {ROUNDS * RELEASES} releases a cell")
    print(f"{'groups':>6} {'of':>6} {'records':>8} {'gate fails':>11} {'without groups':>15}")
    for number in GROUPS:
        for of, some in GROUP_SIZES.items():
            sizes = np.resize(some, number)
            rounds = range(ROUNDS)
            shares = np.mean([alarms(scores, sizes, np.random.default_rng(n)) for n in rounds], 0)
            print(f"{number:>6} {of:>6} {sizes.sum():>8} {shares[0]:>11.1%} {shares[1]:>15.1%}")
            yield bool(shares[0] <= MOST_GROUPED_ALARMS)


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
