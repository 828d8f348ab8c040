"""A served model under test, through the whole run."""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.flow.test_imports import TELLER
from tests.support.fake_ollama import (
    DIGEST,
    Answer,
    ChatRequest,
    Failure,
    FakeOllama,
    Hang,
    Reply,
    similarity,
)
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = pytest.mark.parametrize("name", ["ollama:mine", "openai:mine"])
REPORT = "--llm-judge-report=results.json"
SUITE = "test_suite.py::test_instructions"
GATE = "min_average=50"


def answer(request: ChatRequest) -> Reply:
    """Answer the records of :func:`records` rightly, in an Alpaca prompt or as a message."""
    time.sleep(0.01)
    match = re.search(r"Say (\d+) in words", request.prompt)
    return Answer(f"### Response:The number {match[1]} in words. ") if match else Failure(500, "?")


@pytest.fixture
def model() -> Iterator[FakeOllama]:
    """A server with the model under test, and no other."""
    with FakeOllama(answer, models={"mine:latest": DIGEST}) as server:
        yield server


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server but those that a test names."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def at(*servers: FakeOllama, name: str = "ollama:mine") -> list[str]:
    """Options that name the model under test."""
    urls = [f"--llm-judge-checkpoint-url={server.url}" for server in servers]
    return [f"--llm-judge-checkpoint={name}", *urls]


def errors(result: pytest.RunResult) -> list[str]:
    return [line for line in result.errlines if line.startswith("ERROR")]


@NAMES
def test_a_suite(project: Project, model: FakeOllama, name: str, dist: tuple[str, ...]) -> None:
    """Each record is asked once, judged, and kept; header, summary and file tell the name."""
    project.suite(records(12), GATE)

    result = project.run(*at(model, name=name), REPORT, *dist)

    result.assert_outcomes(passed=13)
    path = "/api/generate" if name.startswith("ollama") else "/v1/completions"
    assert {seen.path for seen in model.requests if seen.body[:1] == b"{"} - {"/api/show"} == {path}
    assert len({body["prompt"] for body in model.chats}) == len(model.chats) == 12
    document = project.results()
    checkpoint = document["suites"][0]["checkpoint"]
    assert (checkpoint["path"], checkpoint.get("parameters")) == (name, None)
    assert f"llm-judge: model {name}" in result.outlines
    assert f"model: {name}" in result.outlines
    responses = [record["model_response"] for record in document["suites"][0]["records"]]
    assert responses == [f"The number {number} in words." for number in range(12)]

    again = project.run(*at(model, name=name), *dist)
    again.assert_outcomes(passed=13)
    assert len(model.chats) == 12


def test_a_judge_of_itself(project: Project, ollama: FakeOllama) -> None:
    """The run says so where the judge's weights are those under test, whatever their name."""
    project.suite(records(1), "min_average=0")
    ollama.models["mine:latest"] = ollama.models["llama3:latest"]

    result = project.run(*at(ollama), server=ollama.url)

    result.stdout.fnmatch_lines([f"*{SUITE}: the judge is the model under test (ollama:mine), *"])


@NAMES
def test_no_connection_is_left(
    project: Project, model: FakeOllama, ollama: FakeOllama, name: str, mode: tuple[str, ...]
) -> None:
    """A process that runs pytest many times, as an editor does, does not fill up with them."""
    project.suite(records(4), GATE)

    project.run(*at(model, name=name), *mode, server=ollama.url).assert_outcomes(passed=5)

    assert model.wait_until_alone()
    assert ollama.wait_until_alone()


@NAMES
def test_the_chat_prompt(project: Project, model: FakeOllama, name: str) -> None:
    """The server's own template applies; it is another response, so it is asked anew."""
    project.suite(records(4), f'{GATE}, checkpoint="{name}"')
    options = at(model)[1:]
    project.run(*options).assert_outcomes(passed=5)
    project.suite(records(4), f'{GATE}, checkpoint="{name}", prompt="chat"')

    result = project.run(*options)

    result.assert_outcomes(passed=5)
    assert f"model: {name}" in result.outlines
    raw, chats = model.chats[:4], model.chats[4:]
    assert all("### Instruction:\nSay " in body["prompt"] for body in raw)
    wanted = sorted(f"Say {number} in words." for number in range(4))
    assert sorted(body["messages"][0]["content"] for body in chats) == wanted


def test_where_the_judge_is(project: Project, model: FakeOllama) -> None:
    """Without an address of its own it is asked where a judge of its kind is."""
    model.models["llama3:latest"] = DIGEST
    model.reply = lambda asked: (answer if asked.body["model"] == "mine" else similarity)(asked)
    project.suite(records(3), GATE)

    result = project.run("--llm-judge-checkpoint=ollama:mine", server=model.url)

    result.assert_outcomes(passed=4)
    assert sorted(body["model"] for body in model.chats) == ["llama3"] * 3 + ["mine"] * 3


