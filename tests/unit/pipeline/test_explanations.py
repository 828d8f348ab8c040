"""Explanations of a run: what is asked, what the cache keeps, and how the asking ends."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Criterion, Explanation, FollowUp, Record
from pytest_llmjudge.judging.judge import Judge, make_judge
from pytest_llmjudge.pipeline.explanations import Explained, Question, explain_all, question_about
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.storage.store import Store
from tests.support.fake_ollama import Answer, Failure, FakeOllama, Hang, Page, always

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.fake_ollama import ChatRequest, Reply

RECORD = Record("r", "Say it.", "", "It.", {})
WHY = "It says another thing."


@pytest.fixture(name="server")
def start_server() -> Iterator[FakeOllama]:
    with FakeOllama(always(WHY)) as server:
        yield server


@pytest.fixture(name="open_store")
def make_stores(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    stores: list[Store] = []

    def make(run: str = "run", *, refresh: bool = False) -> Store:
        stores.append(Store(tmp_path, run, refresh=refresh))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def connect(*servers: FakeOllama) -> Judge:
    return make_judge("llama3", [server.url for server in servers], 5.0)


def questions(*responses: str) -> list[Question]:
    return [
        Question("suite", f"r{number}", RECORD, response, "")
        for number, response in enumerate(responses)
    ]


def ask(store: Store, judge: Judge, *responses: str, at_once: int = 1) -> Explained:
    return explain_all(questions(*responses), judge, store, worker="main", at_once=at_once)


def test_what_is_asked_and_kept(server: FakeOllama, open_store: Callable[..., Store]) -> None:
    """An empty response needs no judge, an earlier run's answer none again."""
    first = ask(open_store(), connect(server), "A.", " \n", "B.", "A.")
    asked = len(server.chats)
    second = ask(open_store("next"), connect(server), "A.", " \n", "B.", "A.")
    third = ask(open_store("anew", refresh=True), connect(server), "B.")

    assert first == second
    assert first.problem == ""
    assert {name: said.text for (_, name), said in first.explanations.items()} == {
        "r0": WHY,
        "r1": "The response is empty.",
        "r2": WHY,
        "r3": WHY,
    }
    assert asked == 3
    assert third.explanations == {("suite", "r0"): Explanation(WHY)}
    assert len(server.chats) == asked + 1


def test_what_cannot_be_explained_is_kept_too(
    server: FakeOllama, open_store: Callable[..., Store]
) -> None:
    """A reply without a word would be the same again."""
    server.reply = always("")

    first = ask(open_store(), connect(server), "A.")
    second = ask(open_store("next"), connect(server), "A.")

    assert first == second
    assert "wrote nothing" in str(first.explanations["suite", "r0"].error)
    assert len(server.chats) == 1


def test_a_server_that_fails(server: FakeOllama, open_store: Callable[..., Store]) -> None:
    """It is asked no more; one line says why, and the next run asks for the rest."""
    failure = Failure(500, "no memory")
    server.reply = lambda request: failure if "> B." in request.prompt else Answer(WHY)

    explained = ask(open_store(), connect(server), "A.", "B.", "C.")
    asked = [chat["messages"][0]["content"] for chat in server.chats]
    server.reply = always(WHY)
    again = ask(open_store("next"), connect(server), "A.", "B.", "C.")

    assert explained.problem.startswith(f"{server.url}: answered with status 500: no memory; ")
    assert [said.text for said in explained.explanations.values()] == [WHY, "", ""]
    assert {said.error for said in explained.explanations.values()} == {None, explained.problem}
    assert not any("> C." in prompt for prompt in asked)
    assert [said.text for said in again.explanations.values()] == [WHY] * 3
    assert sum("> A." in chat["messages"][0]["content"] for chat in server.chats) == 1


