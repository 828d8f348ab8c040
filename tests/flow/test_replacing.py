"""Files that a run writes replace only what earlier runs wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EMBEDDED = "--llm-judge-model=embedded"
GIVEN = 'responses="model_response", min_score=50'


def refusal(project: Project, *arguments: str) -> str:
    """Return the one line that a run ends with before any work."""
    result = project.run(EMBEDDED, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in result.stdout.str()
    (error,) = (line for line in (*result.outlines, *result.errlines) if "ERROR" in line)
    return error.removeprefix("ERROR: ")


@pytest.mark.parametrize("option", ["report", "html", "markdown"])
def test_a_file_of_the_user(project: Project, dist: tuple[str, ...], option: str) -> None:
    """It stays, and one line says so before any work."""
    project.suite(records(2), GIVEN)
    path = project.path / "test_suite.py"
    before = path.read_bytes()

    error = refusal(project, f"--llm-judge-{option}=test_suite.py", *dist)

    assert error == (
        f"--llm-judge-{option}: {path} is there and was not written by pytest-llmjudge; "
        "name another place, or move that file away"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        "# Notes\n\n## llm-judge: passed\n",
        "<!doctype html>\n<title>Mine</title>\n",
        '{"schema": 1, "created": "today"}\n',
        '[{"score": 1}]\n',
        "\udcff\x00".encode("utf-8", "surrogateescape").decode("latin-1"),
        " ",
    ],
)
def test_what_only_looks_alike(project: Project, content: str) -> None:
    """It is known by what it says of itself, and not by its name."""
    project.suite(records(2), GIVEN)
    path = project.write("results.json", content)

    error = refusal(project, "--llm-judge-report=results.json")

    assert f"{path} is there and was not written by pytest-llmjudge" in error


def test_files_of_earlier_runs_are_replaced(project: Project) -> None:
    """All of them, also when each takes another one's name, and an empty file as well."""
    names = ("a", "b", "c")
    options = ("report", "html", "markdown")
    project.suite(records(2), GIVEN)
    project.write("a", "")

    for turn in range(3):
        paths = [names[(number + turn) % 3] for number in range(3)]
        files = [f"--llm-judge-{one}={path}" for one, path in zip(options, paths, strict=True)]
        result = project.run(EMBEDDED, *files, "--llm-judge-responses=.")

        assert result.ret == pytest.ExitCode.OK
        begins = [(project.path / path).read_text("utf-8")[:12] for path in paths]
        assert begins == ['{\n "schema":', "<!doctype ht", "## llm-judge"]


def test_files_of_an_earlier_version_are_replaced(project: Project) -> None:
    """Its pages had no name of a generator."""
    project.suite(records(2), GIVEN)
    page = "<!doctype html>\n<html>\n<title>passed: all is well \u2013 llm-judge</title>\n</html>\n"
    path = project.write("page.html", page)

    result = project.run(EMBEDDED, "--llm-judge-html=page.html")

    assert result.ret == pytest.ExitCode.OK
    assert 'name="generator" content="pytest-llmjudge"' in path.read_text("utf-8")


@pytest.mark.parametrize(
    "content", ['[{"instruction": "a", "model_response": "b"}]', '{"score": 1}', "x"]
)
def test_responses_of_another_program(project: Project, content: str) -> None:
    """The lecture's own file has the same name, and no scores."""
    project.suite(records(2), GIVEN)
    path = project.write("data-with-response.json", content)

    error = refusal(project, "--llm-judge-responses=.")

    assert error == (
        f"--llm-judge-responses: {path} is there and was not written by pytest-llmjudge; "
        "name another place, or move that file away"
    )
    assert path.read_text("utf-8") == content


LONG = "x" * 300


def fifo(folder: Path) -> str:
    """Make a pipe that nobody reads."""
    os.mkfifo(folder / "pipe")
    return "pipe"


def loop(folder: Path) -> str:
    """Make a link to itself."""
    (folder / "loop").symlink_to("loop")
    return "loop"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _: LONG, "{path} cannot be written (File name too long)"),
        (lambda _: f"{LONG}/x", "nothing can be written to {folder} (File name too long)"),
        (lambda _: ".", "{path} is a folder"),
        (lambda _: "test_suite.py/x", "nothing can be written to {folder} (File exists)"),
        (fifo, "{path} is a device or a pipe, no file"),
        (lambda _: "/dev/null", "/dev/null is a device or a pipe, no file"),
        (loop, "{path} cannot be written (Too many levels of symbolic links)"),
        (lambda _: "/proc/x/y", "nothing can be written to /proc/x (No such file or directory)"),
    ],
    ids=["long", "long folder", "folder", "through a file", "pipe", "device", "loop", "proc"],
)
def test_names_that_take_no_file(
    project: Project, make: Callable[[Path], str], problem: str
) -> None:
    """One line, status 4, and no work."""
    project.suite(records(2), GIVEN)
    name = make(project.path)

    error = refusal(project, f"--llm-judge-report={name}")

    path = project.path / name
    expected = problem.format(path=path, folder=path.parent)
    assert error.startswith("--llm-judge-report: ")
    assert error.endswith("; name another place")
    # A long name is cut in the middle of the line.
    assert expected in error or (LONG[:100] in error and "name" in error)


def test_the_longest_name_there_is(project: Project) -> None:
    """The temporary file beside it has a name of its own."""
    project.suite(records(2), GIVEN)
    name = "x" * 255

    assert project.run(EMBEDDED, f"--llm-judge-report={name}").ret == pytest.ExitCode.OK
    assert (project.path / name).is_file()


def test_responses_with_a_name_too_long(project: Project) -> None:
    """A records file may have a name that leaves no room for more."""
    data = f"{'x' * 245}.json"
    project.suite(records(2), GIVEN, data=data)

    error = refusal(project, "--llm-judge-responses=out")

    assert error.endswith("; name another place")
    assert "xxx" in error