def test_other_options_are_other_responses(project: Project, model: FakeOllama) -> None:
    """What decides a text is sent, and a text is kept for what decided it."""
    project.suite(records(2), GATE)
    project.run(*at(model)).assert_outcomes(passed=3)

    how = ("--llm-judge-temperature=0.5", "--llm-judge-top-k=4", "--llm-judge-stop=END")
    project.run(*at(model), *how).assert_outcomes(passed=3)

    assert len(model.chats) == 4
    drawn = model.chats[-1]["options"]
    assert (drawn["temperature"], drawn["top_k"], drawn["stop"]) == (0.5, 4, ["END"])
    model.models["mine:latest"] = "2b" * 32
    project.run(*at(model)).assert_outcomes(passed=3)
    assert len(model.chats) == 6


def test_concurrency(project: Project, mode: tuple[str, ...]) -> None:
    """The limit holds at each server, and both share the work."""
    project.suite(records(40), GATE)

    def with_another(request: ChatRequest) -> Reply:
        assert one.wait_until_busy(2)
        assert two.wait_until_busy(2)
        return answer(request)

    with (
        FakeOllama(with_another, models={"mine:latest": DIGEST}) as one,
        FakeOllama(with_another, models={"mine:latest": DIGEST}) as two,
    ):
        result = project.run(*at(one, two), "--llm-judge-concurrency=3", *mode)

    result.assert_outcomes(passed=41)
    line = (
        "llm-judge: 3 requests in flight at each server, under which some models change their "
        "answers"
    )
    assert line in result.outlines
    assert 2 <= one.max_in_flight <= 3
    assert 2 <= two.max_in_flight <= 3
    prompts = [body["prompt"] for body in (*one.chats, *two.chats)]
    assert len(set(prompts)) == len(prompts) == 40


def test_a_run_goes_on_where_its_server_died(
    project: Project, model: FakeOllama, dist: tuple[str, ...]
) -> None:
    """What was answered is kept, the rest is an infrastructure error, and the next run asks for that."""
    project.suite(records(10), GATE)

    def die(request: ChatRequest) -> Reply:
        if request.number == 5:
            threading.Thread(target=model.stop).start()
            return Hang(threading.Event())
        return answer(request)

    model.reply = die
    result = project.run(*at(model), REPORT, *dist)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (suite,) = project.results()["suites"]
    missing = [record for record in suite["records"] if record["score"] is None]
    assert suite["scored"] == 4
    assert {record["cause"] for record in missing} == {"rig"}
    assert {record["error"] for record in missing} == {
        (
            f'{model.url}: is not answering; start it with "ollama serve", or name another with '
            "--llm-judge-checkpoint-url"
        )
    }

    with FakeOllama(answer, models=model.models, port=model.port) as back:
        project.run(*at(back), REPORT, *dist).assert_outcomes(passed=11)
        assert len(back.chats) == 6
    assert project.results()["suites"][0]["scored"] == 10


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (400, "answered with status 400: no"),
        (500, "answered with status 500: no"),
        (503, "is busy (no)"),
    ],
)
def test_a_record_that_the_server_cannot_answer(
    project: Project, model: FakeOllama, status: int, problem: str
) -> None:
    """It alone errs, as an infrastructure error, and the next run asks again."""
    project.suite(records(6), GATE)

    def reply(request: ChatRequest) -> Reply:
        return Failure(status, "no") if "Say 3 " in request.prompt else answer(request)

    model.reply = reply
    result = project.run(*at(model), REPORT, "--llm-judge-timeout=0.5")

    result.assert_outcomes(passed=5, errors=1, failed=1)
    (suite,) = project.results()["suites"]
    (missing,) = [record for record in suite["records"] if record["score"] is None]
    assert (missing["id"], missing["cause"]) == ("r3", "rig")
    assert missing["error"].startswith(f"{model.url}: {problem}; ")
    model.reply = answer
    project.run(*at(model)).assert_outcomes(passed=7)


