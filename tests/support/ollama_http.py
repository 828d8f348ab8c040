"""The HTTP side of the fake Ollama: routes, headers, streams, and connections that misbehave."""

from __future__ import annotations

import contextlib
import json
import math
import re
import selectors
import socket
import sys
import threading
import time
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from tests.support.ollama_replies import (
    Answer,
    ChatRequest,
    Drip,
    Drop,
    Failure,
    Hang,
    Page,
    Reply,
    Seen,
)
from tests.support.ollama_rules import (
    check_chat,
    check_host,
    check_length,
    count_read,
    count_tokens,
    full_name,
    loads_only,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.fake_ollama import FakeOllama

__all__ = ["Handler", "Server"]

_JSON: Final = "application/json; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_NONE: Final[Mapping[str, str]] = {}
_ROUTES: Final = {
    "/": "GET, HEAD",
    "/api/version": "GET, HEAD",
    "/api/tags": "GET, HEAD",
    "/api/ps": "GET",
    "/api/show": "POST",
    "/api/chat": "POST",
    "/api/generate": "POST",
    "/v1/models": "GET",
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
}
CHAT_PATHS: Final = ("/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions")


class Server(ThreadingHTTPServer):
    """The listening socket; each connection gets a thread.

    Args:
        fake: What is served.
        port: 0 for any that is free.
    """

    daemon_threads = True
    # Beyond it the system has clients wait a second; the default is 5.
    request_queue_size = 128

    def __init__(self, fake: FakeOllama, port: int) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as in http.server
        """Keep quiet about clients that hang up, which many tests want them to do."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    seen: Seen
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.fake.connections.add(self.connection)

    def finish(self) -> None:
        self.server.fake.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._dispatch()

    def do_HEAD(self) -> None:
        self._dispatch()

    def do_POST(self) -> None:
        self._dispatch()

    def _dispatch(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen = Seen(self.command, self.path, dict(self.headers), raw)
        self.server.fake.begin(self.seen)
        try:
            self._route(raw)
        finally:
            self.server.fake.end(self.seen)

    def _route(self, raw: bytes) -> None:
        methods = _ROUTES.get(self.path)
        if not check_host(self.headers.get("Host", "")):
            self._send(403, "", b"")
        elif self.path in self.server.fake.instead:
            self._reply(self.server.fake.instead[self.path], {"model": "", "messages": []})
        elif methods is None:
            self._send(404, "text/plain", b"404 page not found")
        elif self.command not in methods:
            self._send(405, "text/plain", b"405 method not allowed", {"Allow": methods})
        elif self.path.startswith("/v1/"):
            self._openai(raw)
        elif self.path in CHAT_PATHS:
            self._chat(raw)
        else:
            self._tell(raw)

    def _tell(self, raw: bytes) -> None:
        fake = self.server.fake
        if self.path == "/":
            self._send(200, _TEXT, b"Ollama is running")
        elif self.path == "/api/version":
            self._send_json(200, {"version": fake.version})
        elif self.path == "/api/tags":
            self._send_json(200, {"models": [fake.tag(name) for name in fake.models]})
        elif self.path == "/api/ps":
            self._send_json(200, {"models": fake.loaded()})
        else:
            body = json.loads(raw)
            model = str(body.get("model"))
            if full_name(model) in fake.models:
                self._send_json(
                    200, fake.show(full_name(model), verbose=body.get("verbose") is True)
                )
            else:
                self._send_json(404, {"error": f"model '{model}' not found"})

    def _openai(self, raw: bytes) -> None:
        fake = self.server.fake
        if fake.key and self.headers.get("Authorization") != f"Bearer {fake.key}":
            given = self.headers.get("Authorization", "no key")
            self._openai_error(401, f"Incorrect API key provided: {given}", "invalid_api_key")
        elif self.path == "/v1/models":
            # A server whose times are those of its replies has another one each time.
            now = int(time.time()) + len(fake.requests)
            data = [
                {"id": name, "object": "model", "created": now, "owned_by": fake.owner}
                for name in fake.models
            ]
            self._send_json(200, {"object": "list", "data": data})
        else:
            self._complete(json.loads(raw))

    def _complete(self, body: dict[str, Any]) -> None:
        fake = self.server.fake
        wanted = body.get("response_format")
        if full_name(body["model"]) not in fake.models:
            self._openai_error(404, f"model '{body['model']}' not found", None)
        elif wanted is not None and wanted["type"] not in fake.formats:
            message = f"'loc': ('body', 'response_format', 'type'), 'input': '{wanted['type']}'"
            self._openai_error(fake.format_status, message, None)
        elif "temperature" in body and fake.refuses_temperature is not None:
            self._send(400, "application/json", _json({"error": fake.refuses_temperature}))
        elif body.get("logprobs") and not fake.tells_logprobs and fake.refuses_logprobs:
            self._openai_error(400, "logprobs are not supported by this model", None)
        else:
            request = ChatRequest({**body, "format": wanted}, fake.count_chat())
            reply = fake.reply_to(request)
            if isinstance(reply, Answer):
                self._send_json(200, _completion(reply, body, logprobs=fake.tells_logprobs))
            elif isinstance(reply, Failure):
                self._openai_error(reply.status, reply.error, None, reply.headers)
            else:
                self._reply(reply, body)

    def _openai_error(
        self, status: int, message: str, code: str | None, headers: Mapping[str, str] = _NONE
    ) -> None:
        error = {"message": message, "type": "error", "param": None, "code": code}
        self._send(status, "application/json", _json({"error": error}), headers)

    def _chat(self, raw: bytes) -> None:
        fake = self.server.fake
        body = check_chat(raw, fake.models)
        if isinstance(body, Failure):
            self._reply(body, {})
            return
        body.setdefault("messages" if self.path == "/api/chat" else "prompt", "")
        ignored = {"format"} if fake.parser and body.get("think") is False else set()
        seen = {name: value for name, value in body.items() if name not in ignored}
        request = ChatRequest(seen, fake.count_chat())
        fake.note_loaded(body)
        self._reply(loads_only(body) or check_length(body) or fake.reply_to(request), body)

    def _reply(self, reply: Reply, body: Mapping[str, Any]) -> None:
        if isinstance(reply, Answer):
            self._answer(reply, body)
        elif isinstance(reply, Failure):
            content = json.dumps({"error": reply.error}, separators=(",", ":")).encode()
            self._send(reply.status, reply.content_type, content, reply.headers)
        elif isinstance(reply, Page):
            self._send(reply.status, reply.content_type, reply.body.encode(), reply.headers)
        elif isinstance(reply, Drop):
            self._drop(reply, body)
        elif isinstance(reply, Hang):
            if self._wait(reply.until):
                self._answer(reply.answer, body)
        else:
            self._drip(reply, body)

    def _answer(self, answer: Answer, body: Mapping[str, Any]) -> None:
        if body.get("stream") is False or not (body.get("messages") or body.get("prompt")):
            tells = self.server.fake.tells_logprobs
            message = _message(answer, body, answer.text, last=True, tells_logprobs=tells)
            self._send_json(200, message)
            return
        self.wfile.write(self._head(200, "application/x-ndjson", {"Transfer-Encoding": "chunked"}))
        for line in _stream(answer, body):
            data = _json(line) + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self._write_last(b"0\r\n\r\n")

    def _drop(self, reply: Drop, body: Mapping[str, Any]) -> None:
        self.close_connection = True
        if reply.after is not None:
            content = _json(_message(reply.answer, body, reply.answer.text, last=True))
            self.wfile.write(self._head(200, _JSON, {"Content-Length": str(len(content))}))
            self._write_last(content[: reply.after])

    def _drip(self, reply: Drip, body: Mapping[str, Any]) -> None:
        self.close_connection = True
        content = _json(_message(reply.answer, body, reply.answer.text, last=True))
        sized = {"Content-Length": str(len(content))} if reply.sized else {"Connection": "close"}
        head = self._head(200, _JSON, sized)
        if not reply.head:
            self.wfile.write(head)
        *first, last = (head if reply.head else b"") + content
        for byte in first:
            if not self._wait(threading.Event(), reply.seconds):
                return
            self.wfile.write(bytes([byte]))
        self._write_last(bytes([last]))

    def _wait(self, until: threading.Event, seconds: float = math.inf) -> bool:
        """Wait for ``until`` or so many seconds; false when client or server gave up first."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until.wait(min(0.01, seconds)):
            if self.server.fake.stopping.is_set() or self._client_is_gone():
                self.close_connection = True
                return False
        return True

    def _client_is_gone(self) -> bool:
        # select.select() would refuse a number above 1,023, and a process may have many files open.
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            readable = bool(selector.select(0))
        return readable and not self.connection.recv(1, socket.MSG_PEEK)

    def _send_json(self, status: int, value: object) -> None:
        self._send(status, _JSON, _json(value))

    def _send(
        self, status: int, content_type: str, content: bytes, headers: Mapping[str, str] = _NONE
    ) -> None:
        head = self._head(status, content_type, {**headers, "Content-Length": str(len(content))})
        self._write_last(head if self.command == "HEAD" else head + content)

    def _write_last(self, content: bytes) -> None:
        # Whoever reads the end of this reply may let the next request go at once, so this one
        # must not count as being in flight any more.
        self.server.fake.end(self.seen)
        self.wfile.write(content)

    def _head(self, status: int, content_type: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Date: {self.date_time_string()}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _completion(answer: Answer, body: Mapping[str, Any], *, logprobs: bool) -> dict[str, object]:
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text},
        "finish_reason": answer.done_reason,
    }
    if body.get("logprobs") and logprobs:
        choice["logprobs"] = {"content": first_tokens(answer)}
    if "prompt" in body:
        choice = {"text": answer.text, "index": 0, "finish_reason": answer.done_reason}
    elif answer.thinking:
        choice["message"]["reasoning_content"] = answer.thinking
    read = count_tokens(body) if answer.prompt_tokens is None else answer.prompt_tokens
    counts = {"prompt_tokens": read, "completion_tokens": 2, "total_tokens": read + 2}
    return {
        "id": "cmpl-1" if "prompt" in body else "chatcmpl-1",
        "object": "text_completion" if "prompt" in body else "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "system_fingerprint": "fp_fake",
        "choices": [choice],
        **({"usage": counts} if answer.counts else {}),
    }


