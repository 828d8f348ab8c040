"""What the clients of all kinds of servers tell of a request that got no reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import JudgeDownError, JudgeError
from pytest_llmjudge.servers.transport import (
    DroppedError,
    InsecureError,
    TimedOutError,
    UnreachableError,
)

if TYPE_CHECKING:
    from pytest_llmjudge.servers.transport import HttpReply, TransportError

__all__ = ["ServerClient"]


class ServerClient:
    """A client of one server.

    Attributes:
        url: Canonical address.
        start_it: What to do when nobody answers there.
        name_another: What to do when something else answers there.
        see_log: Where more is told.
    """

    url: str
    start_it: str
    name_another: str
    see_log: str

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
