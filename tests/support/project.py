"""A small project of a user's, made and run by pytest's own pytester."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support import worker_forks
from tests.support.read_back import check_read_back
from tests.support.schema import check_results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pytest

__all__ = ["COMPARED", "MARKED", "MODEL", "Project", "records"]

MARKED = """
import pytest

@pytest.mark.llm_judge({arguments})
def test_instructions(verdict):
    pass
"""
"""A test file with one suite; format it with the marker's arguments."""

COMPARED = """
import pytest

@pytest.mark.llm_compare({arguments})
def test_pairs(preference):
    pass
"""
"""A test file with one suite of pairs; format it with the marker's arguments."""

MODEL = """
import pytest

class Echo:
    fingerprint = "echo-1"

    def generate(self, prompts, *, max_new_tokens):
        with open("generated.log", "a") as log:
            log.write(f"{{len(prompts)}}\\n")
        return [{answer} for prompt in prompts]

@pytest.fixture(scope="session")
def llm_model():
    return Echo()
"""
"""A conftest with a model under test of the user's own; format it with an expression."""


def records(count: int, *, wrong: Sequence[int] = ()) -> list[dict[str, str]]:
    """Make ``count`` records with ids ``r0``, ``r1``, …, whose responses are right but ``wrong``."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"Say {number} in words.",
            "output": f"The number {number} in words.",
            "model_response": "xyz" if number in wrong else f"The number {number} in words.",
        }
        for number in range(count)
    ]


@dataclass(frozen=True)
class Project:
    """Files and runs of a project in a temporary folder."""

    pytester: pytest.Pytester

    @property
    def path(self) -> Path:
        """The project's folder."""
        return self.pytester.path

    def write(self, name: str, content: object) -> Path:
        """Write a file: text and bytes as they are, anything else as JSON."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Older versions of pytest take a file that is written anew within a second for the old one.
        for stale in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            stale.unlink()
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return path

    def suite(
        self,
        content: object,
        arguments: str = 'responses="model_response", min_score=50',
        *,
        data: str = "data.json",
        test: str = "test_suite.py",
    ) -> None:
        """Write a records file and a test file whose marker names it."""
        self.write(data, content)
        self.write(test, MARKED.format(arguments=f'"{data}", {arguments}'))

    def pairs(
        self,
        content: object,
        arguments: str,
        *,
        data: str = "data.json",
        test: str = "test_pairs.py",
    ) -> None:
        """Write a records file and a test file whose marker compares its responses."""
        self.write(data, content)
        self.write(test, COMPARED.format(arguments=f'"{data}", {arguments}'))

    def run(self, *arguments: str, server: str | None = None) -> pytest.RunResult:
        """Run pytest in this process with ``--llm-judge``, by default with the embedded judge."""
        judge = self._judge(server, arguments)
        return self.pytester.runpytest(*judge, *arguments, plugins=[worker_forks])

    def run_subprocess(self, *arguments: str, server: str | None = None) -> pytest.RunResult:
        """Run it in a process of its own."""
        return self.pytester.run(*self.forked_command(*arguments, server=server))

    def forked_command(self, *arguments: str, server: str | None = None) -> list[str]:
        """Return the command line of a run in a process of its own, which has the imports."""
        return worker_forks.command([*self._judge(server, arguments), *arguments])

    def command(self, *arguments: str, server: str | None = None) -> list[str]:
        """Return the command line of a run in a new process, as a user has it."""
        return [sys.executable, "-m", "pytest", *self._judge(server, arguments), *arguments]

    @staticmethod
    def _judge(server: str | None, arguments: Sequence[str]) -> list[str]:
        # They take seconds to be imported by each worker.
        others = [f"-pno:{name}" for name in (*worker_forks.OTHERS, *worker_forks.UNUSED)]
        if not any(argument.startswith("--reruns") for argument in arguments):
            # It leaves a socket and a thread behind with each run in this process.
            others.append("-pno:rerunfailures")
        # Whether a judge is fit is a matter of its own; its tests ask for it.
        always = [*others, "--llm-judge", "--llm-judge-check=off"]
        if server is None:
            return [*always, "--llm-judge-model=embedded"]
        return [*always, f"--llm-judge-url={server}", "--llm-judge-timeout=20"]

    def kept(self) -> int:
        """Count the verdicts in the store."""
        path = next((self.path / ".pytest_cache").rglob("store.sqlite"))
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()[0])

    def results(self, name: str = "results.json") -> dict[str, Any]:
        """Read a results file, which follows its schema and can be read back as results.

        It comes without what clocks say.

        Those say when it was made, and how long the judge took.
        """
        document: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        check_results(document)
        check_read_back(document)
        document.pop("created")
        for suite in document["suites"]:
            for record in suite.get("records", ()):
                record.pop("seconds", None)
        return document


def outcomes(result: pytest.RunResult) -> Mapping[str, int]:
    """Count a run's outcomes, by pytest's own last line."""
    return result.parseoutcomes()
