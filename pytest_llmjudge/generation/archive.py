"""Describes a checkpoint without torch: its sizes, the files used with it, its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.layout import GPTConfig, Heads, Shape, is_weight, read_sizes
from pytest_llmjudge.generation.statedict import StoredTensor, read_tensors, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CheckpointInfo", "describe", "find_ranks"]

GPT2_VOCABULARY = 50257

_FLOATS = {"bfloat16", "float16", "float32", "float64"}


@dataclass(frozen=True)
class CheckpointInfo:
    """What is known of a checkpoint before torch is imported.

    Attributes:
        path: The file with the weights.
        parameters: Number of weights, tied ones counted once.
        shapes: Shape of each weight by its name in ``GPTModel``.
        config: The model's sizes.
        heads: The number of heads, if a config file beside the checkpoint tells it.
        ranks: The ``.tiktoken`` file of its tokenizer; ``None`` for GPT-2's own tokenizer.

    ``parameters``, ``shapes`` and ``config`` are ``None`` for a file in the format that torch
    wrote before version 1.6, which only torch can read.
    """

    path: Path
    parameters: int | None
    shapes: Mapping[str, Shape] | None
    config: GPTConfig | None
    heads: Heads | None
    ranks: Path | None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the contents of all files that decide what the model writes.

        Raises:
            CheckpointError: A file cannot be read any more.
        """
        files = (self.path, self.heads.file if self.heads else None, self.ranks)
        digests = [_digest(file) if file else "" for file in files]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def describe(path: Path) -> CheckpointInfo:
    """Describe a file written by ``torch.save(model.state_dict(), path)``.

    Raises:
        CheckpointError: It is no such file, or not of a GPT-2.
    """
    tensors = read_tensors(path)
    heads = _read_heads(path)
    if tensors is None:
        return CheckpointInfo(path, None, None, None, heads, find_ranks(path, None))
    weights = {name: tensor for name, tensor in tensors.items() if is_weight(name)}
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    config = read_sizes(path, shapes, heads)
    _check_floats(path, weights)
    parameters = sum(prod(tensor.shape) for tensor in set(weights.values()))
    ranks = find_ranks(path, config.vocab_size)
    return CheckpointInfo(path, parameters, shapes, config, heads, ranks)


def find_ranks(path: Path, vocab_size: int | None) -> Path | None:
    """Find the ``.tiktoken`` file that belongs to a checkpoint; ``None`` for GPT-2's tokenizer."""
    own = path.with_name(f"{path.stem}.tiktoken")
    if own.exists():
        return own
    others = list(path.parent.glob("*.tiktoken"))
    return others[0] if len(others) == 1 and vocab_size != GPT2_VOCABULARY else None


def _read_heads(path: Path) -> Heads | None:
    own, shared = path.with_name(f"{path.stem}.config.json"), path.with_name("config.json")
    file = own if own.exists() else shared
    if not file.exists():
        return None
    try:
        config = json.loads(file.read_bytes())
    except OSError as error:
        raise unreadable(file, error) from None
    except (ValueError, RecursionError) as error:
        todo = "correct it, or move it away from the checkpoint"
        raise CheckpointError(str(file), f"not JSON ({error})", todo) from None
    todo = 'write {"n_heads": …} with an integer above 0'
    if not isinstance(config, dict):
        raise CheckpointError(str(file), "not a JSON object", todo)
    heads = config.get("n_heads", config.get("n_head"))
    if heads is None:
        return None
    if type(heads) is not int or heads < 1:
        raise CheckpointError(str(file), f"n_heads is {json.dumps(heads)}", todo)
    return Heads(heads, file)


def _check_floats(path: Path, weights: Mapping[str, StoredTensor]) -> None:
    for name, tensor in weights.items():
        if tensor.dtype not in _FLOATS:
            found = f"{name} is stored as {tensor.dtype}, not as floating-point numbers"
            raise CheckpointError(str(path), found, "save it before it is quantised")


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise unreadable(file, error) from None
    return digest.hexdigest()
