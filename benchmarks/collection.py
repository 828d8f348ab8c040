"""A suite of 52,000 records beside plain pytest with the same 52,000 ids, as ratios.

    python benchmarks/collection.py [--records N] [--format messages]

Both test files hold one function with as many items. Each command runs in a process of its own,
and wall time and peak memory are the operating system's. The warm run finds every verdict in the
store, which a run before it has filled.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

RECORDS = 52_000
OURS = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_average=1)
def test_instructions(verdict):
    pass
"""
PLAIN = """
import json, pathlib, pytest

IDS = json.loads(pathlib.Path(__file__).with_name("ids.json").read_text())

@pytest.mark.parametrize("number", range(len(IDS)), ids=IDS)
def test_instructions(number):
    pass
"""
LIMITS = {"collect": (1.5, 1.5), "warm run": (2.0, None), "warm run, -n 2": (2.0, None)}
OF_MESSAGES = {**LIMITS, "collect": (1.7, None)}


class Cost(NamedTuple):
    """Wall seconds of a command, and MiB of its largest process at its peak."""

    seconds: float
    mib: float


def measure(folder: Path, *arguments: str) -> Cost:
    """Run pytest once in ``folder`` and wait for it; it must pass."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        message = f"{' '.join(command)} in {folder} ended with status {status}"
        raise SystemExit(message)
    return Cost(seconds, usage.ru_maxrss / 1024)


def as_messages(record: dict[str, str]) -> dict[str, object]:
    """Return a record as a conversation of one turn."""
    texts = {"user": record["instruction"], "assistant": record["output"]}
    messages = [{"role": role, "content": text} for role, text in texts.items()]
    return {"messages": messages, "model_response": record["model_response"]}


def write_projects(folder: Path, count: int, *, messages: bool) -> tuple[Path, Path]:
    """Write both test files; the plain one has the ids that ours gives its records."""
    ours, plain = folder / "ours", folder / "plain"
    for project in (ours, plain):
        project.mkdir()
    records = [
        {
            "instruction": f"Name the author of book number {number}, and the year.",
            "input": "",
            "output": f"The author is number {number}.",
            "model_response": f"The author is number {number % 7}.",
        }
        for number in range(count)
    ]
    values = [as_messages(record) for record in records] if messages else records
    (ours / "data.json").write_text(json.dumps(values), encoding="utf-8")
    (ours / "test_suite.py").write_text(OURS, encoding="utf-8")

    from pytest_llmjudge.records.loading import load_records

    ids = [record.id for record in load_records(ours / "data.json")]
    (plain / "ids.json").write_text(json.dumps([*ids, "average"]), encoding="utf-8")
    (plain / "test_suite.py").write_text(PLAIN, encoding="utf-8")
    return ours, plain


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=RECORDS, help="how many records")
    parser.add_argument("--format", choices=("alpaca", "messages"), default="alpaca")
    arguments = parser.parse_args()
    count, is_chat = arguments.records, arguments.format == "messages"
    limits = OF_MESSAGES if is_chat else LIMITS
    # References that differ in a number alone are no known answers that chrF could tell apart.
    judge = ("--llm-judge", "--llm-judge-model=embedded", "--llm-judge-check=off")
    kinds = {
        "collect": ("--collect-only",),
        "warm run": (),
        "warm run, -n 2": ("-n", "2"),
    }
    with tempfile.TemporaryDirectory() as name:
        ours, plain = write_projects(Path(name), count, messages=is_chat)
        cold = measure(ours, *judge)
        print(f"{count:,} records; the run that fills the store takes {cold.seconds:.1f} s")
        print(f"{'':<16}{'plain pytest':>22}{'pytest --llm-judge':>22}{'ratio':>16}{'limit':>14}")
        for kind, given in kinds.items():
            theirs = measure(plain, *given)
            mine = measure(ours, *judge, *given)
            print(row(kind, theirs, mine, limits[kind]))


def row(kind: str, theirs: Cost, mine: Cost, most: tuple[float, float | None]) -> str:
    """Write one line of the table; a missing limit is a dash."""
    limits = " / ".join("-" if limit is None else f"{limit}" for limit in most)
    ratio = f"{mine.seconds / theirs.seconds:.2f} / {mine.mib / theirs.mib:.2f}"
    costs = [f"{cost.seconds:.1f} s, {cost.mib:.0f} MiB" for cost in (theirs, mine)]
    return f"{kind:<16}{costs[0]:>22}{costs[1]:>22}{ratio:>16}{limits:>14}"


if __name__ == "__main__":
    main()
