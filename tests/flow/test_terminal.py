"""The summary on pytest's terminal: colours, quiet and verbose runs, narrow and wide ones."""

from __future__ import annotations

import pytest

from tests.flow.test_output import run_on_a_terminal
from tests.support.project import Project, records

REPORT = "--llm-judge-report=results.json"


@pytest.fixture
def suite(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Eight records, of which one fails, where a line has 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    project.suite(records(8, wrong=[3]))
    return project


def section(result: pytest.RunResult) -> list[str]:
    """Return the lines between the section's title and what pytest writes next."""
    lines = result.outlines
    start = next(n for n, line in enumerate(lines) if line.strip("= ") == "llm-judge")
    end = next(n for n, line in enumerate(lines[start + 1 :], start + 1) if line.startswith("="))
    return lines[start + 1 : end]


def test_a_quiet_run(suite: Project, mode: tuple[str, ...]) -> None:
    """With ``-q`` a line for each suite, and the files."""
    result = suite.run("-q", REPORT, *mode)

    assert section(result) == [
        "test_suite.py::test_instructions: average 87.50; failed: score >= 50 failed (1",
        "  of 8 below)",
        f"results: {suite.path / 'results.json'}",
    ]


def test_a_very_quiet_run(suite: Project) -> None:
    """With ``-qq`` a line for all, without a title."""
    result = suite.run("-qq", REPORT)

    assert "llm-judge: the suite failed" in result.outlines
    assert not any("lowest scores" in line or "results: " in line for line in result.outlines)
    assert (suite.path / "results.json").exists()


@pytest.mark.parametrize(("flag", "listed"), [(None, 5), ("-v", 8), ("-vv", 8)])
def test_a_verbose_run(suite: Project, flag: str | None, listed: int) -> None:
    """With ``-v`` more records."""
    result = suite.run(*filter(None, [flag]))

    lines = section(result)
    start = lines.index("lowest scores in test_suite.py::test_instructions:")
    assert len(lines) - start - 1 == listed


def test_no_summary(suite: Project) -> None:
    """``--no-summary`` leaves it out; the files are written."""
    result = suite.run("--no-summary", REPORT)

    assert not any("llm-judge ==" in line for line in result.outlines)
    assert suite.results()["suites"][0]["outcome"] == "failed"


@pytest.mark.parametrize("tb", ["no", "short", "line", "native"])
def test_tracebacks_as_asked(suite: Project, tb: str) -> None:
    """A failure has none; all that was judged is shown, or only the place of the marked function."""
    result = suite.run(f"--tb={tb}")

    assert not any("Traceback" in line or "pytest.fail" in line for line in result.outlines)
    shown = "reference:     The number 3 in words." in result.outlines
    if tb == "line":
        text = f"{suite.path / 'test_suite.py'}:4: Failed: score 0 is below min_score 50"
        assert text in result.outlines
    else:
        assert shown == (tb != "no")
    short = "FAILED test_suite.py::test_instructions[r3] - Failed: score 0 is below min_sc..."
    assert short in result.outlines


def test_outcomes_have_colours_on_a_terminal(
    suite: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pytest's own have; only what shows the outcome, and none where they are not wanted."""
    for name in ("NO_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name)
    suite.suite(records(2), data="good.json", test="test_good.py")

    written = run_on_a_terminal(suite, suite.forked_command())
    plain = run_on_a_terminal(suite, suite.forked_command("--color=no"))
    piped = suite.pytester.run(*suite.forked_command()).stdout.str()

    assert "  \x1b[31mfailed: " in written
    assert "  \x1b[32mpassed: " in written
    for text in (plain, piped):
        assert "\x1b[31m" not in text
        assert "\x1b[32m" not in text


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_widths(suite: Project, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Pytest's width is ours: no line of header or section sticks out."""
    monkeypatch.setenv("COLUMNS", str(columns))
    suite.write("candidate.json", records(1))

    result = suite.run(REPORT)

    lines = [line for line in result.outlines if line.startswith("llm-judge: ")] + section(result)
    assert all(len(line) <= columns for line in lines if not line.startswith("results: "))
    assert ("suite  " in " ".join(lines)) == (columns >= 120)


def test_lines_in_a_file_are_whole(suite: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has said how wide they may be they can be searched, and responses are cut."""
    monkeypatch.delenv("COLUMNS")
    suite.suite([*records(1), {**records(2)[1], "model_response": "word " * 200}])

    lines = section(suite.run())

    heading = next(line for line in lines if line.startswith("suite  "))
    assert heading.endswith("max  outcome")
    (cut,) = (line for line in lines if "word word" in line)
    assert len(cut) == 200
    assert cut.endswith("…")


def test_the_width_of_a_terminal(suite: Project) -> None:
    """It counts where ``COLUMNS`` says nothing."""
    written = run_on_a_terminal(suite, suite.forked_command("--color=no"), columns=80)

    assert "test_suite.py::test_instructions  failed" in written
