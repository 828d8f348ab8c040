"""Tensors of a zip archive: each is read from its own member, and turned into nothing else."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.engine.loading import load
from tests.unit.generation.test_hostile import DAMAGED, refused
from tests.unit.generation.tiny import error_of, make_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = torch.device("cpu")
CENTRAL = b"PK\1\2"
"""How an entry of the archive's directory begins; its offset stands 42 bytes further on."""


def entries(content: bytes | bytearray) -> list[int]:
    """Where the entries of the archive's directory begin."""
    places, at = [], content.find(CENTRAL)
    while at >= 0:
        places.append(at)
        at = content.find(CENTRAL, at + 4)
    return places


def entry_of(content: bytes | bytearray, name: bytes) -> int:
    return next(at for at in entries(content) if content[at + 46 :].startswith(name))


def all_offsets_0(content: bytearray) -> None:
    for at in entries(content):
        content[at + 42 : at + 46] = bytes(4)


def two_swapped(content: bytearray) -> None:
    """Let each of two weights of one shape stand in the other's place."""
    one, other = (entry_of(content, b"model/data/" + key) for key in (b"3", b"5"))
    first, second = (content[at + 42 : at + 46] for at in (one, other))
    content[one + 42 : one + 46], content[other + 42 : other + 46] = second, first


def no_local_header(content: bytearray) -> None:
    at = entry_of(content, b"model/data/3")
    (offset,) = struct.unpack_from("<I", content, at + 42)
    content[offset : offset + 4] = b"PK\7\7"


def locked(content: bytearray) -> None:
    content[entry_of(content, b"model/data/3") + 8] |= 1


def larger_than_the_file(content: bytearray) -> None:
    at = entry_of(content, b"model/data/3")
    content[at + 20 : at + 28] = b"\xff\xff\xff\x7f" * 2


@pytest.mark.parametrize(
    "change", [all_offsets_0, two_swapped, no_local_header, locked, larger_than_the_file]
)
def test_members_that_are_not_their_own(path: Path, change: Callable[[bytearray], None]) -> None:
    """What stands before a member's bytes must be its own header: other weights may fit too."""
    save_model(path)
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)

    assert refused(path) == DAMAGED


def test_the_directory_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading 20,000 entries for each of a thousand tensors would take minutes."""
    model = save_model(path)
    opened: list[object] = []

    class Archive(zipfile.ZipFile):
        def __init__(self, file: object) -> None:
            opened.append(file)
            super().__init__(file)  # type: ignore[call-overload]

    monkeypatch.setattr(zipfile, "ZipFile", Archive)
    ids = torch.arange(20)[None]

    assert torch.equal(load(path, CPU, torch.float32)(ids), model(ids))
    # Once to describe it, and once to load it.
    assert len(opened) == 2


def with_byte_order(path: Path, order: bytes | None) -> None:
    torch.save(make_model().state_dict(), path)
    other = path.with_name("other.pth")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            if not name.endswith("/byteorder"):
                target.writestr(name, source.read(name))
            elif order is not None:
                target.writestr(name, order)
    other.replace(path)


@pytest.mark.parametrize("order", [b"big", b"middle", b"", b"little\n"])
def test_numbers_that_torch_would_turn_round(path: Path, order: bytes) -> None:
    """Read as they stand, they would be other ones."""
    with_byte_order(path, order)

    hint = "save it on a machine with an x86 or ARM processor"
    assert error_of(path) == f"its numbers are not stored as little-endian; {hint}"


@pytest.mark.parametrize("order", [b"little", None], ids=["told", "not told"])
def test_numbers_as_they_stand(path: Path, order: bytes | None) -> None:
    """Before version 2.1 torch did not tell their order."""
    with_byte_order(path, order)
    ids = torch.arange(20)[None]

    assert torch.equal(load(path, CPU, torch.float32)(ids), make_model()(ids))


@pytest.mark.parametrize("is_new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("kind", ["negated", "conjugate"])
def test_tensors_that_torch_would_turn(path: Path, kind: str, *, is_new: bool) -> None:
    """The signs of a view stand beside its numbers."""
    weight = make_model().state_dict()["tok_emb.weight"]
    negated, conjugate = torch._neg_view(weight), weight.to(torch.complex64).conj()
    view = negated if kind == "negated" else conjugate
    torch.save({"tok_emb.weight": view}, path, _use_new_zipfile_serialization=is_new)

    problem = "it has a tensor that torch would negate or conjugate when it is loaded"
    assert error_of(path) == f"{problem}; save tensor.resolve_neg().resolve_conj() in its place"


def test_a_missing_member(path: Path) -> None:
    """A tensor whose numbers are not there is reported like any other damage."""
    save_model(path)
    other = path.with_name("other.pth")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            if name != "model/data/3":
                target.writestr(name, source.read(name))

    with pytest.raises(CheckpointError, match="cut short or damaged"):
        load(other, CPU, torch.float32)
