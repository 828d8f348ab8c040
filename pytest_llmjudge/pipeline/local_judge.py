"""A judge that runs in this process: a model in files, asked as if it were at a server."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import CheckpointError, JudgeError, PromptError
from pytest_llmjudge.generation.reply import Reply, TemplateError, TooLongError
from pytest_llmjudge.judging.choosing import ROOM_FOR_THOUGHTS, thinks
from pytest_llmjudge.pipeline.batching import Batcher
from pytest_llmjudge.pipeline.turns import MEMORY
from pytest_llmjudge.scoring import replies_to
from pytest_llmjudge.servers.chat import (
    CUT,
    SEED,
    ChatReply,
    PromptTooLongError,
    ReplacedError,
)
from pytest_llmjudge.settings import Decoding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pytest_llmjudge.generation.base import LocalModel
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["MOST_TOGETHER", "LocalJudge", "settings_of_judge"]

_BACKEND: Final = "local"
"""What stands for the kind of server in the identity of such a judge."""

MOST_TOGETHER: Final = 32
"""The most questions that are answered together by one process, or by each actor of Ray: two cores
are compute-bound long before."""

_CANDIDATES: Final = 100
"""The likeliest first tokens that are looked at; one beyond them cannot change a score."""
_REPLY_TOKENS: Final = 64
"""Most tokens of a reply where nothing is said of it: a score is short, or no score."""
_LINGER_SECONDS: Final = 0.1
"""How long a turn goes on when nobody asks."""
_LINGER_BESIDE_OTHERS: Final = 1.0
"""The same in a process beside others, which has to load the judge again for its next turn."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, and how; questions with the same manner are answered together."""

    prompt: str
    weigh: bool
    allowed: tuple[str, ...]
    decoding: Decoding
    room: int

    @property
    def manner(self) -> tuple[bool, tuple[str, ...], Decoding, int]:
        return self.weigh, self.allowed, self.decoding, self.room


