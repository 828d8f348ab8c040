"""The client of OpenAI-compatible endpoints: what is sent, what is understood, what is kept secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Record, Verdict
from pytest_llmjudge.errors import JudgeDownError, JudgeError, SettingsError
from pytest_llmjudge.judging.judge import make_judge
from pytest_llmjudge.servers.chat import NoLogprobsError, PromptTooLongError
from pytest_llmjudge.servers.openai import OpenAIClient
from tests.support.fake_ollama import (
    BUSY,
    HTML,
    Answer,
    ChatRequest,
    Drop,
    Failure,
    FakeOllama,
    Page,
    Reply,
    always,
    in_turn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})
CUT = "shorten the record or its response, take the record out, or judge with openai:NAME at a server with a longer context; a prompt that was cut is never scored"
LOG = "the server's log tells more"
ENDPOINT = "name an OpenAI-compatible endpoint with --llm-judge-url, as http://host:8000/v1"
KEY = "sk-a-secret-of-the-user"


def connect(server: FakeOllama, model: str = "llama3", timeout: float = 5) -> OpenAIClient:
    return OpenAIClient(server.url, model, timeout=timeout, backoff=0.001)


def failure(ask: Callable[[], object]) -> JudgeError:
    with pytest.raises(JudgeError) as caught:
        ask()
    return caught.value


def test_what_is_sent(server: FakeOllama) -> None:
    """Seed and temperature are, and nothing that would cut a reply."""
    assert connect(server).chat("Score this.").content == "85"

    assert server.chats == [
        {
            "model": "llama3",
            "messages": [{"role": "user", "content": "Score this."}],
            "stream": False,
            "seed": 123,
            "temperature": 0,
        }
    ]
    assert [seen.path for seen in server.requests] == ["/v1/chat/completions"]


def test_the_path_of_an_address_is_kept(server: FakeOllama) -> None:
    """Only an address without a path gets ``/v1``."""
    assert connect(server).url == f"{server.url}/v1"
    assert OpenAIClient(f"{server.url}/v1/", "x", timeout=1).url == f"{server.url}/v1"
    assert OpenAIClient("https://x.example/api", "x", timeout=1).url == "https://x.example:443/api"


def test_identity(server: FakeOllama) -> None:
    """What the server says of the model is its digest, but for what changes by the second."""
    first = connect(server).identify()

    assert connect(server).identify() == first
    assert (first.model, first.backend) == ("openai:llama3", "openai")
    assert first.version == f"{server.url}/v1"
    assert first.options == {"seed": 123, "temperature": 0}
    server.models = {"llama3:latest": "", "other": ""}
    assert connect(server, "other").identify().digest != first.digest


def test_a_model_that_is_not_there(server: FakeOllama) -> None:
    """The models that are there are named."""
    error = failure(connect(server, "gpt-4o").identify)

    assert str(error) == (
        f'{server.url}/v1: has no model "gpt-4o"; it has: llama3:latest; '
        "name one of these with --llm-judge-model=openai:NAME"
    )


def test_the_key_is_sent_and_told_to_nobody(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a bearer token; a server that repeats it does not get it into a message."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.key = KEY
    assert connect(server).chat("Score this.").content == "85"
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"

    server.key = "sk-another"
    for ask in (connect(server).identify, lambda: connect(server).chat("Score this.")):
        message = str(failure(ask))
        assert message == (
            f"{server.url}/v1: refuses the request with status 401 (Incorrect API key provided: "
            "Bearer *** invalid_api_key); correct OPENAI_API_KEY"
        )


def test_without_a_key(server: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable to set."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server.key = KEY

    assert str(failure(connect(server).identify)).endswith(
        "(Incorrect API key provided: no key invalid_api_key); set OPENAI_API_KEY to a key that it "
        "takes"
    )


@pytest.mark.parametrize("key", ["sk-a secret", "sk-a\nsecret", "\u201csk-a\u201d", "sk-\u00e4"])
def test_what_is_no_key(server: FakeOllama, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A key that no header can hold is reported without being shown."""
    monkeypatch.setenv("OPENAI_API_KEY", key)

    with pytest.raises(SettingsError) as caught:
        connect(server)

    assert str(caught.value) == (
        "OPENAI_API_KEY: has characters that no key has, such as blanks, line breaks or curly quotes; "
        "copy the key anew, all of it and nothing else"
    )


