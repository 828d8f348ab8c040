"""Models of random weights that this package and lm-evaluation-harness read from one folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.decoder import Decoder

Theirs = Any  # transformers has no types

SOURCE = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"
END = "<|endoftext|>"


def our_copy(folder: Path) -> Decoder:
    """Load the folder that transformers wrote as our model."""
    ours = load(folder, torch.device("cpu"), torch.float32)
    if packable(ours):
        pack(ours)
    return ours


def write_model(folder: Path, model: Theirs, *, begins: bool) -> None:
    """Write a folder that the harness can load without a network."""
    cache = Path(os.environ["TIKTOKEN_CACHE_DIR"])
    for name, target in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        cached = cache / hashlib.sha1(f"{SOURCE}{name}".encode()).hexdigest()  # noqa: S324
        shutil.copy(cached, folder / target)
    model.save_pretrained(folder)
    tokenizer = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    inner = tokenizer._tokenizer  # noqa: SLF001  # it has no public name
    number = inner.token_to_id(END)
    if begins:
        inner.post_processor = TemplateProcessing(
            single=f"{END} $A", special_tokens=[(END, number)]
        )
    PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=END, eos_token=END).save_pretrained(
        folder
    )