class LocalJudge:
    """A chat client over a model in this process. Threads may share it.

    What threads ask at the same time is computed together. No prompt sees another one or padding,
    so that its batch changes a probability by rounding alone.

    Args:
        model: The judge; asked by nobody else.
        name: As headers, results and messages show it.
        store: Shared with all processes of the run.
        settings: The run's options.
        is_alone: Whether no other process of the run has models.
        most: Says how many questions are answered together at most.

    Attributes:
        url: As ``name``.
        model: What messages call it behind ``url``, which has the name already.
        weigh_options: What decides weighed answers besides; nothing.
    """

    weigh_options: Mapping[str, object] = {}

    def __init__(
        self,
        model: LocalModel[Any, Any],
        name: str,
        store: Store,
        settings: Settings,
        *,
        is_alone: bool,
        most: Callable[[], int] = lambda: MOST_TOGETHER,
    ) -> None:
        self.url, self.model = name, "the judge"
        self._judge = model
        self._store = store
        self._settings = settings
        self._batcher: Batcher[_Question, ChatReply] = Batcher(
            self._answer,
            self._try_turn,
            most=most,
            linger=_LINGER_SECONDS if is_alone else _LINGER_BESIDE_OTHERS,
        )

    @property
    def control_tokens(self) -> frozenset[str]:
        """The special tokens of the model's tokenizer."""
        return self._judge.special_tokens

    @property
    def engine(self) -> str:
        """Which engine runs the model, and why; empty where only one can.

        Raises:
            CheckpointError: The model is not there, or cannot be used.
        """
        return self._judge.engine

    def identify(self) -> JudgeIdentity:
        """Prove that the model is there with its chat template, and say what decides its answers.

        Raises:
            JudgeError: It is not, or has no chat template.
        """
        path = self._judge.path
        if not os.path.lexists(path):
            hint = "download the model into it, or correct --llm-judge-model"
            raise JudgeError(str(path), "no such folder", hint)
        try:
            self._judge.check()
            digest = self._judge.fingerprint
        except CheckpointError as error:
            raise JudgeError(error.where, error.problem, error.hint) from error
        if not self._judge.chat_template:
            problem = "it has no chat template, which a judge is asked through"
            hint = "name the folder of a model that was finetuned to chat"
            raise JudgeError(str(path), problem, hint)
        options = {"device": self._settings.device, "dtype": self._settings.dtype}
        return JudgeIdentity(self.url, _BACKEND, "", digest, options)

    def look(self, servers: Collection[str], digest: str) -> dict[str, JudgeError]:  # noqa: ARG002  # as in JudgeClient
        """Prove that no other model lies at the path now.

        Raises:
            ReplacedError: There is one.
        """
        try:
            self._judge.check_still_has(digest)
        except CheckpointError as error:
            problem = "the judge was replaced during the run"
            raise ReplacedError(
                error.where, problem, "run again when nobody writes to it"
            ) from error
        return {}

    def installed(self) -> tuple[str, ...]:
        """Name no other model."""
        return ()

    def check_logprobs(self) -> None:
        """Do nothing: every model in this process gives log-probabilities."""

    def chat(
        self,
        prompt: str,
        *,
        schema: Mapping[str, object] | None = None,
        seed: int = SEED,
        temperature: float = 0,
        weigh: bool = False,
        room: int | None = None,
    ) -> ChatReply:
        """Ask one question, as :meth:`~pytest_llmjudge.servers.chat.JudgeClient.chat` says.

        A reply that is held to a schema is one of those that the schema allows, as ``json.dumps``
        writes them, and has no thoughts that would need room.

        Raises:
            PromptTooLongError: The prompt does not fit into the model's context.
            JudgeError: The model cannot be used, or has no numbers for its answer.
        """
        allowed = () if schema is None else replies_to(schema)
        decoding = Decoding(temperature=temperature, seed=seed)
        question = _Question(prompt, weigh, allowed, decoding, room or _REPLY_TOKENS)
        return self._batcher.ask(question)

    def close(self) -> None:
        """Stop, and give the memory back."""
        self._batcher.close()
        self._judge.release()

    @contextmanager
    def _try_turn(self) -> Iterator[bool]:
        with self._store.try_lock(MEMORY) as held:
            try:
                yield held
            finally:
                if held:
                    self._judge.end_turn()

    def _answer(self, batch: Sequence[_Question]) -> Iterator[tuple[int, ChatReply | Exception]]:
        try:
            for manner in dict.fromkeys(question.manner for question in batch):
                numbers = [at for at, one in enumerate(batch) if one.manner == manner]
                prompts = [batch[at].prompt for at in numbers]
                began = time.monotonic()
                # Of questions that are computed together the first has the seconds of them all, so
                # that no reply waits for the others; the mean is the same.
                for place, reply in self._replies(batch[numbers[0]], prompts):
                    yield numbers[place], self._read(reply, time.monotonic() - began)
                    began = time.monotonic()
        except TemplateError as error:
            hint = "correct it, or take another judge"
            raise JudgeError(self.url, error.problem, hint) from error
        except CheckpointError as error:
            raise JudgeError(self.url, error.problem, error.hint) from error

    def _replies(
        self, question: _Question, prompts: Sequence[str]
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Answer prompts that are asked in the manner of one question."""
        if question.weigh:
            yield from self._judge.weighed_replies(prompts, most=_CANDIDATES)
        elif question.allowed:
            decoding = question.decoding
            yield from self._judge.held_replies(prompts, question.allowed, decoding=decoding)
        else:
            yield from self._written(prompts, question.decoding, question.room)

    def _written(
        self, prompts: Sequence[str], decoding: Decoding, room: int
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have replies written; those that begin with thoughts get the room to end them."""
        thinking: dict[int, int] = {}
        for number, reply in self._judge.written_replies(
            prompts, max_new_tokens=room, decoding=decoding
        ):
            if isinstance(reply, Reply) and reply.is_cut and thinks(_chat_reply(reply)):
                thinking[number] = reply.tokens
            else:
                yield number, reply
        numbers = list(thinking)
        again = [prompts[number] for number in numbers]
        room += ROOM_FOR_THOUGHTS
        for place, reply in self._judge.written_replies(
            again, max_new_tokens=room, decoding=decoding
        ):
            number = numbers[place]
            if isinstance(reply, Reply):
                reply = replace(reply, tokens=thinking[number] + reply.tokens)  # noqa: PLW2901  # with what the first try took
            yield number, reply

    def _read(self, reply: Reply | PromptError, seconds: float) -> ChatReply | JudgeError:
        if isinstance(reply, Reply):
            return _chat_reply(reply, seconds)
        kind = PromptTooLongError if isinstance(reply, TooLongError) else JudgeError
        return kind(self.url, reply.problem, reply.hint)


def _chat_reply(reply: Reply, seconds: float | None = None) -> ChatReply:
    reason = CUT if reply.is_cut else "stop"
    return ChatReply(reply.text, reason, reply.candidates, seconds=seconds, tokens=reply.tokens)


def settings_of_judge(settings: Settings) -> Settings:
    """Return the options by which a judge is loaded, without those of a model under test alone."""
    own = {"base": None, "tokenizer": None, **asdict(Decoding())}
    return replace(settings, **own)
