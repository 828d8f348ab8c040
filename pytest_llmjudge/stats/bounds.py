"""One-sided confidence bounds of a mean paired difference, honest where few pairs differ."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.stats.basics import POWER
from pytest_llmjudge.stats.groups import totals

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["margin_to_tell", "mean_bounds", "records_to_tell"]

_GRID = 512
_HALVINGS = 50
_MOST_STEPS = 1 << 20
_LEAST_LEVEL = 1e-12
# Of the distribution of a sum, what lies beyond the range that is computed is below exp(-30).
_BEYOND = 30.0


class _Units(NamedTuple):
    """What is drawn, records or whole groups: total of the differences and number of records."""

    totals: Numbers
    sizes: Numbers


def mean_bounds(
    differences: Sequence[float],
    alpha: float,
    *,
    is_binary: bool,
    groups: Sequence[Hashable] | None = None,
    lowest: float,
    highest: float,
) -> tuple[float, float] | None:
    """Return L and U, each a one-sided bound of the mean difference at level 1 - alpha.

    L is the lowest mean that the data do not rule out: at any lower mean, a sum of differences as
    high as the one seen has a probability below alpha. This is computed for the distribution that
    makes the data most likely among those with that mean, on the differences seen and, seen or not,
    the largest loss there can be (empirical likelihood: A. B. Owen, Biometrika 75, 1988; tests at
    such a distribution: B. Efron, Canadian Journal of Statistics 9, 1981, and T. J. DiCiccio and
    J. P. Romano, International Statistical Review 58, 1990). U is the same with losses and wins
    exchanged.

    So L is ``lowest * (1 - alpha^(1 / n))`` where none of n pairs differs. For right and wrong
    answers it is Clopper and Pearson's bound where no pair won, else that of the unconditional test
    at the estimated nuisance parameter (B. E. Storer and C. Kim, Journal of the American
    Statistical Association 85, 1990). Where many pairs differ it is close to Student's.

    The variance of other scores is estimated. To make up for that, their alpha is lowered to
    Phi(-sqrt(n / (n - 1)) t), t being Student's 1 - alpha quantile with n - 1 degrees of freedom
    (T. C. Hesterberg, The American Statistician 69, 2015).

    Args:
        differences: After - before, in their unit.
        alpha: One-sided, between 0 and 0.5.
        is_binary: Whether each is -100, 0 or 100.
        groups: The group of each difference. Groups are independent, their members are not: n is
            the number of groups, and one that was not seen may be as large as the largest.
        lowest: The least that a difference can be; infinite where nothing bounds it. Then the
            largest loss is taken to be the largest of the m differences seen plus the most that
            their mean size may be if sizes are exponential, 2 sum / chi2(alpha, 2m).
        highest: The same, upwards.

    Returns:
        ``None`` for fewer than two pairs or groups, and where no pair differs and nothing bounds
        what a difference can be.
    """
    units = _units(differences, groups)
    count = len(units.totals)
    is_bounded = math.isfinite(lowest) and math.isfinite(highest)
    if count < 2 or not (is_bounded or any(units.totals)):
        return None
    is_exact = is_binary and max(units.sizes) == 1
    level = max(_LEAST_LEVEL, alpha) if is_exact else _expanded(alpha, count)
    flipped = _Units(-units.totals, units.sizes)
    below = _lower(units, level, _largest_loss(units, alpha, lowest))
    return below, -_lower(flipped, level, _largest_loss(flipped, alpha, -highest))


def records_to_tell(
    deviation: float,
    margin: float,
    alpha: float,
    power: float = POWER,
    *,
    furthest: float = 100.0,
    size: float = 1.0,
    effect: float = 1.0,
) -> int:
    """Return how many pairs show with ``power`` that an equal model is not worse.

    That is n = ((z_(1 - alpha) s0 + z_power s) / M)^2, where s is the deviation seen and s0 the one
    that the data leave possible if the model is M worse, because losses of F, the furthest there
    can be, may have gone unseen: s0^2 = (s^2 + sqrt(s^4 + 4 M^2 (F^2 - s^2))) / 2 - M^2, from the
    restricted estimate for paired proportions (C. P. Farrington and G. Manning, Statistics in
    Medicine 9, 1990; T. Tango, Statistics in Medicine 17, 1998). And it is at least
    log(alpha) / log(1 - M / F), below which not even equal scores show it. Where nothing bounds a
    loss, s0 is s. Alpha is lowered as for the bounds of scores. Right and wrong answers have 79 to
    80 % power with the records for 80 %, other scores more.

    Pairs in groups are counted by their groups, of which whole ones may have gone unseen: n is the
    number of groups and s the deviation of their means, s sqrt(effect / size).

    Args:
        deviation: Standard deviation of the differences.
        margin: In their unit, above 0.
        alpha: One-sided.
        power: Chance that L is above -margin.
        furthest: What a difference can be at most, infinite where nothing bounds it.
        size: How many pairs a group has on average; where sizes differ much it takes more groups.
        effect: The design effect of the groups.
    """
    deviation *= math.sqrt(effect / size)
    count = _records(deviation, margin, alpha, power, furthest)
    while count < _records(deviation, margin, _expanded(alpha, count), power, furthest):
        count += 1
    return math.ceil(count * size)


def margin_to_tell(
    deviation: float,
    count: int,
    alpha: float,
    power: float = POWER,
    *,
    furthest: float = 100.0,
) -> float:
    """Return the smallest margin for which ``count`` pairs are enough; see records_to_tell.

    Args:
        deviation: Standard deviation of the differences, or of their means by groups; above 0.
        count: Pairs or groups, at least two.
        alpha: One-sided.
        power: Chance that L is above -margin.
        furthest: What a difference can be at most, infinite where nothing bounds it.
    """
    level, low, high = _expanded(alpha, count), 0.0, deviation
    while high < furthest and _records(deviation, high, level, power, furthest) > count:
        low, high = high, min(2 * high, furthest)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _records(deviation, middle, level, power, furthest) > count:
            low = middle
        else:
            high = middle
    return high


def _records(deviation: float, margin: float, alpha: float, power: float, furthest: float) -> int:
    normal, squared, if_equal = statistics.NormalDist(), deviation**2, 0.0
    if_worse = squared
    if math.isfinite(furthest):
        margin = min(margin, furthest)
        unseen = 4 * margin**2 * max(0.0, furthest**2 - squared)
        if_worse = (squared + math.sqrt(squared**2 + unseen)) / 2 - margin**2
    if margin < furthest < math.inf:
        if_equal = math.log(alpha) / math.log1p(-margin / furthest)
    reach = normal.inv_cdf(power) * deviation
    reach -= normal.inv_cdf(alpha) * math.sqrt(max(0.0, if_worse))
    return math.ceil(max(2.0, (reach / margin) ** 2, if_equal))


def _expanded(alpha: float, count: int) -> float:
    """Return the level that makes up for a variance that is estimated."""
    from scipy import special

    quantile = float(special.stdtrit(count - 1, alpha))
    # Two pairs ask for less than the last digit of a sum of probabilities.
    return max(_LEAST_LEVEL, float(special.ndtr(quantile * math.sqrt(count / (count - 1)))))


def _units(differences: Sequence[float], groups: Sequence[Hashable] | None) -> _Units:
    import numpy as np

    sums, sizes = totals(differences, groups)
    return _Units(np.asarray(sums, dtype=float), np.asarray(sizes, dtype=float))


def _lower(units: _Units, level: float, worst: float) -> float:
    """Return the lower bound of the mean.

    Args:
        units: Two or more.
        level: Probability of a sum as high as the one seen.
        worst: The largest loss of a record that was not seen.
    """
    import numpy as np
    from scipy import optimize

    count, largest = len(units.totals), float(units.sizes.max())
    mean = math.fsum(units.totals) / math.fsum(units.sizes)
    rows = np.column_stack([[*units.totals, worst * largest], [*units.sizes, largest]])
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    *seen, unseen = which.ravel()
    weights = np.bincount(seen, minlength=len(distinct)) / count
    off = distinct[:, 0] - mean * distinct[:, 1]
    if off[unseen] >= 0:
        return mean
    places = _places(distinct, off)
    seen_sum = round(count * float(weights @ places))

    def tilted(strength: float) -> Numbers:
        # 0 is what was seen; up to 1 losses weigh more and more, beside an unseen one that has no
        # weight; from there to 2 it gets all of it.
        share = weights / np.maximum(1 - min(strength, 1.0) * off / off[unseen], 1e-300)
        share *= (2 - max(strength, 1.0)) / share.sum()
        share[unseen] += max(strength, 1.0) - 1
        return np.asarray(share)

    def excess(strength: float) -> float:
        return _tail(tilted(strength), places, count, seen_sum) - level

    # Ties can make the probability at the mean seen itself smaller than a level near one half.
    if excess(0.0) <= 0:
        return mean
    # Where the largest loss was seen it gets all the weight already as 1 is neared.
    highest = 1 - 1e-15 if weights[unseen] else 2.0
    share = tilted(optimize.brentq(excess, 0.0, highest, xtol=1e-13))
    return float(share @ distinct[:, 0] / (share @ distinct[:, 1]))


def _largest_loss(units: _Units, alpha: float, lowest: float) -> float:
    """Return how much a record may lose that was not seen, in their unit; negative."""
    import numpy as np
    from scipy import special

    if math.isfinite(lowest):
        return lowest
    sizes = np.abs(units.totals / units.sizes)
    sizes = sizes[sizes > 0]
    further = 2 * sizes.sum() / special.chdtri(2 * len(sizes), 1 - alpha)
    return -float(sizes.max() + further)


def _places(distinct: Numbers, off: Numbers) -> NDArray[np.int64]:
    """Return where the values are on the grid that sums are computed on; the lowest at 0.

    Whole numbers are all on it, unless they are too far apart. Of others each is moved to the
    nearest, the same ones to the same, so that sums which are equal stay so.
    """
    import numpy as np

    totals = distinct[:, 0] - distinct[:, 0].min()
    is_whole = all(float(total).is_integer() for total in totals)
    step = float(np.ptp(off)) / _GRID
    if is_whole and len(set(distinct[:, 1])) == 1:
        divisor = float(np.gcd.reduce(totals.astype(np.int64)))
        step = divisor if totals.max() <= _MOST_STEPS * divisor else step
    return np.asarray(np.rint((off - off.min()) / step), dtype=np.int64)


def _tail(share: Numbers, places: NDArray[np.int64], count: int, least: int) -> float:
    """Return the probability that a sum of ``count`` draws is ``least`` or more, on the grid."""
    import numpy as np
    from scipy import fft

    mean = float(share @ places)
    variance = max(0.0, float(share @ places**2) - mean**2)
    span = int(places.max())
    # Bernstein's inequality.
    reach = _BEYOND * span / 3
    reach += math.sqrt(reach**2 + 2 * _BEYOND * count * variance)
    first = max(0, math.floor(count * mean - reach))
    last = min(count * span, math.ceil(count * mean + reach))
    if not first <= least <= last:
        return float(least < first)
    # A shorter transform would put sums outside of this range on those within.
    size = fft.next_fast_len(max(last - first, span) + 1, real=True)
    spectrum = _power(fft.rfft(np.bincount(places, share, size)), count)
    return float(fft.irfft(spectrum, size)[np.arange(least, last + 1) % size].sum())


def _power(base: NDArray[np.complex128], exponent: int) -> NDArray[np.complex128]:
    """Return ``base**exponent`` by squaring, which is many times faster than numpy's power."""
    result = base
    for bit in bin(exponent)[3:]:
        result = result * result
        if bit == "1":
            result = result * base
    return result
