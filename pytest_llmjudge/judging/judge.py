"""A record and its response become a verdict: what is asked, how often, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from pytest_llmjudge.data import JudgeIdentity, Verdict
from pytest_llmjudge.errors import JudgeError, SettingsError, one_line
from pytest_llmjudge.judging.embedded import EmbeddedAsker
from pytest_llmjudge.judging.ollama import OllamaClient, PromptTooLongError
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.prompts import judge_prompt
from pytest_llmjudge.scoring import SCORE_SCHEMA, parse_integer, parse_schema_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.judging.ollama import ChatReply

__all__ = [
    "Asker",
    "ChatClient",
    "IntegerAsker",
    "Judge",
    "Limiter",
    "identity_label",
    "make_judge",
]

Limiter = Callable[[], AbstractContextManager[object]]
"""Gives the context in which one request is in flight, for example the holding of a lock."""

_REPLY_LENGTH: Final = 120
_CUT: Final = "length"


class ChatClient(Protocol):
    """A model at a server."""

    @property
    def url(self) -> str:
        """Canonical address of the server."""

    @property
    def model(self) -> str:
        """Name of the model."""

    def identify(self) -> JudgeIdentity:
        """Ask the server what decides its answers."""

    def chat(self, prompt: str, *, schema: Mapping[str, object] | None = None) -> ChatReply:
        """Ask one question."""


class Asker(Protocol):
    """One way to have a response scored."""

    @property
    def server(self) -> str | None:
        """The server that scores, ``None`` when none does."""

    @property
    def wording(self) -> str:
        """Name and version of the question; another version gives other verdicts."""

    def identify(self) -> JudgeIdentity:
        """Find out what decides the scores."""

    def prompt(self, record: Record, response: str) -> str:
        """Return all that is asked about this response."""

    def ask(self, record: Record, response: str, limiter: Limiter, /) -> Verdict:
        """Score one response, each request inside a context of ``limiter``."""


class IntegerAsker:
    """Asks the lecture's question, whose answer is to be an integer.

    Args:
        client: The model that is asked.
    """

    wording = "integer/1"

    def __init__(self, client: ChatClient) -> None:
        self._client = client

    @property
    def server(self) -> str:
        """Canonical address of the server."""
        return self._client.url

    def identify(self) -> JudgeIdentity:
        """Ask the server what decides its answers.

        Raises:
            JudgeError: It does not say.
        """
        return self._client.identify()

    def prompt(self, record: Record, response: str) -> str:
        """Return the lecture's question about this response."""
        return judge_prompt(record, response)

    def ask(self, record: Record, response: str, limiter: Limiter, /) -> Verdict:
        """Ask once, and once more with a JSON Schema when the reply is no integer.

        What goes wrong becomes part of the verdict. It is final when the same would happen again.
        """
        prompt, first = self.prompt(record, response), ""
        try:
            with limiter():
                reply = self._client.chat(prompt)
            first = reply.content
            # A reply that ran out of room may be the 8 of an 85.
            score = None if reply.done_reason == _CUT else parse_integer(first)
            if score is not None:
                return Verdict(score, first)
            with limiter():
                second = self._client.chat(prompt, schema=SCORE_SCHEMA).content
        except JudgeError as error:
            final = isinstance(error, PromptTooLongError)
            return Verdict(None, first, str(error), final=final)
        score = parse_schema_reply(second)
        if score is not None:
            return Verdict(score, second)
        return Verdict(None, first, self._unscored(first, second))

    def _unscored(self, first: str, second: str) -> str:
        replies = [f'"{one_line(text, _REPLY_LENGTH)}"' for text in (first, second)]
        found = (
            f"{self._client.model} wrote {replies[0]} and, asked again for JSON, {replies[1]}, "
            "neither of which is a score from 0 to 100"
        )
        todo = "a larger judge keeps to the format more often, name one with --llm-judge-model"
        return str(JudgeError(self.server, found, todo))


class Judge:
    """Scores responses; nothing is sent before it is needed.

    Args:
        asker: The way responses are scored.
        limiter: Entered around each question that is sent, so that a caller can hold the number
            of those in flight down.
        known: The identity, when another process has found it out already.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        limiter: Limiter = nullcontext,
        known: JudgeIdentity | None = None,
    ) -> None:
        self._asker = asker
        self._limiter = limiter
        self._identity = known

    @property
    def server(self) -> str | None:
        """Canonical address of the server that is asked; ``None`` when there is none."""
        return self._asker.server

    @property
    def identity(self) -> JudgeIdentity:
        """What decides the scores; found out once.

        Raises:
            JudgeDownError: The server does not answer.
            JudgeError: The server does not have the model, or is none of Ollama's.
        """
        if self._identity is None:
            self._identity = self._asker.identify()
        return self._identity

    @property
    def label(self) -> str:
        """The identity in a few words, for headers; raises as :attr:`identity` does."""
        return identity_label(self.identity)

    def score(self, record: Record, response: str) -> Verdict:
        """Score one response from 0 to 100.

        An empty response scores 0 and is not sent, which is the lecture's rule. A server that
        fails is told in the verdict, not raised.
        """
        if not response.strip():
            return Verdict(0)
        return self._asker.ask(record, response, self._limiter)

    def key(self, record: Record, response: str, *, sample: int = 0) -> str:
        """Name the verdict by all that decides it, and by nothing else.

        Args:
            record: The record.
            response: The response to it.
            sample: Number of the verdict, where several are asked for.

        Returns:
            SHA-256, in hex, of canonical JSON. The model's digest is in it and its name is not:
            a name may stand for other weights tomorrow.

        Raises:
            JudgeError: As :attr:`identity`.
        """
        decides = {
            "ask": self._asker.wording,
            "digest": self.identity.digest,
            "options": dict(self.identity.options),
            "prompt": self._asker.prompt(record, response),
            "sample": sample,
            "version": self.identity.version,
        }
        return make_key("verdict/1", decides)


def identity_label(identity: JudgeIdentity) -> str:
    """``llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)``, or what the embedded judge really is."""
    if identity.backend == "embedded":
        return "embedded (chrF, no LLM)"
    return (
        f"{identity.model} ({identity.backend} {identity.version}, digest {identity.digest[:12]})"
    )


def make_judge(
    model: str,
    url: str,
    timeout: float,
    *,
    limiter: Limiter = nullcontext,
    known: JudgeIdentity | None = None,
) -> Judge:
    """Make the judge that ``--llm-judge-model`` names.

    Args:
        model: ``embedded``, or an Ollama model.
        url: Where Ollama answers, in any form that ``OLLAMA_HOST`` may have.
        timeout: Seconds for one question.
        limiter: See :class:`Judge`.
        known: See :class:`Judge`.

    Raises:
        SettingsError: There is no such judge, or ``url`` is no address.
    """
    option, todo = "--llm-judge-model", 'name an Ollama model, or "embedded"'
    if not model.strip():
        found = "it is empty"
        raise SettingsError(option, found, todo)
    if model.startswith("openai:"):
        found = f'"{model}" is not available yet'
        raise SettingsError(option, found, todo)
    if model == "embedded":
        return Judge(EmbeddedAsker(), limiter=limiter, known=known)
    return Judge(
        IntegerAsker(OllamaClient(url, model, timeout=timeout)), limiter=limiter, known=known
    )
