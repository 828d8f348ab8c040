"""A tiny judge with random weights, whose first token is yes or no, as a Hugging Face folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.unit.generation.hugging import CHATML, CONTROL, SIZES, Theirs, transformers

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ANSWERS", "save_judge"]

ANSWERS = ("yes", "no")


def save_judge(folder: Path, *, template: str | None = CHATML, context: int = 2048) -> Theirs:
    """Write a folder, and return its model."""
    tokenizer = _tokenizer(template)
    torch.manual_seed(11)
    config = transformers.LlamaConfig(
        **{**SIZES, "max_position_embeddings": context}, vocab_size=len(tokenizer)
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    model = model.eval().requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        if "norm" not in name:
            weight.add_(torch.randn_like(weight), alpha=0.25)
    # One number of each hidden state is the same for all texts, and lifts both answers.
    model.model.embed_tokens.weight[:, 0] = 2
    head = model.lm_head.weight
    head[:, 0] = -6
    # A judge that likes everything would be asked decoy questions about everything.
    for answer, height in zip(ANSWERS, (-1.8, 0), strict=True):
        head[tokenizer.convert_tokens_to_ids(answer), 0] = height
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def _tokenizer(template: str | None) -> Theirs:
    whole = Tokenizer(models.BPE())
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=CONTROL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    whole.train_from_iterator([*ANSWERS] * 5, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=whole,
        bos_token=CONTROL[0],
        eos_token=CONTROL[1],
        additional_special_tokens=CONTROL[2:],
    )
    tokenizer.chat_template = template
    return tokenizer
