"""Two releases on the same records: what pairs up, how far they differ, and whether by chance."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Comparison, Flip, Grouped, Rule
from pytest_llmjudge.data.comparison import NOT_WORSE
from pytest_llmjudge.errors import one_line
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.stats.basics import (
    design_effect,
    detectable_drop,
    difference_interval,
    mcnemar_test,
    sign_flip_test,
    spread,
)
from pytest_llmjudge.stats.bounds import mean_bounds
from pytest_llmjudge.stats.corrected_change import (
    LabelledPair,
    people_change,
    why_designs_differ,
    why_too_few,
)
from pytest_llmjudge.stats.groups import group_numbers, totals
from pytest_llmjudge.stats.label_sample import ONE_GROUP
from pytest_llmjudge.stats.unpaired import unpaired_test

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Entry, JudgeIdentity, Measure, Side

__all__ = ["LEAST_PAIRED", "compare", "is_same_judge", "judge_key", "scores_before"]

LEAST_PAIRED = 0.8
"""Share of either side's records that has to be on the other side too."""

_RULE = Rule()
_AGAIN = "judge the baseline's model again with this judge"
_ANOTHER = "make a baseline of the release with these records"
_WORST_FLIPS = 10
_SHOWN_DIGITS = 12
_SHOWN_NAMES = 200


@dataclass(frozen=True, slots=True)
class _Pair:
    before: Entry
    after: Entry
    was: float
    now: float
    gain: float


def compare(
    before: Side, after: Side, rule: Rule = _RULE, *, tests_rises: bool = True
) -> Comparison:
    """Compare two sides, record by record; differences are after - before, in their unit.

    Records pair up when they have the same id and the same content, whatever their order. Those
    without a score on one side cannot. Tests are one-sided: they ask whether the candidate is
    worse, which is lower or higher as the measure says. Records that the candidate's side has in
    one group are taken as a whole. Where records on both sides did not pair
    up, two tests are made, and share the chance of a false alarm as the records can be shared at
    most: four fifths for the pairs, and one for the others.

    Args:
        before: The release.
        after: The candidate, whose ``passes_at`` says what passes on both sides.
        rule: By which the candidate is held to the release.
        tests_rises: Whether p is computed where the pairs did not get worse, too: it is about one
            half or more then, and takes most of the time.
    """
    measure = after.measure
    old = {(entry.id, entry.content): entry for entry in before.entries}
    new = {(entry.id, entry.content): entry for entry in after.entries}
    pairs = [
        _Pair(was, now, was.score, now.score, measure.gain(was.score, now.score))
        # In an order that does not hang on the files', so that resampling does not either.
        for key, now in sorted(new.items())
        if (was := old.get(key)) and was.score is not None and now.score is not None
    ]
    alone_before, alone_after = _alone(old, pairs), _alone(new, pairs)
    differences = [pair.now - pair.was for pair in pairs]
    deviation = spread(differences)
    groups = group_numbers(pair.after.group for pair in pairs)
    effect = design_effect(differences, groups)
    turned = _turned(pairs, after)
    losses, wins = (None, None) if turned is None else (turned.count(-1), turned.count(1))
    mcnemar_p = None if turned is None else _turned_p(turned, groups)
    # Where an answer is right or wrong, McNemar's is the sign-flip test, and exact for any n.
    gains = [pair.gain for pair in pairs]
    is_tested = bool(pairs) and (tests_rises or math.fsum(gains) < 0)
    p = (mcnemar_p if measure.is_binary else sign_flip_test(gains, groups)) if is_tested else None
    refusal = _refusal(before, after, len(pairs))
    unpaired_p = None if refusal else _unpaired_p(measure, pairs, alone_before, alone_after)
    unpaired_alpha = None if unpaired_p is None else (1 - LEAST_PAIRED) * rule.drop_alpha
    alpha = rule.drop_alpha - (unpaired_alpha or 0.0)
    comparison = Comparison(
        measure=measure,
        refusal=refusal,
        paired=len(pairs),
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        unscored_before=sum(entry.score is None for entry in before.entries),
        unscored_after=sum(entry.score is None for entry in after.entries),
        before=_mean([pair.was for pair in pairs]),
        after=_mean([pair.now for pair in pairs]),
        difference=_mean(differences),
        interval=difference_interval(differences, groups),
        p=p,
        deviation=deviation,
        detectable=(
            None
            if deviation is None or effect is None
            else detectable_drop(deviation, len(pairs), alpha=alpha, effect=effect)
        ),
        losses=losses,
        wins=wins,
        mcnemar_p=mcnemar_p,
        flips=_flips(pairs, after),
        note="; ".join(_notes(before, after)),
        changed=sum(difference != 0 for difference in differences),
        worse=sum(pair.gain < 0 for pair in pairs),
        baseline_suite="" if before.name == after.name else before.name,
        unpaired_before=len(alone_before),
        unpaired_after=len(alone_after),
        unpaired_average_before=_mean([score for score, _ in alone_before]),
        unpaired_average_after=_mean([score for score, _ in alone_after]),
        unpaired_p=unpaired_p,
        rule=rule,
        alpha=alpha,
        unpaired_alpha=unpaired_alpha,
        bounds=None if refusal else _bounds(measure, differences, groups, rule, alpha),
        grouped=None if groups is None else _grouped(differences, groups, effect),
    )
    return _corrected(comparison, before, after, pairs) if after.corrects else comparison


