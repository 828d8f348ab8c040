"""Ollama's HTTP API: who answers there, and one question with its reply."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import JudgeDownError, JudgeError, one_line
from pytest_llmjudge.reading import parse_json
from pytest_llmjudge.servers.address import normalise_url
from pytest_llmjudge.servers.chat import (
    CUT,
    SEED,
    TOP_LOGPROBS,
    ChatReply,
    ModelGoneError,
    NoLogprobsError,
    PromptTooLongError,
    ReplacedError,
    messages_in,
    text_in,
    thoughts_in,
    tokens_in,
)
from pytest_llmjudge.servers.meant import or_meant
from pytest_llmjudge.servers.retry import Cause
from pytest_llmjudge.servers.role import JUDGE
from pytest_llmjudge.servers.server import ServerClient
from pytest_llmjudge.servers.transport import Endpoint, HttpReply, TimedOutError, TransportError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.servers.role import Role
    from pytest_llmjudge.settings import Decoding

__all__ = ["CONTEXT", "OPTIONS", "OllamaClient"]

OPTIONS: Final[Mapping[str, float]] = MappingProxyType(
    {"seed": SEED, "temperature": 0, "num_ctx": 2048}
)
"""The lecture's options. They never change in a run: another ``num_ctx`` reloads the model."""
CONTEXT: Final = int(OPTIONS["num_ctx"])
"""Tokens of the lecture's context."""

_SCHEMA_TOKENS: Final = 64
# An answer of one token, and the end of it. The penalty on repetition would change the answer.
_WEIGH_OPTIONS: Final[Mapping[str, object]] = MappingProxyType(
    {"num_predict": 2, "repeat_penalty": 1.0}
)
_LOGPROBS_SINCE: Final = (0, 12, 11)
_VERSION_DIGITS: Final = 9
_TEMPLATE_TOKENS: Final = 256
_CRASHES: Final = ("while running the model", "runner process", "model runner")
_SEE_LOG: Final = 'the log of "ollama serve" tells more'
_CONTROL: Final = 3
"""The type of a control token in a GGUF file's ``tokenizer.ggml.token_type``."""
# What a template marks the parts of a conversation with: <|im_end|>, </s>, [INST], [|user|].
_TAG: Final = re.compile(r"<[^\s<>{}\"]{1,60}>|\[[/|]?[A-Z_a-z]{2,40}\|?\]")
_PARSER: Final = re.compile(r"^PARSER[ \t]+(?P<name>\S+)", re.MULTILINE)
_UPDATE_OR_INTEGER: Final = "update it, or ask with --llm-judge-ask=integer"


