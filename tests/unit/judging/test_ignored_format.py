"""Models whose parser at Ollama has the format of replies ignored."""

from __future__ import annotations

import pytest

from pytest_llmjudge.data import Record, Verdict
from pytest_llmjudge.judging.judge import Judge, make_judge
from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply, always

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})
IGNORED = 'with the parser "qwen3.5" Ollama ignores the schema that replies are held to'
TODO = (
    "update Ollama, or make the model anew without the PARSER line of its Modelfile, which "
    '"ollama show --modelfile" prints'
)


def connect(server: FakeOllama, notes: list[str] | None = None, parser: str = "qwen3.5") -> Judge:
    server.capabilities = ["completion", "thinking"]
    server.parser = parser
    kept: list[str] = [] if notes is None else notes
    judge = make_judge("llama3", server.url, 5, note=kept.append)
    assert judge.identity
    return judge


def test_a_fence_is_taken_off(server: FakeOllama) -> None:
    """Without the schema models like to write JSON in a code fence; the evidence has it whole."""
    reply = '```json\n{\n  "score": 70\n}\n```'
    server.reply = always(reply)

    assert connect(server).score(RECORD, "Jane.") == Verdict(70, reply)
    assert server.chats[1]["format"]["required"] == ["score"]


def test_a_fence_around_a_choice(server: FakeOllama) -> None:
    """The same in pairs, in either order."""

    def better(request: ChatRequest) -> Reply:
        assert request.answers is not None
        winner = "A" if request.answers[0] == "Jane Austen." else "B"
        return Answer(f'```json\n{{"winner": "{winner}"}}\n```')

    server.reply = better

    assert connect(server).compare(RECORD, "Jane Austen.", "Emily.").winner == "a"


def test_the_cause_is_named(server: FakeOllama) -> None:
    """A larger judge would not help, so nothing is said of one."""
    server.reply = always("I would say 70.")
    judge = connect(server)

    assert judge.score(RECORD, "Jane.").error == (
        f'{server.url}: llama3 wrote "I would say 70." and, asked again for JSON, "I would say 70.", '
        f"neither of which is a score from 0 to 100: {IGNORED}; {TODO}, or ask with "
        "--llm-judge-ask=weighted"
    )
    assert judge.compare(RECORD, "Jane Austen.", "Emily.").error == (
        f'with answer a shown first: {server.url}: llama3 wrote "I would say 70.", which is neither '
        f"A, B nor tie: {IGNORED}; {TODO}"
    )


@pytest.mark.parametrize("second", ['{"score": 150}', '{"grade": 70}', ' {"score":\n'])
def test_what_a_schema_may_bring_about(server: FakeOllama, second: str) -> None:
    """JSON that is no score, or ran out of room, does not show that a schema was ignored."""
    cut = "length" if second.endswith("\n") else "stop"
    server.reply = lambda request: Answer(
        second, done_reason=cut if request.number == 2 else "stop"
    )

    error = connect(server).score(RECORD, "Jane.").error

    assert error is not None
    assert error.endswith(
        "a larger judge keeps to the format more often, name one with --llm-judge-model"
    )


def test_a_model_without_such_a_parser(server: FakeOllama) -> None:
    """Of it nothing is known that would explain the reply."""
    server.reply = always("I would say 70.")

    error = connect(server, parser="").score(RECORD, "Jane.").error

    assert error is not None
    assert "ignores" not in error


def test_many_replies_are_said_of_the_run(server: FakeOllama) -> None:
    """Once, and whether or not they had a score in a code fence."""
    server.reply = always('```json\n{"score": 70}\n```')
    notes: list[str] = []
    judge = connect(server, notes)

    judge.score(RECORD, "a")
    judge.score(RECORD, "b")
    assert notes == []
    for response in "cdef":
        judge.score(RECORD, response)
    assert notes == [f"{server.url}: {IGNORED}; {TODO}"]
