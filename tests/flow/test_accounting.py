"""Results speak of every suite, record and gate, whatever happens to it on the way."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.support.fake_ollama import (
    HTML,
    Answer,
    ChatRequest,
    Failure,
    FakeOllama,
    Reply,
    in_turn,
)
from tests.support.project import MARKED, MODEL, Project, records

REPORT = "--llm-judge-report=results.json"
GATED = 'responses="model_response", min_average=50'


def the_suite(project: Project) -> dict[str, Any]:
    (suite,) = project.results()["suites"]
    assert isinstance(suite, dict)
    return suite


def rows(suite: dict[str, Any]) -> list[tuple[str, int | None, str]]:
    return [(record["id"], record["score"], record["outcome"]) for record in suite["records"]]


@pytest.mark.every_mode
@pytest.mark.parametrize("mark", ["skip", "xfail(run=False)"])
def test_a_record_that_is_skipped_keeps_the_gates_score(
    project: Project, mark: str, mode: tuple[str, ...]
) -> None:
    """Who skips an item does not take its record out of the average, nor out of the results."""
    project.suite(records(3), GATED)
    conftest = """
import pytest

def pytest_collection_modifyitems(items):
    items[1].add_marker(pytest.mark.{mark})
"""
    project.write("conftest.py", conftest.format(mark=mark))

    result = project.run(REPORT, *mode)

    counted = {"skipped": 1} if mark == "skip" else {"xfailed": 1}
    result.assert_outcomes(passed=3, **counted)
    suite = the_suite(project)
    assert rows(suite) == [(f"r{number}", 100, "passed") for number in range(3)]
    assert (suite["outcome"], suite["average"]) == ("passed", 100)


def test_a_score_that_only_the_gates_rerun_had(project: Project) -> None:
    """The record's item erred and says so; its score is not lost."""
    project.suite(records(2), GATED)
    wrong = [Failure(500, "out of order")] * 2
    with FakeOllama(in_turn(*wrong)) as server:
        result = project.run(
            REPORT, "--reruns=1", "--deselect=test_suite.py::test_instructions[r1]", "-k",
            "r0 or average", server=server.url,
        )  # fmt: skip

    assert result.parseoutcomes() == {"passed": 1, "errors": 1, "rerun": 2, "deselected": 1}
    suite = the_suite(project)
    assert rows(suite) == [("r0", 100, "error"), ("r1", 100, "not run")]
    assert (suite["scored"], suite["average"], suite["outcome"]) == (2, 100, "failed")
    assert suite["records"][0]["error"] is None


BODY = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=20, min_average=55)
def test_instructions(record):
    {body}
"""


@pytest.mark.parametrize("left_out", ["r1", "average"])
def test_an_item_that_is_left_out(project: Project, mode: tuple[str, ...], left_out: str) -> None:
    """The gate has the record's score, and nobody has run the body that decides as well."""
    project.write("data.json", records(3))
    body = 'assert record.id != "r1"' if left_out == "r1" else "pass"
    project.write("test_suite.py", BODY.format(body=body))

    result = project.run(
        *mode,
        REPORT,
        "--llm-judge-markdown=report.md",
        f"--deselect=test_suite.py::test_instructions[{left_out}]",
    )

    assert result.ret == pytest.ExitCode.OK
    suite = the_suite(project)
    assert suite["outcome"] == "incomplete"
    items = {one["id"]: one["outcome"] for one in suite["records"]}
    items |= {gate["name"]: gate["outcome"] for gate in suite["gates"]}
    every = dict.fromkeys(("r0", "r1", "r2", "average"), "passed")
    assert items == {**every, left_out: "not run"}
    cause = {"r1": "1 of 3 records was not run", "average": "average: it was not run"}[left_out]
    assert f": {cause}\n" in (project.path / "report.md").read_text("utf-8")


def test_a_run_that_ends_before_its_records(project: Project, mode: tuple[str, ...]) -> None:
    """Where the gates come first, and the session ends well after them, nothing is passed."""
    project.write("data.json", records(3))
    project.write("test_suite.py", BODY.format(body='pytest.exit("enough", returncode=0)'))
    project.write("conftest.py", GATES_FIRST)

    project.run_subprocess(*mode, REPORT)

    suite = the_suite(project)
    assert suite["outcome"] == "incomplete"
    assert {one["outcome"] for one in suite["records"]} <= {"not run", "error"}


GATES_FIRST = """
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "average" not in item.name)
"""

