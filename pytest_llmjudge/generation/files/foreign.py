"""Recognises weights in forms of other programs that are not read here, and says what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.state_dict import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["entries_of", "refuse_foreign_file", "refuse_foreign_folder", "refuse_foreign_tensors"]

_DCP = "a distributed checkpoint of torch"
_TO_TORCH = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
_DEEPSPEED = "a checkpoint of DeepSpeed, in parts that only DeepSpeed joins"
_NANOCHAT = "a checkpoint of nanochat"
_CONVERT_NANOCHAT = (
    "convert it with convert_nanochat_checkpoints.py of transformers' sources, and name the folder "
    "that it writes"
)
_MLX_ADAPTER = "an adapter of MLX"
_FUSE = "run mlx_lm.fuse on it and its model, and name the folder that it writes"
_UNQUANTISED = "name the model as it was before it was quantised, or a Hugging Face folder of it"
_FIXTURE = "give it to a fixture llm_model of your own"
_FOLDER_ABOVE = "run the zero_to_fp32.py of the folder above it, and name what it writes"
_DEEPSPEED_PART = r"mp_rank_\d+_(model|optim)_states\.pt$"
_MLX_NAME = r"^(\d+_)?adapters\.safetensors$"
_PART = r"-\d+-of-(?!0*1\.)\d+\."
"""In the name of one of several files."""
_NO_INDEX = "parts of a model without their index ({}.index.json)"
_COPY_INDEX = "copy the index too, or save the model again"


class _Form(NamedTuple):
    """A pattern that gives a form away, what it is, and what to do; ``{name}`` is its path."""

    sign: str
    what: str
    hint: str


_FOLDERS = (
    _Form(r"\.distcp$", _DCP, f"run {_TO_TORCH} {{name}} model.pth, and name model.pth"),
    _Form(
        r"^pytorch_model_fsdp_\d+/$",
        "a training checkpoint with a distributed checkpoint of torch in it",
        f"run {_TO_TORCH} on its folder pytorch_model_fsdp_0, and name the file that it writes",
    ),
    _Form(
        r"^zero_to_fp32\.py$",
        _DEEPSPEED,
        "run the zero_to_fp32.py that lies there (python zero_to_fp32.py . merged), and name the "
        "folder merged",
    ),
    _Form(_DEEPSPEED_PART, _DEEPSPEED, _FOLDER_ABOVE),
    _Form(_MLX_NAME, _MLX_ADAPTER, _FUSE),
    _Form(r"^meta_\d+\.json$", _NANOCHAT, _CONVERT_NANOCHAT),
    _Form(_PART + r"safetensors$", _NO_INDEX.format("model.safetensors"), _COPY_INDEX),
    _Form(_PART + r"bin$", _NO_INDEX.format("pytorch_model.bin"), _COPY_INDEX),
)
"""Folders without weights as Hugging Face names them, by the name of an entry; the first counts."""

_FOLDERS_WITHOUT = (
    _Form(
        r"\.ckpt\.index$",
        "a TensorFlow checkpoint, as OpenAI published GPT-2",
        "load it with the book's load_weights_into_gpt, and save the model's state dict",
    ),
    _Form(r"\.gguf$", "a GGUF file, which only servers run", "let Ollama serve it, as ollama:NAME"),
)
"""Likewise, where no other file may be the weights."""

_FILES = (
    _Form(r"\.distcp$", f"a part of {_DCP}", f"run {_TO_TORCH} on its folder, and name the result"),
    _Form(_DEEPSPEED_PART, f"a part of {_DEEPSPEED}", _FOLDER_ABOVE),
    _Form(_MLX_NAME, _MLX_ADAPTER, _FUSE),
    _Form(_PART + r"(safetensors|bin)$", "a part of a model", "name the folder that it lies in"),
)
"""Files, by their name."""

_TENSORS = (
    _Form(
        r"(^|\.)_flat_param$",
        "flattened parts of a model, as FSDP trains it",
        "save it with StateDictType.FULL_STATE_DICT",
    ),
    _Form(r"\.lora_[ab]$", _MLX_ADAPTER, _FUSE),
    _Form(
        r"\.base_layer\.",
        "a PEFT model with its adapter beside its weights",
        "save model.merge_and_unload().state_dict() instead",
    ),
    _Form(
        r"\.lora_[AB]\.",
        "the matrices of a PEFT adapter",
        "name the folder that its adapter_config.json lies in",
    ),
    _Form(r"(^|\.)h\.0\.attn\.c_q\.weight$", _NANOCHAT, _CONVERT_NANOCHAT),
    _Form(r"\.qweight$", "weights quantised with GPTQ or AWQ", _UNQUANTISED),
    _Form(r"\.absmax$|\.SCB$", "weights quantised with bitsandbytes", _UNQUANTISED),
    _Form(
        r"\.scales$",
        "weights quantised with MLX",
        "run mlx_lm.convert with --dequantize on it, and name the folder that it writes",
    ),
    _Form(
        r"\.att\.indexer\.",
        "a GPT with DeepSeek's sparse attention, which is not run here",
        _FIXTURE,
    ),
    _Form(
        r"\.att\.heads\.0\.W_query\.",
        "a GPT whose heads are modules of their own, which is not run here",
        _FIXTURE,
    ),
)
"""State dicts, by a pattern in the name of a tensor; the first that is there counts."""


def entries_of(folder: Path) -> list[str]:
    """Return the names in a folder, those of folders with a slash behind.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        there = sorted(folder.iterdir())
        return [f"{entry.name}/" if entry.is_dir() else entry.name for entry in there]
    except OSError as error:
        raise unreadable(folder, error) from None


def refuse_foreign_folder(folder: Path, names: Iterable[str], *, has_weights: bool) -> None:
    """Refuse a folder of another program's.

    Args:
        folder: Without weights as Hugging Face names them.
        names: Of its entries, folders with a slash behind.
        has_weights: Whether one of its files may be the weights.

    Raises:
        CheckpointError: It is one of a known program.
    """
    _refuse(folder, _FOLDERS if has_weights else (*_FOLDERS, *_FOLDERS_WITHOUT), names)


def refuse_foreign_file(path: Path) -> None:
    """Refuse a file that by its name is a part of something else.

    Raises:
        CheckpointError: It is.
    """
    _refuse(path, _FILES, [path.name])


def refuse_foreign_tensors(path: Path, names: Iterable[str]) -> None:
    """Refuse a state dict whose names are of a form that is not read here.

    Args:
        path: Of the file, for messages.
        names: Of the tensors, without what training frameworks put before them.

    Raises:
        CheckpointError: They are.
    """
    _refuse(path, _TENSORS, names)


def _refuse(path: Path, forms: Iterable[_Form], names: Iterable[str]) -> None:
    there = list(names)
    for form in forms:
        if any(re.search(form.sign, name) for name in there):
            raise CheckpointError(str(path), form.what, form.hint.format(name=path))
