"""A tokenizer.json made to do harm: refused before the package tokenizers reads it.

Without the check, many of these end the process, or keep it at work for ever.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import Tokenizer as Tokenizers
from tokenizers import models

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.bounds import bounded
from tests.unit.generation.tokenizers.made import write_json
from tests.unit.generation.tokenizers.test_kinds import error_of, load

if TYPE_CHECKING:
    from pathlib import Path

HINT = "put the tokenizer that the model was trained with there"
A: dict[str, Any] = {"Sequence": {"id": "A", "type_id": 0}}


def replace(content: str, **pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def normalize(*steps: object) -> dict[str, Any]:
    return {"normalizer": {"type": "Sequence", "normalizers": list(steps)}}


def split(*steps: object) -> dict[str, Any]:
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}}


def decode(*steps: object) -> dict[str, Any]:
    return {"decoder": {"type": "Sequence", "decoders": list(steps)}}


def frame(single: list[object], ids: list[int]) -> dict[str, Any]:
    special = {"</s>": {"id": "</s>", "ids": ids, "tokens": ["</s>"] * len(ids)}}
    pair = [A, {"Sequence": {"id": "B", "type_id": 0}}]
    return {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": special,
        }
    }


def charsmap(longest: int) -> str:
    trie = bytes(1024)
    return base64.b64encode(
        len(trie).to_bytes(4, "little") + trie + b"a" * longest + b"\0"
    ).decode()


BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}
SPACES = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
WORDS = {
    "type": "WordPiece",
    "unk_token": "</s>",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
    "vocab": {"</s>": 0},
}


def too_many(part: str, count: str) -> str:
    return f"its {part} has {count} values, and no tokenizer has 2,000"


def too_long(parts: str) -> str:
    return f"its {parts} may make a text more than 1,000 times as long"


NORMALIZES = too_long("normalizer and pre_tokenizer")
HARMFUL: dict[str, tuple[dict[str, Any], str]] = {
    "splits": (split(*[{"type": "Whitespace"}] * 10**5), too_many("pre_tokenizer", "200,003")),
    "nested splits": (split(split(*[{"type": "WhitespaceSplit"}] * 1000)["pre_tokenizer"]), too_many("pre_tokenizer", "2,006")),
    "normalizers": (normalize(*[{"type": "NFC"}] * 1000), too_many("normalizer", "2,003")),
    "decoders": (decode(*[{"type": "Fuse"}] * 1000), too_many("decoder", "2,003")),
    "ids of a frame": (frame([A], [0] * 2000), too_many("post_processor", "4,021")),
    "pieces of a frame": (frame([A] * 1000, [0]), too_many("post_processor", "4,019")),
    "tenfold, many times": (normalize(*[replace("a" * 10, String="a")] * 12), NORMALIZES),
    "between all characters": (normalize(*[replace("a", Regex="")] * 40), NORMALIZES),
    "wherever an expression matches nothing": (normalize(*[replace("a", Regex="a*")] * 40), NORMALIZES),
    "without a type": (normalize(*[{"pattern": {"String": "a"}, "content": "a" * 10}] * 12), NORMALIZES),
    "in front": (normalize(*[{"type": "Prepend", "prepend": "a" * 100}] * 2), NORMALIZES),
    "characters": ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(1001)}}, NORMALIZES),
    "bytes of bytes": (split(*[BYTES] * 30), NORMALIZES),
    "spaces at each part": (split(*[SPACES] * 30), NORMALIZES),
    "half of it in each": ({**normalize(replace("a" * 100, String="a")), **split(*[BYTES] * 3)}, NORMALIZES),
    "tenfold, decoded": (decode(*[replace("a" * 10, String="a")] * 12), too_long("decoder")),
    "spaces between all": (decode(*[{"type": "BPEDecoder", "suffix": ""}] * 30), too_long("decoder")),
    "a list for an object": ({"normalizer": ["a" * 10**6]}, "its normalizer is not an object"),
    "a list for a step": (normalize(["a" * 10**6]), "its normalizer has a step that is not an object"),
    "words of any length": (
        {"model": {**WORDS, "max_input_chars_per_word": 10**9}},
        "its max_input_chars_per_word is 1,000,000,000, and no tokenizer has more than 1,000",
    ),
    "a long prefix": (
        {"model": {**WORDS, "continuing_subword_prefix": "a" * 10**6}},
        "its continuing_subword_prefix has more than 100 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_what_asks_too_much(tmp_path: Path, name: str) -> None:
    """One line says what it is."""
    changes, problem = HARMFUL[name]
    change(tmp_path, **changes)

    assert error_of(tmp_path) == f"…/tokenizer.json: {problem}; {HINT}"


def change(folder: Path, **changes: object) -> None:
    write_json(folder, {"eos_token": "</s>"})
    file = folder / "tokenizer.json"
    whole = {**json.loads(file.read_text("utf-8")), **changes}
    file.write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.parametrize("length", [{"Fixed": 1 << 33}, "BatchLongest"])
def test_padding_to_any_length(tmp_path: Path, length: object) -> None:
    """It is left out before a text is encoded, as cutting is."""
    padding = {
        "strategy": length,
        "direction": "Right",
        "pad_to_multiple_of": None if isinstance(length, dict) else 1 << 33,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "</s>",
    }
    cut = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
    change(tmp_path)
    expected = load(tmp_path).encode("the number")
    change(tmp_path, padding=padding, truncation=cut)

    assert load(tmp_path).encode("the number") == expected


def test_dropout(tmp_path: Path) -> None:
    """A text has the same tokens each time, as if training had not been told to leave some out."""
    change(tmp_path)
    file = tmp_path / "tokenizer.json"
    expected = load(tmp_path).encode("the number in words")
    whole = json.loads(file.read_text("utf-8"))
    whole["model"]["dropout"] = 0.9
    file.write_text(json.dumps(whole), encoding="utf-8")

    assert load(tmp_path).encode("the number in words") == expected


@pytest.mark.parametrize(
    "steps",
    [
        # Llama 2, Gemma, CLIP and XLNet.
        normalize({"type": "Prepend", "prepend": "\u2581"}, replace("\u2581", String=" ")),
        {"normalizer": replace("\u2581", String=" ")},
        {**normalize({"type": "NFC"}, replace(" ", Regex=r"\s+")), **split(BYTES)},
        normalize(replace('"', String="``"), {"type": "Precompiled", "precompiled_charsmap": charsmap(33)}),
        # T5, whose map has 33 bytes for one character.
        {
            **normalize({"type": "Precompiled", "precompiled_charsmap": charsmap(33)}, replace("\u2581", Regex=" {2,}")),
            **split({"type": "WhitespaceSplit"}, SPACES),
        },
        # What people write for languages of their own.
        normalize(*[replace("a", Regex="[\u0103\u00e2]")] * 100, *[replace("a", String="\u00e0")] * 100),
        decode(replace(" ", String="\u2581"), {"type": "ByteFallback"}, {"type": "Fuse"}),
    ],
)  # fmt: skip
def test_what_published_models_have(tmp_path: Path, steps: dict[str, Any]) -> None:
    """Nothing is said of it, and nothing is left out."""
    content = json.dumps({**steps, "model": {}}).encode()

    kept = json.loads(bounded(tmp_path, content))

    assert kept == {**steps, "model": {}, "padding": None, "truncation": None}


def test_what_panics_later(tmp_path: Path) -> None:
    """One line says it as well, though the library then raises what is no Exception."""
    change(tmp_path, decoder={"type": "Strip", "content": "a", "start": 0, "stop": 2})
    tokenizer = load(tmp_path)

    with pytest.raises(CheckpointError, match=r"cannot decode a text \(index out of bounds"):
        tokenizer.decode(tokenizer.encode("a"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"[]", "not a JSON object"), (b"{", "not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))")],
)  # fmt: skip
def test_what_is_no_object(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)

    assert error_of(tmp_path).startswith(f"…/tokenizer.json: {problem[:8]}")


def test_half_a_character_in_a_vocabulary(tmp_path: Path) -> None:
    """The library is given it as it stands there, and says that it cannot be."""
    Tokenizers(models.WordLevel({"?": 0}, unk_token="?")).save(str(tmp_path / "tokenizer.json"))  # noqa: S106
    text = (tmp_path / "tokenizer.json").read_text("utf-8").replace('"?": 0', r'"\ud800": 0')
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")

    assert "cannot read it (" in error_of(tmp_path)