@pytest.mark.parametrize("before", range(0, 330, 7))
def test_no_part_of_the_key_is_told(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Wherever in a long message a server repeats it, and wherever the message is cut."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.reply = lambda _: Failure(403, "x" * before + KEY + "y" * 300)

    message = str(failure(lambda: connect(server).chat("Score this.")))

    assert "sk-" not in message


@pytest.mark.parametrize(
    ("formats", "asked"),
    [
        ({"json_schema", "json_object"}, ["json_schema"]),
        ({"json_object"}, ["json_schema", "json_object"]),
        (set(), ["json_schema", "json_object", None]),
    ],
    ids=["schema", "object", "none"],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_asked_again_with_what_the_server_takes(
    server: FakeOllama, formats: set[str], asked: list[str | None], status: int
) -> None:
    """A JSON Schema where it takes one, else a JSON object, else the question alone; learnt once."""
    server.formats, server.format_status = formats, status
    server.reply = (
        always("Eighty.", again='{"score": 80}')
        if formats
        else in_turn(
            Answer("Eighty."), Answer('{"score": 80}'), Answer("Eighty."), Answer('{"score": 80}')
        )
    )
    judge = make_judge("openai:llama3", server.url, 5.0)

    assert judge.score(RECORD, "Jane.") == Verdict(80, '{"score": 80}')
    formats_sent = [chat.get("response_format", {}).get("type") for chat in server.chats[1:]]
    assert formats_sent == asked
    before = len(server.chats)
    assert judge.score(RECORD, "Emma.") == Verdict(80, '{"score": 80}')
    assert len(server.chats) == before + 2
    if "json_schema" in formats:
        held = server.chats[1]["response_format"]["json_schema"]
        assert held["schema"]["properties"]["score"] == {
            "type": "integer",
            "minimum": 0,
            "maximum": 100,
        }


def test_a_refusal_that_does_not_say_why(server: FakeOllama) -> None:
    """One prompt that is refused takes nothing from the next ones."""
    refused = Failure(400, "flagged by the content filter")
    server.reply = in_turn(
        Answer("Eighty."), refused, refused, refused, Answer("Eighty."), Answer('{"score": 80}')
    )
    judge = make_judge("openai:llama3", server.url, 5.0)

    first = judge.score(RECORD, "Jane.")
    assert judge.score(RECORD, "Emma.") == Verdict(80, '{"score": 80}')

    assert first == Verdict(
        None,
        "Eighty.",
        f"{server.url}/v1: answered with status 400: flagged by the content filter; the server's log "
        "tells more",
        final=False,
        is_infrastructure=True,
    )
    formats = [chat.get("response_format", {}).get("type") for chat in server.chats]
    assert formats == [None, "json_schema", "json_object", None, None, "json_schema"]


def test_what_was_not_held_to_a_schema_is_not_kept(server: FakeOllama) -> None:
    """A reply that is no score may be one when the server holds it to the schema again."""
    server.formats = set()
    server.reply = always("Eighty.", again="Eighty.")
    judge = make_judge("openai:llama3", server.url, 5.0)

    assert not judge.score(RECORD, "Jane.").final
    server.formats = {"json_schema"}
    assert make_judge("openai:llama3", server.url, 5.0).score(RECORD, "Jane.").final


@pytest.mark.parametrize(
    "first",
    [Answer("Good.", thinking="Hm."), Answer("", done_reason="length"), Answer("<think>Hm.")],
    ids=["beside", "out of sight", "within"],
)
def test_room_for_thoughts(server: FakeOllama, first: Answer) -> None:
    """Who thinks before it answers has room to do so before the JSON."""
    server.reply = in_turn(first, Answer('{"score": 70}', thinking="Hm."))
    judge = make_judge("openai:llama3", server.url, 5.0)

    assert judge.score(RECORD, "Jane.") == Verdict(70, '{"score": 70}')
    assert server.chats[1]["max_tokens"] == 1024


def test_rate_limits_are_respected(server: FakeOllama) -> None:
    """Who is told to come back in a second does, and not before."""
    limit = Failure(429, "Rate limit reached", {"Retry-After": "1"})
    server.reply = in_turn(limit, limit, then=always("85"))

    assert connect(server, timeout=20).chat("Score this.").content == "85"

    first, second, third = server.requests
    assert second.started - first.started >= 1.0
    assert third.started - second.started >= 1.0


@pytest.mark.parametrize("status", [408, 500])
def test_errors_that_pass(server: FakeOllama, status: int) -> None:
    """A timeout or an error within the server is worth another try."""
    fault = Failure(status, "The server had an error")
    server.reply = in_turn(fault, fault, then=always("85"))

    assert connect(server).chat("Score this.").content == "85"


def test_an_account_without_money(server: FakeOllama) -> None:
    """Its status is that of a rate limit, but nothing gets better by waiting."""
    server.reply = lambda _: Failure(429, "You exceeded your quota (insufficient_quota)")

    error = failure(lambda: connect(server).chat("Score this."))

    assert len(server.chats) == 1
    assert "insufficient_quota" in error.problem


def test_a_server_that_loads_its_model(server: FakeOllama) -> None:
    """It is waited for, and not taken for another kind of server."""
    loading = Page(503, "application/json", '{"error": {"message": "Loading model"}}')
    server.instead["/v1/models"] = loading
    client = OpenAIClient(server.url, "llama3", timeout=5, identify_timeout=0.5, backoff=0.1)

    with pytest.raises(JudgeDownError) as caught:
        client.identify()

    assert str(caught.value) == (
        f"{server.url}/v1: has no time for requests now, status 503, "
        '"{"error": {"message": "Loading model"}}"; try again later, or see what keeps it busy'
    )
    assert len(server.requests) > 1


@pytest.mark.parametrize("name", ["LLAMA3", "llama3:latest:latest", "Llama3:latest"])
def test_a_name_in_other_letters(server: FakeOllama, name: str) -> None:
    """What the server would refuse for each record is refused before the work."""
    assert "it has: llama3:latest; name one" in str(failure(connect(server, name).identify))
    assert connect(server, "llama3:latest").identify().model == "openai:llama3:latest"


LONG = "word " * 2000


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            Answer("85", prompt_tokens=1900),
            f"the judge prompt of 10000 characters needs about 2,500 tokens and does not fit into the 1,900 tokens that were read of it; {CUT}",
        ),
        (
            Answer("85", prompt_tokens=4096),
            f"the judge prompt of 10000 characters needs about 4,097 tokens and does not fit into the 4,096 tokens that were read of it; {CUT}",
        ),
        (
            Answer("85", counts=False),
            (
                "did not say how many tokens of the prompt it read (usage.prompt_tokens); update it; a "
                "prompt that may have been cut is not scored"
            ),
        ),
    ],
    ids=["fewer than words", "a whole context", "silent"],
)
def test_a_prompt_that_was_cut_is_not_scored(
    server: FakeOllama, answer: Answer, message: str
) -> None:
    """Ollama's endpoint cuts a prompt without a word; the count of tokens gives it away."""
    server.reply = lambda _: answer

    assert str(failure(lambda: connect(server).chat(LONG))) == f"{server.url}/v1: {message}"
    assert connect(server).chat("Score this.").content == "85"


