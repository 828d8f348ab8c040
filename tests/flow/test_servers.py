"""Several servers, several requests at once: the limit holds, and one that dies is left out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.flow.test_judge_check import unlike_records
from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Hang, Reply, similarity
from tests.support.project import MODEL, records

if TYPE_CHECKING:
    from tests.support.fake_ollama import Replier
    from tests.support.project import Project

ARGUMENTS = 'responses="model_response", min_average=50'
REPORT = "--llm-judge-report=results.json"
MODES = pytest.mark.parametrize("mode", [(), ("-n", "2"), ("-n", "4")], ids=["plain", "n2", "n4"])


def slow(request: ChatRequest) -> Reply:
    time.sleep(0.05)
    return similarity(request)


def in_step_with(other: FakeOllama) -> Replier:
    """Answer each request when the other server has as many."""

    def reply(request: ChatRequest) -> Reply:
        assert other.wait_for_chats(request.number)
        return similarity(request)

    return reply


def first(count: int, reply: Replier = similarity) -> Replier:
    """Answer so many requests, and leave the others waiting."""
    return lambda request: reply(request) if request.number <= count else Hang(threading.Event())


def urls(*servers: FakeOllama) -> list[str]:
    return [f"--llm-judge-url={server.url}" for server in servers]


def prompts(*servers: FakeOllama) -> Counter[str]:
    return Counter(chat["messages"][0]["content"] for server in servers for chat in server.chats)


@MODES
def test_concurrency_is_used_and_kept(project: Project, mode: tuple[str, ...]) -> None:
    """Three requests are in flight at once and never more, over all workers; each is sent once."""
    project.suite(records(40), ARGUMENTS)

    def with_others(request: ChatRequest) -> Reply:
        assert server.wait_until_busy(3)
        return slow(request)

    with FakeOllama(with_others) as server:
        result = project.run("--llm-judge-concurrency=3", *mode, server=server.url)
        assert server.max_in_flight == 3

    result.assert_outcomes(passed=41)
    assert sorted(prompts(server).values()) == [1] * 40
    line = (
        "llm-judge: 3 requests in flight at each server, under which some models change their "
        "answers"
    )
    assert line in result.outlines


@MODES
def test_concurrency_while_generating(project: Project, mode: tuple[str, ...]) -> None:
    """What is generated is judged at once by several, and each response once."""
    project.write("conftest.py", MODEL.format(answer="'The number 1 in words.'"))
    project.suite(records(24), "min_average=20")

    with FakeOllama(slow) as server:
        result = project.run(
            "--llm-judge-concurrency=3", "--llm-judge-batch-size=4", *mode, server=server.url
        )
        assert 2 <= server.max_in_flight <= 3

    result.assert_outcomes(passed=25)
    assert sorted(prompts(server).values()) == [1] * 24


@MODES
def test_servers_share_the_work(project: Project, mode: tuple[str, ...]) -> None:
    """Each request goes to the least busy one; each has one in flight."""
    project.suite(records(40), ARGUMENTS)

    with FakeOllama() as one, FakeOllama() as two:
        one.reply, two.reply = in_step_with(two), in_step_with(one)
        result = project.run(*urls(two), *mode, server=one.url)

    assert result.ret == pytest.ExitCode.OK
    assert (one.max_in_flight, two.max_in_flight) == (1, 1)
    assert len(one.chats) == len(two.chats) == 20
    assert sorted(prompts(one, two).values()) == [1] * 40


def test_servers_with_different_models(project: Project) -> None:
    """One name for two models would mix two judges in one average."""
    project.suite(records(2), ARGUMENTS)

    with FakeOllama() as one, FakeOllama(models={"llama3:latest": "2b" * 32}) as two:
        result = project.run(*urls(two), server=one.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f'ERROR: --llm-judge-url: the servers have different models named "llama3": {one.url} has '
        f"1ca99c7a9cf4, {two.url} has 2b2b2b2b2b2b; get the same one on all of them, or leave the "
        "others out"
    )
    assert [line for line in result.errlines if line.startswith("ERROR")] == [text]


def test_a_server_that_dies_is_left_out(project: Project, mode: tuple[str, ...]) -> None:
    """The run goes on with the others, and says so."""
    project.suite(records(30), ARGUMENTS)
    with ExitStack() as stack:
        one = stack.enter_context(FakeOllama(slow))
        two = stack.enter_context(FakeOllama(slow))

        def die(request: ChatRequest) -> Reply:
            if request.number == 4:
                threading.Thread(target=two.stop).start()
                return Hang(threading.Event())
            return slow(request)

        two.reply = die
        result = project.run(*mode, *urls(two), REPORT, server=one.url)

    assert result.ret == pytest.ExitCode.OK
    note = f"{two.url}: is not answering; the run goes on with {one.url}"
    assert f"note: {note}" in result.outlines
    document = project.results()
    unconfirmed = f"{two.url}: is not answering, so its last answers could not be confirmed"
    assert note in document["notes"]
    assert {*document["notes"]} <= {note, unconfirmed}
    assert document["suites"][0]["scored"] == 30


def test_all_servers_die(project: Project, mode: tuple[str, ...]) -> None:
    """What was judged is kept, and the next run asks for the rest."""
    project.suite(records(30), ARGUMENTS)
    with ExitStack() as stack:
        servers = [stack.enter_context(FakeOllama()) for _ in range(2)]

        def die(request: ChatRequest) -> Reply:
            if request.number == 8:
                for server in servers:
                    threading.Thread(target=server.stop).start()
            return first(7, in_step_with(servers[0]))(request)

        servers[0].reply = first(7, in_step_with(servers[1]))
        servers[1].reply = die
        result = project.run(*mode, *urls(servers[1]), REPORT, server=servers[0].url)
        ports = [server.port for server in servers]

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (suite,) = project.results()["suites"]
    scored = suite["scored"]
    assert 10 <= scored <= 14
    assert {record["cause"] for record in suite["records"] if record["score"] is None} == {"rig"}

    with FakeOllama(slow, port=ports[0]) as one, FakeOllama(slow, port=ports[1]) as two:
        again = project.run(*mode, *urls(two), REPORT, server=one.url)
        assert len(one.chats) + len(two.chats) == 30 - scored

    assert again.ret == pytest.ExitCode.OK
    assert project.results()["suites"][0]["scored"] == 30


def test_a_server_that_is_down_from_the_start(project: Project) -> None:
    """It is named before the work begins."""
    project.suite(records(2), ARGUMENTS)

    with FakeOllama() as one, FakeOllama() as two:
        two.stop()
        result = project.run(*urls(two), server=one.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f'ERROR: {two.url}: is not answering; start it with "ollama serve" for the judge "llama3", '
        "name another with --llm-judge-url, or begin without a server with --llm-judge-model=embedded"
    )
    assert [line for line in result.errlines if line.startswith("ERROR")] == [text]


def test_addresses_in_an_ini_file(project: Project) -> None:
    """Several stand on one line or on several."""
    project.suite(records(10), ARGUMENTS)

    with FakeOllama(slow) as one, FakeOllama(slow) as two:
        ini = f"[pytest]\nllm_judge_url = {one.url}\n  {two.url}\nllm_judge_check = off\n"
        project.write("pytest.ini", ini)
        result = project.pytester.runpytest("--llm-judge")

    result.assert_outcomes(passed=11)
    assert len(one.chats) + len(two.chats) == 10
    assert one.chats
    assert two.chats


def test_load_that_changes_answers(project: Project, mode: tuple[str, ...]) -> None:
    """The echo is asked under the load of the run, and the report says what it did."""
    judged = [{**record, "model_response": "I do not know."} for record in unlike_records()]
    project.suite(judged, 'responses="model_response", min_average=0')
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def changes(request: ChatRequest) -> Reply:
        assert server.wait_for_chats(4)
        with lock:
            seen[request.prompt] += 1
            if request.response == request.reference and seen[request.prompt] == 2:
                return Answer("97")
        return similarity(request)

    with FakeOllama(changes) as server:
        result = project.run(
            "--llm-judge-check=warn",
            "-Wdefault",
            "--llm-judge-concurrency=4",
            REPORT,
            *mode,
            server=server.url,
        )
        assert server.max_in_flight == 4

    assert result.ret == pytest.ExitCode.OK
    line = "4 requests in flight at a server: 8 answers changed when asked about again"
    assert line in result.outlines
    reason = (
        "8 of 8 answers changed when asked about again with 4 requests in flight; name a larger judge "
        "with --llm-judge-model, or --llm-judge-ask=weighted, or lower --llm-judge-concurrency"
    )
    check = project.results()["suites"][0]["check"]
    assert check["reason"].endswith(reason)
    assert check["in_flight"] == 4


def test_each_load_has_its_own_check(project: Project) -> None:
    """A check without load is not reported for a load, and neither stands in the other's way."""
    judged = [{**record, "model_response": "I do not know."} for record in unlike_records()]
    project.suite(judged, 'responses="model_response", min_average=0')
    seen: Counter[tuple[int, str]] = Counter()
    most = 1

    def wavers(request: ChatRequest) -> Reply:
        seen[most, request.prompt] += 1
        if most > 1 and request.response == request.reference and seen[most, request.prompt] == 2:
            return Answer("97")
        return similarity(request)

    def check(concurrency: int) -> tuple[bool, int]:
        options = (f"--llm-judge-concurrency={concurrency}", REPORT, "--llm-judge-check=warn")
        before = len(server.chats)
        project.run(*options, "-Wdefault", server=server.url)
        return project.results()["suites"][0]["check"]["fit"], len(server.chats) - before

    with FakeOllama(wavers) as server:
        assert check(1) == (True, 50)
        most = 4
        assert check(4) == (False, 40)
        most = 1
        assert check(1) == (True, 0)


def test_x_stops_the_team(project: Project) -> None:
    """After ``-x`` nothing more is asked, and the run ends soon."""
    project.suite(records(200, wrong=[0]), 'responses="model_response", min_score=50')

    failed: list[int] = []

    def reply(request: ChatRequest) -> Reply:
        # The one that fails is not the first to be sent on every machine.
        if "xyz" in request.prompt:
            failed.append(request.number)
        is_late = failed and request.number > failed[0] + 20
        return Hang(threading.Event()) if is_late else similarity(request)

    with FakeOllama(reply) as server:
        result = project.run("-x", "--llm-judge-concurrency=2", server=server.url)
        server.reply = similarity
        assert server.wait_until_idle()
        asked = len(server.chats)
        assert asked <= failed[0] + 22
        time.sleep(0.3)
        assert len(server.chats) == asked

    result.assert_outcomes(failed=1)
