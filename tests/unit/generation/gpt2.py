"""GPT-2 folders as transformers writes them, with random weights, and GPT-2's own tokenizer."""

from __future__ import annotations

import importlib
import os
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import torch

from tests.unit.generation.hugging import Theirs, transformers

CONTEXT = 64
VOCABULARY = 50257
END = VOCABULARY - 1

SETTINGS: dict[str, dict[str, object]] = {
    "another activation": {"activation_function": "relu"},
    "another epsilon": {"layer_norm_epsilon": 1e-2},
    "attention not scaled": {"scale_attn_weights": False},
    "attention scaled by layer": {"scale_attn_by_inverse_layer_idx": True},
    "another inner width": {"n_inner": 96},
    "cross-attention": {"add_cross_attention": True},
}
"""What only transformers computes."""


def make_network(**settings: object) -> Theirs:
    """A GPT-2 whose weights are large enough that each setting matters."""
    torch.manual_seed(7)
    sizes: dict[str, Any] = {"n_positions": CONTEXT, "n_embd": 32, "n_layer": 2, "n_head": 2}
    config = transformers.GPT2Config(**{**sizes, **settings})
    # Runs of pytester forget what they have imported, and an older transformers looks for it.
    importlib.import_module(transformers.GPT2LMHeadModel.__module__)
    model = transformers.GPT2LMHeadModel(config).eval().requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        weight.add_(torch.randn_like(weight), alpha=0.2 if "ln_" in name else 0.3)
    return model


@torch.no_grad()
def greedy(model: Theirs, ids: list[int], count: int, ends: tuple[int, ...] = (END,)) -> list[int]:
    """What transformers' model, without a cache, finds likeliest."""
    new: list[int] = []
    while len(new) < min(count, CONTEXT - len(ids)):
        newest = int(model(torch.tensor([ids + new])).logits[0, -1].argmax())
        if newest in ends:
            break
        new.append(newest)
    return new


@cache
def gpt2s_parts() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """GPT-2's vocabulary and merges, as transformers has them, from tiktoken's ranks."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        if "LLMJUDGE_REAL_DATA" not in os.environ:
            pytest.skip("needs GPT-2's files, from TIKTOKEN_CACHE_DIR or LLMJUDGE_REAL_DATA")
        files = Path(os.environ["LLMJUDGE_REAL_DATA"], "gpt2-bpe")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(files)
    encoding = tiktoken.get_encoding("gpt2")
    ranks = {token: encoding.encode_single_token(token) for token in encoding.token_byte_values()}
    vocabulary = {written(token): rank for token, rank in ranks.items()}
    merged = [token for token, _ in sorted(ranks.items(), key=lambda item: item[1])]
    pairs = [[written(half) for half in halves(token, ranks)] for token in merged[256:]]
    return {**vocabulary, "<|endoftext|>": encoding.eot_token}, [(a, b) for a, b in pairs]


def halves(token: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """The two tokens that were merged last into one."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, VOCABULARY) for a, b in pairwise(parts)]
        at = pairs.index(min(pairs))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


@cache
def characters() -> dict[int, str]:
    """A visible character for each byte: itself where it is visible, else one from 256 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    others = {byte: chr(256 + number) for number, byte in enumerate(hidden)}
    return {**{byte: chr(byte) for byte in visible}, **others}


def written(token: bytes) -> str:
    """How a vocabulary writes a token."""
    return "".join(characters()[byte] for byte in token)


@cache
def gpt2s_tokenizer() -> Theirs:
    """GPT-2's tokenizer of transformers'."""
    vocabulary, merges = gpt2s_parts()
    return transformers.GPT2Tokenizer(vocab=vocabulary, merges=merges)


def save_folder(folder: Path, **settings: object) -> Theirs:
    """Write a folder with GPT-2's own tokenizer, and return its model."""
    model = make_network(**settings)
    model.save_pretrained(folder)
    gpt2s_tokenizer().save_pretrained(folder)
    return model
