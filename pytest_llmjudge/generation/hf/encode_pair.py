"""A prompt and the reference that follows it as tokens of a transformers tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.frames import split_behind
from pytest_llmjudge.records.framing import FramedText

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.generation.hf.frames import Tokenizer
    from pytest_llmjudge.generation.hf.loading import FolderTexts

__all__ = ["encode_pair"]


def encode_pair(
    folder: Path, texts: FolderTexts, prompt: Prompt, reference: str, *, chat: bool, end: bool
) -> tuple[list[int], list[int]]:
    """Return the tokens of a prompt and of its reference, encoded as one text.

    Args:
        folder: For messages of errors.
        texts: Of the folder.
        prompt: The text to continue, or a user's message, or a whole conversation.
        reference: What follows; a token with characters of both belongs to it.
        chat: Whether the prompt is messages, to which the folder's chat template applies.
        end: Whether the end token belongs to the reference.

    Raises:
        CheckpointError: There is no chat template, the tokenizer has no offsets, or there is no
            end token.
    """
    tokenizer = texts.tokenizer
    if not tokenizer.is_fast:
        problem = "its tokenizer has no offsets, which split a prompt from its reference"
        raise CheckpointError(str(folder), problem, "save it with a tokenizer.json")
    if chat or not isinstance(prompt, str):
        before, after = texts.template.answered_ids(prompt, reference)
    elif isinstance(prompt, FramedText):
        before, after = texts.framed.pair(prompt, reference)
    else:
        before, after = _text_pair(tokenizer, prompt, reference)
    if not end:
        return before, after
    closing = texts.template.closing_ids if chat else []
    last = next((token for token in closing if token in texts.ends), tokenizer.eos_token_id)
    if last is None:
        problem, hint = "its tokenizer has no end token", "give it an eos_token, or write end=False"
        raise CheckpointError(str(folder), problem, hint)
    return before, [*after, last]


def _text_pair(tokenizer: Tokenizer, prompt: str, reference: str) -> tuple[list[int], list[int]]:
    encoded = tokenizer(
        prompt + reference,
        split_special_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    ids, added = encoded["input_ids"], encoded["special_tokens_mask"]
    # What the tokenizer adds behind a text would end the reference where no end was asked for.
    size = next((at for at in range(len(ids), 0, -1) if not added[at - 1]), len(ids))
    return split_behind(ids[:size], encoded["offset_mapping"][:size], len(prompt))
