"""The model under test: a light handle that loads torch and the weights when text is asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.data import Completion, Context
from pytest_llmjudge.errors import CheckpointError, PromptError
from pytest_llmjudge.generation.base import check_known, text_before
from pytest_llmjudge.generation.checkpoint_info import CheckpointInfo, describe
from pytest_llmjudge.generation.devices import (
    import_torch,
    one_line_memory,
    usable_device,
    usable_dtype,
)
from pytest_llmjudge.generation.in_process import InProcessModel
from pytest_llmjudge.generation.passes import plan_trees
from pytest_llmjudge.settings import CHAT, Decoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.generation.families.decoder import Decoder
    from pytest_llmjudge.generation.in_process import PassComputer
    from pytest_llmjudge.generation.passes import Plan
    from pytest_llmjudge.generation.tokenizers.base import Tokenizer

__all__ = ["TorchModel"]


_GELU_ASSUMED = "GELU assumed to be GPT-2's, which its config may say"


class _Texts(NamedTuple):
    """What makes tokens of texts, and which tokens the model takes."""

    tokenizer: Tokenizer
    vocab_size: int
    context_length: int


class TorchModel(InProcessModel[CheckpointInfo, "Decoder"]):
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
        self.decoding = decoding
        self.path = Path(path)
        self._base = base
        self._chosen = tokenizer
        self._batch_size = batch_size
        self._device = device
        self.dtype = dtype

    def check(self) -> None:
        """Prove that checkpoint and tokenizer are there; GPT-2's tokenizer may be downloaded.

        Raises:
            CheckpointError: One of them is not, or the tokenizer is another model's.
        """
        # An archive that only torch can read tells its vocabulary when it is loaded.
        if self.info.config is not None:
            self._texts  # noqa: B018  # the tokenizer is loaded to prove it

    @property
    def special_tokens(self) -> frozenset[str]:
        """The control tokens of its tokenizer; GPT-2's has none.

        Raises:
            CheckpointError: The tokenizer cannot be had.
        """
        # Every process asks that makes prompts, and few of them need a tokenizer.
        if not self.may_begin_texts or self.info.config is None:
            return frozenset()
        return self._texts.tokenizer.special_tokens

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
        return self._texts.tokenizer.begin

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
        return self._texts.context_length

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; control tokens such as ``<|endoftext|>`` in it are words.

        Raises:
            CheckpointError: The tokenizer cannot be had.
        """
        return self._texts.tokenizer.encode(text)

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
        text, (tokenizer, vocab_size, _) = self._text(prompt, chat=chat), self._texts
        before, after = tokenizer.encode_pair(text, reference)
        check_known(self.path, [*before, *after], vocab_size)
        return before, [*after, tokenizer.end_behind(text)] if end else after

    def plan(self, contexts: Sequence[Context]) -> Plan:
        """Plan the passes that score contexts."""
        return plan_trees(contexts)

    def plan_next(self, rows: Sequence[list[int]]) -> Plan:
        """Plan the passes that read what may follow rows of tokens."""
        return plan_trees([Context(row, ()) for row in rows])

    def behind(self, prefix: list[int]) -> PassComputer:
        """Load the model, and compute what passes have in common."""
        model = self._loaded
        from pytest_llmjudge.generation.engine.loglikelihood import TreePasses

        with one_line_memory(self.path):
            return TreePasses(model, prefix)

    def token_text(self, token: int) -> str:
        """Return the text of one token."""
        return self._texts.tokenizer.decode([token])

    def encode_prompt(
        self, where: str, prompt: Prompt, *, chat: bool, cut: bool = False
    ) -> list[int] | PromptError:
        """Return a prompt's tokens, or why it cannot be answered."""
        text = self._text(prompt, chat=chat)
        tokenizer, vocab_size, context = self._texts
        # Not encoded if it cannot fit: a megabyte of text takes long, only to be refused.
        if not cut and (least := tokenizer.at_least(text)) > context:
            length = f"at least {least}"
        elif len(ids := tokenizer.encode_prompt(text)) >= context and not cut:
            length = str(len(ids))
        elif text and ids:
            check_known(self.path, ids, vocab_size)
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
        # Torch is imported by this, with threads that sleep.
        model, tokenizer = self._loaded, self._texts.tokenizer
        from pytest_llmjudge.generation.engine.answering import Answerer

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

    def describe(self) -> CheckpointInfo:
        """Describe what lies at the path now."""
        return describe(self.path, self._base, self._chosen)

    @cached_property
    def _texts(self) -> _Texts:
        """The tokenizer, made of the very bytes that have the fingerprint.

        Raises:
            CheckpointError: It cannot be had, or it is another model's or another one now.
        """
        return self.read_same(self._load_texts)

    def _load_texts(self, info: CheckpointInfo) -> _Texts:
        from pytest_llmjudge.generation.tokenizers.files import find_tokenizer
        from pytest_llmjudge.generation.tokenizers.load import load_tokenizer

        sizes, files = info.config or self._loaded, info.tokenizer
        if info.config is None:
            # An archive that only torch can read tells its vocabulary only now.
            files = find_tokenizer(info.path, sizes.vocab_size, chosen=self._chosen)
        stamps = {file: content.stamp for file, content in info.contents.items()}
        tokenizer = load_tokenizer(info.path, files, sizes.vocab_size, stamps)
        return _Texts(tokenizer, sizes.vocab_size, sizes.context_length)

    def _load(self, info: CheckpointInfo) -> Decoder:
        import_torch()
        from pytest_llmjudge.generation.engine.loading import load
        from pytest_llmjudge.generation.engine.onednn_linear import pack, packable

        device, dtype = usable_device(self._device), usable_dtype(self.dtype)
        model = load(self.path, device, dtype, base=self._base, info=info)
        if packable(model):
            pack(model)
        return model