JUDGE = """
import pytest
from pytest_llmjudge import Verdict

class Moody:
    fingerprint = {fingerprint}

    def score(self, record, response):
        {body}

@pytest.fixture(scope="session")
def llm_judge():
    return Moody()
"""


def test_a_judge_of_ones_own_that_fails_is_asked_again(project: Project) -> None:
    """A verdict without a score is kept for no other run, and a rerun asks once more."""
    body = """
        import pathlib
        log = pathlib.Path("asked.log")
        log.write_text((log.read_text() if log.exists() else "") + record.id)
        if len(log.read_text()) < 5:
            return Verdict(None, error="the judge is asleep")
        return Verdict(90)
"""
    project.write("conftest.py", JUDGE.format(fingerprint='"moody-1"', body=body))
    project.suite(records(1), GATED)

    project.run().assert_outcomes(failed=1, errors=1)
    assert project.run("--reruns=1").parseoutcomes() == {"passed": 2, "rerun": 1}
    project.run().assert_outcomes(passed=2)

    assert (project.path / "asked.log").read_text() == "r0r0r0"


FINGERPRINTS = {
    "method": ("lambda self: 1", "fingerprint is <bound method Moody.<lambda> of <", None),
    "number": ("7", "fingerprint is 7", None),
    "empty": ('""', "fingerprint is ''", None),
    "raises": (
        "property(lambda self: 1 / 0)",
        "fingerprint raised ZeroDivisionError: division by zero; correct it",
        "",
    ),
}


@pytest.mark.parametrize("name", list(FINGERPRINTS))
def test_a_judge_with_a_fingerprint_that_is_none(project: Project, name: str) -> None:
    """It is refused in a line: a name that is the same for all judges would mix their verdicts."""
    code, problem, hint = FINGERPRINTS[name]
    project.write("conftest.py", JUDGE.format(fingerprint=code, body="return Verdict(1)"))
    project.suite(records(1), GATED)

    result = project.run(REPORT)

    result.assert_outcomes(errors=2)
    if hint is None:
        hint = "; make it a string that changes when its scores may, or leave it out"
    lines = [line for line in result.outlines if line.startswith("llm_judge (Moody): ")]
    assert len(lines) == 2
    assert all(line.startswith(f"llm_judge (Moody): {problem}") for line in lines)
    assert all(line.endswith(hint) for line in lines)
    suite = the_suite(project)
    assert (suite["outcome"], suite["records"][0]["outcome"]) == ("incomplete", "error")
    assert suite["records"][0]["error"] in lines
    result.stdout.no_fnmatch_line("*Traceback*")


def two_suites(project: Project, first: str, second: str) -> None:
    for name, body in (("a", first), ("b", second)):
        project.write(f"{name}.json", records(2, wrong=[0]))
        project.write(f"test_{name}.py", MARKED.format(arguments=f'"{name}.json", {body}'))


def test_a_suite_that_is_not_reached(project: Project) -> None:
    """After ``-x`` the results and the summary name the suites that were left out."""
    strict = 'responses="model_response", min_score=50'
    two_suites(project, strict, GATED)

    result = project.run(REPORT, "-x")

    result.assert_outcomes(failed=1)
    first, second = project.results()["suites"]
    assert (first["name"], first["outcome"]) == ("test_a.py::test_instructions", "incomplete")
    assert (second["name"], second["outcome"]) == ("test_b.py::test_instructions", "incomplete")
    assert rows(second) == [("r0", None, "not run"), ("r1", None, "not run")]
    result.stdout.fnmatch_lines(["test_b.py::test_instructions * 2 * 0 * - * incomplete: *"])


BROKEN = {
    "raises": "raise RuntimeError('no model today')",
    "has-no-fingerprint": "return object()",
}


@pytest.mark.every_mode
@pytest.mark.parametrize("name", list(BROKEN))
def test_a_suite_whose_fixture_is_broken(
    project: Project, name: str, mode: tuple[str, ...]
) -> None:
    """Its records are in the results, as records that could not be judged."""
    conftest = f"""
import pytest

@pytest.fixture(scope="session")
def llm_model():
    {BROKEN[name]}
"""
    project.write("conftest.py", conftest)
    project.suite(records(2), "min_average=50")

    result = project.run(REPORT, *mode)

    result.assert_outcomes(errors=3)
    suite = the_suite(project)
    assert suite["outcome"] == "incomplete"
    assert rows(suite) == [("r0", None, "error"), ("r1", None, "error")]
    assert suite["checkpoint"] == {"path": "llm_model", "fingerprint": "", "parameters": None}


