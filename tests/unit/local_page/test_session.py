"""When a local page ends."""

from __future__ import annotations

import signal
import threading

import pytest

from pytest_llmjudge.local_page.session import until_signalled


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_another_thread_gets(number: signal.Signals) -> None:
    """It ends the wait as well: the system may give it to a thread that answers a request."""
    before = signal.getsignal(number)
    is_ended = threading.Event()

    def send() -> None:
        signal.pthread_kill(threading.get_ident(), number)
        is_ended.wait(60)

    sending = threading.Thread(target=send)
    with until_signalled() as wait:
        sending.start()
        wait()
        is_ended.set()
    sending.join()

    assert signal.getsignal(number) == before


def test_a_signal_before_the_wait() -> None:
    """As early as the first lines are printed: nothing waits any more."""
    with until_signalled() as wait:
        signal.raise_signal(signal.SIGTERM)
        wait()
