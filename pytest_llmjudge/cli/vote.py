"""The command ``llmjudge vote``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.cli.output import print_json, print_text
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.values import parse_port

if TYPE_CHECKING:
    import argparse

    from pytest_llmjudge.cli.output import Parser

__all__ = ["add_vote"]


def add_vote(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Vote blindly between two models' answers, on a local page"
    voting = commands.add_parser(
        "vote",
        help=summary,
        description=f"{summary}. The models are named only at the end. Needs Flask: "
        'pip install "pytest-llmjudge[vote]". Exit status: 0, or 2 for a usage error.',
    )
    voting.add_argument("first", type=Path, metavar="RESULTS", help="Results of a model")
    voting.add_argument(
        "others", type=Path, nargs="+", metavar="RESULTS", help="Results of others, same records"
    )
    voting.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="Votes file, which is added to"
    )
    voting.add_argument("--voter", metavar="NAME", help="Who votes (default: the login name)")
    voting.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="What a file's model is called; once for each file, in their order",
    )
    voting.add_argument(
        "--port", default="0", metavar="PORT", help="Port on 127.0.0.1 (default: any free one)"
    )
    voting.add_argument("--no-browser", action="store_true", help="Open no browser")
    voting.add_argument(
        "--json", action="store_true", help="Print the outcome as JSON, and all else to stderr"
    )
    voting.set_defaults(run=_vote)


def _vote(options: argparse.Namespace) -> int:
    # What the page needs is heavy, and no other command's.
    from pytest_llmjudge.voting.run import hold_vote

    outcomes = hold_vote(
        [options.first, *options.others],
        options.out,
        all_kinds(),
        tell=partial(print_text, stream=sys.stderr if options.json else sys.stdout),
        voter=options.voter,
        names=options.name,
        port=parse_port("--port", options.port),
        opens_browser=sys.stdout.isatty() and not options.no_browser,
    )
    if options.json:
        pairs = [asdict(outcome) for outcome in outcomes]
        print_json({"votes": str(options.out), "pairs": pairs})
    return 0
