"""Puts the shards of a run together, and decides the gates that only all of them decide."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge import __version__
from pytest_llmjudge.data import UNSEEN, GateResult, Rule, RunResult
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import XPASSED, decide_baseline
from pytest_llmjudge.decisions.matching import names_of
from pytest_llmjudge.errors import BaselineError, SettingsError, count_of
from pytest_llmjudge.kinds import all_kinds, kind_named
from pytest_llmjudge.kinds.base import BASELINE, node_ids
from pytest_llmjudge.kinds.changed import without_pass
from pytest_llmjudge.kinds.document import shard_digest
from pytest_llmjudge.kinds.read_back import joined_gates
from pytest_llmjudge.kinds.required import unmet
from pytest_llmjudge.kinds.shared import shown_value
from pytest_llmjudge.records.files import file_digest
from pytest_llmjudge.settings import LOCAL
from pytest_llmjudge.sharding import MERGED, Shard
from pytest_llmjudge.storage.results_reader import read_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import AnyResult, Comparison
    from pytest_llmjudge.errors import LlmJudgeError
    from pytest_llmjudge.kinds.base import Kind
    from pytest_llmjudge.storage.results_reader import SavedRun

__all__ = ["MergedRun", "merge", "read_shards"]

_INTERRUPTED = 2
"""pytest's status from which on a run did not come to its end."""
_OF_JUDGE = ("model", "backend", "version", "digest", "options", "ask")
"""What makes a judge another one."""
_NAMED = 5
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class _ShardFile:
    """A results file of a shard: its content, and what it says of the shard."""

    path: Path
    document: Mapping[str, Any]
    shard: Shard

    @property
    def part(self) -> Mapping[str, Any]:
        """What a merge has to know."""
        part: Mapping[str, Any] = self.document["shard"]
        return part

    @property
    def begun(self) -> str:
        """When its run began, in ISO 8601."""
        begun: str = self.document["created"]
        return begun

    @property
    def suites(self) -> dict[str, Mapping[str, Any]]:
        """Its suites, by name."""
        return {suite["name"]: suite for suite in self.document["suites"]}

    def outcomes(self, name: str) -> dict[str, str]:
        """Return the outcomes of the shard's own samples of a suite, by id."""
        suite = self.suites[name]
        outcomes = kind_named(suite["kind"]).saved_outcomes(suite).items()
        return {sample: outcome for sample, outcome in outcomes if sample in self.shard}


@dataclass(frozen=True, slots=True)
class MergedRun:
    """The run that the shards were parts of.

    Attributes:
        run: Its results, with the status that pytest would have ended with.
        decided: The gates that were decided here, each with the name of its suite.
        problems: What keeps it from having decided over all that it requires, or which shards
            failed for what no suite shows, as lines.
    """

    run: RunResult
    decided: tuple[tuple[str, GateResult], ...]
    problems: tuple[str, ...]


def read_shards(paths: Sequence[Path]) -> list[_ShardFile]:
    """Read the results files of all shards of one run, and prove that they are that.

    Args:
        paths: Of the files, in any order.

    Returns:
        The files in the order of their shards.

    Raises:
        BaselineError: A file is no results file of a shard, one is missing or there twice, or they
            are not of the same run.
    """
    files = [_read(path) for path in paths]
    first = files[0]
    by_number: dict[int, _ShardFile] = {}
    for file in files:
        if file.shard.count != first.shard.count:
            problem = f"it holds {file.shard.shown}, and {first.path} {first.shard.shown}"
            raise BaselineError(str(file.path), problem, "merge the shards of one run")
        other = by_number.setdefault(file.shard.number, file)
        if other is not file:
            problem = f"it holds {file.shard.shown}, as {other.path} does"
            raise BaselineError(str(file.path), problem, "name each shard once")
    missing = [number for number in range(1, first.shard.count + 1) if number not in by_number]
    if missing:
        named = ", ".join(map(str, missing[:_NAMED]))
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        problem = f"shard {named}{more} of {first.shard.count} is missing"
        raise BaselineError(", ".join(map(str, paths)), problem, "name the files of all shards")
    ordered = [by_number[number] for number in sorted(by_number)]
    for file in ordered:
        _check_run(ordered[0], file)
    # What was left out of a shard makes it another one as well.
    for file in ordered:
        _check_all_ran(file)
    for file in ordered:
        _check_same(ordered[0], file)
    _check_begun(ordered)
    return ordered


