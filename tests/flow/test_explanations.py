"""What is wrong with responses that failed, from the judge to all reports."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.flow.test_answering_names import serving
from tests.flow.test_interrupts import stop_when
from tests.flow.test_judge_check import unlike_records
from tests.support.fake_ollama import Answer, Failure, FakeOllama, Hang, similarity
from tests.support.project import COMPARED, MARKED, Project, records
from tests.support.report_page import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_ollama import ChatRequest, Reply

REPORT = "--llm-judge-report=results.json"
ALL = "--llm-judge-explain=all"
ASKED = "What is wrong with the student's answer"
WHY = "It names no number. The reference does, e.g. 3.5 words. A third."
SHOWN = "It names no number. The reference does, e.g. 3.5 words."


def explains(request: ChatRequest) -> bool:
    return ASKED in request.prompt


def judge(why: str = WHY) -> Callable[[ChatRequest], Reply]:
    """Return a judge that scores by likeness, and explains with one text."""
    return lambda request: Answer(why) if explains(request) else similarity(request)


def asked(server: FakeOllama) -> list[str]:
    prompts = [chat["messages"][0]["content"] for chat in server.chats]
    return [prompt for prompt in prompts if ASKED in prompt]


def explanations(project: Project) -> dict[str, tuple[str, str | None]]:
    (suite,) = project.results()["suites"]
    return {
        row["id"]: (row["explanation"], row.get("explanation_error"))
        for row in suite["records"]
        if "explanation" in row
    }


def without_explanations(document: dict[str, Any]) -> dict[str, Any]:
    for suite in document["suites"]:
        for row in suite["records"]:
            row.pop("explanation", None)
            row.pop("explanation_error", None)
            row.pop("explanation_cause", None)
    return document


def test_explanations_change_nothing_else(project: Project, dist: tuple[str, ...]) -> None:
    """Scores, outcomes and exit status are those of a run without; a second run asks nothing."""
    project.suite(records(4, wrong=[1, 3]), 'responses="model_response", min_score=50')
    files = (
        *("--llm-judge-html=report.html", "--llm-judge-markdown=report.md"),
        *("--junitxml=junit.xml", REPORT, *dist),
    )
    with FakeOllama(judge()) as server:
        without = project.run(REPORT, *dist, server=server.url)
        before = project.results()
        assert asked(server) == []
        result = project.run(ALL, *files, server=server.url)
        first = len(server.chats)
        assert len(asked(server)) == 2
        again = project.run(ALL, REPORT, server=server.url)
        assert len(server.chats) == first

    assert result.ret == without.ret == again.ret
    result.assert_outcomes(passed=3, failed=2)
    assert explanations(project) == {"r1": (SHOWN, None), "r3": (SHOWN, None)}
    assert without_explanations(project.results()) == before
    output = result.stdout.str()
    assert output.count(f"\n{SHOWN}\n") == 2
    assert SHOWN in (project.path / "report.md").read_text("utf-8")
    assert texts_of(project.path / "report.html")["r1"]["explanation"] == SHOWN
    assert "explanation" not in texts_of(project.path / "report.html")["r0"]
    name = 'name="llm_judge_explanation[test_suite.py::test_instructions[r1]]"'
    assert f'{name} value="{SHOWN}"' in (project.path / "junit.xml").read_text("utf-8")


def test_a_gate_that_fails(project: Project) -> None:
    """Where no record fails by itself, those are explained that made the gate fail."""
    project.suite(records(4, wrong=[1, 3]), 'responses="model_response", min_average=90')

    with FakeOllama(judge()) as server:
        result = project.run("--llm-judge-explain=1", REPORT, server=server.url)
        passing = project.run(ALL, "-k", "not average", server=server.url)
        number = len(asked(server))

    result.assert_outcomes(passed=4, failed=1)
    assert explanations(project) == {"r1": (SHOWN, None)}
    result.stdout.fnmatch_lines([f"    0  r1  {SHOWN}"])
    passing.assert_outcomes(passed=4)
    assert number == 1


def test_a_baseline_that_is_lost(project: Project) -> None:
    """What lost most beside the baseline is explained first."""
    arguments = 'responses="model_response", min_average=0'
    project.suite(records(12), arguments)
    with FakeOllama(judge()) as server:
        project.run("--llm-judge-report=before.json", server=server.url)
        project.suite(records(12, wrong=range(9)), arguments)
        compare = ("--llm-judge-baseline=before.json", "--llm-judge-explain=2")
        project.run(REPORT, *compare, server=server.url)

    assert explanations(project) == {"r0": (SHOWN, None), "r1": (SHOWN, None)}


def test_a_judge_that_is_checked(project: Project) -> None:
    """The known answers of the check are neither explained nor disturbed; the ini option does."""
    content = unlike_records()
    content[2]["model_response"] = "No."
    project.suite(content, 'responses="model_response", min_score=50')
    project.write("pytest.ini", "[pytest]\nllm_judge_explain = 3\n")

    with FakeOllama(judge()) as server:
        result = project.run("--llm-judge-check=strict", REPORT, server=server.url)
        number = len(asked(server))

    result.assert_outcomes(passed=len(content) + 1, failed=1)
    assert explanations(project) == {"r2": (SHOWN, None)}
    assert number == 1


def test_a_judge_that_fails_meanwhile(project: Project) -> None:
    """One line says so, whatever the number of records, and nothing else changes."""
    project.suite(records(6, wrong=[0, 1, 2, 3]), 'responses="model_response", min_score=50')

    def fails(request: ChatRequest) -> Reply:
        return Failure(500, "no memory") if explains(request) else similarity(request)

    with FakeOllama(fails) as server:
        without = project.run(REPORT, server=server.url)
        before = project.results()
        result = project.run(ALL, REPORT, server=server.url)

    assert result.ret == without.ret
    result.assert_outcomes(passed=3, failed=4)
    told = [line for line in result.outlines if "not all failures were explained" in line]
    assert len(told) == 1
    assert told[0].startswith(f"note: not all failures were explained: {server.url}: ")
    assert "in the judge's words" not in result.stdout.str()
    found = explanations(project)
    assert {text for text, _ in found.values()} == {""}
    assert {error for _, error in found.values()} == {told[0].partition("explained: ")[2]}
    after = without_explanations(project.results())
    assert after == {**before, "notes": after["notes"]}


def test_a_gateway_that_changes_the_model_meanwhile(project: Project) -> None:
    """All scores stand, since they were final; what the other model says does not count."""
    project.suite(records(3), 'responses="model_response", min_score=90')

    with serving(lambda number: "m:70b" if number <= 3 else "m:1b") as server:
        openai = ("--llm-judge-model=openai:m", f"--llm-judge-url={server.url}/v1")
        result = project.run(ALL, REPORT, *openai)

    result.assert_outcomes(failed=3, passed=1)
    (suite,) = project.results()["suites"]
    assert suite["average"] == 80.0
    assert [row["outcome"] for row in suite["records"]] == ["failed"] * 3
    assert {text for text, _ in explanations(project).values()} == {""}
    result.stdout.fnmatch_lines(["note: not all failures were explained: *was replaced*"])


def test_ctrl_c_while_explaining(project: Project) -> None:
    """It ends the asking and no more: files are written, and the status is the run's own."""
    project.suite(records(6, wrong=[1, 2, 3]), 'responses="model_response", min_score=50')
    never = threading.Event()

    def hangs(request: ChatRequest) -> Reply:
        if not explains(request):
            return similarity(request)
        return Answer(WHY) if len(asked(server)) == 1 else Hang(never)

    with FakeOllama(hangs) as server:
        command = project.command(ALL, REPORT, server=server.url)
        status, output = stop_when(project, command, lambda: len(asked(server)) == 2, signal.SIGINT)
        never.set()

    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert "3 failed, 4 passed" in output
    assert "Traceback" not in output
    assert "--llm-judge-explain: it was interrupted; run again for the rest" in output
    assert explanations(project) == {"r1": (SHOWN, None)}


