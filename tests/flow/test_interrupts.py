"""Ctrl-C and kills: what is done stays done, and the next run goes on from there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import ChatRequest, Failure, FakeOllama, Hang, Reply, similarity
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING_MODEL = """
import time
from pathlib import Path
import pytest

class Waiting:
    fingerprint = "waiting-1"

    def generate(self, prompts, *, max_new_tokens):
        end = time.monotonic() + 300
        with open("generated.log", "a+") as log:
            log.seek(0)
            while len(log.readlines()) >= 10 and not Path("go").exists():
                Path("waits").touch()
                time.sleep(0.02)
                assert time.monotonic() < end
                log.seek(0)
            log.writelines(prompt.split("Say ")[1].split(" ")[0] + "\\n" for prompt in prompts)
        return ["The number in words." for prompt in prompts]

@pytest.fixture(scope="session")
def llm_model():
    return Waiting()
"""
"""A model that, once it has made ten responses, waits for a file before it makes others."""


def twenty(request: ChatRequest) -> Reply:
    """Answer twenty requests, and leave the others waiting."""
    return similarity(request) if request.number <= 20 else Hang(threading.Event())


@pytest.fixture
def suite(project: Project) -> Project:
    """Sixty records whose responses are made two by two."""
    project.write("conftest.py", WAITING_MODEL)
    project.suite(records(60), "min_score=20")
    return project


REPORTED = """
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Log())

class Log:
    def pytest_runtest_logreport(self, report):
        with open("reported.log", "a") as log:
            log.write(f"{report.when}\\n")
