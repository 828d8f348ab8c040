"""What corrected averages and changes promise, on simulated labels.

    python benchmarks/corrected_average.py [folder/of/real/data] [--part PART]... [--draws N]

One judge, asked in three ways, scored the same 110 responses. In each world below one of these
ways, or scores of people made from it, plays people, and another plays the judge. 2,000 draws a
cell, seed 123; the product's own functions compute every estimate. As in the product, a response
equal to its reference scores 100 where the judge is asked for probabilities.

`average`: a suite's records are drawn from the 110, again and again, and some of them labelled. How
often does the 95 % interval cover the mean of people's scores of all 110? Status 1 below 93 % or
above 97 %, and where the interval of the judge's own average covers it half of the time. Beside it
the normal interval of the papers, and Student's interval of the labels alone, with their widths.
The next table has the 110 themselves for a suite: then the mean to be covered is that of the
suite's own records, which labels of most records know better than an interval for other records
says; status 1 below 93 %.

`groups`: records in groups of three that are much alike, labelled without regard to groups. Status
1 below 92 % with groups, of which there are 40; beside it what leaving them out would
give.

`change`: two releases, labelled on the same records. A record has the same response in both, or one
drawn anew, and some get worse. How often a release that is no worse fails no-drop, and how often
one that lost the whole margin passes not-worse, both at 5 %. A quarter of the draws; status 1 above
7 %, which chance alone exceeds in 1 of 50 cells.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pytest_llmjudge.scoring import parse_integer, weigh
from pytest_llmjudge.stats.basics import mean_interval
from pytest_llmjudge.stats.corrected_change import LabelledPair, people_change
from pytest_llmjudge.stats.correction import corrected_mean, published_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DRAWS = 2000
LABELS = (20, 40, 80)
RECORDS = 110
MANY_RECORDS = 500
PARTS = ("average", "groups", "change")
LEAST, MOST = 0.93, 0.97
LEAST_IN_GROUPS = 0.92
MOST_WRONG = 0.07
SEED = 123

Scores = NDArray[np.float64]
Interval = tuple[float, float]
T = TypeVar("T")


class World(NamedTuple):
    """Scores of the same responses by people and by a judge; shape (110,)."""

    name: str
    people: Scores
    judge: Scores


def real_worlds(folder: Path) -> list[World]:
    """Return what plays people and the judge."""
    recorded = folder / "recorded-judge" / "qwen2.5-coder-1.5b"
    integer = _scores(Path(f"{recorded}.jsonl"), _integer)
    records = json.loads((folder / "instructions/instruction-data-with-response.json").read_bytes())
    is_exact = [one["model_response"].strip() == one["output"].strip() for one in records]
    weighted1, weighted2 = (
        np.where(is_exact, 100.0, _scores(Path(f"{recorded}-{name}.jsonl"), read))
        for name, read in (("weighted", _weighted1), ("weighted2", _weighted2))
    )
    lots = np.random.default_rng(1)
    people = _steps(weighted1 + lots.normal(0, 15, len(weighted1)))
    lenient = _steps(1.6 * weighted1 + 20 + lots.normal(0, 10, len(weighted1)))
    return [
        World("weighted/2 by integer", weighted2, integer),
        World("weighted/2 by weighted/1", weighted2, weighted1),
        World("weighted/1 by integer", weighted1, integer),
        World("weighted/1 by weighted/2", weighted1, weighted2),
        World("people by integer", people, integer),
        World("people by weighted/2", people, weighted2),
        World("lenient by integer", lenient, integer),
        World("lenient by weighted/2", lenient, weighted2),
    ]


def _scores(path: Path, read: Callable[[dict[str, object]], float]) -> Scores:
    lines = path.read_text("utf-8").splitlines()
    return np.asarray([read(json.loads(line)["response"]) for line in lines], dtype=float)


def _integer(reply: dict[str, object]) -> float:
    return _known(parse_integer(reply["message"]["content"]))  # type: ignore[index]


def _weighted1(reply: dict[str, object]) -> float:
    return _known(weigh(_candidates(reply)).score)


def _weighted2(reply: dict[str, object]) -> float:
    return _known(weigh(_candidates(reply)).sharpened(2))


def _known(value: T | None) -> T:
    if value is None:
        raise ValueError
    return value


def _candidates(reply: dict[str, object]) -> list[tuple[str, float]]:
    first = reply["logprobs"][0]["top_logprobs"]  # type: ignore[index]
    return [(one["token"], one["logprob"]) for one in first]


def _steps(scores: Scores) -> Scores:
    """Return scores as people give them: in steps of five, from 0 to 100."""
    return np.clip(np.round(scores / 5) * 5, 0, 100)


class Tally:
    """How often intervals cover a mean, and how wide they are."""

    def __init__(self) -> None:
        self.covered: list[bool] = []
        self.widths: list[float] = []

    def add(self, interval: Interval | None, truth: float) -> None:
        """Count an interval."""
        low, high = _known(interval)
        self.covered.append(low - 1e-9 <= truth <= high + 1e-9)
        self.widths.append(high - low)

    @property
    def share(self) -> float:
        """Of intervals that cover the mean."""
        return statistics.fmean(self.covered)

    def __str__(self) -> str:
        return f"{100 * self.share:5.1f} ({statistics.fmean(self.widths):4.1f})"


def averages(worlds: Sequence[World], draws: int) -> Iterator[str]:
    """Print how often intervals of averages cover; yield what breaks a promise."""
    print("coverage in % (mean width in points)")
    print(
        f"{'people by judge':<26} records labels  corrected     papers'       labels alone  judge"
    )
    for size, own in ((RECORDS, worlds), (MANY_RECORDS, worlds[1:6:2])):
        for world in own:
            for labels in LABELS:
                name = f"{world.name:<26} {size:7} {labels:6}"
                picks = np.random.default_rng(SEED).integers(0, len(world.people), (draws, size))
                yield from _cell(name, world, picks, labels, MOST)
    print("the suite's own records")
    for world in worlds:
        for labels in LABELS:
            lots = np.random.default_rng(SEED)
            picks = np.argsort(lots.random((draws, len(world.people))), axis=1)
            name = f"{world.name:<26} {len(world.people):7} {labels:6}"
            yield from _cell(name, world, picks, labels, 1.0)


def _cell(
    name: str, world: World, picks: NDArray[np.int64], labels: int, most: float
) -> Iterator[str]:
    truth = float(world.people.mean())
    corrected, published, alone, judged = Tally(), Tally(), Tally(), Tally()
    for pick in picks:
        judge = world.judge[pick].tolist()
        given = world.people[pick[:labels]].tolist()
        people = [*given, *[None] * (len(pick) - labels)]
        corrected.add(corrected_mean(judge, people).interval, truth)
        published.add(published_interval(judge, people), truth)
        alone.add(mean_interval(given), truth)
        judged.add(mean_interval(judge), truth)
    print(f"{name}  {corrected}  {published}  {alone}  {judged}", flush=True)
    if not LEAST <= corrected.share <= most:
        yield f"{name}: the corrected interval covers {corrected.share:.1%}"
    if judged.share >= 0.5:
        yield f"{name}: the judge's own interval covers {judged.share:.1%}"


def groups(worlds: Sequence[World], draws: int) -> Iterator[str]:
    """Print coverage where records are in groups of three; yield what breaks a promise."""
    print("groups of three: coverage in % (mean width), and without regard to groups")
    size = 120
    numbers = [place // 3 for place in range(size)]
    for world in worlds:
        truth = float(world.people.mean())
        for labels in LABELS:
            lots = np.random.default_rng(SEED)
            kept, independent = Tally(), Tally()
            for _ in range(draws):
                # Two of three members are the first one again, so that the mean stays.
                first = lots.integers(0, len(world.people), size // 3)
                pick = np.repeat(first, 3)
                other = lots.random(size) < 1 / 3
                pick[other] = lots.integers(0, len(world.people), int(other.sum()))
                drawn = set(lots.permutation(size)[:labels].tolist())
                people = [
                    float(world.people[at]) if place in drawn else None
                    for place, at in enumerate(pick)
                ]
                judge = world.judge[pick].tolist()
                kept.add(corrected_mean(judge, people, numbers).interval, truth)
                independent.add(corrected_mean(judge, people).interval, truth)
            print(f"{world.name:<26} {size:7} {labels:6}  {kept}  {independent}", flush=True)
            if kept.share < LEAST_IN_GROUPS:
                yield f"groups of {world.name}, {labels} labels: {kept.share:.1%}"


def changes(worlds: Sequence[World], draws: int) -> Iterator[str]:
    """Print how often gates over corrected changes are wrong; yield what breaks a promise."""
    print("changes: false alarms of no-drop, proofs of not-worse at a loss of the margin, in %")
    print(f"{'people by judge':<26} changed labels  alarms  lost  passed  by Student's bound")
    for world in worlds:
        for share in (0.05, 0.44):
            for labels in LABELS[:2]:
                yield from _change_cell(world, share, labels, draws // 4)


def _change_cell(world: World, share: float, labels: int, draws: int) -> Iterator[str]:
    lots = np.random.default_rng(SEED)
    low = np.argsort(world.people)[: len(world.people) // 4]
    lost = 5.0
    falling = lost / float(world.people.mean() - world.people[low].mean())
    alarms = proved = narrow = 0
    for _ in range(draws):
        before = lots.integers(0, len(world.people), RECORDS)
        after = np.where(
            lots.random(len(before)) < share,
            lots.integers(0, len(world.people), len(before)),
            before,
        )
        change = _known(people_change(_pairs(world, before, after, labels), None))
        alarms += change.p < 0.05
        after = np.where(lots.random(len(before)) < falling, lots.choice(low, len(before)), after)
        change = _known(people_change(_pairs(world, before, after, labels), None))
        proved += _known(change.bounds(0.05))[0] > -lost
        half = float(special.stdtrit(change.corrected.degrees, 0.95)) * change.corrected.error
        narrow += change.corrected.estimate - half > -lost
    print(
        f"{world.name:<26} {share:7.2f} {labels:6}  {100 * alarms / draws:6.1f}  {lost:4.1f}"
        f"  {100 * proved / draws:6.1f}  {100 * narrow / draws:6.1f}",
        flush=True,
    )
    for what, number in (("false alarms", alarms), ("false proofs", proved)):
        if number / draws > MOST_WRONG:
            yield f"{world.name}, {share} changed, {labels} labels: {number / draws:.1%} {what}"


def _pairs(
    world: World, before: NDArray[np.int64], after: NDArray[np.int64], labels: int
) -> list[LabelledPair]:
    return [
        LabelledPair(
            float(world.judge[was]),
            float(world.judge[now]),
            float(world.people[was]) if place < labels else None,
            float(world.people[now]) if place < labels else None,
        )
        for place, (was, now) in enumerate(zip(before, after, strict=True))
    ]


def main() -> int:
    """Run the parts, and say which promises do not hold."""
    parser = argparse.ArgumentParser(description="Corrected averages and changes, simulated.")
    data = os.environ.get("LLMJUDGE_REAL_DATA", "")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(data))
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    options = parser.parse_args()
    worlds = real_worlds(options.folder)
    for world in worlds:
        rank = np.corrcoef(world.people, world.judge)[0, 1]
        means = f"{world.people.mean():.1f} by {world.judge.mean():.1f}"
        print(f"{world.name:<26} means {means}, correlation {rank:.2f}")
    parts = {
        "average": (averages, worlds),
        "groups": (groups, worlds[1:6:2]),
        "change": (changes, worlds[2:4]),
    }
    broken = []
    for part in options.part or PARTS:
        run, chosen = parts[part]
        broken += list(run(chosen, options.draws))
    for problem in broken:
        print(f"BROKEN {problem}")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
