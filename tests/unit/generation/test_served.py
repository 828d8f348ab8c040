"""A served model under test: what is sent, which replies are answers, and what ends a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, PromptError, SettingsError
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.served import ServedModel
from pytest_llmjudge.servers.kinds import model_addresses
from pytest_llmjudge.servers.ollama import OllamaClient
from pytest_llmjudge.servers.openai import OpenAIClient
from pytest_llmjudge.settings import Decoding, Settings, read_settings
from tests.support.fake_ollama import (
    CRASH,
    DIGEST,
    HTML,
    Answer,
    ChatRequest,
    Failure,
    FakeOllama,
    Hang,
    Page,
    Reply,
    in_turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.generation.base import Model

PLACES = ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY")
NAMES = pytest.mark.parametrize("name", ["ollama:llama3", "openai:llama3"])
LONG = "word " * 2000


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server but those that a test names."""
    for place in PLACES:
        monkeypatch.delenv(place, raising=False)


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with FakeOllama(lambda request: Answer(f"after {request.prompt}")) as fake:
        yield fake


def settings(options: dict[str, str]) -> Settings:
    given = {f"llm_judge_{key}": (text, "cli") for key, text in options.items()}
    return read_settings(given, Path(), Path(), "pytest.ini")


def served(*servers: FakeOllama, name: str = "ollama:llama3", **options: str) -> ServedModel:
    """Make a model at ``servers`` as the command line would, but one that tries again sooner."""
    if servers:
        options["checkpoint_url"] = " ".join(fake.url for fake in servers)
    return hasty(make_model(name, settings({"timeout": "5", **options})))


def hasty(model: Model) -> ServedModel:
    """Shorten the pauses between the tries of a served model, which no option does."""
    assert isinstance(model, ServedModel)
    for client in model._client._clients.values():
        assert isinstance(client, (OllamaClient, OpenAIClient))
        client._endpoint._policy.backoff = 0.01
    return model


def texts(
    model: ServedModel, prompts: Sequence[str], *, tokens: int = 16, chat: bool = False
) -> dict[int, str | None]:
    stream = model.stream(prompts, max_new_tokens=tokens, chat=chat)
    return {completion.index: completion.text for completion in stream}


def failure(model: ServedModel, prompt: str = "Go on.") -> str:
    with pytest.raises(CheckpointError) as caught:
        texts(model, [prompt])
    return str(caught.value)


def until_it_fails(model: ServedModel, prompts: Sequence[str]) -> tuple[list[int], str]:
    """Give what was answered before it, and what it says."""
    answered = []
    try:
        for completion in model.stream(prompts, max_new_tokens=4):
            answered.append(completion.index)  # noqa: PERF401  # kept when it fails
    except CheckpointError as error:
        return answered, str(error)
    return answered, ""


