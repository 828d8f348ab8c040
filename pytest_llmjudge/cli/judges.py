"""The command ``llmjudge judges``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.cli.output import LABELS_ERROR, print_json, print_text
from pytest_llmjudge.data.judges import AGREEMENT, ERROR
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.kinds.plain import plain_judge

if TYPE_CHECKING:
    import argparse

    from pytest_llmjudge.cli.output import Parser
    from pytest_llmjudge.data.judges import JudgeChoice, JudgeStanding, LabelledScores

__all__ = ["add_judges"]


def add_judges(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Choose a judge: several judges beside what people gave the same responses"
    choosing = commands.add_parser(
        "judges",
        help=summary,
        description=f"{summary}. Exit status: 0, 2 for a usage error, or 4 for a labels file that "
        "cannot be used.",
    )
    choosing.add_argument(
        "labels", type=Path, metavar="LABELS", help="Labels of people, as llmjudge label wrote them"
    )
    choosing.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="RESULTS",
        help="Results of each judge, over the same responses",
    )
    choosing.add_argument(
        "--by",
        choices=(ERROR, AGREEMENT),
        default=ERROR,
        help="What decides: the mean absolute error, or the rank correlation with people (default: "
        f"{ERROR})",
    )
    choosing.add_argument(
        "--suite",
        metavar="NAME",
        help="Suite of the results (default: the one whose records were drawn to be labelled)",
    )
    form = choosing.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="Print JSON")
    form.add_argument("--markdown", action="store_true", help="Print Markdown")
    choosing.set_defaults(run=_judges, people_file_status=LABELS_ERROR)


def _judges(options: argparse.Namespace) -> int:
    # No other command waits for these imports.
    from pytest_llmjudge.reporting.judges import judges_lines, judges_markdown
    from pytest_llmjudge.stats.judge_choice import choose_judge
    from pytest_llmjudge.storage.judge_scores import read_judge_scores

    scores = read_judge_scores(options.labels, options.results, all_kinds(), options.suite)
    choice = choose_judge(scores, options.by)
    if options.json:
        print_json(_document(options.labels, scores, choice))
    elif options.markdown:
        print_text(judges_markdown(scores, choice))
    else:
        print_text("\n".join(judges_lines(scores, choice)))
    return 0


def _document(labels: Path, scores: LabelledScores, choice: JudgeChoice) -> dict[str, Any]:
    from pytest_llmjudge.reporting.judges import advice, notes

    is_told = choice.best is not None and bool(choice.differences) and not choice.rivals
    paths = [one.path for one in scores.judges]
    return {
        "labels": str(labels),
        "labelled": scores.labelled,
        "labelers": scores.labelers,
        "compared": len(scores.people),
        "by": choice.by,
        "take": paths[choice.best] if is_told and choice.best is not None else None,
        "reason": advice(scores, choice),
        "judges": [_plain(one) for one in choice.standings],
        "differences": [
            {**asdict(one), "first": paths[one.first], "second": paths[one.second]}
            for one in choice.differences
        ],
        "notes": notes(scores, choice),
    }


def _plain(standing: JudgeStanding) -> dict[str, Any]:
    labelled, figures = standing.labelled, asdict(standing.agreement)
    del figures["count"]
    return {
        "file": labelled.path,
        "suite": labelled.suite,
        "judge": plain_judge(labelled.judge),
        "scored": labelled.scored,
        "unscored": [{"id": name, "error": error} for name, error in labelled.unscored],
        "missing": labelled.missing,
        **figures,
        "seconds": labelled.cost.seconds,
        "tokens": labelled.cost.tokens,
    }
