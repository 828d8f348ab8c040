"""``openai:``: one model answers under the name that was asked for, and results say which."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import DIGEST, FakeOllama, Page
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_ollama import ChatRequest

JUDGE = "--llm-judge-model=openai:m"
REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", min_average=50'


def serving(named: Callable[[int], str], text: str = "80") -> FakeOllama:
    """Make a server that answers as ``named`` says of the number of the request."""

    def reply(request: ChatRequest) -> Page:
        body = {
            "model": named(request.number),
            "choices": [{"message": {"content": text}, "text": text, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9},
        }
        return Page(200, "application/json", json.dumps(body))

    return FakeOllama(reply, models={"m": DIGEST, "m:latest": DIGEST})


def addresses(*servers: FakeOllama) -> list[str]:
    return [f"--llm-judge-url={server.url}/v1" for server in servers]


def replaced(why: str) -> str:
    return (
        f'*: the model "m" was replaced ({why}); see to it that one model answers, or name the one '
        "that you mean, and run again*"
    )


def test_another_name_in_one_run(project: Project, dist: tuple[str, ...]) -> None:
    """A gateway that has another model answer at times decides nothing."""
    project.suite(records(20), ARGUMENTS)

    with serving(lambda number: "m:70b" if number < 9 else "m:1b") as server:
        result = project.run(JUDGE, REPORT, *dist, *addresses(server))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([replaced('it answered as "m:70b" and then as "m:1b"')])
    (suite,) = project.results()["suites"]
    assert suite["outcome"] != "passed"
    assert suite["average"] is None


def test_the_name_that_was_asked_for_is_another_one(project: Project) -> None:
    """Who said more than that before said it of a certain model."""
    project.suite(records(4), ARGUMENTS)

    with serving(lambda number: "m-2024-08-06" if number < 3 else "m") as server:
        result = project.run(JUDGE, *addresses(server))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([replaced('it answered as "m-2024-08-06" and then as "m"')])


def test_latest_says_no_more(project: Project) -> None:
    """It is the same name."""
    project.suite(records(4), ARGUMENTS)

    with serving(lambda number: "m:latest" if number % 2 else "m") as server:
        project.run(JUDGE, REPORT, *addresses(server)).assert_outcomes(passed=5)

    assert project.results()["judge"]["answers_as"] == "m"


def test_servers_with_different_models(project: Project, dist: tuple[str, ...]) -> None:
    """Several servers are one judge only if they answer under one name."""
    project.suite(records(12), ARGUMENTS)

    with serving(lambda _: "m:70b") as one, serving(lambda _: "m:1b") as other:
        result = project.run(
            JUDGE, REPORT, "--llm-judge-concurrency=2", *dist, *addresses(one, other)
        )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(['*: the model "m" was replaced (it answered as "m:*'])
    assert project.results()["suites"][0]["average"] is None


def test_a_served_model_under_another_name(project: Project) -> None:
    """The model under test is one model too."""
    project.suite(records(6), "min_average=0")

    with serving(lambda number: "m:70b" if number < 3 else "m:1b") as server:
        result = project.run(
            "--llm-judge-checkpoint=openai:m",
            f"--llm-judge-checkpoint-url={server.url}/v1",
            "--llm-judge-model=embedded",
            REPORT,
        )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([replaced('it answered as "m:70b" and then as "m:1b"')])
    assert project.results()["suites"][0]["outcome"] != "passed"


def test_a_baseline_of_another_name(project: Project) -> None:
    """Its judge was another one, and the scores do not compare."""
    project.suite(records(6), ARGUMENTS)
    with serving(lambda _: "m:70b") as server:
        options = [JUDGE, *addresses(server)]
        project.run(*options, "--llm-judge-report=base.json").assert_outcomes(passed=7)
        project.run(*options, "--llm-judge-baseline=base.json").assert_outcomes(passed=8)
    base = json.loads((project.path / "base.json").read_text("utf-8"))
    assert base["judge"]["answers_as"] == "m:70b"

    with serving(lambda _: "m:1b", "90") as server:
        options = [JUDGE, *addresses(server)]
        result = project.run(*options, "--llm-judge-baseline=base.json")
        del base["judge"]["answers_as"]
        project.write("base.json", json.dumps(base))
        old = project.run(*options, "--llm-judge-baseline=base.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*its answering name was m:70b and is m:1b now*"])
    # Files of earlier versions do not say, and compare as they did.
    old.assert_outcomes(passed=8)


def test_cached_verdicts_of_another_name(project: Project) -> None:
    """They do not count for the model that answers now, and count again for their own."""
    judged = records(6)
    project.suite(judged[:4], ARGUMENTS)
    now, text = ["m:70b"], ["80"]

    def reply(request: ChatRequest) -> Page:
        body = {"model": now[0], "choices": [{"message": {"content": text[0]}}]}
        return Page(200, "application/json", json.dumps(body))

    with FakeOllama(reply, models={"m": DIGEST, "m:latest": DIGEST}) as server:
        options = [JUDGE, REPORT, *addresses(server)]
        project.run(*options).assert_outcomes(passed=5)
        project.run(*options).assert_outcomes(passed=5)
        assert len(server.chats) == 4

        now[0], text[0] = "m:1b", "95"
        project.suite(judged, ARGUMENTS)
        first = project.run(*options)
        second = project.run(*options)
        results = project.results()
        project.suite(judged[:4], ARGUMENTS)
        now[0], text[0] = "m:70b", "60"
        third = project.run(*options)

    assert first.ret == pytest.ExitCode.TESTS_FAILED
    first.stdout.fnmatch_lines(
        [
            (
                '*: the model "m" was replaced (it answered as "m:70b" in an earlier run and '
                'answers as "m:1b" now); run again, for what the cache has of the other one does '
                "not count any more*"
            )
        ]
    )
    second.assert_outcomes(passed=7)
    assert [record["score"] for record in results["suites"][0]["records"]] == [95] * 6
    assert results["judge"]["answers_as"] == "m:1b"
    # All of it is in the cache, so that nobody is asked.
    third.assert_outcomes(passed=5)
    assert project.results()["judge"]["answers_as"] == "m:1b"
