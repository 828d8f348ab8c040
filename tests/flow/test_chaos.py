"""A server that fails in every way at once loses no record, and changes no result."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import (
    BUSY,
    Answer,
    ChatRequest,
    Drop,
    FakeOllama,
    Hang,
    Page,
    Reply,
    similarity,
)
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = 60
ARGUMENTS = 'responses="model_response", min_average=50'
REPORT = "--llm-judge-report=results.json"
OPTIONS = (REPORT, "-n", "2")


class Chaos:
    """Hits a fifth of the requests, and restarts the server now and then; all of it is seeded."""

    def __init__(self) -> None:
        self.random = random.Random(109)  # noqa: S311  # no secret
        self.lock = threading.Lock()
        self.server = FakeOllama(self.reply)
        self.hits: Counter[str] = Counter()
        self.restarting: list[threading.Thread] = []

    def reply(self, request: ChatRequest) -> Reply:
        with self.lock:
            kind = "fine"
            if self.random.random() < 0.2:
                kind = self.random.choice(["busy", "drop", "cut", "broken", "hang", "restart"])
            self.hits[kind] += 1
            if kind == "restart":
                thread = threading.Thread(target=self.restart)
                self.restarting.append(thread)
                thread.start()
                return Hang(threading.Event())
        return self.say(kind, request)

    @staticmethod
    def say(kind: str, request: ChatRequest) -> Reply:
        answer = similarity(request)
        assert isinstance(answer, Answer)
        faults: dict[str, Reply] = {
            "busy": BUSY,
            "drop": Drop(),
            "cut": Drop(after=40, answer=answer),
            "broken": Page(200, "application/json", '{"model":"llama3","message":{"role":"ass'),
            "hang": Hang(threading.Event()),
        }
        return faults.get(kind, answer)

    def restart(self) -> None:
        """Go away for a moment and come back at the same address."""
        old = self.server
        old.stop()
        self.server = FakeOllama(self.reply, port=old.port)
        self.server.__enter__()

    def stop(self) -> None:
        for thread in self.restarting:
            thread.join()
        self.server.stop()


def scores(project: Project) -> list[Any]:
    (suite,) = project.results()["suites"]
    return [(record["id"], record["score"], record["reply"]) for record in suite["records"]]


def suite_of(project: Project, wrong: Sequence[int] = range(0, COUNT, 3)) -> None:
    project.suite(records(COUNT, wrong=wrong), ARGUMENTS)


def test_chaos(project: Project) -> None:
    """Every record is scored, each prompt is kept once, the results are those of a calm run."""
    suite_of(project)
    with FakeOllama() as calm:
        project.run(*OPTIONS, server=calm.url).assert_outcomes(passed=COUNT + 1)
        assert len(calm.chats) == COUNT
    expected = scores(project)

    chaos = Chaos()
    with chaos.server:
        result = project.run(
            "--cache-clear", "--llm-judge-timeout=1.5", *OPTIONS, server=chaos.server.url
        )
        chaos.stop()

    result.assert_outcomes(passed=COUNT + 1)
    assert scores(project) == expected
    assert project.kept() == COUNT
    hit = sum(chaos.hits.values()) - chaos.hits["fine"]
    assert 0.12 < hit / sum(chaos.hits.values()) < 0.28
    assert all(chaos.hits[kind] for kind in ("busy", "drop", "cut", "broken", "hang", "restart"))


@pytest.mark.slow
def test_a_server_that_dies_for_good(project: Project, mode: tuple[str, ...]) -> None:
    """The run fails, what was judged is kept, and the next run asks for nothing but the rest."""
    suite_of(project)
    dead = threading.Event()
    half = FakeOllama()

    def die(request: ChatRequest) -> Reply:
        if request.number > COUNT // 2:
            if not dead.is_set():
                dead.set()
                threading.Thread(target=half.stop).start()
            return Hang(threading.Event())
        return similarity(request)

    half.reply = die
    with half:
        result = project.run(REPORT, *mode, server=half.url)
        port = half.port

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=COUNT // 2, errors=COUNT // 2, failed=1)
    assert project.kept() == COUNT // 2
    (suite,) = project.results()["suites"]
    assert suite["outcome"] == "incomplete"
    text = (
        f'{half.url}: is not answering; start it with "ollama serve", or name another with '
        "--llm-judge-url"
    )
    assert text in [record["error"] for record in suite["records"]]

    with FakeOllama(port=port) as back:
        again = project.run(REPORT, *mode, server=back.url)
        assert len(back.chats) == COUNT // 2

    again.assert_outcomes(passed=COUNT + 1)
    assert project.kept() == COUNT
