"""One person's session at a local page: who it is, where answers go, and serving until a signal."""

from __future__ import annotations

import getpass
import signal
import socket
import webbrowser
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmjudge.errors import PeopleFileError, SettingsError, storable
from pytest_llmjudge.storage.files import check_writable
from pytest_llmjudge.storage.torn_line import set_aside_cut_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from flask import Flask

    from pytest_llmjudge.local_page.box import Box
    from pytest_llmjudge.local_page.guard import Guard

__all__ = [
    "check_answers_file",
    "check_flask",
    "check_text",
    "hold",
    "person_name",
    "until_signalled",
]

Reached = TypeVar("Reached")
"""What became of a person's answers."""


def check_flask(command: str, extra: str) -> None:
    """Check that the page can be served.

    Args:
        command: Which serves it, for messages.
        extra: Of this package, that brings Flask.

    Raises:
        SettingsError: Flask is not installed.
    """
    try:
        import flask  # noqa: F401  # missing, it is reported here, before any work
    except ImportError:
        hint = f'install it with pip install "pytest-llmjudge[{extra}]"'
        raise SettingsError(command, "its page needs Flask", hint) from None


def person_name(option: str, given: str | None, whose: str) -> str:
    """Return the name of who answers, by default that of the login.

    Args:
        option: That gives the name.
        given: What it gives; ``None`` without it.
        whose: In messages, such as "who votes".

    Raises:
        SettingsError: There is no name, or it is no text.
    """
    hint = f"give the name of {whose}"
    if given is None:
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise SettingsError(option, "the login name is not known", hint) from None
    if not given.strip():
        raise SettingsError(option, "it is empty", hint)
    check_text(option, given, hint)
    return given.strip()


def check_text(where: str, given: str, hint: str) -> None:
    """Refuse bytes of a command line that are no text, which no page and no file can show.

    Raises:
        SettingsError: There are some.
    """
    if storable(given) != given:
        raise SettingsError(where, "it has bytes that are no UTF-8", hint)


def check_answers_file(out: Path, beginnings: Sequence[bytes], tell: Callable[[str], None]) -> None:
    """Check that answers can be added to a file, and set aside a last line that was cut off.

    Args:
        out: The file, which need not be there.
        beginnings: Of the lines that this package writes to it.
        tell: Takes a line for the terminal.

    Raises:
        LlmJudgeError: The file cannot be written.
    """
    check_text("--out", str(out), "name another place")
    check_writable("--out", out)
    try:
        if out.exists():
            # Opened to append, and closed: nothing is changed.
            out.open("ab").close()
    except OSError as error:
        where, problem = f"--out {out}", f"it cannot be written ({error.strerror})"
        raise PeopleFileError(where, problem, "name another place") from None
    aside = set_aside_cut_off(out, beginnings)
    if aside is not None:
        tell(f"{out}: its last line was cut off while it was written; it is in {aside} now")


def hold(
    box: Box[Any],
    make_site: Callable[[Guard], Flask],
    port: int,
    verb: str,
    *,
    opening: Callable[[], Iterable[str]],
    reached: Callable[[], Reached],
    closing: Callable[[Reached], Iterable[str]],
    tell: Callable[[str], None],
    opens_browser: bool,
) -> Reached:
    """Serve a page on loopback until Ctrl-C or SIGTERM, unless there is nothing left to ask.

    Args:
        box: What is asked; it takes no answer once this ends.
        make_site: Makes the application.
        port: 0 for any free one.
        verb: What is done there, such as "vote": the command's name after ``llmjudge``.
        opening: Returns the lines that come first.
        reached: Returns what became of the answers.
        closing: Returns the last lines, of that.
        tell: Takes a line for the terminal.
        opens_browser: Whether to show the page at once.

    Returns:
        What ``reached`` returned at the end.

    Raises:
        SettingsError: The port cannot be had.
    """
    with until_signalled() as wait:
        for line in opening():
            tell(line)
        if box.next() is not None:
            _serve(make_site, port, verb, tell=tell, wait=wait, opens_browser=opens_browser)
        box.close()
        result = reached()
        for line in closing(result):
            tell(line)
    return result


def _serve(
    make_site: Callable[[Guard], Flask],
    port: int,
    verb: str,
    *,
    tell: Callable[[str], None],
    wait: Callable[[], None],
    opens_browser: bool,
) -> None:
    from pytest_llmjudge.local_page.guard import Guard
    from pytest_llmjudge.local_page.server import bind, serving

    listener = bind(port)
    port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with serving(make_site(Guard(port, f"llmjudge {verb}")), listener):
        tell(f"{verb} at {address} and end with Ctrl-C")
        if opens_browser:
            webbrowser.open(address)
        wait()


@contextmanager
def until_signalled() -> Iterator[Callable[[], None]]:
    """Yield a function that waits for Ctrl-C or SIGTERM, which until the end do nothing else."""
    signals = (signal.SIGINT, signal.SIGTERM)
    # The system may give a signal to any thread, which would not end this one's wait for a lock.
    reader, writer = socket.socketpair()
    writer.settimeout(0)
    with reader, writer:
        former = signal.set_wakeup_fd(writer.fileno())
        before = [signal.signal(one, lambda *_: None) for one in signals]
        try:

            def wait() -> None:
                while reader.recv(1)[0] not in signals:
                    pass

            yield wait
        finally:
            for one, handler in zip(signals, before, strict=True):
                signal.signal(one, handler)
            signal.set_wakeup_fd(former)
