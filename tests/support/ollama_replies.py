"""What a fake Ollama hears and says: requests, answers, faults, and who chooses among them."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import threading
    from pathlib import Path

__all__ = [
    "BUSY",
    "CRASH",
    "HTML",
    "MIDSTREAM_CRASH",
    "Answer",
    "ChatRequest",
    "Drip",
    "Drop",
    "Failure",
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


@dataclass
class Seen:
    """A request as it arrived.

    Attributes:
        method: ``GET``, ``HEAD`` or ``POST``.
        path: With its leading slash.
        headers: As they were sent.
        body: The raw body.
        started: ``time.monotonic()`` when it had been read.
        ended: The same when the last byte of its reply was about to be sent, or when it was
            given up; ``None`` until then.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def json(self) -> Any:  # noqa: ANN401  # whatever was sent
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class ChatRequest:
    """A request for a text that the server accepted.

    Attributes:
        body: The JSON body as it was sent.
        number: 1 for the server's first such request.
    """

    body: Mapping[str, Any]
    number: int

    @property
    def prompt(self) -> str:
        """The last message, or the text to go on from."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        messages = self.body["messages"]
        return str(messages[-1]["content"]) if messages else ""

    @property
    def asks_for_json(self) -> bool:
        """Whether the reply is to follow a schema: the judge is asked again."""
        return bool(self.body.get("format"))

    @property
    def weighs(self) -> bool:
        """Whether it asks for log-probabilities."""
        return bool(self.body.get("logprobs"))

    @property
    def reference(self) -> str:
        """The reference answer in a judge's prompt; empty in any other prompt."""
        return self._between(
            " and correct output `", "`, score the model response `"
        ) or self._between(
            "\n\nReference answer:\n",
            self._heading if self.answers is None else "\n\nAnswer A:\n",
        )

    @property
    def response(self) -> str:
        """The model response in a judge's prompt; empty in any other prompt."""
        asks = "Does the student's answer mean the same"
        if self._heading == _RESPONSE:
            asks = "Score the response by the criteria below"
        elif self._quotes_lines:
            asks = "Would a strict teacher give the student's answer full marks"
        return self._between(
            "`, score the model response `", "` on a scale from 0 to 100, where"
        ) or self._between(self._heading, f"\n\n{asks}")

    @property
    def criteria(self) -> str:
        """What a response is judged by; empty in a question without criteria."""
        _, found, criteria = self.prompt.rpartition("\n\nCriteria:\n")
        return criteria if found else ""

    @property
    def _heading(self) -> str:
        is_scored = self.prompt.startswith("You are judging a response.")
        return _RESPONSE if is_scored else "\n\nStudent's answer:\n"

    @property
    def answers(self) -> tuple[str, str] | None:
        """The answers, first and second, in a question which is better; ``None`` in any other."""
        begin, middle, end = "\n\nAnswer A:\n", "\n\nAnswer B:\n", "\n\nWhich answer is better"
        if not self.prompt.startswith("You are comparing two answers"):
            return None
        return self._between(begin, middle), self._between(middle, end)

    @property
    def _quotes_lines(self) -> bool:
        return "Lines that begin with > are quoted text" in self.prompt

    def _between(self, before: str, after: str) -> str:
        head, separator, _ = self.prompt.rpartition(after)
        text = head.rpartition(before)[2] if separator and before in head else ""
        if not self._quotes_lines:
            return text
        return "\n".join(line.removeprefix("> ") for line in text.split("\n"))


_RESPONSE = "\n\nResponse:\n"


@dataclass(frozen=True)
class Answer:
    """A reply with status 200.

    Attributes:
        text: The message's content.
        done_reason: ``stop``, ``length``, ``load`` or ``unload``.
        prompt_tokens: The ``prompt_eval_count``; the server's own estimate when ``None``.
        eval_tokens: The ``eval_count``; the number of words when ``None``.
        counts: Whether the counts are sent at all.
        candidates: Candidates for the first token with their log-probabilities, sent to who asks
            for them; by default the first word alone. Empty when the model ends at once.
        thinking: What the model thought, sent beside the content where there is any.
    """

    text: str
    done_reason: str = "stop"
    prompt_tokens: int | None = None
    eval_tokens: int | None = None
    counts: bool = True
    candidates: Sequence[tuple[str, float]] | None = None
    thinking: str = ""


@dataclass(frozen=True)
class Failure:
    """A reply ``{"error": error}`` with another status."""

    status: int
    error: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Page:
    """Any reply at all, for example that of another server; without type when that is empty."""

    status: int
    content_type: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """The connection ends: before the reply, or after so many bytes of the answer's body."""

    after: int | None = None
    answer: Answer = Answer("85")