def merge(files: Sequence[_ShardFile], baseline: Path | None) -> MergedRun:
    """Put shards together, and decide what was left to that.

    Args:
        files: As :func:`read_shards` returns them.
        baseline: Where the shards' baseline lies; ``None`` for where it lay when they were run.

    Raises:
        LlmJudgeError: The baseline is not there, or another one.
    """
    part = files[0].part
    before = _read_baseline(part, baseline)
    results: dict[str, list[Any]] = {kind.name: [] for kind in all_kinds()}
    for name, facts in part["suites"].items():
        kind = kind_named(facts["kind"])
        results[kind.name].append(_merged(kind, name, files, before))
    run = RunResult(
        created=min(file.document["created"] for file in files),
        results=tuple(
            chain.from_iterable(kind.together(results[kind.name]) for kind in all_kinds())
        ),
        notes=tuple(dict.fromkeys(note for file in files for note in file.document["notes"])),
        rules={
            name: Rule(**facts["rule"])
            for name, facts in part["suites"].items()
            if facts["rule"] is not None
        },
    )
    decided = tuple(
        (result.name, gate)
        for result in run.results
        for gate in result.gates
        if f"{result.name}[{gate.name}]" in part["left"]
    )
    has_failed = any(file.part["status"] for file in files) or any(
        gate.outcome != "passed"
        and (not part["left"][f"{name}[{gate.name}]"]["may_fail"] or gate.reason.endswith(XPASSED))
        for name, gate in decided
    )
    if has_failed:
        return MergedRun(replace(run, status=1), decided, tuple(_broken(files)))
    problems = tuple(str(problem) for problem in _unmet(files, run, decided))
    run = replace(run, status=int(bool(problems)), notes=(*run.notes, *problems))
    return MergedRun(run, decided, problems)


def _read(path: Path) -> _ShardFile:
    document = read_results(path, all_kinds(), is_shard=True, version=__version__).document
    part = document["shard"]
    shard = Shard(part["number"], part["count"])
    where = str(path)
    if part["digest"] != shard_digest(document):
        hint = f"take the file as it was written, or run {shard.shown} again"
        raise BaselineError(where, "it was changed since it was written", hint)
    if part["status"] >= _INTERRUPTED:
        problem = f"{shard.shown} did not come to its end (status {part['status']})"
        raise BaselineError(where, problem, "run it again; the verdicts are kept in the cache")
    return _ShardFile(path, document, shard)


def _broken(files: Sequence[_ShardFile]) -> Iterator[str]:
    """Yield which shards failed for what no sample or gate shows, a line each."""
    for file in files:
        failed, others = file.part["failed"]["of_suites"], file.part["failed"]["others"]
        if file.part["status"] and (others or not failed):
            why = f"of {names_of(others)}" if others else "of neither a sample nor a gate"
            problem = f"{file.shard.shown} ended with status {file.part['status']} because {why}"
            yield str(BaselineError(str(file.path), problem, "see what it said at its end"))


def _check_run(first: _ShardFile, file: _ShardFile) -> None:
    """Prove that two shards are of one run of a CI system, which takes no file of an earlier one.

    Raises:
        BaselineError: They are not.
    """
    one, other = (each.part["ci_run"] or "none" for each in (first, file))
    if one != other:
        problem = f"it is of another CI run than {first.path} ({other}, and {one})"
        raise BaselineError(str(file.path), problem, "merge the shards of one run")


def _check_same(first: _ShardFile, file: _ShardFile) -> None:
    """Prove that two shards are of one run.

    Raises:
        BaselineError: They differ in something that decides over results.
    """
    ours, theirs = first.part["suites"], file.part["suites"]
    lacking = [*(ours.keys() - theirs.keys()), *(theirs.keys() - ours.keys())]
    if lacking:
        problem = f"it and {first.path} do not have the same suites ({names_of(sorted(lacking))})"
        raise BaselineError(str(file.path), problem, "run the same suites in all shards")
    _refuse(
        (where, what, (first, one), (file, other))
        for where, what, one, other in _planned(first, file)
    )


def _check_begun(files: Sequence[_ShardFile]) -> None:
    """Prove that models and judges are the same in all shards that have seen them.

    Raises:
        BaselineError: They differ.
    """
    seen: dict[tuple[str, str], tuple[_ShardFile, str]] = {}
    for file in files:
        begun = {(where, what): (file, value) for where, what, value in _begun(file)}
        _refuse((*key, seen.setdefault(key, known), known) for key, known in begun.items())


