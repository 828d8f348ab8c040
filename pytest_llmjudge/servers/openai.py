"""OpenAI's API as many servers offer it: vLLM, llama.cpp, LM Studio, Ollama, OpenAI itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import JudgeDownError, JudgeError, RefusedError, SettingsError, one_line
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.servers.address import normalise_url
from pytest_llmjudge.servers.chat import (
    CUT,
    SEED,
    TOP_LOGPROBS,
    ChatReply,
    ModelGoneError,
    NoLogprobsError,
    PromptTooLongError,
    is_other_name,
    messages_in,
    text_in,
    thoughts_in,
    tokens_in,
)
from pytest_llmjudge.servers.retry import FAULT_STATUSES, Cause
from pytest_llmjudge.servers.role import JUDGE
from pytest_llmjudge.servers.server import ServerClient
from pytest_llmjudge.servers.temperature import (
    OWN_TEMPERATURE,
    refuses_temperature,
    takes_any_temperature,
)
from pytest_llmjudge.servers.transport import Endpoint, HttpReply, TimedOutError, TransportError
from pytest_llmjudge.settings import OPENAI

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.servers.role import Role
    from pytest_llmjudge.settings import Decoding

__all__ = ["DEFAULT_OPENAI_URL", "Once", "OpenAIClient", "find_out"]

Once = Callable[[str, Callable[[], str]], str]
"""Returns a fact by its name, which is found out once in a run, whatever process asks first."""


def find_out(fact: str, find: Callable[[], str]) -> str:  # noqa: ARG001  # as in Once
    """Find a fact out where no other process needs it."""
    return find()


DEFAULT_OPENAI_URL: Final = "https://api.openai.com/v1"

_KEY: Final = "OPENAI_API_KEY"
_SCHEMA_TOKENS: Final = 64
_TRIAL: Final = "Reply with yes or no only. Is water wet?"
_TRIAL_TOKENS: Final = 16
_WEIGH_OPTIONS: Final[Mapping[str, object]] = MappingProxyType({"max_tokens": 2})
# The smallest context that anybody serves, and what the sizes of contexts are multiples of.
_SMALLEST_CONTEXT: Final = 2048
_CONTEXT_STEP: Final = 1024
_TEMPLATE_TOKENS: Final = 256
_SEE_LOG: Final = "the server's log tells more"
_CHAT: Final = "/chat/completions"
_COMPLETE: Final = "/completions"
_OF_THE_REQUEST: Final = frozenset({400, 413, 422})
"""Statuses that speak of one request, such as that of a filter of contents."""
# What servers say of a model that stays the same from one request to the next.
_STABLE: Final = ("id", "owned_by", "root", "parent", "max_model_len", "meta")
_TOO_LONG: Final = ("context length", "context window", "context size", "context_length_exceeded")
_FORMAT_WORDS: Final = ("response_format", "json_schema", "json schema", "json_object", "grammar")
_LIMIT: Final = "max_tokens"
_NEW_LIMIT: Final = "max_completion_tokens"
"""What OpenAI's reasoning models take instead."""
# How servers that do not keep to OpenAI's words say that an answer is whole, or ran out of room.
_STOPPED: Final = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete"})
_RAN_OUT: Final = frozenset({CUT, "max_tokens", "model_length"})
_OF_THE_SERVER: Final = frozenset({"abort", "error"})
"""Ends of an answer that another try may not have."""
# Parts of a message; Mistral's models show their thoughts in one before the answer.
_TEXTS: Final = ("text", "output_text")
_THOUGHTS: Final = ("thinking", "reasoning")
# One token at least, whatever the tokenizer, and the text that it follows stays as it is.
_MORE: Final = " and so on"
# Ways to have a reply held to a schema, from the strictest to none at all.
_SCHEMA, _OBJECT, _PLAIN = range(3)


@dataclass(frozen=True, slots=True)
class _Question:
    """A request for a text.

    Attributes:
        path: Where it goes.
        prompt: A message or several, or a text to go on from.
        options: What is sent besides.
    """

    path: str
    prompt: Prompt
    options: Mapping[str, object]

    @property
    def body(self) -> dict[str, object]:
        if self.path == _COMPLETE:
            return {**self.options, "prompt": self.prompt}
        return {**self.options, "messages": messages_in(self.prompt)}

    @property
    def text(self) -> str:
        """The words of the prompt."""
        return text_in(self.prompt)

    def longer(self) -> _Question:
        """Return the same request with a few words more in the last message."""
        if isinstance(self.prompt, str):
            return replace(self, prompt=self.prompt + _MORE)
        *before, last = self.prompt
        return replace(self, prompt=(*before, replace(last, text=last.text + _MORE)))


