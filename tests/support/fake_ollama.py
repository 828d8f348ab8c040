"""A fake Ollama: a real HTTP server in a thread that behaves as version 0.24.0 was recorded.

::

    with FakeOllama(always("85")) as server:
        ...  # --llm-judge-url=server.url, judge llama3
    assert len(server.chats) == 110

Who says what is chosen by a replier, a function from :class:`ChatRequest` to a reply. Ready made
are :func:`similarity` (the default), :func:`always`, :func:`by_response`, :class:`Replay` and
:func:`in_turn`; replies are :class:`Answer`, :class:`Failure`, :class:`Page`, :class:`Drop`,
:class:`Hang` and :class:`Drip`, and the constants ``BUSY``, ``CRASH``, ``MIDSTREAM_CRASH`` and
``HTML``. Before the replier is asked the server itself refuses what Ollama refuses: unknown
models, prompts that do not fit, wrong options, foreign hosts.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.support.ollama_http import CHAT_PATHS, Server
from tests.support.ollama_replies import (
    BUSY,
    CRASH,
    HTML,
    MIDSTREAM_CRASH,
    Answer,
    ChatRequest,
    Drip,
    Drop,
    Failure,
    Hang,
    Page,
    Replay,
    Replier,
    Reply,
    Seen,
    always,
    by_response,
    choice,
    in_turn,
    similarity,
)
from tests.support.ollama_rules import MODEL_CONTEXT, context_length, full_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BUSY",
    "CRASH",
    "DIGEST",
    "HTML",
    "MIDSTREAM_CRASH",
    "OPENAI_TEMPERATURE",
    "Answer",
    "ChatRequest",
    "Drip",
    "Drop",
    "Failure",
    "FakeOllama",
    "Hang",
    "Page",
    "Replay",
    "Replier",
    "Reply",
    "Seen",
    "always",
    "by_response",
    "choice",
    "in_turn",
    "similarity",
]

DIGEST = "1ca99c7a9cf48748c742f14231fad53af48f571bb68c620f2a0d2e470843a023"
"""Digest of the one model that is installed when nothing else is said, ``llama3:latest``."""

OPENAI_TEMPERATURE: Mapping[str, object] = {
    "message": "Unsupported value: 'temperature' does not support 0 with this model. Only the "
    "default (1) value is supported.",
    "type": "invalid_request_error",
    "param": "temperature",
    "code": "unsupported_value",
}
"""The error that OpenAI's reasoning models have for a request with temperature 0."""

# Only what never comes is waited for so long: a busy machine has stopped a thread for seconds.
_PATIENCE = 60.0
_DATE = "2026-11-23T03:22:05.331896124Z"


