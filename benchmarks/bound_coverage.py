"""Coverage and power of the bounds of a mean difference, for many releases at once.

Scores at two values and right or wrong answers are not simulated: all outcomes of a suite, so many
losses and so many wins, are enumerated with their probabilities. Of scores that vary 20,000
releases are drawn a cell.

A bound misses the true mean when the data have a probability below alpha at it, so each release
needs one distribution instead of a search for the bound; a sample of each cell is decided by
``mean_bounds`` itself too. BCa intervals of 2,000 releases share the 2,000 resamples of their cell,
so that a cell is one product of matrices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special, stats

from pytest_llmjudge.stats.bounds import mean_bounds, records_to_tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

RELEASES = 20_000
RESAMPLED = 2000
SIZES = (50, 110, 500)
MARGINS = (2, 5)
DISCORDANCES = (0.02, 0.05, 0.1, 0.2, 0.4)
ALPHAS = (0.05, 0.01)
SLACK = 0.005
CHECKED = 10
LEAST_POWER = 0.78
END = 100.0

_GRID = 256
_HALVINGS = 30
_CHUNK = 400
_BEYOND = 16.0
_NEAR = 0.8
_SEED = 123


class Outcomes(NamedTuple):
    """Releases as they are counted: which differences there are, how many of each, how likely.

    ``values`` and ``counts`` have shape (releases, distinct), ``chances`` (releases,).
    """

    values: Numbers
    counts: Numbers
    chances: Numbers


@dataclass(frozen=True)
class Shape:
    """How scores of two releases differ where they do.

    ``draw`` gives differences of equal models, or is ``None`` where all are plus or minus ``size``.
    """

    name: str
    size: float
    draw: Callable[[np.random.Generator, tuple[int, int]], Numbers] | None = None
    is_binary: bool = False


def shapes(real: Mapping[str, Numbers]) -> tuple[Shape, ...]:
    """Return the shapes of scores that judges have been seen to give."""

    def anew(scores: Numbers) -> Shape:
        def draw(lots: np.random.Generator, shape: tuple[int, int]) -> Numbers:
            # Where the score is the same by chance the pair does not differ: draw among others.
            pairs = (scores[:, None] - scores[None, :]).ravel()
            return lots.choice(pairs[pairs != 0], shape)

        pairs = np.abs(scores[:, None] - scores[None, :])
        return Shape("", float(pairs[pairs != 0].mean()), draw)

    return (
        Shape("right/wrong", 100, is_binary=True),
        Shape("0/100", 100),
        Shape("85/95", 10),
        *(Shape(name, anew(scores).size, anew(scores).draw) for name, scores in real.items()),
    )


def draw(
    shape: Shape, count: int, discordance: float, worse: float, number: int
) -> Outcomes | None:
    """Return releases whose pairs differ in a share ``discordance`` and whose mean is ``-worse``.

    Some differences become losses, whatever they were; ``None`` where all would not be enough.
    """
    turned = worse / (discordance * shape.size)
    if turned > 1 + 1e-9:
        return None
    if shape.draw is None:
        return _enumerate(shape.size, count, discordance, turned)
    lots = np.random.default_rng(_SEED)
    differences = shape.draw(lots, (number, count))
    lost = lots.random((number, count)) < turned
    differences = np.where(lost, -np.abs(differences), differences)
    differences *= lots.random((number, count)) < discordance
    return pooled(differences)


def _enumerate(size: float, count: int, discordance: float, turned: float) -> Outcomes:
    lost = discordance * (1 + turned) / 2
    losses, changed = (places.ravel() for places in np.indices((count + 1, count + 1)))
    losses, wins = losses[losses <= changed], (changed - losses)[losses <= changed]
    chances = stats.binom.pmf(losses + wins, count, discordance)
    chances = chances * stats.binom.pmf(losses, losses + wins, lost / discordance)
    likely = chances > 1e-9
    losses, wins, chances = losses[likely], wins[likely], chances[likely]
    counts = np.column_stack([count - losses - wins, losses, wins]).astype(float)
    return Outcomes(np.tile([0.0, -size, size], (len(counts), 1)), counts, chances)


def pooled(differences: Numbers) -> Outcomes:
    """Count pairs that do not differ as one value, which most of them are."""
    number, count = differences.shape
    changed = (differences != 0).sum(axis=1)
    order = np.argsort(differences == 0, axis=1, kind="stable")[:, : max(1, changed.max())]
    values = np.take_along_axis(differences, order, axis=1)
    counts = np.column_stack([count - changed, values != 0]).astype(float)
    values = np.column_stack([np.zeros(number), values])
    return Outcomes(values, counts, np.full(number, 1 / number))


def level(alpha: float, count: int, *, is_binary: bool) -> float:
    """Return the probability below which data are held against a mean."""
    if is_binary:
        return alpha
    quantile = special.stdtrit(count - 1, alpha) * math.sqrt(count / (count - 1))
    return float(special.ndtr(quantile))


def chance_of_more(outcomes: Outcomes, mean: float, lowest: float, step: float | None) -> Numbers:
    """Return how likely a sum as high as each one's is at ``mean``; 1 where theirs is no higher.

    Means less than ``_NEAR`` of their standard errors above it get 1 too: to be there has a
    probability of about a fifth, far above any alpha.

    Args:
        outcomes: Releases.
        mean: Assumed.
        lowest: The largest loss there can be.
        step: Of which all differences are multiples; ``None`` for any.
    """
    values, counts, _ = outcomes
    result, seen = np.ones(len(values)), _mean(outcomes)
    higher = np.flatnonzero(seen - _NEAR * _error(outcomes) > mean + 1e-9)
    for first in range(0, len(higher), _CHUNK):
        some = higher[first : first + _CHUNK]
        result[some] = _chances(values[some], counts[some], mean, lowest, step)
    return result


def _mean(outcomes: Outcomes) -> Numbers:
    values, counts, _ = outcomes
    return np.asarray((values * counts).sum(axis=1) / counts.sum(axis=1))


def _error(outcomes: Outcomes) -> Numbers:
    """Return the standard error of each mean."""
    values, counts, _ = outcomes
    count = counts[0].sum()
    squares = (values**2 * counts).sum(axis=1) / count - _mean(outcomes) ** 2
    return np.asarray(np.sqrt(np.maximum(squares, 0) / (count - 1)))


def _chances(
    values: Numbers, counts: Numbers, mean: float, lowest: float, step: float | None
) -> Numbers:
    number, count = len(values), int(counts[0].sum())
    values = np.column_stack([values, np.full(number, lowest)])
    weights = np.column_stack([counts, np.zeros(number)]) / count
    share = _tilted(values, weights, mean, lowest)
    steps = np.ptp(values, axis=1) / _GRID if step is None else np.full(number, step)
    places = np.rint((values - values.min(axis=1, keepdims=True)) / steps[:, None]).astype(int)
    least = np.rint(count * (weights * places).sum(axis=1)).astype(int)
    middle = (share * places).sum(axis=1)
    variance = np.maximum(0, (share * places**2).sum(axis=1) - middle**2)
    span = places.max(axis=1)
    reach = _BEYOND * span / 3
    reach += np.sqrt(reach**2 + 2 * _BEYOND * count * variance)
    first = np.maximum(0, np.floor(count * middle - reach)).astype(int)
    last = np.minimum(count * span, np.ceil(count * middle + reach)).astype(int)
    size = fft.next_fast_len(int(max((last - first).max(), span.max())) + 1, real=True)
    rows = np.arange(number)[:, None] * size
    masses = np.bincount((rows + places).ravel(), share.ravel(), number * size)
    spectrum = fft.rfft(masses.reshape(number, size))
    power = spectrum.copy()
    for bit in bin(count)[3:]:
        power *= power
        if bit == "1":
            power *= spectrum
    sums = np.cumsum(fft.irfft(power, size), axis=1)
    sums, row = np.column_stack([np.zeros(number), sums]), np.arange(number)
    start, stop = least % size, last % size + 1
    inside = sums[row, stop] - sums[row, start] + np.where(start < stop, 0, sums[:, -1])
    return np.asarray(np.where(least > last, 0.0, np.where(least < first, 1.0, inside)))


def _tilted(values: Numbers, weights: Numbers, mean: float, lowest: float) -> Numbers:
    """Return the likeliest distribution of each release that has the mean."""
    seen = (weights * values).sum(axis=1, keepdims=True)
    ratio = (values - seen) / (lowest - seen)
    is_end_seen = (weights * (values <= lowest)).sum(axis=1, keepdims=True) > 0

    def tilt(strength: Numbers) -> Numbers:
        share = weights / np.maximum(1 - strength * ratio, 1e-300)
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    low, high = np.zeros_like(seen), np.where(is_end_seen, 1 - 1e-12, 1.0)
    reached = (tilt(high) * values).sum(axis=1, keepdims=True)
    beyond = ~is_end_seen & (reached > mean)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_above = (tilt(middle) * values).sum(axis=1, keepdims=True) > mean
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    share = tilt(np.where(beyond, 1.0, low))
    unseen = np.where(beyond, np.clip((reached - mean) / (reached - lowest), 0, 1), 0)
    share *= 1 - unseen
    share[:, -1:] += unseen
    return share


def lower_is_above(
    shape: Shape, outcomes: Outcomes, mean: float, alphas: Sequence[float]
) -> tuple[Flags, ...]:
    """Say for each alpha and release whether L is above ``mean``, and check some against L."""
    count = int(outcomes.counts[0].sum())
    chances = chance_of_more(outcomes, mean, -END, shape.size if shape.draw is None else None)
    levels = [level(alpha, count, is_binary=shape.is_binary) for alpha in alphas]
    result = tuple(chances < least for least in levels)
    chosen = np.random.default_rng(_SEED).choice(
        len(chances), CHECKED, p=outcomes.chances / outcomes.chances.sum()
    )
    for release in chosen:
        alpha, said, least = alphas[0], result[0][release], levels[0]
        differences = np.repeat(outcomes.values[release], outcomes.counts[release].astype(int))
        bounds = mean_bounds(
            differences.tolist(), alpha, is_binary=shape.is_binary, lowest=-END, highest=END
        )
        # Sums are computed on a grid half as fine here.
        close = abs(chances[release] - least) < 0.2 * least
        if bounds is None or ((bounds[0] > mean) != said and not close):
            msg = f"{shape.name}, release {release} of {count} pairs: mean_bounds decides otherwise"
            raise AssertionError(msg)
    return result


def mirrored(outcomes: Outcomes) -> Outcomes:
    """Exchange losses and wins."""
    return outcomes._replace(values=-outcomes.values)


def student_is_above(outcomes: Outcomes, mean: float, alpha: float) -> Flags:
    """Say for each release whether Student's lower bound is above ``mean``."""
    count = outcomes.counts[0].sum()
    lower = _mean(outcomes) - stats.t.ppf(1 - alpha, count - 1) * _error(outcomes)
    return np.asarray(lower > mean + 1e-9)