def test_a_prompt_that_fills_a_context_by_chance(server: FakeOllama) -> None:
    """One of exactly 2,048 tokens was read whole if of a longer one more are read."""
    server.reply = in_turn(
        Answer("85", prompt_tokens=2048), Answer("12", prompt_tokens=2051), Answer("no")
    )

    assert connect(server).chat(LONG).content == "85"

    first, second = server.chats
    said = [chat.pop("messages")[0]["content"] for chat in (first, second)]
    assert said == [LONG, f"{LONG} and so on"]
    assert first == second


def test_who_refuses_a_longer_prompt_cuts_none(server: FakeOllama) -> None:
    """Such a server would have refused this one too."""
    refused = Failure(400, "This model's maximum context length is 2048 tokens")
    server.reply = in_turn(Answer("85", prompt_tokens=2048), refused)

    assert connect(server).chat(LONG).content == "85"


def test_a_longer_prompt_that_is_not_answered(server: FakeOllama) -> None:
    """Then nobody knows whether the shorter one was cut."""
    server.reply = in_turn(Answer("85", prompt_tokens=2048), Failure(400, "no more today"))

    assert (
        str(failure(lambda: connect(server).chat(LONG)))
        == f"{server.url}/v1: answered with status 400: no more today; {LOG}"
    )


