"""Tokenizers of each kind, trained on a few lines."""

from __future__ import annotations

import base64
import io
import json
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import sentencepiece

from tests.unit.generation.hugging import Theirs, make_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

LINES = [
    "the thing in the number of words, say please",
    "Say 1 in words. Hello world, this is a test of it.",
    "[INST] é ü 名 [/INST]",
]


def write_json(folder: Path, **settings: object) -> Theirs:
    """Write a tokenizer.json, with settings if any are given, and return transformers' own."""
    theirs = make_tokenizer()
    theirs.save_pretrained(folder)
    for file in folder.iterdir():
        if file.name != "tokenizer.json":
            file.unlink()
    if settings:
        text = json.dumps(settings)
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return theirs


def train_pieces(**options: Any) -> bytes:  # noqa: ANN401
    """Train a model of sentencepiece as Llama 2's: bytes, no normalisation."""
    model = io.BytesIO()
    options = {
        "vocab_size": 350,
        "model_type": "bpe",
        "byte_fallback": True,
        "hard_vocab_limit": False,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "minloglevel": 2,
        **options,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 50), model_writer=model, **options
    )
    return model.getvalue()


def write_llama3_ranks(file: Path) -> None:
    """Write as many ranks as Llama 3 has: single bytes, then what no text has, longest last."""
    words = [b"th", b"the", b" the", b"in", b"ing", b"He", b"ll", b"Hell", b"Hello"]
    tokens = [bytes([byte]) for byte in range(256)] + words
    unused = (bytes(pair) for pair in product(range(255, 0, -1), repeat=3))
    tokens += islice(unused, 128_000 - len(tokens))
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
    file.write_text("".join(lines), encoding="ascii")