@pytest.mark.parametrize(
    ("name", "asked"), [("ollama:mine", 3), ("openai:mine", 4)], ids=["ollama", "openai"]
)
def test_a_prompt_that_is_too_long(
    project: Project, model: FakeOllama, name: str, asked: int
) -> None:
    """It is the record's own error, with its length; the others are answered."""
    long = {**records(1)[0], "id": "long", "instruction": "word " * 2000}
    project.suite([*records(2), long], GATE)
    too_long = Failure(400, "This model's maximum context length is 2048 tokens.")

    def reply(request: ChatRequest) -> Reply:
        return too_long if "word word" in request.prompt else answer(request)

    model.reply = reply
    result = project.run(*at(model, name=name), REPORT)

    result.assert_outcomes(passed=2, errors=1, failed=1)
    (suite,) = project.results()["suites"]
    where, context = f"{model.url}/v1", "the model's context, answer included"
    if name.startswith("ollama"):
        where, context = model.url, "num_ctx 2048"
    length = len(model.chats[-1]["prompt"])
    assert suite["records"][2]["cause"] == "record"
    assert suite["records"][2]["error"] == (
        f"{where}: the prompt of {length} characters needs about {-(-length // 4):,} tokens and "
        f"does not fit into {context}; shorten the record's instruction and input, or "
        "lower --llm-judge-max-new-tokens; a prompt that "
        "was cut is never answered"
    )
    # What Ollama is asked for is known; another server may have been started with more room.
    project.run(*at(model, name=name))
    assert len(model.chats) == asked


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ollama:other",
            'has no model "other"; installed: mine:latest; "ollama pull other" gets it',
        ),
        (
            "openai:other",
            (
                'has no model "other"; it has: mine:latest; name one of these with '
                "--llm-judge-checkpoint=openai:NAME"
            ),
        ),
    ],
    ids=["ollama", "openai"],
)
def test_a_wrong_name(project: Project, model: FakeOllama, name: str, message: str) -> None:
    """One line before the work."""
    project.suite(records(2), GATE)

    result = project.run(*at(model, name=name))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    where = f"{model.url}/v1" if name.startswith("openai") else model.url
    assert errors(result) == [f"ERROR: {where}: {message}"]
    assert model.chats == []


@NAMES
def test_a_server_that_does_not_answer(project: Project, model: FakeOllama, name: str) -> None:
    """One line before the work."""
    project.suite(records(2), GATE)
    model.stop()

    result = project.run(*at(model, name=name))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    where, start = f"{model.url}/v1", "start it"
    if name.startswith("ollama"):
        where, start = model.url, 'start it with "ollama serve"'
    message = f"is not answering; {start}, or name another with --llm-judge-checkpoint-url"
    assert errors(result) == [f"ERROR: {where}: {message}"]


def test_a_name_that_is_none(project: Project) -> None:
    """In a marker as on the command line."""
    project.suite(records(2), f'{GATE}, checkpoint="ollama:"')

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [
        (
            'ERROR: --llm-judge-checkpoint: "ollama:" names no model; write ollama: and the name of a '
            "model"
        )
    ]


def test_collecting_asks_nobody(project: Project, model: FakeOllama) -> None:
    """What there is to run is known without a server."""
    project.suite(records(2), f'{GATE}, checkpoint="ollama:mine"')

    result = project.run(*at(model), "--collect-only", "-q")

    assert result.ret == pytest.ExitCode.OK
    assert f"{SUITE}[r0]" in result.outlines
    assert model.requests == []


def test_torch_is_not_imported(project: Project, model: FakeOllama) -> None:
    """The server computes; this process needs no torch."""
    project.suite(records(2), GATE)
    arguments = project.command(*at(model))[3:]

    result = project.pytester.run(sys.executable, "-c", TELLER, *arguments)

    assert result.ret == pytest.ExitCode.OK
    (loaded,) = (line for line in result.outlines if line.startswith("LOADED"))
    assert "requests" in loaded
    assert "torch" not in loaded
    assert "tiktoken" not in loaded


@NAMES
def test_mmlu_needs_probabilities(project: Project, model: FakeOllama, name: str) -> None:
    """Servers do not give those of a given answer, and that is one line."""
    for kind, letter in (("dev", "B"), ("test", "A")):
        rows = f"What is it in {kind}?,one,two,three,four,{letter}\n" * 5
        project.write(f"mmlu/{kind}/anatomy_{kind}.csv", rows)
    project.write(
        "test_exam.py",
        "import pytest\n"
        '@pytest.mark.llm_mmlu("mmlu", subjects=["anatomy"], min_accuracy=0.1)\n'
        "def test_mmlu(mmlu_result):\n"
        "    pass\n",
    )

    result = project.run(*at(model, name=name))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    message = (
        f"{name}: a served model gives no log-probabilities of given answers, which MMLU needs; "
        "name a checkpoint or a Hugging Face folder"
    )
    assert message in result.outlines
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert model.chats == []


def test_the_fixture(project: Project, model: FakeOllama) -> None:
    """``llm_model`` in any test is the model that the option names."""
    project.write(
        "test_own.py",
        "def test_own(llm_model):\n"
        "    texts = llm_model.generate(['Say 7 in words.'], max_new_tokens=9)\n"
        "    assert texts == ['### Response:The number 7 in words. ']\n"
        "    assert llm_model.fingerprint\n",
    )

    project.run(*at(model)).assert_outcomes(passed=1)

    assert model.chats[0]["options"]["num_predict"] == 9