class TestBodies:
    """Byte for byte what is asked for; the keys of responses rely on it."""

    def test_ollama_goes_on_from_a_text(self, server: FakeOllama) -> None:
        """The template of the model is not applied, nothing is cut, nothing is penalised."""
        assert texts(served(server), ["Go on."]) == {0: "after Go on."}

        seen = server.requests[-1]
        assert seen.path == "/api/generate"
        assert seen.json() == {
            "model": "llama3",
            "prompt": "Go on.",
            "raw": True,
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": {
                "seed": 123,
                "temperature": 0,
                "num_ctx": 2048,
                "num_predict": 16,
                "repeat_penalty": 1,
            },
        }

    def test_ollama_chats(self, server: FakeOllama) -> None:
        """The model's own template comes around one message of a user."""
        assert texts(served(server), ["Go on."], chat=True) == {0: "after Go on."}

        seen = server.requests[-1]
        assert seen.path == "/api/chat"
        body = seen.json()
        assert body["messages"] == [{"role": "user", "content": "Go on."}]
        assert set(body) == {"model", "messages", "stream", "truncate", "shift", "options"}

    def test_openai_goes_on_from_a_text(self, server: FakeOllama) -> None:
        """The older endpoint, where no template is applied."""
        assert texts(served(server, name="openai:llama3"), ["Go on."]) == {0: "after Go on."}

        seen = server.requests[-1]
        assert seen.path == "/v1/completions"
        assert seen.json() == {
            "model": "llama3",
            "prompt": "Go on.",
            "stream": False,
            "seed": 123,
            "temperature": 0,
            "max_tokens": 16,
        }

    def test_openai_chats(self, server: FakeOllama) -> None:
        """The newer endpoint, with one message."""
        model = served(server, name="openai:llama3")
        assert texts(model, ["Go on."], chat=True) == {0: "after Go on."}

        seen = server.requests[-1]
        assert seen.path == "/v1/chat/completions"
        assert seen.json() == {
            "model": "llama3",
            "messages": [{"role": "user", "content": "Go on."}],
            "stream": False,
            "seed": 123,
            "temperature": 0,
            "max_tokens": 16,
        }

    @pytest.mark.parametrize("chat", [False, True])
    def test_ollama_draws(self, server: FakeOllama, *, chat: bool) -> None:
        """All of the decoding is sent; the server's own defaults never apply."""
        model = served(server, temperature="0.7", top_k="5", top_p="0.9", seed="7", stop="\\n\nEND")

        texts(model, ["Go on."], chat=chat)

        assert server.chats[-1]["options"] == {
            "seed": 7,
            "temperature": 0.7,
            "num_ctx": 2048,
            "num_predict": 16,
            "repeat_penalty": 1,
            "top_k": 5,
            "top_p": 0.9,
            "stop": ["\n", "END"],
        }

    @NAMES
    def test_the_decoding_of_a_call(self, server: FakeOllama, name: str) -> None:
        """It is sent in the place of the model's, and its stop texts end an answer."""
        model = served(server, name=name, temperature="0.7", stop="END")

        (done,) = model.stream(
            ["Go. on"], max_new_tokens=4, decoding=Decoding(stop=(".",)), cut=True
        )

        assert (done.text, done.is_cut) == ("after Go", False)
        body = server.chats[-1]
        sent = body.get("options", body)
        assert (sent["temperature"], sent["stop"]) == (0, ["."])

    def test_ollama_draws_among_all(self, server: FakeOllama) -> None:
        """Ollama would draw among 40 tokens and 90 % if nothing were said."""
        texts(served(server, temperature="1"), ["Go on."])

        options = server.chats[-1]["options"]
        assert (options["top_k"], options["top_p"]) == (0, 1)

    def test_openai_draws(self, server: FakeOllama) -> None:
        """A field that OpenAI does not have is sent only where it is wanted."""
        how = {"temperature": "0.7", "top_p": "0.9", "stop": "END"}
        texts(served(server, name="openai:llama3", **how), ["Go on."])
        texts(served(server, name="openai:llama3", top_k="5", **how), ["Go on."])

        plain, with_top_k = server.chats
        wanted = {"temperature": 0.7, "top_p": 0.9, "seed": 123, "stop": ["END"]}
        assert {key: plain[key] for key in wanted} == wanted
        assert "top_k" not in plain
        assert with_top_k == plain | {"top_k": 5}

    @pytest.mark.parametrize(
        ("tokens", "context"), [("1024", 2048), ("1025", 2049), ("4096", 5120)]
    )
    def test_a_long_answer_gets_a_larger_context(
        self, server: FakeOllama, tokens: str, context: int
    ) -> None:
        """A prompt always has 1,024 tokens, and all requests the same context."""
        model = served(server, max_new_tokens=tokens)

        texts(model, ["a", "b"], tokens=int(tokens))

        assert [body["options"]["num_ctx"] for body in server.chats] == [context] * 2

    @pytest.mark.parametrize("chat", [False, True])
    def test_a_thinking_model_is_told_not_to(self, server: FakeOllama, *, chat: bool) -> None:
        """As the judge is."""
        server.capabilities = ["completion", "thinking"]

        texts(served(server), ["Go on."], chat=chat)

        assert server.chats[-1]["think"] is False

    def test_a_models_own_stop_texts_stay(self, server: FakeOllama) -> None:
        """Ollama would forget them as soon as others are asked for."""
        server.parameters = (
            'stop                           "<|im_start|>"\n'
            "temperature                    0.6\n"
            'stop                           "<|im_end|>"\n'
            "stop                           END"
        )

        texts(served(server, stop="END\0\n\n\0"), ["Go on."])
        texts(served(server), ["Go on."])

        first, second = (body["options"] for body in server.chats)
        assert first["stop"] == ["END", "\n\n", "<|im_start|>", "<|im_end|>"]
        assert "stop" not in second


class TestAnswers:
    """Whatever the model wrote in the room it was given is its answer."""

    @NAMES
    @pytest.mark.parametrize("chat", [False, True])
    @pytest.mark.parametrize("text", ["", "one two", " 'ünï' \n"])
    def test_a_text_is_an_answer(
        self, server: FakeOllama, name: str, text: str, *, chat: bool
    ) -> None:
        """Cut at the most tokens or not, empty or not."""
        for reason in ("stop", "length"):
            server.reply = lambda _, reason=reason: Answer(text, reason)  # type: ignore[misc]
            assert texts(served(server, name=name), ["Go on."], chat=chat) == {0: text}

    @NAMES
    def test_generate_keeps_the_order(self, server: FakeOllama, name: str) -> None:
        """Whatever order the replies come in."""
        server.reply = lambda request: slow(request, "a" in request.prompt)
        model = served(server, name=name, concurrency="3")

        assert model.generate(["a", "b", "c"], max_new_tokens=4) == ["a", "b", "c"]
        assert model.generate([], max_new_tokens=4) == []

    def test_answers_come_when_they_are_there(self, server: FakeOllama) -> None:
        """A slow one holds up nobody."""
        go_on = threading.Event()

        def reply(request: ChatRequest) -> Reply:
            return Hang(go_on, Answer("late")) if request.prompt == "a" else Answer("soon")

        server.reply = reply
        stream = served(server, concurrency="2").stream(["a", "b", "c"], max_new_tokens=4)

        assert {next(stream).index, next(stream).index} == {1, 2}
        go_on.set()
        assert [(done.index, done.text) for done in stream] == [(0, "late")]

    def test_no_tokens_at_all(self, server: FakeOllama) -> None:
        """A mistake of the caller's, as for a checkpoint."""
        with pytest.raises(ValueError, match="max_new_tokens is 0; it must be at least 1"):
            served(server).generate(["a"], max_new_tokens=0)


