"""The model under test: a light handle that loads torch and the weights when text is asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import CheckpointError, PromptError
from pytest_llmjudge.generation.base import LocalModel, check_known, text_before
from pytest_llmjudge.generation.checkpoint_info import CheckpointInfo, describe
from pytest_llmjudge.generation.devices import (
    import_torch,
    one_line_memory,
    usable_device,
    usable_dtype,
)
from pytest_llmjudge.generation.files.contents import ContentChangedError
from pytest_llmjudge.settings import CHAT, Decoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from pytest_llmjudge.data import Context, Prompt
    from pytest_llmjudge.generation.families.decoder import Decoder
    from pytest_llmjudge.generation.tokenizers.base import Tokenizer

__all__ = ["TorchModel"]


_GELU_ASSUMED = "GELU assumed to be GPT-2's, which its config may say"


class _Loaded(NamedTuple):
    model: Decoder
    tokenizer: Tokenizer


class TorchModel(LocalModel[CheckpointInfo, _Loaded]):
    """A checkpoint that answers prompts.

    Decoding is greedy by default: each new token is the likeliest one, so that the same checkpoint
    gives the same text. A text ends before the end token or a stop text, after ``max_new_tokens``,
    or when prompt and text together fill the model's context. (The lecture's code then drops the
    beginning of the prompt and goes on; here a text never answers a prompt that the model cannot
    see any more.)

    Making one, and reading ``info`` and ``fingerprint``, does not import torch.

    Args:
        path: A state dict of the lecture's ``GPTModel``.
        batch_size: Texts to run at a time; ``None`` for as many as memory allows. It does not
            change any text, and is halved where memory does not suffice after all.
        device: Of torch; ``auto`` is CUDA where there is a device, else MPS, else the CPU.
        dtype: ``float32``, ``bfloat16`` or ``float16``; ``auto`` is float32 everywhere, so that
            texts do not depend on the machine.
        base: The model that a LoRA adapter is added to, whatever model its config names.
        tokenizer: A tokenizer's file, or a folder that holds one, whatever lies beside the
            checkpoint.
        decoding: How tokens are chosen.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        batch_size: int | None = None,
        device: str = "auto",
        dtype: str = "auto",
        base: Path | None = None,
        tokenizer: Path | None = None,
        decoding: Decoding = Decoding(),  # noqa: B008  # frozen
    ) -> None:
        self._decoding = decoding
        self.path = Path(path)
        self._base = base
        self._chosen = tokenizer
        self._batch_size = batch_size
        self._device = device
        self._dtype = dtype

    def check(self) -> None:
        """Prove that checkpoint and tokenizer are there; GPT-2's tokenizer may be downloaded.

        Raises:
            CheckpointError: One of them is not, or the tokenizer is another model's.
        """
        self._control_names  # noqa: B018  # the tokenizer is loaded to read them

    @property
    def special_tokens(self) -> frozenset[str]:
        """The control tokens of its tokenizer; GPT-2's has none.

        Raises:
            CheckpointError: The tokenizer cannot be had.
        """
        # Every process asks that makes prompts, and few of them need a tokenizer.
        return self._control_names if self.may_begin_texts else frozenset()

    @property
    def may_begin_texts(self) -> bool:
        """Whether its tokenizer may put tokens in front of a text; GPT-2's does not."""
        files = self.info.tokenizer
        return files is None or files.has_controls

    @property
    def most_context(self) -> int | None:
        """The most tokens that it can see, where its sizes are known without loading it."""
        config = self.info.config
        return None if config is None else config.context_length

    @property
    def begin(self) -> list[int]:
        """The tokens that its tokenizer puts in front of a text.

        Raises:
            CheckpointError: It cannot be used.
        """
        return self._loaded.tokenizer.begin

    @cached_property
    def _control_names(self) -> frozenset[str]:
        """Names of the tokenizer's control tokens."""
        from pytest_llmjudge.generation.tokenizers.load import load_tokenizer

        info = self.info
        # An archive that only torch can read tells its vocabulary when it is loaded.
        if info.config is None:
            return frozenset()
        try:
            tokenizer = load_tokenizer(info.path, info.tokenizer, info.config.vocab_size)
        except ContentChangedError:
            raise self._changed() from None
        return tokenizer.special_tokens

    @property
    def engine(self) -> str:
        """Which GELU is assumed where nothing says it; only one engine can run it.

        Raises:
            CheckpointError: It cannot be used.
        """
        return _GELU_ASSUMED if self.info.is_gelu_assumed else ""

    @property
    def context_length(self) -> int:
        """How many tokens it can see.

        Raises:
            CheckpointError: It cannot be used.
        """
        return self._loaded.model.context_length

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; control tokens such as ``<|endoftext|>`` in it are words.

        Raises:
            CheckpointError: The tokenizer cannot be had.
        """
        return self._loaded.tokenizer.encode(text)

    def encode_pair(
        self, prompt: Prompt, reference: str, *, chat: bool = False, end: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of the reference that follows it, encoded as one text.

        Args:
            prompt: The text to continue.
            reference: Its continuation; a token with bytes of both belongs to it.
            chat: Whether the prompt is a message for a chat template, which no checkpoint has.
            end: Whether the end token belongs to the reference.

        Raises:
            CheckpointError: The tokenizer cannot be had, or there is no chat template.
        """
        text, (model, tokenizer) = self._text(prompt, chat=chat), self._loaded
        before, after = tokenizer.encode_pair(text, reference)
        check_known(self.path, [*before, *after], model.vocab_size)
        return before, [*after, tokenizer.end_behind(text)] if end else after

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield for each context, in order, the summed log-probability of each of its branches.

        What all contexts begin with is computed once.

        Raises:
            CheckpointError: It cannot be used, or the memory is not enough.
        """
        from pytest_llmjudge.generation.engine.loglikelihood import score_contexts

        model = self._loaded.model
        with one_line_memory(self.path):
            yield from score_contexts(model, contexts)

    def next_logprobs(self, rows: Sequence[list[int]]) -> Iterator[tuple[int, Tensor]]:
        """Yield what may follow each row of tokens; what all rows begin with is computed once.

        Raises:
            CheckpointError: It cannot be used, or the memory is not enough.
        """
        from pytest_llmjudge.generation.engine.loglikelihood import next_logprobs

        model = self._loaded.model
        with one_line_memory(self.path):
            yield from next_logprobs(model, rows)

    def token_text(self, token: int) -> str:
        """Return the text of one token."""
        return self._loaded.tokenizer.decode([token])

    def _encode(
        self, where: str, prompt: Prompt, *, chat: bool, cut: bool = False
    ) -> list[int] | PromptError:
        text = self._text(prompt, chat=chat)
        model, tokenizer = self._loaded
        context = model.context_length
        # Not encoded if it cannot fit: a megabyte of text takes long, only to be refused.
        if not cut and (least := tokenizer.at_least(text)) > context:
            length = f"at least {least}"
        elif len(ids := tokenizer.encode_prompt(text)) >= context and not cut:
            length = str(len(ids))
        elif text and ids:
            check_known(self.path, ids, model.vocab_size)
            return ids
        else:
            return PromptError(where, "the prompt is empty", "give the record an instruction")
        problem = f"the prompt has {length} tokens and the context {context}, answer included"
        return PromptError(where, problem, "shorten the record's instruction and input")

    def _text(self, prompt: Prompt, *, chat: bool) -> str:
        """Return a prompt that is a text.

        Raises:
            CheckpointError: It is messages for a chat template, which no checkpoint has.
        """
        if chat or not isinstance(prompt, str):
            problem, hint = "it has no chat template", f"choose another prompt than {CHAT!r}"
            raise CheckpointError(str(self.path), problem, hint)
        return prompt

    def _decode(
        self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
    ) -> Iterator[Completion]:
        from pytest_llmjudge.generation.engine.answering import Answerer

        model, tokenizer = self._loaded
        answerer = Answerer(
            str(self.path),
            model,
            tokenizer.ends | tokenizer.named(decoding.stop),
            tokenizer.ends_with,
            decoding,
            self._batch_size,
            tokenizer.size,
            self.on_tokens,
        )
        for number, ids in answerer.answer(prompts, max_new_tokens):
            if ids is None:
                yield self._broken(number)
                continue
            text = text_before(decoding.stop, tokenizer.decode(ids))
            yield Completion(number, text, tokens=len(ids))

    def _describe(self) -> CheckpointInfo:
        return describe(self.path, self._base, self._chosen)

    def _load(self, info: CheckpointInfo) -> _Loaded:
        import_torch()
        from pytest_llmjudge.generation.engine.loading import load
        from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
        from pytest_llmjudge.generation.tokenizers.files import find_tokenizer
        from pytest_llmjudge.generation.tokenizers.load import load_tokenizer

        device, dtype = usable_device(self._device), usable_dtype(self._dtype)
        model = load(self.path, device, dtype, base=self._base, info=info)
        vocab_size = model.vocab_size
        files = info.tokenizer
        if info.config is None:
            # An archive that only torch can read tells its vocabulary only now.
            files = find_tokenizer(info.path, vocab_size, chosen=self._chosen)
        stamps = {file: content.stamp for file, content in info.contents.items()}
        tokenizer = load_tokenizer(info.path, files, vocab_size, stamps)
        if packable(model):
            pack(model)
        return _Loaded(model, tokenizer)
