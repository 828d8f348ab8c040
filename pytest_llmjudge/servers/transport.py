"""HTTP to one server: a request gives a complete reply, or one error that says why not."""

from __future__ import annotations

import json
import re
import threading
import time
import weakref
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, ClassVar, Final

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
)

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.reading import RepeatedKeyError, parse_json, unique_keys
from pytest_llmjudge.servers.address import is_loopback
from pytest_llmjudge.servers.deadline import Deadline, DeadlineAdapter
from pytest_llmjudge.servers.retry import BUSY_STATUSES, Cause, RetryPolicy, retry_after
from pytest_llmjudge.servers.secrets import Secrets, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "AmbiguousError",
    "DroppedError",
    "Endpoint",
    "HttpReply",
    "InsecureError",
    "NotHttpError",
    "TimedOutError",
    "TooLargeError",
    "TransportError",
    "UnreachableError",
]

_CONNECT_SECONDS: Final = 5.0
_CONNECT_SECONDS_WHEN_DOWN: Final = 1.0
_BODY_LIMIT: Final = 16 * 2**20


class TransportError(Exception):
    """There is no reply; the message says what is wrong, without address and advice.

    ::

        TransportError
        ├── UnreachableError   no connection could be made
        ├── InsecureError      the other side has no certificate that is trusted, or no TLS
        ├── NotHttpError       the other side speaks something else
        ├── DroppedError       the connection ended before the reply did
        ├── TimedOutError      the deadline passed
        ├── AmbiguousError     the reply is JSON that says two things at once
        └── TooLargeError      the reply is longer than anything a judge would say

    Attributes:
        cause: Why another sending may succeed; ``None`` where it would not.
    """

    cause: ClassVar[Cause | None] = None


class UnreachableError(TransportError):
    """No connection could be made."""

    cause = Cause.NO_REPLY


class InsecureError(TransportError):
    """The other side has no certificate that is trusted, or no TLS."""


class NotHttpError(TransportError):
    """The other side speaks something else."""

    cause = Cause.NO_REPLY


class DroppedError(TransportError):
    """The connection ended before the reply did."""

    cause = Cause.NO_REPLY


class TimedOutError(TransportError):
    """The deadline passed."""

    cause = Cause.LOST


class TooLargeError(TransportError):
    """The reply is longer than anything a judge would say."""


class AmbiguousError(TransportError):
    """The reply is JSON in which an object has two values for one key."""


class _CutBodyError(DroppedError):
    """The connection ended after the reply's head."""

    cause = Cause.LOST


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete reply.

    Attributes:
        status: HTTP status.
        headers: Names in any case.
        body: As sent, decompressed.
        seconds: From the sending of the request to the reply's last byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0

    def json(self) -> object:
        """The body as JSON, or ``None`` when it is not JSON; a judge never answers ``null``."""
        return _json(self.body)

    def last_json(self) -> object:
        """The body's last line as JSON: a streamed reply ends with what went wrong."""
        lines = self.body.strip().splitlines()
        return _json(lines[-1]) if lines else None

    @property
    def is_broken_off(self) -> bool:
        """Whether the body of a success begins as a JSON object and is none."""
        return self.status == 200 and self.body.lstrip()[:1] == b"{" and self.json() is None

    @property
    def is_busy(self) -> bool:
        """Whether the status says that another try may go better without a change."""
        return self.status in BUSY_STATUSES

    def summary(self) -> str:
        """What the body looks like, for a message."""
        text = self.body[:4096].decode("utf-8", errors="replace").strip()
        if not text:
            return "an empty reply"
        if text.startswith("<"):
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
            return f'an HTML page ("{one_line(title[1], 80)}")' if title else "an HTML page"
        return f'"{one_line(text, 80)}"'


def _json(text: bytes) -> object:
    try:
        value: object = parse_json(text)
    except ValueError:
        return None
    return value


def _repeated_key(text: bytes) -> str | None:
    """Return a key to which an object of a JSON text has two values; ``None`` without any."""
    try:
        json.loads(text, object_pairs_hook=unique_keys)
    except RepeatedKeyError as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return None


