"""What the clients of all kinds of servers tell of a request that got no usable reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import JudgeDownError, JudgeError
from pytest_llmjudge.servers.chat import PromptTooLongError
from pytest_llmjudge.servers.transport import (
    DroppedError,
    InsecureError,
    TimedOutError,
    UnreachableError,
)

if TYPE_CHECKING:
    from pytest_llmjudge.servers.role import Role
    from pytest_llmjudge.servers.transport import Endpoint, HttpReply, TransportError

__all__ = ["ServerClient"]


class ServerClient:
    """A client of one server.

    Args:
        url: Canonical address.
        role: How messages speak of it.

    Attributes:
        url: As given.
        start_it: What to do when nobody answers there.
        name_another: What to do when something else answers there.
        see_log: Where more is told.
    """

    _endpoint: Endpoint
    start_it: str
    name_another: str
    see_log: str

    def __init__(self, url: str, role: Role) -> None:
        self.url = url
        self._role = role
        self._other_server = f"or name another with {role.url_option}"

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._endpoint.close()

    def _error(self, found: str, todo: str) -> JudgeError:
        return JudgeError(self.url, found, todo)

    def _busy(self, reply: HttpReply) -> JudgeError:
        found = f"has no time for requests now, status {reply.status}, {reply.summary()}"
        return JudgeDownError(self.url, found, "try again later, or see what keeps it busy")

    def _transport_error(self, error: TransportError) -> JudgeError:
        if isinstance(error, UnreachableError):
            return JudgeDownError(self.url, str(error), self.start_it)
        todo = self.name_another
        if isinstance(error, InsecureError):
            todo = "correct its certificate, or use http:// if it has none"
        elif isinstance(error, DroppedError):
            todo = self.see_log
        elif isinstance(error, TimedOutError):
            todo = "raise --llm-judge-timeout, or see whether the server is overloaded"
        return self._error(str(error), todo)

    def _uncounted(self, field: str, update: str) -> JudgeError:
        found = f"did not say how many tokens of the prompt it read ({field})"
        return self._error(found, f"{update}; {self._role.counts}")

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
        found = (
            f"{self._role.prompt} of {len(prompt)} characters needs about {tokens:,} tokens and "
            f"does not fit into {context}"
        )
        return PromptTooLongError(self.url, found, self._role.shorten)
