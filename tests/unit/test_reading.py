"""Only regular files are read, wherever one is named: nothing hangs, and each gets its one line."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.families.lora import read_adapter
from pytest_llmjudge.generation.files.contents import content_of
from pytest_llmjudge.generation.hf.folder import describe_folder
from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks
from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.reading import (
    SETTINGS_LIMIT,
    UnusableFileError,
    has_more_values,
    open_file,
    parse_json,
    read_file,
    why_unreadable,
)
from pytest_llmjudge.records.files import file_digest
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.storage.labels import labels_so_far, read_labels
from pytest_llmjudge.storage.torn_line import set_aside_cut_off
from pytest_llmjudge.storage.votes import VOTE_BEGINNINGS, read_votes, votes_so_far
from tests.support.saved import read_results
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Callable


def fifo(path: Path) -> str:
    os.mkfifo(path)
    return "it is a FIFO, not a regular file"


def link_to_fifo(path: Path) -> str:
    path.with_name("behind").parent.mkdir(exist_ok=True)
    os.mkfifo(path.with_name("behind"))
    path.symlink_to("behind")
    return "it is a FIFO, not a regular file"


def bound_socket(path: Path) -> str:
    # The name of a socket is at most 108 bytes long.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)
    return "it is a socket, not a regular file"


def link_to_zeros(path: Path) -> str:
    path.symlink_to("/dev/zero")
    return "it is a device, not a regular file"


def subject(path: Path) -> object:
    return open_mmlu(path.parents[1]).questions("anatomy")


GET_IT = (
    "get https://people.eecs.berkeley.edu/~hendrycks/data.tar, and name it or the folder that it "
    "unpacks to"
)
READERS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "checkpoint": ("model.pth", describe, "put a regular file there"),
    "safetensors": ("model.safetensors", describe, "put a regular file there"),
    "index": ("model.safetensors.index.json", describe, "put a regular file there"),
    "fingerprint": ("model.pth", content_of, "put a regular file there"),
    "tokenizer": (
        "model.tiktoken",
        lambda path: load_ranks(path, path, 257),
        "put a regular file there",
    ),
    "adapter": (
        "adapter_config.json",
        lambda path: read_adapter(path.parent),
        "put a regular file there",
    ),
    "records": ("records.json", load_records, "check the path and its permissions"),
    "lines": ("records.jsonl", load_records, "check the path and its permissions"),
    "results": ("results.json", read_results, "name a file that --llm-judge-report wrote"),
    "votes": ("votes.jsonl", read_votes, "name a file that llmjudge vote wrote"),
    "votes so far": ("votes.jsonl", votes_so_far, "name a file that llmjudge vote wrote"),
    "labels": ("labels.jsonl", read_labels, "name a file that llmjudge label wrote"),
    "labels so far": ("labels.jsonl", labels_so_far, "name a file that llmjudge label wrote"),
    "tar": ("data.tar", open_mmlu, GET_IT),
}


@pytest.mark.parametrize("make", [fifo, link_to_fifo, bound_socket, link_to_zeros])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file(tmp_path: Path, reader: str, make: Callable[[Path], str]) -> None:
    """A FIFO has nobody who writes to it, a device no end; neither is waited for."""
    name, read, hint = READERS[reader]
    path = tmp_path / name
    problem = make(path)

    with pytest.raises(LlmJudgeError) as raised:
        read(path)

    assert str(raised.value) == f"{path}: {problem}; {hint}"


@pytest.mark.parametrize("make", [fifo, link_to_zeros])
def test_questions_that_are_no_regular_file(tmp_path: Path, make: Callable[[Path], str]) -> None:
    """The CSV files and Parquet files of MMLU are opened like all others."""
    path = tmp_path / "csv" / "test" / "anatomy_test.csv"
    path.parent.mkdir(parents=True)
    problem = make(path)
    with pytest.raises(LlmJudgeError) as raised:
        subject(path)
    assert (
        str(raised.value) == f"anatomy_test.csv: {problem}; put a CSV file there that can be read"
    )

    pytest.importorskip("pyarrow")
    path = tmp_path / "parquet" / "test-0.parquet"
    path.parent.mkdir()
    make(path)
    with pytest.raises(LlmJudgeError) as raised:
        open_mmlu(path.parent)
    assert str(raised.value) == (
        f"test-0.parquet: {problem}; take the files of the dataset cais/mmlu"
    )


@pytest.mark.parametrize("name", ["config.json", "model.config.json"])
def test_a_config_that_is_no_regular_file(tmp_path: Path, name: str) -> None:
    """What lies beside a good checkpoint is not waited for either."""
    save_model(tmp_path / "model.pth")
    (tmp_path / "config.json").unlink()
    fifo(tmp_path / name)

    with pytest.raises(LlmJudgeError) as raised:
        describe(tmp_path / "model.pth")

    assert str(raised.value) == (
        f"{tmp_path / name}: it is a FIFO, not a regular file; put a regular file there"
    )


def test_a_folder_of_no_regular_files(tmp_path: Path) -> None:
    """A Hugging Face folder with a FIFO among its settings."""
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    fifo(tmp_path / "generation_config.json")

    with pytest.raises(LlmJudgeError) as raised:
        describe_folder(tmp_path)

    assert str(raised.value) == (
        f"{tmp_path}/generation_config.json: it is a FIFO, not a regular file; "
        "put a regular file there"
    )


def test_a_file_that_changes_its_kind_after_it_was_described(tmp_path: Path) -> None:
    """The weights are opened anew, and with the same care."""
    path = tmp_path / "model.pth"
    save_model(path)
    info = describe(path)
    path.unlink()
    fifo(path)

    assert info.tensors is not None
    for read in (lambda: info.fingerprint, lambda: load(path, torch.device("cpu"), torch.float32)):
        with pytest.raises(LlmJudgeError) as raised:
            read()
        assert str(raised.value) == (
            f"{path}: it is a FIFO, not a regular file; put a regular file there"
        )


def test_what_is_looked_at_in_passing(tmp_path: Path) -> None:
    """A digest that workers compare, and the mending of a votes file, wait for nobody."""
    fifo(tmp_path / "fifo")

    assert file_digest(tmp_path / "fifo") == ""
    assert set_aside_cut_off(tmp_path / "fifo", VOTE_BEGINNINGS) is None


def test_a_link_to_a_regular_file_will_do(tmp_path: Path) -> None:
    """Models are often links into a store of all of them."""
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")

    with open_file(tmp_path / "link") as file:
        assert file.read() == b"abc"
    assert read_file(tmp_path / "link", 3) == b"abc"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """A file with a hole takes up nothing on the disk, and would take all of the memory."""
    save_model(tmp_path / "model.pth")
    for name, read, size, limit in (
        ("config.json", lambda _: describe(tmp_path / "model.pth"), 1 << 40, "16,777,216"),
        ("results.json", read_results, 1 << 40, "1,073,741,824"),
        ("records.json", load_records, (1 << 30) + 1, "1,073,741,824"),
    ):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(size)
        with pytest.raises(LlmJudgeError) as raised:
            read(path)
        problem = f"it has {size:,} bytes, more than the {limit} that are read"
        assert str(raised.value).startswith(f"{path}: {problem}; ")


@pytest.mark.parametrize("depth", [101, 900, 100_000])
@pytest.mark.parametrize("form", ['{"a":', "["])
def test_json_that_is_nested(tmp_path: Path, depth: int, form: str) -> None:
    """Deeper than any honest file it is refused, below as above Python's own limit."""
    deep = form * depth + "1" + {"[": "]"}.get(form, "}") * depth
    with pytest.raises(ValueError, match="it is nested too deeply"):
        parse_json(deep)

    path = tmp_path / "records.json"
    path.write_text(f'[{{"instruction": "a", "output": "b", "more": {deep}}}]', encoding="utf-8")
    with pytest.raises(LlmJudgeError) as raised:
        load_records(path)
    assert str(raised.value) == ("records.json: it is nested too deeply; a record is a flat object")

    save_model(tmp_path / "model.pth")
    (tmp_path / "config.json").write_text(f'{{"more": {deep}}}', encoding="utf-8")
    with pytest.raises(LlmJudgeError) as raised:
        describe(tmp_path / "model.pth")
    assert str(raised.value) == (
        f"{tmp_path}/config.json: not JSON (it is nested too deeply); "
        "correct it, or move it away from the checkpoint"
    )