def test_a_prompt_that_was_read_whole(server: FakeOllama) -> None:
    """A long prompt is no matter where the count is that of a whole one."""
    server.reply = lambda _: Answer("85", prompt_tokens=2003)

    assert connect(server).chat(LONG).content == "85"
    assert len(server.chats) == 1


FAULTS: list[tuple[Reply, str]] = [
    (
        Failure(429, "You exceeded your current quota", {"Retry-After": "3600"}),
        (
            "takes no more requests for now (You exceeded your current quota); lower "
            "--llm-judge-concurrency, or raise the account's limits"
        ),
    ),
    (
        Failure(503, "overloaded", {"Retry-After": "3600"}),
        "is busy (overloaded); let fewer programs use it at a time",
    ),
    (
        Failure(400, "temperature is not supported"),
        f"answered with status 400: temperature is not supported; {LOG}",
    ),
    (
        HTML,
        f'answered an HTML page ("It works!") where a chat completion was due; {ENDPOINT}',
    ),
    (
        Page(200, "application/json", "[]"),
        f'answered "[]" where a chat completion was due; {ENDPOINT}',
    ),
    (
        Drop(after=9),
        f"closed the connection in the middle of its reply; {LOG}",
    ),
]


@pytest.mark.parametrize(
    ("reply", "message"), FAULTS, ids=["429", "503", "400", "html", "list", "cut"]
)
def test_faults_are_told_in_a_line(server: FakeOllama, reply: Reply, message: str) -> None:
    """Where, what, and what to do."""
    server.reply = lambda _: reply

    error = failure(lambda: connect(server).chat("Score this."))

    assert str(error) == f"{server.url}/v1: {message}"
    assert error.is_infrastructure


def test_passing_faults_are_survived(server: FakeOllama) -> None:
    """As with Ollama."""
    server.reply = in_turn(
        BUSY, Drop(), Page(200, "application/json", '{"choices": ['), Drop(after=9)
    )

    assert connect(server).chat("Score this.").content


def test_too_long(server: FakeOllama) -> None:
    """Whatever words a server has for it."""
    server.reply = lambda _: Failure(400, "This model's maximum context length is 4096 tokens")

    with pytest.raises(PromptTooLongError) as caught:
        connect(server).chat("word " * 4000)

    # Whoever starts the server with a larger context is to have the record scored.
    assert not caught.value.final
    assert (
        str(caught.value)
        == f"{server.url}/v1: the judge prompt of 20000 characters needs about 5,000 tokens and does not fit into the model's context; {CUT}"
    )


