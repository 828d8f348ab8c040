"""What an actor of a cluster holds: a model, and methods that compute the units of a job."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, SettingsError
from pytest_llmjudge.generation.checkpoint_info import base_of, is_adapter
from pytest_llmjudge.generation.cluster.nodes import OPTION
from pytest_llmjudge.generation.devices import import_torch, one_line_memory, usable_device
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.families.lora import read_adapter
from pytest_llmjudge.generation.in_process import InProcessModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Completion, Context, Prompt
    from pytest_llmjudge.errors import PromptError
    from pytest_llmjudge.generation.cluster.work import Place
    from pytest_llmjudge.generation.in_process import PassComputer
    from pytest_llmjudge.generation.reply import Reply
    from pytest_llmjudge.settings import Decoding, Settings

__all__ = ["MakeModelWorker", "ModelWorker"]

_Result = TypeVar("_Result")


class MakeModelWorker:
    """Makes the same model on any node, by plain data.

    Args:
        path: The model's file or folder, as the driver names it.
        settings: By which it is loaded.
        fingerprint: Of the driver's model.
    """

    def __init__(self, path: Path, settings: Settings, fingerprint: str) -> None:
        self._path = path
        self._settings = settings
        self._fingerprint = fingerprint
        if settings.base is None and is_adapter(path):
            # Where its config names it, nothing need be on another machine.
            with suppress(CheckpointError):  # raised where the adapter is described
                self._settings = replace(settings, base=base_of(read_adapter(path)))

    def __call__(self, place: Place) -> ModelWorker:
        """Load the model; in messages it has the driver's path.

        Args:
            place: Where the actor is.

        Raises:
            CheckpointError: It cannot be loaded there, or is another one.
            SettingsError: The device or dtype cannot be used there.
        """
        import_torch()
        import torch

        torch.set_num_threads(place.threads)
        _check_device(place)
        try:
            model = self._load(place)
        except LlmJudgeError as error:
            raise self._as_here(error, place) from None
        model.show_as(self._path)
        return ModelWorker(model)

    def _as_here(self, error: LlmJudgeError, place: Place) -> LlmJudgeError:
        """Return an error that names files as the driver does."""
        files = [self._path, self._settings.base, self._settings.tokenizer]
        texts = list(map(str, error.args))
        for file in filter(None, files):
            texts = [text.replace(str(place.locate(file)), str(file)) for text in texts]
        texts = [text.replace(place.root, "") for text in texts]
        more = tuple(self._as_here(one, place) for one in error.more)
        return type(error)(*texts, more=more, left=error.left)

    def _load(self, place: Place) -> InProcessModel[Any, Any]:
        settings, path = self._settings, place.locate(self._path)
        base, tokenizer = (
            None if file is None else place.locate(file)
            for file in (settings.base, settings.tokenizer)
        )
        settings = replace(settings, base=base, tokenizer=tokenizer, device=place.torch_device)
        model = make_model(path, settings)
        assert isinstance(model, InProcessModel)  # noqa: S101  # a path names no other
        if model.fingerprint != self._fingerprint:
            # Its files were the same when they were compared; transformers' version decides too.
            problem = "it is another model on a node, whose files or transformers differ"
            hint = (
                "install the same version of transformers on all nodes; if a file changed there "
                "meanwhile, run again"
            )
            raise CheckpointError(str(self._path), problem, hint)
        model.load()
        return model


def _check_device(place: Place) -> None:
    """Refuse a node whose torch cannot use the GPUs that it has."""
    import torch

    try:
        usable_device(place.torch_device)
    except SettingsError:
        problem = (
            f"torch {torch.__version__} on node {place.address} cannot use the device "
            f"{place.torch_device!r}"
        )
        hint = "install one that can, or give --llm-judge-device=cpu"
        raise SettingsError(OPTION, problem, hint) from None


class ModelWorker:
    """Computes units of jobs with one model; see :class:`.work.Worker`.

    Args:
        model: Its weights are in this process.
    """

    def __init__(self, model: InProcessModel[Any, Any]) -> None:
        self._model = model
        self._prefix: list[int] = []
        self._behind: PassComputer | None = None

    @property
    def on_tokens(self) -> Callable[[int], None]:
        """Called now and then with the number of tokens that were generated since."""
        return self._model.on_tokens

    @on_tokens.setter
    def on_tokens(self, call: Callable[[int], None]) -> None:
        self._model.on_tokens = call

    def stream_whole(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        decoding: Decoding,
        chat: bool,
        cut: bool,
    ) -> Iterator[tuple[int, Completion]]:
        """Answer prompts; see :meth:`.LocalModel.stream_whole`."""
        for done in self._model.stream_whole(prompts, max_new_tokens, decoding, chat=chat, cut=cut):
            yield done.index, done

    def score(
        self,
        passes: Sequence[tuple[int, Sequence[Context]]],
        *,
        prefixes: Sequence[list[int]],
    ) -> Iterator[tuple[int, list[list[float]] | CheckpointError]]:
        """Score the contexts of passes; see :meth:`.PassComputer.score`.

        Args:
            passes: Each with the number of its prefix.
            prefixes: What passes begin with.

        Yields:
            The number of each pass with its scores, or with why this one cannot be computed.
        """

        def score(prefix: list[int], contexts: Sequence[Context]) -> list[list[float]]:
            return self._behind_prefix(prefix).score(contexts)

        for number, (at, contexts) in enumerate(passes):
            yield number, self._computed(score, prefixes[at], contexts)

    def weigh(
        self,
        passes: Sequence[tuple[int, Sequence[Context]]],
        *,
        prefixes: Sequence[list[int]],
        most: int,
    ) -> Iterator[tuple[int, list[Reply | PromptError] | CheckpointError]]:
        """Read the likeliest first tokens of replies; see :meth:`.LocalModel.weighed_replies`.

        Yields:
            The number of each pass with its replies, or with why this one cannot be computed.
        """

        def weigh(prefix: list[int], contexts: Sequence[Context]) -> list[Reply | PromptError]:
            read = (len(prefix) + len(context.ids) for context in contexts)
            likely = self._behind_prefix(prefix).next_logprobs(contexts)
            return [
                self._model.weigh(one, most, size) for one, size in zip(likely, read, strict=True)
            ]

        for number, (at, contexts) in enumerate(passes):
            yield number, self._computed(weigh, prefixes[at], contexts)

    def written_replies(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have replies written; see :meth:`.LocalModel.written_replies`."""
        return self._model.written_replies(
            prompts, max_new_tokens=max_new_tokens, decoding=decoding
        )

    def held_replies(
        self, prompts: Sequence[Prompt], *, allowed: Sequence[str], decoding: Decoding
    ) -> Iterator[tuple[int, Reply | PromptError]]:
        """Have replies chosen; see :meth:`.LocalModel.held_replies`."""
        return self._model.held_replies(prompts, allowed, decoding=decoding)

    def _computed(
        self,
        compute: Callable[[list[int], Sequence[Context]], list[_Result]],
        prefix: list[int],
        contexts: Sequence[Context],
    ) -> list[_Result] | CheckpointError:
        """Return the results of a pass, or why it has none; others may need less memory."""
        try:
            with one_line_memory(self._model.path):
                return compute(prefix, contexts)
        except CheckpointError as error:
            # Without the frames of this one, which hold what it has computed.
            return CheckpointError(error.where, error.problem, error.hint)

    def _behind_prefix(self, prefix: list[int]) -> PassComputer:
        """Return what computes behind a prefix; its keys and values stay for the next pass."""
        if self._behind is None or self._prefix != prefix:
            # Let go of first: two prefixes may not fit.
            self._behind = None
            self._behind, self._prefix = self._model.behind(prefix), prefix
        return self._behind