def bca_is_above(outcomes: Outcomes, mean: float, alpha: float) -> Flags:
    """Say for each of 2,000 releases whether the lower end of BCa at 1 - 2 alpha is above."""
    lots = np.random.default_rng(_SEED)
    count = int(outcomes.counts[0].sum())
    chosen = lots.choice(
        len(outcomes.chances), RESAMPLED, p=outcomes.chances / outcomes.chances.sum()
    )
    drawn = np.stack(
        [np.repeat(outcomes.values[one], outcomes.counts[one].astype(int)) for one in chosen]
    )
    resamples = lots.multinomial(count, np.full(count, 1 / count), RESAMPLED)
    means = np.sort(drawn @ resamples.T / count, axis=1)
    seen = drawn.mean(axis=1, keepdims=True)
    tolerance = 1e-9
    below = (means < seen - tolerance).mean(axis=1) + (np.abs(means - seen) <= tolerance).mean(
        axis=1
    ) / 2
    off = drawn - seen
    spread = (off**2).sum(axis=1)
    with np.errstate(invalid="ignore"):
        acceleration = np.where(spread > 0, (off**3).sum(axis=1) / (6 * spread**1.5), 0)
    bias = special.ndtri(np.clip(below, 1 / RESAMPLED, 1 - 1 / RESAMPLED))
    shifted = bias + special.ndtri(alpha)
    place = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    index = np.clip((place * RESAMPLED).astype(int), 0, RESAMPLED - 1)
    return np.asarray(means[np.arange(len(means)), index] > mean + 1e-9)


