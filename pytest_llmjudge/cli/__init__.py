"""The command ``llmjudge``: what can be done with results and votes, without pytest."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge import __version__
from pytest_llmjudge.cli.history import add_history
from pytest_llmjudge.cli.judges import add_judges
from pytest_llmjudge.cli.label import add_label
from pytest_llmjudge.cli.merge import add_merge
from pytest_llmjudge.cli.output import Parser, print_json, print_text
from pytest_llmjudge.cli.overlap import add_overlap
from pytest_llmjudge.cli.rate import add_rate
from pytest_llmjudge.cli.report import add_report
from pytest_llmjudge.cli.vote import add_vote
from pytest_llmjudge.data import Rule
from pytest_llmjudge.data.comparison import NO_DROP, NOT_WORSE, POINTS, SIGNIFICANCE, WARN
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.decisions.gates import Decision, decide_baseline
from pytest_llmjudge.decisions.matching import match_suites
from pytest_llmjudge.decisions.parity import compare_texts
from pytest_llmjudge.decisions.rules import check_margin
from pytest_llmjudge.decisions.sample_size import reach_under
from pytest_llmjudge.decisions.worst_case import why_it_cannot_fail
from pytest_llmjudge.errors import BaselineError, LlmJudgeError, PeopleFileError, SettingsError
from pytest_llmjudge.kinds import all_kinds, compared_kinds
from pytest_llmjudge.kinds.plain import plain_comparison
from pytest_llmjudge.reporting.comparison import comparison_text
from pytest_llmjudge.reporting.markdown import comparisons_markdown
from pytest_llmjudge.reporting.power import power_lines
from pytest_llmjudge.stats.basics import POWER
from pytest_llmjudge.stats.groups import group_numbers
from pytest_llmjudge.storage.results_reader import SavedRun, read_results
from pytest_llmjudge.system import check_system
from pytest_llmjudge.values import (
    parse_alpha,
    parse_count,
    parse_drop,
    parse_power,
    parse_renamed,
    parse_rise,
    parse_some_drop,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Comparison, Measure, Reach, Side
    from pytest_llmjudge.decisions.parity import Parity

__all__ = ["main", "make_parser"]

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Of the command line, by default this process's.

    Returns:
        0 when all is well, 1 when a suite is worse or cannot be compared, 2 for a usage error (4
        of ``merge``), and 4 for a labels file that cannot be labelled on.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Who closes an output wants the exit status alone.
            setattr(sys, name, io.StringIO())
    options = make_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe or an old terminal may not know a character of a response.
        sys.stdout.reconfigure(errors="backslashreplace")
    error_status: int = getattr(options, "error_status", _USAGE_ERROR)
    try:
        check_system("this command")
        status: int = options.run(options)
        sys.stdout.flush()
    except LlmJudgeError as error:
        sys.stderr.write("".join(f"llmjudge: {line}\n" for line in error.lines))
        if isinstance(error, PeopleFileError):
            file_status: int = getattr(options, "people_file_status", _USAGE_ERROR)
            return file_status
        return error_status
    except BrokenPipeError:
        # Whoever read has had enough.
        _write_nowhere()
        return error_status
    except OSError as error:
        sys.stderr.write(f"llmjudge: output: it cannot be written ({error.strerror}); make room\n")
        _write_nowhere()
        return error_status
    return status


def _write_nowhere() -> None:
    """Let what Python still holds for the output, and would write at its end, be lost."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = Parser(
        prog="llmjudge",
        description="Work with the results, votes and labels files of pytest-llmjudge.",
    )
    parser.add_argument("--version", action="version", version=f"llmjudge {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    summary = "Compare two results files, as the gate [baseline] does"
    comparing = commands.add_parser(
        "compare",
        help=summary,
        description=f"{summary}. Exit status: 0 no suite is worse, 1 one is or cannot be compared, "
        "2 usage error.",
    )
    comparing.add_argument("old", type=Path, help="Results of the release")
    comparing.add_argument("new", type=Path, help="Results of the candidate")
    comparing.add_argument(
        "--max-drop",
        default="0",
        metavar="POINTS",
        help="Points of its average that a suite may lose (default: 0)",
    )
    comparing.add_argument(
        "--max-rise",
        metavar="NATS",
        help="Nats a token by which a loss may rise (default: what rounding may change)",
    )
    _add_rule(comparing)
    comparing.add_argument(
        "--inconclusive",
        choices=("fail", WARN),
        default="fail",
        help="When not-worse can neither be proved nor disproved (default: fail)",
    )
    comparing.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="Compare suites of different names; several times for several suites",
    )
    form = comparing.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="Print JSON")
    form.add_argument("--markdown", action="store_true", help="Print Markdown")
    comparing.set_defaults(run=_compare)

    summary = "Say how many records a suite needs to show a drop, or to prove that it is not worse"
    power = commands.add_parser(
        "power", help=summary, description=f"{summary}, from its own spread."
    )
    power.add_argument("results", type=Path, help="Results file")
    power.add_argument(
        "--drop",
        required=True,
        metavar="POINTS",
        help="Drop to be shown; with --rule not-worse the margin",
    )
    _add_rule(power)
    power.add_argument(
        "--suites",
        default="1",
        metavar="K",
        help="How many suites are compared in one run (default: 1)",
    )
    power.add_argument(
        "--power",
        default=str(POWER),
        metavar="SHARE",
        help="How often such a drop is to be shown, or an equal model to be proved not worse, from "
        f"0.5 to 0.999 (default: {POWER})",
    )
    power.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="Results of another release, to measure how scores of two releases differ",
    )
    power.add_argument("--json", action="store_true", help="Print JSON")
    power.set_defaults(run=_power)
    add_history(commands)
    add_judges(commands)
    add_label(commands)
    add_merge(commands)
    add_overlap(commands)
    add_rate(commands)
    add_report(commands)
    add_vote(commands)
    return parser