def _corrected(
    comparison: Comparison, before: Side, after: Side, pairs: Sequence[_Pair]
) -> Comparison:
    """Return a comparison in which people's labels correct what the judge's scores say."""
    if comparison.refusal is not None:
        return comparison
    labelled = [
        LabelledPair(pair.was, pair.now, pair.before.people, pair.after.people) for pair in pairs
    ]
    groups = group_numbers(pair.after.group for pair in pairs)
    lack = why_designs_differ(before.design, after.design) or why_too_few(labelled)
    change = None if lack else people_change(labelled, groups)
    if change is None:
        problem, hint = lack or ONE_GROUP
        return replace(comparison, refusal=f"{problem}; {hint}")
    rule, alpha = comparison.rule, comparison.alpha
    proof = drop = None
    if rule.name == NOT_WORSE:
        proof, drop = change.bounds(rule.alpha), change.bounds(alpha)
    units = len(change.corrected.pseudo_values)
    return replace(
        comparison,
        before=change.before,
        after=change.after,
        difference=change.corrected.estimate,
        interval=change.corrected.interval,
        p=change.p,
        deviation=change.deviation,
        detectable=detectable_drop(change.deviation, units, alpha=alpha),
        bounds=None if proof is None or drop is None else (proof[0], drop[1]),
        corrected=change.behind,
    )


def _grouped(differences: Sequence[float], groups: Sequence[int], effect: float | None) -> Grouped:
    sums, _ = totals(differences, groups)
    return Grouped(len(sums), sum(total != 0 for total in sums), effect)


def _bounds(
    measure: Measure,
    differences: Sequence[float],
    groups: Sequence[int] | None,
    rule: Rule,
    alpha: float,
) -> tuple[float, float] | None:
    """Return how bad and how good the mean difference may be, where the rule asks for it."""
    if rule.name != NOT_WORSE:
        return None
    levels = dict.fromkeys((rule.alpha, alpha))
    bounds = [
        mean_bounds(
            differences,
            level,
            is_binary=measure.is_binary,
            groups=groups,
            lowest=-measure.furthest,
            highest=measure.furthest,
        )
        for level in levels
    ]
    proof, drop = bounds[0], bounds[-1]
    if proof is None or drop is None:
        return None
    return (proof[0], drop[1]) if measure.higher_is_better else (proof[1], drop[0])


def scores_before(
    before: Side, keys: Sequence[tuple[str, str]], names: Sequence[str | None] | None
) -> list[tuple[float, str | None]]:
    """Return the baseline's scores of records that the run has too, and the groups they are in now.

    Args:
        before: The baseline's side.
        keys: Id and content of each record or question of the run.
        names: The group of each, ``None`` for one that is alone or where all are.
    """
    wanted = dict(zip(keys, names or [None] * len(keys), strict=True))
    return [
        (entry.score, wanted[entry.id, entry.content])
        for entry in before.entries
        if entry.score is not None and (entry.id, entry.content) in wanted
    ]


def _alone(
    entries: Mapping[tuple[str, str], Entry], pairs: Sequence[_Pair]
) -> list[tuple[float, str | None]]:
    """Return the scores and groups of a side's records that pair up with none of the other."""
    paired = {(pair.after.id, pair.after.content) for pair in pairs}
    return [
        (entry.score, entry.group)
        for key, entry in entries.items()
        if entry.score is not None and key not in paired
    ]


