"""Beside pytest-timeout: its limit is for an item's own test, not for what the plugin does."""

from __future__ import annotations

import time

import pytest

from pytest_llmjudge.plugin import items
from tests.support.project import MODEL, Project, records

LIMIT = 0.3
SUITE = "test_suite.py::test_instructions"
SLOW = """
import time
import pytest
from pytest_llmjudge import Verdict

class Slow:
    fingerprint = "slow-1"

    def generate(self, prompts, *, max_new_tokens):
        time.sleep({seconds})
        return list(prompts)

    def score(self, record, response):
        if record.id == "r0":
            time.sleep({seconds})
        return Verdict(90)

@pytest.fixture(scope="session")
def llm_model():
    return Slow()

@pytest.fixture(scope="session")
def llm_judge():
    return Slow()
"""
HANGING = """
import time
import pytest

{marker}
@pytest.mark.llm_judge("data.json", min_average=50)
def test_instructions(verdict, record):
    if record.id == "r1":
        time.sleep(60)
"""
WAYS = {
    "option": ("", [f"--timeout={LIMIT}"]),
    "marker": (f"@pytest.mark.timeout({LIMIT})", []),
    "ini-func-only": ("", ["-o", f"timeout={LIMIT}", "-o", "timeout_func_only=true"]),
}


def slow_suite(project: Project, marker: str = "") -> None:
    """Write a suite whose model and judge each take longer than the limit."""
    project.write("conftest.py", SLOW.format(seconds=LIMIT * 1.2))
    project.write("data.json", records(3))
    project.write("test_suite.py", HANGING.format(marker=marker))


@pytest.mark.parametrize("way", WAYS)
def test_an_item_has_its_own_time(project: Project, way: str, dist: tuple[str, ...]) -> None:
    """Only the test that hangs itself is ended, however the limit is set."""
    marker, arguments = WAYS[way]
    slow_suite(project, marker)

    result = project.run(*arguments, *dist)

    result.assert_outcomes(passed=3, failed=1)
    reason = f"Failed: Timeout (>{LIMIT}s) from pytest-timeout."
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    assert failed == [f"FAILED {SUITE}[r1] - {reason}"]


def test_the_method_that_ends_the_process(project: Project) -> None:
    """It does not end it over what the plugin does."""
    slow_suite(project)

    arguments = [f"--timeout={LIMIT}", "--timeout-method=thread", "--deselect", SUITE + "[r1]"]
    result = project.run_subprocess(*arguments)

    result.assert_outcomes(passed=3, deselected=1)


def test_a_gate_that_takes_long(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no test of the user's at all."""
    monkeypatch.setattr(items, "_check_unchanged", lambda *_: time.sleep(LIMIT * 1.2))
    project.suite(records(1), 'responses="model_response", min_average=50')

    project.run(f"--timeout={LIMIT}").assert_outcomes(passed=2)


def test_a_test_of_another_kind(project: Project) -> None:
    """Its fixtures and its body share one limit, as they do without this plugin."""
    project.write(
        "test_plain.py",
        "import time\n\nimport pytest\n\n"
        f"@pytest.fixture\ndef waits():\n    time.sleep({LIMIT * 0.7})\n\n"
        f"def test_plain(waits):\n    time.sleep({LIMIT * 0.7})\n",
    )

    project.run(f"--timeout={LIMIT}").assert_outcomes(failed=1)


def test_an_item_that_errs_in_its_setup(project: Project) -> None:
    """Its clock stays as it was left, also when it is repeated."""
    project.write("conftest.py", MODEL.format(answer="1 / 0"))
    project.suite(records(1), "min_average=50")

    result = project.run(f"--timeout={LIMIT}", "--reruns=1", "-p", "no:xdist")

    result.assert_outcomes(errors=1, failed=1)
    assert "Timeout" not in result.stdout.str()


def test_a_model_of_the_users_own_that_breaks_torch(project: Project) -> None:
    """One line says what happened to torch, and nobody is told to correct generate()."""
    project.write("torch.py", "raise TimeoutError('too late')\n")
    answer = "__import__('torch')"
    project.write("conftest.py", MODEL.format(answer=answer))
    project.suite(records(2), "min_average=50")

    result = project.pytester.run(*project.command("-p", "no:xdist", "-p", "no:timeout"))

    result.assert_outcomes(errors=2, failed=1)
    assert "correct it" not in result.stdout.str()
    line = (
        "first cause: torch: an import of torch was broken off in this process (TimeoutError: too "
        "late), which cannot repeat it; import torch at the top of a conftest.py, where no time "
        "limit applies, and run again"
    )
    assert line in result.outlines
