"""Which files are a checkpoint's tokenizer: found by their names, and never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.files import GPT2S_OWN, TokenizerFiles, find_tokenizer
from pytest_llmjudge.generation.tokenizers.load import load_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

LLAMA, GPT2 = 128_256, 50_257
ODD = 50_300
"""Tokens of a GPT-2 with a tokenizer of its own."""


def names_of(files: TokenizerFiles | None) -> list[str] | None:
    """Names of the files, ``[]`` for GPT-2's own tokenizer."""
    return None if files is None else [file.name for file in files.files if file is not None]


@pytest.mark.parametrize(
    ("there", "size", "found"),
    [
        ("", LLAMA, None),
        ("tokenizer.model tokenizer.json", LLAMA, "tokenizer.json"),
        ("tokenizer.model other.tiktoken", LLAMA, "tokenizer.model"),
        ("other.tiktoken", LLAMA, None),
        ("model.tokenizer.model tokenizer.json", LLAMA, "model.tokenizer.model"),
        ("model.tiktoken tokenizer.json", LLAMA, "model.tiktoken"),
        (
            (
                "tokenizer.json special_tokens_map.json tokenizer_config.json config.json "
                "generation_config.json added_tokens.json vocab.json"
            ),
            LLAMA,
            (
                "tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json "
                "generation_config.json config.json"
            ),
        ),
        (
            "model.tokenizer.json tokenizer_config.json model.tokenizer_config.json",
            LLAMA,
            "model.tokenizer.json model.tokenizer_config.json",
        ),
        (
            "tokenizer.json model.config.json config.json",
            LLAMA,
            "tokenizer.json model.config.json config.json",
        ),
        ("tokenizer-base.json", LLAMA, "tokenizer-base.json"),
        ("tokenizer-base.json tokenizer-reasoning.json", LLAMA, None),
        ("tokenizer-base.json tokenizer.json", LLAMA, "tokenizer.json"),
        # Any model of GPT-2's vocabulary is taken to have its tokenizer where there is no other.
        ("", GPT2, ""),
        ("tokenizer.json", GPT2, "tokenizer.json"),
    ],
)
def test_beside_a_model(tmp_path: Path, there: str, size: int, found: str | None) -> None:
    """Its own stem goes first, then tokenizer.json, then tokenizer.model, with their settings."""
    for name in there.split():
        (tmp_path / name).touch()

    files = find_tokenizer(tmp_path / "model.pth", size, is_gpt2=False)

    assert names_of(files) == (None if found is None else found.split())


@pytest.mark.parametrize(
    ("there", "size", "found"),
    [
        ("tokenizer.json tokenizer.model other.tiktoken", GPT2, ""),
        ("model.tokenizer.json", GPT2, "model.tokenizer.json"),
        ("tokenizer.json", ODD, "tokenizer.json"),
        ("tokenizer.json other.tiktoken", ODD, "other.tiktoken"),
        ("a.tiktoken b.tiktoken", ODD, ""),
        ("tokenizer-base.json", GPT2, ""),
        ("tokenizer.json", None, ""),
    ],
)
def test_beside_a_gpt2(tmp_path: Path, there: str, size: int | None, found: str) -> None:
    """With GPT-2's vocabulary it has GPT-2's tokenizer, whatever lies in its folder."""
    for name in there.split():
        (tmp_path / name).touch()

    assert names_of(find_tokenizer(tmp_path / "model.pth", size)) == found.split()


def test_the_books_tokenizers(tmp_path: Path) -> None:
    """Of several each belongs to the checkpoint whose name ends as its own does."""
    for kind in ("base", "reasoning"):
        (tmp_path / f"tokenizer-{kind}.json").touch()

    files = find_tokenizer(tmp_path / "qwen3-0.6B-base.pth", 151_936, is_gpt2=False)

    assert names_of(files) == ["tokenizer-base.json"]


def test_a_link(tmp_path: Path) -> None:
    """What lies beside it goes before what lies where it leads; a broken link is there too."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "step.pth").touch()
    (tmp_path / "run" / "tokenizer.json").touch()
    path = tmp_path / "model.pth"
    path.symlink_to("run/step.pth")
    behind = find_tokenizer(path, LLAMA, is_gpt2=False)
    (tmp_path / "tokenizer.model").symlink_to("moved-away")
    beside = find_tokenizer(path, LLAMA, is_gpt2=False)

    assert behind is not None
    assert behind.file == tmp_path / "run" / "tokenizer.json"
    assert names_of(beside) == ["tokenizer.model"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("", "tokenizer.json tokenizer_config.json generation_config.json"),
        ("llama3.model", "llama3.model tokenizer_config.json generation_config.json"),
        ("ranks.tiktoken", "ranks.tiktoken"),
    ],
)
def test_one_that_is_named(tmp_path: Path, chosen: str, found: str) -> None:
    """Whatever lies beside the checkpoint, whose own settings still say what ends a text."""
    folder = tmp_path / "tokenizers"
    folder.mkdir()
    for name in ("tokenizer.json", "llama3.model", "ranks.tiktoken", "tokenizer_config.json"):
        (folder / name).touch()
    for name in ("tokenizer.json", "model.tiktoken", "generation_config.json"):
        (tmp_path / name).touch()

    files = find_tokenizer(tmp_path / "model.pth", GPT2, chosen=folder / chosen)

    assert files is not None
    assert names_of(files) == found.split()
    assert files.file is not None
    assert files.file.parent == folder
    assert files.is_chosen


def test_named_where_there_is_none(tmp_path: Path) -> None:
    """One line, about the option."""
    for chosen, message in (
        (tmp_path, f"{tmp_path} holds no tokenizer (tokenizer.json or tokenizer.model); name the file of the tokenizer"),
        (tmp_path / "nope", f"{tmp_path / 'nope'} is not there; name a tokenizer.json, a tokenizer.model or a .tiktoken file, or a folder with one"),
    ):  # fmt: skip
        with pytest.raises(CheckpointError) as caught:
            find_tokenizer(tmp_path / "model.pth", LLAMA, chosen=chosen)
        assert str(caught.value) == f"--llm-judge-tokenizer: {message}"


def test_none(tmp_path: Path) -> None:
    """What was looked for is named, and the option."""
    path = tmp_path / "model.safetensors.index.json"
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(path, find_tokenizer(path, LLAMA, is_gpt2=False), LLAMA)

    assert str(caught.value) == (
        f"{path}: no tokenizer lies beside it (tokenizer.json, tokenizer.model or model.tiktoken); "
        "put the one that it was trained with there, or name it with --llm-judge-tokenizer"
    )
    assert find_tokenizer(path, GPT2) == GPT2S_OWN