def test_stopping_at_the_first_failure(project: Project, mode: tuple[str, ...]) -> None:
    """What failed until then is explained."""
    project.suite(records(3, wrong=[0]), 'responses="model_response", min_score=50')

    with FakeOllama(judge()) as server:
        result = project.run(ALL, REPORT, "-x", *mode, server=server.url)

    assert result.parseoutcomes()["failed"] == 1
    assert explanations(project)["r0"] == (SHOWN, None)
    assert "explanations" not in result.stdout.str()


def test_a_reply_that_is_none(project: Project) -> None:
    """The explanation is empty, and the failure has the reason."""
    project.suite(records(2, wrong=[0]), 'responses="model_response", min_score=50')

    with FakeOllama(judge("\n")) as server:
        result = project.run(ALL, REPORT, server=server.url)

    error = (
        f"{server.url}: llama3 wrote nothing when asked what is wrong; read the response beside its "
        "reference, or name another judge with --llm-judge-model"
    )
    assert explanations(project) == {"r0": ("", error)}
    assert f"\n(none: {error})\n" in result.stdout.str()


OWN_JUDGE = """
import pytest
from pytest_llmjudge import Verdict

class Judge:
    fingerprint = "1"

    def score(self, record, response):
        return Verdict(7, "seven")

@pytest.fixture(scope="session")
def llm_judge():
    return Judge()
"""
OWN = (
    "--llm-judge-explain: llm_judge is a judge of the user's own, which is not asked what is wrong; "
    "leave it out, and put what is wrong into the reply of the Verdict"
)
EMBEDDED = (
    "--llm-judge-explain: the embedded judge compares texts, and cannot say what is wrong with "
    "one; leave it out, or name a judge with --llm-judge-model"
)
NO_SUITE = (
    "--llm-judge-explain: no suite of this run has responses that a judge scores; leave it out"
)


