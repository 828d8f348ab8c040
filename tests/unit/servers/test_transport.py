"""HTTP to a judge: which tries are worth it, whose proxy is used, and the messages."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import requests
from requests.adapters import HTTPAdapter

from pytest_llmjudge.errors import JudgeDownError, JudgeError
from pytest_llmjudge.servers.ollama import OllamaClient
from tests.support.fake_ollama import (
    BUSY,
    CRASH,
    MIDSTREAM_CRASH,
    Answer,
    Drop,
    Failure,
    FakeOllama,
    Page,
    Reply,
    always,
    in_turn,
)

GATEWAY = Page(502, "text/html", "<html>Bad Gateway</html>")
SEE_LOG = 'the log of "ollama serve" tells more'


def connect(server: FakeOllama, *, timeout: float = 5.0, backoff: float = 0.001) -> OllamaClient:
    return OllamaClient(server.url, "llama3", timeout=timeout, backoff=backoff)


def failure(client: OllamaClient) -> str:
    """Give the text of the error that a chat ends with, without the address."""
    with pytest.raises(JudgeError) as caught:
        client.chat("Score this.")
    return str(caught.value).removeprefix(f"{client.url}: ")


@pytest.mark.parametrize(
    "faults",
    [
        [BUSY],
        [BUSY, BUSY, BUSY, BUSY],
        [GATEWAY, Page(504, "text/plain", "late")],
        [Failure(503, "busy", {"Retry-After": "soon"})],
        [CRASH, CRASH],
        [MIDSTREAM_CRASH],
        [Drop()],
        [Drop(), Drop(), Drop(), Drop()],
        [Drop(after=0)],
        [Drop(after=20), Drop(after=21)],
        [CRASH, Drop(after=20)],
        [BUSY, Drop(), CRASH, BUSY, Drop(after=5), Drop()],
    ],
    ids=lambda faults: "-".join(type(fault).__name__ for fault in faults),
)
def test_passing_faults_are_survived(server: FakeOllama, faults: list[Reply]) -> None:
    """A fault that passes is tried again, with the very same request."""
    server.reply = in_turn(*faults, then=always("85"))

    assert connect(server).chat("Score this.").content == "85"
    assert len(server.chats) == len(faults) + 1
    assert all(chat == server.chats[0] for chat in server.chats)


@pytest.mark.parametrize(
    ("fault", "tries", "message"),
    [
        (Drop(), 6, f"closed the connection without a reply; {SEE_LOG}"),
        (Drop(after=20), 5, f"closed the connection in the middle of its reply; {SEE_LOG}"),
        (CRASH, 5, None),
        (MIDSTREAM_CRASH, 5, None),
        (Failure(400, "no"), 1, None),
        (Failure(404, "not found"), 1, None),
        (Failure(500, "invalid JSON schema in format"), 1, None),
        (Failure(500, 'option "seed" must be of type integer'), 1, None),
        (Page(500, "text/html", "<html>"), 1, None),
        (Page(200, "text/html", "<html>"), 1, None),
    ],
)
def test_lasting_faults_are_told(
    server: FakeOllama, fault: Reply, tries: int, message: str | None
) -> None:
    """A fault that stays is given up after a few tries; one that is our fault at once."""
    server.reply = lambda _: fault

    problem = failure(connect(server))

    assert tries == len(server.chats)
    assert message in {problem, None}


@pytest.mark.parametrize("reply", [BUSY, GATEWAY, Failure(429, "slower", {"Retry-After": "0"})])
def test_busy_servers_are_asked_as_long_as_a_request_may_take(
    server: FakeOllama, reply: Reply
) -> None:
    """A server that stays busy is asked at growing pauses until the timeout, and then no more."""
    server.reply = lambda _: reply
    started = time.monotonic()

    failure(connect(server, timeout=1.5, backoff=0.1))

    assert 0.7 <= time.monotonic() - started < 30
    assert len(server.chats) == 4
    gaps = [later.started - earlier.started for earlier, later in pairwise(server.requests)]
    assert all(gap >= least for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=True))


@pytest.mark.slow
def test_a_server_that_stays_busy_is_not_waited_for_again(server: FakeOllama) -> None:
    """The second question is not given the whole time, until the server has time again."""
    server.reply = lambda _: BUSY
    client = connect(server, timeout=5, backoff=4.1)

    failure(client)
    first = len(server.chats)
    failure(client)

    # Of pauses it allows four seconds.
    assert (first, len(server.chats)) == (2, 3)


def test_the_named_moment_holds_for_all(server: FakeOllama) -> None:
    """No other question is sent before the moment that a busy server has named to one of them."""
    server.reply = lambda _: Failure(503, "busy", {"Retry-After": "3600"})
    client = connect(server, timeout=5)

    messages = {failure(client) for _ in range(5)}

    assert messages == {"is busy (busy); let fewer programs use it at a time"}
    assert len(server.chats) == 1


def test_threads_wait_for_the_named_moment(server: FakeOllama) -> None:
    """A question that comes meanwhile waits until the moment that another was given."""
    server.reply = in_turn(Failure(429, "slower", {"Retry-After": "1"}), then=always("85"))
    client = connect(server, timeout=20)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.chat, "One.")
        assert server.wait_for_chats(1)
        time.sleep(0.6)
        second = pool.submit(client.chat, "Two.")
        assert first.result().content == second.result().content == "85"

    refused, *others = server.requests
    assert [other.started - refused.started >= 1.0 for other in others] == [True, True]


def test_retry_after(server: FakeOllama) -> None:
    """A busy server that says when to come back is not asked earlier."""
    server.reply = in_turn(Failure(503, "busy", {"Retry-After": "1"}), then=always("85"))

    connect(server).chat("Score this.")

    first, second = server.requests
    assert second.started - first.started >= 1.0


def test_retry_after_beyond_the_deadline(server: FakeOllama) -> None:
    """Nobody waits for a moment that comes after the deadline."""
    server.reply = lambda _: Failure(503, "busy", {"Retry-After": "3600"})
    started = time.monotonic()

    message = failure(connect(server, timeout=60))

    assert time.monotonic() - started < 30
    assert len(server.chats) == 1
    assert message == "is busy (busy); let fewer programs use it at a time"


def test_reply_without_end(server: FakeOllama) -> None:
    """A reply that would fill the memory is given up."""
    server.reply = lambda _: Page(200, "application/json", " " * (17 * 2**20))

    assert failure(connect(server)) == (
        "sent more than 16 MiB; name Ollama's own address with --llm-judge-url"
    )


def test_down_once_means_no_more_waiting(server: FakeOllama) -> None:
    """After a server was found down, later questions learn it at once."""
    client = connect(server, backoff=0.05)
    server.stop()
    moments = [time.monotonic()]

    for _ in range(11):
        with pytest.raises(JudgeDownError):
            client.chat("Score this.")
        moments.append(time.monotonic())

    assert moments[1] - moments[0] >= 0.7
    assert moments[11] - moments[1] < 6.0


@pytest.mark.parametrize(
    ("fault", "tries"), [(Drop(), 6), (Drop(after=20), 5), (CRASH, 5)], ids=["drop", "cut", "crash"]
)
def test_a_server_that_failed_a_series_is_tried_once(
    server: FakeOllama, fault: Reply, tries: int
) -> None:
    """Each later question is sent once, until one is answered; then all tries are there again."""
    client = connect(server)
    server.reply = lambda _: fault

    sent = []
    for _ in range(4):
        failure(client)
        sent.append(len(server.chats))
    server.reply = always("85")
    client.chat("Score this.")
    server.reply = lambda _: fault
    failure(client)

    assert sent == [tries, tries + 1, tries + 2, tries + 3]
    assert len(server.chats) == tries + 3 + 1 + tries


def test_server_comes_back(server: FakeOllama) -> None:
    """A server that is up again is asked as patiently as before."""
    client = connect(server)
    server.stop()
    failure(client)

    with FakeOllama(in_turn(Drop(), BUSY, then=always("85")), port=server.port) as again:
        assert failure(client) == f"closed the connection without a reply; {SEE_LOG}"
        assert client.chat("Score this.").content == "85"
        assert len(again.chats) == 3


def test_server_restarts_between_questions(server: FakeOllama) -> None:
    """A connection that went stale between two questions is replaced without ado."""
    client = connect(server)
    client.chat("Score this.")
    server.stop()

    with FakeOllama(always("90"), port=server.port):
        assert client.chat("Score this.").content == "90"


def test_loopback_needs_no_proxy(server: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not asked for an address of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as dead:
        nowhere = f"http://127.0.0.1:{dead.getsockname()[1]}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")

    client = OllamaClient(f"localhost:{server.port}", "llama3", timeout=5)

    assert client.identify().version == "0.24.0"
    assert client.chat("Score this.").content == "85"


def test_proxy_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that does not answer is named as the reason, for addresses that need one."""
    with socket.create_server(("127.0.0.1", 0)) as dead:
        nowhere = f"http://127.0.0.1:{dead.getsockname()[1]}"
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, nowhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    client = OllamaClient("judge.example", "llama3", timeout=5, backoff=0.001)

    with pytest.raises(JudgeDownError) as caught:
        client.chat("Score this.")

    assert str(caught.value) == (
        "http://judge.example:11434: is not answering through the proxy that the environment "
        'names; start it with "ollama serve" for the judge "llama3", '
        "name another with --llm-judge-url, or begin without a server with --llm-judge-model=embedded"
    )


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks5://127.0.0.1:1", "Missing dependencies for SOCKS support."),
        ("http://", "Please check proxy URL. It is malformed and could be missing the host."),
    ],
)
def test_proxy_cannot_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str, problem: str) -> None:
    """What is wrong with the environment is not blamed on the judge."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    for name in ("HTTP_PROXY", "http_proxy", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    client = OllamaClient("http://judge.example", "llama3", timeout=5, backoff=0.001)

    assert failure(client).startswith(
        f"cannot be asked through the proxy that the environment names ({problem}); start it with"
    )


def test_no_tls(server: FakeOllama) -> None:
    """Speaking https to a server without it is reported at once, not tried again."""
    client = OllamaClient(server.url.replace("http:", "https:"), "llama3", timeout=5, backoff=60)

    message = failure(client)

    assert message.startswith("cannot be spoken to securely (")
    assert message.endswith("); correct its certificate, or use http:// if it has none")


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (b"-ERR unknown command\r\n", "does not speak HTTP; name Ollama's own address"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://\xff\r\nContent-Length: 0\r\n\r\n",
            "sends on to http://ÿ; name Ollama's own address",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n",
            "closed the connection in the middle of its reply; ",
        ),
    ],
    ids=["greeting", "redirect", "chunk"],
)
def test_no_http(reply: bytes, problem: str) -> None:
    """Another kind of server at the address, or a broken one, is reported as that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _address = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(reply)

        thread = threading.Thread(target=greet)
        thread.start()
        client = OllamaClient(f"127.0.0.1:{listener.getsockname()[1]}", "llama3", timeout=5)
        try:
            with pytest.raises(JudgeError) as caught:
                client.identify()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()

    assert str(caught.value).startswith(f"{client.url}: {problem}")


def test_tries_are_not_logged(server: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3's warnings of each try stay out of test reports, and only ours do."""
    server.reply = lambda _: Drop()
    failure(connect(server))
    assert caplog.records == []

    server.instead["/"] = Drop()
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=1))
        with pytest.raises(requests.ConnectionError):
            session.get(server.url, timeout=5)
    assert [record.name for record in caplog.records] == ["urllib3.connectionpool"]


def test_threads_share_a_client(server: FakeOllama) -> None:
    """Each of many threads gets the reply to its own question."""
    server.reply = lambda request: Answer(request.prompt)
    client = connect(server)

    with ThreadPoolExecutor(8) as pool:
        prompts = [str(number) for number in range(64)]
        replies = list(pool.map(client.chat, prompts))

    assert prompts == [reply.content for reply in replies]


def test_no_thread_outlives_its_request(server: FakeOllama) -> None:
    """A question leaves no timer behind that could strike later."""
    client = connect(server)
    client.chat("Score this.")

    deadlines = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for thread in deadlines:
        thread.join(60)

    assert not any(thread.is_alive() for thread in deadlines)
