"""The header of a ``.safetensors`` file: what the library refuses, and what would map the file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pytest_llmjudge.generation.files.safetensors import read_safetensors
from tests.unit.generation.tiny import error_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAMAGED = "cut short or damaged; save or copy the checkpoint again"
STATE = {"a": torch.zeros(2, 3), "b": torch.ones(4, dtype=torch.float16)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def content(header: object, body: bytes = bytes(32), *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + body


def whole(**changes: object) -> dict[str, Any]:
    """A header of a tensor of 24 bytes and one of 8, the latter changed."""
    first = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    return {"a": first, "b": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32], **changes}}


def is_sound(file: Path) -> bool:
    """Whether the library reads the header."""
    try:
        with safe_open(file, framework="numpy"):
            return True
    except SafetensorError:
        return False


def test_names_types_and_shapes(file: Path) -> None:
    """They are those that were saved, in the order of the names."""
    file.write_bytes(save({"b": STATE["b"], "a": STATE["a"]}, {"format": "pt"}))

    tensors = read_safetensors(file).tensors

    assert list(tensors) == ["a", "b"]
    assert tensors["a"][1:] == ("float32", (2, 3), (3, 1), "a", 0)
    assert tensors["b"][1:] == ("float16", (4,), (1,), "b", 0)


@pytest.mark.parametrize(
    "data",
    [
        content(whole()),
        content({**whole(), "__metadata__": None}),
        content({**whole(), "__metadata__": {"format": "pt"}}),
        content({**whole(), "c": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
        content(whole(dtype="F8_E4M3", shape=[2, 4])),
        content(whole(dtype="F4", shape=[16])),
        content(json.dumps(whole()).encode() + b"   "),
        content({}, b""),
    ],
    ids=[
        *("plain", "null as metadata", "metadata", "an empty tensor", "eight bits", "four bits"),
        *("blanks", "nothing"),
    ],
)
def test_sound_headers(file: Path, data: bytes) -> None:
    """What the library takes is taken."""
    file.write_bytes(data)

    # Versions of the library before 0.6 do not know the type of four bits.
    assert is_sound(file) or b'"F4"' in data
    assert len(read_safetensors(file).tensors) == len(json.loads(data[8:-32] or b"{}")) - (
        b"__metadata__" in data
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05\0\0",
        *(content(whole(), length=length) for length in (0, 5, 10**6, 1 << 63, (1 << 64) - 1)),
        content(b"{"),
        content(b"[]", b""),
        content(b'"a"', b""),
        content(json.dumps(whole()).encode("utf-16")),
        content(b"[" * 100_000),
        content(b'{"a":' * 100_000),
        content({**whole(), "__metadata__": []}),
        content({**whole(), "__metadata__": {"a": 1}}),
        content({**whole(), "c": 5}),
        *(
            content(whole(data_offsets=value))
            for value in ([24], [32, 24], [0, 8], [25, 33], [-1, 7])
        ),
        *(
            content(whole(data_offsets=value))
            for value in ([24.0, 32.0], "ab", None, [24, 1 << 63])
        ),
        *(
            content(whole(shape=value))
            for value in ([5], [1 << 62, 4], [-4], [4.0], [True, 4], 4, None)
        ),
        *(content(whole(dtype=value)) for value in ("F32", "F5", "f16", 5, None)),
        content(whole(), bytes(31)),
        content(whole(), bytes(33)),
    ],
)
def test_damaged_headers(file: Path, data: bytes) -> None:
    """What the library refuses is refused, in one line."""
    file.write_bytes(data)

    assert not is_sound(file)
    assert error_of(file) == DAMAGED


def test_one_name_twice(file: Path) -> None:
    """Of two tensors of one name, the library would take one."""
    file.write_bytes(content(json.dumps(whole()).replace('"b"', '"a"').encode()))
    assert error_of(file) == DAMAGED

    header = {**whole(), "module.b": {"dtype": "F16", "shape": [0], "data_offsets": [32, 32]}}
    file.write_bytes(content(header))
    assert error_of(file).startswith("it has several tensors of one name but for a prefix")


def test_one_of_very_many_names_twice(file: Path) -> None:
    """It is noticed in the time that reading them takes; comparing each with each would take half an hour."""
    names = ",".join(f'"{number}":0' for number in (*range(300_000), 299_999))
    file.write_bytes(content(f"{{{names}}}".encode()))

    assert error_of(file) == DAMAGED


def test_a_header_that_is_too_large(file: Path) -> None:
    """A file with a hole, and a header of which each letter could become an object."""
    with file.open("wb") as stream:
        stream.write(((1 << 24) + 1).to_bytes(8, "little"))
        stream.truncate(1 << 25)

    problem = "its header has 16,777,217 bytes, more than the 16,777,216 that are read"
    assert error_of(file).startswith(f"{problem}; ")


READ = """
import sys, time
from pathlib import Path
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.safetensors import read_safetensors
print("ready", flush=True)
end = time.monotonic() + 1
while time.monotonic() < end:
    try:
        read_safetensors(Path(sys.argv[1]))
    except CheckpointError:
        pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file that is mapped stays whole")
@pytest.mark.parametrize("cut", [0, 700])
def test_a_file_that_is_cut_short_while_it_is_read(file: Path, cut: int) -> None:
    """It is damaged or whole; what maps a file is ended by the system."""
    data = save({f"a{number}": torch.zeros(64) for number in range(2000)})
    file.write_bytes(data)
    with subprocess.Popen(
        [sys.executable, "-c", READ, str(file)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        writer = threading.Thread(target=_cut_and_restore, args=(file, data, cut, process.poll))
        writer.start()
        status = process.wait(300)
        writer.join()

    assert status == 0


def _cut_and_restore(file: Path, data: bytes, cut: int, poll: Callable[[], int | None]) -> None:
    while poll() is None:
        with file.open("r+b") as stream:
            stream.truncate(cut)
            stream.write(data)
