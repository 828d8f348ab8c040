"""Describes a Hugging Face folder of any architecture, without torch and without transformers."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from importlib.util import find_spec
from math import prod
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.gpt2.hf_folder import (
    CONFIG,
    GENERATION,
    GPT2,
    JSON_TOKENIZERS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    VOCABULARIES,
    beyond_engine,
    matching,
    own_template,
)
from pytest_llmjudge.generation.families.hf_config import is_quantised
from pytest_llmjudge.generation.families.lora import ADAPTER_CONFIG
from pytest_llmjudge.generation.families.sizes import absurd_size
from pytest_llmjudge.generation.families.transformer_config import UnsupportedError
from pytest_llmjudge.generation.files.contents import Content, content_of
from pytest_llmjudge.generation.files.foreign import entries_of, refuse_foreign_folder
from pytest_llmjudge.generation.files.names import name_some, shorten, shorten_json
from pytest_llmjudge.generation.files.safetensors import SUFFIX, read_safetensors
from pytest_llmjudge.generation.files.shards import files_in, read_index
from pytest_llmjudge.generation.files.state_dict import read_torch_file, refuse_pointer, unreadable
from pytest_llmjudge.generation.hf.native import Native, native_of, with_adapter
from pytest_llmjudge.generation.hf.quantised import check_quantised
from pytest_llmjudge.generation.tokenizers.bounds import check_bounds
from pytest_llmjudge.generation.tokenizers.files import read_part
from pytest_llmjudge.paths import HEAD
from pytest_llmjudge.reading import (
    DATA_LIMIT,
    SETTINGS_LIMIT,
    parse_json,
    read_file,
    why_no_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Stamp
    from pytest_llmjudge.generation.files.state_dict import StoredTensor

__all__ = [
    "FolderInfo",
    "chat_template_in",
    "check_tokenizer",
    "describe_adapter",
    "describe_folder",
    "foreign_type",
    "special_tokens_in",
    "vocabulary_of",
]

_PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
_OWN_CODE = "custom_generate"
"""A folder whose code some versions of transformers run unasked."""

_HIDDEN_TEMPLATE = "additional_chat_templates/default.jinja"
"""transformers takes it before ``chat_template.jinja``, and never writes it."""

_ATTENTION = ("attn_implementation", "experts_implementation")
_BUILT_IN_ATTENTION = ("eager", "sdpa", None)

# In the order in which transformers looks for them.
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_STATE_DICTS = ("*.pth", "*.pt")
_NO_WEIGHTS = ("rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""What older versions stored with them: the frequencies of rotary embeddings, GPT-2's masks."""

_NATIVE = "native engine"

