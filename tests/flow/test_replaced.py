"""Weights that are replaced during a run, and replies of other models: nothing passes by them."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import DIGEST, Answer, FakeOllama, Page, similarity
from tests.support.project import Project, records

if TYPE_CHECKING:
    from tests.support.fake_ollama import ChatRequest, Reply

NEW = DIGEST[::-1]
REPORT = "--llm-judge-report=results.json"
AVERAGE = 'responses="model_response", min_average=50'


def replaced(url: str, model: str = "llama3") -> str:
    return (
        f'{url}: the model "{model}" was replaced during the run (digest {DIGEST[:12]} became '
        f"{NEW[:12]}); run again, for what it answered since it was last looked at is thrown away"
    )


def replacing(server: FakeOllama, number: int) -> None:
    """Let the weights be replaced before a request, and give 100 for everything from then on."""

    def reply(request: ChatRequest) -> Reply:
        if request.number < number:
            return Answer("0")
        server.models["llama3:latest"] = NEW
        return Answer("100")

    server.reply = reply


def verdicts(project: Project) -> int:
    path = next((project.path / ".pytest_cache").rglob("store.sqlite"))
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM verdicts WHERE score = 100").fetchone()
    connection.close()
    return int(count)


def test_a_judge_that_is_replaced(
    project: Project, ollama: FakeOllama, dist: tuple[str, ...]
) -> None:
    """The run errs in one line, its results pass nothing, and nothing of the other judge stays."""
    project.suite(records(60), AVERAGE)
    replacing(ollama, 45)

    result = project.run(*dist, REPORT, server=ollama.url)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes()["errors"] >= 1
    result.stdout.fnmatch_lines([f"*{replaced(ollama.url)}*"])
    (suite,) = project.results()["suites"]
    assert suite["outcome"] != "passed"
    assert suite["average"] is None
    assert verdicts(project) == 0
    ollama.models["llama3:latest"] = DIGEST
    ollama.reply = lambda _: Answer("0")
    project.run(*dist, server=ollama.url)
    assert verdicts(project) == 0


@pytest.mark.every_mode
def test_a_server_that_is_replaced(
    project: Project, ollama: FakeOllama, dist: tuple[str, ...]
) -> None:
    """Another version of Ollama is another judge, though it has the same weights."""
    project.suite(records(60), AVERAGE)

    def reply(request: ChatRequest) -> Reply:
        if request.number >= 45:
            ollama.version = "0.1.0"
        return Answer("90")

    ollama.reply = reply

    result = project.run(*dist, REPORT, server=ollama.url)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    message = (
        f"{ollama.url}: Ollama was replaced during the run (version 0.24.0 became 0.1.0); run "
        "again, for what it answered since it was last looked at is thrown away"
    )
    result.stdout.fnmatch_lines([f"*{message}*"])
    (suite,) = project.results()["suites"]
    assert (suite["outcome"], suite["average"]) != ("passed", 90)


def test_a_judge_that_is_replaced_with_no_gate_selected(
    project: Project, ollama: FakeOllama
) -> None:
    """The last look is at the end of the run, and fails it."""
    project.suite(records(3), 'responses="model_response", min_score=0')
    replacing(ollama, 2)

    result = project.run("-k", "not average", REPORT, server=ollama.url)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"ERROR: {replaced(ollama.url)}"])
    (suite,) = project.results()["suites"]
    assert suite["outcome"] != "passed"


def test_a_served_model_that_is_replaced(project: Project, ollama: FakeOllama) -> None:
    """Its texts are not kept, and its suite does not pass."""
    project.suite(records(4), "min_average=0")

    def reply(request: ChatRequest) -> Reply:
        if not request.response:
            ollama.models["llama3:latest"] = NEW
        return similarity(request)

    ollama.reply = reply

    result = project.run(
        "--llm-judge-checkpoint=ollama:llama3",
        f"--llm-judge-checkpoint-url={ollama.url}",
        "--llm-judge-model=embedded",
        REPORT,
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*{replaced(ollama.url, 'llama3')}*"])
    path = next((project.path / ".pytest_cache").rglob("store.sqlite"))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM responses").fetchone() == (0,)
    connection.close()


def test_a_small_run_asks_once_more(project: Project, ollama: FakeOllama) -> None:
    """Before the gates the model is looked at once; a run that finds all in the cache need not."""
    project.suite(records(4), AVERAGE)

    project.run(server=ollama.url).assert_outcomes(passed=5)
    first = [seen.path for seen in ollama.requests].count("/api/tags")
    project.run(server=ollama.url).assert_outcomes(passed=5)
    second = [seen.path for seen in ollama.requests].count("/api/tags") - first

    assert first - second == 1


@pytest.mark.parametrize("ask", ["integer", "weighted"])
def test_a_reply_of_another_model(project: Project, ollama: FakeOllama, ask: str) -> None:
    """It is no score, whatever it says."""
    project.suite(records(2, wrong=[0, 1]), AVERAGE)
    body = {
        "model": "tiny-fallback:1b",
        "message": {"role": "assistant", "content": "100"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
    }
    ollama.reply = lambda _: Page(200, "application/json", json.dumps(body))

    result = project.run(f"--llm-judge-ask={ask}", server=ollama.url)

    result.assert_outcomes(errors=2, failed=1)
    message = (
        f'{ollama.url}: answered as "tiny-fallback:1b" where "llama3" was asked for; switch off '
        "whatever answers in its place, or name that model with --llm-judge-model"
    )
    result.stdout.fnmatch_lines([f"*{message}*"])


@pytest.mark.parametrize(
    ("named", "passes"),
    [
        ("gpt-4o-2024-08-06", True),
        ("openai/gpt-4o", True),
        ("GPT-4o", False),
        ("gpt-4o:latest", True),
        ("gpt-4o-mini", False),
        ("tiny-fallback:1b", False),
    ],
)
def test_dated_names(
    project: Project,
    ollama: FakeOllama,
    named: str,
    passes: bool,  # noqa: FBT001
) -> None:
    """A tag and a date make other names of one model, noted once; all else is another."""
    ollama.models = {"gpt-4o": DIGEST, "gpt-4o:latest": DIGEST}
    project.suite(records(2), AVERAGE)
    body = {
        "model": named,
        "choices": [{"message": {"content": "80"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9},
    }
    ollama.reply = lambda _: Page(200, "application/json", json.dumps(body))

    result = project.run("--llm-judge-model=openai:gpt-4o", f"--llm-judge-url={ollama.url}/v1")

    assert (result.ret == 0) == passes
    if passes and named != "gpt-4o:latest":
        notes = [line for line in result.outlines if f'answers as "{named}" for "gpt-4o"' in line]
        assert len(notes) == 1


@pytest.mark.parametrize(
    "change",
    ["score = 1000", "score = 8.5", "score = NULL", "reply = x'00ff'"],
)
def test_rows_that_are_no_verdicts(project: Project, ollama: FakeOllama, change: str) -> None:
    """They are asked about again, and the summary says so."""
    project.suite(records(3), AVERAGE)
    project.run(server=ollama.url).assert_outcomes(passed=4)
    path = next((project.path / ".pytest_cache").rglob("store.sqlite"))
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE verdicts SET {change}")  # noqa: S608  # one of the above
    connection.close()

    result = project.run(REPORT, server=ollama.url)

    result.assert_outcomes(passed=4)
    assert len(ollama.chats) == 6
    result.stdout.fnmatch_lines(["*some verdicts of the cache were none*"])
    assert project.results()["suites"][0]["average"] == 100
