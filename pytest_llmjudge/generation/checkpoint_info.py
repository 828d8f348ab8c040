"""Describes a checkpoint without torch: its sizes, the files used with it, its fingerprint."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.describe import plan_of_file, recognise
from pytest_llmjudge.generation.families.gpt2.book import is_latent
from pytest_llmjudge.generation.families.gpt2.config_file import (
    config_beside,
    read_settings,
    scale_in,
)
from pytest_llmjudge.generation.families.gpt2.hf_folder import (
    CONFIG,
    GPT2,
    beyond_engine,
    own_template,
)
from pytest_llmjudge.generation.families.gpt2.key_mapping import make_plan
from pytest_llmjudge.generation.families.gpt2.sizes import read_sizes
from pytest_llmjudge.generation.families.lora import (
    ADAPTER_CONFIG,
    Adapter,
    has_lora,
    is_lora,
    lecture_lora,
    read_adapter,
    with_lora,
    with_peft,
)
from pytest_llmjudge.generation.files.contents import Content, content_of
from pytest_llmjudge.generation.files.foreign import (
    entries_of,
    refuse_foreign_file,
    refuse_foreign_folder,
    refuse_foreign_tensors,
)
from pytest_llmjudge.generation.files.names import name_some, shorten
from pytest_llmjudge.generation.files.safetensors import SUFFIX, read_safetensors
from pytest_llmjudge.generation.files.shards import INDICES, read_index
from pytest_llmjudge.generation.files.state_dict import (
    FLOATS,
    StateDict,
    StoredTensor,
    read_torch_file,
    unreadable,
)
from pytest_llmjudge.generation.tokenizers.files import find_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.generation.families.gpt2.config import GPTConfig, GPTSettings, Heads
    from pytest_llmjudge.generation.families.gpt2.config_file import Config
    from pytest_llmjudge.generation.families.layouts.base import Layout
    from pytest_llmjudge.generation.families.plan import Plan
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig
    from pytest_llmjudge.generation.files.names import Shape
    from pytest_llmjudge.generation.tokenizers.files import TokenizerFiles

__all__ = [
    "CheckpointInfo",
    "base_of",
    "check_adapter",
    "describe",
    "is_adapter",
    "read_weights",
    "weights_in_adapter",
]

_IN_FOLDERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
_GPT2_TARGETS = {"c_attn", "c_fc", "c_proj", "lm_head"}
"""Linear layers of a GPT-2, by Hugging Face's names."""
_SUFFIXES = {".pth", ".pt", ".bin", ".ckpt", ".safetensors"}