class _Bearer(requests.auth.AuthBase):
    """Sends a token; as ``auth`` it also keeps requests from taking a password from ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """One that leaves redirections alone, whose addresses may be no text."""

    def get_redirect_target(self, _: requests.Response) -> None:
        """Return that there is none."""


class _Sessions:
    """Those of all threads that are alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def add(self, session: requests.Session) -> None:
        with self._lock:
            self._known.add(session)

    def close(self) -> None:
        # After Ctrl-C a thread may send its first request now, and a set must not grow meanwhile.
        with self._lock:
            sessions = list(self._known)
        for session in sessions:
            session.close()


class _Line(threading.local):
    """Each thread's own session: requests does not promise that threads may share one."""

    def __init__(self, sessions: _Sessions, *, trust_env: bool, token: str) -> None:
        self.session = _Session()
        sessions.add(self.session)
        self.session.trust_env = trust_env
        if token:
            self.session.auth = _Bearer(token)
        self.secrets = Secrets([token])
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, DeadlineAdapter())
        self._settings: Mapping[str, Any] | None = None
        self._prepared: dict[tuple[str, str], requests.PreparedRequest] = {}

    def send(
        self, method: str, url: str, body: Mapping[str, object] | None, timeout: tuple[float, float]
    ) -> requests.Response:
        """Send a request, and return its response once the head is there.

        What the environment says of proxies and certificates, and all of a request but its body,
        is found out once: it would take longer than to send the request.
        """
        if self._settings is None:
            self._settings = self.session.merge_environment_settings(
                url, {}, stream=True, verify=None, cert=None
            )
        first = self._prepared.get((method, url))
        if first is None:
            first = self.session.prepare_request(requests.Request(method, url))
            self._prepared[method, url] = first
            # Only now is it known what ~/.netrc and the environment add.
            self.secrets = secrets_of(first.headers, self._settings["proxies"])
        prepared = first.copy()
        if body is not None:
            prepared.prepare_body(None, None, body)
        return self.session.send(prepared, timeout=timeout, allow_redirects=False, **self._settings)


class Endpoint:
    """One server, whose requests are tried again as :mod:`~pytest_llmjudge.servers.retry` says.

    Args:
        url: Address without a final slash. The environment's proxy is used for it unless it is
            a loopback address.
        cause_of: Says why a reply deserves another sending; ``None`` where it does not.
        backoff: Seconds; pauses between sendings are multiples of it.
        token: Sent as a bearer token, where there is one.
    """

    def __init__(
        self,
        url: str,
        *,
        cause_of: Callable[[HttpReply], Cause | None],
        backoff: float = 0.25,
        token: str = "",
    ) -> None:
        self.url = url
        self._cause_of = cause_of
        self._policy = RetryPolicy(backoff)
        self._sessions = _Sessions()
        self._line = _Line(self._sessions, trust_env=not is_loopback(url), token=token)
        self._refused: HttpReply | None = None

    def send(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: Mapping[str, object] | None = None,
        quick: bool = False,
    ) -> HttpReply:
        """Send a request and return the complete reply, whatever its status.

        Args:
            method: ``GET`` or ``POST``.
            path: Behind the address, with its slash.
            seconds: For each sending, from connecting to the reply's last byte; for all pauses
                together while the server is busy.
            body: Sent as JSON.
            quick: Whether an early error is better than a late reply.

        Raises:
            TransportError: There is no reply.
        """
        series = self._policy.begin(seconds, quick=quick)
        while True:
            wait = self._policy.closed_for()
            if wait > seconds and self._refused is not None:
                return self._refused
            time.sleep(wait)
            try:
                reply = self._send(method, path, body, seconds)
            except TransportError as error:
                pause = None if error.cause is None else series.pause(error.cause)
                if pause is None:
                    raise
            else:
                cause = self._cause_of(reply)
                if cause is None:
                    series.answered()
                    return reply
                named = retry_after(reply.headers) if cause is Cause.BUSY else 0.0
                if named:
                    self._refused = reply
                pause = series.pause(cause, named)
                if pause is None:
                    return reply
            time.sleep(pause)

    def close(self) -> None:
        """Close the connections of all threads that wait for no reply; later requests make new."""
        self._sessions.close()

    def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, seconds: float
    ) -> HttpReply:
        connect = _CONNECT_SECONDS_WHEN_DOWN if self._policy.failing else _CONNECT_SECONDS
        deadline = Deadline(seconds)
        began = time.monotonic()
        with deadline:
            timeout = (max(0.001, min(connect, deadline.left)), deadline.seconds)
            try:
                response = self._line.send(method, self.url + path, body, timeout)
            # requests raises a plain OSError for a bundle of certificates that is not there.
            except (OSError, HTTPError) as error:
                raise _failure(error, deadline, self._line.secrets) from error
            with response:
                content = _read(response, deadline)
        took = time.monotonic() - began
        repeated = _repeated_key(content)
        if repeated is not None:
            shown = one_line(self._line.secrets.strike(repeated), 60)
            message = f'answered in JSON that has the key "{shown}" twice'
            raise AmbiguousError(message)
        reply = HttpReply(response.status_code, response.headers, content, took)
        return self._without_secrets(reply)

    def _without_secrets(self, reply: HttpReply) -> HttpReply:
        """Strike out what a server repeats, as some do of a key that they refuse.

        All that a server says comes through here, so from here on nobody can show it.
        """
        secrets = self._line.secrets
        if not secrets:
            return reply
        headers = CaseInsensitiveDict(
            {name: secrets.strike(value) for name, value in reply.headers.items()}
        )
        body = secrets.strike_body(reply.body, is_error=reply.status != 200)
        return replace(reply, headers=headers, body=body)


