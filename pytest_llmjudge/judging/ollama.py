"""Ollama's HTTP API: who answers there, and one question with its reply."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import JudgeDownError, JudgeError, one_line
from pytest_llmjudge.judging.address import normalise_url
from pytest_llmjudge.judging.transport import (
    DroppedError,
    Endpoint,
    HttpReply,
    InsecureError,
    NotHttpError,
    TimedOutError,
    TooLargeError,
    TransportError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIONS", "ChatReply", "OllamaClient", "PromptTooLongError", "normalise_url"]

OPTIONS: Final[Mapping[str, int]] = MappingProxyType(
    {"seed": 123, "temperature": 0, "num_ctx": 2048}
)
"""The lecture's options. They never change in a run: another ``num_ctx`` reloads the model."""

_SCHEMA_TOKENS: Final = 64
_TEMPLATE_TOKENS: Final = 256
_CRASHES: Final = ("while running the model", "runner process", "model runner")
_OTHER_SERVER: Final = "or name another with --llm-judge-url"
_SEE_LOG: Final = 'the log of "ollama serve" tells more'
_NOT_OLLAMA: Final = "name Ollama's own address with --llm-judge-url"
_TODO: Final[Mapping[type[TransportError], str]] = MappingProxyType(
    {
        UnreachableError: f'start it with "ollama serve", {_OTHER_SERVER}',
        InsecureError: "correct its certificate, or use http:// if it has none",
        NotHttpError: _NOT_OLLAMA,
        DroppedError: _SEE_LOG,
        TimedOutError: "raise --llm-judge-timeout, or see whether the server is overloaded",
        TooLargeError: _NOT_OLLAMA,
    }
)


