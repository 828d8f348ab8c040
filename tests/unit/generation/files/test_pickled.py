"""Pickles that ask for far more than they have: refused in one line, within little memory."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from tests.unit.generation.test_hostile import refused
from tests.unit.generation.tiny import TINY, error_of, make_model

if TYPE_CHECKING:
    from pathlib import Path

COPY = "save or copy the checkpoint again"
SAVE = "save a plain state dict: torch.save(model.state_dict(), path)"
DAMAGED = f"its pickle is damaged; {COPY}"
NESTED_KEY = f"its pickle has a key that is made of others; {COPY}"
TEXT_LIMIT = 80
DEEP = 250_000
"""Levels that take up more than a stack, whatever each of them takes."""
COUNTER = b"ccollections\nCounter\nq\x00"


def opcode(name: str) -> str:
    return f"its pickle has the opcode {name}, which torch.save does not write; {COPY}"


def pack(path: Path, data: bytes, packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("model/data.pkl", data)


def nested_by_obj(levels: int) -> bytes:
    return b"\x80\x02}" + COUNTER + b"0" + b"(h\x00" * levels + b"o" * levels + b"K\x01s."


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (nested_by_obj(DEEP), opcode("OBJ")),
        (b"\x80\x02}(icollections\nCounter\nK\x01s.", opcode("INST")),
        (b"\x80\x02}r\xff\xff\xff\x07X\x01\x00\x00\x00aK\x01s.", None),
        (b"\x80\x02}X\xff\xff\xff\x7faK\x01s.", DAMAGED),
        (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.", DAMAGED),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.", DAMAGED),
        (b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.", DAMAGED),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", opcode("LONG4")),
        (b"\x80\x02}L" + b"9" * 100_000 + b"L\nK\x01s.", DAMAGED),
        (b"\x80\x02}F" + b"9" * 100_000 + b"\nK\x01s.", DAMAGED),
        (b"\x80\x02\x82\x01.", opcode("EXT1")),
        (b"\x80\x02Pstorage\n.", opcode("PERSID")),
        (b"\x80\x02\x96" + b"\xff" * 8 + b".", opcode("BYTEARRAY8")),
        (b"\x80\x02})" + b"\x85" * DEEP + b"K\x01s.", NESTED_KEY),
        (b"\x80\x04}(" + b")\x85" + b"(" + b")" * 20 + b"t" + b"\x91K\x01s.", NESTED_KEY),
        (b"\x80\x02" + b"}" * ((1 << 22) + 1) + b".", f"its pickle has more than 4,194,304 values; {COPY}"),
        (b"\x80\x02" + b"(" * ((1 << 22) + 1) + b".", f"its pickle has more than 4,194,304 values; {COPY}"),
        (b"\x80\x02}X\x01\x00\x00\x00a" + b")" + b"h\x00" * 9 + b"K\x01s.", DAMAGED),
    ],
    ids=[
        *("obj far too deep", "inst", "a far place in the memo", "a long text"),
        *("a longer text", "long bytes", "a long frame", "a long number", "digits", "digits of a float"),
        *("extension", "persistent id", "buffer", "tuples far too deep", "a long tuple in a set"),
        *("dicts", "marks", "nothing in the memo"),
    ],
)  # fmt: skip
def test_what_no_state_dict_asks_for(path: Path, data: bytes, expected: str | None) -> None:
    """Whatever it claims, memory and stack stay small; a far place in the memo costs nothing."""
    pack(path, data)
    if expected is None:
        expected = f"not only tensors; it holds a; {SAVE}"

    assert error_of(path) == expected


def test_little_memory_is_taken(path: Path) -> None:
    """139 bytes used to take 2 GiB for the table of what was read before."""
    pack(path, b"\x80\x02}r\xff\xff\xff\x07X\x01\x00\x00\x00aK\x01s.")

    assert refused(path) == f"not only tensors; it holds a; {SAVE}"


def test_lists_within_lists_are_passed_over(path: Path) -> None:
    """All levels beside the weights are read and freed without a stack of that depth."""
    deep = b"\x80\x02}(X\x05\x00\x00\x00modelh\x01X\x04\x00\x00\x00deep" + b"]" * DEEP
    data = deep.replace(b"h\x01", b"}", 1) + b"a" * (DEEP - 1) + b"u."
    pack(path, data)

    assert error_of(path).startswith("no weights of a GPT-2, it holds nothing; ")


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_pickle(path: Path, packing: int) -> None:
    """A thousand bytes of bzip2 used to become gigabytes; torch packs nothing."""
    data = b"\x80\x02}X\xff\xff\xff\x02" + bytes(1 << 24)
    pack(path, data, packing)
    assert path.stat().st_size < 1 << 16

    expected = f"its model/data.pkl is compressed, which torch.save does not do; {SAVE}"
    assert refused(path) == expected


def test_a_pickle_that_is_too_large(path: Path) -> None:
    """A member that takes up nothing on a disk with holes is refused by its size."""
    pack(path, bytes((1 << 26) + 1))

    expected = "its pickle has 67,108,865 bytes, more than the 67,108,864 that are read; " + SAVE
    assert error_of(path) == expected


def test_a_directory_that_is_too_large(path: Path) -> None:
    """A file with a hole whose zip directory claims four gigabytes is not read."""
    size = (1 << 32) - 2
    end = b"PK\x05\x06" + bytes(4) + b"\1\0\1\0" + size.to_bytes(4, "little") + bytes(6)
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek(size)
        file.write(end)

    assert refused(path) == f"cut short or damaged; {COPY}"


def test_two_members_of_one_name(path: Path) -> None:
    """Which of them a program takes is its own affair, so that neither is taken."""
    data = pickle.dumps({"a": 1})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("model/data.pkl", data)

    assert error_of(path) == f"it has two members named model/data.pkl; {SAVE}"


def test_two_members_that_differ_in_capitals(path: Path) -> None:
    """Torch reads the one for the other, and so other weights."""
    torch.save({"tok_emb.weight": torch.ones(4)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/DATA/0", bytes(16))

    assert error_of(path) == f"it has two members named model/data/0; {SAVE}"


def test_far_too_many_members(path: Path) -> None:
    """Each tensor's read would go through all of them."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"a": 1}))
        for number in range(20_000):
            archive.writestr(f"model/x/{number}", b"")

    assert error_of(path) == f"it has 20,001 members, far more than a state dict has; {SAVE}"


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_every_protocol_that_torch_writes(path: Path, protocol: int) -> None:
    """The opcodes of all of them are read, those of what training programs add included."""
    model = make_model()
    beside: dict[str, Any] = {
        "done": {1, "a"},
        "frozen": frozenset({2}),
        "big": [2**70, -(2**40), 1.5, None, True],
    }
    beside["more"] = {"text": "ü" * 300, "tuple": tuple(range(5))}
    if protocol > 2:
        beside["more"]["bytes"] = b"\xff" * 300
    torch.save({"model": model.state_dict(), **beside}, path, pickle_protocol=protocol)

    assert describe(path).config == TINY


OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("


@pytest.mark.parametrize(
    ("pickled", "expected"),
    [
        (b"\x80\x02})" + b"\x85" * DEEP + b"K\x01s.", NESTED_KEY),
        (
            b"\x80\x02}X\x01\x00\x00\x00a" + STORAGE + b"\x8a\x05\x00\x00\x00\x00\x40NtQs.",
            f"cut short or damaged; {COPY}",
        ),
        (
            b"\x80\x02}X\x01\x00\x00\x00a" + REBUILD + STORAGE + b"K\x01NtQK\x00"
            b"\x8a\x05\x00\x00\x00\x00\x40\x85K\x00\x85\x89}tRs.",
            DAMAGED,
        ),
        (
            b"\x80\x02}X\x01\x00\x00\x00acbuiltins\nset\n])\x85a\x85Rs.",
            f"its pickle has a set of other objects; {COPY}",
        ),
    ],
    ids=["a nested key", "a storage of a terabyte", "a number repeated", "a set of tuples"],
)
def test_an_old_file_is_looked_at_before_torch_reads_it(
    path: Path, pickled: bytes, expected: str
) -> None:
    """The format before torch 1.6 is torch's to read, which has no bounds of its own."""
    path.write_bytes(OLD + pickled + b"\x80\x02]." + bytes(100))

    assert refused(path) == expected


def old_storage(key: bytes, size: int, kind: bytes = b"FloatStorage") -> bytes:
    """What an old file says of a storage when it names it."""
    opcodes = b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x00" + key
    return opcodes + b"X\x03\x00\x00\x00cpuK" + bytes([size]) + b"NtQ"


@pytest.mark.parametrize(
    ("named", "listed"),
    [
        ([old_storage(b"0", 9), old_storage(b"0", 0)], ["0"]),
        ([old_storage(b"0", 2), old_storage(b"0", 2, b"HalfStorage")], ["0"]),
        ([old_storage(b"0", 4)], []),
        ([old_storage(b"0", 4), old_storage(b"1", 4)], ["1"]),
        ([old_storage(b"0", 4)], ["0", "0"]),
        ([old_storage(b"0", 4)], [["0"]]),
    ],
    ids=["two sizes", "two types", "none is read", "one is not read", "read twice", "no keys"],
)
def test_storages_that_an_old_file_does_not_hold(
    path: Path, named: list[bytes], listed: list[object]
) -> None:
    """Memory would be taken for them, and it would hold what was there before."""
    data = b"\x80\x02]" + b"".join(one + b"a" for one in named) + b"."
    path.write_bytes(OLD + data + pickle.dumps(listed, 2) + bytes(200))

    message = error_of(path)

    assert message in {
        f"its pickle has a storage of two sizes or types; {COPY}",
        f"its list of storages is not that of its tensors; {COPY}",
    }


def test_names_that_take_the_memory_of_many(path: Path) -> None:
    """The text of tuples that share long values could be thousands of times the file's size."""
    long = b"B" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20)
    keys = b"".join(b"(" + b"h\x00" * 15 + b"K" + bytes([one]) + b"tN" for one in range(100))
    pack(path, b"\x80\x02" + long + b"q\x000}(" + keys + b"u.")

    shown = ", ".join(["a key that is no text"] * 3)
    assert refused(path) == f"not only tensors; it holds {shown} and 97 more; {SAVE}"


