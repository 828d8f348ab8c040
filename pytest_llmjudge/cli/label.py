"""The command ``llmjudge label``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.cli.output import LABELS_ERROR, print_json, print_text
from pytest_llmjudge.kinds import all_kinds
from pytest_llmjudge.values import parse_count, parse_port, parse_seed

if TYPE_CHECKING:
    import argparse

    from pytest_llmjudge.cli.output import Parser
    from pytest_llmjudge.labelling.run import Labelled

__all__ = ["add_label"]


def add_label(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Score a random sample of responses yourself, on a local page"
    labelling = commands.add_parser(
        "label",
        help=summary,
        description=f"{summary}, without seeing the judge's scores. Needs Flask: "
        'pip install "pytest-llmjudge[label]". Exit status: 0, 2 for a usage error, or 4 for a '
        "labels file that cannot be used.",
    )
    labelling.add_argument("results", type=Path, metavar="RESULTS", help="Results file")
    labelling.add_argument(
        "--out",
        type=Path,
        default=Path("labels.jsonl"),
        metavar="FILE",
        help="Labels file, which is added to (default: labels.jsonl)",
    )
    labelling.add_argument(
        "--sample",
        metavar="N",
        help="Records to draw (default: 40, or as many as the labels file has)",
    )
    labelling.add_argument(
        "--seed", metavar="N", help="Draws the sample (default: 123, or that of the labels file)"
    )
    labelling.add_argument(
        "--suite",
        metavar="NAME",
        help="Suite to label (default: the only one, or that of the labels file)",
    )
    labelling.add_argument("--labeler", metavar="NAME", help="Who labels (default: the login name)")
    labelling.add_argument(
        "--port", default="0", metavar="PORT", help="Port on 127.0.0.1 (default: any free one)"
    )
    labelling.add_argument("--no-browser", action="store_true", help="Open no browser")
    labelling.add_argument(
        "--json", action="store_true", help="Print the outcome as JSON, and all else to stderr"
    )
    labelling.set_defaults(run=_label, people_file_status=LABELS_ERROR)


def _label(options: argparse.Namespace) -> int:
    # What the page needs is heavy, and no other command's.
    from pytest_llmjudge.labelling.run import hold_labelling
    from pytest_llmjudge.labelling.sample import Wanted

    labelled = hold_labelling(
        options.results,
        options.out,
        all_kinds(),
        Wanted(
            suite=options.suite,
            size=None if options.sample is None else parse_count("--sample", options.sample),
            seed=None if options.seed is None else parse_seed("--seed", options.seed),
        ),
        tell=partial(print_text, stream=sys.stderr if options.json else sys.stdout),
        labeler=options.labeler,
        port=parse_port("--port", options.port),
        opens_browser=sys.stdout.isatty() and not options.no_browser,
    )
    if options.json:
        print_json({"labels": str(options.out), **_plain(labelled)})
    return 0


def _plain(labelled: Labelled) -> dict[str, object]:
    sample, outcome = labelled.sample, labelled.outcome
    return {
        "design": asdict(sample.design),
        "labeler": outcome.own.labeler,
        "responses": outcome.responses,
        "labelled": outcome.own.labels,
        "without_response": [answer.id for answer in sample.missing],
        "labelers": [asdict(one) for one in (outcome.own, *outcome.others)],
        "agreement": None if outcome.agreement is None else asdict(outcome.agreement),
    }