@dataclass(frozen=True)
class CheckpointInfo:
    """What is known of a checkpoint before torch is imported.

    Attributes:
        path: The file with the weights, or the index of several.
        parameters: Number of weights, tied ones counted once.
        tensors: What is stored, by plain names.
        plan: How that becomes the weights of a model.
        config: The model's sizes: of a GPT-2, or of another family.
        heads: The number of heads, if a config file beside the checkpoint tells it.
        tokenizer: The files of its tokenizer; ``None`` where there are none.
        configs: Further files that decide what it writes.
        is_gelu_assumed: Whether nothing says which GELU a model of nanoGPT's has.
        beside: The config file beside the checkpoint and what it says, where only torch can tell
            the rest.

    ``parameters``, ``tensors``, ``plan`` and ``config`` are ``None`` for a file in the format that
    torch wrote before version 1.6, which only torch can read.
    """

    path: Path
    parameters: int | None
    tensors: Mapping[str, StoredTensor] | None
    plan: Plan | None
    config: GPTConfig | TransformerConfig | None
    heads: Heads | None
    tokenizer: TokenizerFiles | None
    configs: tuple[Path, ...] = ()
    beside: Config | None = None
    is_gelu_assumed: bool = False

    @cached_property
    def contents(self) -> dict[Path, Content]:
        """What all files hold that decide what the model writes.

        Raises:
            CheckpointError: A file cannot be read any more.
        """
        return {file: content_of(file) for file in dict.fromkeys(self._files) if file}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the contents of all files that decide what the model writes.

        Raises:
            CheckpointError: A file cannot be read any more.
        """
        digests = [self.contents[file].digest if file else "" for file in self._files]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    @property
    def _files(self) -> tuple[Path | None, ...]:
        stored = dict.fromkeys(tensor.file for tensor in (self.tensors or {}).values())
        own = None if self.path.is_dir() else self.path  # an adapter is a folder
        heads = self.heads.file if self.heads else None
        parts = [file for file in stored if file != self.path]
        tokenizer, *settings = self.tokenizer.files if self.tokenizer else (None,)
        return (own, heads, tokenizer, *parts, *self.configs, *settings)


def describe(path: Path, base: Path | None = None, tokenizer: Path | None = None) -> CheckpointInfo:
    """Describe a checkpoint: a file, the index of several, a folder that holds either, an adapter.

    Args:
        path: Of the checkpoint.
        base: The model that a LoRA adapter is added to, whatever model its config names.
        tokenizer: A tokenizer's file, or a folder that holds one, whatever lies beside the model.

    Raises:
        CheckpointError: It is no checkpoint, or of no family that the native engine runs.
    """
    if is_adapter(path):
        return _describe_adapter(path, base, tokenizer)
    path = _weights_in(path)
    state = read_weights(path)
    config = config_beside(path)
    _check_ours(path, config)
    if state is None:
        settings = read_settings(path, {}, config)
        files = find_tokenizer(path, None, chosen=tokenizer)
        configs = _deciding(config, settings)
        return CheckpointInfo(path, None, None, None, None, settings.heads, files, configs, config)
    refuse_foreign_tensors(path, state.tensors)
    layout = _layout_of(state)
    if layout is not None:
        return _describe_file(path, state, layout, tokenizer)
    settings = read_settings(path, state.about, config)
    configs = _deciding(config, settings)
    shapes = _shapes(state)
    plan = make_plan({name: shape for name, shape in shapes.items() if not is_lora(name)})
    if has_lora(shapes):
        plan = with_lora(path, plan, lecture_lora(path, shapes, scale_in(config)), shapes)
        configs = (config[0],) if config is not None else ()
    tensors = state.tensors
    return _info(
        path,
        path,
        tensors,
        plan,
        settings=settings,
        configs=configs,
        tokenizer=tokenizer,
    )


def _deciding(config: Config | None, settings: GPTSettings) -> tuple[Path, ...]:
    """Return the config file beside a checkpoint if it decides more than the number of heads."""
    decides = settings.exact_gelu or settings.window or settings.active_experts
    return (config[0],) if config is not None and decides else ()


def _layout_of(state: StateDict) -> Layout | None:
    """Return the layout of another family than GPT-2; ``None`` where there is none."""
    # A learned embedding of positions is a GPT's, whatever else the other families share with it.
    return None if "pos_emb.weight" in state.tensors else recognise(state.tensors)


def _describe_file(
    path: Path,
    state: StateDict,
    layout: Layout,
    tokenizer: Path | None,
    added: tuple[Adapter, StateDict] | None = None,
) -> CheckpointInfo:
    """Describe a file of another family than GPT-2, and what an adapter adds to it."""
    settings = config_beside(path, layout.settings) or layout.own_settings(path)
    shapes = _shapes(state)
    own = {name: shape for name, shape in shapes.items() if added or not is_lora(name)}
    config, plan, file = plan_of_file(path, layout, own, state.about, settings)
    if len(own) < len(shapes):
        plan = with_lora(path, plan, lecture_lora(path, shapes, scale_in(settings)), shapes)
        file = settings[0] if settings else None
    configs = () if file is None else (file,)
    where, tensors = path, state.tensors
    if added is not None:
        adapter, matrices = added
        where, tensors = adapter.folder, {**tensors, **matrices.tensors}
        plan = with_peft(adapter, plan, _shapes(matrices))
        configs = (adapter.config, *configs)
    plan, weights, parameters = _used(where, tensors, plan)
    files = find_tokenizer(path, config.vocab_size, chosen=tokenizer, is_gpt2=False)
    return CheckpointInfo(where, parameters, weights, plan, config, None, files, configs)


def _describe_adapter(folder: Path, base: Path | None, tokenizer: Path | None) -> CheckpointInfo:
    check_adapter(folder)
    adapter = read_adapter(folder)
    base = base or base_of(adapter)
    weights = _weights_in(base)
    state, config = read_weights(weights), config_beside(weights)
    matrices = read_weights(weights_in_adapter(folder))
    _check_ours(weights, config, folder)
    if state is None or matrices is None:
        problem = "it or its base has the format that torch wrote before version 1.6"
        raise CheckpointError(str(folder), problem, "save it again with a newer torch")
    layout = _layout_of(state)
    if layout is not None:
        return _describe_file(weights, state, layout, tokenizer, (adapter, matrices))
    settings = read_settings(weights, state.about, config)
    plan = make_plan(_shapes(state))
    if "tok_emb.weight" not in plan.sources:
        problem = f"its base {base} is of no family that adapters are merged into here"
        hint = (
            "merge it with PEFT (merge_and_unload, then save_pretrained of model and tokenizer) "
            "and name the folder that it wrote"
        )
        raise CheckpointError(str(folder), problem, hint)
    plan = with_peft(adapter, plan, _shapes(matrices))
    tensors = {**state.tensors, **matrices.tensors}
    return _info(
        folder,
        weights,
        tensors,
        plan,
        settings=settings,
        configs=(adapter.config, *_deciding(config, settings)),
        tokenizer=tokenizer,
    )


def _shapes(state: StateDict) -> dict[str, Shape]:
    return {name: tensor.shape for name, tensor in state.tensors.items()}


def _info(
    path: Path,
    base: Path,
    tensors: Mapping[str, StoredTensor],
    plan: Plan,
    *,
    settings: GPTSettings,
    configs: tuple[Path, ...],
    tokenizer: Path | None,
) -> CheckpointInfo:
    """Describe what a plan makes of stored tensors; ``base`` is where the model's own files lie."""
    is_published = not is_latent(tensors)
    config = read_sizes(base, plan.shapes, settings, plan.stored_name, is_published=is_published)
    plan, weights, parameters = _used(path, tensors, plan)
    files = find_tokenizer(base, config.vocab_size, chosen=tokenizer)
    return CheckpointInfo(
        path,
        parameters,
        weights,
        plan,
        config,
        settings.heads,
        files,
        configs,
        is_gelu_assumed=settings.is_gelu_assumed,
    )


