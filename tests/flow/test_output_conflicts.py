"""Files that a run reads, and those that others write, are not written over."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.flow.test_mmlu import CHECKPOINT, exam
from tests.support.project import MARKED, MODEL, Project, records
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = 'responses="model_response", min_score=50'
NAME = "test_suite.py::test_instructions"
PAIRS = "test_pairs.py::test_pairs"


def refused(project: Project, *arguments: str) -> str:
    """Return the one line that a run ends with, which must change nothing."""
    before = contents(project.path)
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert contents(project.path) == before
    (error,) = (line for line in (*result.outlines, *result.errlines) if "ERROR" in line)
    return error


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a project but those of the cache and of earlier runs of Python."""
    own = (".pytest_cache", "__pycache__")
    paths = [path for path in folder.rglob("*") if not {*path.parts} & {*own}]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize("option", ["report", "markdown", "html"])
def test_the_records(project: Project, mode: tuple[str, ...], option: str) -> None:
    """Also by another spelling of their path."""
    project.suite(records(2), GIVEN, data="sub/data.json")

    error = refused(project, f"--llm-judge-{option}=sub/../sub/data.json", *mode)

    path = project.path / "sub/../sub/data.json"
    assert error == (
        f"ERROR: --llm-judge-{option}: {path} is the records file of {NAME} as well; "
        "name another file"
    )


def test_a_link_to_the_records(project: Project) -> None:
    """What it leads to is what would be replaced."""
    project.suite(records(2), GIVEN)
    (project.path / "link.json").symlink_to("data.json")

    error = refused(project, "--llm-judge-report=link.json")

    assert f"link.json is the records file of {NAME} as well; " in error


def test_the_records_of_a_suite_that_is_not_selected(project: Project) -> None:
    """The next run needs them."""
    project.suite(records(2), GIVEN)
    project.suite(records(2), GIVEN, data="other.json", test="test_other.py")

    error = refused(project, "--llm-judge-report=other.json", "-k", "test_suite")

    assert "other.json is the records file of test_other.py::test_instructions as well" in error


def test_the_results_compared_with(project: Project) -> None:
    """The next run would compare the candidate with itself."""
    project.suite(records(2), GIVEN)
    project.run("--llm-judge-report=released.json")
    arguments = 'responses="model_response", against="released.json", min_win_rate=0.5'
    project.pairs(records(2), arguments)

    error = refused(project, "test_pairs.py", "--llm-judge-report=released.json")

    assert error == (
        f"ERROR: --llm-judge-report: {project.path / 'released.json'} is the results file in "
        f"against= of {PAIRS} as well; name another file"
    )


def test_the_votes(project: Project) -> None:
    """People have cast them once."""
    rows = [{**record, "old": "No idea."} for record in records(2)]
    arguments = 'responses="model_response", against="old", votes="votes.jsonl", min_win_rate=0.5'
    project.pairs(rows, arguments)
    project.write("votes.jsonl", '{"id": "r0"}\n')

    error = refused(project, "--llm-judge-markdown=votes.jsonl")

    assert error == (
        f"ERROR: --llm-judge-markdown: {project.path / 'votes.jsonl'} is the votes file of {PAIRS} "
        "as well; name another file"
    )


def test_records_that_another_suite_writes(project: Project) -> None:
    """The suite's own responses go to another file than the one it is made of."""
    project.suite(records(2), GIVEN)
    project.suite(records(2), GIVEN, data="data-with-response.json", test="test_second.py")

    error = refused(project, "--llm-judge-responses=.")

    assert error == (
        f"ERROR: --llm-judge-responses: {project.path / 'data-with-response.json'} is the records "
        "file of test_second.py::test_instructions as well; name another folder"
    )
    assert project.run("test_second.py", "--llm-judge-responses=.").ret == 0
    assert (project.path / "data-with-response-with-response.json").exists()


