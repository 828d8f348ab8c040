"""The judge: what becomes of a record and its response, and under which key it is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_llmjudge.data import JudgeIdentity, Record, Verdict
from pytest_llmjudge.errors import JudgeDownError, JudgeError, SettingsError
from pytest_llmjudge.judging.asking import IntegerAsker
from pytest_llmjudge.judging.judge import Judge, identity_label, make_judge
from pytest_llmjudge.judging.questions import integer_prompt
from pytest_llmjudge.scoring import SCORE_SCHEMA
from pytest_llmjudge.servers.ollama import OllamaClient
from tests.support.fake_ollama import (
    DIGEST,
    Answer,
    Drop,
    FakeOllama,
    always,
    by_response,
    in_turn,
)

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})
OPTIONS = {"seed": 123, "temperature": 0, "num_ctx": 2048}
KNOWN = JudgeIdentity("llama3", "ollama", "0.24.0", DIGEST, OPTIONS, "integer/1")


def connect(server: FakeOllama) -> Judge:
    return make_judge("llama3", server.url, 5.0)


@pytest.mark.parametrize("reply", ["85", "85\n", "**85**", "85/100", "85 out of 100."])
def test_integer_is_the_score(server: FakeOllama, reply: str) -> None:
    """A reply that is an integer is the score; it is kept word for word and asked for once."""
    server.reply = always(reply)

    verdict = connect(server).score(RECORD, "Jane.")

    assert verdict == Verdict(85, reply)
    assert [chat["messages"][0]["content"] for chat in server.chats] == [
        integer_prompt(RECORD, "Jane.")
    ]


def test_asked_again_with_schema(server: FakeOllama) -> None:
    """A reply that is no integer is asked for once more, as JSON; that reply is the evidence."""
    server.reply = always("I'd score this 85 out of 100.", again='{"score": 80}')

    verdict = connect(server).score(RECORD, "Jane.")

    first, second = server.chats
    assert verdict == Verdict(80, '{"score": 80}')
    assert "format" not in first
    assert second["format"] == SCORE_SCHEMA
    assert first["messages"] == second["messages"]


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("8.5", "8.5", 'wrote "8.5" and, asked again for JSON, "8.5"'),
        ("150", '{"score": 150}', 'wrote "150" and, asked again for JSON, "{"score": 150}"'),
        ("", '{\n  "score":', 'wrote "" and, asked again for JSON, "{ "score":"'),
        ("no " * 99, "", f'wrote "{("no " * 40)[:119]}…" and, asked again for JSON, ""'),
        (
            "1. Squirrel\n2. Tiger",
            "85",
            'wrote "1. Squirrel 2. Tiger" and, asked again for JSON, "85"',
        ),
    ],
)
def test_unscored(server: FakeOllama, first: str, second: str, problem: str) -> None:
    """Two replies without a score leave the record unscored for good, the first as evidence."""
    server.reply = always(first, again=second)

    verdict = connect(server).score(RECORD, "Jane.")

    assert verdict == Verdict(
        None,
        first,
        f"{server.url}: llama3 {problem}, neither of which is a score from 0 to 100; "
        "a larger judge keeps to the format more often, name one with --llm-judge-model",
    )
    assert len(server.chats) == 2


def test_cut_reply_is_no_score(server: FakeOllama) -> None:
    """An 8 whose reply ran out of room may have been an 85, so it is asked for again."""
    server.reply = in_turn(Answer("8", "length"), then=always('{"score": 85}'))

    assert connect(server).score(RECORD, "Jane.") == Verdict(85, '{"score": 85}')


@pytest.mark.parametrize("response", ["", " ", "\n\t\u00a0"])
def test_empty_response_scores_zero(server: FakeOllama, response: str) -> None:
    """An empty response scores 0 and nobody is asked."""
    assert connect(server).score(RECORD, response) == Verdict(0)
    assert server.requests == []


def test_response_is_sent_as_it_is(server: FakeOllama) -> None:
    """Nothing is changed about a response, lone surrogates included, that JSON can carry."""
    server.reply = lambda request: Answer("85" if "` \ud800\n{x}` on" in request.prompt else "0")

    assert connect(server).score(RECORD, " \ud800\n{x}").score == 85


def test_too_long_is_final(server: FakeOllama) -> None:
    """A prompt that does not fit will not fit the next time either."""
    verdict = connect(server).score(RECORD, "word " * 2000)

    length = len(integer_prompt(RECORD, "word " * 2000))
    assert verdict == Verdict(
        None,
        "",
        f"{server.url}: the judge prompt of {length} characters needs about {-(-length // 4):,} "
        "tokens and does not fit into num_ctx 2048; "
        "raise --llm-judge-context, shorten the record or its response, take the record out, or judge with openai:NAME at a server with a longer context; a prompt that was cut is never scored",
        too_long=True,
    )


def test_server_down_is_not_final(server: FakeOllama) -> None:
    """A server that is down makes a verdict that is not kept for the next run."""
    judge = Judge(IntegerAsker(OllamaClient(server.url, "llama3", timeout=5, backoff=0.001)))
    server.stop()

    assert judge.score(RECORD, "Jane.") == Verdict(
        None,
        "",
        f'{server.url}: is not answering; start it with "ollama serve" for the judge "llama3", '
        "name another with --llm-judge-url, or begin without a server with --llm-judge-model=embedded",
        final=False,
        is_infrastructure=True,
    )


def test_failure_when_asked_again_is_not_final(server: FakeOllama) -> None:
    """When the second question fails the first reply is kept, and may be asked for again."""
    server.reply = in_turn(Answer("no idea"), then=lambda _: Drop(after=1))

    assert connect(server).score(RECORD, "Jane.") == Verdict(
        None,
        "no idea",
        f"{server.url}: closed the connection in the middle of its reply; "
        'the log of "ollama serve" tells more',
        final=False,
        is_infrastructure=True,
    )


def test_constructor_asks_nobody(server: FakeOllama) -> None:
    """A judge is made without a word to its server, and knows whose turn it would be."""
    judge = make_judge("llama3", server.url.removeprefix("http://"), 5.0)

    assert judge.server == server.url
    assert server.requests == []


def test_identity_is_asked_for_once(server: FakeOllama) -> None:
    """The identity is asked for when it is needed, and then kept."""
    judge = connect(server)

    assert judge.identity == KNOWN
    assert judge.identity == KNOWN
    asked = [seen.path for seen in server.requests]
    assert asked == ["/api/version", "/api/tags", "/api/show"]


def test_known_identity_is_not_asked_for(server: FakeOllama) -> None:
    """A judge that is given its identity believes it."""
    known = replace(KNOWN, digest="abc")

    judge = make_judge("llama3", server.url, 5.0, known=known)

    assert known == judge.identity
    assert judge.key(RECORD, "Jane.") != make_judge("llama3", server.url, 5.0, known=KNOWN).key(
        RECORD, "Jane."
    )
    assert server.requests == []


def test_failed_identity_is_asked_for_again(server: FakeOllama) -> None:
    """A model that was missing may have been pulled since."""
    judge = connect(server)
    server.models = {}
    with pytest.raises(JudgeError):
        _ = judge.identity

    server.models = {"llama3:latest": DIGEST}

    assert judge.identity == KNOWN


def test_label(server: FakeOllama) -> None:
    """Headers name model, server version and the digest in short."""
    assert connect(server).label == "llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)"
    assert identity_label(KNOWN) == connect(server).label


def test_scores_by_response(server: FakeOllama) -> None:
    """Different responses get their own scores."""
    server.reply = by_response({"Jane.": 40, "Jane Austen.": 100}, default="none")
    judge = connect(server)

    scores = [judge.score(RECORD, text).score for text in ("Jane.", "Jane Austen.", "Emma.")]

    assert scores == [40, 100, None]


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("openai:", '"openai:" names no model'),
        ("", "it is empty"),
        ("  ", "it is empty"),
    ],
)
def test_unknown_judges(model: str, problem: str) -> None:
    """A judge that cannot be had is refused when it is named."""
    with pytest.raises(SettingsError) as caught:
        make_judge(model, "", 5.0)

    hint = 'name an Ollama model, openai: and a model, or "embedded"'
    assert str(caught.value) == f"--llm-judge-model: {problem}; {hint}"


def test_asker_of_any_client(server: FakeOllama) -> None:
    """The judge can be put together from its parts."""
    judge = Judge(IntegerAsker(OllamaClient(server.url, "llama3", timeout=5)), known=KNOWN)

    assert judge.score(RECORD, "Jane.") == Verdict(85, "85")


def test_down_server_has_no_identity(server: FakeOllama) -> None:
    """Who asks a dead server for its name gets the error itself."""
    server.stop()

    with pytest.raises(JudgeDownError):
        _ = connect(server).label


def test_imports_are_light() -> None:
    """Neither torch nor sacrebleu nor pytest is imported before someone needs it."""
    code = "import json, sys, pytest_llmjudge.judging.judge; print(json.dumps(list(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert not {"torch", "sacrebleu", "pytest", "numpy"} & set(json.loads(made.stdout))