def _read(response: requests.Response, deadline: Deadline) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_content(65536):
            body += chunk
            if len(body) > _BODY_LIMIT:
                message = f"sent more than {_BODY_LIMIT >> 20} MiB"
                raise TooLargeError(message)
    # A size below zero is one that http.client lets through.
    except (requests.RequestException, HTTPError, ValueError) as error:
        if deadline.left:
            message = "closed the connection in the middle of its reply"
            raise _CutBodyError(message) from error
    # A reply without a length just ends when the deadline closes its connection.
    if not deadline.left:
        raise TimedOutError(_timed_out(deadline))
    return bytes(body)


def _failure(error: Exception, deadline: Deadline, secrets: Secrets) -> TransportError:
    """What it means that there is not even the head of a reply."""
    failure = _failure_of(error, deadline)
    return type(failure)(secrets.strike(str(failure)))


def _failure_of(error: Exception, deadline: Deadline) -> TransportError:
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    unreachable = _unreachable(error, reason)
    if unreachable is not None:
        return UnreachableError(unreachable)
    if isinstance(error, requests.Timeout) or not deadline.left:
        return TimedOutError(_timed_out(deadline))
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return InsecureError(f"cannot be spoken to securely ({one_line(str(error), 200)})")
    if isinstance(error, requests.exceptions.SSLError):
        return InsecureError(f"cannot be spoken to securely ({one_line(str(reason), 120)})")
    strange = reason.args[-1] if isinstance(reason, ProtocolError) else reason
    if isinstance(strange, HTTPException) and not isinstance(strange, ConnectionError):
        return NotHttpError("does not speak HTTP")
    return DroppedError("closed the connection without a reply")


def _unreachable(error: Exception, reason: object) -> str | None:
    if isinstance(reason, NameResolutionError):
        return "is not answering, its name cannot be resolved"
    if isinstance(error, requests.exceptions.ProxyError):
        return "is not answering through the proxy that the environment names"
    # Of the address itself everything is known to be right; SOCKS needs a package of its own.
    if isinstance(error, (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema)):
        message = one_line(str(error), 200)
        return f"cannot be asked through the proxy that the environment names ({message})"
    if isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError):
        return "is not answering"
    return None


def _timed_out(deadline: Deadline) -> str:
    return f"gave no complete reply within {deadline.seconds:g} s"
