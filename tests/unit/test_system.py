"""Systems that this package does not run on: said before anything of the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_llmjudge.cli import main

if TYPE_CHECKING:
    import pytest

    from tests.support.project import Project

PROBLEM = "it does not run on Windows itself; run it in WSL, or on Linux"

# What pytest and Python look at themselves is as it was by then.
ON_WINDOWS = """
import sys
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_configure():
    sys.platform = "win32"
"""


def test_the_command_on_windows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files could not even be opened there, which would end in a traceback."""
    monkeypatch.setattr(sys, "platform", "win32")

    assert main(["compare", "old.json", "new.json"]) == 2
    assert capsys.readouterr().err == f"llmjudge: this command: {PROBLEM}\n"


def test_a_run_on_windows(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no run."""
    monkeypatch.setattr(sys, "platform", sys.platform)
    project.suite([])
    project.write("conftest.py", ON_WINDOWS)

    result = project.run()

    assert result.ret == 4
    assert [line for line in result.errlines if line.startswith("ERROR")] == [
        f"ERROR: --llm-judge: {PROBLEM}"
    ]
