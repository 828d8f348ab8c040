"""Refuses a ``tokenizer.json`` by which the package tokenizers would run out of memory or time."""

from __future__ import annotations

import base64
import json
import re
from math import prod
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.reading import parse_json, why_no_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["bounded", "check_bounds"]

_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_MOST_VALUES = 2000
"""JSON values of a part: the largest of published models have some dozens."""

_MOST_GROWTH = 1000
"""How many times as long a text may become: T5's steps may make it 396 times as long."""

_LONGEST_WORD = 1000
"""Characters of a word that WordPiece splits, in cubic time: published models have 100."""

_LONGEST_AFFIX = 100
"""Bytes of what a model puts before or behind parts of words."""

_NO_EMPTY_MATCH = re.compile(
    r"(?:\[[^\[\]\\]+\]|\\[sdwnrtSDW]|\\[pP]\{\w+\}|[^\\.*+?|()\[\]{}^$])"
    r"(?:\+|\{[1-9][0-9]*,?\})?(?:[^*+?{|][^|]*)?",
    re.DOTALL,
)
"""Expressions that begin with a character that must be there, as most do."""

_HINT = "put the tokenizer that the model was trained with there"


def bounded(file: Path, content: bytes) -> bytes:
    """Return a ``tokenizer.json`` that encodes and decodes a text in reasonable time and memory.

    What it says of padding, truncation and dropout is left out: they belong to training, and
    dropout would give a text other tokens each time.

    Args:
        file: For messages.
        content: What it holds.

    Raises:
        CheckpointError: It is not a JSON object, or would ask too much of the library.
    """
    whole = check_bounds(file, content)
    whole.update(padding=None, truncation=None)
    if isinstance(whole.get("model"), dict):
        whole["model"].pop("dropout", None)
    return json.dumps(whole, ensure_ascii=False).encode(errors="surrogatepass")


def check_bounds(file: Path, content: bytes) -> dict[str, Any]:
    """Return what a ``tokenizer.json`` says, of which the library can encode and decode a text.

    Args:
        file: For messages.
        content: What it holds.

    Raises:
        CheckpointError: It is not a JSON object, or would ask too much of the library.
    """
    try:
        # Of a key that is there twice, the library takes the last value as well.
        whole = parse_json(content, allow_repeated_keys=True)
    except ValueError as error:
        raise CheckpointError(str(file), why_no_json(error), _HINT) from None
    if not isinstance(whole, dict):
        raise CheckpointError(str(file), "not a JSON object", _HINT)
    for name in _PARTS:
        _check_part(file, name, whole.get(name))
    encodes = _growth(whole.get("normalizer")) * _growth(whole.get("pre_tokenizer"))
    _check_growth(file, "normalizer and pre_tokenizer", encodes)
    _check_growth(file, "decoder", _growth(whole.get("decoder")))
    if isinstance(whole.get("model"), dict):
        _check_model(file, whole["model"])
    return whole


def _check_part(file: Path, name: str, part: object) -> None:
    problem = None
    # The library takes lists for some steps too, by the order of their settings.
    if not isinstance(part, dict | None):
        problem = f"its {name} is not an object"
    elif (count := sum(1 for _ in _values(part))) > _MOST_VALUES:
        problem = f"its {name} has {count:,} values, and no tokenizer has {_MOST_VALUES:,}"
    elif not all(isinstance(step, dict) for step in _steps(part)):
        problem = f"its {name} has a step that is not an object"
    if problem is not None:
        raise CheckpointError(str(file), problem, _HINT)


def _check_growth(file: Path, names: str, growth: int) -> None:
    if growth > _MOST_GROWTH:
        problem = f"its {names} may make a text more than {_MOST_GROWTH:,} times as long"
        raise CheckpointError(str(file), problem, _HINT)


def _check_model(file: Path, model: dict[str, Any]) -> None:
    name = "max_input_chars_per_word"
    longest = model.get(name)
    if isinstance(longest, int) and longest > _LONGEST_WORD:
        problem = f"its {name} is {longest:,}, and no tokenizer has more than {_LONGEST_WORD:,}"
        raise CheckpointError(str(file), problem, _HINT)
    for affix in ("continuing_subword_prefix", "end_of_word_suffix"):
        if _size(model.get(affix)) > _LONGEST_AFFIX:
            problem = f"its {affix} has more than {_LONGEST_AFFIX} bytes"
            raise CheckpointError(str(file), problem, _HINT)


def _values(value: object) -> Iterator[object]:
    """Yield a JSON value and all that it holds."""
    yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner)


def _steps(part: object) -> Iterator[object]:
    """Yield what stands in the lists of steps of a part."""
    for value in _values(part):
        if isinstance(value, dict):
            for key in ("normalizers", "pretokenizers", "processors", "decoders"):
                steps = value.get(key)
                yield from steps if isinstance(steps, list) else ()


def _growth(part: object) -> int:
    """Return how many times as long, in bytes, the steps of a part may make a text at most.

    Forms of Unicode do not count: one after the other, they do not make it longer and longer.
    """
    return prod(_step_growth(step) for step in _values(part) if isinstance(step, dict))


def _step_growth(step: dict[str, Any]) -> int:
    # A step need not say its type: the library goes by the settings that it finds.
    growth = 1
    if "content" in step and "pattern" in step:
        growth *= _replacement_growth(step["pattern"], _size(step["content"]))
    if "precompiled_charsmap" in step:
        growth *= _charsmap_growth(step["precompiled_charsmap"])
    growth *= 1 + _size(step.get("prepend"))
    # Each word may get one in front.
    growth *= 1 + _size(step.get("replacement"))
    if step.get("type") == "ByteLevel":
        # Two bytes for one, and a space before each word.
        growth *= 3
    if {"suffix", "word_delimiter_token", "cleanup"} & set(step):
        # An empty one stands between any two characters.
        growth *= 2
    return growth


def _replacement_growth(pattern: object, size: int) -> int:
    """Return how much replacing a pattern by so many bytes may make of a text."""
    pattern = pattern if isinstance(pattern, dict) else {}
    least = _size(pattern.get("String"))
    if least:
        return max(1, -(-size // least))
    expression = pattern.get("Regex")
    if isinstance(expression, str) and _NO_EMPTY_MATCH.fullmatch(expression):
        return max(1, size)
    # It may match between any two characters.
    return 1 + size


def _charsmap_growth(charsmap: object) -> int:
    """Return how many bytes may stand for one, by the map of sentencepiece for characters."""
    try:
        data = base64.b64decode(charsmap if isinstance(charsmap, str) else "")
    except ValueError:
        # The library cannot read it either.
        return 1
    # The size of the trie in four bytes, the trie, and all that may be put in, ended by zeros.
    trie = int.from_bytes(data[:4], "little")
    return max(map(len, data[4 + trie :].split(b"\0")), default=1) or 1


def _size(value: object) -> int:
    return len(value.encode(errors="surrogatepass")) if isinstance(value, str) else 0