class OpenAIClient(ServerClient):
    """One model at one OpenAI-compatible endpoint. Threads may share it.

    The key comes from the environment's ``OPENAI_API_KEY``; it is sent to the endpoint and shown to
    nobody else.

    Args:
        url: The endpoint's address; without a path ``/v1`` is added.
        model: The model's name there.
        timeout: Seconds for one sending of a request, queueing and model loading included.
        identify_timeout: Seconds for the request of :meth:`identify`.
        backoff: Seconds; the pauses between tries are small multiples of it.
        role: How messages speak of the model.
        once: Shares with other processes what is found out of the model.

    Raises:
        SettingsError: ``url`` is no address, or ``OPENAI_API_KEY`` no key.
    """

    _start = "start it"
    see_log = _SEE_LOG
    weigh_options = _WEIGH_OPTIONS

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout: float,
        identify_timeout: float = 10.0,
        backoff: float = 0.25,
        role: Role = JUDGE,
        once: Once = find_out,
    ) -> None:
        address = normalise_url(url)
        super().__init__(address if urlsplit(address).path else f"{address}/v1", role)
        self.name_another = (
            f"name an OpenAI-compatible endpoint with {role.url_option}, as http://host:8000/v1"
        )
        self.model = model
        self._timeout = timeout
        self._identify_timeout = identify_timeout
        self._key = _read_key()
        self._endpoint = Endpoint(self.url, backoff=backoff, token=self._key, cause_of=_cause_of)
        self._form = _SCHEMA
        self._limit = _LIMIT
        self._once = once
        self._owner: object = None
        self._sends_temperature = True
        self._same_weights: frozenset[str] = frozenset()

    @property
    def chat_template(self) -> str:
        """Nothing: such servers do not tell it."""
        return ""

    def identify(self) -> JudgeIdentity:
        """Ask the server whether it has the model, and what it says of it.

        Such a server does not say the digest of the weights. What it says of the model takes the
        digest's place, and its address that of a version. A judge that may refuse temperature 0, as
        OpenAI's reasoning models do, is sent a short question with it: the refusal decides what all
        later requests are sent, and so the judge's options.

        Raises:
            JudgeDownError: It does not answer.
            JudgeError: It is no such server, does not have the model, or refuses the key.
        """
        digest = self._digest(self._identify_timeout)
        options: dict[str, object] = {"seed": SEED, "temperature": 0}
        if self._role is JUDGE and not takes_any_temperature(self._owner):
            answer = self._once(f"temperature of {self.url} {self.model}", self._try_temperature)
            self._sends_temperature = answer != OWN_TEMPERATURE
        if not self._sends_temperature:
            options["temperature"] = OWN_TEMPERATURE
        self._is_known = True
        return JudgeIdentity(f"{OPENAI}{self.model}", "openai", self.url, digest, options)

    def _try_temperature(self) -> str:
        options = {"model": self.model, "stream": False, "temperature": 0, _LIMIT: _TRIAL_TOKENS}
        # A reply that fails for another reason says nothing here; the first question has it again.
        refused = refuses_temperature(self._send(_Question(_CHAT, _TRIAL, options)))
        return OWN_TEMPERATURE if refused else "any"

    def _digest(self, seconds: float) -> str:
        entries = self._models(seconds)
        for entry in entries:
            # Such servers take a name as they list it; Ollama adds a tag where there is none.
            if entry["id"] in {self.model, f"{self.model}:latest"}:
                self._owner = entry.get("owned_by")
                self._same_weights = _with_root(entries, entry.get("root"))
                return make_key(
                    "openai model/1", {name: entry[name] for name in _STABLE if name in entry}
                )
        names = ", ".join(str(entry["id"]) for entry in entries[:20]) or "none"
        problem = f'has no model "{self.model}"; it has: {names}'
        hint = f"name one of these with {self._role.name_option}={OPENAI}NAME"
        raise ModelGoneError(self.url, problem, hint)

    @property
    def control_tokens(self) -> frozenset[str]:
        """Nothing: such servers do not list a model's vocabulary."""
        return frozenset()

    def installed(self) -> Sequence[str]:
        """Name the models that the server has; empty when it does not say."""
        try:
            return [str(entry["id"]) for entry in self._models(self._identify_timeout)]
        except JudgeError:
            return ()

    def check_logprobs(self) -> None:
        """Prove with one short question that the server gives log-probabilities.

        Raises:
            NoLogprobsError: It does not.
            JudgeError: It does not answer the question.
        """
        try:
            reply = self.chat(_TRIAL, weigh=True)
        except NoLogprobsError:
            raise
        except JudgeError as error:
            if isinstance(error, JudgeDownError) or "logprobs" not in error.problem:
                raise
            raise self._no_logprobs() from error
        if not reply.candidates:
            raise self._no_logprobs()

    def chat(
        self,
        prompt: str,
        *,
        schema: Mapping[str, object] | None = None,
        seed: int = SEED,
        temperature: float = 0,
        weigh: bool = False,
        room: int | None = None,
    ) -> ChatReply:
        """Ask one question, as :meth:`.chat.ChatClient.chat` says.

        A server that does not take a JSON Schema is asked for a JSON object, and one that does not
        take that either is just asked again: the reply is judged here all the same.
        """
        options: dict[str, object] = {
            "model": self.model,
            "stream": False,
            "seed": seed,
        }
        if self._sends_temperature:
            options["temperature"] = temperature
        if weigh:
            options |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS, **_WEIGH_OPTIONS}
        if schema is None:
            if room is not None:
                options[_LIMIT] = room
            question = _Question(_CHAT, prompt, options)
            return self._chat_reply(self._send(question), question, weigh=weigh)
        options[_LIMIT] = room or _SCHEMA_TOKENS
        form = self._form
        while True:
            question = _Question(_CHAT, prompt, options | _response_format(form, schema))
            reply = self._send(question)
            if form == _PLAIN or not _may_refuse_format(reply):
                read = self._chat_reply(reply, question)
                return replace(read, held=form == _SCHEMA)
            form += 1
            if _refuses_format(reply):
                self._form = max(self._form, form)

    def complete(self, prompt: Prompt, *, tokens: int, decoding: Decoding, chat: bool) -> ChatReply:
        """Have one text written, as :meth:`.chat.ChatClient.complete` says."""
        options: dict[str, object] = {
            "model": self.model,
            "stream": False,
            "seed": decoding.seed,
            "temperature": decoding.temperature,
            _LIMIT: tokens,
        }
        if not decoding.is_greedy:
            options["top_p"] = decoding.top_p
            if decoding.top_k is not None:
                # OpenAI itself has no such field; vLLM, llama.cpp and others do.
                options["top_k"] = decoding.top_k
        if decoding.stop:
            options["stop"] = list(decoding.stop)
        question = _Question(_CHAT if chat else _COMPLETE, prompt, options)
        reply = self._send(question)
        if reply.status == 404 and not chat:
            message = one_line(_error_text(reply) or reply.summary(), 200)
            problem = f'has no model "{self.model}" that goes on from a text ({message})'
            raise self._error(problem, 'take the prompt "chat", or another model')
        return self._chat_reply(reply, question, is_answer=True, most=tokens)

    def _send(self, question: _Question) -> HttpReply:
        limit = self._limit
        reply = self._post(question, limit)
        if limit in question.options and _wants_new_limit(reply):
            self._limit = _NEW_LIMIT
            reply = self._post(question, _NEW_LIMIT)
        return reply

    def _post(self, question: _Question, limit: str) -> HttpReply:
        path, body = question.path, question.body
        if _LIMIT in body:
            body[limit] = body.pop(_LIMIT)
        try:
            return self._endpoint.send("POST", path, seconds=self._timeout, body=body)
        except TransportError as error:
            raise self._transport_error(error) from error

    def _models(self, seconds: float) -> list[dict[str, object]]:
        try:
            reply = self._endpoint.send("GET", "/models", seconds=seconds, quick=True)
        except TimedOutError as error:
            hint = f"restart it, {self._other_server}"
            raise JudgeDownError(self.url, str(error), hint) from error
        except TransportError as error:
            raise self._transport_error(error) from error
        if reply.status in {401, 403}:
            raise self._forbidden(reply)
        if reply.is_busy:
            raise self._busy(reply)
        redirected = self._redirected(reply)
        if redirected is not None:
            raise redirected
        body = reply.json()
        data = body.get("data") if isinstance(body, dict) else None
        if reply.status != 200 or not isinstance(data, list):
            problem = f'is not OpenAI-compatible: "/models" gave status {reply.status}, '
            raise self._error(problem + reply.summary(), self.name_another)
        return [
            entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        ]

    def _chat_reply(
        self,
        reply: HttpReply,
        question: _Question,
        *,
        weigh: bool = False,
        is_answer: bool = False,
        most: int | None = None,
    ) -> ChatReply:
        """Read a reply.

        Args:
            reply: As it came.
            question: What it replies to.
            weigh: Whether candidates were asked for.
            is_answer: Whether no text at all would pass for an empty answer.
            most: Tokens that it may have, where that was said.
        """
        if reply.status != 200 or _error_text(reply) is not None:
            raise self._refusal(reply, question.text)
        body = reply.json()
        choices = body.get("choices") if isinstance(body, dict) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(choice, dict) and not isinstance(message, dict) and "text" in choice:
            # A completed text has no message around it.
            message = {"content": choice["text"]}
        if (
            not isinstance(body, dict)
            or not isinstance(choice, dict)
            or not isinstance(message, dict)
        ):
            problem = f"answered {reply.summary()} where a chat completion was due"
            raise self._error(problem, self.name_another)
        if isinstance(choices, list) and len(choices) > 1:
            problem = f"answered with {len(choices)} choices where one was asked for"
            raise self._error(problem, self.name_another)
        if choice.get("index"):
            problem = f"answered with a choice of index {one_line(json.dumps(choice['index']), 40)}"
            problem += " where one was asked for"
            raise self._error(problem, self.name_another)
        named = self._other_name(body.get("model"))
        reason = self._end(choice)
        self._check_message(message)
        written = _count_in(body, "completion_tokens")
        # Some servers count the end token beside those that were allowed.
        self._check_written(written, most, spare=1)
        content = self._text_in(message.get("content"))
        if content and message.get("refusal"):
            raise self._no_text(message)
        # A refusal and the thoughts of a reasoning model leave the content empty, and some servers
        # show no thoughts.
        thoughts = thoughts_in(message.get("reasoning_content") or message.get("reasoning"))
        if content is None and reason == CUT:
            thoughts = thoughts or ""
        if content is None and is_answer and thoughts is None:
            raise self._no_text(message)
        self._check_read_whole(body, question)
        return ChatReply(
            content or "",
            reason,
            self._candidates(choice) if weigh else None,
            _thoughts_in_parts(message.get("content")) if thoughts is None else thoughts,
            named=named,
            seconds=reply.seconds,
            tokens=tokens_in(_count_in(body), written),
        )

    def _is_asked_for(self, named: str) -> bool:
        """Whether a reply's name for the model means the one asked for.

        OpenAI adds the date of a release, some servers a tag. vLLM, which may serve a model under
        several names, replies with the first of them.
        """
        return named in self._same_weights or is_other_name(named, self.model)

    def _end(self, choice: Mapping[str, object]) -> str:
        """Return why an answer ended; some servers do not say so of one that is whole.

        Raises:
            RefusedError: It broke off.
        """
        if choice.get("error"):
            # Some proxies put what went wrong behind them here, beside a status of 200.
            problem = f"broke its answer off ({one_line(json.dumps(choice['error']), 200)})"
            raise RefusedError(self.url, problem, _SEE_LOG)
        reason = str(choice.get("finish_reason") or "stop")
        if reason.lower() in _STOPPED:
            return "stop"
        if reason.lower() in _RAN_OUT:
            return CUT
        problem = f'broke its answer off (finish_reason "{one_line(reason, 40)}")'
        error = RefusedError(self.url, problem, _SEE_LOG)
        error.is_infrastructure = reason.lower() in _OF_THE_SERVER
        raise error

    def _text_in(self, content: object) -> str | None:
        """Return a message's text, of which some servers make a list of parts.

        Returns:
            The text; ``None`` without any.

        Raises:
            RefusedError: The content is neither, or has a part that is no text.
        """
        if content is None or isinstance(content, str):
            return content
        texts: list[str] = []
        for part in content if isinstance(content, list) else [None]:
            kind = part.get("type", "text") if isinstance(part, dict) else None
            text = part.get("text") if isinstance(part, dict) else None
            if kind in _TEXTS and isinstance(text, str):
                texts.append(text)
            elif kind not in _THOUGHTS or texts:
                shown = one_line(json.dumps(part or content), 80)
                problem = f"answered with a content that is no text ({shown})"
                raise self._of_record(problem, _SEE_LOG)
        return "".join(texts) if texts else None

    def _no_text(self, message: Mapping[str, object]) -> RefusedError:
        refusal = message.get("refusal")
        why = f', but a refusal ("{one_line(refusal, 200)}")' if isinstance(refusal, str) else ""
        return self._of_record(f"answered without a text{why}", _SEE_LOG)

    def _check_read_whole(self, body: Mapping[str, object], question: _Question) -> None:
        """Check that the prompt was not cut.

        Ollama's endpoint cuts a prompt to its context without a word, and others may.

        Raises:
            PromptTooLongError: It was cut.
            JudgeError: The server does not say how many tokens it read.
        """
        count, prompt = _count_in(body), question.text
        self._check_count(count, "read")
        if len(prompt.encode()) + _TEMPLATE_TOKENS < _SMALLEST_CONTEXT:
            # A token is at least a byte.
            return
        if count is None:
            raise self._uncounted(field="usage.prompt_tokens", update="update it")
        # A cut prompt fills the context to the last token.
        is_full = count % _CONTEXT_STEP == 0
        is_low = count < self._least_tokens(prompt)
        if is_low or (is_full and not self._reads_more(question, count)):
            raise self._too_long(prompt, count, f"the {count:,} tokens that were read of it")

    def _reads_more(self, question: _Question, count: int) -> bool:
        """Whether more than ``count`` tokens are read of a longer prompt, so that none was cut.

        Raises:
            JudgeError: It does not answer.
        """
        # All else stays, since the room for an answer may count as well.
        longer = question.longer()
        reply = self._send(longer)
        if _is_too_long(_error_text(reply) or ""):
            # Who refuses what does not fit has cut nothing.
            return True
        body = reply.json()
        if reply.status != 200 or not isinstance(body, dict):
            raise self._refusal(reply, longer.text)
        self._other_name(body.get("model"))
        return (_count_in(body) or 0) > count

    def _candidates(self, choice: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
        logprobs = choice.get("logprobs")
        if not isinstance(logprobs, dict) or not isinstance(logprobs.get("content"), list):
            raise self._no_logprobs()
        return self._read_candidates(logprobs["content"])

    def _refusal(self, reply: HttpReply, prompt: str) -> JudgeError:
        text = one_line(_error_text(reply) or "", 300)
        if reply.status in {401, 403}:
            return self._forbidden(reply)
        if _is_too_long(text):
            return self._too_long(prompt)
        if reply.status == 404:
            return self._error(f'has no model "{self.model}" any more ({text})', self.name_another)
        if reply.status == 429:
            hint = "lower --llm-judge-concurrency, or raise the account's limits"
            return self._error(f"takes no more requests for now ({text})", hint)
        if reply.status == 503:
            return self._error(f"is busy ({text})", "let fewer programs use it at a time")
        problem = f"answered with status {reply.status}: {text or reply.summary()}"
        kind = RefusedError if reply.status in _OF_THE_REQUEST else JudgeError
        return self._redirected(reply) or kind(self.url, problem, _SEE_LOG)

    def _forbidden(self, reply: HttpReply) -> JudgeError:
        message = one_line(_error_text(reply) or reply.summary(), 200)
        hint = f"set {_KEY} to a key that it takes" if not self._key else f"correct {_KEY}"
        return self._error(f"refuses the request with status {reply.status} ({message})", hint)

    def _too_long(
        self, prompt: str, limit: int = 0, context: str | None = None
    ) -> PromptTooLongError:
        error = self._prompt_too_long(prompt, limit, context or self._role.context)
        # The server's own settings set the limit, and they are not part of a verdict's key.
        error.final = False
        return error

    def _no_logprobs(self) -> NoLogprobsError:
        problem = "gives no log-probabilities, which --llm-judge-ask=weighted needs"
        hint = "switch them on in the server, or ask with --llm-judge-ask=integer"
        return NoLogprobsError(self.url, problem, hint)


def _read_key() -> str:
    """Read the key from the environment; what cannot be sent in a header would be shown in errors.

    Raises:
        SettingsError: It is no key.
    """
    key = os.environ.get(_KEY, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        problem = "has characters that no key has, such as blanks, line breaks or curly quotes"
        raise SettingsError(_KEY, problem, "copy the key anew, all of it and nothing else")
    return key


def _with_root(entries: Sequence[Mapping[str, object]], root: object) -> frozenset[str]:
    """Name the models of a server's list that were loaded from the same place."""
    if not isinstance(root, str) or not root:
        return frozenset()
    return frozenset(str(entry["id"]) for entry in entries if entry.get("root") == root)


def _response_format(form: int, schema: Mapping[str, object]) -> dict[str, object]:
    if form == _PLAIN:
        return {}
    if form == _OBJECT:
        # llama.cpp and others hold a JSON object to a schema that comes with it.
        return {"response_format": {"type": "json_object", "schema": schema}}
    strict = {**schema, "additionalProperties": False}
    held = {"name": "score", "strict": True, "schema": strict}
    return {"response_format": {"type": "json_schema", "json_schema": held}}


def _thoughts_in_parts(content: object) -> str | None:
    """Return the thoughts among the parts of a message; ``None`` where it has no such part."""
    thoughts = [
        part.get("thinking") or part.get("text")
        for part in (content if isinstance(content, list) else [])
        if isinstance(part, dict) and part.get("type") in _THOUGHTS
    ]
    texts = [
        one.get("text") if isinstance(one, dict) else one
        for thought in thoughts
        for one in (thought if isinstance(thought, list) else [thought])
    ]
    return "".join(text for text in texts if isinstance(text, str)) if thoughts else None


def _error_text(reply: HttpReply) -> str | None:
    """The text of an error, in the shapes of OpenAI, Ollama, FastAPI and llama.cpp."""
    body = reply.json()
    if not isinstance(body, dict):
        return None
    error = body.get("error") or (body.get("detail") if reply.status != 200 else None)
    if isinstance(error, dict):
        text = f"{error.get('message') or ''} {error.get('code') or ''}".strip()
        error = text or "an error without a text"
    return None if error is None else str(error)


def _count_in(body: Mapping[str, object], name: str = "prompt_tokens") -> int | None:
    """Return how many tokens were read, or written; ``None`` where the server does not say."""
    usage = body.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int else None


def _wants_new_limit(reply: HttpReply) -> bool:
    """Whether the server wants ``max_completion_tokens`` in place of ``max_tokens``."""
    text = _error_text(reply) or ""
    return reply.status in {400, 422} and _NEW_LIMIT in text and not _is_too_long(text)


def _refuses_format(reply: HttpReply) -> bool:
    """Whether the server says that it does not take the format; some do with status 500."""
    text = (_error_text(reply) or "").lower()
    if reply.status < 400 or _is_too_long(text):
        return False
    return any(word in text for word in _FORMAT_WORDS)


def _may_refuse_format(reply: HttpReply) -> bool:
    """Whether another format could help; a server that does not say why may mean the prompt."""
    if _refuses_format(reply):
        return True
    return reply.status in {400, 415, 422, 501} and not _is_too_long(_error_text(reply) or "")


def _is_too_long(text: str) -> bool:
    return any(word in text.lower() for word in _TOO_LONG)


def _cause_of(reply: HttpReply) -> Cause | None:
    """Why another sending may succeed: no time, a fault within the server, or broken JSON."""
    if reply.is_busy:
        # An account without money has its own reason for 429.
        return None if "insufficient_quota" in (_error_text(reply) or "") else Cause.BUSY
    if reply.status in FAULT_STATUSES:
        is_lasting = _refuses_format(reply) or _is_too_long(_error_text(reply) or "")
        return None if is_lasting else Cause.LOST
    return Cause.LOST if reply.is_broken_off else None
