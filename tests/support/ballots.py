"""Results files to vote on or to label, and the servers of both pages as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support import worker_forks
from tests.unit.storage.test_results_reader import SMALLEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SUITE = "test_a.py::test_a"

CODE = """
import os, sys
from pytest_llmjudge.cli import main
print(os.getpid(), flush=True)
sys.exit(main())
"""
"""What a process of a page does; its first line says which process it is."""


def record(number: int, response: str | None, **fields: object) -> dict[str, Any]:
    """Return a record of a results file; it asks the same in every file."""
    (suite,) = SMALLEST["suites"]
    (first,) = suite["records"]
    name = f"r{number}"
    return {**first, "id": name, "instruction": f"Say {name}.", "model_response": response} | fields


def suite_of(
    model: str, records: Sequence[Mapping[str, Any]], *, name: str = SUITE, **fields: object
) -> dict[str, Any]:
    """Return a suite of a results file."""
    (suite,) = SMALLEST["suites"]
    checkpoint = {"path": model, "fingerprint": f"of {model}"}
    scores = [int(one["score"]) for one in records if one["score"] is not None]
    is_whole = bool(scores) and len(scores) == len(records)
    figures = {
        "total": len(records),
        "scored": len(scores),
        "unscored": len(records) - len(scores),
        "average": sum(scores) / len(scores) if is_whole else None,
    }
    whole = {**suite, **figures, "name": name, "checkpoint": checkpoint}
    return {**whole, "records": list(records), **fields}


def write_results(path: Path, *suites: Mapping[str, Any], digest: str = "abc") -> Path:
    """Write a results file."""
    judge = {**SMALLEST["judge"], "digest": digest}
    document = {**SMALLEST, "judge": judge, "suites": list(suites)}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_pair(
    folder: Path, count: int, old: str = "old-pony.pth", new: str = "new-zebra.pth"
) -> None:
    """Write ``a.json`` and ``b.json``: two models with different answers to each record."""
    for file, model, word in (("a.json", old, "First"), ("b.json", new, "Second")):
        records = [record(number, f"{word} of {number}.") for number in range(count)]
        write_results(folder / file, suite_of(model, records))


def lines_in(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of votes or labels."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


class PageProcess:
    """A running ``llmjudge vote`` or ``llmjudge label``."""

    def __init__(self, process: subprocess.Popen[str], verb: str) -> None:
        self._process = process
        self.lines: list[str] = []
        self.address = ""
        assert process.stdout is not None
        self._number = int(process.stdout.readline())
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))
            match = re.match(rf"{verb} at (http://127\.0\.0\.1:\d+/)", line)
            if match:
                self.address = match[1]
                return
        _, problem = process.communicate()
        raise AssertionError("\n".join([*self.lines, problem]))

    def end(self, number: signal.Signals) -> tuple[int, list[str], str]:
        """Send a signal; return the status, the lines after the address, and standard error."""
        os.kill(self._number, number)
        out, problem = self._process.communicate(timeout=300)
        # It comes as a byte, where the process was forked.
        status = (self._process.returncode + 128) % 256 - 128
        return status, out.splitlines(), problem

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self.end(signal.SIGKILL)


@contextmanager
def voting(folder: Path, *arguments: str) -> Iterator[PageProcess]:
    """Run ``llmjudge vote a.json b.json --out votes.jsonl`` in a folder."""
    files = ["a.json", "b.json", "--out", "votes.jsonl"]
    with _running(folder, "vote", *files, "--voter", "ann", *arguments) as server:
        yield server


@contextmanager
def labelling(folder: Path, *arguments: str) -> Iterator[PageProcess]:
    """Run ``llmjudge label a.json`` in a folder."""
    with _running(folder, "label", "a.json", "--labeler", "ann", *arguments) as server:
        yield server


@contextmanager
def _running(folder: Path, verb: str, *arguments: str) -> Iterator[PageProcess]:
    with subprocess.Popen(
        worker_forks.python(CODE, verb, *arguments),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        server = PageProcess(process, verb)
        try:
            yield server
        finally:
            server.kill()