def _used(
    path: Path, tensors: Mapping[str, StoredTensor], plan: Plan
) -> tuple[Plan, dict[str, StoredTensor], int]:
    """Return a plan that reads each tensor by one name, the tensors it reads, and its weights."""
    plan = plan.read_once(tensors)
    sources = plan.sources.values()
    used = {source.name for source in sources}
    own_products = [one.lora for one in sources if one.lora and one.lora.is_own]
    used |= {name for product in own_products for name in (product.up, product.down)}
    matrices = {name for one in sources if one.lora for name in (one.lora.up, one.lora.down)}
    weights = {name: tensor for name, tensor in tensors.items() if name in used | matrices}
    _check_floats(path, weights)
    own = {tensor for name, tensor in weights.items() if name in used}
    return plan, weights, sum(prod(tensor.shape) for tensor in own)


def is_adapter(path: Path) -> bool:
    """Tell the folder of a PEFT adapter."""
    # os.path answers no, where pathlib raises: names too long, folders that are closed.
    return os.path.isfile(path / ADAPTER_CONFIG)  # noqa: PTH113


def check_adapter(folder: Path) -> None:
    """Refuse a folder whose adapter is no PEFT adapter, or lies beside a whole model.

    Raises:
        CheckpointError: It is such a folder.
    """
    if not any(os.path.lexists(folder / name) for name in _ADAPTERS):
        refuse_foreign_folder(folder, entries_of(folder), has_weights=True)
    whole = next((name for name in _IN_FOLDERS if os.path.lexists(folder / name)), None)
    if whole is not None:
        problem = f"it holds an adapter and the weights of a whole model ({whole})"
        hint = (
            f"if the adapter is merged into them, move {ADAPTER_CONFIG} away; else move them into "
            "a folder of their own"
        )
        raise CheckpointError(str(folder), problem, hint)


