"""The retry policy: how often a request is sent again, after which pauses, and when no more."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from pytest_llmjudge.servers.retry import Cause, RetryPolicy, retry_after

BACKOFF = 0.25


def pauses(policy: RetryPolicy, *causes: Cause, quick: bool = False) -> list[float | None]:
    """Return the pauses of one series that meets these causes in turn."""
    series = policy.begin(30.0, quick=quick)
    return [series.pause(cause) for cause in causes]


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.NO_REPLY, [0.0, 0.5, 1.0, 2.0, 4.0, None]),
        (Cause.LOST, [0.25, 0.5, 0.75, 1.0, None]),
        (Cause.BUSY, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, None]),
    ],
)
def test_a_whole_series(cause: Cause, expected: list[float | None]) -> None:
    """Pauses grow up to a limit, and then the request is given up."""
    assert pauses(RetryPolicy(BACKOFF), *[cause] * len(expected)) == expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.NO_REPLY, [0.0, 8.0, 8.0, 8.0, 8.0, None]),
        (Cause.LOST, [2.0, 2.0, 2.0, 2.0, None]),
    ],
)
def test_no_pause_is_too_long(cause: Cause, expected: list[float | None]) -> None:
    """However slowly the tries are to follow each other, a lost reply is asked for again soon."""
    assert pauses(RetryPolicy(60.0), *[cause] * len(expected)) == expected


def test_causes_add_up() -> None:
    """Each is counted apart, so that no cause begins another's tries anew."""
    busy, dropped, lost = Cause.BUSY, Cause.NO_REPLY, Cause.LOST
    met = [dropped, lost, busy, dropped, lost, lost, busy, lost, dropped, lost]
    expected = [0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.5, 1.0, 1.0, None]

    assert pauses(RetryPolicy(BACKOFF), *met) == expected


@pytest.mark.parametrize("cause", [Cause.NO_REPLY, Cause.LOST])
def test_after_a_failed_series(cause: Cause) -> None:
    """One sending for each request, until one is answered."""
    policy = RetryPolicy(BACKOFF)
    pauses(policy, *[cause] * 6)

    assert pauses(policy, cause) == [None]
    policy.begin(30.0).answered()
    assert pauses(policy, cause) != [None]


def test_a_series_under_way_keeps_its_tries() -> None:
    """Another thread's failed series takes nothing from one that has begun."""
    policy = RetryPolicy(BACKOFF)
    begun = policy.begin(30.0)
    pauses(policy, *[Cause.LOST] * 5)

    assert begun.pause(Cause.LOST) == 0.25


def test_quick_requests() -> None:
    """They are repeated once at most, and their failure says nothing about others."""
    policy = RetryPolicy(BACKOFF)

    assert pauses(policy, Cause.NO_REPLY, Cause.NO_REPLY, quick=True) == [0.0, None]
    assert pauses(policy, Cause.LOST, quick=True) == [None]
    assert not policy.failing


def test_a_server_that_stayed_busy() -> None:
    """It gets four seconds of pauses, until it has time again."""
    policy = RetryPolicy(BACKOFF)
    pauses(policy, *[Cause.BUSY] * 8)

    assert pauses(policy, *[Cause.BUSY] * 5) == [0.25, 0.5, 1.0, 2.0, None]
    policy.begin(30.0).answered()
    assert None not in pauses(policy, *[Cause.BUSY] * 7)


def test_a_named_moment_closes_the_server_for_all() -> None:
    """What a busy server asks for is waited for, and known to every other request."""
    policy = RetryPolicy(BACKOFF)

    assert policy.begin(30.0).pause(Cause.BUSY, 20.0) == 20.0
    assert 10.0 < policy.closed_for() <= 20.0
    assert policy.begin(10.0).pause(Cause.BUSY, 20.0) is None


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0", 0.0), ("soon", 0.0), ("-3", 0.0), ("", 0.0)]
)
def test_retry_after(header: str, seconds: float) -> None:
    """A number of seconds is taken, anything else that is no date is ignored."""
    assert retry_after({"Retry-After": header}) == seconds


@pytest.mark.parametrize(
    "header",
    [
        "Mon, 01 Jan 10000 00:00:00 GMT",
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        f"Mon, 01 Jan 2027 00:00:00 +{'9' * 400}",
        "9" * 5000,
    ],
    ids=["year", "long year", "zone", "number"],
)
def test_retry_after_what_nobody_can_count(header: str) -> None:
    """It is no readable header either."""
    assert retry_after({"Retry-After": header}) == 0.0


def test_retry_after_a_date() -> None:
    """A date is the seconds until then; a reply without the header names none."""
    date = formatdate(time.time() + 60, usegmt=True)

    assert 30.0 < retry_after({"Retry-After": date}) <= 60.0
    assert retry_after({}) == 0.0
