"""What reports say of runs that broke, and files that must not be lost."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.flow.test_mmlu import CHECKPOINT, exam
from tests.support.project import Project, records

GATED = 'responses="model_response", min_score=50, min_average=50'
FILES = ("--llm-judge-report=results.json", "--llm-judge-markdown=report.md")
HOOK = """
import os
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_{phase}(item{more}):
    if "{item}" in item.name:
        {action}
"""


def break_at(project: Project, item: str, action: str, phase: str = "setup") -> None:
    """Let something happen when an item comes to a phase."""
    more = ", nextitem" if phase == "teardown" else ""
    project.write("conftest.py", HOOK.format(phase=phase, more=more, item=item, action=action))


def report(project: Project) -> str:
    return (project.path / "report.md").read_text("utf-8")


def suite_of(project: Project) -> dict[str, Any]:
    (suite,) = project.results()["suites"]
    return dict(suite)


def test_a_gate_that_never_came(project: Project) -> None:
    """After Ctrl-C nobody knows what it would have said, whatever the records' scores are."""
    project.suite(records(2), GATED)
    break_at(project, "average", "raise KeyboardInterrupt")

    result = project.run_subprocess(*FILES)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    suite = suite_of(project)
    assert suite["outcome"] == "incomplete"
    assert suite["gates"] == [
        {"name": "average", "outcome": "not run", "reason": "it was not run"},
    ]
    assert report(project).startswith("## llm-judge: incomplete\n")
    assert "average: it was not run" in report(project)


@pytest.mark.parametrize("item", ["kitchen_science", "average"])
def test_an_exam_whose_worker_dies(project: Project, item: str) -> None:
    """Neither a subject nor a gate that nobody heard of again has passed."""
    exam(project, 'shots=1, mode="continuation", min_accuracy=0.2')
    break_at(project, item, "os._exit(1)", "call")

    result = project.run(CHECKPOINT, *FILES, "-n", "2", "--max-worker-restart=2")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert suite_of(project)["outcome"] != "passed"
    assert not report(project).startswith("## llm-judge: passed")
    assert "the process that ran it crashed" in json.dumps(suite_of(project)) + report(project)


def test_a_teardown_that_fails(project: Project, mode: tuple[str, ...]) -> None:
    """The record has been judged, and its test failed all the same."""
    project.suite(records(2), GATED)
    break_at(project, "r1", "raise ValueError('torn')", "teardown")

    result = project.run(*FILES, *mode)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    suite = suite_of(project)
    assert [record["outcome"] for record in suite["records"]] == ["passed", "error"]
    assert suite["outcome"] == "failed"
    assert report(project).startswith("## llm-judge: failed\n")


def test_the_cause_of_a_teardown_that_fails(project: Project, mode: tuple[str, ...]) -> None:
    """A gate that failed keeps its reason, and a record its own score."""
    project.suite(records(4, wrong=[2, 3]), GATED.replace("min_average=50", "min_average=90"))
    project.write("conftest.py", TORN)

    result = project.run(*FILES, *mode)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    suite = suite_of(project)
    (gate,) = suite["gates"]
    assert gate["outcome"] == "failed"
    assert gate["reason"].startswith("average 50 over 4 records ")
    assert gate["reason"].endswith("; its teardown failed")
    outcomes = [(record["outcome"], record["error"]) for record in suite["records"]]
    assert outcomes == [
        ("passed", None),
        ("error", "its teardown failed"),
        ("failed", None),
        ("failed", "its teardown failed"),
    ]
    assert "2 of 4 records score below 50" in report(project)
    assert "2 of 4 records failed in teardown" in report(project)
    assert "only for a gate" not in report(project)


TORN = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    if any(name in item.name for name in ("r1", "r3", "average", "kitchen")):
        raise ValueError("torn")
