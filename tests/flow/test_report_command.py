"""Reports that ``llmjudge report`` makes of a results file."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.cli import main
from tests.flow.test_baseline import JUDGE
from tests.flow.test_baseline import scored as people_scored
from tests.support.fake_ollama import Answer, FakeOllama, similarity
from tests.support.project import Project, records

if TYPE_CHECKING:
    from pathlib import Path


GATED = 'responses="model_response", min_score=50, min_average=90'
OWN = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=50, min_average=90)
def test_instructions(verdict, record):
    assert record.id != "r3", "mine"

@pytest.mark.llm_compare("data.json", responses="model_response", against="output", min_win_rate=0.5)
def test_pairs(preference):
    pass

@pytest.mark.llm_exact("data.json", responses="model_response", extract="exact", every_right=True)
def test_exact():
    pass
"""


def cases(path: Path) -> dict[tuple[str, str], tuple[str, str, dict[str, str]]]:
    """Return outcome, first line and properties of each test case of a file."""
    found = {}
    for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314  # our own
        whys = [one for one in case if one.tag != "properties"]
        # Its message says of an error in which phase it came.
        line = str(whys[0].text).partition("\n")[0] if whys else ""
        properties = {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}
        key = str(case.get("classname")), str(case.get("name"))
        tag = whys[0].tag if whys else "passed"
        found[key] = tag, line.removeprefix("Failed: "), properties
    return found


def figures(path: Path) -> dict[str, str]:
    """Return the properties of the whole."""
    root = ET.parse(path).getroot()  # noqa: S314  # our own
    return {
        str(one.get("name")): str(one.get("value"))
        for one in root.findall("testsuite/properties/property")
    }


