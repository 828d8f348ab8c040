"""Averages and gates by category, as a run decides and reports them."""

from __future__ import annotations

import json

import pytest

from tests.support.fake_ollama import Answer, FakeOllama
from tests.support.project import Project, records

REPORT = "--llm-judge-report=results.json"
SUITE = "test_suite.py::test_instructions"
GATES = 'responses="model_response", min_average={"all": 55, "math": 40, "prose": 90}'


def by_category(*names: str | None, wrong: tuple[int, ...] = ()) -> list[dict[str, object]]:
    """Make a record of each category, whose responses are right but ``wrong``."""
    made = records(len(names), wrong=wrong)
    return [
        {**record, "category": name} if name else dict(record)
        for record, name in zip(made, names, strict=True)
    ]


@pytest.fixture(name="suite")
def make_suite(project: Project) -> Project:
    """Two records of each of two categories and one of none; half of the mathematics is wrong."""
    content = by_category("prose", "math", None, "math", "prose", wrong=(1,))
    project.suite(content, GATES)
    return project


def test_each_gate_is_an_item(suite: Project, dist: tuple[str, ...]) -> None:
    """They come behind the average, in the order of the marker, and decide over their records."""
    result = suite.run(REPORT, *dist)

    result.assert_outcomes(passed=8)
    (document,) = suite.results()["suites"]
    assert [gate["name"] for gate in document["gates"]] == [
        "average",
        "average:math",
        "average:prose",
    ]
    assert document["gates"][1]["reason"] == (
        "average 50 over 2 records (95 % CI 0 to 100) is at least min_average 40; the difference is "
        "within noise"
    )
    assert (document["by"], document["min_average"]) == ("category", 55)
    assert list(document["categories"]) == ["prose", "math"]
    assert document["categories"]["math"] == {
        "total": 2,
        "scored": 2,
        "average": 50,
        "ci95": [-585.3102, 685.3102],
        "min_average": 40,
    }
    assert [record.get("category") for record in document["records"]] == [
        *("prose", "math", None, "math", "prose")
    ]


def test_a_low_category_fails_its_own_gate(project: Project) -> None:
    """The suite's average passes, and the suite fails."""
    content = by_category("prose", "prose", "prose", "math", wrong=(3,))
    project.suite(content, GATES)

    result = project.run(REPORT, "-rf")

    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(
        [f"FAILED {SUITE}[[]average:math[]] - Failed: average 0 over 1 record is below*"]
    )
    assert project.results()["suites"][0]["outcome"] == "failed"


def test_the_terminal(suite: Project) -> None:
    """A row for each category, below the table of suites."""
    result = suite.run()

    result.stdout.fnmatch_lines(
        [
            "*passed: average >= 55 (within noise), average:math >= 40 (within noise), *prose >= 90",
            f"Averages by category in {SUITE}: 2 categories, 1 record without one",
            "category  records  scored  average   95 % interval  outcome",
            "prose           2       2   100.00  100.0 to 100.0  passed (average >= 90)",
            "math            2       2    50.00    0.0 to 100.0  passed (average >= 40, within noise)",
        ]
    )


def test_at_most_twelve_rows(project: Project) -> None:
    """Those that average lowest; -v, Markdown and the page show all."""
    names = [f"c{number:02}" for number in range(15)]
    project.suite(by_category(*names, wrong=(13,)), 'responses="model_response", min_average=5')
    markdown = "--llm-judge-markdown=report.md"

    result = project.run(markdown, "--llm-judge-html=report.html")
    verbose = project.run("-v")

    rows = [line for line in result.outlines if line.startswith("c") and " 1       1 " in line]
    assert len(rows) == 12
    assert rows[0].startswith("c13 ")
    result.stdout.fnmatch_lines(["the 12 categories of 15 that average lowest, -v shows all"])
    rows = [line for line in verbose.outlines if line.startswith("c") and " 1       1 " in line]
    assert [row.split()[0] for row in rows] == names
    text = (project.path / "report.md").read_text("utf-8")
    assert "The 12 categories of 15 that average lowest." in text
    assert "<details><summary>15 categories</summary>" in text
    assert text.count("| c14 |") == 1
    page = (project.path / "report.html").read_text("utf-8")
    assert all(f'<th scope="row"><bdi>{name}</bdi></th>' in page for name in names)


def test_another_field(project: Project) -> None:
    """``by=`` names it, and whole numbers are categories too."""
    content = [{**record, "level": number % 2} for number, record in enumerate(records(4))]
    arguments = 'responses="model_response", by="level", min_average={"1": 50}'
    project.suite(content, arguments)

    result = project.run(REPORT)

    result.assert_outcomes(passed=6)
    title = f'Averages by category in {SUITE}: 2 categories in the field "level"'
    assert title in result.outlines
    (document,) = project.results()["suites"]
    assert (document["by"], list(document["categories"])) == ("level", ["0", "1"])
    assert document["min_average"] is None