"""


def test_an_exam_whose_teardown_fails(project: Project, mode: tuple[str, ...]) -> None:
    """Its gate keeps its reason too."""
    exam(project, 'shots=1, mode="continuation", min_accuracy=0.2')
    project.write("conftest.py", TORN)

    project.run(CHECKPOINT, *FILES, *mode)

    suite = suite_of(project)
    (gate,) = suite["gates"]
    assert gate["outcome"] == "error"
    assert gate["reason"].startswith("accuracy ")
    assert gate["reason"].endswith(" is at least min_accuracy 0.2; its teardown failed")
    torn = {one["subject"]: one["error"] for one in suite["subjects"] if one["outcome"] == "error"}
    assert torn == {"kitchen_science": "its teardown failed"}


def test_a_pass_that_was_not_expected(project: Project, mode: tuple[str, ...]) -> None:
    """A strict xfail is what failed, not the score, the average, nor the body."""
    project.suite(records(3), GATED)
    text = (project.path / "test_suite.py").read_text("utf-8")
    strict = "@pytest.mark.xfail(strict=True, reason='known')\n@pytest.mark.llm_judge"
    project.write("test_suite.py", text.replace("@pytest.mark.llm_judge", strict))

    result = project.run(*FILES, *mode)

    result.assert_outcomes(failed=4)
    suite, reason = suite_of(project), "it passed and was expected to fail (xfail, strict)"
    assert suite["outcome"] == "failed"
    (gate,) = suite["gates"]
    assert gate["outcome"] == "failed"
    assert gate["reason"].startswith("average 100 over 3 records ")
    assert gate["reason"].endswith(f" is at least min_average 50; {reason}")
    assert {(one["outcome"], one["error"]) for one in suite["records"]} == {("failed", reason)}
    cause = "3 of 3 records passed and were expected to fail (xfail, strict)"
    assert cause in report(project)
    assert "in the body of the test" not in report(project)


def test_an_exam_and_pairs_that_were_not_expected_to_pass(project: Project) -> None:
    """Their gates say so as well."""
    exam(project, 'shots=1, mode="continuation", min_accuracy=0.01')
    rows = [{**record, "old": "No idea."} for record in records(2)]
    arguments = 'responses="model_response", against="old", min_win_rate=0.5'
    project.pairs(rows, arguments)
    conftest = "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
    mark = "    [item.add_marker(pytest.mark.xfail(strict=True)) for item in items]\n"
    project.write("conftest.py", conftest + mark)

    project.run(CHECKPOINT, *FILES)

    for suite in project.results()["suites"]:
        (gate,) = suite["gates"]
        assert gate["outcome"] == "failed"
        assert gate["reason"].endswith("; it passed and was expected to fail (xfail, strict)")
    assert "2 of 2 pairs passed and were expected to fail (xfail, strict)" in report(project)


def test_a_failure_elsewhere(project: Project, mode: tuple[str, ...]) -> None:
    """All suites have passed, and the run has not."""
    project.suite(records(2), GATED)
    project.write("test_other.py", "def test_other():\n    assert False\n")

    result = project.run(*FILES, *mode)

    result.assert_outcomes(passed=3, failed=1)
    assert report(project).startswith("## llm-judge: failed\n")
    assert "The suite passed, but the run ended with status 1." in report(project)
    assert suite_of(project)["outcome"] == "passed"


def test_a_broken_file_elsewhere(project: Project) -> None:
    """Xdist runs what can be collected, and so it is judged."""
    project.suite(records(2), GATED)
    project.write("test_zz.py", "import nothere\n")

    result = project.run(*FILES, "-n", "2")

    result.assert_outcomes(passed=3, errors=1)
    assert "but the run ended with status 1" in report(project)
    assert "KeyError" not in str(result.stdout)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_are_no_json(project: Project, number: str) -> None:
    """They could be written into no results file."""
    text = json.dumps([{**records(1)[0], "weight": 1}]).replace(": 1}", f": {number}}}")
    project.write("data.json", text)

    result = project.run("data.json", "--llm-judge-min-score=1")

    message = (
        f'data.json: record 1: "weight" is {number}, which JSON does not have; leave it out or write '
        "null"
    )
    assert f"ERROR: {message}" in result.errlines
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_page_that_cannot_be_made(project: Project) -> None:
    """The other files are written, the summary is printed, and the run fails."""
    project.suite(records(1), GATED)
    project.write(
        "conftest.py",
        "import sys\nsys.modules['pytest_llmjudge.reporting.html'] = None\n",
    )

    result = project.run(*FILES, "--llm-judge-html=page.html")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    line = next(line for line in result.outlines if line.startswith("ERROR: html: "))
    assert line.startswith("ERROR: html: it could not be made (ModuleNotFoundError: ")
    assert line.endswith("; report it as a bug; all verdicts are kept in the cache")
    assert suite_of(project)["outcome"] == "passed"
    assert report(project)
    assert not (project.path / "page.html").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ("report=a.json", "markdown=./a.json"),
            "--llm-judge-markdown: {a} is the file of --llm-judge-report as well; name another file",
        ),
        (
            ("report=a.json", "html=a.json"),
            "--llm-judge-html: {a} is the file of --llm-judge-report as well; name another file",
        ),
        (
            ("baseline=old.json", "markdown=old.json"),
            (
                "--llm-judge-markdown: {old} is the baseline as well; write to another file, which "
                "takes its place when the candidate is released"
            ),
        ),
        (
            ("responses=.", "report=data-with-response.json"),
            (
                "--llm-judge-report: {data} may be a file of --llm-judge-responses as well; name "
                "another file"
            ),
        ),
    ],
)
def test_files_that_would_take_each_others_place(
    project: Project, files: tuple[str, str], message: str
) -> None:
    """The run ends before any work is done."""
    project.suite(records(1), GATED)
    project.run("--llm-judge-report=old.json")

    result = project.run(*(f"--llm-judge-{one}" for one in files))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    names = {"a": "a.json", "old": "old.json", "data": "data-with-response.json"}
    paths = {name: project.path / file for name, file in names.items()}
    assert f"ERROR: {message.format(**paths)}" in result.errlines


def test_a_run_that_judges_nothing(project: Project) -> None:
    """What an earlier run has written stays, and the run says that nothing was."""
    project.suite(records(1), GATED)
    project.run(*FILES)
    before = report(project), project.results()

    result = project.run(*FILES, "-k", "nothing")

    assert "llm-judge: nothing was judged, so no file was written" in result.outlines
    assert (report(project), project.results()) == before


@pytest.mark.parametrize("how", [(), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
@pytest.mark.parametrize("arguments", [(), ("--llm-judge-checkpoint=new.pth", "-k", "plain")])
def test_a_run_without_a_suite(
    project: Project, how: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    """It may be what somebody wants, but nobody should take it for a gate that passed."""
    project.write("test_plain.py", "def test_plain(): pass")
    if arguments:
        project.suite(records(1), GATED)

    result = project.run(*how, *arguments)

    assert result.ret == 0
    line = "llm-judge: no suite was run, so that nothing was judged"
    assert result.outlines.count(line) == 1
    project.suite(records(1), GATED)
    assert line not in project.run(*how).outlines
    assert line not in project.run(*how, "--collect-only").outlines


def test_the_summary_of_a_step_as_the_report(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What earlier commands of the step have written stays, and the report is there once."""
    project.suite(records(1), GATED)
    project.write("summary.md", "# earlier\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))

    project.run("--llm-judge-markdown=summary.md")

    text = (project.path / "summary.md").read_text("utf-8")
    assert text.startswith("# earlier\n")
    assert text.count("## llm-judge: ") == 1


def test_problems_without_a_terminal(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 1 has a reason, whatever plugins are there to print it."""
    project.suite(records(1), GATED)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "nowhere" / "x"))

    result = project.pytester.runpytest_subprocess(
        "--llm-judge", "--llm-judge-model=embedded", "-p", "no:terminal"
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith("ERROR: $GITHUB_STEP_SUMMARY: ") for line in result.errlines)


def test_files_have_the_rights_of_others(project: Project) -> None:
    """A new one those that the umask leaves, an old one its own."""
    project.suite(records(1), GATED)
    before = os.umask(0o077)
    try:
        project.run(*FILES)
    finally:
        os.umask(before)
    path = project.path / "results.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)

    project.run(*FILES)

    assert path.stat().st_mode & 0o777 == 0o640


SENT = """
import json, os

def pytest_report_to_serializable(config, report):
    if hasattr(report, "llm_judge"):
        with open(f"sent-{os.getpid()}.log", "a") as log:
            log.write(json.dumps(report.llm_judge) + "\\n")
"""


def test_workers_do_not_send_what_is_in_the_store(project: Project) -> None:
    """A report names the item and its outcome; a gate does not send the whole suite again."""
    project.suite(records(6, wrong=[1]), 'responses="model_response", min_score=50, min_average=50')
    project.write("conftest.py", SENT)

    project.run("-n", "2", "--llm-judge-report=results.json").assert_outcomes(passed=6, failed=1)

    logs = [path.read_text(encoding="utf-8") for path in project.path.glob("sent-*.log")]
    sent = [json.loads(line) for log in logs for line in log.splitlines()]
    names = {"suite", "item", "place", "outcome", "reason"}
    assert {frozenset(one) for one in sent} == {frozenset(names), frozenset({*names, "note"})}
    assert sorted(one["item"] for one in sent) == [
        "average",
        *(f"r{number}" for number in range(6)),
    ]
    assert "Say 0 in words." not in "".join(logs)
    (suite,) = project.results()["suites"]
    assert [record["score"] is not None for record in suite["records"]] == [True] * 6