def first_tokens(answer: Answer) -> list[dict[str, object]]:
    """The entry of the first token in a list of log-probabilities; none when there is no token."""
    words = answer.text.split()
    candidates = answer.candidates
    if candidates is None:
        candidates = [(words[0], -0.01)] if words else []
    top = [
        {"token": token, "logprob": value, "bytes": list(token.encode("utf-8", "replace"))}
        for token, value in candidates
    ]
    return [{**top[0], "top_logprobs": top}] if top else []


def _message(
    answer: Answer,
    body: Mapping[str, Any],
    text: str,
    *,
    last: bool,
    tells_logprobs: bool = True,
) -> dict[str, object]:
    message: dict[str, Any] = {
        "model": body["model"],
        "created_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **(
            {"response": text}
            if "prompt" in body
            else {"message": {"role": "assistant", "content": text}}
        ),
        "done": last,
    }
    if answer.thinking and "prompt" not in body:
        message["message"]["thinking"] = answer.thinking
    if last:
        message["done_reason"] = answer.done_reason
        if body.get("logprobs") and tells_logprobs and first_tokens(answer):
            message["logprobs"] = first_tokens(answer)
    if last and answer.counts:
        read = count_read(body) if answer.prompt_tokens is None else answer.prompt_tokens
        wrote = len(answer.text.split()) if answer.eval_tokens is None else answer.eval_tokens
        message |= {
            "total_duration": 3_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": read,
            "prompt_eval_duration": 1_000_000,
            "eval_count": wrote,
            "eval_duration": 1_000_000,
        }
    return message


def _stream(answer: Answer, body: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for piece in re.findall(r"\s*\S+|\s+$", answer.text):
        yield _message(answer, body, piece, last=False)
    yield _message(answer, body, "", last=True)