def pausing(request: ChatRequest) -> Reply:
    time.sleep(0.03)
    return Answer(request.prompt)


def slow(request: ChatRequest, is_slow: bool) -> Reply:  # noqa: FBT001
    time.sleep(0.2 if is_slow else 0)
    return Answer(request.prompt)


class TestTooLong:
    """A prompt that was cut is never answered; the others are."""

    @pytest.mark.parametrize("chat", [False, True])
    def test_ollama_refuses(self, server: FakeOllama, *, chat: bool) -> None:
        """One line that tells how long it is."""
        model = served(server)

        done = {
            completion.index: completion
            for completion in model.stream(["a", LONG, "b"], max_new_tokens=4, chat=chat)
        }

        assert (done[0].text, done[2].text) == ("after a", "after b")
        assert done[1].text is None
        assert done[1].final
        assert (
            done[1].error
            == f"{server.url}: the prompt of 10000 characters needs about 2,500 tokens and does not fit into num_ctx 2048; {CUT}"
        )

    def test_ollama_cuts(self, server: FakeOllama) -> None:
        """A server that ignores ``truncate`` shows it in the tokens it read."""
        server.reply = lambda _: Answer("x", prompt_tokens=2048)

        (done,) = served(server).stream(["Go on."], max_new_tokens=4)

        assert (
            done.error
            == f"{server.url}: the prompt of 6 characters needs about 2,049 tokens and does not fit into num_ctx 2048; {CUT}"
        )

    def test_ollama_does_not_say(self, server: FakeOllama) -> None:
        """A prompt that may have been cut is no answer either."""
        server.reply = lambda _: Answer("x", counts=False)

        assert failure(served(server), "x" * 1792) == (
            f"{server.url}: did not say how many tokens of the prompt it read "
            "(prompt_eval_count); update Ollama; a prompt that may have been cut is not answered"
        )

    @pytest.mark.parametrize(
        ("reply", "need"),
        [
            (
                Failure(400, "This model's maximum context length is 2048 tokens. However"),
                "2,500 tokens and does not fit into the model's context, answer included",
            ),
            (
                Answer("x", prompt_tokens=4096),
                "4,097 tokens and does not fit into the 4,096 tokens that were read of it",
            ),
        ],
        ids=["refused", "cut"],
    )
    @pytest.mark.parametrize("chat", [False, True])
    def test_openai(self, server: FakeOllama, reply: Reply, need: str, *, chat: bool) -> None:
        """The server may be started with more room, so another run asks again."""
        server.reply = lambda _: reply

        (done,) = served(server, name="openai:llama3").stream([LONG], max_new_tokens=4, chat=chat)

        assert not done.final
        assert (
            done.error
            == f"{server.url}/v1: the prompt of 10000 characters needs about {need}; {CUT}"
        )

    def test_openai_does_not_say(self, server: FakeOllama) -> None:
        """A prompt that may have been cut is no answer either."""
        server.reply = lambda _: Answer("x", counts=False)

        assert failure(served(server, name="openai:llama3"), LONG) == (
            f"{server.url}/v1: did not say how many tokens of the prompt it read "
            "(usage.prompt_tokens); update it; a prompt that may have been cut is not answered"
        )

    def test_generate_raises(self, server: FakeOllama) -> None:
        """Who asks for a list of texts learns which prompt it was."""
        with pytest.raises(PromptError) as caught:
            served(server).generate(["a", LONG], max_new_tokens=4)

        assert (
            str(caught.value)
            == f"prompts[1]: the prompt of 10000 characters needs about 2,500 tokens and does not fit into num_ctx 2048; {CUT}"
        )


CUT = "shorten the record's instruction and input, or lower --llm-judge-max-new-tokens; a prompt that was cut is never answered"
OPENAI_LOG = "the server's log tells more"
OTHER = "name Ollama's own address with --llm-judge-checkpoint-url"
SEE_LOG = 'the log of "ollama serve" tells more'
ENDPOINT = (
    "name an OpenAI-compatible endpoint with --llm-judge-checkpoint-url, as http://host:8000/v1"
)


