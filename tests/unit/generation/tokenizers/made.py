"""Tokenizers of each kind, trained on a few lines."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import sentencepiece

from tests.unit.generation.hugging import Theirs, make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LINES = [
    "the thing in the number of words, say please",
    "Say 1 in words. Hello world, this is a test of it.",
    "[INST] é ü 名 [/INST]",
]
WORDS = [b"th", b"the", b" the", b"in", b"ing", b"He", b"ll", b"Hell", b"Hello"]


def write_json(folder: Path, settings: Mapping[str, object] | None = None) -> Theirs:
    """Write a tokenizer.json, with settings if any are given, and return transformers' own."""
    theirs = make_tokenizer()
    theirs.backend_tokenizer.save(str(folder / "tokenizer.json"))
    if settings:
        text = json.dumps(settings)
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return theirs


def train_pieces(controls: list[str] | None = None, *, prefix: bool = True) -> bytes:
    """Train a model of sentencepiece as Llama 2's: all bytes, and no normalisation."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 50),
        model_writer=model,
        vocab_size=350,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=prefix,
        user_defined_symbols=controls or [],
        minloglevel=2,
    )
    return model.getvalue()


def write_ranks(file: Path) -> int:
    """Write ranks of single bytes and a few words, and return how many there are."""
    tokens = [bytes([byte]) for byte in range(256)] + WORDS
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
    file.write_text("".join(lines), encoding="ascii")
    return len(tokens)
