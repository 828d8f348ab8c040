"""What a person reads: header, progress, summary, results file."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
from dataclasses import replace

import pytest

from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply, always, similarity
from tests.support.project import MODEL, Project, records
from tests.support.schema import check_results
from tests.unit.generation.tiny import TINY, save_model


def test_header_names_judge_and_cache(project: Project, ollama: FakeOllama) -> None:
    """The head of a run says who judges, in which version, and where verdicts are kept."""
    project.suite(records(1))

    result = project.run(server=ollama.url)

    result.stdout.fnmatch_lines(
        [
            "llm-judge: judge llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)",
            "llm-judge: cache .pytest_cache/d/llm-judge",
        ]
    )


def test_summary_of_a_good_run(project: Project, ollama: FakeOllama, dist: tuple[str, ...]) -> None:
    """One row a suite, and the lowest scores."""
    project.suite(records(5, wrong=[3]), 'responses="model_response", min_score=0, min_average=50')

    result = project.run(*dist, server=ollama.url)

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        [
            "*= llm-judge =*",
            "judge: llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)",
            "model: responses from the records, nothing generated",
            "judge: * s and 96 tokens a record",
            (
                "suite                             records  scored  average  95 % interval  min  "
                "median  max  outcome"
            ),
            (
                "test_suite.py::test_instructions        5       5    80.00  24.5 to 100.0    0"
                "     100  100  passed: score >= 0, average >= 50 (within noise)"
            ),
            "lowest scores in test_suite.py::test_instructions:",
            '    0  r3  "xyz"',
            '  100  r0  "The number 0 in words."',
        ],
        consecutive=True,
    )


def test_summary_names_the_unscored(project: Project) -> None:
    """A record without a score is an error of its own, fails the average, and is listed."""
    project.suite(records(3), 'responses="model_response", min_average=50')

    def refuse_r1(request: ChatRequest) -> Reply:
        return Answer("I cannot say.") if "number 1" in request.prompt else similarity(request)

    with FakeOllama(refuse_r1) as server:
        result = project.run("--llm-judge-report=results.json", server=server.url)

    result.assert_outcomes(passed=2, failed=1, errors=1)
    cause = (
        f'{server.url}: llama3 wrote "I cannot say." and, asked again for JSON, "I cannot say.", '
        "neither of which is a score from 0 to 100; a larger judge keeps to the format more "
        "often, name one with --llm-judge-model"
    )
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_instructions[[]r1[]]*",
            cause,
            "1 of 3 records is unscored, so there is no average: r1",
            f"first cause: {cause}",
            f"       r1  {cause}",
        ]
    )
    (suite,) = project.results()["suites"]
    assert (suite["scored"], suite["unscored"], suite["outcome"]) == (2, 1, "incomplete")
    assert suite["records"][1]["reply"] == "I cannot say."
    assert suite["records"][1]["error"] == cause


def test_results_file_keeps_to_its_schema(project: Project, ollama: FakeOllama) -> None:
    """Good, failed and incomplete runs all write what the shipped schema describes."""
    project.suite(records(3, wrong=[1]))
    project.run("--llm-judge-report=results.json", server=ollama.url)
    document = json.loads((project.path / "results.json").read_text())
    check_results(document)

    assert document["judge"] == {
        "model": "llama3",
        "backend": "ollama",
        "version": "0.24.0",
        "digest": "1ca99c7a9cf48748c742f14231fad53af48f571bb68c620f2a0d2e470843a023",
        "options": {"seed": 123, "temperature": 0, "num_ctx": 2048},
        "ask": "integer/1",
    }
    (suite,) = document["suites"]
    assert 0 <= suite["records"][1].pop("seconds") < 60
    assert suite["records"][1] == {
        "id": "r1",
        "instruction": "Say 1 in words.",
        "input": "",
        "output": "The number 1 in words.",
        "model_response": "xyz",
        "score": 0,
        "reply": "0",
        "error": None,
        "outcome": "failed",
        "tokens": 92,
    }
    assert (suite["total"], suite["outcome"]) == (3, "failed")

    project.run("-k", "r0", "--llm-judge-report=part.json", server=ollama.url)
    check_results(json.loads((project.path / "part.json").read_text()))


def test_a_report_that_is_a_folder(project: Project) -> None:
    """What cannot be written is found before the work."""
    project.suite(records(1))
    (project.path / "results.json").mkdir()

    result = project.run("--llm-judge-report=results.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    path = project.path / "results.json"
    text = f"ERROR: --llm-judge-report: {path} is a folder; name another place"
    assert [text] == [line for line in result.errlines if line]


def test_a_report_that_cannot_be_written(project: Project) -> None:
    """A run whose results are lost does not end well, and says why."""
    project.write("data.json", records(1))
    body = """
import pathlib, pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=1)
def test_instructions(verdict):
    pathlib.Path("results.json").mkdir()
