"""How often and how long a request to a server is tried again: the one policy for all servers.

============  ==============================================  ===================================
cause         what happened                                   sent again
============  ==============================================  ===================================
``NO_REPLY``  no connection, or closed without a reply        5 times, over 30 times ``backoff``
``LOST``      reply cut or too late, or the model crashed     4 times, over 10 times ``backoff``
``BUSY``      HTTP 429, 502, 503 or 504                       while its pauses fit into the timeout
============  ==============================================  ===================================

The causes are counted apart and add up, they do not multiply: a request is sent at most ten times
while the server is not busy. One shared count would lose records at a server that fails now and
then in different ways. Once such a series has failed, each later request is sent once until one is
answered.
A server that stayed busy for a whole series gets less patience until it has time again. Several
servers do not multiply this: each one fails its own series and is then left out (see ``fleet``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUSY_STATUSES", "FAULT_STATUSES", "Cause", "RetryPolicy", "Series", "retry_after"]

BUSY_STATUSES: Final = frozenset({429, 502, 503, 504})
"""HTTP statuses after which the same request may succeed later."""

FAULT_STATUSES: Final = frozenset({408, 500})
"""HTTP statuses of an OpenAI-compatible server that lost a request by its own fault."""


class Cause(Enum):
    """Why a request is sent again."""

    NO_REPLY = "no reply"
    LOST = "lost"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class _Rule:
    """Pauses before each further sending.

    Attributes:
        pauses: In units of the policy's ``backoff``; their number is that of further sendings.
        quick: How many of them a quick request may use.
        longest: Most seconds of one pause.
    """

    pauses: tuple[int, ...]
    quick: int
    longest: float


_RULES: Final[Mapping[Cause, _Rule]] = {
    # The first repetition is immediate: a kept connection may just have been closed as idle.
    Cause.NO_REPLY: _Rule((0, 2, 4, 8, 16), quick=1, longest=8.0),
    Cause.LOST: _Rule((1, 2, 3, 4), quick=0, longest=2.0),
}
_LONGEST_BUSY_PAUSE: Final = 8.0
_SECONDS_WHEN_STILL_BUSY: Final = 4.0


class RetryPolicy:
    """The policy applied to one server, with what is known of that server. Threads share it.

    Args:
        backoff: Seconds; pauses are multiples of it.

    Attributes:
        failing: Whether the last series failed and nothing was answered since.
        stays_busy: Whether the last series ended while the server was busy.
    """

    def __init__(self, backoff: float) -> None:
        self.backoff = backoff
        self.failing = self.stays_busy = False
        self._opens = 0.0

    def begin(self, seconds: float, *, quick: bool = False) -> Series:
        """Begin the series of sendings of one request.

        Args:
            seconds: Timeout of one sending, and the most that pauses for a busy server add up to.
            quick: Whether the caller would rather have an error than wait: there is at most one
                further sending, and its failure says nothing about later requests.
        """
        return Series(self, seconds, quick=quick)

    def closed_for(self) -> float:
        """Return the seconds until the moment that a busy server has named, 0 afterwards."""
        return max(0.0, self._opens - time.monotonic())

    def close_for(self, seconds: float) -> None:
        """Send nothing to this server for so many seconds, from any thread."""
        self._opens = time.monotonic() + seconds


class Series:
    """The sendings of one request, made by :meth:`RetryPolicy.begin`."""

    def __init__(self, policy: RetryPolicy, seconds: float, *, quick: bool) -> None:
        self._policy = policy
        self._quick = quick
        self._once = policy.failing
        self._failures = dict.fromkeys(_RULES, 0)
        self._busy_pause = policy.backoff
        self._busy_left = min(_SECONDS_WHEN_STILL_BUSY, seconds) if policy.stays_busy else seconds

    def pause(self, cause: Cause, named: float = 0.0) -> float | None:
        """Return the seconds to wait before the next sending; ``None`` to give up.

        Args:
            cause: What came of this sending.
            named: The seconds that a busy server asks for, 0 if it names none.
        """
        return self._after_busy(named) if cause is Cause.BUSY else self._after_failure(cause)

    def answered(self) -> None:
        """End the series with a reply."""
        if not self._quick:
            self._policy.failing = self._policy.stays_busy = False

    def _after_failure(self, cause: Cause) -> float | None:
        rule = _RULES[cause]
        allowed = rule.quick if self._quick else len(rule.pauses)
        if self._once or self._failures[cause] >= allowed:
            self._policy.failing |= not self._quick
            return None
        pause = rule.pauses[self._failures[cause]] * self._policy.backoff
        self._failures[cause] += 1
        return min(pause, rule.longest)

    def _after_busy(self, named: float) -> float | None:
        if named:
            self._policy.close_for(named)
        pause = named or self._busy_pause
        self._busy_pause = min(2 * self._busy_pause, _LONGEST_BUSY_PAUSE)
        # Only pauses count: time spent on a sending that was lost says nothing about patience.
        self._busy_left -= pause
        if self._busy_left < 0:
            self._policy.stays_busy = True
            return None
        return pause


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a ``Retry-After`` header asks for; 0 without a readable one."""
    try:
        return float(Retry().parse_retry_after(headers.get("Retry-After", "0")))
    # Of a year, a zone or a number of more digits than Python counts with.
    except (InvalidHeader, OverflowError, ValueError):
        return 0.0
