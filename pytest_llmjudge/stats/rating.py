"""Ratings of models from outcomes of pairs: Bradley-Terry, online Elo, win rates; pure, no I/O."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Rating, Ratings, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from pytest_llmjudge.data import Outcome

    Floats: TypeAlias = NDArray[np.float64]
    Whole: TypeAlias = NDArray[np.int64]

__all__ = ["RESAMPLES", "START", "elo", "rate", "standings"]

START = 1000.0
"""Rating of a model of which nothing is known, and mean of a component without an anchor."""

RESAMPLES = 1000
"""How often outcomes are drawn again for an interval, where nobody says how often."""

_SCALE = 400.0
_POINTS = _SCALE / math.log(10)
_ELO_K = 4.0
_SEED = 0
_PERCENTILES = (2.5, 97.5)
_MOST_STEPS = 200
_SMALL_STEP = 1e-8
# Numbers in memory at once, for the resamples that are fitted together.
_LARGEST_BATCH = 4_000_000


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The models of one component, and the pairs of them that met.

    Attributes:
        models: Their names.
        rows: Which of all unique rows are of these models, sorted by pair.
        scores: Of the first model of the pair in each of them.
        starts: Where the rows of each pair begin among them.
        first: Place of each pair's first model in ``models``.
        second: The same of the other.
    """

    models: tuple[str, ...]
    rows: Whole
    scores: Floats
    starts: Whole
    first: Whole
    second: Whole

    def summed(self, counts: Whole) -> tuple[Floats, Floats]:
        """Return each pair's wins of the first model, ties half, and its outcomes.

        Args:
            counts: Of all unique rows, one line for each resample.
        """
        import numpy as np

        mine = counts[:, self.rows].astype(float)
        wins = np.add.reduceat(mine * self.scores, self.starts, axis=1)
        return wins, np.add.reduceat(mine, self.starts, axis=1)


def rate(
    outcomes: Sequence[Outcome],
    *,
    anchor: tuple[str, float] | None = None,
    resamples: int = RESAMPLES,
) -> Ratings:
    """Rate models by all outcomes of their pairs.

    The Bradley-Terry model says that a beats b with odds 10 ^ ((r_a - r_b) / 400). Its ratings are
    those that make the outcomes most likely, ties counted as half a win of either, as FastChat's
    Arena computes them: a logistic regression on unique (a, b, outcome) with counts as weights.
    Intervals are percentiles 2.5 and 97.5 of ratings from counts drawn again (multinomial, seed 0).

    Models that no chain of outcomes joins are in different components, each of which is rated by
    itself. Within one, finite ratings exist only where for each way to part its models in two,
    either part scored against the other (L. R. Ford, 1957). Where this does not hold, as when a
    model won everything, each pair of models that met is given one tie more, and a note says so;
    the same is done in each resample that needs it.

    Args:
        outcomes: At least one, in the order in which they came about, which only Elo ratings hang
            on.
        anchor: A model, and the rating that its component is shifted to give it. Without one, the
            mean of a component is 1000.
        resamples: How often to draw again; 0 for no intervals.
    """
    import numpy as np

    unique = Counter(map(_row, outcomes))
    rows = sorted(unique)
    counts = np.array([[unique[row] for row in rows]])
    components = _components(rows)
    fitted = [_fit(pairs, *pairs.summed(counts)) for pairs in components]
    drawn: list[list[tuple[Floats, NDArray[np.bool_]]]] = [[] for _ in components]
    for batch in _drawn_again(counts[0], resamples, max(len(pairs.models) for pairs in components)):
        for pairs, results in zip(components, drawn, strict=True):
            results.append(_fit(pairs, *pairs.summed(batch)))
    online = elo(outcomes)
    met = Counter(name for one in outcomes for name in (one.model_a, one.model_b))
    notes = _notes(components)
    groups: list[list[Rating]] = []
    for number, (pairs, (values, tied), again) in enumerate(
        zip(components, fitted, drawn, strict=True), 1
    ):
        (points,) = _anchored(values, pairs.models, anchor)
        intervals: list[tuple[float, float] | None] = [None] * len(pairs.models)
        tied_again = 0
        if again:
            whole = _anchored(
                np.concatenate([strengths for strengths, _ in again]), pairs.models, anchor
            )
            low, high = np.percentile(whole, _PERCENTILES, axis=0)
            intervals = list(zip(low.tolist(), high.tolist(), strict=True))
            tied_again = int(sum(ties.sum() for _, ties in again))
        rated = [
            Rating(name, float(value), interval, online[name], met[name], number)
            for name, value, interval in zip(pairs.models, points, intervals, strict=True)
        ]
        groups.append(sorted(rated, key=lambda one: (-one.rating, one.model)))
        one_sided = _one_sided(pairs, counts) if tied[0] else ""
        notes += _tie_notes(pairs, one_sided, tied_again, resamples)
    ratings = [one for group in groups for one in group]
    return Ratings(
        ratings=tuple(ratings),
        components=tuple(tuple(one.model for one in group) for group in groups),
        matrix=tuple(standings(outcomes, [one.model for one in ratings])),
        notes=tuple(notes),
    )