def coverage(kinds: Sequence[Shape], sizes: Sequence[int]) -> Iterator[bool]:
    """Print how often a bound is on the wrong side; say of each cell whether that is rare enough.

    Where the true mean is -2 or -5, L on the wrong side is a model exactly so much worse that
    passes.
    """
    print("bounds on the wrong side of the true mean, in %; L above -M: M worse, and passes")
    print(f"{'':32}{'alpha 0.05':>24}{'alpha 0.01':>24}")
    print(f"{'scores':<12}{'n':>5}{'differ':>8}{'M':>4}   " + f"{'L':>8}{'U':>8}{'Student':>8}" * 2)
    for shape in kinds:
        for count in sizes:
            for discordance in DISCORDANCES:
                for worse in (0, *MARGINS):
                    drawn = draw(shape, count, discordance, worse, RELEASES)
                    if drawn is not None:
                        yield _coverage(shape, drawn, count, discordance, worse)


def _coverage(shape: Shape, drawn: Outcomes, count: int, discordance: float, worse: float) -> bool:
    below = lower_is_above(shape, drawn, -worse, ALPHAS)
    above = lower_is_above(shape, mirrored(drawn), worse, ALPHAS)
    figures, is_good = "", True
    for place, alpha in enumerate(ALPHAS):
        student = student_is_above(drawn, -worse, alpha)
        misses = [float(drawn.chances @ flags) for flags in (below[place], above[place], student)]
        figures += "".join(f"{100 * share:>8.2f}" for share in misses)
        is_good = is_good and max(misses[:2]) <= alpha + SLACK
    mark = "" if is_good else "  too many"
    print(f"{shape.name:<12}{count:>5}{discordance:>8.0%}{worse:>4}   {figures}{mark}", flush=True)
    return is_good