@dataclass(frozen=True)
class Hang:
    """Nothing is sent until ``until`` is set or the server stops; then the answer."""

    until: threading.Event
    answer: Answer = Answer("85")


@dataclass(frozen=True)
class Drip:
    """The answer comes byte by byte.

    Attributes:
        seconds: Between two bytes.
        head: Whether the status line and headers drip as well.
        sized: Whether ``Content-Length`` is sent; else the body ends with the connection.
    """

    seconds: float
    head: bool = False
    sized: bool = True
    answer: Answer = Answer("85")


Reply: TypeAlias = Answer | Failure | Page | Drop | Hang | Drip
Replier: TypeAlias = Callable[[ChatRequest], Reply]

BUSY = Failure(503, "server busy, please try again.  maximum pending requests exceeded")
CRASH = Failure(500, "an error was encountered while running the model: unexpected EOF")
HTML = Page(200, "text/html", "<html><head><title>It works!</title></head></html>")
MIDSTREAM_CRASH = Page(
    200,
    "application/x-ndjson",
    '{"model":"llama3","message":{"role":"assistant","content":"8"},"done":false}\n'
    + json.dumps({"error": CRASH.error})
    + "\n",
)


def always(text: str, *, again: str | None = None) -> Replier:
    """Answer ``text`` to everything, and ``again`` to requests for JSON if it is given."""

    def reply(request: ChatRequest) -> Reply:
        return Answer(again if again is not None and request.asks_for_json else text)

    return reply


def by_response(scores: Mapping[str, int | str], *, default: int | str = 50) -> Replier:
    """Answer by the model response that the lecture's prompt asks about.

    An integer is also given as JSON when that is asked for; a string is given as it is.
    """

    def reply(request: ChatRequest) -> Reply:
        score = scores.get(request.response, default)
        as_json = request.asks_for_json and isinstance(score, int)
        return Answer(json.dumps({"score": score}) if as_json else str(score))

    return reply


def similarity(request: ChatRequest) -> Reply:
    """Answer how alike response and reference are, 0 to 100: a judge with sane opinions.

    Of two answers it prefers the one that is more alike.
    """
    if request.answers is not None:
        first, second = (_alike(request.reference, answer) for answer in request.answers)
        return Answer(choice("tie" if first == second else "A" if first > second else "B"))
    alike = _alike(request.reference, request.response)
    if request.weighs:
        yes = min(max(alike, 0.001), 0.999)
        answer = "Yes" if yes > 0.5 else "No"
        return Answer(answer, candidates=(("Yes", math.log(yes)), ("No", math.log(1 - yes))))
    return by_response({}, default=round(100 * alike))(request)


def _alike(reference: str, response: str) -> float:
    return SequenceMatcher(None, reference, response, autojunk=False).ratio()


def choice(winner: str) -> str:
    """Write a choice between two answers as a judge does."""
    return json.dumps({"winner": winner})


def in_turn(*replies: Reply, then: Replier = similarity) -> Replier:
    """Give each of ``replies`` once, in the order in which requests come; then ask ``then``."""
    waiting = deque(replies)

    def reply(request: ChatRequest) -> Reply:
        try:
            return waiting.popleft()
        except IndexError:
            return then(request)

    return reply


class Replay:
    """Answers with recorded replies, found by the exact prompt; anything else is an error 500.

    Args:
        path: JSON Lines with ``request`` and ``response``, as Ollama's bodies.
        then: Answers what was not recorded instead.

    Attributes:
        unrecorded: How many prompts were not recorded.
    """

    def __init__(self, path: Path, then: Replier | None = None) -> None:
        self.unrecorded = 0
        self._then = then
        self._replies: dict[str, Answer] = {}
        for line in path.read_bytes().splitlines():
            recorded = json.loads(line)
            said = recorded["response"]
            self._replies[recorded["request"]["messages"][-1]["content"]] = Answer(
                said["message"]["content"],
                said["done_reason"],
                said["prompt_eval_count"],
                said["eval_count"],
                candidates=[
                    (entry["token"], entry["logprob"])
                    for entry in said.get("logprobs", [{}])[0].get("top_logprobs", [])
                ],
            )

    def __call__(self, request: ChatRequest) -> Reply:
        answer = None if request.asks_for_json else self._replies.get(request.prompt)
        if answer is not None:
            return answer
        self.unrecorded += 1
        if self._then is not None:
            return self._then(request)
        return Failure(500, f"there is no recording of this: {request.prompt[:80]}")