class TestFailures:
    """What the server could not do is one line, and what was answered is kept."""

    @pytest.mark.parametrize(
        ("name", "reply", "expected"),
        [
            (
                "ollama",
                HTML,
                f'answered an HTML page ("It works!") where a chat reply was due; {OTHER}',
            ),
            ("ollama", Failure(400, "bad"), f"answered with status 400: bad; {SEE_LOG}"),
            ("ollama", Failure(500, "no disk"), f"answered with status 500: no disk; {SEE_LOG}"),
            (
                "ollama",
                CRASH,
                (
                    "its model crashed each time it was asked (an error was encountered while running "
                    f"the model: unexpected EOF); free memory, or name a smaller model; {SEE_LOG}"
                ),
            ),
            (
                "ollama",
                Failure(404, "model 'llama3' not found"),
                (
                    "has no model \"llama3\" any more (model 'llama3' not found); "
                    '"ollama pull llama3" gets it'
                ),
            ),
            (
                "openai",
                HTML,
                f'answered an HTML page ("It works!") where a chat completion was due; {ENDPOINT}',
            ),
            (
                "openai",
                Failure(409, "bad"),
                f"answered with status 409: bad; {OPENAI_LOG}",
            ),
            (
                "openai",
                Failure(404, "This is a chat model"),
                (
                    'has no model "llama3" that goes on from a text (This is a chat model); take the '
                    'prompt "chat", or another model'
                ),
            ),
            (
                "openai",
                Page(404, "text/plain", "404 page not found"),
                (
                    'has no model "llama3" that goes on from a text ("404 page not found"); take the '
                    'prompt "chat", or another model'
                ),
            ),
            (
                "openai",
                Failure(401, "no"),
                (
                    "refuses the request with status 401 (no); set OPENAI_API_KEY to a key that it "
                    "takes"
                ),
            ),
        ],
    )
    def test_replies_that_are_none(
        self, server: FakeOllama, name: str, reply: Reply, expected: str
    ) -> None:
        """The advice names the options of the model under test."""
        server.reply = lambda _: reply
        path = "/v1" if name == "openai" else ""

        assert failure(served(server, name=f"{name}:llama3")) == f"{server.url}{path}: {expected}"

    @NAMES
    def test_a_busy_server_is_asked_again(self, server: FakeOllama, name: str) -> None:
        """As the judge's is, until its time is up."""
        busy = Failure(503, "wait")
        server.reply = lambda request: busy if request.number < 3 else Answer("x")
        assert texts(served(server, name=name), ["Go on."]) == {0: "x"}

        server.reply = lambda _: busy
        where = f"{server.url}/v1" if name.startswith("openai") else server.url
        assert failure(served(server, name=name, timeout="0.3")) == (
            f"{where}: is busy (wait); let fewer programs use it at a time"
        )

    def test_one_failure_stops_nobody_else(self, server: FakeOllama) -> None:
        """It is raised when the others are answered."""

        def reply(request: ChatRequest) -> Reply:
            return Failure(500, "no") if request.prompt in {"1", "4"} else Answer("x")

        server.reply = reply
        answered, message = until_it_fails(served(server), [str(number) for number in range(8)])

        assert answered == [0, 2, 3, 5, 6, 7]
        assert message == f"{server.url}: answered with status 500: no; {SEE_LOG}"

    @pytest.mark.parametrize("status", [400, 422])
    def test_refused_prompts_stop_nobody_else(self, server: FakeOllama, status: int) -> None:
        """However many in a row: each is reported by itself, and may be tried again in another run."""

        def reply(request: ChatRequest) -> Reply:
            return Failure(status, "filtered") if "bad" in request.prompt else Answer("x")

        server.reply = reply
        model = served(server, name="openai:llama3")
        prompts = ["good", *["bad"] * 6, "good"]
        completions = sorted(model.stream(prompts, max_new_tokens=4), key=lambda one: one.index)

        message = f"{server.url}/v1: answered with status {status}: filtered; {OPENAI_LOG}"
        assert [one.text for one in completions] == ["x", *[None] * 6, "x"]
        assert {(one.error, one.final) for one in completions[1:7]} == {(message, False)}
        with pytest.raises(PromptError) as caught:
            model.generate(prompts, max_new_tokens=4)
        assert str(caught.value).startswith("prompts[1]: answered with status")

    @pytest.mark.parametrize("answer", ["", " \n"])
    def test_thoughts_alone_are_no_answer(self, server: FakeOllama, answer: str) -> None:
        """They are not judged as an empty one."""
        server.reply = lambda _: Answer(answer, "length", thinking="Let me see.")

        (done,) = served(server).stream(["Go on."], max_new_tokens=4, chat=True)

        assert not done.final
        assert done.error == (
            f"{server.url}: ollama:llama3 wrote thoughts and no answer; switch its thoughts off, or "
            "raise --llm-judge-max-new-tokens"
        )

    @NAMES
    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("<think>hmm</think>\n\nThe number.", "\n\nThe number."),
            ("hmm, 7 or 8?\n</think>\nThe number.", "\nThe number."),
            ("The tags are <think> and </think>.", "The tags are <think> and </think>."),
            ("", ""),
        ],
        ids=["whole", "open", "words", "empty"],
    )
    def test_thoughts_are_no_part_of_an_answer(
        self, server: FakeOllama, name: str, content: str, text: str
    ) -> None:
        """Also where the server does not tell them apart; a test of the user's own has all."""
        server.reply = lambda _: Answer(content)
        model = served(server, name=name)

        assert texts(model, ["Go on."], chat=True) == {0: text}
        assert texts(model, ["Go on."]) == {0: text if content.startswith("<think>") else content}
        assert model.generate(["Go on."], max_new_tokens=4) == [content]

    @NAMES
    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            ("<think>hmm", "unfinished thoughts"),
            ("<think>hmm</think>\n", "thoughts"),
            ("hmm</think>", "thoughts"),
        ],
    )
    def test_thoughts_in_the_answers_place(
        self, server: FakeOllama, name: str, content: str, kind: str
    ) -> None:
        """Half a thought is no answer either."""
        server.reply = lambda _: Answer(content, "length")

        (done,) = served(server, name=name).stream(["Go on."], max_new_tokens=4, chat=True)

        assert (done.text, done.final) == (None, False)
        assert done.error is not None
        assert done.error.endswith(
            f": {name} wrote {kind} and no answer; switch its thoughts off, or raise "
            "--llm-judge-max-new-tokens"
        )

    @pytest.mark.parametrize("name", ["ollama:llama3", "openai:llama3"])
    def test_thoughts_beside_the_answer(self, server: FakeOllama, name: str) -> None:
        """They are kept beside it here as well."""
        server.reply = lambda _: Answer("Two.", thinking="Let me see.")

        (done,) = served(server, name=name).stream(["Go on."], max_new_tokens=4, chat=True)

        assert (done.text, done.thoughts) == ("Two.", "Let me see.")

    @NAMES
    @pytest.mark.parametrize(("content", "text"), [("hmm</think>7", "7"), ("hmm, 7 or", None)])
    def test_thoughts_that_a_plain_prompt_opened(
        self, server: FakeOllama, name: str, content: str, text: str | None
    ) -> None:
        """Without their end there is no answer; a test of the user's own has all of the text."""
        server.reply = lambda _: Answer(content, "length")
        model = served(server, name=name)

        (done,) = model.stream(["Go on. <think>\n"], max_new_tokens=4)

        assert done.text == text
        assert ("thoughts and no answer" in (done.error or "")) is (text is None)
        assert model.generate(["Go on. <think>\n"], max_new_tokens=4) == [content]

    @NAMES
    def test_a_conversation(self, server: FakeOllama, name: str) -> None:
        """It is sent as messages with their roles, the oldest first."""
        turns = (
            Turn("system", "Answer in words."),
            Turn("user", "Say 1."),
            Turn("assistant", "one"),
            Turn("user", "Say 2."),
        )

        (done,) = served(server, name=name).stream([turns], max_new_tokens=4, chat=True)

        assert done.text == "after Say 2."
        assert server.chats[-1]["messages"] == [
            {"role": turn.role, "content": turn.text} for turn in turns
        ]

    def test_a_conversation_that_may_have_been_cut(self, server: FakeOllama) -> None:
        """Its words are counted in all messages."""
        turns = (Turn("user", LONG), Turn("assistant", "one"), Turn("user", "Say 2."))
        server.reply = lambda _: Answer("two", prompt_tokens=1024)

        (done,) = served(server, name="openai:llama3").stream([turns], max_new_tokens=4, chat=True)

        assert done.text is None
        assert "does not fit" in str(done.error)

    @pytest.mark.parametrize("chat", [False, True])
    @pytest.mark.parametrize("reason", ["content_filter", "abort"])
    def test_half_an_answer_is_none(self, server: FakeOllama, reason: str, *, chat: bool) -> None:
        """It is the error of its own record, and another run asks again."""
        server.reply = lambda request: (
            Answer("half an", reason) if request.prompt == "b" else Answer("whole")
        )

        completions = sorted(
            served(server, name="openai:llama3").stream(
                ["a", "b", "c"], max_new_tokens=4, chat=chat
            ),
            key=lambda done: done.index,
        )

        assert [done.text for done in completions] == ["whole", None, "whole"]
        assert not completions[1].final
        assert (
            completions[1].error
            == f'{server.url}/v1: broke its answer off (finish_reason "{reason}"); {OPENAI_LOG}'
        )

    @pytest.mark.parametrize(
        ("choice", "why"),
        [
            ({"text": None}, ""),
            ({"message": {"content": None}}, ""),
            ({"message": {"content": []}}, ""),
            (
                {"message": {"content": None, "refusal": "I can't\nhelp."}},
                ', but a refusal ("I can\'t help.")',
            ),
        ],
        ids=["text", "message", "no-parts", "refusal"],
    )
    def test_no_text_is_no_empty_answer(
        self, server: FakeOllama, choice: dict[str, object], why: str
    ) -> None:
        """Only a text that is empty is one."""
        body = {"model": "llama3", "choices": [{**choice, "finish_reason": "stop"}]}
        server.reply = lambda _: Page(200, "application/json", json.dumps(body))
        chat = "message" in choice

        (done,) = served(server, name="openai:llama3").stream(["a"], max_new_tokens=4, chat=chat)

        assert (done.text, done.final) == (None, False)
        assert done.error == f"{server.url}/v1: answered without a text{why}; {OPENAI_LOG}"

    def test_a_picture_is_no_answer(self, server: FakeOllama) -> None:
        """Nor is a text with one beside it."""
        parts = [{"type": "text", "text": "See"}, {"type": "image_url"}]
        choice = {"message": {"content": parts}, "finish_reason": "stop"}
        body = {"model": "llama3", "choices": [choice]}
        server.reply = lambda _: Page(200, "application/json", json.dumps(body))

        (done,) = served(server, name="openai:llama3").stream(["a"], max_new_tokens=4, chat=True)

        assert (
            done.error
            == f'{server.url}/v1: answered with a content that is no text ({{"type": "image_url"}}); {OPENAI_LOG}'
        )

    @pytest.mark.parametrize("chat", [False, True])
    @NAMES
    def test_more_tokens_than_were_asked_for(
        self, server: FakeOllama, name: str, *, chat: bool
    ) -> None:
        """Such a text is none that a model under the same limit writes."""
        url, log = server.url, 'the log of "ollama serve" tells more'
        server.reply = lambda _: Answer("word", eval_tokens=10**9)
        if name.startswith("openai:"):
            url, log = f"{server.url}/v1", "the server's log tells more"
            body = {
                "model": "llama3",
                "choices": [{"message": {"content": "word"}, "text": "word"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 10**9},
            }
            server.reply = lambda _: Page(200, "application/json", json.dumps(body))
        model = served(server, name=name)

        (done,) = model.stream(["a"], max_new_tokens=4, chat=chat)

        message = f"{url}: wrote 1000000000 tokens where at most 4 were asked for; {log}"
        assert (done.text, done.error) == (None, message)

    @NAMES
    def test_as_many_tokens_as_were_asked_for(self, server: FakeOllama, name: str) -> None:
        """That is what a long answer has."""
        server.reply = lambda _: Answer("word", "length", eval_tokens=4)

        assert texts(served(server, name=name), ["a"], tokens=4) == {0: "word"}

    @pytest.mark.parametrize("chat", [False, True])
    @NAMES
    def test_a_stop_text_in_an_answer(self, server: FakeOllama, name: str, *, chat: bool) -> None:
        """A server that leaves it in is corrected: the text ends before it, as a checkpoint's."""
        server.reply = lambda _: Answer("one END two STOP three")
        model = served(server, name=name, stop="STOP\0END\0")

        assert texts(model, ["a"], chat=chat) == {0: "one "}

    def test_thoughts_that_are_not_shown(self, server: FakeOllama) -> None:
        """Whatever used up the tokens was no answer."""
        body = {
            "model": "llama3",
            "choices": [{"message": {"content": None}, "finish_reason": "length"}],
        }
        server.reply = lambda _: Page(200, "application/json", json.dumps(body))

        (done,) = served(server, name="openai:llama3").stream(["a"], max_new_tokens=4, chat=True)

        assert done.error == (
            f"{server.url}/v1: openai:llama3 wrote thoughts and no answer; switch its thoughts off, "
            "or raise --llm-judge-max-new-tokens"
        )

    @pytest.mark.parametrize("content", ["", [{"type": "text", "text": ""}]])
    def test_an_empty_text_is_an_answer(self, server: FakeOllama, content: object) -> None:
        """The model had nothing to say."""
        body = {
            "model": "llama3",
            "choices": [{"message": {"content": content}, "finish_reason": "stop"}],
        }
        server.reply = lambda _: Page(200, "application/json", json.dumps(body))

        assert texts(served(server, name="openai:llama3"), ["a"], chat=True) == {0: ""}

    def test_openai_takes_another_word_for_most_tokens(self, server: FakeOllama) -> None:
        """As its reasoning models do; the others are not refused first."""
        refusal = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        server.reply = lambda request: (
            Failure(400, refusal) if "max_tokens" in request.body else Answer("yes")
        )

        answers = texts(served(server, name="openai:llama3"), ["a", "b"], chat=True)

        assert answers == {0: "yes", 1: "yes"}
        assert [body.get("max_completion_tokens") for body in server.chats] == [None, 16, 16]

    @pytest.mark.parametrize("chat", [False, True])
    def test_a_prompt_that_fills_a_context_by_chance(
        self, server: FakeOllama, *, chat: bool
    ) -> None:
        """A longer one proves that it was read whole."""
        server.reply = in_turn(Answer("yes", prompt_tokens=2048), Answer("no", prompt_tokens=2051))

        assert texts(served(server, name="openai:llama3"), [LONG], chat=chat) == {0: "yes"}
        assert [body["max_tokens"] for body in server.chats] == [16, 16]

    @pytest.mark.parametrize(("threads", "asked"), [(1, 10), (4, 20)])
    def test_failures_in_a_row_end_it(self, server: FakeOllama, threads: int, asked: int) -> None:
        """A server that answers nothing is not asked a thousand times."""

        def reply(request: ChatRequest) -> Reply:
            # Whoever counts the failures may be behind.
            time.sleep(0 if request.number <= asked else 0.5)
            return Failure(500, "no")

        server.reply = reply

        with pytest.raises(CheckpointError):
            texts(served(server, concurrency=str(threads)), ["a"] * 100)

        assert threads < len(server.chats) <= asked + threads

    def test_a_server_that_dies(self, server: FakeOllama) -> None:
        """What was answered comes first; the rest is not asked for."""

        def reply(request: ChatRequest) -> Reply:
            if request.number == 4:
                threading.Thread(target=server.stop).start()
                return Hang(threading.Event())
            return Answer("x")

        server.reply = reply
        answered, message = until_it_fails(served(server), ["a"] * 50)

        assert answered == [0, 1, 2]
        assert message == (
            f'{server.url}: is not answering; start it with "ollama serve", or name another with '
            "--llm-judge-checkpoint-url"
        )

    def test_a_timeout(self, server: FakeOllama) -> None:
        """It has the judge's option."""
        server.reply = lambda _: Hang(threading.Event())

        assert failure(served(server, timeout="0.1")) == (
            f"{server.url}: gave no complete reply within 0.1 s; raise --llm-judge-timeout, or see "
            "whether the server is overloaded"
        )


class TestLoad:
    """How many requests are in flight, where, and what happens to them in the end."""

    def test_the_limit_is_used_and_kept(self) -> None:
        """At each server by itself."""
        prompts = [str(number) for number in range(40)]

        def with_others(request: ChatRequest) -> Reply:
            assert one.wait_until_busy(3)
            assert two.wait_until_busy(3)
            return pausing(request)

        with FakeOllama(with_others) as one, FakeOllama(with_others) as two:
            assert texts(served(one, two, concurrency="3"), prompts) == dict(enumerate(prompts))

        assert (one.max_in_flight, two.max_in_flight) == (3, 3)
        assert min(len(one.chats), len(two.chats)) >= 10

    def test_a_server_that_dies_is_left_out(self) -> None:
        """The others go on within their limit, and that is noted once."""
        notes: list[str] = []

        def with_another(request: ChatRequest) -> Reply:
            assert one.wait_until_busy(2)
            return pausing(request)

        with FakeOllama(with_another) as one, FakeOllama(pausing) as two:
            options = {"checkpoint_url": f"{one.url} {two.url}", "concurrency": "2"}
            model = hasty(make_model("ollama:llama3", settings(options), note=notes.append))
            assert model.fingerprint
            two.stop()
            done = list(model.stream(["a"] * 20, max_new_tokens=4))

        assert [completion.text for completion in done] == ["a"] * 20
        assert one.max_in_flight == 2
        assert notes == [f"{two.url}: is not answering; the run goes on with {one.url}"]

    def test_who_stops_early_stops_the_requests(self, server: FakeOllama) -> None:
        """What has not begun is not sent."""
        go_on = threading.Event()
        server.reply = lambda request: Answer("") if request.number == 1 else Hang(go_on)
        stream = served(server, concurrency="2").stream(["a"] * 100, max_new_tokens=4)
        next(stream)

        stream.close()  # type: ignore[attr-defined]

        go_on.set()
        assert server.wait_until_idle()
        time.sleep(0.2)
        assert len(server.chats) <= 3

    def test_no_thread_keeps_a_process_alive(self, server: FakeOllama) -> None:
        """Whoever gives up a server that hangs is gone at once, and torch was never imported."""
        server.reply = lambda _: Hang(threading.Event())
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from pytest_llmjudge.generation.served import ServedModel\n"
            "from pytest_llmjudge.settings import read_settings\n"
            "given = {'llm_judge_checkpoint_url': (sys.argv[1], 'cli')}\n"
            "model = ServedModel('ollama:x', read_settings(given, Path(), Path(), 'ini'))\n"
            "try:\n"
            "    list(model.stream(['a', 'b'], max_new_tokens=4))\n"
            "except KeyboardInterrupt:\n"
            "    print('torch' in sys.modules)\n"
        )
        server.models["x:latest"] = DIGEST

        with subprocess.Popen(
            [sys.executable, "-c", code, server.url], stdout=subprocess.PIPE, text=True
        ) as process:
            assert server.wait_for_chats(1)
            process.send_signal(signal.SIGINT)

            assert process.communicate(timeout=300)[0] == "False\n"
        assert process.returncode == 0


