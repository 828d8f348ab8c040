"""Which requests the page answers: those of this machine's own browser, and small ones."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from werkzeug.exceptions import Forbidden, LengthRequired, RequestEntityTooLarge

if TYPE_CHECKING:
    from flask import Request, Response

__all__ = ["LARGEST_BODY", "Guard"]

LARGEST_BODY = 64 * 1024
"""In bytes; a form with the longest note has less than half of that."""

_ELSEWHERE = "This address is not the one that {command} printed."
_FOREIGN = "This request comes from another page. Nothing was written."
_ENDLESS = "The request does not say how long it is. Nothing was written."
_TOO_LONG = "The request is too long. Nothing was written."
_STALE = "This page was made by an earlier start of {command}. Nothing was written."

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # "no-referrer" would make browsers send "Origin: null" with the form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """What a request has to show.

    A page of another site can make a browser send requests here, and by a name that it leads to
    127.0.0.1 even read the replies. So the host has to be one that the server binds, and a form
    has to come from its own page and to bring this start's token.

    Args:
        port: The server's.
        command: Which serves it, for messages.
    """

    def __init__(self, port: int, command: str) -> None:
        names = ("127.0.0.1", "localhost")
        self._hosts = {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())
        self._command = command
        self.token = secrets.token_urlsafe(32)

    def check(self, request: Request) -> None:
        """Let a request pass.

        Raises:
            Forbidden: It is not for this server, or not from its page.
            LengthRequired: A form does not say how long it is.
            RequestEntityTooLarge: It is too long; none of it has been read.
        """
        host = request.headers.get("Host", "").lower()
        if host not in self._hosts:
            raise Forbidden(_ELSEWHERE.format(command=self._command))
        if request.method in {"GET", "HEAD"}:
            return
        origin = request.headers.get("Origin")
        # Browsers send both; what sends neither is no browser, and no page stands behind it.
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if origin not in {None, f"http://{host}"} or site != "same-origin":
            raise Forbidden(_FOREIGN)
        if request.content_length is None or "Transfer-Encoding" in request.headers:
            raise LengthRequired(_ENDLESS)
        if request.content_length > LARGEST_BODY:
            raise RequestEntityTooLarge(_TOO_LONG)

    def check_token(self, given: str) -> None:
        """Let a form pass.

        Raises:
            Forbidden: It is not of a page that this start of the server made.
        """
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            raise Forbidden(_STALE.format(command=self._command))

    @staticmethod
    def seal(response: Response) -> Response:
        """Tell the browser what a page of this server may do: next to nothing."""
        response.headers.update(_HEADERS)
        return response