_BESIDE = (
    CONFIG,
    GENERATION,
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


@dataclass(frozen=True)
class FolderInfo:
    """What is known of a Hugging Face folder before it is loaded.

    Attributes:
        path: The folder, or that of an adapter.
        weights: The folder of the model, which an adapter is added to.
        vocabulary: The folder of the tokenizer and the chat template.
        model_type: Its architecture, by transformers' name.
        parameters: Number of weights, tied ones counted once; ``None`` for quantised weights and
            for the format that torch wrote before version 1.6.
        files: All that decide what it writes.
        library: Version of transformers, which decides it too.
        is_safe: Whether the weights are ``.safetensors``, and not pickles.
        is_plain: Whether its tokenizer is what ``tokenizer.json`` says, and no class adds to it.
        native: How the native engine runs it; ``None`` where transformers does.
        engine: Which of the two runs it, and why if it is transformers.
    """

    path: Path
    weights: Path
    vocabulary: Path
    model_type: str
    parameters: int | None
    files: tuple[Path, ...]
    library: str
    is_safe: bool
    is_plain: bool
    native: Native | None
    engine: str

    @cached_property
    def contents(self) -> dict[Path, Content]:
        """What the files hold.

        Raises:
            CheckpointError: A file cannot be read any more.
        """
        return {file: content_of(file) for file in self.files}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the library's version, and names and contents of the files.

        Raises:
            CheckpointError: A file cannot be read any more.
        """
        digests = [f"{file.name} {content.digest}" for file, content in self.contents.items()]
        lines = [self.library, *digests]
        if self.native is not None:
            # What transformers computed of the same files may differ in the last digit of a logit.
            lines.append(_NATIVE)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def foreign_type(path: Path) -> str | None:
    """Return the architecture of a Hugging Face folder that only transformers can run.

    ``None`` stands for anything else: a GPT-2 that this package's own engine runs, an adapter, a
    file, and what cannot be read.
    """
    typed = _typed_config(path)
    if typed is None:
        return None
    kind, config = typed
    if kind == GPT2 and not own_template(path) and not beyond_engine(path, config):
        return None
    return kind


def _typed_config(path: Path) -> tuple[str, dict[str, Any]] | None:
    """Read the architecture that a folder's config names, and all that it says."""
    # os.path answers no, where pathlib raises: names too long, folders that are closed.
    if not os.path.isfile(path / CONFIG) or os.path.isfile(path / ADAPTER_CONFIG):  # noqa: PTH113
        return None
    try:
        config = parse_json(read_file(path / CONFIG, SETTINGS_LIMIT), allow_repeated_keys=True)
    except (OSError, ValueError):
        return None
    kind = config.get("model_type") if isinstance(config, dict) else None
    return (kind, config) if isinstance(kind, str) and kind else None


def chat_template_in(folder: Path) -> str:
    """Return the chat template of a folder, in whichever file it lies; empty where there is none.

    Of several that have names it is the default, as transformers takes it.
    """
    for name in ("chat_template.jinja", "chat_template.json", TOKENIZER_CONFIG):
        try:
            content = read_file(folder / name, SETTINGS_LIMIT)
            if name.endswith(".jinja"):
                return content.decode()
            settings = parse_json(content, allow_repeated_keys=True)
        except (OSError, ValueError):
            continue
        template = settings.get("chat_template") if isinstance(settings, dict) else None
        if isinstance(template, list):
            named = (one for one in template if isinstance(one, dict))
            template = {one.get("name"): one.get("template") for one in named}
        if isinstance(template, dict):
            template = template.get("default")
        if isinstance(template, str) and template:
            return template
    return ""


def special_tokens_in(folder: Path) -> frozenset[str]:
    """Return the special tokens of a folder's tokenizer, as far as its files list them."""
    special: set[str] = set()
    for name, key in ((TOKENIZER_CONFIG, "added_tokens_decoder"), (TOKENIZER, "added_tokens")):
        try:
            content = parse_json(read_file(folder / name, DATA_LIMIT), allow_repeated_keys=True)
        except (OSError, ValueError):
            continue
        listed = content.get(key) if isinstance(content, dict) else None
        tokens = list(listed.values()) if isinstance(listed, dict) else listed
        tokens = tokens if isinstance(tokens, list) else []
        special |= {
            token["content"]
            for token in tokens
            if isinstance(token, dict)
            and token.get("special") is True
            and isinstance(token.get("content"), str)
            and token["content"].strip()
        }
        if special:
            # What transformers writes into the smaller file is the whole list.
            break
    return frozenset(special)


def describe_folder(folder: Path) -> FolderInfo:
    """Describe a Hugging Face folder.

    Raises:
        CheckpointError: It is none, a part is missing or damaged, it needs code of its own, or
            transformers is not installed.
    """
    typed = _typed_config(folder)
    if typed is None:
        # What is wrong with a file that is there is said first.
        _read_config(folder / CONFIG, "model")
        problem = f"no Hugging Face folder whose {CONFIG} tells a model_type"
        raise CheckpointError(str(folder), problem, "save the model with save_pretrained")
    kind, _ = typed
    # Of a damaged generation_config.json transformers would say nothing, and take another.
    config, tokenizer, _ = (
        _read_config(folder / name, kind) for name in (CONFIG, TOKENIZER_CONFIG, GENERATION)
    )
    _check_settings(folder, config)
    _check_tokenizer_settings(folder, tokenizer)
    try:
        names = sorted(file.name for file in folder.iterdir() if file.is_file())
        has_code = (folder / _OWN_CODE).exists()
    except OSError as error:
        raise unreadable(folder, error) from None
    if has_code:
        problem = f"it has code of its own ({_OWN_CODE}), which is never run"
        raise CheckpointError(str(folder), problem, f"remove {_OWN_CODE}, or serve the model")
    weights = next((folder / name for name in _WEIGHTS if name in names), None)
    _check_template(folder)
    what = f"a Hugging Face folder of a {shorten(kind)}"
    if weights is None:
        refuse_foreign_folder(folder, entries_of(folder), has_weights=False)
        raise CheckpointError(str(folder), f"{what} without weights", _instead_of_weights(names))
    # Of the ranks that our own engine takes transformers would make an empty tokenizer of GPT-2's.
    usable = [name for name in names if kind != GPT2 or not name.endswith(".tiktoken")]
    if not matching(usable, VOCABULARIES):
        hint = "save its tokenizer into it with save_pretrained"
        raise CheckpointError(str(folder), f"{what} without a tokenizer", hint)
    beside = [folder / name for name in matching(names, (*VOCABULARIES, *_BESIDE))]
    for file in beside:
        _refuse_pointer(file)
    check_quantised(folder, config)
    parts, tensors = _read_weights(weights)
    _check_not_empty(folder, tensors or {})
    if find_spec("transformers") is None:
        problem = f"it is {what}, which needs transformers"
        raise CheckpointError(str(folder), problem, 'pip install "pytest-llmjudge[hf]"')
    files = (*beside, *dict.fromkeys((weights, *parts)))
    parameters = None if tensors is None else _count(tensors, config)
    is_safe = SUFFIX in weights.name
    is_plain = TOKENIZER in names and tokenizer.get("tokenizer_class") in _PLAIN_CLASSES
    library = version("transformers")
    native, engine = None, _NATIVE
    try:
        native = native_of(folder, config, tensors)
    except UnsupportedError as error:
        reason = error.reason
        if kind == GPT2:
            reason = beyond_engine(folder, config) or own_template(folder) or reason
        engine = f"transformers {library}, because {reason}"
    return FolderInfo(
        folder,
        folder,
        folder,
        kind,
        parameters,
        files,
        library,
        is_safe=is_safe,
        is_plain=is_plain,
        native=native,
        engine=engine,
    )


def check_tokenizer(info: FolderInfo) -> None:
    """Prove that no tokenizer of a folder asks too much of the library that will read it.

    Raises:
        CheckpointError: One does, or cannot be read.
        ContentChangedError: A file may hold something else than its digest is of.
    """
    stamps = {file: seen.stamp for file, seen in info.contents.items()}
    for file, stamp in stamps.items():
        if file.parent == info.vocabulary and matching([file.name], JSON_TOKENIZERS):
            _check_tokenizer_file(file, stamp)


@cache
def _check_tokenizer_file(file: Path, stamp: Stamp) -> None:
    # It is looked at before any work and when it is loaded, and a large one takes a second.
    check_bounds(file, read_part(file, {file: stamp}))


def describe_adapter(adapter: Path, base: Path) -> FolderInfo:
    """Describe a PEFT adapter together with the Hugging Face folder that it is added to.

    Args:
        adapter: The adapter's folder. Its tokenizer and chat template, if it has any, count.
        base: The model's.

    Raises:
        CheckpointError: Either cannot be used, or only transformers runs the model.
    """
    info = describe_folder(base)
    if info.native is None:
        problem = f"its base {base} runs on {info.engine}, and adapters are merged natively only"
        hint = (
            "merge it with PEFT (merge_and_unload, then save_pretrained of model and tokenizer) "
            "and name the folder that it wrote"
        )
        raise CheckpointError(str(adapter), problem, hint)
    native, files = with_adapter(info.native, adapter)
    names = sorted(file.name for file in adapter.iterdir() if file.is_file())
    own = [adapter / name for name in matching(names, (*VOCABULARIES, *_BESIDE))]
    vocabulary, is_plain = base, info.is_plain
    if matching(names, VOCABULARIES):
        for file in own:
            _refuse_pointer(file)
        _check_template(adapter)
        settings = _read_config(adapter / TOKENIZER_CONFIG, info.model_type)
        _check_tokenizer_settings(adapter, settings)
        vocabulary = adapter
        is_plain = TOKENIZER in names and settings.get("tokenizer_class") in _PLAIN_CLASSES
    elif (template := chat_template_in(adapter)) and template != chat_template_in(base):
        # transformers would be given the base's with the base's tokenizer.
        problem = "it has a chat template of its own, and no tokenizer"
        hint = "copy the tokenizer of the training into it, or remove the chat template"
        raise CheckpointError(str(adapter), problem, hint)
    return replace(
        info,
        path=adapter,
        vocabulary=vocabulary,
        files=(*info.files, *files, *own),
        is_plain=is_plain,
        native=native,
    )


def vocabulary_of(folder: Path, base: Path | None) -> Path:
    """Return where the tokenizer and chat template of a folder, or of an adapter of one, lie."""
    try:
        names = [file.name for file in folder.iterdir()]
    except OSError:
        return folder
    return folder if base is None or matching(names, VOCABULARIES) else base


def _check_not_empty(folder: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Refuse the placeholders that DeepSpeed's third stage leaves in the place of weights."""
    empty = next((name for name, tensor in tensors.items() if 0 in tensor.shape), None)
    if empty is not None:
        problem = f"{shorten(empty)} has no numbers, as DeepSpeed's ZeRO-3 leaves its weights"
        hint = "run the zero_to_fp32.py of the training checkpoint, and put what it writes here"
        raise CheckpointError(str(folder), problem, hint)


def _instead_of_weights(names: Sequence[str]) -> str:
    """Advise on a folder without Hugging Face's weights, which may hold another program's."""
    if raw := matching(names, _STATE_DICTS):
        return f"name the file of weights in it ({name_some(raw)})"
    return "put its .safetensors files into it, or save the model again with save_pretrained"


def _refuse_pointer(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            refuse_pointer(file, stream.read(HEAD))
    except OSError as error:
        raise unreadable(file, error) from None


def _read_config(file: Path, kind: str) -> dict[str, Any]:
    """Read a file of settings, empty where there is none; refuse what would run a folder's code."""
    hint = "save it again with save_pretrained"
    try:
        text = read_file(file, SETTINGS_LIMIT)
        refuse_pointer(file, text)
        content = parse_json(text)
    except FileNotFoundError as error:
        if file.is_symlink():
            raise unreadable(file, error) from None
        return {}
    except OSError as error:
        raise unreadable(file, error) from None
    except ValueError as error:
        raise CheckpointError(str(file), why_no_json(error), hint) from None
    if not isinstance(content, dict):
        raise CheckpointError(str(file), "not a JSON object", hint)
    if "auto_map" in content:
        problem = f"it asks for code of its own (auto_map in {file.name}), which is never run"
        hint = f"remove auto_map if transformers itself has {shorten(kind)}, or serve the model"
        raise CheckpointError(str(file.parent), problem, hint)
    return content


def _check_settings(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse settings by which transformers would do what this package does not ask it for."""
    if config.get("configuration_files"):
        problem = f"its {CONFIG} names other configs for some versions (configuration_files)"
        raise CheckpointError(str(folder), problem, "save the model again with save_pretrained")
    if "transformers_weights" in config:
        problem = f"its {CONFIG} names weights of its own choice (transformers_weights)"
        raise CheckpointError(str(folder), problem, "save the model again with save_pretrained")
    if kernel := _kernel(config):
        problem = f"its {CONFIG} asks for the attention implementation {kernel}"
        hint = "remove that, a program of others may be downloaded for it"
        raise CheckpointError(str(folder), problem, hint)
    if absurd := absurd_size(config):
        name, size, most = absurd
        setting = f"{shorten(name)} to {shorten_json(size)}"
        problem = f"its {CONFIG} sets {setting}, and no model has more than {most:,}"
        raise CheckpointError(str(folder), problem, "correct it, or save the model again")


def _check_tokenizer_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse settings by which transformers would read elsewhere, or draw tokens at random."""
    versions = settings.get("fast_tokenizer_files")
    for name in versions if isinstance(versions, list) else []:
        if not matching([str(name)], JSON_TOKENIZERS) or set(str(name)) & set("/\\"):
            problem = f"its {TOKENIZER_CONFIG} names the tokenizer {shorten(str(name))}"
            hint = f"name {TOKENIZER} alone, or remove fast_tokenizer_files"
            raise CheckpointError(str(folder), problem, hint)
    pieces = settings.get("sp_model_kwargs")
    if isinstance(pieces, dict) and pieces.get("enable_sampling"):
        problem = f"its {TOKENIZER_CONFIG} gives a text other tokens each time (enable_sampling)"
        raise CheckpointError(str(folder), problem, "remove that, it belongs to training")


def _check_template(folder: Path) -> None:
    """Refuse a default chat template where nobody looks for it."""
    if os.path.lexists(folder / _HIDDEN_TEMPLATE):
        problem = f"its default chat template is {_HIDDEN_TEMPLATE}"
        raise CheckpointError(str(folder), problem, "move it to chat_template.jinja")


def _kernel(config: object) -> str | None:
    """Find an implementation that transformers would have to get from elsewhere."""
    if isinstance(config, list):
        return next((kernel for entry in config if (kernel := _kernel(entry))), None)
    if not isinstance(config, dict):
        return None
    for name, value in config.items():
        if name.removesuffix("_internal").lstrip("_") in _ATTENTION:
            chosen = list(value.values()) if isinstance(value, dict) else [value]
            others = [one for one in chosen if one not in _BUILT_IN_ATTENTION]
            if others:
                return shorten_json(others[0])
        elif kernel := _kernel(value):
            return kernel
    return None


def _read_weights(path: Path) -> tuple[list[Path], dict[str, StoredTensor] | None]:
    """Return the files of tensors, and the tensors unless only torch can tell them."""
    files, read = [path], read_torch_file
    if path.suffix == ".json":
        files, read = files_in(path), read_index
    elif path.name.endswith(SUFFIX):
        read = read_safetensors
    state = read(path)
    return files, None if state is None else state.tensors


def _count(tensors: Mapping[str, StoredTensor], config: Mapping[str, Any]) -> int | None:
    if is_quantised(config.get("quantization_config")):
        return None
    left_out = {"lm_head.weight"} if config.get("tie_word_embeddings") is True else set()
    own = {
        tensor
        for name, tensor in tensors.items()
        if name not in left_out and not name.endswith(_NO_WEIGHTS)
    }
    return sum(prod(tensor.shape) for tensor in own)