class TestInfo:
    """What is known of it before it answers."""

    def test_nothing_is_sent_before_it_is_needed(self, server: FakeOllama) -> None:
        """Making one asks nobody."""
        served(server)

        assert server.requests == []

    @pytest.mark.parametrize("name", ["ollama:llama3", "openai:llama3"])
    def test_it_is_asked_once(self, server: FakeOllama, name: str) -> None:
        """The name is shown as it was given, and nobody knows the number of weights."""
        model = served(server, name=name)

        assert model.info is model.info
        assert (model.info.path, model.info.parameters) == (name, None)
        assert model.fingerprint == model.info.fingerprint
        assert len({seen.path for seen in server.requests}) == len(server.requests)

    def test_the_fingerprint_of_ollama(self, server: FakeOllama) -> None:
        """Other weights or another version may answer otherwise; the address does not matter."""
        first = served(server).fingerprint
        with FakeOllama() as same:
            assert served(same).fingerprint == first
        server.version = "0.25.0"
        other_version = served(server).fingerprint
        server.version = "0.24.0"
        server.models["llama3:latest"] = "2b" * 32
        other_weights = served(server).fingerprint

        assert len({first, other_version, other_weights}) == 3

    def test_the_fingerprint_of_openai(self, server: FakeOllama) -> None:
        """What it lists of the model, and where it is: the weights behind a name are not known."""
        entry = '{"data": [{"id": "llama3", "max_model_len": %d}]}'
        fingerprints = set()
        for length in (2048, 4096):
            server.instead["/v1/models"] = Page(200, "application/json", entry % length)
            fingerprints.add(served(server, name="openai:llama3").fingerprint)
        with FakeOllama() as other:
            other.instead["/v1/models"] = Page(200, "application/json", entry % 2048)
            fingerprints.add(served(other, name="openai:llama3").fingerprint)

        assert len(fingerprints) == 3

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("ollama:x", 'has no model "x"; installed: llama3:latest; "ollama pull x" gets it'),
            (
                "openai:x",
                (
                    'has no model "x"; it has: llama3:latest; name one of these with '
                    "--llm-judge-checkpoint=openai:NAME"
                ),
            ),
        ],
    )
    def test_a_model_that_is_not_there(self, server: FakeOllama, name: str, expected: str) -> None:
        """It says which ones are."""
        with pytest.raises(CheckpointError) as caught:
            served(server, name=name).info  # noqa: B018

        where = f"{server.url}/v1" if name.startswith("openai") else server.url
        assert str(caught.value) == f"{where}: {expected}"

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("ollama:llama3", 'start it with "ollama serve"'),
            ("openai:llama3", "start it"),
        ],
    )
    def test_a_server_that_is_not_there(self, server: FakeOllama, name: str, hint: str) -> None:
        """It says how to name another."""
        model = served(server, name=name)
        server.stop()

        with pytest.raises(CheckpointError) as caught:
            model.info  # noqa: B018

        where = f"{server.url}/v1" if name.startswith("openai") else server.url
        assert str(caught.value) == (
            f"{where}: is not answering; {hint}, or name another with --llm-judge-checkpoint-url"
        )

    @pytest.mark.parametrize(
        ("name", "path", "expected"),
        [
            (
                "ollama:llama3",
                "/api/version",
                (
                    'is not an Ollama server: "/api/version" gave status 200, an HTML page '
                    f'("It works!"); {OTHER}'
                ),
            ),
            (
                "openai:llama3",
                "/v1/models",
                (
                    'is not OpenAI-compatible: "/models" gave status 200, an HTML page ("It works!"); '
                    f"{ENDPOINT}"
                ),
            ),
        ],
    )
    def test_another_server(self, server: FakeOllama, name: str, path: str, expected: str) -> None:
        """It says what kind was expected."""
        server.instead[path] = HTML

        with pytest.raises(CheckpointError) as caught:
            served(server, name=name).info  # noqa: B018

        assert str(caught.value).endswith(f": {expected}")

    def test_different_models_of_one_name(self, server: FakeOllama) -> None:
        """They would mix two models in one average."""
        with (
            FakeOllama(models={"llama3:latest": "2b" * 32}) as other,
            pytest.raises(SettingsError) as caught,
        ):
            served(server, other).info  # noqa: B018

        assert str(caught.value) == (
            "--llm-judge-checkpoint-url: the servers have different models named "
            f'"llama3": {server.url} has 1ca99c7a9cf4, {other.url} has 2b2b2b2b2b2b; get the same '
            "one on all of them, or leave the others out"
        )

    @pytest.mark.parametrize(
        ("name", "options", "expected"),
        [
            (
                "ollama:",
                {},
                (
                    '--llm-judge-checkpoint: "ollama:" names no model; write ollama: and the name of '
                    "a model"
                ),
            ),
            (
                "openai: ",
                {},
                (
                    '--llm-judge-checkpoint: "openai: " names no model; write openai: and the name of '
                    "a model"
                ),
            ),
            (
                "ollama:llama3",
                {"checkpoint_url": "host:port"},
                (
                    '--llm-judge-checkpoint-url: "host:port" is no address of a server; write host, '
                    "host:port or http://host:port"
                ),
            ),
        ],
    )
    def test_a_name_or_address_that_is_none(
        self, name: str, options: dict[str, str], expected: str
    ) -> None:
        """Before anybody is asked."""
        with pytest.raises(LlmJudgeError) as caught:
            served(name=name, **options)

        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("ollama:x", {}, "http://ollama:11434"),
        ("openai:x", {}, "http://openai:8000/v1"),
        ("ollama:x", {"url": "judge:1"}, "http://judge:1"),
        ("openai:x", {"url": "judge:1"}, "http://openai:8000/v1"),
        ("ollama:x", {"url": "judge:1", "model": "openai:y"}, "http://ollama:11434"),
        ("openai:x", {"url": "judge:1", "model": "openai:y"}, "http://judge:1"),
        ("ollama:x", {"url": "judge:1", "model": "embedded"}, "http://ollama:11434"),
        ("ollama:x", {"url": "judge:1", "checkpoint_url": "own:2"}, "http://own:2"),
        ("ollama:x", {"url": "a:1 b:2 a:1"}, "http://a:1 http://b:2"),
    ],
)
def test_where_it_is(
    name: str, options: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own option, then that of a judge of its kind, then the environment."""
    monkeypatch.setenv("OLLAMA_HOST", "ollama")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://openai:8000/v1")

    assert model_addresses(name, settings(options)) == tuple(wanted.split())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("ollama:x", "http://localhost:11434"), ("openai:x", "https://api.openai.com:443/v1")],
)
def test_where_it_is_when_nothing_is_said(name: str, wanted: str) -> None:
    """Where Ollama's and OpenAI's own programs look."""
    assert model_addresses(name, settings({})) == (wanted,)
