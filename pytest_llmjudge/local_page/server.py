"""The page's server: on loopback, in a thread, quiet."""

from __future__ import annotations

import io
import os
import socket
import threading
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.serving import WSGIRequestHandler, make_server

from pytest_llmjudge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

__all__ = ["bind", "serving"]

_HOST = "127.0.0.1"
_LARGEST_READ = 64 * 1024
_PATIENCE = 30.0


def bind(port: int) -> socket.socket:
    """Return a socket that listens on loopback; port 0 is any free one.

    Raises:
        SettingsError: The port cannot be had.
    """
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        where, problem = f"--port {port}", f"it cannot be had on {_HOST} ({_reason(error)})"
        raise SettingsError(where, problem, "give another, or 0 for any free one") from None


def _reason(error: OSError) -> str:
    # What the standard library adds to it names the address once more.
    return os.strerror(error.errno) if error.errno else str(error)


@contextmanager
def serving(site: Flask, listener: socket.socket) -> Iterator[None]:
    """Answer requests in a thread for as long as the context lasts."""
    port = listener.getsockname()[1]
    server = make_server(
        _HOST, port, site, threaded=True, request_handler=_Handler, fd=listener.fileno()
    )
    # The server has a descriptor of its own.
    listener.close()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class _Handler(WSGIRequestHandler):
    """Answers one request, and writes no log."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def setup(self) -> None:
        """Read by small pieces, also what the server throws away of a body that was refused."""
        super().setup()
        self.rfile.close()
        self.rfile = _SmallReader(self.connection.makefile("rb", buffering=0))

    def parse_request(self) -> bool:
        """Refuse an address that cannot be read, before it becomes a traceback on the terminal."""
        if not super().parse_request():
            return False
        try:
            urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        return True

    def version_string(self) -> str:
        """Tell no versions."""
        return "llmjudge"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing, nor read the address for that."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401  # as it is there
        """Write nothing: the terminal is its user's."""


class _SmallReader(io.BufferedReader):
    """A reader that never holds more than a small piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most a small piece, as if no more were there."""
        wanted = _LARGEST_READ if size is None or size < 0 else min(size, _LARGEST_READ)
        return super().read(wanted)