def base_of(adapter: Adapter) -> Path:
    """Find the model that an adapter is added to.

    Raises:
        CheckpointError: Its config names none, or one that is not here.
    """
    where, hint = str(adapter.config), "name it with --llm-judge-base"
    if not adapter.base:
        raise CheckpointError(where, "it does not name the model that it is added to", hint)
    for path in (adapter.folder / adapter.base, Path(adapter.base)):
        # A broken link is there, and whoever opens it says what is wrong.
        if os.path.lexists(path):
            return path
    name, targets = shorten(adapter.base), adapter.targets
    if targets and not set(targets) & _GPT2_TARGETS:
        problem = (
            f"the model {name} that it is added to, one with {name_some(targets)}, is not here"
        )
        raise CheckpointError(where, problem, "name its Hugging Face folder with --llm-judge-base")
    raise CheckpointError(where, f"the model {name} that it is added to is not here", hint)


def weights_in_adapter(folder: Path) -> Path:
    """Find the file of an adapter's matrices.

    Raises:
        CheckpointError: There is none.
    """
    for name in _ADAPTERS:
        if os.path.lexists(folder / name):
            return folder / name
    problem = "an adapter without adapter_model.safetensors"
    raise CheckpointError(str(folder), problem, "save the adapter again")


def _weights_in(path: Path) -> Path:
    """Find the weights of a folder, as Hugging Face's programs name them."""
    try:
        if not path.is_dir():
            if os.path.lexists(path):
                refuse_foreign_file(path)
            return path
        known = [path / name for name in _IN_FOLDERS if os.path.lexists(path / name)]
        others = [
            file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES and file.is_file()
        ]
        names = entries_of(path)
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise CheckpointError(str(path), "no name of a file", "correct the path") from None
    if known:
        return known[0]
    refuse_foreign_folder(path, names, has_weights=bool(others))
    if len(others) == 1:
        return others[0]
    hint = "give the path of the weights"
    if others:
        problem = f"a directory with {len(others)} files of weights"
        raise CheckpointError(str(path), problem, f"{hint} in it")
    problem = f"a directory without weights; it holds {name_some(names)}"
    raise CheckpointError(str(path), problem, hint)


def read_weights(path: Path) -> StateDict | None:
    """Read what a file of weights holds, or an index of several.

    Returns:
        ``None`` for a file in the format that torch wrote before version 1.6.

    Raises:
        CheckpointError: It cannot be read, or is no such file.
    """
    if path.name.endswith(INDICES):
        state = read_index(path)
        if state is None:
            problem = "one of its files has the format that torch wrote before version 1.6"
            raise CheckpointError(str(path), problem, "save it again with a newer torch")
        return state
    return read_safetensors(path) if path.name.endswith(SUFFIX) else read_torch_file(path)


def _check_ours(path: Path, config_file: Config | None, adapter: Path | None = None) -> None:
    """Refuse weights of a Hugging Face folder of which our engine would make another model."""
    if (
        config_file is None
        or config_file[0].name != CONFIG
        or config_file[1].get("model_type") != GPT2
    ):
        return
    file, config = config_file
    other = beyond_engine(file.parent, config)
    if other is None and adapter is None:
        other = own_template(file.parent)
    if other is None:
        return
    hint = "name the folder instead of a file in it"
    if adapter is not None:
        hint = f"merge {adapter.name} into it with PEFT, and name the folder of both"
    raise CheckpointError(str(path), f"{other}, which takes transformers", hint)


def _check_floats(path: Path, weights: Mapping[str, StoredTensor]) -> None:
    for name, tensor in weights.items():
        if tensor.dtype not in FLOATS:
            problem = f"{shorten(name)} is stored as {tensor.dtype}, not as floating-point numbers"
            raise CheckpointError(str(path), problem, "save it before it is quantised")