def _refuse(
    facts: Iterable[tuple[str, str, tuple[_ShardFile, str], tuple[_ShardFile, str]]],
) -> None:
    """Refuse what is not the same in two shards: where and what it is, and what it is in each.

    Raises:
        BaselineError: Something is not.
    """
    errors = (
        BaselineError(
            where,
            f"its {what} is not the same in {first.path} and {file.path} "
            f"({shown_value(one)} and {shown_value(other)})",
            "run all shards in the same way",
        )
        for where, what, (first, one), (file, other) in facts
        if one != other
    )
    different = list({str(error): error for error in errors}.values())
    if different:
        one, *more = different
        raise BaselineError(one.where, one.problem, one.hint, more=tuple(more))


def _planned(first: _ShardFile, file: _ShardFile) -> Iterator[tuple[str, str, str, str]]:
    """Yield what both shards knew before they began: where, what, and its values."""
    agreed, theirs = first.part["agreed"], file.part["agreed"]
    for key in dict.fromkeys((*agreed, *theirs)):
        fact = agreed.get(key) or theirs[key]
        values = (str(one[key]["value"]) if key in one else _NOTHING for one in (agreed, theirs))
        yield fact["where"], fact["what"], *values
    for name, facts in first.part["suites"].items():
        lists = (", ".join(one["gates"]) for one in (facts, file.part["suites"][name]))
        yield name, "list of gates", *lists
        for what in ("checkpoint", "judge"):
            has, has_too = (
                _NOTHING if one[what] is None else "one"
                for one in (facts, file.part["suites"][name])
            )
            yield name, what, has, has_too
    parts = first.part, file.part
    required, also = (", ".join(part["require"]["suites"]) for part in parts)
    yield first.part["require"]["where"], "list of suites", required, also
    compared, with_ = (str(part["baseline"] and part["baseline"]["suites"]) for part in parts)
    yield "--llm-judge-baseline", "list of suites", compared, with_
    for node in dict.fromkeys((*first.part["left"], *file.part["left"])):
        one, other = (str(part["left"].get(node, _NOTHING)) for part in parts)
        yield node, "part in the merge", one, other


def _begun(file: _ShardFile) -> Iterator[tuple[str, str, str]]:
    """Yield what a shard has seen of models and judges: where, what, and its value."""
    for name, facts in file.part["suites"].items():
        checkpoint, judge = facts["checkpoint"], facts["judge"]
        if checkpoint and checkpoint[1]:
            yield name, "fingerprint of the model", checkpoint[1]
        if judge and judge["model"] != UNSEEN:
            # Where a judge in files lies is another place on another machine.
            is_local = judge["model"].startswith(LOCAL)
            known = {**judge, "model": LOCAL} if is_local else judge
            for key in _OF_JUDGE:
                yield name, f"{key} of the judge", str(known[key])
    for asked, answered in file.part["answered"].items():
        yield asked, "answering name", answered


def _check_all_ran(file: _ShardFile) -> None:
    """Prove that a shard has an outcome of each of its samples, and all of its gates.

    Raises:
        BaselineError: It has not.
    """
    lost = [name for name in file.part["suites"] if name not in file.suites]
    if lost:
        problem = f"it has no results of {names_of(lost)}"
        hint = f"run {file.shard.shown} again; what it said at its end tells why"
        raise BaselineError(str(file.path), problem, hint)
    # What the user skips has no outcome where no gate decides over it.
    spared = set(file.part["spared"])
    left_out = [
        f"{name}[{sample}]"
        for name in file.suites
        for sample, outcome in file.outcomes(name).items()
        if outcome == "not run" and spared.isdisjoint(node_ids(name, sample))
    ]
    noun = "sample"
    if not left_out:
        noun = "gate"
        left_out = [
            f"{name}[{gate}]"
            for name, facts in file.part["suites"].items()
            for gate in facts["gates"]
            if gate not in facts["due"]
        ]
    if left_out:
        was = "was" if len(left_out) == 1 else "were"
        problem = f"{count_of(len(left_out), noun)} of shard {file.shard} {was} not run"
        hint = f"run it whole, without -k, -m, --lf and -x ({names_of(left_out)})"
        raise BaselineError(str(file.path), problem, hint)