class PromptTooLongError(JudgeError):
    """The prompt does not fit into the model's context; asking again would not help."""

    rig = False


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A complete reply to a prompt that was read from its first to its last token.

    Attributes:
        content: What the model wrote, word for word.
        done_reason: ``stop``, or ``length`` when the context or the allowed tokens ran out.
        prompt_eval_count: Tokens of the prompt; ``None`` when the server did not say and the
            prompt is so short that it cannot have been cut.
    """

    content: str
    done_reason: str
    prompt_eval_count: int | None


class OllamaClient:
    """One model at one Ollama server. Threads may share it.

    Args:
        url: The server's address in any form that :func:`normalise_url` reads.
        model: The model's name, with or without tag.
        timeout: Seconds for one :meth:`chat`, queueing, model loading and tries included.
        identify_timeout: Seconds for each of the two requests of :meth:`identify`.
        backoff: Seconds; the pauses between tries are small multiples of it.

    Raises:
        SettingsError: ``url`` is no address.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout: float,
        identify_timeout: float = 10.0,
        backoff: float = 0.25,
    ) -> None:
        self.url = normalise_url(url)
        self.model = model
        self._timeout = timeout
        self._identify_timeout = identify_timeout
        self._endpoint = Endpoint(self.url, backoff=backoff)

    def identify(self) -> JudgeIdentity:
        """Ask the server for its version and the model's digest.

        Raises:
            JudgeDownError: It does not answer.
            JudgeError: It is no Ollama server, or does not have the model.
        """
        version = self._get("/api/version").get("version")
        if not isinstance(version, str):
            found = 'is not an Ollama server: "/api/version" has no version'
            raise self._error(found, _NOT_OLLAMA)
        installed = _installed(self._get("/api/tags").get("models"))
        wanted = _full_name(self.model)
        for name, digest in installed.items():
            if name.casefold() == wanted.casefold():
                return JudgeIdentity(self.model, "ollama", version, digest, dict(OPTIONS))
        found = f'has no model "{self.model}"; installed: {", ".join(installed) or "none"}'
        raise self._error(found, f'"ollama pull {self.model}" gets it')

    def chat(self, prompt: str, *, schema: Mapping[str, object] | None = None) -> ChatReply:
        """Ask one question.

        A crash of the model's runner and a connection that ends within the reply are tried
        again, besides all that :class:`~.transport.Endpoint` tries again.

        Args:
            prompt: The whole question; it is never cut.
            schema: JSON Schema that the reply is held to, in at most 64 tokens.

        Raises:
            JudgeDownError: The server does not answer.
            PromptTooLongError: The prompt does not fit, or was cut.
            JudgeError: There is no usable reply.
        """
        body = self._body(prompt, schema)
        try:
            reply = self._endpoint.send(
                "POST", "/api/chat", seconds=self._timeout, body=body, again=_is_crash
            )
        except TransportError as error:
            raise self._transport_error(error) from error
        return self._chat_reply(reply, prompt)

    def _body(self, prompt: str, schema: Mapping[str, object] | None) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": dict(OPTIONS),
        }
        if schema is not None:
            body["format"] = schema
            body["options"] = {**OPTIONS, "num_predict": _SCHEMA_TOKENS}
        return body

    def _get(self, path: str) -> dict[str, object]:
        try:
            reply = self._endpoint.send("GET", path, seconds=self._identify_timeout, retries=1)
        except TimedOutError as error:
            found, todo = str(error), f'restart it with "ollama serve", {_OTHER_SERVER}'
            raise JudgeDownError(self.url, found, todo) from error
        except TransportError as error:
            raise self._transport_error(error) from error
        body = reply.json()
        if reply.status == 200 and isinstance(body, dict):
            return body
        if _is_foreign_host(reply):
            raise self._foreign_host()
        found = f'is not an Ollama server: "{path}" gave status {reply.status}, {reply.summary()}'
        raise self._error(found, _NOT_OLLAMA)

    def _chat_reply(self, reply: HttpReply, prompt: str) -> ChatReply:
        body = reply.json()
        if reply.status != 200 or _error_text(reply) is not None:
            raise self._refusal(reply, prompt)
        if not isinstance(body, dict):
            found = f"answered {reply.summary()} where a chat reply was due"
            raise self._error(found, _NOT_OLLAMA)
        message = body.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        reason, count = body.get("done_reason") or "stop", body.get("prompt_eval_count")
        if reason in {"load", "unload"}:
            found = f"{reason}ed the model instead of answering"
            raise self._error(found, _SEE_LOG)
        if not isinstance(content, str) or body.get("done") is not True:
            found = f"answered {reply.summary()} where a finished message was due"
            raise self._error(found, _NOT_OLLAMA)
        if type(count) is not int:
            # Old servers leave it out for a prompt they have seen. A token is at least a byte.
            if len(prompt.encode()) + _TEMPLATE_TOKENS < OPTIONS["num_ctx"]:
                return ChatReply(content, str(reason), None)
            found = "did not say how many tokens of the prompt it read (prompt_eval_count)"
            raise self._error(found, "update Ollama; a prompt that may have been cut is not scored")
        if count >= OPTIONS["num_ctx"]:
            raise self._too_long(prompt)
        return ChatReply(content, str(reason), count)

    def _refusal(self, reply: HttpReply, prompt: str) -> JudgeError:
        text = _error_text(reply)
        if text is not None and "exceeds the context length" in text:
            return self._too_long(prompt)
        if text is not None:
            return self._error(*self._told(reply, one_line(text, 300)))
        if _is_foreign_host(reply):
            return self._foreign_host()
        found = f"answered with status {reply.status}, {reply.summary()}"
        if 300 <= reply.status < 400:
            found = f"sends on to {one_line(reply.headers.get('Location', 'nowhere'), 120)}"
        return self._error(found, _NOT_OLLAMA)

    def _told(self, reply: HttpReply, text: str) -> tuple[str, str]:
        """What was found and what to do, where the server itself told what is wrong."""
        if _is_crash(reply):
            found = f"its model crashed each time it was asked ({text})"
            return found, f"free memory, or name a smaller model; {_SEE_LOG}"
        if reply.status == 404:
            found = f'has no model "{self.model}" any more ({text})'
            return found, f'"ollama pull {self.model}" gets it'
        if reply.status == 503:
            return f"is busy ({text})", "let fewer programs use it at a time"
        return f"answered with status {reply.status}: {text}", _SEE_LOG

    def _too_long(self, prompt: str) -> PromptTooLongError:
        limit = OPTIONS["num_ctx"]
        found = f"the judge prompt of {len(prompt)} characters does not fit into num_ctx {limit}"
        todo = "shorten the record or its response; a prompt that was cut is never scored"
        return PromptTooLongError(self.url, found, todo)

    def _foreign_host(self) -> JudgeError:
        found = "refuses requests for this host name (status 403, an empty reply)"
        todo = "name it by its IP address, or start it with OLLAMA_HOST=0.0.0.0"
        return self._error(found, todo)

    def _error(self, found: str, todo: str) -> JudgeError:
        return JudgeError(self.url, found, todo)

    def _transport_error(self, error: TransportError) -> JudgeError:
        todo = next(todo for kind, todo in _TODO.items() if isinstance(error, kind))
        kind = JudgeDownError if isinstance(error, UnreachableError) else JudgeError
        return kind(self.url, str(error), todo)


def _full_name(model: str) -> str:
    """A name as the server lists it: Ollama adds ``latest`` where there is no tag."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _installed(models: object) -> dict[str, str]:
    """Digests by the names of ``/api/tags``; entries of a strange shape are left out."""
    found = {}
    for model in models if isinstance(models, list) else []:
        if isinstance(model, dict):
            name, digest = model.get("name"), model.get("digest")
            if isinstance(name, str) and isinstance(digest, str):
                found[name] = digest.removeprefix("sha256:")
    return found


def _error_text(reply: HttpReply) -> str | None:
    """The text of ``{"error": …}``, also when it is the last line of a stream."""
    body = reply.json() or reply.last_json()
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else None


def _is_crash(reply: HttpReply) -> bool:
    """Whether the model's runner died; the next request loads it again."""
    text = _error_text(reply) or ""
    return reply.status in {200, 500} and any(crash in text for crash in _CRASHES)


def _is_foreign_host(reply: HttpReply) -> bool:
    return reply.status == 403 and not reply.body.strip()
