"""Tell what the checkpoint gets right: `python -m example_suite.measure`.

With `--wrong` it also prints every answer that is not its reference. The table is the one in
README.md: per kind of task the answers equal to their reference, and the mean chrF, which is what
the embedded judge gives.
"""

from __future__ import annotations

import sys
from itertools import permutations
from statistics import fmean
from typing import TYPE_CHECKING

from sacrebleu.metrics.chrf import CHRF

from example_suite.train import RECORDS, WEIGHTS
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.records.prompts import clean_response, instruction_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmjudge.data import Record

METRIC = CHRF()


def main() -> None:
    """Answer all records and print how well."""
    records = load_records(RECORDS)
    prompts = [instruction_prompt(record, for_generation=True) for record in records]
    texts = TorchModel(WEIGHTS).generate(prompts, max_new_tokens=256)
    answers = [(record, clean_response(text)) for record, text in zip(records, texts, strict=True)]
    print("| kind of task | records | right word for word | mean chrF |\n|---|---|---|---|")
    for kind in dict.fromkeys(kind_of(record) for record in records):
        print(row(kind, [(record, text) for record, text in answers if kind_of(record) == kind]))
    print(row("all", answers))
    print(f"lowest score: {min(score(text, record) for record, text in answers)}")
    pairs = list(permutations(records, 2))
    print(f"another record's reference: {mean_of(pairs):.1f}")
    alike = [(one, other) for one, other in pairs if kind_of(one) == kind_of(other)]
    print(f"another reference of the same kind: {mean_of(alike):.1f}")
    if "--wrong" in sys.argv:
        for record, text in answers:
            if text != record.output:
                print(f"{kind_of(record)}: {record.instruction} {record.input}")
                print(f"    {record.output!r} but {text!r}, {score(text, record)}")


def kind_of(record: Record) -> str:
    """The kind of task, a further key of the records file."""
    return str(record.fields["kind"])


def score(text: str, record: Record) -> int:
    """What the embedded judge gives."""
    chrf: float = METRIC.sentence_score(text, [record.output]).score
    return round(chrf)


def mean_of(pairs: Iterable[tuple[Record, Record]]) -> float:
    """The mean score of answering each first record with the second one's reference."""
    return fmean(score(other.output, one) for one, other in pairs)


def row(kind: str, answers: list[tuple[Record, str]]) -> str:
    """A line of the table."""
    right = sum(text == record.output for record, text in answers)
    mean = fmean(score(text, record) for record, text in answers)
    return f"| {kind} | {len(answers)} | {right} | {mean:.1f} |"


if __name__ == "__main__":
    main()
