"""What every kind of model under test offers, before and after it is loaded."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pytest_llmjudge.errors import CheckpointError, PromptError
from pytest_llmjudge.generation.devices import one_line_memory
from pytest_llmjudge.generation.files.contents import ContentChangedError
from pytest_llmjudge.generation.nonfinite import no_numbers
from pytest_llmjudge.generation.thoughts import without_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Completion, Context, Prompt
    from pytest_llmjudge.generation.files.contents import Content
    from pytest_llmjudge.generation.reply import Reply
    from pytest_llmjudge.settings import Decoding

__all__ = [
    "LocalInfo",
    "LocalModel",
    "Model",
    "ModelInfo",
    "Room",
    "check_known",
    "check_tokens",
    "text_before",
]

_LOADS = 3
_WHEN_DONE = "run again when the training is done"


class ModelInfo(Protocol):
    """What is known of a model without loading it."""

    @property
    def path(self) -> Path | str:
        """Its file or folder, or the name by which a server knows it."""

    @property
    def fingerprint(self) -> str:
        """Changes when the model's answers may.

        Raises:
            CheckpointError: It cannot be read any more.
        """

    @property
    def parameters(self) -> int | None:
        """Number of weights, tied ones counted once; ``None`` when unknown."""


class LocalInfo(ModelInfo, Protocol):
    """What is known of a model that lies in files, without loading it."""

    @property
    def contents(self) -> Mapping[Path, Content]:
        """What all files hold that decide what the model writes.

        Raises:
            CheckpointError: One cannot be read any more.
        """


Info = TypeVar("Info", bound=LocalInfo)
Loaded = TypeVar("Loaded")
Read = TypeVar("Read")


def _ignore(_: int) -> None:
    """Show no progress."""


class Model(ABC):
    """A model under test of this package's own, as opposed to one that a user's fixture makes.

    Attributes:
        is_served: Whether a server answers for it, with its own devices and number formats.
        on_tokens: Called now and then with the number of tokens that were generated since the last
            call, by models that run in this process; set by whoever shows progress.
    """

    is_served: ClassVar[bool] = False
    on_tokens: Callable[[int], None] = staticmethod(_ignore)

    @property
    def chat_template(self) -> str:
        """The chat template that it brings, as far as that is known without loading it."""
        return ""

    @property
    def has_place_for_system(self) -> bool:
        """Whether its chat template has a place for a system text, as far as that is known."""
        return True

    @property
    def special_tokens(self) -> frozenset[str]:
        """The special tokens whose names are ordinary words where they stand in a text prompt."""
        return frozenset()

    @property
    def engine(self) -> str:
        """Which engine runs it and why, where several may, or what is assumed of it; else empty."""
        return ""

    @property
    def may_begin_texts(self) -> bool:
        """Whether its tokenizer may put tokens in front of a text, as far as is known."""
        return False

    @property
    def most_context(self) -> int | None:
        """The most tokens that it can see, as far as that is known without loading it."""
        return None

    @property
    def begin(self) -> list[int]:
        """The tokens that its tokenizer puts in front of a text.

        Raises:
            CheckpointError: It cannot be used.
        """
        return []

    @property
    @abstractmethod
    def info(self) -> ModelInfo:
        """What is known without loading it; reading it proves that the model is there.

        Raises:
            CheckpointError: It is not, or cannot be used.
        """

    @property
    def fingerprint(self) -> str:
        """Changes when the model's answers may.

        Raises:
            CheckpointError: The model is not there, or cannot be used.
        """
        return self.info.fingerprint

    def check(self) -> None:
        """Prove before any work that the model is there, with all that is needed to load it.

        Raises:
            CheckpointError: It is not, or cannot be used.
        """
        self.info  # noqa: B018  # reading it is the check

    @abstractmethod
    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Answer all prompts, in their order.

        Raises:
            CheckpointError: The model cannot be used.
            PromptError: A prompt cannot be answered.
        """

    @abstractmethod
    def stream(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        chat: bool = False,
        decoding: Decoding | None = None,
        cut: bool = False,
    ) -> Iterator[Completion]:
        """Answer all prompts; each answer comes as soon as it is finished, whatever the order.

        A prompt that cannot be answered comes back as a completion with an error.

        Args:
            prompts: Texts to go on from, or messages of a user, or whole conversations.
            max_new_tokens: The most tokens an answer may have.
            chat: Whether the prompts are messages, to which the model's own chat template applies.
            decoding: How tokens are chosen, and which texts end an answer; ``None`` for the model's
                own.
            cut: Whether a prompt that leaves no room for ``max_new_tokens`` loses its beginning. A
                server's prompts are never cut.

        Raises:
            CheckpointError: The model cannot be used, or has no chat template.
        """

    @abstractmethod
    def release(self) -> None:
        """Give back the memory or the connections that it takes; it may still be asked."""


