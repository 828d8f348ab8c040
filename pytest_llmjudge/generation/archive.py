"""Describes a checkpoint without torch: its sizes, the files used with it, its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.layout import GPTConfig, Heads, read_sizes
from pytest_llmjudge.generation.naming import GPT2_VOCABULARY, Plan, make_plan
from pytest_llmjudge.generation.safefile import INDEX, SUFFIX, read_index, read_safetensors
from pytest_llmjudge.generation.statedict import (
    StateDict,
    StoredTensor,
    read_torch_file,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CheckpointInfo", "describe", "find_ranks", "heads_told"]

_IN_FOLDERS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_SUFFIXES = {".pth", ".pt", ".bin", ".safetensors"}
_FLOATS = {"bfloat16", "float16", "float32", "float64"}


@dataclass(frozen=True)
class CheckpointInfo:
    """What is known of a checkpoint before torch is imported.

    Attributes:
        path: The file with the weights, or the index of several.
        parameters: Number of weights, tied ones counted once.
        tensors: What is stored, by plain names.
        plan: How that becomes a ``GPTModel``.
        config: The model's sizes.
        heads: The number of heads, if a config file beside the checkpoint tells it.
        ranks: The ``.tiktoken`` file of its tokenizer; ``None`` for GPT-2's own tokenizer.

    ``parameters``, ``tensors``, ``plan`` and ``config`` are ``None`` for a file in the format that
    torch wrote before version 1.6, which only torch can read.
    """

    path: Path
    parameters: int | None
    tensors: Mapping[str, StoredTensor] | None
    plan: Plan | None
    config: GPTConfig | None
    heads: Heads | None
    ranks: Path | None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the contents of all files that decide what the model writes.

        Raises:
            CheckpointError: A file cannot be read any more.
        """
        stored = dict.fromkeys(tensor.file for tensor in (self.tensors or {}).values())
        files = (self.path, self.heads.file if self.heads else None, self.ranks)
        parts = [file for file in stored if file != self.path]
        digests = [_digest(file) if file else "" for file in (*files, *parts)]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def describe(path: Path) -> CheckpointInfo:
    """Describe a checkpoint: a file, the index of several, or a folder that holds either.

    Raises:
        CheckpointError: It is no checkpoint, or not of a GPT-2.
    """
    path = _weights_in(path)
    found = _read(path)
    heads = _read_heads(path)
    if found is None:
        return CheckpointInfo(path, None, None, None, None, heads, find_ranks(path, None))
    heads = heads or heads_told(path, found.about)
    first = {tensor: name for name, tensor in reversed(found.tensors.items())}
    same = {name: first[tensor] for name, tensor in found.tensors.items()}
    plan = make_plan({name: tensor.shape for name, tensor in found.tensors.items()}, same)
    config = read_sizes(path, plan.shapes, heads, plan.told)
    used = {source.name for source in plan.sources.values()}
    weights = {name: tensor for name, tensor in found.tensors.items() if name in used}
    _check_floats(path, weights)
    parameters = sum(prod(tensor.shape) for tensor in set(weights.values()))
    ranks = find_ranks(path, config.vocab_size)
    return CheckpointInfo(path, parameters, weights, plan, config, heads, ranks)


def _weights_in(path: Path) -> Path:
    """Find the weights of a folder, as Hugging Face's programs name them."""
    try:
        if not path.is_dir():
            return path
        known = [path / name for name in _IN_FOLDERS if (path / name).exists()]
        others = [file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES]
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise CheckpointError(str(path), "no name of a file", "correct the path") from None
    if known or len(others) == 1:
        return [*known, *others][0]
    found = f"a directory with {len(others)} files of weights" if others else "a directory"
    raise CheckpointError(str(path), found, "give the path of the weights in it")


def _read(path: Path) -> StateDict | None:
    if path.name.endswith(INDEX):
        return read_index(path)
    return read_safetensors(path) if path.name.endswith(SUFFIX) else read_torch_file(path)


def heads_told(path: Path, about: Mapping[str, object]) -> Heads | None:
    """Read the number of heads from what a training checkpoint of nanoGPT's tells of its model."""
    told = about.get("model_args")
    heads = told.get("n_head") if isinstance(told, dict) else None
    return Heads(heads, path) if type(heads) is int and heads > 0 else None


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
