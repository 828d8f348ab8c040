"""The command ``llmjudge rate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.cli.output import print_json, print_text
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.stats.rating import RESAMPLES, START, rate
from pytest_llmjudge.values import parse_anchor, parse_resamples

if TYPE_CHECKING:
    import argparse

    from pytest_llmjudge.cli.output import Parser
    from pytest_llmjudge.data import Ratings
    from pytest_llmjudge.storage.outcomes import Gathered

__all__ = ["add_rate"]

_MOST_WORK = 2e9
"""Resamples times the cube of models: a minute or less, and 1000 resamples of 125 models."""


def add_rate(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Rate models by votes of people and by results of judges"
    rating = commands.add_parser(
        "rate", help=summary, description=f"{summary}. Exit status: 0, or 2 for a usage error."
    )
    rating.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="Votes file (.jsonl) or results file (.json)",
    )
    rating.add_argument(
        "--anchor",
        metavar="MODEL[=RATING]",
        help=f"Model whose rating is set (default: the mean of all is {START:g})",
    )
    rating.add_argument(
        "--bootstrap",
        default=str(RESAMPLES),
        metavar="N",
        help=f"Resamples for the intervals, at least 100; 0 for none (default: {RESAMPLES})",
    )
    rating.add_argument("--json", action="store_true", help="Print JSON")
    rating.set_defaults(run=_rate)


def _rate(options: argparse.Namespace) -> int:
    # No other command waits for these imports.
    from pytest_llmjudge.reporting.rating import ratings_lines
    from pytest_llmjudge.storage.outcomes import gather

    resamples = parse_resamples("--bootstrap", options.bootstrap)
    gathered = gather(options.files, all_kinds())
    if not gathered.outcomes:
        raise _nothing(options.files, gathered)
    models = {name for one in gathered.outcomes for name in (one.model_a, one.model_b)}
    if resamples * len(models) ** 3 > _MOST_WORK:
        problem = f"{resamples} resamples of {len(models)} models take too long"
        where, hint = "--bootstrap", "give --bootstrap=0, or name fewer files"
        raise SettingsError(where, problem, hint)
    anchor = None
    if options.anchor is not None:
        anchor = parse_anchor("--anchor", options.anchor, sorted(models), START)
    ratings = rate(gathered.outcomes, anchor=anchor, resamples=resamples)
    if options.json:
        print_json(_document(ratings, gathered))
    else:
        for line in ratings_lines(
            ratings, gathered.outcomes, gathered.unscored, gathered.notes, gathered.agreement
        ):
            print_text(line)
    return 0


def _nothing(files: list[Path], gathered: Gathered) -> SettingsError:
    """Say that there is nothing to rate by, and the first reason that is known."""
    problem = "no pair of models has an outcome"
    reasons = [f"{one.file}: {one.id}: {one.cause}" for one in gathered.unscored]
    for reason in [*gathered.notes, *reasons][:1]:
        problem += f" ({reason})"
    hint = "name votes files, or results of several models over the same records by one judge"
    return SettingsError(", ".join(map(str, files)), problem, hint)


def _document(ratings: Ratings, gathered: Gathered) -> dict[str, object]:
    from pytest_llmjudge.reporting.rating import counted

    return {
        "ratings": [asdict(rating) for rating in ratings.ratings],
        "matrix": [asdict(standing) for standing in ratings.matrix],
        "components": ratings.components,
        "outcomes": counted(gathered.outcomes),
        "unscored": [asdict(one) for one in gathered.unscored],
        "notes": [*ratings.notes, *gathered.notes],
        "agreement": None if gathered.agreement is None else asdict(gathered.agreement),
    }
