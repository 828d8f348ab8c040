"""JUnit XML, and what other report plugins make of our reports."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from pytest_llmjudge.reporting.junit import suite_properties
from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply, similarity
from tests.support.project import Project, records
from tests.support.results import exam, run, subject

XML = "--junitxml=junit.xml"
GATED = 'responses="model_response", min_score=50, min_average=90'


def read(project: Project) -> ET.Element:
    """Read the XML, of which each character is one that XML allows."""
    text = (project.path / "junit.xml").read_text(encoding="utf-8")
    return ET.fromstring(text)  # noqa: S314  # our own


def figures(root: ET.Element) -> dict[str, str]:
    """Return the properties of the test suite."""
    properties = root.find("testsuite/properties")
    assert properties is not None
    return {str(one.get("name")): str(one.get("value")) for one in properties}


def test_a_suites_figures(project: Project, ollama: FakeOllama, dist: tuple[str, ...]) -> None:
    """Whoever ran the items, the one who writes the file knows all of a suite."""
    project.suite(records(4, wrong=[1]), GATED)

    project.run(XML, *dist, server=ollama.url)

    name = "test_suite.py::test_instructions"
    assert figures(read(project)) == {
        f"llm_judge_outcome[{name}]": "failed",
        f"llm_judge_average[{name}]": "75.00",
        f"llm_judge_interval[{name}]": "0.0 to 100.0",
        f"llm_judge_scored[{name}]": "4",
        f"llm_judge_unscored[{name}]": "0",
        f"llm_judge_judge[{name}]": "llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)",
    }


def test_a_suite_of_pairs_has_its_figures(project: Project, ollama: FakeOllama) -> None:
    """And the model under test is named by its fingerprint."""
    rows = [{**record, "old": "x"} for record in records(2)]
    project.pairs(rows, 'responses="model_response", against="old", min_win_rate=0.5')

    project.run(XML, server=ollama.url)

    values = figures(read(project))
    assert values["llm_judge_win_rate[test_pairs.py::test_pairs]"] == "1.000"
    assert values["llm_judge_scored[test_pairs.py::test_pairs]"] == "2"


def test_an_exam_has_its_figures() -> None:
    """Questions in the place of records, and no judge."""
    result = run(exam([subject("anatomy", 3, 4), subject("astronomy", 0, 0, "error")]))

    assert {name.partition("[")[0]: value for name, value in suite_properties(result)} == {
        "llm_judge_outcome": "passed",
        "llm_judge_questions": "4",
        "llm_judge_subjects_without_a_result": "1",
        "llm_judge_checkpoint": "new.pth",
        "llm_judge_fingerprint": "0123456789abcdef",
    }


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_the_file_has_the_form_of_its_family(project: Project, family: str) -> None:
    """Only the elements and attributes that readers of JUnit XML know, in their order."""
    project.suite(records(2, wrong=[1]), GATED)

    project.run(XML, "-o", f"junit_family={family}")

    root = read(project)
    assert root.tag == "testsuites"
    (suite,) = root
    assert [one.tag for one in suite] == ["properties"] + 3 * ["testcase"]
    known = {"classname", "name", "time"} | ({"file", "line"} if family == "xunit1" else set())
    for case in suite.iter("testcase"):
        assert set(case.keys()) <= known
        assert [one.tag for one in case][:1] in (["properties"], ["failure"])
        assert {one.tag for one in case} <= {"properties", "failure", "error", "system-out"}
    for one in suite.iter("property"):
        assert set(one.keys()) == {"name", "value"}


HOSTILE = "bell \x07 \x1b[31m ]]> <&> \ufffe \U0001f600"


def test_replies_with_what_xml_cannot_hold(project: Project) -> None:
    """Control characters and half surrogates of models and judges leave the file readable."""
    rows = [{**record, "model_response": HOSTILE} for record in records(2)]
    project.write("data.json", json.dumps(rows))
    project.suite(json.dumps(rows), GATED)

    def reply(request: ChatRequest) -> Reply:
        return (
            Answer(f"{HOSTILE} nul \x00 half a pair \ud800")
            if "Say 1" in request.prompt
            else similarity(request)
        )

    with FakeOllama(reply) as server:
        project.run(XML, server=server.url)

    root = read(project)
    case = next(one for one in root.iter("testcase") if str(one.get("name")).endswith("[r0]"))
    failure = case.find("failure")
    assert failure is not None
    assert r"bell \x07 \x1b[31m ]]> <&> \ufffe" in str(failure.text)
    assert figures(root)["llm_judge_unscored[test_suite.py::test_instructions]"] == "1"


def test_other_reports(project: Project, mode: tuple[str, ...]) -> None:
    """pytest-html and pytest-reportlog take our reports, which are JSON as they stand."""
    project.suite(records(8))
    project.run("--llm-judge-report=old.json")
    project.suite(records(8, wrong=range(8)), GATED)
    project.write("conftest.py", STRICT)
    wanted = ("--html=report.html", "--report-log=log.jsonl", "--llm-judge-baseline=old.json")
    command = project.command(*wanted, *mode)

    result = project.pytester.run(*(part for part in command if not part.startswith("-pno:")))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    log = (project.path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [one["llm_judge"] for line in log if "llm_judge" in (one := json.loads(line))]
    assert len(entries) == 10
    assert sum("comparison" in one for one in entries) == 1
    page = (project.path / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r"test_instructions\[r\d\]", page)) >= 8


STRICT = """
import json

def pytest_report_to_serializable(config, report):
    for name in ("llm_judge", "llm_mmlu"):
        json.dumps(getattr(report, name, None), allow_nan=False)
"""