def _unpaired_p(
    measure: Measure,
    pairs: Sequence[_Pair],
    before: Sequence[tuple[float, str | None]],
    after: Sequence[tuple[float, str | None]],
) -> float | None:
    """Test whether the unpaired records got worse by more than the pairs did."""
    # The test looks for a fall, so scores count from 0 towards the better.
    paired = [(measure.gain(0, pair.was), measure.gain(0, pair.now)) for pair in pairs]
    old, new = ([measure.gain(0, score) for score, _ in side] for side in (before, after))
    names = [pair.after.group for pair in pairs]
    groups_before, groups_after = (
        group_numbers([*names, *(group for _, group in side)]) for side in (before, after)
    )
    return unpaired_test(paired, old, new, groups_before=groups_before, groups_after=groups_after)


def _turned(pairs: Sequence[_Pair], after: Side) -> list[int] | None:
    """Say of each pair whether it passed and now fails (-1), or failed and now passes (1)."""
    if after.passes_at is None:
        return None
    passes = (_passes(pair, after.measure, after.passes_at) for pair in pairs)
    return [now - was for was, now in passes]


def _turned_p(turned: Sequence[int], groups: Sequence[int] | None) -> float:
    """Test whether more fail now; McNemar's test takes pairs for independent of each other."""
    if groups is None:
        return mcnemar_test(turned.count(-1), turned.count(1))
    return sign_flip_test(turned, groups)


def _passes(pair: _Pair, measure: Measure, passes_at: float) -> tuple[bool, bool]:
    return measure.passes(pair.was, passes_at), measure.passes(pair.now, passes_at)


def _flips(pairs: Sequence[_Pair], after: Side) -> tuple[Flip, ...]:
    measure, passes_at = after.measure, after.passes_at
    worse = sorted(
        (pair for pair in pairs if pair.gain < 0),
        key=lambda pair: (pair.gain, measure.gain(0, pair.now), pair.after.id),
    )
    return tuple(
        Flip(
            id=pair.after.id,
            before=pair.was,
            after=pair.now,
            fails_now=passes_at is not None and _passes(pair, measure, passes_at) == (True, False),
            response_before=pair.before.response,
            response_after=pair.after.response,
        )
        for pair in worse[:_WORST_FLIPS]
    )


def is_same_judge(first: JudgeIdentity, second: JudgeIdentity) -> bool:
    """Whether scores of the two compare; unknown is not the same."""
    known = all(judge.backend != "custom" or judge.digest for judge in (first, second))
    one, other = _judge_terms(first), _judge_terms(second)
    alike = all(one[name][1] == other[name][1] for name in one)
    return known and alike and not _answer_apart(first, second)


def judge_key(judge: JudgeIdentity) -> str | None:
    """Return what is the same for the same judge alone; ``None`` when unknown."""
    if not is_same_judge(judge, judge):
        return None
    named = [judge.answers_as] if judge.answers_as else []
    return make_key(*(decides for _, decides in _judge_terms(judge).values()), *named)


def _refusal(before: Side, after: Side, paired: int) -> str | None:
    """Say why the two cannot be compared, and what to do; ``None`` when they can."""
    noun = after.measure.noun
    for side, owner in ((before, "the baseline"), (after, "this run")):
        if not side.entries and side.others:
            there = one_line(", ".join(side.others), _SHOWN_NAMES)
            problem = f"{owner} has no {noun} of a suite named {side.name}, but of {there}"
            return f"{problem}; start pytest in the same folder both times, or {_ANOTHER}"
        if not side.entries:
            return f"{owner} has no {noun} of a suite named {side.name}; {_ANOTHER}"
    differing = _differing(before, after)
    if differing:
        return differing
    others = [
        key
        for key, digest in after.token_digests.items()
        if before.token_digests.get(key, digest) != digest
    ]
    if others:
        count = len(after.token_digests.keys() & before.token_digests.keys())
        problem = (
            f"{len(others)} of {count} {noun} were split into other tokens than in the baseline, "
            f"such as {one_line(others[0][0], _SHOWN_NAMES)}"
        )
        hint = "compare models of one tokenizer and one chat template, or set another gate"
        return f"results of different tokenizers do not compare: {problem}; {hint}"
    for side, owner in ((before, "the baseline"), (after, "this run")):
        total = len(side.entries)
        if paired < LEAST_PAIRED * total:
            return (
                f"only {paired} of the {total} {noun} of {owner} have a score on both sides"
                f"{_changed(before, after)}, and {100 * LEAST_PAIRED:g} % are needed; {_ANOTHER}"
            )
    return None