SCORED = MARKED.format(arguments='"data.json", responses="model_response", min_score=50')
PAIRS = COMPARED.format(arguments='"data.json", against="model_response", min_win_rate=0.5')
LLAMA = "--llm-judge-model=llama3"


@pytest.mark.parametrize(
    ("files", "options", "error"),
    [
        ({"test_a.py": SCORED}, [], EMBEDDED),
        ({"test_a.py": SCORED, "conftest.py": OWN_JUDGE}, [LLAMA], OWN),
        ({"test_a.py": PAIRS}, [LLAMA, "--llm-judge-checkpoint=ollama:llama3"], NO_SUITE),
    ],
    ids=["embedded", "own", "pairs"],
)
def test_judges_that_cannot_explain(
    project: Project, mode: tuple[str, ...], files: dict[str, str], options: list[str], error: str
) -> None:
    """On the command line that is a usage error before any work."""
    for name, text in {"data.json": records(2), **files}.items():
        project.write(name, text)

    with FakeOllama(judge()) as server:
        url = [f"--llm-judge-url={server.url}"] if options else []
        result = project.run("--llm-judge-explain=2", *options, *url, *mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {error}" in [*result.outlines, *result.errlines]
    assert server.chats == []


@pytest.mark.parametrize(("conftest", "arguments"), [("", []), (OWN_JUDGE, [LLAMA])])
def test_judges_that_cannot_explain_in_an_ini_file(
    project: Project, conftest: str, arguments: list[str]
) -> None:
    """The option is left out, and the run says so once."""
    project.write("conftest.py", conftest)
    project.write("pytest.ini", "[pytest]\nllm_judge_explain = all\n")
    project.suite(records(2, wrong=[0]), 'responses="model_response", min_score=50')

    result = project.run(REPORT, *arguments)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert explanations(project) == {}
    note = (
        "note: test_suite.py::test_instructions: no failure is explained, because its judge cannot "
        "say what is wrong"
    )
    assert [line for line in result.outlines if "explained" in line] == [note]