def test_responses_of_another_model_are_not_passed_on(project: Project) -> None:
    """A record for which nothing was generated has no response in the file, least of all an old one."""
    project.write("conftest.py", MODEL.format(answer="'The number 1 in words.'"))
    project.suite(records(2), "min_score=1")

    project.run("-k", "r1", "--llm-judge-responses=out").assert_outcomes(passed=1, deselected=2)

    first, second = json.loads((project.path / "out/data-with-response.json").read_text())
    assert first == {
        "id": "r0",
        "instruction": "Say 0 in words.",
        "output": "The number 0 in words.",
        "score": None,
    }
    assert (second["model_response"], second["score"]) == ("The number 1 in words.", 100)


def test_responses_that_were_given_are_kept(project: Project) -> None:
    """What the records hold stays there, judged or not, and the file can be judged again."""
    project.suite(records(2))

    project.run("-k", "r1", "--llm-judge-responses=out")

    written = json.loads((project.path / "out/data-with-response.json").read_text())
    assert [record["model_response"] for record in written] == [
        "The number 0 in words.",
        "The number 1 in words.",
    ]
    project.suite(written)
    project.run().assert_outcomes(passed=3)


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="pytest 9 reads [tool.pytest]")
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("llm_judge", "true", "it is not a text; write the value in quotes"),
        ("llm_judge_timeout", "5", "it is not a text; write the value in quotes"),
        ("llm_judge_files", '"*.json"', 'it is not a list of texts; write ["*.json"]'),
    ],
)
def test_toml_values_of_another_type(project: Project, key: str, value: str, message: str) -> None:
    """TOML of pytest 9: ``[tool.pytest]`` has values of TOML's own types."""
    project.suite(records(1))
    project.write("pyproject.toml", f"[tool.pytest]\n{key} = {value}\n")

    result = project.pytester.runpytest(*(["--llm-judge"] if key != "llm_judge" else []))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.startswith("ERROR")]
    assert lines == [f"ERROR: pyproject.toml: {key}: {message}"]


@pytest.mark.every_mode
@pytest.mark.parametrize(
    ("gate", "outcome"),
    [
        ("pytest.mark.xfail(reason='known')", ("failed", "failed")),
        ("pytest.mark.skip", ("not run", "incomplete")),
    ],
)
def test_a_gate_that_is_skipped_does_not_pass(
    project: Project, gate: str, outcome: tuple[str, str], mode: tuple[str, ...]
) -> None:
    """The results have the gate's own outcome, whatever pytest was asked to make of it."""
    project.suite(records(2, wrong=[0, 1]), GATED)
    conftest = f"""
import pytest

def pytest_collection_modifyitems(items):
    items[-1].add_marker({gate})
"""
    project.write("conftest.py", conftest)

    result = project.run(REPORT, *mode)

    assert result.ret == pytest.ExitCode.OK
    suite = the_suite(project)
    assert [entry["name"] for entry in suite["gates"]] == ["average"]
    assert (suite["gates"][0]["outcome"], suite["outcome"]) == outcome


def test_a_records_file_that_is_edited_during_the_run(
    project: Project, mode: tuple[str, ...]
) -> None:
    """Under xdist its results are unknown; those of the other suites are written."""
    two_suites(project, GATED, GATED)
    body = """
import pathlib, pytest

@pytest.mark.llm_judge("a.json", responses="model_response", min_average=50)
def test_instructions(verdict):
    pathlib.Path("a.json").write_text("[]")
"""
    project.write("test_a.py", body)

    result = project.run(REPORT, "--llm-judge-responses=out", *mode)

    names = [suite["name"] for suite in project.results()["suites"]]
    assert (project.path / "out/b-with-response.json").exists()
    if mode:
        assert names == ["test_b.py::test_instructions"]
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        text = (
            "ERROR: a.json: it changed while the run was going on; run again; the verdicts are "
            "kept in the cache"
        )
        result.stdout.fnmatch_lines([text])
    else:
        assert names == ["test_a.py::test_instructions", "test_b.py::test_instructions"]
        assert result.ret == pytest.ExitCode.OK


def test_a_bundle_of_certificates_that_is_not_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What requests raises as a plain OSError is an error of one line, too."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    monkeypatch.setenv("no_proxy", "*")
    project.suite(records(1))

    result = project.run(server="https://judge.invalid:8443")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        "ERROR: https://judge.invalid:8443: cannot be spoken to securely (Could not find a suitable "
        "TLS CA certificate bundle, invalid path: /nowhere/ca.pem); correct its certificate, or use "
        "http:// if it has none"
    )
    assert [line for line in result.errlines if line.startswith("ERROR")] == [text]