def _add_rule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rule",
        choices=(NO_DROP, NOT_WORSE),
        default=NO_DROP,
        help="As --llm-judge-baseline-rule (default: no-drop)",
    )
    parser.add_argument(
        "--alpha",
        default=str(SIGNIFICANCE),
        metavar="SHARE",
        help=f"As --llm-judge-alpha (default: {SIGNIFICANCE})",
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    name: str
    comparison: Comparison
    decision: Decision
    parity: Parity | None
    why_idle: tuple[str, str] | None
    """Why it passes whatever the new run holds, and what to do about it."""


def _compare(options: argparse.Namespace) -> int:
    rule = Rule(
        name=options.rule,
        margin=parse_drop("--max-drop", options.max_drop),
        option="--max-drop",
        inconclusive=options.inconclusive,
        alpha=parse_alpha("--alpha", options.alpha),
    )
    max_rise = options.max_rise and parse_rise("--max-rise", options.max_rise)
    old, new = (read_results(path, all_kinds()) for path in (options.old, options.new))
    renamed = parse_renamed("--suite", "\n".join(options.suite)) if options.suite else ()
    comparisons = list(_compared(old, new, rule, max_rise, renamed))
    if not comparisons:
        where = f"{options.old}, {options.new}"
        hint = "name files of runs with suites that can have the gate [baseline]"
        raise SettingsError(where, "neither has a suite that is compared", hint)
    has_passed = all(one.decision.passed for one in comparisons)
    idle = [one.why_idle for one in comparisons if one.why_idle is not None]
    if has_passed and len(idle) == len(comparisons):
        problem, hint = idle[0]
        where = f"{options.old}, {options.new}"
        raise SettingsError(where, f"the comparison cannot fail: {problem}", hint)
    if options.json:
        document = {
            "old": str(options.old),
            "new": str(options.new),
            "max_drop": rule.margin,
            "rule": rule.name,
            "alpha": rule.alpha,
            "outcome": _outcome(has_passed),
            "suites": [
                {
                    "name": one.name,
                    "outcome": _outcome(one.decision.passed),
                    "reason": one.decision.reason,
                    "cause": one.decision.cause,
                    **plain_comparison(one.comparison),
                    "responses": None if one.parity is None else asdict(one.parity),
                }
                for one in comparisons
            ],
        }
        print_json(document)
    elif options.markdown:
        rows = [(one.name, one.decision, one.comparison) for one in comparisons]
        parities = {one.name: one.parity for one in comparisons if one.parity is not None}
        print_text(comparisons_markdown(rows, parities))
    else:
        for one in comparisons:
            verdict = "passed" if one.decision.passed else "FAILED"
            if one.decision.passed and one.decision.cause is not None:
                verdict = "passed, WARNING"
            text = comparison_text(one.decision.reason, one.comparison, one.parity)
            print_text(f"{one.name}: {verdict}\n{text}")
    return 0 if has_passed else 1


def _compared(
    old: SavedRun, new: SavedRun, rule: Rule, max_rise: float | None, renamed: Sequence[str]
) -> Iterator[_Compared]:
    """Compare all suites that either run has, those that are gone too."""
    matching = match_suites(
        old.kinds, new.kinds, renamed, compared=compared_kinds(), where="--suite"
    )
    gone = [(name, name) for name in matching.lacking if name in old.sides]
    names = [*gone, *((matching.old_name(name), name) for name in new.sides)]
    measures = [(new.sides.get(after) or old.sides[before]).measure for before, after in names]
    rules = [
        replace(_rule_for(name, measure, rule, max_rise), suites=len(names))
        for (_, name), measure in zip(names, measures, strict=True)
    ]
    for (before, after), measure, own in zip(names, measures, rules, strict=True):
        sides = old.side(measure, before), new.side(measure, after)
        comparison = compare(*sides, own)
        decision, why = decide_baseline(comparison), _why_idle(*sides, own)
        if why is not None and decision.passed:
            reason = f"{decision.reason}; it cannot fail: {why[0]}"
            decision = replace(decision, reason=reason)
        yield _Compared(after, comparison, decision, compare_texts(*sides), why)


def _why_idle(before: Side, after: Side, rule: Rule) -> tuple[str, str] | None:
    keys = [(entry.id, entry.content) for entry in after.entries]
    return why_it_cannot_fail(before, keys, rule, [entry.group for entry in after.entries])


def _rule_for(name: str, measure: Measure, rule: Rule, max_rise: float | None) -> Rule:
    """Return the rule with the margin of a measure.

    Raises:
        SettingsError: It needs one.
    """
    option, margin = rule.option, rule.margin
    if measure.unit != POINTS:
        option, margin = ("", measure.tolerance) if max_rise is None else ("--max-rise", max_rise)
    own = replace(rule, option=option, margin=margin)
    wanted = "--max-drop" if measure.unit == POINTS else "--max-rise"
    check_margin(name, own, measure, f"give {wanted}, or take the rule no-drop")
    return own


def _power(options: argparse.Namespace) -> int:
    drop = parse_some_drop("--drop", options.drop)
    power = parse_power("--power", options.power)
    alpha, suites = parse_alpha("--alpha", options.alpha), parse_count("--suites", options.suites)
    rule = Rule(options.rule, drop, alpha=alpha, suites=suites)
    run = read_results(options.results, all_kinds())
    old = None if options.baseline is None else read_results(options.baseline, all_kinds())
    if not run.sides:
        hint = "name the file of a run with suites that can have the gate [baseline]"
        raise SettingsError(str(options.results), "it has no suite that is compared", hint)
    reaches = [_reach(run, old, name, rule, power) for name in run.sides]
    if options.json:
        listed = [
            {"name": name, **asdict(reach)} for name, reach in zip(run.sides, reaches, strict=True)
        ]
        print_json(
            {
                "drop": drop,
                "power": power,
                "rule": rule.name,
                "alpha": rule.planned_alpha,
                "suites": listed,
            }
        )
    else:
        for name, reach in zip(run.sides, reaches, strict=True):
            measure = run.sides[name].measure
            print_text("\n".join(power_lines(name, reach, rule, power, measure)))
    return 0


def _reach(run: SavedRun, old: SavedRun | None, name: str, rule: Rule, power: float) -> Reach:
    side = run.sides[name]
    scored = [(entry.score, entry.group) for entry in side.entries if entry.score is not None]
    deviation, pairs, effect = run.known_deviation(name)
    if old is not None:
        comparison = compare(old.side(side.measure, name), side.judged)
        if comparison.refusal is not None:
            where = f"--baseline {old.path}: {name}"
            problem, _, hint = comparison.refusal.rpartition("; ")
            raise BaselineError(where, problem, hint)
        deviation, pairs = comparison.deviation, comparison.paired
        grouped = comparison.grouped
        effect = None if grouped is None else grouped.design_effect
    return reach_under(
        rule,
        [score for score, _ in scored],
        deviation,
        pairs,
        drop=rule.margin,
        power=power,
        furthest=side.measure.furthest,
        groups=group_numbers(group for _, group in scored),
        effect=effect,
    )


def _outcome(passed: bool) -> str:  # noqa: FBT001  # a yes or no to be written out
    return "passed" if passed else "failed"