def test_json_as_deep_as_people_write_it() -> None:
    """A hundred levels are read."""
    assert parse_json("[" * 100 + "]" * 100) != []


def test_more_values_than_there_is_memory_for() -> None:
    """Empty lists take 30 times the memory of their text: they are counted before."""
    value = "[],"
    count = (1 << 25) // 2
    with pytest.raises(ValueError, match="it has more than the 33,554,432 values that are read"):
        parse_json(f"[{value * count}1]")


def test_texts_that_look_like_values() -> None:
    """What stands in strings is no value, behind whatever escapes."""
    text = "\\" + '"[{,' * 3
    for limit, more in ((3, False), (2, True)):
        assert has_more_values(json.dumps([text, {"a": text}]), limit) is more
    assert parse_json(json.dumps(["[" * (1 << 25)])) == ["[" * (1 << 25)]


def test_a_number_of_thousands_of_digits(tmp_path: Path) -> None:
    """Python refuses to read it, and so does every reader here."""
    huge = "9" * 5000
    save_model(tmp_path / "model.pth")
    config = tmp_path / "config.json"
    config.write_text(f'{{"n_heads": {huge}}}', encoding="utf-8")
    with pytest.raises(LlmJudgeError) as raised:
        describe(tmp_path / "model.pth")
    assert str(raised.value).startswith(f"{config}: not JSON (Exceeds the limit ")
    assert "\n" not in str(raised.value)

    results = tmp_path / "results.json"
    results.write_text(json.dumps({"schema": 1})[:-2] + huge + "}", encoding="utf-8")
    with pytest.raises(LlmJudgeError) as raised:
        read_results(results)
    assert str(raised.value) == (
        f"{results}: it has an integer of 5000 digits; name a file that --llm-judge-report wrote, "
        "as it was written"
    )


def test_a_file_that_would_have_to_be_waited_for() -> None:
    """The kernel's log calls itself a regular file, and has nothing to read at once."""
    log = Path("/proc/kmsg")
    try:
        log.open("rb").close()
    except OSError:
        pytest.skip("this system's log cannot be opened")

    with contextlib.suppress(UnusableFileError):
        assert read_file(log, SETTINGS_LIMIT)
        return
    with pytest.raises(UnusableFileError) as raised:
        read_file(log, SETTINGS_LIMIT)
    assert why_unreadable(raised.value) == "it has nothing to read yet"