"""
    project.write("test_suite.py", body)

    result = project.run("--llm-judge-report=results.json")

    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = (
        f"ERROR: {project.path / 'results.json'}: it cannot be written (Is a directory); "
        "make room or name another place"
    )
    result.stdout.fnmatch_lines([text])


def slow(request: ChatRequest) -> Reply:
    time.sleep(0.1)
    return similarity(request)


def run_on_a_terminal(project: Project, arguments: list[str], columns: int = 120) -> str:
    """Run a command on a pseudo terminal and return all it wrote there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        arguments, cwd=project.path, stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        written = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            written += chunk
        process.wait()
    os.close(master)
    return written.decode()


def test_progress_is_live_on_a_terminal(project: Project, mode: tuple[str, ...]) -> None:
    """Counts, rate and time left appear below pytest's line and are gone in the end."""
    project.write(
        "conftest.py",
        MODEL.format(answer="__import__('time').sleep(0.2) or 'The number 1 in words.'"),
    )
    project.suite(records(20), "min_score=1")
    with FakeOllama(slow) as server:
        command = project.forked_command("--llm-judge-batch-size=4", *mode, server=server.url)
        written = run_on_a_terminal(project, command)

    lines = re.findall(r"\x1b\[2K(llm-judge: [^\x1b]*)\x1b\[1A", written)
    assert any(
        re.fullmatch(
            r"llm-judge: \d+/20 responses \(\d+\.\d/(s|min), (\d+ min )?\d+ s left\), \d+/20 verdicts.*",
            line,
        )
        for line in lines
    ), lines
    drawn = [match.end() for match in re.finditer(r"\x1b\[2Kllm-judge", written)]
    cleared = [match.end() for match in re.finditer(r"\n\r\x1b\[2K\x1b\[1A", written)]
    assert cleared[-1] > drawn[-1]
    assert "21 passed" in written


QUICK = """
from pytest_llmjudge.plugin import progress

progress.LIVE_SECONDS = 0.05
progress.PLAIN_SECONDS = 0.2
"""
"""A conftest that has a plain line of progress more often."""


def test_progress_is_a_plain_line_in_a_log(project: Project) -> None:
    """Without a terminal there are no control characters, and a line only now and then."""
    project.write("conftest.py", QUICK)
    project.suite(records(20))
    with FakeOllama(slow) as server:
        result = project.run_subprocess(server=server.url)

    result.assert_outcomes(passed=21)
    result.stdout.re_match_lines(
        [r"llm-judge: \d+/20 verdicts \(\d+\.\d/(s|min), (\d+ min )?\d+ s left\)"]
    )
    assert "\x1b" not in result.stdout.str()


SLOW = """
import time
from pytest_llmjudge.generation.families.gpt2.model import GPTModel

logits = GPTModel.logits
GPTModel.logits = lambda self, x: time.sleep(0.05) or logits(self, x)
"""


def test_tokens_are_shown_before_any_response_ends(project: Project) -> None:
    """A worker generates, and the process that owns the terminal says how many tokens so far."""
    project.write("conftest.py", QUICK + SLOW)
    save_model(project.path / "model.pth", replace(TINY, context_length=1024))
    project.suite(records(4), 'checkpoint="model.pth", min_average=0')
    with FakeOllama(slow) as server:
        result = project.run_subprocess("-n2", "--llm-judge-max-new-tokens=40", server=server.url)

    result.assert_outcomes(passed=5)
    result.stdout.re_match_lines([r"llm-judge: 0/4 responses, [\d,]+ tokens \(\d+/s\).*"])


def test_quiet_runs_show_no_progress(project: Project) -> None:
    """``-q`` is quiet."""
    project.suite(records(12))
    with FakeOllama(slow) as server:
        command = project.forked_command("-q", server=server.url)
        written = run_on_a_terminal(project, command)

    assert "verdicts" not in written


def test_a_judge_that_says_the_same_to_all_is_shown(project: Project) -> None:
    """Minimum, median and maximum make a constant judge plain to see."""
    project.suite(records(4, wrong=[0, 1, 2, 3]), 'responses="model_response", min_average=50')

    with FakeOllama(always("85")) as server:
        result = project.run(server=server.url)

    row = "test_suite.py::test_instructions * 4 * 4 * 85.00 * 85.0 to 85.0 * 85 * 85 * 85 *"
    result.stdout.fnmatch_lines([row])


def test_a_name_that_a_terminal_obeys(project: Project) -> None:
    """The line that names a file is one line, and moves no cursor."""
    project.suite(records(2), 'responses="model_response", min_average=1')

    result = project.run("--llm-judge-report=a\n\x1b[2Jb.json")

    assert result.ret == 0
    (line,) = [line for line in result.outlines if line.startswith("results: ")]
    assert line.endswith(r"a \x1b[2Jb.json")