def test_a_judge_of_ones_own_is_asked_in_one_thread(project: Project) -> None:
    """What belongs to a thread, a database for example, may be used by it."""
    project.write("conftest.py", MODEL.format(answer="'The number 1 in words.'"))
    judge = """
import sqlite3
import pytest
from pytest_llmjudge import Verdict

class Bound:
    def __init__(self):
        self.database = sqlite3.connect(":memory:")

    def score(self, record, response):
        return Verdict(self.database.execute("SELECT 90").fetchone()[0])

@pytest.fixture(scope="session")
def llm_judge():
    judge = Bound()
    yield judge
    judge.database.close()
"""
    conftest = (project.path / "conftest.py").read_text()
    project.write("conftest.py", conftest + judge)
    project.suite(records(6), "min_average=50")

    project.run("--llm-judge-batch-size=1").assert_outcomes(passed=7)


def test_a_report_that_is_a_device(project: Project) -> None:
    """A device is not replaced by a file, which the administrator may."""
    project.suite(records(1))

    result = project.run("--llm-judge-report=/dev/null")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "ERROR: --llm-judge-report: /dev/null is a device or a pipe, no file; name another place"
    assert [line for line in result.errlines if line.startswith("ERROR")] == [text]
    assert not os.path.isfile("/dev/null")  # noqa: PTH113


def test_a_report_that_is_a_link(project: Project) -> None:
    """The link stays, and what it leads to is written."""
    project.suite(records(1))
    project.write("real.json", "")
    (project.path / "results.json").symlink_to(project.path / "real.json")

    project.run(REPORT).assert_outcomes(passed=2)

    assert (project.path / "results.json").is_symlink()
    assert json.loads((project.path / "real.json").read_text())["schema"] == 1


def test_items_that_crash_their_process(project: Project) -> None:
    """A record with an id that is not ASCII, and the average: both crashed, neither passed."""
    project.suite([{**records(1)[0], "id": "größe"}, *records(3)[1:]], GATED)
    conftest = """
import os, pytest

def pytest_runtest_call(item):
    if "average" in item.nodeid or item.callspec.id.startswith("gr"):
        os._exit(1)
"""
    project.write("conftest.py", conftest)

    result = project.run_subprocess(REPORT, "-n", "2")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    suite = the_suite(project)
    assert [(gate["name"], gate["outcome"], gate["reason"]) for gate in suite["gates"]] == [
        ("average", "error", "the process that ran it crashed")
    ]
    assert rows(suite)[0] == ("größe", None, "error")
    assert suite["records"][0]["error"] == "the process that ran it crashed"
    assert suite["outcome"] == "incomplete"


def test_a_usage_error_in_the_middle_of_a_run(project: Project) -> None:
    """A worker that replaces a crashed one may find the judge gone: what is known is written."""
    project.suite(records(6), GATED)
    conftest = """
import os

def pytest_runtest_teardown(item):
    if "r3" in item.nodeid:
        os._exit(1)
"""
    project.write("conftest.py", conftest)

    def vanish(request: ChatRequest) -> Reply:
        if "number 3" in request.prompt:
            server.instead["/api/version"] = HTML
        return Answer("85")

    with FakeOllama(vanish) as server:
        result = project.run_subprocess(REPORT, "-n", "1", server=server.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f'{server.url}: is not an Ollama server: "/api/version" gave' in result.stderr.str()
    suite = the_suite(project)
    assert [score for _, score, _ in rows(suite)][:3] == [85, 85, 85]
    assert suite["outcome"] == "incomplete"


@pytest.mark.skipif(
    int(pytest.__version__.partition(".")[0]) < 9, reason="subtests came with pytest 9"
)
def test_a_record_with_a_failed_subtest(project: Project, mode: tuple[str, ...]) -> None:
    """Pytest holds it against the item after the item's own report, and so do the results."""
    project.suite(records(3), 'responses="model_response", min_average=1')
    project.write(
        "test_suite.py",
        """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_average=1)
def test_instructions(record, subtests):
    with subtests.test("kind"):
        assert record.id != "r1"
    with subtests.test("kinder"):
        assert record.id
""",
    )

    result = project.run("--llm-judge-report=results.json", *mode)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (suite,) = project.results()["suites"]
    outcomes = [record["outcome"] for record in suite["records"]]
    assert outcomes == ["passed", "failed", "passed"]
    assert suite["outcome"] == "failed"