def elo(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return each model's online Elo rating after the last outcome: K = 4, scale 400, start 1000.

    After each outcome the winner takes from the loser K (score - expected), where expected is
    1 / (1 + 10 ^ ((r_b - r_a) / 400)) (A. Elo, 1978).
    """
    ratings: dict[str, float] = {}
    for one in outcomes:
        a, b = (ratings.setdefault(name, START) for name in (one.model_a, one.model_b))
        expected = 1 / (1 + 10 ** ((b - a) / _SCALE))
        ratings[one.model_a] = a + _ELO_K * (one.score - expected)
        ratings[one.model_b] = b - _ELO_K * (one.score - expected)
    return ratings


def standings(outcomes: Sequence[Outcome], models: Sequence[str]) -> Iterator[Standing]:
    """Yield how each model did against each other that it met, in the order of ``models``."""
    wins: Counter[tuple[str, str]] = Counter()
    met: Counter[tuple[str, str]] = Counter()
    for one in outcomes:
        for pair, score in (
            ((one.model_a, one.model_b), one.score),
            ((one.model_b, one.model_a), 1 - one.score),
        ):
            # In halves, which stay whole numbers.
            wins[pair] += round(2 * score)
            met[pair] += 1
    for model in models:
        for against in models:
            pair = model, against
            if met[pair]:
                yield Standing(model, against, wins[pair] / 2 / met[pair], met[pair])


def _row(outcome: Outcome) -> tuple[str, str, float]:
    """Return an outcome with its models in alphabetical order, whoever was called ``a``."""
    if outcome.model_a < outcome.model_b:
        return outcome.model_a, outcome.model_b, outcome.score
    return outcome.model_b, outcome.model_a, 1 - outcome.score


def _components(rows: Sequence[tuple[str, str, float]]) -> list[_Pairs]:
    """Part the models into those that chains of outcomes join; the largest part comes first."""
    import numpy as np

    models = sorted({name for row in rows for name in row[:2]})
    places = {name: place for place, name in enumerate(models)}
    first = np.array([places[row[0]] for row in rows])
    second = np.array([places[row[1]] for row in rows])
    count, labels = _parts(first, second, len(models), directed=False)
    components = []
    for label in range(count):
        members = np.flatnonzero(labels == label)
        mine = np.flatnonzero(labels[first] == label)
        is_new = np.ones(len(mine), dtype=bool)
        is_new[1:] = (np.diff(first[mine]) != 0) | (np.diff(second[mine]) != 0)
        starts = np.flatnonzero(is_new)
        components.append(
            _Pairs(
                models=tuple(models[place] for place in members),
                rows=mine,
                scores=np.array([rows[row][2] for row in mine.tolist()]),
                starts=starts,
                first=np.searchsorted(members, first[mine[starts]]),
                second=np.searchsorted(members, second[mine[starts]]),
            )
        )
    return sorted(components, key=lambda pairs: (-len(pairs.models), pairs.models))


def _drawn_again(counts: Whole, resamples: int, models: int) -> Iterator[Whole]:
    """Yield resamples of counts, some at a time, one line for each."""
    import numpy as np

    random = np.random.default_rng(_SEED)
    total = int(counts.sum())
    batch = max(1, _LARGEST_BATCH // max(len(counts), models * models))
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        yield random.multinomial(total, counts / total, size=size)


def _fit(pairs: _Pairs, wins: Floats, totals: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the likeliest strengths, and which resamples needed ties for there to be any.

    Newton's steps, halved where they would lead away, for all resamples at once; the Hessian is
    the Laplacian of the graph of pairs.

    Args:
        pairs: Who met.
        wins: Of each pair's first model, ties half, one line for each resample.
        totals: Outcomes of each pair.

    Returns:
        A line for each resample, a column for each model, in natural logarithms of odds, with mean
        0; and whether each resample was given ties.
    """
    import numpy as np
    from scipy.special import expit

    tied = np.array([not _is_strong(pairs, *both) for both in zip(wins, totals, strict=True)])
    wins, totals = wins + 0.5 * tied[:, None], totals + tied[:, None]
    count = len(pairs.models)
    first, second = pairs.first, pairs.second
    places = np.arange(len(first))
    incidence = np.zeros((len(first), count))
    incidence[places, first], incidence[places, second] = 1, -1
    diagonal = np.arange(count)

    def loss(values: Floats, some: Whole) -> Floats:
        gaps = values[:, first] - values[:, second]
        losses: Floats = (totals[some] * np.logaddexp(0, gaps) - wins[some] * gaps).sum(axis=1)
        return losses

    values = np.zeros((len(wins), count))
    left = np.arange(len(wins))
    for _ in range(_MOST_STEPS):
        now = values[left]
        likely = expit(now[:, first] - now[:, second])
        gradient = (wins[left] - totals[left] * likely) @ incidence
        certainty = totals[left] * likely * (1 - likely)
        hessian = np.zeros((len(left), count, count))
        hessian[:, first, second] = hessian[:, second, first] = -certainty
        hessian[:, diagonal, diagonal] = certainty @ np.abs(incidence)
        # A shift of all strengths changes nothing; this makes it cost, so that there is none.
        hessian += hessian[:, diagonal, diagonal].mean(axis=1)[:, None, None] / count
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        before = loss(now, left)
        # What rounding alone may add.
        before += 1e-12 * np.abs(before)
        while True:
            is_worse = (loss(now + step, left) > before) & (np.abs(step).max(axis=1) > _SMALL_STEP)
            if not is_worse.any():
                break
            step[is_worse] /= 2
        values[left] = now + step
        left = left[np.abs(step).max(axis=1) > _SMALL_STEP]
        if not len(left):
            break
    return values - values.mean(axis=1, keepdims=True), tied


def _is_strong(pairs: _Pairs, wins: Floats, totals: Floats) -> bool:
    """Say whether chains of models that scored against the next lead from each to each."""
    import numpy as np

    ahead, behind = wins > 0, wins < totals
    winners = np.concatenate([pairs.first[ahead], pairs.second[behind]])
    losers = np.concatenate([pairs.second[ahead], pairs.first[behind]])
    count, _ = _parts(winners, losers, len(pairs.models), directed=True)
    return count == 1


def _parts(
    starts: Whole, ends: Whole, models: int, *, directed: bool
) -> tuple[int, NDArray[np.int32]]:
    """Return how many parts edges join models into, strongly where directed, and each one's."""
    import numpy as np
    from scipy import sparse

    # SciPy 1.11 takes no other whole numbers here.
    edges = starts.astype(np.int32), ends.astype(np.int32)
    graph = sparse.coo_array((np.ones(len(starts)), edges), shape=(models, models))
    count, labels = sparse.csgraph.connected_components(
        graph, directed=directed, connection="strong"
    )
    return int(count), labels


def _anchored(values: Floats, models: Sequence[str], anchor: tuple[str, float] | None) -> Floats:
    """Return strengths as ratings, shifted so that an anchor among them keeps its own."""
    points: Floats = _POINTS * values + START
    if anchor is not None and anchor[0] in models:
        place = models.index(anchor[0])
        points += anchor[1] - points[:, place, None]
        # Adding what was subtracted may be off by a rounding.
        points[:, place] = anchor[1]
    return points


def _notes(components: Sequence[_Pairs]) -> list[str]:
    if len(components) == 1:
        return []
    note = (
        f"not connected: the models are {len(components)} groups that no outcome joins; each group "
        "is rated by itself, and ratings of different groups do not compare"
    )
    return [note]


def _tie_notes(pairs: _Pairs, one_sided: str, tied_again: int, resamples: int) -> Iterator[str]:
    """Yield what to know of ties that were added.

    Args:
        pairs: Who met.
        one_sided: Who won or lost everything; empty where no tie was added to all outcomes.
        tied_again: To how many resamples ties were added.
        resamples: How many there are.
    """
    if one_sided:
        yield (
            f"{one_sided}, which no finite rating fits: each pair of models that met there was "
            "given one tie more, and the true ratings may lie outside of the intervals"
        )
    elif tied_again:
        yield (
            f"in {tied_again} of {resamples} resamples of the outcomes of "
            f"{', '.join(pairs.models)} a part of these models scored nothing against the others: "
            "there each pair that met was given one tie more"
        )


def _one_sided(pairs: _Pairs, counts: Whole) -> str:
    """Say who won or lost everything."""
    import numpy as np

    (wins,), (totals,) = pairs.summed(counts)
    count = len(pairs.models)
    scored = np.bincount(pairs.first, wins, count)
    scored += np.bincount(pairs.second, totals - wins, count)
    met = np.bincount(pairs.first, totals, count) + np.bincount(pairs.second, totals, count)
    won = [name for name, one, all_ in zip(pairs.models, scored, met, strict=True) if one == all_]
    lost = [name for name, one in zip(pairs.models, scored, strict=True) if one == 0]
    clauses = [
        f"{', '.join(names)} {what}"
        for names, what in ((won, "won everything"), (lost, "lost everything"))
        if names
    ]
    return " and ".join(clauses) or (
        f"a part of {', '.join(pairs.models)} won everything against the others"
    )
