"""The fake Ollama: repliers, faults, and what it notes about requests."""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.judging.questions import integer_prompt
from tests.support.fake_ollama import (
    BUSY,
    DIGEST,
    HTML,
    Answer,
    ChatRequest,
    Drip,
    Drop,
    Failure,
    FakeOllama,
    Hang,
    Page,
    Replay,
    Replier,
    Reply,
    always,
    by_response,
    in_turn,
    similarity,
)

if TYPE_CHECKING:
    from pathlib import Path

RECORD = Record("r", "Quote ` and score it.", "", "Jane `Austen`.", {})


def request(prompt: str = "Score this.", **fields: object) -> ChatRequest:
    return ChatRequest({"messages": [{"role": "user", "content": prompt}], **fields}, 1)


def text_of(replier: Replier, asked: ChatRequest) -> str:
    reply = replier(asked)
    assert isinstance(reply, Answer)
    return reply.text


def post(server: FakeOllama, prompt: str = "Score this.", **fields: object) -> tuple[int, Any]:
    """Send a chat request; give status and JSON, or the text when it is none."""
    body = {"model": "llama3", "stream": False, **request(prompt, **fields).body}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", "/api/chat", json.dumps(body))
        reply = connection.getresponse()
        content = reply.read().decode()
    finally:
        connection.close()
    return reply.status, json.loads(content) if content.startswith("{") else content


@pytest.mark.parametrize("response", ["Jane.", "", "line\nline"])
def test_reads_the_lectures_prompt(response: str) -> None:
    """Reference and response are found in the lecture's prompt, whatever is quoted in them."""
    asked = request(integer_prompt(RECORD, response))

    assert (asked.reference, asked.response) == ("Jane `Austen`.", response)


@pytest.mark.parametrize("response", ["a` on a scale` from", "`"])
def test_reads_a_response_made_harmless(response: str) -> None:
    """With back-ticks in the response both are found as the judge is shown them."""
    asked = request(integer_prompt(RECORD, response))

    assert (asked.reference, asked.response) == ("Jane 'Austen'.", response.replace("`", "'"))


def test_reads_no_other_prompt() -> None:
    """Any other prompt has neither."""
    asked = request("Score the model response `x`.")

    assert (asked.reference, asked.response) == ("", "")


def test_always() -> None:
    """One text for everything, or another one when JSON is asked for."""
    assert text_of(always("no"), request(format={})) == "no"
    assert text_of(always("no", again="{}"), request()) == "no"
    assert text_of(always("no", again="{}"), request(format={"type": "object"})) == "{}"


@pytest.mark.parametrize(
    ("response", "score", "as_json"),
    [("Jane.", "40", '{"score": 40}'), ("x", "none", "none"), ("other", "50", '{"score": 50}')],
)
def test_by_response(response: str, score: str, as_json: str) -> None:
    """The reply is found by the response that is asked about, in the form that is asked for."""
    replier = by_response({"Jane.": 40, "x": "none"})
    prompt = integer_prompt(RECORD, response)

    assert score == text_of(replier, request(prompt))
    assert as_json == text_of(replier, request(prompt, format={"type": "object"}))


@pytest.mark.parametrize(
    ("response", "score"), [("Jane `Austen`.", 100), ("Jane Austen", 88), ("7", 0)]
)
def test_similarity(response: str, score: int) -> None:
    """The nearer a response is to its reference the better it is scored."""
    assert str(score) == text_of(similarity, request(integer_prompt(RECORD, response)))


def test_in_turn() -> None:
    """Replies are given once each, in order, and then those of the next replier."""
    replier = in_turn(BUSY, HTML, then=always("7"))

    assert [replier(request()) for _ in range(4)] == [BUSY, HTML, Answer("7"), Answer("7")]


def test_replay(tmp_path: Path) -> None:
    """Recorded replies are found by the exact prompt, with their counts; others are errors."""
    path = tmp_path / "recorded.jsonl"
    recorded = {
        "request": {"messages": [{"role": "user", "content": "Score this.\u2028"}]},
        "response": {
            "message": {"content": "85"},
            "done_reason": "stop",
            "prompt_eval_count": 107,
            "eval_count": 3,
        },
    }
    path.write_text(json.dumps(recorded, ensure_ascii=False) + "\n", encoding="utf-8")
    replay = Replay(path)

    assert replay(request("Score this.\u2028")) == Answer("85", "stop", 107, 3, candidates=[])
    assert replay(request("Score that.")) == Failure(
        500, "there is no recording of this: Score that."
    )
    assert isinstance(replay(request("Score this.\u2028", format={"a": 1})), Failure)


def test_answer() -> None:
    """An answer is a finished message with counts."""
    with FakeOllama(always("85")) as server:
        status, reply = post(server)

    assert status == 200
    assert reply["message"] == {"role": "assistant", "content": "85"}
    assert (reply["done"], reply["done_reason"], reply["prompt_eval_count"]) == (True, "stop", 12)