class Room(Protocol):
    """The memory that models share, where it need not hold all of them at once."""

    def enter(self, model: LocalModel[Any, Any]) -> None:
        """Make room for a model, which is about to be loaded."""

    def leave(self) -> None:
        """Take note that a model has done its work for now."""


class LocalModel(Model, Generic[Info, Loaded]):
    """A model that lies in files, and whose prompts so become tokens here.

    Attributes:
        path: Its file or folder.
        room: The memory that it shares with others; ``None`` where it need not care for them.
        decoding: How tokens are chosen where a call does not say.
        dtype: In which numbers it runs, as ``--llm-judge-dtype``.
        most_groups: How many groups :meth:`score_groups` is asked at most.
    """

    most_groups = 1
    path: Path
    room: Room | None = None
    decoding: Decoding
    dtype: str

    @property
    @abstractmethod
    def context_length(self) -> int:
        """How many tokens it can see.

        Raises:
            CheckpointError: It cannot be used.
        """

    @cached_property
    def info(self) -> Info:
        """What is known without loading it.

        Raises:
            CheckpointError: It cannot be used.
        """
        return self.describe()

    def check_still_has(self, fingerprint: str) -> None:
        """Prove that no other model lies at the path now; files that stayed are not read again.

        What is not there any more is no other model: it may have been there for this run alone.

        Raises:
            CheckpointError: What lies there has another fingerprint, or none.
        """
        if not os.path.lexists(self.path):
            return
        try:
            is_same = self.describe().fingerprint == fingerprint
        except CheckpointError:
            is_same = False
        if not is_same:
            raise self._changed()

    @cached_property
    def _loaded(self) -> Loaded:
        """The model, made of the very bytes that have the fingerprint.

        Raises:
            CheckpointError: It cannot be loaded, the memory is not enough, or it is another one
                now.
        """
        if self.room is not None:
            self.room.enter(self)
        return self.read_same(self._load)

    def read_same(self, read: Callable[[Info], Read]) -> Read:
        """Read files of the model, the very bytes that have the fingerprint.

        Args:
            read: Reads what a description is of; it is called again where a file was touched.

        Raises:
            CheckpointError: They cannot be read, the memory is not enough, or it is another model
                now.
        """
        for _ in range(_LOADS):
            info = self.describe()
            if info.fingerprint != self.fingerprint:
                # Its texts would be kept under the fingerprint of what was there before.
                raise self._changed()
            with suppress(ContentChangedError), one_line_memory(self.path):
                made = read(info)
                # The sizes and names must be those of the bytes that were read.
                if self.describe() == info:
                    return made
        problem = "it is written to while it is loaded"
        raise CheckpointError(str(self.path), problem, _WHEN_DONE)

    def _changed(self) -> CheckpointError:
        return CheckpointError(str(self.path), "it changed since the run began", _WHEN_DONE)

    @abstractmethod
    def describe(self) -> Info:
        """Describe what lies at the path now."""

    @abstractmethod
    def _load(self, info: Info) -> Loaded:
        """Load what a description is of.

        Raises:
            ContentChangedError: A file may hold something else than its digest is of.
        """

    def release(self) -> None:
        """Give back the memory that it takes; it is loaded again when it is asked again."""
        vars(self).pop("_loaded", None)

    @property
    def is_loaded(self) -> bool:
        """Whether it takes memory now."""
        return "_loaded" in vars(self)

    def end_turn(self) -> None:
        """Take note that it has done its work for now, and others may need the memory."""
        if self.room is not None:
            self.room.leave()

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Answer all prompts, in their order.

        Raises:
            CheckpointError: The model or its tokenizer cannot be used.
            PromptError: A prompt leaves no room in the model's context, or the model has no
                numbers for its answer.
            SettingsError: The device or dtype cannot be used.
        """
        for index, prompt in enumerate(prompts):
            ids = self.encode_prompt(f"prompts[{index}]", prompt, chat=False)
            if isinstance(ids, PromptError):
                raise ids
        texts = [""] * len(prompts)
        for completion in self.stream_whole(prompts, max_new_tokens, self.decoding):
            if completion.text is None:
                where = f"prompts[{completion.index}]"
                raise no_numbers(where, self.dtype)
            texts[completion.index] = completion.text
        return texts

    def stream(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        chat: bool = False,
        decoding: Decoding | None = None,
        cut: bool = False,
    ) -> Iterator[Completion]:
        """Answer all prompts; each answer comes as soon as it is finished, whatever the order.

        A prompt that leaves no room in the model's context comes back as a completion with an
        error, before the others. So does one whose answer has NaN or infinite logits, and one on
        which the model only thinks. Thoughts before an answer are kept apart from it.

        Raises:
            CheckpointError: The model or its tokenizer cannot be used, the memory is not enough for
                one text, or messages are to be answered without a chat template.
            SettingsError: The device or dtype cannot be used.
        """
        decoding = decoding or self.decoding
        for done in self.stream_whole(prompts, max_new_tokens, decoding, chat=chat, cut=cut):
            opened = self.opens_thoughts(prompts[done.index], chat=chat)
            yield without_thoughts(done, str(self.path), opened=opened)

    @abstractmethod
    def stream_whole(
        self,
        prompts: Sequence[Prompt],
        max_new_tokens: int,
        decoding: Decoding,
        *,
        chat: bool = False,
        cut: bool = False,
    ) -> Iterator[Completion]:
        """Answer all prompts with what the model writes, thoughts included; see :meth:`stream`."""

    @abstractmethod
    def opens_thoughts(self, prompt: Prompt, *, chat: bool) -> bool | None:
        """Say whether what the model reads ends within thoughts; ``None`` where nobody knows."""

    @abstractmethod
    def encode_prompt(
        self, where: str, prompt: Prompt, *, chat: bool, cut: bool = False
    ) -> list[int] | PromptError:
        """Return a prompt's tokens, or why it cannot be answered.

        Args:
            where: Place for messages.
            prompt: A text, a message or a conversation.
            chat: Whether the model's own chat template applies to it.
            cut: Whether it may be longer than the context.

        Raises:
            CheckpointError: The tokenizer cannot be used, or there is no chat template.
        """

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones; no weights are loaded for it.

        Raises:
            CheckpointError: The tokenizer cannot be had.
        """

    @abstractmethod
    def encode_pair(
        self, prompt: Prompt, reference: str, *, chat: bool = False, end: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of what follows it, encoded as one text.

        Args:
            prompt: The text to continue, or a user's message, or a whole conversation.
            reference: Its continuation; a token with characters of both belongs to it.
            chat: Whether the prompt is messages, to which the model's own chat template applies.
            end: Whether the end token belongs to the reference: the one with which the chat
                template closes a message, else the tokenizer's.

        Raises:
            CheckpointError: The tokenizer cannot be had or tells no offsets or no end token, or
                there is no chat template.
        """

    @abstractmethod
    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context, in order, the summed log-probability of each of its branches.

        Raises:
            CheckpointError: The model cannot be used, or the memory is not enough.
        """

    def score_groups(
        self, groups: Sequence[Sequence[Context]]
    ) -> Iterator[tuple[int, list[float] | PromptError]]:
        """Score groups of contexts, each of which :meth:`score` would be asked by itself.

        Yields:
            The number of each context, counted over all groups, with the summed log-probability of
            each of its branches, or with the error of one that cannot be scored; in any order.

        Raises:
            CheckpointError: The model cannot be used, or the memory is not enough.
        """
        yield from enumerate(chain.from_iterable(map(self.score, groups)))

    @abstractmethod
    def weighed_replies(
        self, prompts: Sequence[Prompt], *, most: int
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Read the log-probabilities of the first token: one pass a prompt, nothing is decoded.

        This and the two that follow are how a judge is asked. They yield the number of each
        prompt, in any order, with its reply, or with the error of a prompt that leaves no room in
        the model's context or for whose answer the model has no numbers.

        Args:
            prompts: Messages of a user, or whole conversations; the chat template frames them.
            most: How many candidates are given; the likeliest is the reply.

        Raises:
            CheckpointError: The model cannot be used.
            SettingsError: The device or dtype cannot be used.
        """

    @abstractmethod
    def written_replies(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have replies written.

        Args:
            prompts: As :meth:`weighed_replies` takes them.
            max_new_tokens: The most tokens a reply may have.
            decoding: How tokens are chosen.
        """

    @abstractmethod
    def held_replies(
        self, prompts: Sequence[Prompt], allowed: Sequence[str], *, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have each prompt replied to with one of some texts, token by token.

        Of the tokens with which any of the texts goes on, the likeliest is taken, or one is drawn,
        as by a server that holds a reply to a grammar. What follows a token without a choice is not
        computed.

        Args:
            prompts: As :meth:`weighed_replies` takes them.
            allowed: Two texts or more that begin alike, none of which another begins with.
            decoding: How tokens are chosen; ``top_k``, ``top_p`` and ``stop`` play no part.
        """


def check_known(path: Path, ids: Sequence[int], known: int) -> None:
    """Refuse tokens that a model has no embeddings of.

    Args:
        path: Of the model, for messages.
        ids: The tokens.
        known: How many it has.

    Raises:
        CheckpointError: There is one.
    """
    if max(ids, default=0) >= known:
        problem = f"the model knows {known} tokens and its tokenizer has the number {max(ids)}"
        hint = "save the model and the tokenizer that it was trained with together"
        raise CheckpointError(str(path), problem, hint)


def check_tokens(max_new_tokens: int) -> None:
    """Refuse a length that no answer can have.

    Raises:
        ValueError: It is below 1.
    """
    if max_new_tokens < 1:
        message = f"max_new_tokens is {max_new_tokens}; it must be at least 1"
        raise ValueError(message)


def text_before(stops: Sequence[str], text: str) -> str:
    """Cut a text before the first of some texts that is in it."""
    return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]