def power(kinds: Sequence[Shape], sizes: Sequence[int]) -> None:
    """Print how often an equal model passes, beside Student's and BCa bounds."""
    print("equal models that are shown to be no more than M worse, in %, alpha 0.05")
    print(f"{'scores':<12}{'n':>5}{'differ':>8}{'M':>4}{'L':>8}{'Student':>9}{'BCa':>8}")
    for shape in kinds:
        for count in sizes:
            for discordance in DISCORDANCES:
                drawn = draw(shape, count, discordance, 0, RELEASES)
                if drawn is None:
                    continue
                for margin in MARGINS:
                    ours = drawn.chances @ lower_is_above(shape, drawn, -margin, ALPHAS[:1])[0]
                    student = drawn.chances @ student_is_above(drawn, -margin, ALPHAS[0])
                    bca = bca_is_above(drawn, -margin, ALPHAS[0]).mean()
                    print(
                        f"{shape.name:<12}{count:>5}{discordance:>8.0%}{margin:>4}"
                        f"{ours:>8.1%}{student:>9.1%}{bca:>8.1%}",
                        flush=True,
                    )


def enough_records(kinds: Sequence[Shape]) -> Iterator[bool]:
    """Print the power with as many records as ``records_to_tell`` says; say if it is enough."""
    print("power with the records that would tell, alpha 0.05; 80 % is wanted")
    print(f"{'scores':<12}{'differ':>8}{'M':>4}{'records':>9}{'power':>8}")
    for shape in kinds:
        for discordance in DISCORDANCES:
            for margin in MARGINS:
                deviation = _deviation(shape, discordance)
                count = records_to_tell(deviation, margin, ALPHAS[0])
                drawn = draw(shape, count, discordance, 0, RESAMPLED)
                if drawn is None:
                    continue
                ours = drawn.chances @ lower_is_above(shape, drawn, -margin, ALPHAS[:1])[0]
                print(
                    f"{shape.name:<12}{discordance:>8.0%}{margin:>4}{count:>9}{ours:>8.1%}",
                    flush=True,
                )
                yield bool(ours >= LEAST_POWER)


def _deviation(shape: Shape, discordance: float) -> float:
    if shape.draw is None:
        return shape.size * math.sqrt(discordance)
    sizes = shape.draw(np.random.default_rng(_SEED), (1, 100_000))
    return float(np.sqrt(discordance * np.mean(sizes**2)))
