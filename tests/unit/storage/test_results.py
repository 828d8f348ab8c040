"""What a run leaves is whole and follows its schema, whenever it is killed."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_llmjudge.data import JudgeIdentity, Record, RecordResult, RunResult, SuiteResult
from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.kinds.document import results_document
from pytest_llmjudge.storage.files import write_text
from pytest_llmjudge.storage.results import write_results
from tests.support.saved import read_results

KILLS = 20


def run_of(number: int, **more: object) -> RunResult:
    """Make a run whose 60 records say ``number``."""
    text = f"{number} " * 50
    results = [
        RecordResult(
            Record(f"r{index}", text, "", text, {}),
            model_response=text,
            score=50,
            reply=str(number),
            error=None,
            outcome="passed",
        )
        for index in range(60)
    ]
    values = {
        "name": "test_a.py::test_a",
        "path": "a.json",
        "checkpoint": None,
        "judge": JudgeIdentity("llama3", "ollama", "0.24.0", "d", {}),
        "judge_label": "llama3",
        "total": 60,
        "records": tuple(results),
        "gates": (),
        "min_score": 20,
        "min_average": None,
        "outcome": "passed",
    }
    return RunResult("2026-01-02T03:04:05+00:00", (SuiteResult(**{**values, **more}),))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """At 20 random moments: a whole file each time, of one run alone."""
    code = "import sys; from tests.unit.storage.test_results import kill_writers; kill_writers()"
    # In a process of its own: a fork of one that has threads is no fair trial.
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=_with_tests(),
        capture_output=True,
        check=True,
    )

    counts = json.loads(done.stdout)
    assert counts["kills"] == KILLS
    assert counts["whole"] == KILLS
    assert counts["different"] == KILLS
    # Some kills came in the middle of a file.
    assert counts["remains"] > 0


def _with_tests() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def kill_writers() -> None:
    """Kill 20 processes that write one file after the other; print what was there each time."""
    path, lots = Path("results.json"), random.Random(5)  # noqa: S311  # moments, not secrets
    write_results(path, results_document(run_of(0), "0.1.0"))
    seen, whole = set(), 0
    for kill in range(KILLS):
        began, begins = os.pipe()
        process = os.fork()
        if process == 0:
            runs = [results_document(run_of(2 * kill + number), "0.1.0") for number in range(2)]
            # Padded, so that most of the time goes by while a file is written.
            files = [json.dumps({**document, "padding": " " * 10_000_000}) for document in runs]
            for text in itertools.cycle(files):
                write_text(path, text)
                os.write(begins, b".")
        # However busy the machine is: the first file is there.
        os.read(began, 1)
        time.sleep(lots.uniform(0.02, 0.2))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(began)
        os.close(begins)
        (side,) = read_results(path).sides.values()
        texts = {entry.response for entry in side.entries}
        whole += len(side.entries) == 60 and len(texts) == 1
        seen |= texts
    remains = len(list(Path().iterdir())) - 1
    counts = {"kills": KILLS, "whole": whole, "different": len(seen), "remains": remains}
    sys.stdout.write(json.dumps(counts))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"outcome": "fine"},
            "suites.0.outcome: 'fine' is not one of ['passed', 'failed', 'incomplete']",
        ),
        ({"min_score": 101}, "suites.0.min_score: 101 is greater than the maximum of 100"),
    ],
)
def test_what_does_not_follow_the_schema_is_not_written(
    tmp_path: Path, more: dict[str, object], text: str
) -> None:
    """An older file stays, and the line says what is wrong."""
    path = tmp_path / "results.json"
    path.write_text("old", encoding="utf-8")

    with pytest.raises(StoreError) as raised:
        write_results(path, results_document(run_of(1, **more), "0.1.0"))

    assert str(raised.value) == (
        f"{path}: it was not written: {text}; correct what gave this; all verdicts are kept in the "
        "cache"
    )
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Written and read by the same rules."""
    path = tmp_path / "results.json"

    write_results(path, results_document(run_of(7), "0.1.0"))

    document = json.loads(path.read_text(encoding="utf-8"))
    run = read_results(path)
    assert run.document == document
    assert [entry.score for entry in run.sides["test_a.py::test_a"].entries] == [50] * 60
