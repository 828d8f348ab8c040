"""pytest's own ways of choosing, stopping and repeating items, on records and gates alike."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.support.project import MODEL, Project, records

GATED = 'responses="model_response", min_score=50, min_average=60'
LOW = "test_suite.py::test_instructions[r1]"
AVERAGE = "test_suite.py::test_instructions[average]"


@pytest.fixture
def suite(project: Project) -> Project:
    """Five records, the second of which scores low; the average holds all the same."""
    project.suite(records(5, wrong=[1]), GATED)
    return project


def test_items_come_in_file_order_and_the_gate_last(suite: Project, dist: tuple[str, ...]) -> None:
    """Every record is an item and the average is one more."""
    result = suite.run("-v", *dist)

    result.assert_outcomes(passed=5, failed=1)
    if "2" not in dist:
        lines = [
            line.split(" ")[0]
            for line in result.outlines
            if line.startswith("test_suite.py::test_instructions[")
        ]
        names = ["r0", "r1", "r2", "r3", "r4", "average"]
        assert [f"test_suite.py::test_instructions[{name}]" for name in names] == lines


def test_collect_only_lists_node_ids(suite: Project, dist: tuple[str, ...]) -> None:
    """Collecting alone asks no judge, needs no checkpoint and leaves no cache."""
    suite.suite(records(2), "min_score=50")

    result = suite.pytester.runpytest("--llm-judge", "--collect-only", "-q", *dist)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "test_suite.py::test_instructions[[]r0[]]",
            "test_suite.py::test_instructions[[]r1[]]",
            "test_suite.py::test_instructions[[]average[]]",
        ]
    )
    assert not (suite.path / ".pytest_cache" / "d" / "llm-judge" / "store.sqlite").exists()


def test_k_selects_a_record(suite: Project, dist: tuple[str, ...]) -> None:
    """``-k`` with a record id runs that record alone, and the suite stays incomplete."""
    result = suite.run("-k", "r3", "--llm-judge-report=results.json", *dist)

    result.assert_outcomes(passed=1, deselected=0 if "2" in dist else 5)
    (document,) = suite.results()["suites"]
    assert (document["total"], document["scored"], document["outcome"]) == (5, 1, "incomplete")
    assert document["records"][0]["outcome"] == "not run"
    assert document["records"][3]["score"] == 100


def test_k_average_speaks_for_the_whole_suite(suite: Project, dist: tuple[str, ...]) -> None:
    """A gate that is selected alone has all verdicts made, and they are in the results."""
    result = suite.run("-k", "average", "--llm-judge-report=results.json", *dist)

    assert result.parseoutcomes()["passed"] == 1
    (document,) = suite.results()["suites"]
    assert (document["scored"], document["records"][1]["outcome"]) == (5, "not run")
    assert [gate["name"] for gate in document["gates"]] == ["average"]
    result.stdout.fnmatch_lines(
        ["*incomplete: score >= 50 not run; average >= 60 passed (within noise)"]
    )


def test_node_ids_name_records_and_gates(suite: Project, dist: tuple[str, ...]) -> None:
    """Items can be named on the command line."""
    result = suite.run(LOW, AVERAGE, *dist)

    result.assert_outcomes(passed=1, failed=1)


def test_node_ids_of_a_records_file(project: Project, dist: tuple[str, ...]) -> None:
    """The items of a plain records file have node ids of their own."""
    project.write("data.json", records(3))
    project.write("conftest.py", MODEL.format(answer="'The number 1 in words.'"))

    result = project.run(
        "data.json::test_instructions[r1]", "--llm-judge-min-score=90", "-v", *dist
    )

    result.assert_outcomes(passed=1)


def test_deselected_gate_decides_nothing(suite: Project, dist: tuple[str, ...]) -> None:
    """``--deselect`` takes the gate away like any other item."""
    suite.suite(records(3, wrong=[0, 1, 2]), 'responses="model_response", min_average=60')

    result = suite.run("--deselect", AVERAGE, "--llm-judge-report=results.json", *dist)

    result.assert_outcomes(passed=3, deselected=0 if "2" in dist else 1)
    (document,) = suite.results()["suites"]
    gate = {"name": "average", "outcome": "not run", "reason": "it was not run"}
    assert (document["gates"], document["outcome"]) == ([gate], "incomplete")


def test_last_failed_runs_the_failures_again(suite: Project, dist: tuple[str, ...]) -> None:
    """``--lf`` repeats a record and a gate that failed, and nothing else."""
    suite.suite(records(5, wrong=[1]), GATED.replace("60", "90"))
    suite.run(*dist).assert_outcomes(passed=4, failed=2)

    result = suite.run("--lf", "-v", *dist)

    assert result.parseoutcomes()["failed"] == 2
    assert "passed" not in result.parseoutcomes()
    for node in (LOW, AVERAGE):
        result.stdout.fnmatch_lines([f"*FAILED*{node.replace('[', '[[]')}*"])


def test_x_stops_before_the_gate(suite: Project, dist: tuple[str, ...]) -> None:
    """``-x`` stops at a low score; what was not run is reported as such."""
    result = suite.run("-x", "--llm-judge-report=results.json", *dist)

    assert result.ret == (2 if "2" in dist else 1)
    assert result.parseoutcomes()["failed"] == 1
    (document,) = suite.results()["suites"]
    assert document["records"][1]["outcome"] == "failed"
    if "2" not in dist:
        assert [record["outcome"] for record in document["records"][2:]] == ["not run"] * 3
        assert document["outcome"] == "incomplete"


def test_reruns_repeat_but_do_not_ask_again(suite: Project, dist: tuple[str, ...]) -> None:
    """``--reruns 1`` repeats failed items; a stored verdict stays, so they fail again."""
    suite.suite(records(5, wrong=[1]), GATED.replace("60", "90"))

    result = suite.run("--reruns", "1", "--llm-judge-report=results.json", *dist)

    assert {"passed": 4, "failed": 2, "rerun": 2} == result.parseoutcomes()
    assert suite.results()["suites"][0]["scored"] == 5


def test_junit_xml_has_scores_and_gates(suite: Project, dist: tuple[str, ...]) -> None:
    """JUnit XML counts records and gates, with the score as a property."""
    suite.run("--junitxml=junit.xml", *dist)

    root = ET.fromstring((suite.path / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {
        *(f"test_instructions[r{number}]" for number in range(5)),
        "test_instructions[average]",
    }
    low = cases["test_instructions[r1]"]
    scores = [item.get("value") for item in low.iter("property")]
    failure = low.find("failure")
    assert scores == ["0"]
    assert failure is not None
    assert failure.get("message", "").startswith("Failed: score 0 is below min_score 50")