def test_down(server: FakeOllama) -> None:
    """A server that is not there is reported as that."""
    client = connect(server)
    server.stop()

    with pytest.raises(JudgeDownError) as caught:
        client.identify()

    assert str(caught.value) == (
        f'{server.url}/v1: is not answering; start it for the judge "llama3", '
        "name another with --llm-judge-url, or begin without a server with --llm-judge-model=embedded"
    )


def test_weighted(server: FakeOllama) -> None:
    """Log-probabilities are asked for once to prove that they come, and then for each response."""
    server.reply = lambda _: Answer("No", candidates=[("No", -0.1), ("Yes", -2.5)])
    judge = make_judge("openai:llama3", server.url, 5.0, ask="weighted")

    assert judge.identity.ask == "weighted/2"
    verdict = judge.score(RECORD, "Jane.")

    assert judge.identity.options == {
        "seed": 123,
        "temperature": 0,
        "max_tokens": 2,
        "sharpening": 2,
    }
    assert (verdict.score, verdict.reply) == (1, "No")
    assert verdict.covered == pytest.approx(0.9869, abs=1e-4)
    assert all(
        (chat["logprobs"], chat["top_logprobs"], chat["max_tokens"]) == (True, 20, 2)
        for chat in server.chats
    )
    assert len(server.chats) == 2


@pytest.mark.parametrize("refuses", [True, False])
def test_a_server_without_logprobs(server: FakeOllama, *, refuses: bool) -> None:
    """Whether it says so or just leaves them out."""
    server.tells_logprobs, server.refuses_logprobs = False, refuses

    with pytest.raises(NoLogprobsError) as caught:
        _ = make_judge("openai:llama3", server.url, 5.0, ask="weighted").identity

    assert str(caught.value) == (
        f"{server.url}/v1: gives no log-probabilities, which --llm-judge-ask=weighted needs; "
        "switch them on in the server, or ask with --llm-judge-ask=integer"
    )


def test_thoughts_and_refusals_are_no_score(server: FakeOllama) -> None:
    """A message without content is an empty reply."""
    body = {
        "model": "llama3",
        "choices": [{"message": {"content": None, "refusal": "I cannot"}, "finish_reason": "stop"}],
    }
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))

    assert connect(server).chat("Score this.").content == ""


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            [{"message": {"content": "99", "refusal": "no"}, "finish_reason": "stop"}],
            f'answered without a text, but a refusal ("no"); {LOG}',
        ),
        (
            [{"message": {"content": "99"}, "error": {"code": 502}, "finish_reason": "stop"}],
            f'broke its answer off ({{"code": 502}}); {LOG}',
        ),
        (
            [{"message": {"content": score}, "finish_reason": "stop"} for score in ("99", "2")],
            f"answered with 2 choices where one was asked for; {ENDPOINT}",
        ),
    ],
    ids=["refusal", "error", "two"],
)
def test_a_score_beside_something_that_contradicts_it(
    server: FakeOllama, choices: list[object], message: str
) -> None:
    """A status of 200 and a number are not enough."""
    body = json.dumps({"model": "llama3", "choices": choices})
    server.reply = lambda _: Page(200, "application/json", body)

    verdict = make_judge("openai:llama3", server.url, 5.0).score(RECORD, "Jane.")

    assert verdict.score is None
    assert verdict.error == f"{server.url}/v1: {message}"


def completion(finish: object = "stop", **message: object) -> Page:
    body = {"model": "llama3", "choices": [{"message": message, "finish_reason": finish}]}
    return Page(200, "application/json", json.dumps(body))


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", "abort", "error"])
def test_an_answer_that_broke_off_is_no_score(server: FakeOllama, reason: str) -> None:
    """It may be the 8 of an 85; only a failure of the server's own is an infrastructure error."""
    server.reply = lambda _: Answer("8", reason)

    assert make_judge("openai:llama3", server.url, 5.0).score(RECORD, "Jane.") == Verdict(
        None,
        "",
        f'{server.url}/v1: broke its answer off (finish_reason "{reason}"); the server\'s log tells '
        "more",
        final=False,
        is_infrastructure=reason in {"abort", "error"},
    )