@pytest.mark.parametrize("file", ["tiny.pth", "config.json", "tiny.tiktoken"])
def test_the_checkpoint(project: Project, file: str) -> None:
    """With what lies beside it and decides over its answers."""
    save_model(project.path / "tiny.pth")
    project.suite(records(1), 'checkpoint="tiny.pth", min_score=50')

    error = refused(project, f"--llm-judge-report={file}")

    assert error == (
        f"ERROR: --llm-judge-report: {project.path / file} is a file of the checkpoint "
        "tiny.pth as well; name another file"
    )


def test_the_folder_of_a_checkpoint(project: Project) -> None:
    """Results may be kept there, in the place of nothing that the model is read from."""
    project.path.joinpath("run").mkdir()
    save_model(project.path / "run" / "pytorch_model.bin")
    project.suite(records(1), GIVEN)
    project.write("test_own.py", "def test_own(llm_model):\n    pass\n")
    model = "--llm-judge-checkpoint=run"

    error = refused(project, model, "--llm-judge-report=run/config.json")

    assert f"{project.path / 'run/config.json'} is a file of the checkpoint run as well" in error
    for _ in range(2):
        assert project.run(model, "--llm-judge-report=run/results.json").ret == 0


def test_the_checkpoint_of_an_exam(project: Project) -> None:
    """It is read as well."""
    exam(project, 'shots=1, mode="continuation", min_accuracy=0.2')
    _, _, path = CHECKPOINT.partition("=")
    shutil.copy(path, project.path / "own.safetensors")

    error = refused(
        project, "--llm-judge-checkpoint=own.safetensors", "--llm-judge-html=own.safetensors"
    )

    assert "own.safetensors is a file of the checkpoint own.safetensors as well" in error


def test_the_prompt(project: Project) -> None:
    """It is a text that somebody wrote."""
    project.write("prompt.md", "{instruction}\n{input}\n")
    project.suite(records(1), GIVEN + ', prompt="prompt.md"')

    error = refused(project, "--llm-judge-markdown=prompt.md")

    assert error == (
        f"ERROR: --llm-judge-markdown: {project.path / 'prompt.md'} is the prompt of {NAME} as "
        "well; name another file"
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "plugin"),
    [
        ("report", "--junitxml", None),
        ("report", "--report-log", "pytest_reportlog.plugin"),
        ("html", "--html", "pytest_html.plugin"),
    ],
)
def test_what_others_write(project: Project, ours: str, theirs: str, plugin: str | None) -> None:
    """The one that is written last would be all there is."""
    project.suite(records(1), "min_score=50")
    project.write("conftest.py", MODEL.format(answer="'The number 0 in words.'"))
    plugins = () if plugin is None else ("-p", plugin)
    if plugin is not None:
        pytest.importorskip(plugin.partition(".")[0])

    result = project.run(f"--llm-judge-{ours}=one", f"{theirs}=./one", *plugins)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line)
    assert error == (
        f"ERROR: --llm-judge-{ours}: {project.path / 'one'} is the file of {theirs} as well; "
        "name another file"
    )
    assert not (project.path / "generated.log").exists()


def test_what_others_write_among_the_responses(project: Project) -> None:
    """Which of those are written shows only later."""
    project.suite(records(1), GIVEN)

    error = refused(project, "--llm-judge-responses=.", "--junitxml=data-with-response.json")

    path = project.path / "data-with-response.json"
    assert error == (
        f"ERROR: --junitxml: {path} may be a file of --llm-judge-responses as well; "
        "name another file"
    )


def test_no_work_is_done_before(project: Project) -> None:
    """Neither judge nor model is asked for; what else is wrong is reported later."""
    project.suite(records(2), "min_score=50")
    project.write("test_more.py", MARKED.format(arguments='"data.json", min_score=50'))

    error = refused(project, "--llm-judge-report=data.json", "--llm-judge-model=nothere:1b")

    assert "data.json is the records file of " in error
