"""The report as Markdown: a file, and the summary of a step in GitHub Actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import Project, records

if TYPE_CHECKING:
    from pathlib import Path

FILE = "--llm-judge-markdown=out/report.md"
REPORT = "--llm-judge-report=results.json"
MOST = 1024 * 1024


@pytest.fixture
def summary(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a step, which GitHub has made, empty."""
    path = project.write("step_summary", "")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def test_the_decision_comes_first(project: Project, summary: Path, dist: tuple[str, ...]) -> None:
    """File and step say the same, once, whoever ran the items; the terminal names both."""
    project.suite(records(3, wrong=[1]), 'responses="model_response", min_score=50, min_average=90')

    result = project.run(*dist, FILE)

    result.assert_outcomes(passed=2, failed=2)
    text = (project.path / "out" / "report.md").read_text(encoding="utf-8")
    assert text.splitlines()[:8] == [
        "## llm-judge: failed",
        "",
        "The suite failed.",
        "",
        "| suite | measure | 95 % interval | wanted | change | outcome |",
        "| --- | --- | --- | --- | --- | --- |",
        (
            r"| test\_suite.py::test\_instructions | average 66.67 | 0.0 to 100.0 | "
            "average >= 90, each >= 50 | - | **failed**: score &gt;= 50 failed (1 of 3 below), "
            "average &gt;= 90 failed (within noise) |"
        ),
        "",
    ]
    assert r"- test\_suite.py::test\_instructions: 1 of 3 records scores below 50" in text
    assert summary.read_text(encoding="utf-8") == text
    lines = result.outlines
    assert f"markdown: {project.path / 'out' / 'report.md'}" in lines
    assert f"step summary: {summary}" in lines


def test_a_run_with_a_baseline_tells_what_lost_most(project: Project) -> None:
    """Folded away, with both answers."""
    project.suite(records(8))
    project.run(REPORT)
    project.suite(records(8, wrong=range(8)), 'responses="model_response"')

    project.run(FILE, "--llm-judge-baseline=results.json", "--llm-judge-max-drop=2.5")

    text = (project.path / "out" / "report.md").read_text(encoding="utf-8")
    assert "<details><summary>what lost most (8)</summary>" in text
    assert "```\nThe number 3 in words.\n```" in text
    assert "| drop <= 2.5 points | -100.0 points | **failed**: baseline failed (worse) |" in text


def test_an_ini_option_names_the_file(project: Project) -> None:
    """From the ini file's folder."""
    project.suite(records(1))
    project.write("pytest.ini", "[pytest]\nllm_judge_markdown = report.md\n")

    project.run().assert_outcomes(passed=2)

    assert (project.path / "report.md").read_text().startswith("## llm-judge: passed\n")


def test_a_place_that_takes_no_file(project: Project) -> None:
    """It is found before the work."""
    project.suite(records(1))
    project.write("report.md/x", "")

    result = project.run("--llm-judge-markdown=report.md")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    path = project.path / "report.md"
    text = f"ERROR: --llm-judge-markdown: {path} is a folder; name another place"
    assert [text] == [line for line in result.errlines if line]


def test_a_second_run_of_a_step_adds_to_the_first(project: Project, summary: Path) -> None:
    """What is there stays, and takes of the room."""
    project.suite(records(1))
    summary.write_text("# before")

    project.run()
    project.run()

    text = summary.read_text()
    assert text.startswith("# before\n\n## llm-judge: passed\n")
    assert text.count("\n\n## llm-judge: passed\n") == 2


def test_a_step_that_is_nearly_full(project: Project, summary: Path) -> None:
    """The rest is cut below GitHub's limit, whole in itself, and says where all of it is."""
    long = [{**record, "model_response": f"{'é' * 40_000}"} for record in records(8)]
    project.suite(records(8))
    project.run(REPORT)
    summary.write_text("x" * (MOST - 200_000))
    project.suite(long)

    project.run("--llm-judge-baseline=results.json", FILE)

    whole = (project.path / "out" / "report.md").read_text(encoding="utf-8")
    text = summary.read_text(encoding="utf-8")
    assert MOST - 120_000 < summary.stat().st_size <= MOST
    assert whole.count("é" * 40_000) == 8
    assert text.count("é" * 40_000) == 2
    assert text.count("<details>") == text.count("</details>") == 1
    note = (
        "**Left out, because the summary of a step may have 1 MiB:** 6 of 8 that lost most in "
        "test_suite.py::test_instructions. "
        f"All of it is in {project.path / 'out' / 'report.md'}."
    )
    assert text.splitlines()[-1] == note.replace("_", r"\_")


def test_a_step_that_is_full(project: Project, summary: Path) -> None:
    """Nothing is added, the run says so and does not end well, and the results are there."""
    project.suite(records(1))
    summary.write_text("x" * (MOST - 10))

    result = project.run(REPORT)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert summary.stat().st_size == MOST - 10
    text = (
        f"ERROR: $GITHUB_STEP_SUMMARY: {summary} has {MOST - 10} bytes, and no room for a report: "
        f"a step may have {MOST}; run pytest in a step of its own"
    )
    assert text in result.outlines
    assert project.results()["suites"][0]["outcome"] == "passed"


def test_a_summary_that_cannot_be_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported once, and no other file is lost over it."""
    project.suite(records(1))
    path = project.path / "nowhere" / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))

    result = project.run(REPORT, FILE)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = (
        f"ERROR: $GITHUB_STEP_SUMMARY: {path} cannot be written (No such file or directory); "
        "make room, or name a file that can be written"
    )
    assert [text] == [line for line in result.outlines if line.startswith("ERROR: ")]
    assert project.results()["suites"][0]["outcome"] == "passed"
    assert (project.path / "out" / "report.md").exists()


def test_an_empty_name_is_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a job clears the variable."""
    project.suite(records(1))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")

    assert project.run().ret == pytest.ExitCode.OK


def test_a_run_that_judges_nothing_adds_nothing(project: Project, summary: Path) -> None:
    """Merely installed, the plugin writes no summary; nor where items are only listed."""
    project.suite(records(1))

    project.pytester.runpytest()
    project.run("--collect-only")

    assert summary.read_text() == ""


def test_a_run_that_is_interrupted(project: Project, summary: Path) -> None:
    """It shows what is known by then, and that the rest is not."""
    project.write("data.json", records(4))
    body = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=50)
def test_instructions(verdict, record):
    if record.id == "r1":
        raise KeyboardInterrupt
"""
    project.write("test_suite.py", body)

    result = project.run_subprocess(FILE)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = (project.path / "out" / "report.md").read_text(encoding="utf-8")
    assert text.startswith("## llm-judge: incomplete\n\nThe suite is incomplete.\n")
    assert "3 of 4 records were not run" in text
    assert summary.read_text(encoding="utf-8") == text