def test_a_judge_that_is_replaced_meanwhile(
    server: FakeOllama, open_store: Callable[..., Store]
) -> None:
    """What it said does not count, in this run or the next."""

    def replaced(request: ChatRequest) -> Reply:
        server.models["llama3:latest"] = "f" * 64
        return Answer("Another judge's words.")

    server.reply = replaced
    explained = ask(open_store(), connect(server), "A.")
    server.models["llama3:latest"] = (
        "1ca99c7a9cf48748c742f14231fad53af48f571bb68c620f2a0d2e470843a023"
    )
    server.reply = always(WHY)
    again = ask(open_store("next"), connect(server), "A.")

    assert 'the model "llama3" was replaced during the run' in explained.problem
    assert [said.text for said in explained.explanations.values()] == [""]
    assert [said.text for said in again.explanations.values()] == [WHY]


def test_another_model_answers(server: FakeOllama, open_store: Callable[..., Store]) -> None:
    """A reply that names another model is no explanation."""
    body = {
        "model": "mistral:latest",
        "message": {"role": "assistant", "content": WHY},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 90,
        "eval_count": 5,
    }
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))

    explained = ask(open_store(), connect(server), "A.")

    assert "mistral" in explained.problem
    assert [said.text for said in explained.explanations.values()] == [""]


def test_ctrl_c(server: FakeOllama, open_store: Callable[..., Store]) -> None:
    """It ends the asking at once; what was said before is there, and in the cache."""
    never = threading.Event()
    store, judge = open_store(), connect(server)
    key = judge.explanation_key(RECORD, "A.")

    def interrupting(request: ChatRequest) -> Reply:
        if "> A." in request.prompt:
            return Answer(WHY)
        while not store.explanations([key]):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        return Hang(never)

    server.reply = interrupting
    explained = ask(store, judge, "A.", "B.", "C.")
    never.set()
    server.reply = always(WHY)
    again = ask(open_store("next"), connect(server), "A.")

    assert explained.problem == (
        "--llm-judge-explain: it was interrupted; run again for the rest, what was said is kept in "
        "the cache"
    )
    assert explained.explanations == again.explanations == {("suite", "r0"): Explanation(WHY)}


def test_several_at_once(server: FakeOllama, open_store: Callable[..., Store]) -> None:
    """As many are in flight as may be, over all servers, and each answer finds its record."""
    responses = [f"R{number}." for number in range(12)]
    together = threading.Barrier(4, timeout=60)

    def said(request: ChatRequest) -> Reply:
        together.wait()
        (answer,) = [one for one in responses if f"> {one}\n" in request.prompt]
        return Answer(f"About {answer}")

    server.reply = said
    with FakeOllama(said) as other:
        judge = connect(server, other)
        explained = ask(open_store(), judge, *responses, at_once=4)

    texts = [explained.explanations["suite", f"r{number}"].text for number in range(12)]
    assert texts == [f"About R{number}." for number in range(12)]
    assert min(server.max_in_flight, other.max_in_flight) >= 1


def test_the_worst_part(server: FakeOllama, open_store: Callable[..., Store]) -> None:
    """Of a response that was judged in parts the worst is asked about, and named."""
    criteria = (Criterion("kind", "It is kind."), Criterion("short", "It is short."))
    follow_up = FollowUp("And again.", "Again.")
    record = replace(RECORD, criteria=criteria, follow_ups=(follow_up,))
    scores = [
        ("turn 1: kind", 90),
        ("turn 1: short", 80),
        ("turn 2: kind", 7),
        ("turn 2: short", 7),
    ]

    question = question_about("suite", record, join_answers(["One.", "Two."]), scores)
    explained = explain_all([question], connect(server), open_store(), worker="main", at_once=1)

    assert (question.part, question.response) == ("turn 2: kind", "Two.")
    assert question.record.criteria == criteria[:1]
    assert explained.explanations["suite", "r"].text == f"turn 2: kind: {WHY}"
    (chat,) = server.chats
    assert "\n\nAssistant:\n> One.\n\nQuestion:\n> And again." in chat["messages"][0]["content"]