def test_what_a_server_refuses_never_reaches_the_replier() -> None:
    """Missing models and prompts that do not fit are refused before a replier is asked."""
    asked: list[ChatRequest] = []
    with FakeOllama(lambda got: asked.append(got) or Answer("85")) as server:  # type: ignore[func-returns-value]
        missing = post(server, model="other")
        too_long = post(server, "word " * 2000, truncate=False, options={"num_ctx": 2048})
        cut = post(server, "word " * 2000, options={"num_ctx": 2048})

    assert missing == (404, {"error": "model 'other' not found"})
    assert too_long == (400, {"error": "the input length exceeds the context length"})
    assert cut[1]["prompt_eval_count"] == 2048
    assert len(asked) == 1
    assert len(server.chats) == 3


def test_faults() -> None:
    """Failures, pages and drops come as they were asked for."""
    faults: list[Reply] = [BUSY, HTML, Page(403, ""), Drop(), Drop(after=5), Drip(0.0)]
    with FakeOllama(in_turn(*faults, then=always("7"))) as server:
        assert post(server) == (503, {"error": BUSY.error})
        assert post(server) == (200, HTML.body)
        assert post(server) == (403, "")
        with pytest.raises(http.client.RemoteDisconnected):
            post(server)
        with pytest.raises(http.client.IncompleteRead):
            post(server)
        assert post(server)[1]["message"]["content"] == "85"
        assert post(server)[1]["message"]["content"] == "7"


def test_hang_ends_with_its_event() -> None:
    """A request that hangs is answered once its event is set."""
    until = threading.Event()
    with FakeOllama(lambda _: Hang(until, Answer("5"))) as server, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(post, server)
        assert server.wait_for_chats(1)
        assert not server.wait_until_idle(0.05)
        until.set()

        assert pending.result()[1]["message"]["content"] == "5"


def test_stop_ends_all_that_hangs() -> None:
    """Stopping drops whoever waits, soon, and leaves no thread behind."""
    server = FakeOllama(lambda _: Hang(threading.Event()))
    with server, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(post, server)
        assert server.wait_for_chats(1)
        started = time.monotonic()
        server.stop()

        with pytest.raises(http.client.RemoteDisconnected):
            pending.result()
        assert time.monotonic() - started < 30
    assert server.wait_until_idle(0.0)


def test_client_that_hangs_up_ends_its_request() -> None:
    """A request does not stay in flight when its client is gone."""
    with FakeOllama(lambda _: Hang(threading.Event())) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/api/chat", b'{"model":"llama3","messages":[{"content":"x"}]}')
        assert server.wait_for_chats(1)
        connection.close()

        assert server.wait_until_idle()


def test_log() -> None:
    """Each request is noted with its raw body and its times, in order."""
    with FakeOllama(always("85")) as server:
        post(server, "a")
        post(server, "b")

    first, second = server.requests
    assert (first.method, first.path) == ("POST", "/api/chat")
    assert first.json()["messages"][0]["content"] == "a"
    assert [chat["messages"][0]["content"] for chat in server.chats] == ["a", "b"]
    assert first.ended is not None
    assert first.started <= first.ended <= second.started
    assert server.max_in_flight == 1


def test_requests_in_flight_are_counted() -> None:
    """The most chats that were under way at once are known, and other requests do not count."""
    until = threading.Event()
    with FakeOllama(lambda _: Hang(until)) as server, ThreadPoolExecutor(3) as pool:
        pending = [pool.submit(post, server) for _ in range(3)]
        assert server.wait_for_chats(3)
        until.set()
        statuses = [future.result()[0] for future in pending]

    assert statuses == [200, 200, 200]
    assert server.max_in_flight == 3


def test_sequential_requests_never_overlap() -> None:
    """A request that follows the reply to another one is not counted beside it."""
    with FakeOllama(always("85")) as server:
        for _ in range(100):
            post(server)

    assert server.max_in_flight == 1


def test_mistakes_in_a_replier_are_told() -> None:
    """A replier that raises makes a reply that says so."""

    def broken(_: ChatRequest) -> Reply:
        message = "oops"
        raise ValueError(message)

    with FakeOllama(broken) as server:
        assert post(server) == (500, {"error": "the test's replier raised ValueError: oops"})


def test_other_pages() -> None:
    """Any path can be made to answer like something else."""
    with FakeOllama() as server:
        server.instead["/api/chat"] = HTML

        assert post(server) == (200, HTML.body)


def test_attributes_can_change() -> None:
    """Models, version and replies may change while it runs."""
    with FakeOllama(always("1")) as server:
        assert server.models == {"llama3:latest": DIGEST}
        server.models = {"other:latest": "abc"}
        server.reply = always("2")

        assert post(server)[0] == 404
        assert post(server, model="other")[1]["message"]["content"] == "2"


def test_comes_back_at_its_port() -> None:
    """A new one can take over the address of one that has stopped."""
    with FakeOllama(always("1")) as first:
        post(first)
    with FakeOllama(always("2"), port=first.port) as second:
        assert first.url == second.url
        assert post(second)[1]["message"]["content"] == "2"