def _read_baseline(part: Mapping[str, Any], given: Path | None) -> SavedRun | None:
    """Read the baseline that the shards were run with; ``None`` where they had none.

    Raises:
        LlmJudgeError: It is not there, or another one.
    """
    named = part["baseline"]
    if named is None:
        if given is not None:
            where, problem = "--baseline", "the shards were run without a baseline"
            raise SettingsError(where, problem, "leave it out, or run them with it")
        return None
    path = Path(named["path"]) if given is None else given
    where = str(path) if given is None else f"--baseline {path}"
    # pathlib raises where a name is too long, or closed.
    if given is None and not os.path.exists(path):  # noqa: PTH110
        problem = "the baseline of the shards is not there"
        raise BaselineError(where, problem, "name it with --baseline")
    run = read_results(path, all_kinds(), named_by="--baseline" if given is not None else "")
    if file_digest(path) != part["agreed"]["baseline"]["value"]:
        problem = "it is not the baseline that the shards were run with"
        raise BaselineError(where, problem, "name that one with --baseline")
    return run


def _merged(
    kind: Kind[Any], name: str, files: Sequence[_ShardFile], baseline: SavedRun | None
) -> AnyResult:
    """Return a suite of the whole run, with the gates that are decided here."""
    part = files[0].part
    facts = part["suites"][name]
    shards = [kind.from_document(one.suites[name], one.document["judge"]) for one in files]
    samples = _samples(kind, name, files, shards)
    lines = [
        file.part["changed"][model]
        for file, shard in zip(files, shards, strict=True)
        for model in kind.models(shard)
        if model in file.part["changed"]
    ]
    joined = kind.joined(shards, samples, facts)
    comparison: Comparison | None = None
    gates: list[GateResult] = []
    # What a judge makes of known answers is one thing for all: its worst is what it is.
    for one in joined_gates(kind.worst_first(shards), facts["gates"]):
        if not (one.outcome == "not run" and one.reason == MERGED):
            gates.append(one)
            continue
        gate = one.name
        left = part["left"][f"{name}[{gate}]"]
        if gate == BASELINE and baseline is not None:
            comparison = _compared(kind, joined, files[0], baseline)
            decision = decide_baseline(comparison)
            if decision.passed and decision.cause is not None and left["warning_fails"]:
                strict = replace(comparison.rule, inconclusive="fail")
                decision = decide_baseline(replace(comparison, rule=strict))
        else:
            decision = kind.decide(gate, joined, facts)
        outcome, reason = "passed" if decision.passed else "failed", decision.reason
        if decision.passed and left["must_fail"]:
            outcome, reason = "failed", f"{reason}; {XPASSED}"
        gates.append(GateResult(gate, outcome, reason, decision.cause))
    result: AnyResult = without_pass(kind.decided(joined, gates, comparison), lines)
    return result


def _samples(
    kind: Kind[Any], name: str, files: Sequence[_ShardFile], shards: Sequence[AnyResult]
) -> list[Any]:
    """Return the samples of all shards in the suite's order."""
    placed: list[tuple[int, Any]] = []
    for file, shard in zip(files, shards, strict=True):
        listed = getattr(shard, kind.samples)
        own = [sample for sample in listed if kind.sample_id(sample) in file.shard]
        placed += zip(file.part["places"][name], own, strict=True)
    return [sample for _, sample in sorted(placed, key=itemgetter(0))]


def _compared(
    kind: Kind[Any], joined: AnyResult, file: _ShardFile, baseline: SavedRun
) -> Comparison:
    judge, facts = file.document["judge"], file.part["suites"][joined.name]
    now = kind.saved_side(kind.document(joined, judge), judge)
    assert kind.measure is not None  # noqa: S101  # else the suite had no such gate
    assert now is not None  # noqa: S101  # as above
    before = baseline.side(kind.measure, file.part["baseline"]["suites"][joined.name])
    return compare(before, now, Rule(**facts["rule"]))


def _unmet(
    files: Sequence[_ShardFile], run: RunResult, decided: Sequence[tuple[str, GateResult]]
) -> Iterator[LlmJudgeError]:
    """Yield what keeps the run from having decided over the suites that it requires."""
    part = files[0].part
    # All samples and gates have come to their end, or the shards are not merged.
    reported = [
        f"{name}[{item}]"
        for name, facts in part["suites"].items()
        for item in (*chain.from_iterable(file.outcomes(name) for file in files), *facts["due"])
    ]
    expected = (f"{name}[{gate.name}]" for name, gate in decided if gate.outcome != "passed")
    yield from unmet(
        part["require"]["where"],
        part["require"]["suites"],
        part["suites"],
        reported=reported,
        spared={*expected, *(node for file in files for node in file.part["spared"])},
        outcomes={result.name: result.outcome for result in run.results},
    )
