"""A Hugging Face folder of any causal language model: a light handle until text is asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Completion, Context
from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.generation.base import check_known, text_before
from pytest_llmjudge.generation.devices import (
    import_torch,
    is_out_of_memory,
    no_room_for_one,
    one_line_memory,
    usable_device,
    usable_dtype,
)
from pytest_llmjudge.generation.hf.folder import (
    FolderInfo,
    chat_template_in,
    check_tokenizer,
    describe_adapter,
    describe_folder,
    special_tokens_in,
    vocabulary_of,
)
from pytest_llmjudge.generation.hf.passes import plan_next, plan_rows
from pytest_llmjudge.generation.in_process import InProcessModel
from pytest_llmjudge.generation.passes import plan_trees
from pytest_llmjudge.records.framing import FramedText
from pytest_llmjudge.settings import Decoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.generation.families.decoder import Decoder
    from pytest_llmjudge.generation.hf.generate import Continued, Row
    from pytest_llmjudge.generation.hf.loading import FolderTexts, Model
    from pytest_llmjudge.generation.in_process import PassComputer
    from pytest_llmjudge.generation.passes import Plan

__all__ = ["HuggingFaceModel"]

MOST_TEXTS = 32
"""Texts of transformers at a time unless set; fewer when the memory is not enough."""

_UNMASKED = frozenset({"recurrent_gemma", "reformer", "rwkv", "xlm"})
"""Architectures that see padding, and whose prompts so run one by one."""


class HuggingFaceModel(InProcessModel[FolderInfo, "Model"]):
    """A folder of ``save_pretrained`` that answers prompts.

    Its tokenizer and chat template are transformers'. So is the model, unless it is of a family
    that the native engine computes, several times as fast.

    Decoding is greedy by default, whatever the folder's ``generation_config.json`` asks
    for. A text ends before an end token, after ``max_new_tokens``, or when prompt and text together
    fill the model's context.

    Making one, and reading ``info`` and ``fingerprint``, imports neither torch nor transformers.

    Args:
        path: The folder, or that of a PEFT adapter.
        batch_size: Texts to run at a time; ``None`` for as many as memory allows, with transformers
            up to 32. Halved when the memory is not enough.
        device: Of torch; ``auto`` is CUDA where there is a device, else MPS, else the CPU.
        dtype: ``float32``, ``bfloat16`` or ``float16``; ``auto`` is float32 everywhere, so that
            texts do not depend on the machine.
        base: The folder of the model that an adapter is added to; ``None`` where there is none.
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
        decoding: Decoding = Decoding(),  # noqa: B008  # frozen
    ) -> None:
        self.path = Path(path)
        self._batch_size = batch_size
        self._device = device
        self.dtype = dtype
        self._base = base
        self.decoding = decoding

    def check(self) -> None:
        """Prove that the folder can be used, as far as that is known without loading it.

        Raises:
            CheckpointError: It cannot.
        """
        self.read_same(check_tokenizer)

    @cached_property
    def chat_template(self) -> str:
        """The chat template that lies in the folder."""
        return chat_template_in(vocabulary_of(self.path, self._base))

    @cached_property
    def special_tokens(self) -> frozenset[str]:
        """The special tokens of the folder's tokenizer."""
        return special_tokens_in(vocabulary_of(self.path, self._base))

    @property
    def engine(self) -> str:
        """The native engine, or transformers and why.

        Raises:
            CheckpointError: The folder cannot be used.
        """
        return self.info.engine

    @property
    def may_begin_texts(self) -> bool:
        """Whether its tokenizer may put tokens in front of a text, which only loading it tells."""
        return True

    @property
    def most_context(self) -> int | None:
        """The most tokens that it can see, where the native engine runs it."""
        # Its tokenizer may allow fewer.
        native = self.info.native
        return None if native is None else native.config.context_length

    @property
    def begin(self) -> list[int]:
        """The tokens that its tokenizer puts in front of a text.

        Raises:
            CheckpointError: The folder cannot be used.
        """
        return self._texts.framed.begin

    @property
    def context_length(self) -> int:
        """How many tokens it can see.

        Raises:
            CheckpointError: It cannot be used.
        """
        return self._texts.context

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; control tokens in it are ordinary text.

        Raises:
            CheckpointError: The folder cannot be used.
        """
        from pytest_llmjudge.generation.hf.frames import text_ids

        return text_ids(self._texts.tokenizer, text, begin=False)

    def encode_pair(
        self, prompt: Prompt, reference: str, *, chat: bool = False, end: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of the reference that follows it, encoded as one text.

        Args:
            prompt: The text to continue, or a user's message, or a whole conversation.
            reference: Its continuation; a token with characters of both belongs to it.
            chat: Whether the prompt is messages, to which the model's own chat template applies.
            end: Whether the end token belongs to the reference: the one with which the chat
                template closes a message, else the tokenizer's.

        Raises:
            CheckpointError: The folder cannot be used, or has no chat template, or its tokenizer
                tells no offsets or no end token.
        """
        from pytest_llmjudge.generation.hf.encode_pair import encode_pair
        from pytest_llmjudge.generation.hf.loading import quietly

        with quietly():
            before, after = encode_pair(
                self.path, self._texts, prompt, reference, chat=chat, end=end
            )
        self._check_vocabulary([*before, *after])
        return before, after

    def plan(self, contexts: Sequence[Context]) -> Plan:
        """Plan the passes that score contexts."""
        if self.info.native is not None:
            return plan_trees(contexts)
        return plan_rows(contexts, self._vocab_size)

    def plan_next(self, rows: Sequence[list[int]]) -> Plan:
        """Plan the passes that read what may follow rows of tokens."""
        if self.info.native is not None:
            return plan_trees([Context(row, ()) for row in rows])
        return plan_next(rows, self._vocab_size)

    def behind(self, prefix: list[int]) -> PassComputer:
        """Load the model, and compute what passes have in common: nothing with transformers."""
        model = self._loaded
        from pytest_llmjudge.generation.engine.loglikelihood import TreePasses
        from pytest_llmjudge.generation.families.decoder import Decoder
        from pytest_llmjudge.generation.hf.loglikelihood import RowPasses

        if not isinstance(model, Decoder):
            return RowPasses(model)
        with one_line_memory(self.path):
            return TreePasses(model, prefix)

    def token_text(self, token: int) -> str:
        """Return the text of one token; that of a control token is its name."""
        text: str = self._texts.tokenizer.decode([token])
        return text

    def encode_prompt(
        self, where: str, prompt: Prompt, *, chat: bool, cut: bool = False
    ) -> list[int] | PromptError:
        """Return a prompt's tokens, or why it cannot be answered."""
        from pytest_llmjudge.generation.hf.frames import text_ids
        from pytest_llmjudge.generation.hf.loading import quietly

        tokenizer, _, context, template, framed, _ = self._texts
        with quietly():
            if chat or not isinstance(prompt, str):
                ids = template.message_ids(prompt)
            elif isinstance(prompt, FramedText):
                ids = framed.ids(prompt)
            else:
                ids = text_ids(tokenizer, prompt, begin=True)
        if not prompt or not ids:
            return PromptError(where, "the prompt is empty", "give the record an instruction")
        if len(ids) >= context and not cut:
            problem = f"the prompt has {len(ids)} tokens and the context {context}, answer included"
            return PromptError(where, problem, "shorten the record's instruction and input")
        self._check_vocabulary(ids)
        return ids

    def opens_thoughts(self, prompt: Prompt, *, chat: bool) -> bool | None:
        """Say whether what the model reads ends within thoughts; ``None`` where nobody knows."""
        if not chat and isinstance(prompt, str):
            return super().opens_thoughts(prompt, chat=chat)
        # A template that does not open them may still have a model that writes only their end.
        return self._texts.template.opens_thoughts(prompt) or None

    def show_as(self, path: Path) -> None:
        """Give the model, which is loaded, another path in messages."""
        super().show_as(path)
        self._texts.template.folder = path

    def _check_vocabulary(self, ids: Sequence[int]) -> None:
        check_known(self.path, ids, self._vocab_size)

    @cached_property
    def _vocab_size(self) -> int:
        """How many tokens the model has embeddings of."""
        native = self.info.native
        if native is not None:
            return native.config.vocab_size
        if not self.is_elsewhere:
            return len(self._loaded.get_input_embeddings().weight)
        from pytest_llmjudge.generation.hf.loading import count_embeddings

        return count_embeddings(self._texts.config)

    def _decode(
        self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
    ) -> Iterator[Completion]:
        model = self._loaded
        from pytest_llmjudge.generation.families.decoder import Decoder

        if isinstance(model, Decoder):
            return self._decode_here(model, prompts, max_new_tokens, decoding)
        return self._decode_there(prompts, max_new_tokens, decoding)

    def _decode_here(
        self,
        model: Decoder,
        prompts: dict[int, list[int]],
        max_new_tokens: int,
        decoding: Decoding,
    ) -> Iterator[Completion]:
        """Answer by the native engine."""
        from pytest_llmjudge.generation.engine.answering import Answerer
        from pytest_llmjudge.generation.hf.texts import Texts

        stop = decoding.stop
        texts = Texts(self._texts.tokenizer, stop)
        answerer = Answerer(
            str(self.path),
            model,
            {*self._texts.ends, *texts.stop_tokens},
            texts.ends_with,
            decoding,
            self._batch_size,
            on_tokens=self.on_tokens,
        )
        for number, ids in answerer.answer(prompts, max_new_tokens):
            if ids is None:
                yield self._broken(number)
            else:
                yield Completion(number, text_before(stop, texts.decode(ids)), tokens=len(ids))

    def _decode_there(
        self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
    ) -> Iterator[Completion]:
        """Answer by transformers' ``generate``."""
        from pytest_llmjudge.generation.hf.generate import Row

        context = self._texts.context
        rows = [
            Row(index, ids, min(max_new_tokens, context - len(ids)))
            for index, ids in prompts.items()
        ]
        # Neighbours are of similar length; the longest come first, to find out what fits.
        rows.sort(key=lambda row: -len(row.ids))
        size = self._batch_size or MOST_TEXTS
        while rows:
            # Of one limit: beside a text that fills the context no other may go on, because
            # padding takes positions too, and a model may have no more.
            batch = [row for row in rows[:size] if row.limit == rows[0].limit]
            if self.info.model_type in _UNMASKED:
                batch = rows[:1]
            done = self._try(batch, decoding)
            if done is not None:
                yield from (
                    self._broken(row.number)
                    if new is None
                    else Completion(row.number, new.text, tokens=new.tokens)
                    for row, new in zip(batch, done, strict=True)
                )
                del rows[: len(batch)]
            elif len(batch) > 1:
                size = len(batch) // 2
            else:
                raise no_room_for_one(str(self.path))

    def _try(self, batch: Sequence[Row], decoding: Decoding) -> list[Continued | None] | None:
        """Continue a batch; ``None`` when the memory is not enough."""
        import torch

        from pytest_llmjudge.generation.hf.generate import continue_rows
        from pytest_llmjudge.generation.hf.loading import quietly

        try:
            with quietly():
                return continue_rows(self._loaded, self._texts, batch, decoding, self.on_tokens)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Not within the handler: the error would hold on to what the batch has taken.
        torch.cuda.empty_cache()
        return None

    def describe(self) -> FolderInfo:
        """Describe what lies at the path now."""
        if self._base is not None:
            return describe_adapter(self.path, self._base)
        return describe_folder(self.path)

    @cached_property
    def _texts(self) -> FolderTexts:
        """Tokenizer and chat template, made of the very bytes that have the fingerprint.

        Raises:
            CheckpointError: They cannot be used, or are others now.
        """
        import_torch()
        from pytest_llmjudge.generation.hf.loading import load_texts

        return self.read_same(load_texts)

    def _load(self, info: FolderInfo) -> Model:
        import_torch()
        from pytest_llmjudge.generation.hf.loading import load_model

        device, dtype = usable_device(self._device), usable_dtype(self.dtype)
        return load_model(info, device, dtype)