"""
"""A conftest that notes what the process with the terminal hears of items."""


def stop_when(
    project: Project, arguments: list[str], when: Callable[[], bool], number: int
) -> tuple[int, str]:
    """Start a run, send it a signal when a condition holds; return status and output."""
    process = subprocess.Popen(
        arguments,
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not when() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def generated(path: Path) -> list[str]:
    log = path / "generated.log"
    return log.read_text().split() if log.exists() else []


def kept(output: str, *kinds: str) -> list[int]:
    """Return how much of each kind of work a run of sixty records says that the cache keeps."""
    parts = ", ".join(rf"(\d+) of 60 {kind}" for kind in kinds)
    end = "the same command goes on from there"
    found = re.search(rf"^llm-judge: kept in the cache: {parts}; {end}$", output, re.MULTILINE)
    assert found is not None, output
    return [int(number) for number in found.groups()]


@pytest.mark.slow
def test_ctrl_c_while_generating(suite: Project, mode: tuple[str, ...]) -> None:
    """The run ends with status 2, writes its results, and nothing made is made again."""
    with FakeOllama() as server:
        arguments = ["--llm-judge-batch-size=2", "--llm-judge-report=results.json", *mode]
        command = suite.command(*arguments, server=server.url)
        status, output = stop_when(suite, command, (suite.path / "waits").exists, signal.SIGINT)
        made = generated(suite.path)
        assert status == pytest.ExitCode.INTERRUPTED, output
        assert "INTERNALERROR" not in output
        assert len(made) == 10
        (partial,) = suite.results()["suites"]
        assert (partial["total"], partial["outcome"]) == (60, "incomplete")
        responses, _ = kept(output, "responses", "verdicts")
        assert responses == 10

        suite.write("go", "")
        suite.run(*arguments, server=server.url).assert_outcomes(passed=61)

    again = Counter(generated(suite.path))
    assert len(again) == again.total() == 60


def test_ctrl_c_while_judging(project: Project, mode: tuple[str, ...]) -> None:
    """Verdicts had before the signal are in the results file and are not asked for again."""
    project.suite(records(60))
    project.write("conftest.py", REPORTED)
    log = project.path / "reported.log"

    def are_reported() -> bool:
        return log.exists() and log.read_text().count("call") == 20

    arguments = ["--llm-judge-report=results.json", *mode]
    with FakeOllama(twenty) as server:
        command = project.command(*arguments, server=server.url)
        status, output = stop_when(
            project, command, lambda: len(server.chats) > 20 and are_reported(), signal.SIGINT
        )
        assert server.wait_until_idle()
        server.reply = similarity

        assert status == pytest.ExitCode.INTERRUPTED, output
        assert "INTERNALERROR" not in output
        (partial,) = project.results()["suites"]
        assert partial["outcome"] == "incomplete"
        assert partial["scored"] == 20
        assert kept(output, "verdicts") == [20]
        project.run(*arguments, server=server.url).assert_outcomes(passed=61)

        # The one that nobody waited for any more was sent again.
        assert len(server.chats) == 61
    assert project.results()["suites"][0]["outcome"] == "passed"


def test_a_judge_that_dies_half_way(project: Project) -> None:
    """The verdicts from before are kept, and the same command goes on from there."""
    project.suite(records(60))
    asked = 0

    def die(request: ChatRequest) -> Reply:
        nonlocal asked
        asked += 1
        return Failure(500, "gone") if asked > 20 else similarity(request)

    with FakeOllama(die) as server:
        result = project.run(server=server.url)

    assert result.parseoutcomes()["passed"] == 20
    assert kept("\n".join(result.outlines), "verdicts") == [20]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("-x", "kept in the cache: 2 of 5 verdicts; without -x the same command goes on from *"),
        ("--maxfail=2", "kept in the cache: 3 of 5 verdicts; without --maxfail the same command *"),
        ("--llm-judge-cache=off", "not kept, because the cache is off: 2 of 5 verdicts"),
        (
            "--llm-judge-cache=refresh",
            "kept in the cache: 2 of 5 verdicts; without -x and --llm-judge-cache=refresh the *",
        ),
    ],
)
def test_a_run_that_stops_at_a_failure(project: Project, option: str, line: str) -> None:
    """It says which options keep the same command from going on."""
    project.suite(records(5, wrong=[1, 2]))

    with FakeOllama(similarity) as server:
        result = project.run("-x", option, server=server.url)

    result.stdout.fnmatch_lines([f"llm-judge: {line}"])


def test_a_run_that_comes_to_its_end_says_nothing(project: Project) -> None:
    """Not even where records fail, or a part of them was selected."""
    project.suite(records(5, wrong=[1]))

    for arguments in ([], ["-k", "r1"]):
        result = project.run(*arguments)
        assert not any("kept" in line for line in result.outlines)


def test_a_judge_that_never_answers(project: Project) -> None:
    """Of a run in which nothing was made there is nothing to say either."""
    project.suite(records(2))

    with FakeOllama(lambda _: Failure(500, "gone")) as server:
        result = project.run(server=server.url)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert not any("kept" in line for line in result.outlines)


def test_tests_in_the_background_of_a_shell() -> None:
    """There SIGINT is ignored, and the tests that send it hold all the same."""
    ignore = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', "
        "'tests/flow/test_interrupts.py::test_ctrl_c_while_judging[plain]'])\n"
    )
    root = Path(__file__).parent.parent.parent

    run = subprocess.run(
        [sys.executable, "-c", ignore], cwd=root, capture_output=True, text=True, check=False
    )

    assert run.returncode == pytest.ExitCode.OK, run.stdout


def test_kill_while_generating(suite: Project, mode: tuple[str, ...]) -> None:
    """The lock of a killed process is free, and its rows are there."""
    with FakeOllama() as server:
        arguments = ["--llm-judge-batch-size=2", *mode]
        command = suite.command(*arguments, server=server.url)
        stop_when(suite, command, (suite.path / "waits").exists, signal.SIGKILL)
        assert len(generated(suite.path)) == 10

        suite.write("go", "")
        suite.run(*arguments, server=server.url).assert_outcomes(passed=61)

    counts = Counter(generated(suite.path))
    assert len(counts) == counts.total() == 60


def test_responses_are_judged_while_others_are_generated(suite: Project) -> None:
    """The judge does not wait for the last response: its first request comes before that."""

    def lets_go(request: ChatRequest) -> Reply:
        suite.write("go", "")
        return similarity(request)

    with FakeOllama(lets_go) as server:
        suite.run("--llm-judge-batch-size=2", server=server.url).assert_outcomes(passed=61)

        assert len(server.chats) == 60
    # What was made by then was asked about, or it would have waited for ever.
    assert (suite.path / "waits").exists()


INTERRUPTS = """
import signal
from pytest_llmjudge.plugin import controller

write = controller.write_results

def write_later(*arguments):
    signal.raise_signal(signal.SIGINT)
    return write(*arguments)

controller.write_results = write_later
"""


def test_while_files_are_written(project: Project) -> None:
    """As by a second Ctrl-C after one that ended explanations: all that was decided is written."""
    project.write("conftest.py", INTERRUPTS)
    project.suite(records(2))

    result = project.run_subprocess("--llm-judge-report=results.json")

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    assert project.results()["suites"][0]["scored"] == 2
