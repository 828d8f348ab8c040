"""FIFOs and endless devices in the place of files: a run says so at once, and never waits."""

from __future__ import annotations

import json
import os
import select
from pathlib import Path

import pytest

from tests.support.project import Project, records
from tests.unit.generation.tiny import save_model

FIFO = "it is a FIFO, not a regular file"
DEVICE = "it is a device, not a regular file"


@pytest.fixture
def suite(project: Project) -> Project:
    """Two records, and a checkpoint that is a FIFO; a link that leads to zeros without end."""
    project.suite(records(2), 'min_score=0, checkpoint="model.pth"')
    os.mkfifo(project.path / "model.pth")
    (project.path / "zeros").symlink_to("/dev/zero")
    return project


def errors(suite: Project, *arguments: str) -> list[str]:
    result = suite.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    return [line for line in result.errlines if line.startswith("ERROR")]


def test_a_checkpoint_that_is_a_fifo(suite: Project, dist: tuple[str, ...]) -> None:
    """One line before any work, however the run is distributed."""
    expected = f"ERROR: {suite.path}/model.pth: {FIFO}; put a regular file there"
    assert errors(suite, *dist) == [expected]


def test_a_checkpoint_without_an_end(suite: Project) -> None:
    """A link to /dev/zero is not read."""
    expected = f"ERROR: {suite.path}/zeros: {DEVICE}; put a regular file there"
    assert errors(suite, "--llm-judge-checkpoint=zeros") == [expected]


def test_a_checkpoint_that_leads_to_itself(suite: Project) -> None:
    """A link to itself has no place that it could be shown by."""
    (suite.path / "loop").symlink_to("loop")

    (line,) = errors(suite, "--llm-judge-checkpoint=loop")

    assert line.startswith(f"ERROR: {suite.path}/loop: cannot be read (Too many levels of symbolic")


def test_files_that_would_have_to_be_waited_for(suite: Project) -> None:
    """The kernel's log calls itself a regular file."""
    log = Path("/proc/kmsg")
    try:
        with log.open("rb") as file:
            has_more = bool(select.select([file], [], [], 0)[0])
    except OSError:
        pytest.skip("this system's log cannot be opened")
    if has_more:
        pytest.skip("this system's log has something to read")
    (suite.path / "log").symlink_to(log)

    for option in ("checkpoint", "report"):
        (line,) = errors(suite, f"--llm-judge-{option}=log")
        assert line.count("it has nothing to read yet") == 1


@pytest.mark.parametrize("name", ["fifo.json", "zeros"])
def test_a_baseline_that_is_no_file(suite: Project, name: str) -> None:
    """A results file is opened with the same care."""
    (suite.path / "model.pth").unlink()
    save_model(suite.path / "model.pth")
    os.mkfifo(suite.path / "fifo.json")

    (error,) = errors(suite, f"--llm-judge-baseline={name}")

    problem = FIFO if name == "fifo.json" else DEVICE
    expected = f"{suite.path}/{name}: {problem}; name a file that --llm-judge-report wrote"
    assert error.endswith(expected)


def test_a_prompt_that_is_a_fifo(suite: Project) -> None:
    """A template is a regular file as well."""
    os.mkfifo(suite.path / "prompt.txt")
    suite.suite(records(2), 'min_score=0, checkpoint="model.pth", prompt="prompt.txt"')

    (error,) = errors(suite)

    problem = '"prompt.txt" is no prompt, and as a file it is a device or a pipe'
    assert error.startswith(f"ERROR: test_suite.py::test_instructions: prompt: {problem}; ")


def test_records_that_are_a_fifo(suite: Project) -> None:
    """The suite is not collected, and nothing is waited for."""
    name = next(suite.path.glob("*.json")).name
    Path(suite.path / name).unlink()
    os.mkfifo(suite.path / name)

    result = suite.run()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*{name}*"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
@pytest.mark.parametrize("ini", [False, True], ids=["named", "matched"])
def test_a_records_file_whose_name_is_no_text(project: Project, *, ini: bool) -> None:
    """Pytest's cache cannot hold the node ids that it would have."""
    name = os.fsdecode(b"data\xff.json")
    (project.path / name).write_text(json.dumps(records(2)), encoding="utf-8")
    if ini:
        project.write("pytest.ini", "[pytest]\nllm_judge_files = data*.json\n")

    found = errors(project, "--llm-judge-min-average=1", *(() if ini else (name,)))

    assert found == ["ERROR: data?.json: its name is no UTF-8; rename it"]
