"""An index of several files: what it costs depends on the files, and not on what it repeats."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.generation.files.shards import files_in
from tests.unit.generation.tiny import error_of, make_model

if TYPE_CHECKING:
    from pathlib import Path

COPY = "save or copy the checkpoint again"
APART = "put all files into one folder"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    save_file(make_model().state_dict(), tmp_path / "part.safetensors")
    return tmp_path / "model.safetensors.index.json"


def write(index: Path, weight_map: dict[str, str]) -> None:
    index.write_text(json.dumps({"weight_map": weight_map}), "utf-8")


def test_an_index_of_very_many_tensors(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system is asked about a file once, however often it is named."""
    write(index, {f"k{number}": "part.safetensors" for number in range(10_000)})
    asked: list[object] = []
    stat = os.lstat

    def counted(path: str) -> os.stat_result:
        asked.append(path)
        return stat(path)

    monkeypatch.setattr(os, "lstat", counted)

    assert files_in(index) == [index.with_name("part.safetensors")]
    assert len(asked) < 100


@pytest.mark.parametrize(
    "name", ["./part.safetensors", "{folder}/part.safetensors", "x/../part.safetensors"]
)
def test_other_names_of_a_file_beside_it(index: Path, name: str) -> None:
    """A way to the same folder is no other folder."""
    write(index, {"a": name.format(folder=index.parent)})

    assert files_in(index)[0].name == "part.safetensors"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["../a"], f"it names a in another folder; {APART}"),
        (["part.safetensors", "/etc/" + "p" * 90], f"it names {'p' * 79}… in another folder; {APART}"),
        (["x" * 5000], f'it names "{"x" * 78}…, which no file can be called; {COPY}'),
        (["a\0b"], f'it names "a\\u0000b", which no file can be called; {COPY}'),
        ([f"{n}.safetensors" for n in range(10_001)], f"it names 10,001 files, far more than a model has; {COPY}"),
    ],
    ids=["above", "elsewhere", "long", "nul", "many"],
)  # fmt: skip
def test_files_that_are_not_read(index: Path, names: list[str], expected: str) -> None:
    """They are reported in one line of bounded length."""
    write(index, {f"k{number}": name for number, name in enumerate(names)})

    assert error_of(index) == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"weight_map": {"k": "part.safetensors", "k": "other.safetensors"}}', "k"),
        ('{"weight_map": {"k": "part.safetensors"}, "weight_map": {}}', "weight_map"),
    ],
)
def test_a_key_that_stands_there_twice(index: Path, text: str, key: str) -> None:
    """Nobody knows which of the two files was meant."""
    index.write_text(text, "utf-8")

    assert error_of(index) == f'it has the key "{key}" twice; {COPY}'


def test_a_folder_that_is_a_loop_of_links(index: Path) -> None:
    """It leads nowhere, so not to this folder either."""
    index.with_name("loop").symlink_to("loop")
    write(index, {"a": "loop/part.safetensors"})

    assert error_of(index) == f"it names part.safetensors in another folder; {APART}"


def test_a_long_name_that_is_in_no_file(index: Path) -> None:
    """The name of a tensor is cut too."""
    torch.manual_seed(0)
    write(index, {"n" * 5000: "part.safetensors"})

    assert error_of(index) == f"{'n' * 79}… is in none of its files; {COPY}"