@pytest.mark.parametrize("reason", [None, "", "stop", "eos_token", "STOP", "end_turn"])
def test_a_whole_answer_in_other_words(server: FakeOllama, reason: str | None) -> None:
    """Some servers say nothing, and some have words of their own."""
    server.reply = lambda _: completion(reason, content="85")

    reply = connect(server).chat("Score this.")

    assert (reply.content, reply.done_reason) == ("85", "stop")


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_an_answer_that_ran_out_of_room_in_other_words(server: FakeOllama, reason: str) -> None:
    """It is told from one that broke off."""
    server.reply = lambda _: completion(reason, content="8")

    assert connect(server).chat("Score this.").done_reason == "length"


def test_a_message_in_parts(server: FakeOllama) -> None:
    """Its texts are the message; thoughts before them are none of it."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "8"},
        {"text": "5"},
    ]
    server.reply = lambda _: completion(content=parts)

    reply = connect(server).chat("Score this.")

    assert (reply.content, reply.thoughts) == ("85", "Hm.")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (85, "85"),
        (True, "true"),
        ({"text": "85"}, '{"text": "85"}'),
        (["85"], '"85"'),
        ([{"type": "text", "text": "8"}, 5], "5"),
        ([{"type": "text", "text": 85}], '{"type": "text", "text": 85}'),
        (
            [{"type": "text", "text": "85"}, {"type": "refusal", "refusal": "no"}],
            '{"type": "refusal", "refusal": "no"}',
        ),
        (
            [{"type": "text", "text": "8"}, {"type": "image_url"}, {"type": "text", "text": "5"}],
            '{"type": "image_url"}',
        ),
        (
            [{"type": "text", "text": "8"}, {"type": "thinking"}, {"type": "text", "text": "5"}],
            '{"type": "thinking"}',
        ),
    ],
)
def test_a_content_that_is_no_text(server: FakeOllama, content: object, shown: str) -> None:
    """No number is glued together of what is left of it."""
    server.reply = lambda _: completion(content=content)

    verdict = make_judge("openai:llama3", server.url, 5.0).score(RECORD, "Jane.")

    assert verdict.score is None
    assert (
        verdict.error
        == f"{server.url}/v1: answered with a content that is no text ({shown}); {LOG}"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "user"}, 'answered in the role "user" instead of assistant; {log}'),
        (
            {"tool_calls": [{"type": "function"}]},
            "called a tool (tool_calls) where none was offered; rephrase the record, or take another model",
        ),
        (
            {"function_call": {"name": "f"}},
            "called a tool (function_call) where none was offered; rephrase the record, or take another model",
        ),
    ],
)
def test_a_message_that_is_no_answer(
    server: FakeOllama, changes: dict[str, object], message: str
) -> None:
    """It is no score, whatever its content is."""
    server.reply = lambda _: completion(content="85", **changes)

    verdict = make_judge("openai:llama3", server.url, 5.0).score(RECORD, "Jane.")

    assert verdict.score is None
    message = message.format(log="the server's log tells more")
    assert verdict.error == f"{server.url}/v1: {message}"


def test_a_message_with_empty_fields(server: FakeOllama) -> None:
    """As vLLM writes them all."""
    empty: dict[str, object] = {
        "role": "assistant",
        "tool_calls": [],
        "function_call": None,
        "refusal": None,
    }
    server.reply = lambda _: completion(content="85", **empty)

    assert connect(server).chat("Score this.").content == "85"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"model":"llama3","choices":[{"index":1,"message":{"content":"85"}}]}',
            f"answered with a choice of index 1 where one was asked for; {ENDPOINT}",
        ),
        (
            '{"model":"llama3","choices":[{"message":{"content":"5","content":"85"}}]}',
            f'answered in JSON that has the key "content" twice; {LOG}',
        ),
        (
            (
                '{"model":"llama3","choices":[{"message":{"content":"85"}}],'
                '"usage":{"prompt_tokens":-1}}'
            ),
            f"says that it read -1 tokens; {LOG}",
        ),
    ],
    ids=["index", "key", "count"],
)
def test_replies_that_contradict_themselves(server: FakeOllama, text: str, message: str) -> None:
    """Each is one line that says what it was."""
    server.reply = lambda _: Page(200, "application/json", text)

    assert str(failure(lambda: connect(server).chat(LONG))) == f"{server.url}/v1: {message}"


@pytest.mark.parametrize("name", ["M", "m-mini", "m-", "m-4096"])
def test_a_name_that_is_another_model(server: FakeOllama, name: str) -> None:
    """Other letters are another model, and so is what looks like no date."""
    body = {"model": name, "choices": [{"message": {"content": "85"}}]}
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))
    server.models = {"m:latest": ""}

    error = failure(lambda: connect(server, "m").chat("Score this."))

    assert error.problem == f'answered as "{name}" where "m" was asked for'


@pytest.mark.parametrize(
    "name", ["m", "m:latest", "m:1b", "m-2024-08-06", "m-0613", "models/m", "openai/m"]
)
def test_a_name_that_is_the_model(server: FakeOllama, name: str) -> None:
    """A tag, a date and an owner say more than was asked for; ``models/`` is Google's."""
    body = {"model": name, "choices": [{"message": {"content": "85"}}]}
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))
    server.models = {"m:latest": ""}

    reply = connect(server, "m").chat("Score this.")

    assert reply.named == ("" if name in {"m", "m:latest"} else name)


