"""Tokenizers of Hugging Face folders that would do harm in the hands of transformers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.hf.folder import describe_folder
from pytest_llmjudge.generation.hf.frames import text_ids
from pytest_llmjudge.generation.hf.loading import load_texts
from tests.unit.generation.hugging import save_folder
from tests.unit.generation.tokenizers.test_bounds import HARMFUL, HINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hugging")
    save_folder(folder)
    return folder


@pytest.fixture
def change(folder: Path) -> Iterator[Callable[..., None]]:
    """Change keys of a JSON file, and put it back behind the test."""
    before: dict[Path, bytes] = {}

    def write(name: str, **changes: object) -> None:
        file = folder / name
        before.setdefault(file, file.read_bytes())
        file.write_text(json.dumps({**json.loads(before[file]), **changes}), encoding="utf-8")

    yield write
    for file, content in before.items():
        file.write_bytes(content)


def ids_of(folder: Path) -> list[int]:
    texts = load_texts(describe_folder(folder))
    return text_ids(texts.tokenizer, "the number in words", begin=True)


@pytest.mark.parametrize("class_", ["PreTrainedTokenizerFast", "LlamaTokenizerFast"])
@pytest.mark.parametrize("name", ["splits", "ids of a frame", "tenfold, many times"])
def test_what_asks_too_much(
    folder: Path, change: Callable[..., None], name: str, class_: str
) -> None:
    """Transformers does not read it, by whichever class it would."""
    changes, problem = HARMFUL[name]
    change("tokenizer.json", **changes)
    change("tokenizer_config.json", tokenizer_class=class_)

    with pytest.raises(CheckpointError) as caught:
        ids_of(folder)

    assert str(caught.value) == f"{folder / 'tokenizer.json'}: {problem}; {HINT}"


def test_an_older_version_of_it(folder: Path, change: Callable[..., None]) -> None:
    """Each of those that transformers may choose from is looked at."""
    change("tokenizer_config.json", fast_tokenizer_files=["tokenizer.4.0.0.json"])
    other = folder / "tokenizer.4.0.0.json"
    other.write_text(json.dumps(HARMFUL["splits"][0]), encoding="utf-8")

    with pytest.raises(CheckpointError) as caught:
        ids_of(folder)

    other.unlink()
    assert str(caught.value) == f"{other}: {HARMFUL['splits'][1]}; {HINT}"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"fast_tokenizer_files": ["tokenizer.json", "../tokenizer.4.0.0.json"]},
            (
                "its tokenizer_config.json names the tokenizer ../tokenizer.4.0.0.json; name "
                "tokenizer.json alone, or remove fast_tokenizer_files"
            ),
        ),
        (
            {"sp_model_kwargs": {"enable_sampling": True, "nbest_size": -1, "alpha": 0.1}},
            (
                "its tokenizer_config.json gives a text other tokens each time (enable_sampling); "
                "remove that, it belongs to training"
            ),
        ),
    ],
)
def test_settings(
    folder: Path, change: Callable[..., None], settings: dict[str, Any], expected: str
) -> None:
    """What would be read elsewhere, or drawn at random, is refused before any work."""
    change("tokenizer_config.json", **settings)

    with pytest.raises(CheckpointError) as caught:
        describe_folder(folder)

    assert str(caught.value) == f"{folder}: {expected}"


def test_what_belongs_to_training(folder: Path, change: Callable[..., None]) -> None:
    """Padding, cutting and dropout change nothing."""
    expected = ids_of(folder)
    model = json.loads((folder / "tokenizer.json").read_bytes())["model"]
    change(
        "tokenizer.json",
        model={**model, "dropout": 0.9},
        truncation={"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0},
        padding={
            "strategy": {"Fixed": 1 << 33},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "</s>",
        },
    )

    assert ids_of(folder) == expected
