"""Files made to do harm: one line each, and nothing happens."""

from __future__ import annotations

import os
import pickle
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.engine.loading import load
from tests.unit.generation.tiny import make_model

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
SAVE = "save a plain state dict: torch.save(model.state_dict(), path)"
DAMAGED = "cut short or damaged; save or copy the checkpoint again"


class Runs:
    """Asks the unpickler to run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harmed",)


class Claims:
    """Asks the unpickler for a tensor of any shape out of a memory block of four bytes."""

    def __init__(self, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.shape, self.stride = shape, stride

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        rebuild = torch._utils._rebuild_tensor_v2
        return rebuild, (Block(), 0, self.shape, self.stride, False, {})


class Block:
    """A memory block of the archive."""


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, Block):
            return ("storage", torch.FloatStorage, "0", "cpu", 1)
        return None


def write(path: Path, content: object, *, prefix: str = "archive") -> None:
    """Write what torch.save would write, with a single memory block of four bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pickled = path.with_suffix(".pkl")
    with pickled.open("wb") as file:
        Pickler(file, protocol=2).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{prefix}/data.pkl", pickled.read_bytes())
        archive.writestr(f"{prefix}/data/0", b"\0\0\0\0")
    pickled.unlink()


def refused(path: Path) -> str:
    """Load a file; say why it cannot be, and prove that nothing else happened."""
    before = sorted(path.parent.parent.rglob("*"))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as raised:
            load(path, CPU, torch.float32)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 26
    assert sorted(path.parent.parent.rglob("*")) == before
    message = str(raised.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_a_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle that would run something is not read."""
    monkeypatch.chdir(path.parent)
    torch.save({"tok_emb.weight": Runs()}, path)

    assert refused(path) == f"loading it would run {os.system.__module__}.system; {SAVE}"


def test_members_outside_of_the_archive(path: Path) -> None:
    """Nothing is unpacked, so names that lead elsewhere lead nowhere."""
    write(path, {"tok_emb.weight": Claims((1, 1), (1, 1))}, prefix="../../outside")

    assert refused(path).startswith("a GPT-2 that lacks pos_emb.weight; ")


def whole_state(claim: Claims) -> dict[str, object]:
    """Make a state dict in which all fits but what the embedding claims."""
    state: dict[str, object] = {
        name: Claims(tuple(weight.shape), (0,) * weight.ndim)
        for name, weight in make_model().state_dict().items()
    }
    return {**state, "tok_emb.weight": claim, "out_head.weight": claim}


@pytest.mark.parametrize(
    ("shape", "stride"),
    [((1 << 32, 64), (64, 1)), ((1 << 32, 64), (0, 0)), ((262, 64), (1 << 40, 1))],
    ids=["more than there is", "one number a trillion times", "far apart"],
)
def test_a_tensor_that_claims_a_terabyte(
    path: Path, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    """It is refused before memory is asked for."""
    write(path, whole_state(Claims(shape, stride)))

    assert refused(path) == DAMAGED


def test_packed_members(path: Path) -> None:
    """A few packed bytes could become many; torch packs none."""
    torch.save(make_model().state_dict(), path)
    packed = path.with_name("packed.pth")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as to:
        for name in source.namelist():
            to.writestr(name, source.read(name))

    problem = "its model/data.pkl is compressed, which torch.save does not do"
    assert refused(packed) == f"{problem}; {SAVE}"


@pytest.mark.parametrize("folder", [False, True])
def test_a_loop_of_links(path: Path, *, folder: bool) -> None:
    """A link to itself is no file, and no folder."""
    link = path.with_name("loop.safetensors" if folder else "loop.pth")
    link.symlink_to(link.name)

    assert refused(link) == (
        "cannot be read (Too many levels of symbolic links); check the file and its permissions"
    )
