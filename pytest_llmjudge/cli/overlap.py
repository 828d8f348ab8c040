"""The command ``llmjudge overlap``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.cli.output import print_json, print_text
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.values import parse_fields, parse_overlap

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pytest_llmjudge.cli.output import Parser

__all__ = ["add_overlap"]


def add_overlap(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those that the command line may give."""
    summary = "Find held-out records that appear in the training data, word for word or nearly"
    finding = commands.add_parser(
        "overlap",
        help=summary,
        description=f"{summary}, as the gate [overlap] does. Exit status: 0 no record appears "
        "there word for word, or no more than --max-overlap allows, 1 more do, 2 usage error.",
    )
    finding.add_argument(
        "training",
        type=Path,
        nargs="+",
        metavar="TRAINING",
        help="Data that the model was trained on: a records file of any format, or several",
    )
    finding.add_argument(
        "held_out", type=Path, metavar="HELD_OUT", help="Records file of the suite"
    )
    finding.add_argument(
        "--max-overlap",
        metavar="SHARE",
        help="Share of the records, from 0 to 1, that may appear there, word for word or nearly "
        "(default: none word for word, and near ones are listed)",
    )
    finding.add_argument(
        "--fields",
        metavar="NAME=FIELD",
        help="Which field of a record is which part of it, such as 'instruction=question "
        "output=answer'; also for training data that has all of these fields",
    )
    finding.add_argument("--split", help="Split of HELD_OUT that is read, where it has several")
    finding.add_argument("--json", action="store_true", help="Print JSON")
    finding.set_defaults(run=_overlap)


def _overlap(options: argparse.Namespace) -> int:
    # No other command waits for these imports.
    from pytest_llmjudge.data import Criterion
    from pytest_llmjudge.kinds.overlap import overlap_text, plain_overlap
    from pytest_llmjudge.records.files import find_source
    from pytest_llmjudge.records.loading import load_records
    from pytest_llmjudge.records.training import find_overlap, is_same_data, read_training

    most = options.max_overlap
    most = None if most is None else parse_overlap("--max-overlap", most)
    fields: Mapping[str, str] | None = None
    if options.fields is not None:
        fields = parse_fields("--fields", options.fields)
    source = find_source(options.held_out, options.split)
    # Only questions are compared, so that no record needs a reference.
    records = load_records(source, fields=fields, criteria=[Criterion("", "any")])
    training = [read_training(path, str(path), fields) for path in options.training]
    for one in training:
        if is_same_data(one.source, source):
            problem = f"it is the held-out file {options.held_out} itself"
            hint = "name the data that the model was trained on, and then the held-out file"
            raise SettingsError(one.file.path, problem, hint)
    overlap = find_overlap(records, training, most)
    if options.json:
        outcome = "passed" if overlap.is_allowed else "failed"
        held_out = str(options.held_out)
        print_json({"held_out": held_out, "outcome": outcome, **plain_overlap(overlap)})
    else:
        print_text(overlap_text(overlap, None))
    return 0 if overlap.is_allowed else 1