class OllamaClient(ServerClient):
    """One model at one Ollama server. Threads may share it.

    Args:
        url: The server's address in any form that :func:`normalise_url` reads.
        model: The model's name, with or without tag.
        timeout: Seconds for one sending of a request, queueing and model loading included.
        identify_timeout: Seconds for each of the requests of :meth:`identify`.
        backoff: Seconds; the pauses between tries are small multiples of it.
        num_ctx: Tokens of the context that is asked for, the same with every request.
        lowers_num_ctx: Whether it is lowered to the model's own context where that is shorter.
        role: How messages speak of the model.

    Raises:
        SettingsError: ``url`` is no address.
    """

    _start = 'start it with "ollama serve"'
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
        num_ctx: int = CONTEXT,
        lowers_num_ctx: bool = False,
        role: Role = JUDGE,
    ) -> None:
        super().__init__(normalise_url(url), role)
        self.name_another = f"name Ollama's own address with {role.url_option}"
        self.model = model
        self._timeout = timeout
        self._identify_timeout = identify_timeout
        self._endpoint = Endpoint(self.url, backoff=backoff, cause_of=_cause_of)
        self._options: Mapping[str, object] = {**OPTIONS, "num_ctx": num_ctx}
        self._context = self._num_ctx = num_ctx
        self._lowers_num_ctx = lowers_num_ctx
        self._model_context: int | None = None
        self._thinks: bool | None = None
        self._stops: tuple[str, ...] = ()
        self._control_tokens: frozenset[str] = frozenset()
        self._template = self._parser = ""
        self._first_version: str | None = None

    def identify(self) -> JudgeIdentity:
        """Ask the server for its version and the model's digest.

        Raises:
            JudgeDownError: It does not answer.
            JudgeError: It is no Ollama server, does not have the model, or the model has a shorter
                context than the judge was to have.
        """
        version, digest = self._version(), self._digest(self._identify_timeout)
        self._first_version = version
        self._learn_limits()
        self._is_known = True
        return JudgeIdentity(self.model, "ollama", version, digest, self._options)

    def look(self, servers: Collection[str], digest: str) -> dict[str, JudgeError]:
        """Ask the server once more for the model's digest, and for its own version.

        Raises:
            ReplacedError: It has another model under this name, or none any more, or is of another
                version than when it was first asked.
            JudgeError: It does not say.
        """
        silent = super().look(servers, digest)
        first, now = self._first_version, self._version(self._timeout)
        if first is not None and now != first:
            shown = " became ".join(one_line(version, 40) for version in (first, now))
            problem = f"Ollama was replaced during the run (version {shown})"
            raise ReplacedError(self.url, problem, self.run_again)
        return silent

    def _digest(self, seconds: float) -> str:
        installed = _installed(self._get("/api/tags", seconds).get("models"))
        wanted = _full_name(self.model)
        for name, digest in installed.items():
            if name.casefold() == wanted.casefold():
                if digest:
                    return digest
                # Without one nobody could tell when the weights are others.
                problem = f'does not say the digest of "{self.model}"'
                raise self._error(problem, "update Ollama")
        problem = f'has no model "{self.model}"; installed: {", ".join(installed) or "none"}'
        hint = f'"ollama pull {self.model}" gets it'
        is_judge = self._role is JUDGE
        raise ModelGoneError(self.url, problem, or_meant(self.model, hint) if is_judge else hint)

    @property
    def control_tokens(self) -> frozenset[str]:
        """What the model's vocabulary and template mark as control tokens."""
        return self._control_tokens

    @property
    def chat_template(self) -> str:
        """The template of the model's Modelfile, unless it is the prompt alone."""
        return self._template

    def installed(self) -> Sequence[str]:
        """Name the models that the server has; empty when it does not say."""
        try:
            return tuple(_installed(self._get("/api/tags").get("models")))
        except JudgeError:
            return ()

    def check_logprobs(self) -> None:
        """Prove by its version that the server gives log-probabilities.

        Raises:
            NoLogprobsError: It is older than 0.12.11, which was the first to give them.
            JudgeError: It does not say its version.
        """
        version = self._version()
        parts = re.findall(r"\d+", version.partition("-")[0])[:3]
        # Python refuses to read a number of thousands of digits.
        numbers = tuple(int(part[:_VERSION_DIGITS]) for part in parts)
        if numbers < _LOGPROBS_SINCE:
            problem = f"Ollama {version} gives no log-probabilities, 0.12.11 was the first that did"
            raise NoLogprobsError(self.url, problem, _UPDATE_OR_INTEGER)

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
        """Ask one question, as :meth:`.chat.ChatClient.chat` says."""
        options: dict[str, object] = {**self._options, "seed": seed, "temperature": temperature}
        body = self._body(options) | {"messages": messages_in(prompt)}
        if schema is not None:
            body["format"] = schema
            room = room or _SCHEMA_TOKENS
        if room is not None:
            options["num_predict"] = room
        if weigh:
            body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
            options |= _WEIGH_OPTIONS
        reply = self._chat_reply(self._send("/api/chat", body), prompt, weigh=weigh)
        if schema is None or not self._parser or reply.done_reason == CUT or _is_json(reply.answer):
            return reply
        return replace(reply, ignored_by=self._parser)

    def complete(self, prompt: Prompt, *, tokens: int, decoding: Decoding, chat: bool) -> ChatReply:
        """Have one text written, as :meth:`.chat.ChatClient.complete` says."""
        options: dict[str, object] = {
            **self._options,
            "seed": decoding.seed,
            "temperature": decoding.temperature,
            "num_predict": tokens,
            # Ollama's own default would change answers at temperature 0 too.
            "repeat_penalty": 1.0,
        }
        if not decoding.is_greedy:
            # Ollama's own defaults are 40 and 0.9; 0 is all tokens.
            options |= {"top_k": decoding.top_k or 0, "top_p": decoding.top_p}
        if decoding.stop:
            # They take the place of those that the model itself has.
            options["stop"] = [*dict.fromkeys((*decoding.stop, *self._stops))]
        body = self._body(options)
        text = text_in(prompt)
        if chat:
            body["messages"] = messages_in(prompt)
            return self._chat_reply(self._send("/api/chat", body), text, most=tokens)
        body |= {"prompt": text, "raw": True}
        return self._chat_reply(self._send("/api/generate", body), text, most=tokens)

    def _body(self, options: Mapping[str, object]) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self.model,
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": options,
        }
        return body | {"think": False} if self._thinks else body

    def _send(self, path: str, body: Mapping[str, object]) -> HttpReply:
        try:
            return self._endpoint.send("POST", path, seconds=self._timeout, body=body)
        except TransportError as error:
            raise self._transport_error(error) from error

    def _version(self, seconds: float | None = None) -> str:
        version = self._get("/api/version", seconds).get("version")
        if not isinstance(version, str):
            problem = 'is not an Ollama server: "/api/version" has no version'
            raise self._error(problem, self.name_another)
        return version

    def _learn_limits(self) -> None:
        """Find out what the server does not say later: it lowers ``num_ctx`` without a word.

        Who serves a model without ``/api/show`` serves it all the same.
        """
        try:
            reply = self._endpoint.send(
                "POST",
                "/api/show",
                seconds=self._identify_timeout,
                quick=True,
                # The vocabulary is listed only on request, and is megabytes.
                body={"model": self.model, "verbose": self._role is JUDGE},
            )
        except TransportError as error:
            raise self._transport_error(error) from error
        shown = reply.json()
        if reply.status != 200 or not isinstance(shown, dict):
            return
        capabilities = shown.get("capabilities")
        self._thinks = "thinking" in capabilities if isinstance(capabilities, list) else None
        self._stops = _stops_in(shown.get("parameters"))
        self._template = _template_in(shown.get("template"))
        self._parser = _parser_in(shown.get("modelfile")) if self._thinks else ""
        info = shown.get("model_info")
        info = info if isinstance(info, dict) else {}
        self._control_tokens = _control_tokens(shown, info)
        context = info.get(f"{info.get('general.architecture')}.context_length")
        if type(context) is int and context > 0:
            self._limit_context(context)

    def _limit_context(self, context: int) -> None:
        """Take note of the model's own context.

        Raises:
            JudgeError: A judge was to have a longer one, and longer than the lecture's.
        """
        self._model_context = context
        if context >= self._num_ctx:
            return
        self._context = context
        if self._lowers_num_ctx:
            self._num_ctx = context
            self._options = {**self._options, "num_ctx": context}
        elif self._role is JUDGE and self._num_ctx > CONTEXT:
            problem = (
                f'has "{self.model}" with a context of {context:,} tokens, and '
                f"--llm-judge-context asks for {self._num_ctx:,}"
            )
            raise self._error(problem, f"give it {context} at most, or auto")

    def _get(self, path: str, seconds: float | None = None) -> dict[str, object]:
        seconds = seconds or self._identify_timeout
        try:
            reply = self._endpoint.send("GET", path, seconds=seconds, quick=True)
        except TimedOutError as error:
            problem, hint = str(error), f'restart it with "ollama serve", {self._other_server}'
            raise JudgeDownError(self.url, problem, hint) from error
        except TransportError as error:
            raise self._transport_error(error) from error
        body = reply.json()
        if reply.status == 200 and isinstance(body, dict):
            return body
        if _is_foreign_host(reply):
            raise self._foreign_host()
        if reply.is_busy:
            raise self._busy(reply)
        problem = f'is not an Ollama server: "{path}" gave status {reply.status}, {reply.summary()}'
        raise self._redirected(reply) or self._error(problem, self.name_another)

    def _chat_reply(
        self, reply: HttpReply, prompt: str, *, weigh: bool = False, most: int | None = None
    ) -> ChatReply:
        """Read a reply.

        Args:
            reply: As it came.
            prompt: What it replies to.
            weigh: Whether candidates were asked for.
            most: Tokens that it may have, where that was said.
        """
        body = reply.json()
        if reply.status != 200 or _error_text(reply) is not None:
            raise self._refusal(reply, prompt)
        if not isinstance(body, dict):
            problem = f"answered {reply.summary()} where a chat reply was due"
            raise self._error(problem, self.name_another)
        message = body.get("message")
        message = message if isinstance(message, dict) else {}
        # A completed text has no message around it.
        content = message.get("content", body.get("response"))
        reason, count = body.get("done_reason") or "stop", body.get("prompt_eval_count")
        if reason in ("load", "unload"):
            problem = f"{reason}ed the model instead of answering"
            raise self._error(problem, _SEE_LOG)
        if not isinstance(content, str) or body.get("done") is not True:
            problem = f"answered {reply.summary()} where a finished message was due"
            raise self._error(problem, self.name_another)
        if reason not in ("stop", CUT):
            problem = f'broke its answer off (done_reason "{one_line(str(reason), 40)}")'
            raise self._error(problem, _SEE_LOG)
        named = self._other_name(body.get("model"))
        self._check_message(message)
        self._check_written(body.get("eval_count"), most)
        self._check_count(count, "read")
        candidates = self._candidates(body) if weigh else None
        thoughts = thoughts_in(message.get("thinking"))
        if type(count) is not int:
            # Old servers leave it out for a prompt they have seen. A token is at least a byte.
            if len(prompt.encode()) + _TEMPLATE_TOKENS >= self._context:
                raise self._uncounted(field="prompt_eval_count", update="update Ollama")
        elif max(count, self._least_tokens(prompt)) >= self._context:
            # A server that cuts may count less than fits, and an old one leaves out what it has
            # read before: a low count alone proves nothing.
            raise self._too_long(prompt)
        may_think = self._thinks is not False
        return ChatReply(
            content,
            str(reason),
            candidates,
            thoughts,
            may_think=may_think,
            named=named,
            seconds=reply.seconds,
            tokens=tokens_in(count, body.get("eval_count")),
        )

    def _candidates(self, body: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
        """Read the candidates for the first token; the end of a reply has no entry of its own."""
        logprobs = body.get("logprobs")
        if logprobs is None and body.get("eval_count") not in (0, 1):
            problem = "gave no log-probabilities though they were asked for"
            raise NoLogprobsError(self.url, problem, _UPDATE_OR_INTEGER)
        return self._read_candidates(logprobs)

    def _refusal(self, reply: HttpReply, prompt: str) -> JudgeError:
        text = _error_text(reply)
        if text is not None and "exceeds the context length" in text:
            return self._too_long(prompt)
        if text is not None:
            message = one_line(text, 300) or "an error without a text"
            return self._error(*self._problem_and_hint(reply, message))
        if _is_foreign_host(reply):
            return self._foreign_host()
        problem = f"answered with status {reply.status}, {reply.summary()}"
        return self._redirected(reply) or self._error(problem, self.name_another)

    def _problem_and_hint(self, reply: HttpReply, text: str) -> tuple[str, str]:
        """What is wrong, which the server itself says, and what to do."""
        if _is_crash(reply):
            problem = f"its model crashed each time it was asked ({text})"
            return problem, f"free memory, or name a smaller model; {_SEE_LOG}"
        if reply.status == 404:
            problem = f'has no model "{self.model}" any more ({text})'
            return problem, f'"ollama pull {self.model}" gets it'
        if reply.status == 503:
            return f"is busy ({text})", "let fewer programs use it at a time"
        return f"answered with status {reply.status}: {text}", _SEE_LOG

    def _too_long(self, prompt: str) -> PromptTooLongError:
        error = self._prompt_too_long(prompt, self._context, f"num_ctx {self._context}")
        if self._role is JUDGE and self._model_context != self._context:
            context = self._model_context
            has = "" if context is None else f" (the model has {context:,} tokens)"
            return PromptTooLongError(
                error.where, error.problem, f"raise --llm-judge-context{has}, {error.hint}"
            )
        return error

    def _foreign_host(self) -> JudgeError:
        problem = "refuses requests for this host name (status 403, an empty reply)"
        hint = "name it by its IP address, or start it with OLLAMA_HOST=0.0.0.0"
        return self._error(problem, hint)


def _full_name(model: str) -> str:
    """A name as the server lists it: Ollama adds ``latest`` where there is no tag."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _installed(models: object) -> dict[str, str]:
    """Digests by the names of ``/api/tags``; entries of a strange shape are left out."""
    digests = {}
    for model in models if isinstance(models, list) else []:
        if isinstance(model, dict):
            name, digest = model.get("name"), model.get("digest")
            if isinstance(name, str) and isinstance(digest, str):
                digests[name] = digest.removeprefix("sha256:")
    return digests


def _template_in(template: object) -> str:
    """Return a template; one that Ollama makes up where there is none shows the prompt alone."""
    text = template if isinstance(template, str) else ""
    return "" if "".join(text.split()) == "{{.Prompt}}" else text


def _parser_in(modelfile: object) -> str:
    """Return the name of the parser that a Modelfile gives a model.

    With ``think: false`` such a parser has Ollama ignore ``format`` for a model that can think
    (ollama/ollama issue 14645).
    """
    found = _PARSER.search(modelfile) if isinstance(modelfile, str) else None
    return one_line(found["name"], 40) if found else ""


def _is_json(text: str) -> bool:
    """Whether a text begins and ends as an object does, which is what a schema brings about."""
    return text.lstrip().startswith("{") and text.rstrip().endswith("}")


def _stops_in(parameters: object) -> tuple[str, ...]:
    """Read a model's own stop texts from the lines that a Modelfile would have."""
    if not isinstance(parameters, str):
        return ()
    lines = (line.split(maxsplit=1) for line in parameters.splitlines())
    values = [line[1] for line in lines if len(line) == 2 and line[0] == "stop"]
    return tuple(text for one in values if (text := _unquoted(one)))


def _control_tokens(shown: Mapping[str, object], info: Mapping[str, object]) -> frozenset[str]:
    """Read control tokens off a model's vocabulary, where it is listed, and off its template."""
    tokens, types = info.get("tokenizer.ggml.tokens"), info.get("tokenizer.ggml.token_type")
    control_tokens = set()
    if isinstance(tokens, list) and isinstance(types, list):
        pairs = zip(tokens, types, strict=False)
        control_tokens = {
            token for token, kind in pairs if kind == _CONTROL and isinstance(token, str)
        }
    for text in (shown.get("template"), shown.get("parameters")):
        control_tokens |= set(_TAG.findall(text)) if isinstance(text, str) else set()
    return frozenset(control_tokens)


def _unquoted(text: str) -> str:
    try:
        value: object = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _error_text(reply: HttpReply) -> str | None:
    """The text of ``{"error": …}``, also when it is the last line of a stream."""
    body = reply.json() or reply.last_json()
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error
    if error is None or error is False:
        return None
    return error if isinstance(error, str) else json.dumps(error)


def _is_crash(reply: HttpReply) -> bool:
    """Whether the model's runner died; the next request loads it again."""
    text = _error_text(reply) or ""
    return reply.status in {200, 500} and any(crash in text for crash in _CRASHES)


def _cause_of(reply: HttpReply) -> Cause | None:
    """Why another sending may succeed: a crash, no time, or no JSON where JSON should be."""
    if reply.is_busy:
        return Cause.BUSY
    # A stream of JSON lines is no JSON, and not broken either.
    is_cut = reply.is_broken_off and reply.last_json() is None
    return Cause.LOST if is_cut or _is_crash(reply) else None


def _is_foreign_host(reply: HttpReply) -> bool:
    return reply.status == 403 and not reply.body.strip()
