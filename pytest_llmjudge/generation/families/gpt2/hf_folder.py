"""Says what of a Hugging Face folder of a GPT-2 only transformers does, and not our own engine."""

from __future__ import annotations

import hashlib
import json
import os
from fnmatch import fnmatch
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.generation.families.gpt2.config_file import COMPUTED, THEIR_ACTIVATIONS
from pytest_llmjudge.generation.families.gpt2.key_mapping import GPT2_VOCABULARY
from pytest_llmjudge.generation.files.names import shorten_json
from pytest_llmjudge.reading import SETTINGS_LIMIT, parse_json, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "CONFIG",
    "GENERATION",
    "GPT2",
    "JSON_TOKENIZERS",
    "TOKENIZER",
    "TOKENIZER_CONFIG",
    "VOCABULARIES",
    "beyond_engine",
    "matching",
    "own_template",
    "vocabulary_digest",
]

GPT2 = "gpt2"
CONFIG = "config.json"
GENERATION = "generation_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
_SLOW = ("vocab.json", "merges.txt")
"""What transformers makes GPT-2's tokenizer of where there is no tokenizer.json."""

JSON_TOKENIZERS = (TOKENIZER, "tokenizer.*.json")
VOCABULARIES = (
    *JSON_TOKENIZERS,
    "tekken.json",
    "vocab.json",
    "vocab.txt",
    "*.model",
    "*.tiktoken",
)
_NAMED_TOKENS = (TOKENIZER_CONFIG, "special_tokens_map.json")
_ADDED = "added_tokens.json"

_END = "<|endoftext|>"
_END_ID = GPT2_VOCABULARY - 1
_DIGEST = "98de00669996e48e8db9590e7c13d37461bb11178e80fa2abcafb3e49f542baf"
"""Of GPT-2's own vocabulary and merges."""

_CHANGES = ("dropout", "ignore_merges", "continuing_subword_prefix", "end_of_word_suffix")
"""Of a byte-pair encoding: what gives a text other tokens."""

_WIDTH = 768
"""Of a config that tells none."""

_COMPUTED: dict[str, tuple[object, ...]] = {
    "activation_function": tuple(THEIR_ACTIVATIONS),
    **COMPUTED,
    "auto_map": (None,),
}
"""Settings with the values that our engine computes; the first is transformers' own choice."""