@pytest.mark.parametrize(
    "data",
    [
        b"X\x0a\x10\x00\x00" + b"n" * 4106 + b"K\x01s.",
        b"X\x01\x00\x00\x00ac" + b"n" * 4106 + b"\nb\n.",
    ],
    ids=["a key", "what it would run"],
)
def test_long_names_are_cut(path: Path, data: bytes) -> None:
    """A message has room for the beginning of a name."""
    pack(path, b"\x80\x02}" + data)

    assert "n" * (TEXT_LIMIT // 2) in error_of(path)
    assert "n" * TEXT_LIMIT not in error_of(path)


@pytest.mark.parametrize("kind", [b")" + b"\x85" * DEEP, b"X\x01\x00\x00\x00a", b"]"])
def test_a_storage_that_is_none(path: Path, kind: bytes) -> None:
    """What stands in its place is not looked at: a deep tuple cannot even be hashed."""
    data = b"\x80\x02}X\x01\x00\x00\x00a" + REBUILD + kind + b"X\x01\x00\x00\x000K\x01\x87"
    pack(path, data + b"K\x00))\x89}tRs.")

    assert error_of(path) == DAMAGED


@pytest.mark.parametrize("shape", [b"h\x00h\x00", b")h\x00", b"h\x00)", b"]]", b"K\x01K\x01"])
def test_a_shape_that_is_none(path: Path, shape: bytes) -> None:
    """It is not taken apart first: each letter of a text would become an object."""
    text = b"X" + (1 << 22).to_bytes(4, "little") + b"n" * (1 << 22) + b"q\x000"
    data = b"\x80\x02" + text + b"}X\x01\x00\x00\x00a" + REBUILD
    pack(path, data + STORAGE + b"K\x01tQK\x00" + shape + b"\x89}tRs.")

    assert refused(path) == DAMAGED


def test_an_old_file_with_what_training_adds(path: Path) -> None:
    """Sets, sizes and devices beside the weights are no harm in the old format either."""
    model = make_model()
    beside = {"at": torch.Size([2, 3]), "on": torch.device("cuda", 0), "epoch": 3}
    torch.save({"model": model.state_dict(), **beside}, path, _use_new_zipfile_serialization=False)

    loaded = load(path, torch.device("cpu"), torch.float32)

    ids = torch.arange(20)[None]
    # How many heads it has stands nowhere, as in any state dict; one of them is 64 wide.
    assert torch.equal(loaded(ids), model(ids))


def test_a_name_with_a_million_prefixes(path: Path) -> None:
    """Prefixes of parallel training are taken off all at once, and not one after another."""
    name = b"module." * 1_000_000
    data = b"\x80\x02}X" + len(name).to_bytes(4, "little") + name + b"K\x01s."
    pack(path, data)

    assert error_of(path).startswith("not only tensors; it holds module.module.")


def test_nothing_of_the_file_runs(path: Path) -> None:
    """A name that would run something is refused by whatever opcode it is asked for."""
    for call in (b"cposix\nsystem\n", b"\x8c\x05posix\x8c\x06system\x93"):
        pack(path, b"\x80\x04" + call + b"(\x8c\x04trapt" + b"R.")
        assert error_of(path) == f"loading it would run posix.system; {SAVE}"