class FakeOllama:
    """The server; a context manager. All attributes may be changed while it runs.

    Args:
        reply: Chooses the replies to requests for a text, of which chat requests are one kind.
        models: Digests by full names such as ``llama3:latest``.
        version: What ``/api/version`` says.
        port: 0 for any that is free; a number to come back at an earlier address.

    Attributes:
        reply: As given.
        models: As given.
        version: As given.
        instead: Replies by path that are given instead of all else, for example a page of
            another server at ``/api/version``.
        max_in_flight: Most such requests that were ever under way at once.
        context: Longest context of every model, as ``/api/show`` tells.
        capabilities: Of every model, as ``/api/show`` tells.
        parameters: The same, lines of a Modelfile.
        template: The same.
        parser: The same; with ``think: false`` it has ``format`` ignored, as recorded of 0.24.0.
        vocabulary: Tokens with their types, which ``/api/show`` lists to who asks for all.
        tells_logprobs: Whether it gives log-probabilities to who asks for them.
        refuses_logprobs: Whether the OpenAI-compatible side says so, if it does not.
        key: What the OpenAI-compatible side wants as a bearer token; empty for none.
        formats: Types of ``response_format`` that side takes.
        format_status: What it says to others; llama-cpp-python has 500 for it.
        owner: Who that side says owns every model.
        refuses_temperature: The error that side has for a request with a temperature, if any.
    """

    def __init__(
        self,
        reply: Replier = similarity,
        *,
        models: Mapping[str, str] | None = None,
        version: str = "0.24.0",
        port: int = 0,
    ) -> None:
        self.reply = reply
        self.models = dict({"llama3:latest": DIGEST} if models is None else models)
        self.version = version
        self.instead: dict[str, Reply] = {}
        self.max_in_flight = 0
        self.context = MODEL_CONTEXT
        self.capabilities = ["completion"]
        self.parameters = ""
        self.template = "{{ .Prompt }}"
        self.parser = ""
        self.vocabulary: dict[str, int] = {}
        self.tells_logprobs = True
        self.refuses_logprobs = False
        self.key = ""
        self.formats: set[str] = {"json_schema", "json_object"}
        self.format_status = 400
        self.owner = "library"
        self.refuses_temperature: Mapping[str, object] | None = None
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._requests: list[Seen] = []
        self._chats = self._in_flight = 0
        self._loaded: dict[str, int] = {}
        self._server = Server(self, port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="fake-ollama", daemon=True
        )

    def __enter__(self) -> FakeOllama:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on, also after it has stopped."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Seen]:
        """All requests so far, in the order in which they arrived."""
        with self._changed:
            return list(self._requests)

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The JSON bodies of the requests for a text so far, those refused included."""
        return [seen.json() for seen in self.requests if seen.path in CHAT_PATHS and seen.body]

    def wait_until_idle(self, timeout: float = _PATIENCE) -> bool:
        """Wait until no chat request is under way; false when one still is after ``timeout`` s."""
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight == 0, timeout)

    def wait_for_chats(self, count: int, timeout: float = _PATIENCE) -> bool:
        """Wait until ``count`` chat requests have arrived; false when they have not in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(seen.path in CHAT_PATHS for seen in self._requests) >= count, timeout
            )

    def wait_until_busy(self, count: int) -> bool:
        """Wait until ``count`` chat requests were once under way; false when they never are."""
        with self._changed:
            return self._changed.wait_for(lambda: self.max_in_flight >= count, _PATIENCE)

    def wait_until_alone(self, timeout: float = _PATIENCE) -> bool:
        """Wait until nobody keeps a connection; false when somebody still does after that time."""
        end = time.monotonic() + timeout
        while self.connections and time.monotonic() < end:
            time.sleep(0.01)
        return not self.connections

    def stop(self) -> None:
        """End it as a killed server ends: whoever waits for a reply gets none."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.wait_until_idle()

    def begin(self, seen: Seen) -> None:
        """Note a request that has arrived."""
        with self._changed:
            self._requests.append(seen)
            self._in_flight += seen.path in CHAT_PATHS
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
            self._changed.notify_all()

    def end(self, seen: Seen) -> None:
        """Note that a request is over; once it is, nothing happens."""
        with self._changed:
            if seen.ended is None:
                seen.ended = time.monotonic()
                self._in_flight -= seen.path in CHAT_PATHS
                self._changed.notify_all()

    def count_chat(self) -> int:
        """Number the next accepted chat request."""
        with self._changed:
            self._chats += 1
            return self._chats

    def reply_to(self, request: ChatRequest) -> Reply:
        """Ask the replier; a mistake in it becomes a reply that a test cannot overlook."""
        try:
            return self.reply(request)
        except Exception as error:  # noqa: BLE001  # it is reported, not hidden
            return Failure(500, f"the test's replier raised {type(error).__name__}: {error}")

    def note_loaded(self, body: Mapping[str, Any]) -> None:
        """Keep what ``/api/ps`` says after an accepted chat request."""
        name = full_name(str(body["model"]))
        if body.get("keep_alive") == 0:
            self._loaded.pop(name, None)
        else:
            self._loaded[name] = context_length(body)

    def loaded(self) -> list[dict[str, object]]:
        """The entries of ``/api/ps``."""
        return [
            {
                **{key: value for key, value in self.tag(name).items() if key != "modified_at"},
                "expires_at": _DATE,
                "size_vram": 0,
                "context_length": context,
            }
            for name, context in self._loaded.items()
        ]

    def tag(self, name: str) -> dict[str, object]:
        """The entry of ``/api/tags`` for a model."""
        return {
            "name": name,
            "model": name,
            "modified_at": _DATE,
            "size": 98363007,
            "digest": self.models.get(name, ""),
            "details": {
                "parent_model": "",
                "format": "gguf",
                "family": "llama",
                "families": ["llama"],
                "parameter_size": "134.52M",
                "quantization_level": "Q4_1",
            },
        }

    def show(self, name: str, *, verbose: bool = False) -> dict[str, object]:
        """The reply of ``/api/show`` in short."""
        tokens = list(self.vocabulary) if verbose else None
        types = list(self.vocabulary.values()) if verbose else None
        return {
            "modelfile": f"FROM {name}\n" + (f"PARSER {self.parser}\n" if self.parser else ""),
            "parameters": self.parameters,
            "template": self.template,
            "details": self.tag(name)["details"],
            "model_info": {
                "general.architecture": "llama",
                "llama.context_length": self.context,
                "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.token_type": types,
            },
            "capabilities": self.capabilities,
            "modified_at": _DATE,
        }