def _changed(before: Side, after: Side) -> str:
    """Say how many records of one name say something else now; nothing where none does."""
    if not after.measure.is_judged:
        return ""
    old = {(entry.id, entry.content) for entry in before.entries}
    names = {name for name, _ in old}
    changed = sum(
        entry.id in names and (entry.id, entry.content) not in old for entry in after.entries
    )
    return (
        f" ({changed} have other texts now, such as another system text, or other criteria)"
        if changed
        else ""
    )


def _differing(before: Side, after: Side) -> str | None:
    if after.measure.is_judged:
        if before.judge is None or after.judge is None:
            owner = "the baseline" if before.judge is None else "this run"
            return f"{owner} does not say who judged; {_AGAIN}"
        for judge in (before.judge, after.judge):
            if judge.backend == "custom" and not judge.digest:
                return (
                    f"whether {one_line(judge.model)} is the same judge as before cannot be told; "
                    "give it a fingerprint that changes when its scores may"
                )
        old, new = _judge_terms(before.judge), _judge_terms(after.judge)
        if _answer_apart(before.judge, after.judge):
            old["answering name"] = ("", before.judge.answers_as)
            new["answering name"] = ("", after.judge.answers_as)
        what, hint = "judges", _AGAIN
    else:
        old = {name: ("", value) for name, value in before.terms.items()}
        new = {name: ("", value) for name, value in after.terms.items()}
        what, hint = f"{after.measure.suite}s", "ask the baseline's model again in this way"
    differing = [
        f"its {name} was {was} and is {now} now"
        for name in new
        # A file of an earlier version does not have all of them.
        if name in old and old[name][1] != new[name][1]
        for was, now in (_shown(old[name], new[name]),)
    ]
    if not differing:
        return None
    return f"results of different {what} do not compare: {', '.join(differing)}; {hint}"


def _judge_terms(judge: JudgeIdentity) -> dict[str, tuple[str, str]]:
    """Return what has to be the same, by name: a label, which need not be, and what decides.

    A model's name may mean other weights tomorrow, so a digest decides where there is one.
    """
    by_digest = (judge.model, judge.digest) if judge.digest else ("", judge.model)
    return {
        "backend": ("", judge.backend),
        "model": by_digest,
        "prompt": ("", judge.ask),
        "set of options": ("", json.dumps(dict(judge.options), sort_keys=True)),
    }


def _answer_apart(first: JudgeIdentity, second: JudgeIdentity) -> bool:
    """Whether two judges answer under different names; files of earlier versions name none."""
    names = {first.answers_as, second.answers_as} - {""}
    return len(names) > 1


def _shown(old: tuple[str, str], new: tuple[str, str]) -> tuple[str, str]:
    """Write what differs, digests short where that tells them apart."""
    digits = _SHOWN_DIGITS if old[1][:_SHOWN_DIGITS] != new[1][:_SHOWN_DIGITS] else None
    was, now = (
        f"{label} ({value[:digits]})" if label else value or "none" for label, value in (old, new)
    )
    # These come from a file, which a terminal must not obey.
    return one_line(was), one_line(now)


def _notes(before: Side, after: Side) -> Iterator[str]:
    """Yield what a reader should know besides: what changed, and what nobody can tell."""
    old, new = before.judge, after.judge
    if old is not None and new is not None and old.version != new.version:
        was, now = (one_line(judge.version) or "unknown" for judge in (old, new))
        yield f"the judge's version was {was} and is {now} now"
    is_named = any(entry.group is not None for entry in after.entries)
    if not is_named and group_numbers(entry.group for entry in before.entries) is not None:
        noun = after.measure.noun
        yield f"the baseline's {noun} are in groups and this run's are not: each counts for itself"
    for one, other, owner in ((after, before, "the baseline"), (before, after, "this run")):
        if other.entries:
            for name in sorted(one.terms.keys() - other.terms.keys()):
                yield f"{owner} does not say what its {name} was, so it may have been another"


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