def beyond_engine(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Return what our engine would get wrong of a GPT-2 folder, as half a sentence.

    What cannot be read counts as such: transformers then tells what is wrong with it.

    Args:
        folder: In which the weights lie.
        config: What its ``config.json`` says.

    Returns:
        A setting or a tokenizer; ``None`` where the two compute the same.
    """
    return _setting(folder, config) or _tokenizer(folder, config)


def own_template(folder: Path) -> str | None:
    """Return what our engine, which has no chat templates, would leave out of a GPT-2 folder."""
    for name in _TEMPLATES:
        if os.path.exists(folder / name):  # noqa: PTH110 - a closed folder has none
            return f"{name} is a chat template"
    if _read(folder / TOKENIZER_CONFIG).get("chat_template"):
        return f"{TOKENIZER_CONFIG} holds a chat template"
    return None


def matching(names: Iterable[str], patterns: tuple[str, ...]) -> list[str]:
    """Return those names that fit one of some patterns."""
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def vocabulary_digest(vocabulary: Mapping[str, int], merges: Iterable[str | list[str]]) -> str:
    """Return the SHA-256, in hex, of what a byte-pair encoding knows.

    Args:
        vocabulary: Number of each token.
        merges: Which two tokens become one, in their order, in a list or with a space between.
    """
    pairs = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in merges]
    known = json.dumps([sorted(vocabulary.items()), pairs])
    return hashlib.sha256(known.encode()).hexdigest()


def _setting(folder: Path, config: Mapping[str, Any]) -> str | None:
    heads, width = config.get("n_head"), config.get("n_embd", _WIDTH)
    harmless = {
        **_COMPUTED,
        "n_inner": (None, 4 * width if type(width) is int else None),
        "num_attention_heads": (heads,),
    }
    for name, values in harmless.items():
        if config.get(name, values[0]) not in values:
            return f"{CONFIG} sets {name} to {shorten_json(config[name])}"
    for name in (CONFIG, GENERATION):
        if _has_other_end(config, _read(folder / name)):
            return f"{name} sets another eos_token_id than GPT-2's"
    return None


def _tokenizer(folder: Path, config: Mapping[str, Any]) -> str | None:
    names = [name for name in _names_in(folder) if not name.endswith(".tiktoken")]
    there = matching(names, VOCABULARIES)
    if not there:
        return None
    if config.get("vocab_size", GPT2_VOCABULARY) != GPT2_VOCABULARY:
        return f"{CONFIG} sets vocab_size to {shorten_json(config['vocab_size'])}"
    files = [folder / name for name in ((TOKENIZER,) if TOKENIZER in there else _SLOW)]
    checks = {
        **{name: name not in {TOKENIZER, *_SLOW} for name in there},
        **{name: _changes_tokens(_read(folder / name)) for name in _NAMED_TOKENS},
        _ADDED: bool(set(_read(folder / _ADDED)) - {_END}),
    }
    checks[files[0].name] = not _are_gpt2s(*((file, *_stamp(file)) for file in files))
    other = next((name for name, is_other in checks.items() if is_other), None)
    return f"{other} tells another tokenizer than GPT-2's" if other else None


def _has_other_end(config: Mapping[str, Any], asks: Mapping[str, Any]) -> bool:
    """Say whether a text ends at another token than GPT-2's, or the last of a tokenizer's."""
    ends = asks.get("eos_token_id")
    last = config.get("vocab_size", GPT2_VOCABULARY)
    usual = (None, _END_ID, last - 1 if type(last) is int else None)
    return any(token not in usual for token in (ends if isinstance(ends, list) else [ends]))


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(file.name for file in folder.iterdir() if file.is_file())
    except OSError:
        return []


def _read(file: Path) -> dict[str, Any]:
    """Read a JSON object, empty where there is none."""
    try:
        content = parse_json(read_file(file, SETTINGS_LIMIT))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return _UNREADABLE
    return content if isinstance(content, dict) else _UNREADABLE


_UNREADABLE: dict[str, Any] = {"chat_template": "?", "eos_token_id": "?", "pad_token": "?"}
"""Says all that sends a folder to transformers."""


def _changes_tokens(config: Mapping[str, Any]) -> bool:
    if config.get("add_prefix_space") or config.get("add_bos_token"):
        return True
    values = [value for name, value in config.items() if name.endswith(("_token", "_tokens"))]
    values.append(config.get("added_tokens_decoder"))
    return any(token != _END for token in _tokens(values))


def _tokens(value: object) -> Iterator[str]:
    """Yield the tokens in a value of a config."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _tokens(value["content"] if "content" in value else list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from _tokens(one)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _are_gpt2s(*files: tuple[Path, int, int]) -> bool:
    """Say whether tokenizer.json, or the two older files, hold GPT-2's own tokenizer.

    Args:
        files: Each with its time and size: they are large, and asked for several times.
    """
    (file, *_), *others = files
    try:
        content = parse_json(read_file(file, SETTINGS_LIMIT), allow_repeated_keys=True)
        if others:
            merges = read_file(others[0][0], SETTINGS_LIMIT).decode().splitlines()
            known = content, [line for line in merges if line and not line.startswith("#version")]
        elif _is_plain(content):
            added = {token["content"]: token["id"] for token in content["added_tokens"]}
            known = {**content["model"]["vocab"], **added}, content["model"]["merges"]
        else:
            return False
        return vocabulary_digest(*known) == _DIGEST
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _is_plain(tokenizer: dict[str, Any]) -> bool:
    """Say whether a tokenizer.json splits, merges and frames text as GPT-2's does."""
    model, splits = tokenizer["model"], tokenizer["pre_tokenizer"]
    frame = tokenizer.get("post_processor") or {"type": "ByteLevel"}
    return (
        tokenizer.get("normalizer") is None
        and splits["type"] == "ByteLevel"
        and not splits["add_prefix_space"]
        and splits.get("use_regex", True)
        and (frame["type"] == "ByteLevel" or frame.get("special_tokens") == {})
        and model.get("type", "BPE") == "BPE"
        and not any(model.get(name) for name in _CHANGES)
    )