def test_they_are_those_of_the_run(
    project: Project, ollama: FakeOllama, mode: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The page and Markdown to the byte, and the cases that pytest's own XML has."""
    project.write("data.json", records(5, wrong=[1]))
    project.write("test_suite.py", OWN)
    made = ("--llm-judge-report=r.json", "--llm-judge-html=a.html", "--llm-judge-markdown=a.md")
    project.run(*made, "--junitxml=a.xml", *mode, server=ollama.url)
    capsys.readouterr()

    assert main(["report", "r.json", "--html=b.html", "--markdown=b.md", "--junit=b.xml"]) == 0

    assert capsys.readouterr().out == "html: b.html\nmarkdown: b.md\njunit: b.xml\n"
    for form in ("html", "md"):
        assert (project.path / f"b.{form}").read_text() == (project.path / f"a.{form}").read_text()
    of_pytest, ours = cases(project.path / "a.xml"), cases(project.path / "b.xml")
    own = ("test_suite", "test_instructions[r3]")
    assert of_pytest.pop(own)[0] == "failure"
    # What the body of a test says is in no results file.
    assert ours.pop(own)[:2] == (
        "failure",
        "its test failed beside that, which the results file does not explain",
    )
    assert ours == of_pytest
    assert figures(project.path / "b.xml") == figures(project.path / "a.xml")


def test_errors_and_what_did_not_run(project: Project) -> None:
    """An error has its reason, and what was deselected is skipped."""
    project.suite(records(3), GATED)
    with FakeOllama(
        lambda one: Answer("no") if "Say 1" in one.prompt else similarity(one)
    ) as server:
        arguments = ("--llm-judge-report=r.json", "--junitxml=a.xml", "-k", "r0 or r1 or average")
        project.run(*arguments, server=server.url)

    assert main(["report", "r.json", "--junit=b.xml"]) == 0

    of_pytest, ours = cases(project.path / "a.xml"), cases(project.path / "b.xml")
    assert ours.pop(("test_suite", "test_instructions[r2]")) == (
        "skipped",
        "it was not run",
        {"llm_judge_score": "100"},
    )
    assert ours == of_pytest
    root = ET.parse(project.path / "b.xml").getroot()  # noqa: S314  # our own
    counts = {name: root[0].get(name) for name in ("tests", "errors", "failures", "skipped")}
    assert counts == {"tests": "4", "errors": "1", "failures": "1", "skipped": "1"}


def test_beside_a_baseline(project: Project) -> None:
    """With the baseline's file the page has the old responses, as that of the run."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    for name, scores in (("old", (90, 80, 85, 70, 95, 88)), ("new", (70, 65, 80, 40, 80, 60))):
        project.suite(people_scored(*scores), GATED)
        given = ("--llm-judge-baseline=old.json",) if name == "new" else ()
        project.run(f"--llm-judge-report={name}.json", "--llm-judge-html=a.html", *given)

    assert main(["report", "new.json", "--html=b.html", "--baseline=old.json"]) == 0
    assert main(["report", "new.json", "--html=c.html"]) == 0

    page = (project.path / "a.html").read_text()
    assert (project.path / "b.html").read_text() == page
    assert (project.path / "c.html").read_text() != page


@pytest.mark.parametrize(
    ("results", "baseline", "problem"),
    [
        ("old.json", "old.json", "the run was compared with no baseline; leave it out"),
        (
            "new.json",
            "other.json",
            (
                "it is not the baseline with which test_suite.py::test_instructions was compared; name "
                "that one"
            ),
        ),
        (
            "new.json",
            "mean.json",
            (
                "it is not the baseline with which test_suite.py::test_instructions was compared; name "
                "that one"
            ),
        ),
        (
            "new.json",
            "test_suite.py",
            "it is no JSON, or not all of it; name a file that --llm-judge-report wrote",
        ),
    ],
)
def test_beside_another_baseline(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    results: str,
    baseline: str,
    problem: str,
) -> None:
    """It would show responses that the run was never compared with."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    for name, scores in (
        ("old", (90, 80)),
        ("other", (90, 81)),
        ("mean", (95, 75)),
        ("new", (70, 65)),
    ):
        project.suite(people_scored(*scores), GATED)
        given = ("--llm-judge-baseline=old.json",) if name == "new" else ()
        project.run(f"--llm-judge-report={name}.json", *given)
    capsys.readouterr()

    assert main(["report", results, "--html=a.html", f"--baseline={baseline}"]) == 2

    assert capsys.readouterr().err == f"llmjudge: --baseline {baseline}: {problem}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["r.json"],
            (
                "llmjudge report: no report is asked for; add --html, --markdown or --junit, and a "
                "file's name"
            ),
        ),
        (
            ["r.json", "--markdown=r.json"],
            "--markdown: r.json is the results file as well; name another file",
        ),
        (
            ["r.json", "--markdown=a", "--html=a"],
            "--markdown: a is what --html names as well; name another file",
        ),
        (
            ["r.json", "--html=b.html", "--baseline=b.html"],
            "--html: b.html is the baseline as well; name another file",
        ),
        (
            ["r.json", "--markdown=a.md", "--baseline=b.json"],
            (
                "--baseline: only the HTML page shows what a baseline answered; leave it out, or add "
                "--html"
            ),
        ),
        (
            ["r.json", "--junit=mine.xml"],
            (
                "--junit: mine.xml is there and was not written by pytest-llmjudge; name another "
                "place, or move that file away"
            ),
        ),
        (
            ["new.json", "--markdown=a.md"],
            (
                'new.json: test_a.py::test_a is a suite of the kind "later"; update pytest-llmjudge, '
                "which does not know it yet"
            ),
        ),
        (
            ["none.json", "--markdown=a.md"],
            (
                "none.json: it cannot be read (No such file or directory); name a file that "
                "--llm-judge-report wrote"
            ),
        ),
    ],
)
def test_what_cannot_be_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    line: str,
) -> None:
    """One line, status 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    suite = {"name": "test_a.py::test_a", "kind": "later", "outcome": "passed"}
    head = {"schema": 1, "created": "2026-01-02T03:04:05+00:00", "pytest_llmjudge": "9"}
    for name, suites in (("r.json", []), ("new.json", [suite])):
        document = {**head, "judge": None, "suites": suites}
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "mine.xml").write_text('<?xml version="1.0"?><testsuites name="pytest tests"/>')
    before = sorted(path.name for path in tmp_path.iterdir())

    assert main(["report", *arguments]) == 2

    assert capsys.readouterr().err == f"llmjudge: {line}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_shard_says_that_it_is_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gates are decided elsewhere."""
    monkeypatch.chdir(project.path)
    project.suite(records(4), GATED)
    project.run("--llm-judge-shard=2/2", "--llm-judge-report=r.json")

    assert main(["report", "r.json", "--markdown=a.md"]) == 0

    note = "note: this is shard 2 of 2: gates over all records are decided by llmjudge merge"
    assert f"- {note}" in (project.path / "a.md").read_text()


def test_a_shard_beside_its_baseline(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no comparison yet: it says with which file it was run."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    for name, scores in (("old", (90, 80)), ("other", (80, 90)), ("new", (70, 65))):
        project.suite(people_scored(*scores), GATED)
        arguments = ("--llm-judge-shard=1/2", "--llm-judge-html=a.html") if name == "new" else ()
        given = ("--llm-judge-baseline=old.json",) if name == "new" else ()
        project.run(f"--llm-judge-report={name}.json", *arguments, *given)
    capsys.readouterr()

    assert main(["report", "new.json", "--html=b.html", "--baseline=old.json"]) == 0
    assert main(["report", "new.json", "--html=c.html", "--baseline=other.json"]) == 2

    problem = "it is not the baseline that the shard was run with; name that one"
    assert capsys.readouterr().err == f"llmjudge: --baseline other.json: {problem}\n"


def test_what_xml_cannot_hold(tmp_path: Path) -> None:
    """Half a surrogate pair and control characters in a file end as escapes."""
    document = {
        "schema": 1,
        "created": "\ud800\x00\x1b",
        "pytest_llmjudge": "9",
        "judge": None,
        "suites": [],
    }
    (tmp_path / "r.json").write_text(json.dumps(document))

    assert main(["report", f"{tmp_path}/r.json", f"--junit={tmp_path}/a.xml"]) == 0

    (suite,) = ET.parse(tmp_path / "a.xml").getroot()  # noqa: S314  # our own
    assert suite.get("timestamp") == r"\ud800\x00\x1b"
