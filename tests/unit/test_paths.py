"""What is at a path in the place of a usable file, as each reader of files says it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.families.gpt2.config_file import config_beside
from pytest_llmjudge.generation.hf.folder import describe_folder
from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks
from pytest_llmjudge.generation.tokenizers.files import find_tokenizer
from pytest_llmjudge.kinds.base import Marked
from pytest_llmjudge.kinds.judged import JUDGED
from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.paths import instead_of_file
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.settings import read_settings
from pytest_llmjudge.storage.votes import read_votes
from tests.support.saved import read_results

if TYPE_CHECKING:
    from collections.abc import Callable

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def read_subject(folder: Path) -> object:
    data = open_mmlu(folder)
    return data.shots("anatomy", 1), data.questions("anatomy")


def read_template(path: Path) -> object:
    (path.parent / "data.json").write_text('[{"instruction": "x", "output": "y"}]')
    settings = read_settings({}, path.parent, path.parent, "pytest.ini")
    keywords = {"prompt": path.name, "min_score": 1}
    return JUDGED.load(Marked("suite", ["data.json"], keywords, path.parent), settings)


READERS: dict[str, Callable[[Path], object]] = {
    "data.json": load_records,
    "results.json": read_results,
    "votes.jsonl": read_votes,
    "model.pth": describe,
    "model.safetensors": describe,
    "model.safetensors.index.json": describe,
    "model.tiktoken": lambda path: load_ranks(path, path, 1),
    "data.tar": open_mmlu,
    "template.txt": read_template,
}


@pytest.mark.parametrize("name", list(READERS))
def test_a_pointer_of_git_lfs(tmp_path: Path, name: str) -> None:
    """A checkout without LFS has pointers; each reader says so and what to do."""
    path = tmp_path / name
    path.write_text(POINTER)

    with pytest.raises(LlmJudgeError) as caught:
        READERS[name](path)

    message = str(caught.value)
    assert message.endswith(
        f"{name}: it is a Git LFS pointer, not the file itself; run git lfs pull"
    )


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_pointer_in_a_hugging_face_folder(tmp_path: Path, name: str) -> None:
    """Whichever of its files is one, it is named."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "tokenizer.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"")
    (tmp_path / name).write_text(POINTER)

    with pytest.raises(LlmJudgeError) as caught:
        config_beside(weights) if name == "config.json" else describe_folder(tmp_path)

    message = f"{tmp_path / name}: it is a Git LFS pointer, not the file itself; run git lfs pull"
    assert message == str(caught.value)


@pytest.mark.parametrize("name", ["dev/anatomy_dev.csv", "test/anatomy_test.csv"])
def test_a_pointer_among_the_files_of_mmlu(tmp_path: Path, name: str) -> None:
    """The file is named, in whichever of the two folders it lies."""
    for split in ("dev", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"anatomy_{split}.csv").write_text("Q?,a,b,c,d,A\n")
    (tmp_path / name).write_text(POINTER)

    with pytest.raises(LlmJudgeError) as caught:
        read_subject(tmp_path)

    message = f"{Path(name).name}: it is a Git LFS pointer, not the file itself; run git lfs pull"
    assert message == str(caught.value)


@pytest.mark.parametrize("name", list(READERS))
def test_a_link_that_leads_nowhere(tmp_path: Path, name: str) -> None:
    """It is there, so it is not called missing; where it leads is said."""
    (tmp_path / name).symlink_to("moved-away")

    with pytest.raises(LlmJudgeError) as caught:
        READERS[name](tmp_path / name)

    assert "a link to moved-away, which is not there" in str(caught.value)


def test_links_beside_a_checkpoint(tmp_path: Path) -> None:
    """GPT-2's tokenizer and a guessed number of heads do not replace what a broken link means."""
    (tmp_path / "model.tiktoken").symlink_to("moved-away")
    (tmp_path / "model.config.json").symlink_to("gone")
    (tmp_path / "model.safetensors").symlink_to("blobs")

    found = find_tokenizer(tmp_path / "model.pth", 50257)
    assert found is not None
    assert found.file == tmp_path / "model.tiktoken"
    with pytest.raises(LlmJudgeError, match="a link to blobs, which is not there"):
        describe(tmp_path)


def test_what_is_at_a_path(tmp_path: Path) -> None:
    """Nothing, a folder, a link and a pipe are told apart."""
    file, link, loop, pipe = (tmp_path / name for name in ("file", "link", "loop", "pipe"))
    file.touch()
    link.symlink_to("gone")
    loop.symlink_to("loop")
    os.mkfifo(pipe)

    assert instead_of_file(file) is None
    assert instead_of_file(tmp_path) == "a folder"
    assert instead_of_file(tmp_path / "none") == "not there"
    assert instead_of_file(link) == "a link to gone, which is not there"
    assert instead_of_file(loop) == "a loop of links"
    assert instead_of_file(pipe) == "a device or a pipe"
    assert instead_of_file(file / "x") == "out of reach (Not a directory)"
    assert instead_of_file(tmp_path / ("x" * 300)) == "out of reach (File name too long)"
    assert instead_of_file(tmp_path / "x\0") == "out of reach (its name holds a NUL character)"
    half = "out of reach (its name holds half a surrogate pair)"
    assert instead_of_file(tmp_path / "\ud800") == half


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser opens every folder")
def test_a_closed_folder(tmp_path: Path) -> None:
    """What lies in it is out of reach, and not missing."""
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "data.json").touch()
    closed.chmod(0)
    try:
        assert instead_of_file(closed / "data.json") == "out of reach (Permission denied)"
    finally:
        closed.chmod(0o700)