def test_thoughts_out_of_sight(server: FakeOllama) -> None:
    """Nothing but a limit that was reached: it thought, and has more room the next time."""
    server.reply = in_turn(completion("length", content=None), Answer('{"score": 70}'))

    judge = make_judge("openai:llama3", server.url, 5.0)

    assert judge.score(RECORD, "Jane.") == Verdict(70, '{"score": 70}')
    assert server.chats[1]["max_tokens"] == 1024


OLD_WORD = Failure(
    400,
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.",
)


def new_words_only(request: ChatRequest) -> Reply:
    if "max_tokens" in request.body:
        return OLD_WORD
    return Answer('{"score": 70}' if "max_completion_tokens" in request.body else "Seventy.")


def test_the_newer_word_for_most_tokens(server: FakeOllama) -> None:
    """It is learnt once; all else of the request stays."""
    server.reply = new_words_only
    judge = make_judge("openai:llama3", server.url, 5.0)

    assert [judge.score(RECORD, text).score for text in ("Jane.", "Emma.")] == [70, 70]

    _, old, new, _, last = server.chats
    assert new == {
        **{k: v for k, v in old.items() if k != "max_tokens"},
        "max_completion_tokens": 64,
    }
    assert last["max_completion_tokens"] == 64


def test_a_server_that_takes_neither_word(server: FakeOllama) -> None:
    """It is not asked for ever."""
    server.reply = lambda _: OLD_WORD
    client = connect(server)

    message = str(failure(lambda: client.chat("Score this.", weigh=True)))

    assert message.startswith(f"{server.url}/v1: answered with status 400: Unsupported parameter: ")
    assert len(server.chats) == 2


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
def test_a_redirect(server: FakeOllama, path: str, status: int) -> None:
    """It is not followed, and where it leads is said."""
    server.instead[path] = Page(status, "", "", {"Location": "https://other.example/v1"})
    client = connect(server)

    error = failure(client.identify if path == "/v1/models" else lambda: client.chat("x"))

    assert str(error) == f"{server.url}/v1: sends on to https://other.example/v1; {ENDPOINT}"


def test_a_redirect_to_nowhere(server: FakeOllama) -> None:
    """Its status is all that there is to say."""
    server.reply = lambda _: Page(307, "")

    problem = failure(lambda: connect(server).chat("x")).problem

    assert problem == "answered with status 307: an empty reply"
