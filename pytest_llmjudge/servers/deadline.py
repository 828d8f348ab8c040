"""An end to every request: a deadline that no server can drag out."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests.models import PreparedRequest
    from typing_extensions import Self
    from urllib3.connectionpool import ConnectionPool
    from urllib3.response import HTTPResponse

__all__ = ["Deadline", "DeadlineAdapter"]


class Deadline:
    """The moment at which a request is given up; a context manager around the request.

    A socket's own timeout starts anew with each byte, so a server that drips could hold a
    request for ever. Here a watch closes the connection, whatever the request waits for.

    Args:
        seconds: From now.

    Attributes:
        end: When it passes, by the monotonic clock.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._passed = False

    def __enter__(self) -> Self:
        _active.deadline = self
        _watch.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.deadline = None
        _watch.remove(self)
        with self._lock:
            self._socket = None

    @property
    def left(self) -> float:
        """Seconds until it passes, 0 afterwards."""
        return 0.0 if self._passed else max(0.0, self.end - time.monotonic())

    def watch(self, connection: socket.socket) -> None:
        """Close ``connection`` when the deadline passes, at once if it has."""
        with self._lock:
            self._socket = connection
        if not self.left:
            self.expire()

    def expire(self) -> None:
        """Expire now: whoever waits for the connection sees it end."""
        with self._lock:
            self._passed = True
            if self._socket is not None:
                # A TLS socket's own shutdown would take its state from the thread that reads.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Watch:
    """One thread that waits for all deadlines: a timer's thread for each would cost more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._deadlines: set[Deadline] = set()
        self._wakes = float("inf")
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._deadlines.add(deadline)
            # A thread does not live on in a process that was forked.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._loop, name="llm-judge-deadlines", daemon=True
                )
                self._thread.start()
            elif deadline.end < self._wakes:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._changed:
            self._deadlines.discard(deadline)

    def _loop(self) -> None:
        while True:
            for deadline in self._passed():
                deadline.expire()

    def _passed(self) -> list[Deadline]:
        """Wait until deadlines pass, and return them."""
        with self._changed:
            while True:
                now = time.monotonic()
                passed = [deadline for deadline in self._deadlines if deadline.end <= now]
                if passed:
                    self._deadlines.difference_update(passed)
                    return passed
                self._wakes = min((one.end for one in self._deadlines), default=float("inf"))
                self._changed.wait(min(self._wakes - now, threading.TIMEOUT_MAX))


_watch = _Watch()


class _Active(threading.local):
    deadline: Deadline | None = None


_active = _Active()


class _OthersRequests(logging.Filter):
    """Passes what is logged of requests that have no deadline, which are not this package's."""

    def filter(self, _: logging.LogRecord) -> bool:
        return _active.deadline is None


# It logs each head of a reply that it cannot parse, with a traceback, and keys that stand there.
logging.getLogger("urllib3.connection").addFilter(_OthersRequests())


def _show(connection: socket.socket) -> None:
    if _active.deadline is not None:
        _active.deadline.watch(connection)


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        _show(self.sock)
        return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        _show(self.sock)
        return super().getresponse()


class DeadlineAdapter(HTTPAdapter):
    """Shows each connection that waits for a reply to this thread's deadline."""

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001  # requests' own signature
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> ConnectionPool:
        """Return the pool for ``request``, proxies included."""
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if isinstance(pool, HTTPConnectionPool):
            pool.ConnectionCls = _TlsConnection if pool.scheme == "https" else _Connection
        return pool