def test_records_without_categories(project: Project) -> None:
    """Nothing in a report or a file speaks of them."""
    project.suite(records(3))

    result = project.run(REPORT, "--llm-judge-markdown=report.md", "--llm-judge-html=report.html")

    result.assert_outcomes(passed=4)
    (document,) = project.results()["suites"]
    assert not {"by", "categories"} & document.keys()
    assert not [line for line in result.outlines if line.startswith(("Averages", "category"))]
    assert "categor" not in (project.path / "report.md").read_text("utf-8").lower()
    assert "Categories</caption>" not in (project.path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            'min_average={"all": 55, "maths": 40}',
            (
                'min_average names "maths", which no record has as its category; the categories '
                'are "prose" and "math"'
            ),
        ),
        (
            'by="kind", min_average=50',
            'by "kind" is no field with a text or a number in any record; the fields are *',
        ),
        (
            'min_average={"math": 140}',
            "min_average of math: 140 is not an average; give a number from 0 to 100",
        ),
    ],
)
def test_a_marker_that_cannot_be_used(suite: Project, arguments: str, message: str) -> None:
    """One line, before anything is judged."""
    content = json.loads((suite.path / "data.json").read_text("utf-8"))
    suite.suite(content, f'responses="model_response", {arguments}')

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {SUITE}: {message}"])


def test_a_gate_alone_speaks_for_its_category(suite: Project) -> None:
    """As the average does: what is not judged yet is judged."""
    result = suite.run("-k", "average:prose", REPORT)

    result.assert_outcomes(passed=1, deselected=7)
    (document,) = suite.results()["suites"]
    assert document["outcome"] == "incomplete"
    assert {gate["name"]: gate["outcome"] for gate in document["gates"]} == {
        "average:prose": "passed",
        "average": "not run",
        "average:math": "not run",
    }
    assert document["categories"]["prose"]["average"] == 100


def test_a_gate_that_is_left_out(project: Project) -> None:
    """Nothing is decided over its category, and the suite has not passed."""
    content = by_category("prose", "prose", "prose", "math", wrong=(3,))
    project.suite(content, GATES)
    chosen = f"--deselect={SUITE}[average:math]"

    result = project.run(chosen, REPORT, "--llm-judge-markdown=report.md")

    result.assert_outcomes(passed=6, deselected=1)
    assert project.results()["suites"][0]["outcome"] == "incomplete"
    text = (project.path / "report.md").read_text("utf-8").replace("<!-- -->", "")
    assert "average:math: it was not run" in text


def test_an_unscored_record(project: Project) -> None:
    """Its own category has no average; the others have theirs."""
    project.suite(by_category("prose", "math", "math"), GATES)

    with FakeOllama(
        lambda request: Answer("no idea" if "Say 1" in request.prompt else "95")
    ) as judge:
        result = project.run(REPORT, server=judge.url)

    result.assert_outcomes(passed=3, failed=2, errors=1)
    (document,) = project.results()["suites"]
    outcomes = {gate["name"]: gate["outcome"] for gate in document["gates"]}
    assert outcomes == {"average": "failed", "average:math": "failed", "average:prose": "passed"}
    assert (document["outcome"], document["average"]) == ("incomplete", None)
    assert document["categories"]["math"]["average"] is None
    assert document["categories"]["prose"]["average"] == 95


def test_a_baseline(suite: Project, mode: tuple[str, ...]) -> None:
    """Its gate comes last, the page has the category's average of before, and old files load."""
    suite.run(REPORT)
    document = json.loads((suite.path / "results.json").read_text("utf-8"))
    for key in ("by", "categories"):
        del document["suites"][0][key]
    for record in document["suites"][0]["records"]:
        record.pop("category", None)
    suite.write("old.json", document)
    content = json.loads((suite.path / "data.json").read_text("utf-8"))
    content[4]["model_response"] = "xyz"
    suite.write("data.json", content)

    options = ("--llm-judge-baseline=old.json", "--llm-judge-html=report.html", REPORT)
    result = suite.run(*options, *mode)

    result.assert_outcomes(passed=8, failed=1)
    (document,) = suite.results()["suites"]
    assert [gate["name"] for gate in document["gates"]][-1] == "baseline"
    page = (suite.path / "report.html").read_text("utf-8")
    assert '<td class="number">50.00</td><td class="number">0.0 to 100.0</td>' in page
    assert '<td class="number">100.00</td><td><span class="outcome failed">' in page


def test_a_name_that_is_not_plain(project: Project, mode: tuple[str, ...]) -> None:
    """Whatever a category is called, its gate is found again and obeyed by nothing."""
    name = "Übersetzung :: [a]\n::error::x"
    content = by_category(name, name)
    project.suite(content, f'responses="model_response", min_average={{{name!r}: 50}}')

    result = project.run(REPORT, "--llm-judge-markdown=report.md", *mode)

    result.assert_outcomes(passed=4)
    (document,) = project.results()["suites"]
    assert {gate["outcome"] for gate in document["gates"]} == {"passed"}
    assert not [line for line in result.outlines if line.startswith("::error")]
