"""What the clients of all kinds of servers say of a request that got no usable reply."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import JudgeDownError, JudgeError, RefusedError, one_line
from pytest_llmjudge.servers.address import shown_address
from pytest_llmjudge.servers.chat import (
    ModelGoneError,
    PromptTooLongError,
    ReplacedError,
    is_same_model,
    read_candidates,
)
from pytest_llmjudge.servers.meant import meant_judge, or_meant
from pytest_llmjudge.servers.role import JUDGE
from pytest_llmjudge.servers.transport import (
    AmbiguousError,
    DroppedError,
    InsecureError,
    TimedOutError,
    UnreachableError,
)
from pytest_llmjudge.settings import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_llmjudge.servers.role import Role
    from pytest_llmjudge.servers.transport import Endpoint, HttpReply, TransportError

__all__ = ["ServerClient"]


class ServerClient(ABC):
    """A client of one server.

    Args:
        url: Canonical address.
        role: How messages speak of it.

    Attributes:
        url: As given.
        model: The model's name there.
        name_another: What to do when something else answers there.
        see_log: Where to read more.
        run_again: What to do when the model was replaced.
    """

    _endpoint: Endpoint
    model: str
    _timeout: float
    _start: str
    _is_known = False
    name_another: str
    see_log: str
    run_again = "run again, for what it answered since it was last looked at is thrown away"

    def __init__(self, url: str, role: Role) -> None:
        self.url = url
        self._role = role
        self._other_server = f"or name another with {role.url_option}"

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._endpoint.close()

    def look(self, servers: Collection[str], digest: str) -> dict[str, JudgeError]:  # noqa: ARG002  # as in ChatClient
        """Ask the server once more for the model's digest, as :meth:`.chat.ChatClient.look` says.

        Raises:
            ReplacedError: It has another model under this name, or none any more.
            JudgeError: It does not say.
        """
        try:
            now = self._digest(self._timeout)
        except ModelGoneError as error:
            change = f"it {error.problem}"
            raise self._replaced(change) from error
        if now != digest:
            change = f"digest {digest[:12]} became {now[:12]}"
            raise self._replaced(change)
        return {}

    def _replaced(self, change: str) -> ReplacedError:
        problem = f'the model "{self.model}" was replaced during the run ({change})'
        return ReplacedError(self.url, problem, self.run_again)

    @abstractmethod
    def _digest(self, seconds: float) -> str:
        """Ask the server for the digest of the model, within so many seconds.

        Raises:
            JudgeDownError: It does not answer.
            ModelGoneError: It does not have the model.
            JudgeError: It is none of this kind of servers.
        """

    def _other_name(self, named: object) -> str:
        """Check what a reply calls the model that wrote it.

        Args:
            named: The reply's ``model``.

        Returns:
            Another name of the model that was asked; empty where it is the same name.

        Raises:
            JudgeError: Another model wrote the reply, or it does not say which one.
        """
        asked = self.model
        if not isinstance(named, str) or not named.strip():
            problem = f'does not say which model answered where "{asked}" was asked for'
            raise self._error(problem, f"name a server that does with {self._role.url_option}")
        if not self._is_asked_for(named):
            shown = one_line(named, 100)
            problem = f'answered as "{shown}" where "{asked}" was asked for'
            hint = "switch off whatever answers in its place"
            raise self._error(problem, f"{hint}, or name that model with {self._role.name_option}")
        return "" if is_same_model(named, asked) else named

    def _is_asked_for(self, named: str) -> bool:
        return is_same_model(named, self.model)

    def _read_candidates(self, logprobs: object) -> tuple[tuple[str, float], ...]:
        """Read the candidates for the first token, as :func:`.chat.read_candidates` does.

        Raises:
            JudgeError: They are no log-probabilities.
        """
        try:
            return read_candidates(logprobs)
        except ValueError as error:
            problem = f"answered with {error}"
            raise self._error(problem, self.see_log) from error

    def _check_message(self, message: Mapping[str, object]) -> None:
        """Check that a message is an answer, and nothing but an answer.

        Raises:
            JudgeError: It is not of the assistant, or calls tools.
        """
        role = message.get("role") or "assistant"
        if role != "assistant":
            problem = f"answered in the role {one_line(json.dumps(role), 40)} instead of assistant"
            raise self._error(problem, self.see_log)
        for field in ("tool_calls", "function_call"):
            if message.get(field):
                problem = f"called a tool ({field}) where none was offered"
                raise self._of_record(problem, "rephrase the record, or take another model")

    def _check_count(self, count: object, what: str) -> None:
        """Check that a number of tokens, where it is one, is not below 0.

        Raises:
            JudgeError: It is.
        """
        if type(count) is int and count < 0:
            problem = f"says that it {what} {one_line(json.dumps(count), 40)} tokens"
            raise self._error(problem, self.see_log)

    def _check_written(self, count: object, most: int | None, *, spare: int = 0) -> None:
        """Check that the most tokens that were asked for was not ignored.

        A gateway may count with another tokenizer than the model's, so that up to twice as many
        pass.

        Args:
            count: Tokens that the server says it wrote.
            most: Tokens that were allowed; ``None`` where that was not said.
            spare: How many more count as so many.

        Raises:
            JudgeError: There were far more, or less than none.
        """
        self._check_count(count, "wrote")
        if most is not None and type(count) is int and count > 2 * most + spare:
            shown = one_line(json.dumps(count), 40)
            problem = f"wrote {shown} tokens where at most {most} were asked for"
            raise self._of_record(problem, self.see_log)

    def _of_record(self, problem: str, hint: str) -> RefusedError:
        """Return an error of this one reply, which says nothing of the others."""
        error = RefusedError(self.url, problem, hint)
        error.is_infrastructure = False
        return error

    def _error(self, problem: str, hint: str) -> JudgeError:
        return JudgeError(self.url, problem, hint)

    def _redirected(self, reply: HttpReply) -> JudgeError | None:
        """Return the error of a redirect, which is not followed; ``None`` for other replies."""
        place = reply.headers.get("Location")
        if not 300 <= reply.status < 400 or not place:
            return None
        return self._error(f"sends on to {one_line(shown_address(place), 120)}", self.name_another)

    def _start_it(self) -> str:
        """Say what to do when nobody answers; a judge that never did may not be needed at all."""
        if self._is_known or self._role is not JUDGE:
            return f"{self._start}, {self._other_server}"
        start = f'{self._start} for the judge "{self.model}"'
        if meant_judge(self.model):
            return or_meant(self.model, f"{start}, {self._other_server}")
        return (
            f"{start}, name another with {self._role.url_option}, or begin without a server with "
            f"{self._role.name_option}={EMBEDDED}"
        )

    def _busy(self, reply: HttpReply) -> JudgeError:
        problem = f"has no time for requests now, status {reply.status}, {reply.summary()}"
        return JudgeDownError(self.url, problem, "try again later, or see what keeps it busy")

    def _transport_error(self, error: TransportError) -> JudgeError:
        if isinstance(error, UnreachableError):
            return JudgeDownError(self.url, str(error), self._start_it())
        hint = self.name_another
        if isinstance(error, InsecureError):
            hint = "correct its certificate, or use http:// if it has none"
        elif isinstance(error, AmbiguousError | DroppedError):
            hint = self.see_log
        elif isinstance(error, TimedOutError):
            hint = "raise --llm-judge-timeout, or see whether the server is overloaded"
        return self._error(str(error), hint)

    @staticmethod
    def _least_tokens(prompt: str) -> int:
        """Return how many tokens a prompt has at least: no tokenizer joins words."""
        return len(prompt.split())

    def _uncounted(self, field: str, update: str) -> JudgeError:
        problem = f"did not say how many tokens of the prompt it read ({field})"
        return self._error(problem, f"{update}; {self._role.counts}")

    def _prompt_too_long(self, prompt: str, limit: int, context: str) -> PromptTooLongError:
        """Make the error of a prompt that did not fit, with about how many tokens it takes.

        The model's own tokenizer is at the server, which does not count what it refuses, so a token
        is taken for four characters. A prompt that was refused has more tokens than there is room
        for, whatever its characters suggest.

        Args:
            prompt: What did not fit.
            limit: Tokens that the context holds; 0 when the server does not say.
            context: What it did not fit into.
        """
        tokens = max(-(-len(prompt) // 4), limit + 1)
        problem = (
            f"{self._role.prompt} of {len(prompt)} characters needs about {tokens:,} tokens and "
            f"does not fit into {context}"
        )
        return PromptTooLongError(self.url, problem, self._role.shorten)
