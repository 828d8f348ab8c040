"""What a run loads when it does not judge."""

from __future__ import annotations

import sys

import pytest

from tests.support.project import Project, records

HEAVY = (
    *("torch", "transformers", "tiktoken", "tokenizers", "sentencepiece", "requests"),
    *("sacrebleu", "scipy", "jsonschema"),
    *("jinja2", "ray", "mlflow", "wcwidth", "pytest_llmjudge.reporting"),
)
TELLER = f"""
import sys, pytest
# Another plugin for reports, where it is installed, loads some of these for itself.
status = pytest.main(["-p", "no:html", *sys.argv[1:]])
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
sys.exit(status)
"""


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), (), ("--collect-only", "-q")], ids=str
)
def test_a_run_that_does_not_judge_loads_nothing_heavy(
    project: Project, arguments: tuple[str, ...]
) -> None:
    """Merely installed, or with its suites skipped, the plugin costs no import."""
    project.suite(records(2))

    result = project.pytester.run(sys.executable, "-c", TELLER, *arguments)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["LOADED []"])


def test_only_the_process_that_generates_loads_torch(project: Project) -> None:
    """With recorded responses nothing needs torch, so nobody loads it; nor what draws reports."""
    project.suite(records(2))
    arguments = project.command()[3:]

    result = project.pytester.run(sys.executable, "-c", TELLER, *arguments)

    assert result.ret == pytest.ExitCode.OK
    (loaded,) = (line for line in result.outlines if line.startswith("LOADED"))
    assert "sacrebleu" in loaded
    for name in ("torch", "tiktoken", "jinja2", "ray", "mlflow"):
        assert name not in loaded


COMMAND = """
import sys
from pytest_llmjudge.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
print("LOADED", [name for name in ("torch", "transformers", "ray", "mlflow") if name in sys.modules])
sys.exit(status)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("merge", "shard-1.json", "shard-2.json", "--out=merged.json"),
        ("report", "shard-1.json", "--html=a.html", "--markdown=a.md", "--junit=a.xml"),
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_commands_load_no_models(project: Project, arguments: tuple[str, ...]) -> None:
    """Nor what models run on, so that a job which merges or reports starts at once."""
    project.suite(records(2))
    if arguments[0] != "--help":
        for number in (1, 2):
            project.run(f"--llm-judge-shard={number}/2", f"--llm-judge-report=shard-{number}.json")

    result = project.pytester.run(sys.executable, "-c", COMMAND, *arguments)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["LOADED []"])
