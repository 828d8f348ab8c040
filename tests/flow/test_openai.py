"""``openai:NAME`` as the judge, through the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flow.test_judge_check import unlike_records
from tests.support.fake_ollama import (
    OPENAI_TEMPERATURE,
    Failure,
    FakeOllama,
    Page,
    always,
    similarity,
)

if TYPE_CHECKING:
    from tests.support.project import Project

ARGUMENTS = 'responses="model_response", min_average=50'
JUDGE = "--llm-judge-model=openai:llama3"
STRICT = "--llm-judge-check=strict"
REPORT = "--llm-judge-report=results.json"
KEY = "sk-a-secret-of-the-user"


@pytest.mark.parametrize("ask", ["integer", "weighted"])
def test_a_suite(
    project: Project, dist: tuple[str, ...], ask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It judges like any other, and the key is nowhere in what the run leaves behind."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama() as server:
        server.key = KEY
        options = (JUDGE, STRICT, REPORT, f"--llm-judge-ask={ask}", "-vv", *dist)
        result = project.run(*options, server=server.url)
        asked = len(server.chats)
        assert {seen.path for seen in server.requests} == {"/v1/models", "/v1/chat/completions"}
        if ask == "integer":
            project.run(*options, server=server.url).assert_outcomes(passed=12)
            assert len(server.chats) == asked

    result.assert_outcomes(passed=12)
    document = project.results()
    assert document["judge"]["model"] == "openai:llama3"
    assert document["judge"]["version"] == f"{server.url}/v1"
    left = [path.read_bytes() for path in project.path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in left)
    assert KEY not in result.stdout.str() + result.stderr.str()


def test_without_logprobs(project: Project) -> None:
    """One line, before the work."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama() as server:
        server.tells_logprobs = False
        result = project.run(JUDGE, "--llm-judge-ask=weighted", server=server.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f"ERROR: {server.url}/v1: gives no log-probabilities, which --llm-judge-ask=weighted needs; "
        "switch them on in the server, or ask with --llm-judge-ask=integer"
    )
    assert [line for line in result.errlines if line.startswith("ERROR")] == [text]


def test_an_unfit_judge(project: Project) -> None:
    """Its check is as strict as Ollama's."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(always("85")) as server:
        result = project.run(JUDGE, STRICT, server=server.url)

    result.assert_outcomes(failed=1, errors=11)
    result.stdout.fnmatch_lines(
        ["judge openai:llama3: it does not tell right answers from wrong *"]
    )


def test_the_address_may_come_from_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``OPENAI_BASE_URL`` as in other programs."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        result = project.pytester.runpytest("--llm-judge", JUDGE)

    result.assert_outcomes(passed=12)


def test_a_key_that_is_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that does not show it, before the work."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret\nsecond-line")
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama() as server:
        result = project.run(JUDGE, server=server.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        "ERROR: OPENAI_API_KEY: has characters that no key has, such as blanks, line breaks or curly "
        "quotes; copy the key anew, all of it and nothing else"
    )
    assert [line for line in result.errlines if line.startswith("ERROR")] == [text]
    assert "secret" not in result.stdout.str() + result.stderr.str()


def test_a_larger_context_is_tried(project: Project) -> None:
    """Too long for a server as it was started is not too long for ever."""
    project.suite(unlike_records(), ARGUMENTS)
    too_long = Failure(400, "This model's maximum context length is 64 tokens")

    with FakeOllama(lambda _: too_long) as server:
        project.run(JUDGE, server=server.url).assert_outcomes(errors=10, failed=1)
        server.reply = similarity
        project.run(JUDGE, server=server.url).assert_outcomes(passed=11)


def test_a_key_that_comes_back_in_other_forms(
    project: Project, mode: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escaped or in base64 it is nowhere in what the run leaves behind either."""
    key = "sk-a+b/c"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    forms = (r"sk-a\u002Bb\/c", "sk-a%2Bb%2Fc", "sk-a%252bb%252fc", "c2stYStiL2M=", "eHNrLWErYi9j")
    pages = [
        Page(400, "application/json", f'{{"error": {{"message": "bad {one}"}}}}') for one in forms
    ]
    project.suite(unlike_records(), ARGUMENTS)
    files = (
        REPORT,
        "--llm-judge-html=page.html",
        "--llm-judge-markdown=report.md",
        "--junitxml=x.xml",
    )

    with FakeOllama(lambda request: pages[request.number % len(pages)]) as server:
        options = ("--llm-judge-annotations=github", "-vv", *files, *mode)
        result = project.run(JUDGE, *options, server=server.url)

    assert "bad ***" in result.stdout.str()
    shown = [result.stdout.str().encode(), result.stderr.str().encode()]
    left = [path.read_bytes() for path in project.path.rglob("*") if path.is_file()]
    hidden = (key, *forms, "sk-a%2bb%2fc", "c2stYStiL2", "NrLWErYi9j")
    for content in (*shown, *left):
        assert [one for one in hidden if one.encode() in content] == []


def test_a_head_of_a_reply_that_cannot_be_parsed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP library would log it, with a traceback, and a key that stands in it as it is."""
    key = "sk-a+b/c"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    # The length of the body stands before what ends the part of the head that can be parsed.
    head = {"Content-Length": "", f"no field of {key}": "x"}
    page = Page(400, "application/json", '{"error": {"message": "no"}}', head)
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(lambda _: page) as server:
        result = project.run(JUDGE, "--junitxml=x.xml", "-vv", server=server.url)

    result.assert_outcomes(errors=10, failed=1)
    report = (project.path / "x.xml").read_text("utf-8")
    for text in (result.stdout.str(), result.stderr.str(), report):
        assert [one for one in (key, "Traceback", "urllib3") if one in text] == []


@pytest.mark.parametrize("samples", [1, 3])
def test_a_model_with_a_temperature_of_its_own(project: Project, samples: int) -> None:
    """One request of a run is refused, in whatever process; header, results and keys say why."""
    project.suite(unlike_records(), ARGUMENTS)
    options = (JUDGE, STRICT, f"--llm-judge-samples={samples}")

    with FakeOllama() as server:
        server.owner, server.refuses_temperature = "system", OPENAI_TEMPERATURE
        result = project.run(*options, REPORT, server=server.url)
        with_temperature = [body for body in server.chats if "temperature" in body]
        server.refuses_temperature = None
        other = project.run(*options, "--llm-judge-baseline=results.json", server=server.url)

    result.assert_outcomes(passed=12)
    assert len(with_temperature) == 1
    assert project.results()["judge"]["options"]["temperature"] == "the model's own"
    result.stdout.fnmatch_lines(["llm-judge: judge openai:llama3 (*, temperature the model's own)"])
    other.stdout.fnmatch_lines(["*set of options*"])
