"""Files that are no state dict: nothing in them runs, and each gets its one line."""

from __future__ import annotations

import errno
import os
import pickle
import zipfile
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.files.state_dict import unreadable
from tests.unit.generation.tiny import TINY, error_of, make_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

SAVE = "save a plain state dict: torch.save(model.state_dict(), path)"
COPY = "save or copy the checkpoint again"


def test_a_missing_file(path: Path) -> None:
    """A wrong path is distinguished from a bad file."""
    expected = "no such file; check the path, or train and save the model first"
    assert error_of(path) == expected


def test_a_directory(path: Path) -> None:
    """One without weights, or with several, is distinguished from one that has them."""
    path.mkdir()
    hint = "give the path of the weights"
    assert error_of(path) == f"a directory without weights; it holds nothing; {hint}"
    (path / "checkpoint-500").mkdir()
    (path / "config.json").touch()
    held = "checkpoint-500/, config.json"
    assert error_of(path) == f"a directory without weights; it holds {held}; {hint}"
    (path / "a.pth").touch()
    (path / "b.pt").touch()
    assert error_of(path) == f"a directory with 2 files of weights; {hint} in it"


@pytest.mark.parametrize("name", ["model.gguf", "model.bin"])
def test_what_llama_cpp_saves(path: Path, name: str) -> None:
    """Whatever its name, it is distinguished from a damaged file, with the way to run it."""
    file = path.with_name(name)
    file.write_bytes(b"GGUF\3\0\0\0" + bytes(100))

    expected = "a GGUF file, which only servers run; let Ollama serve it, and name it ollama:NAME"
    assert error_of(file) == expected


def test_an_unreadable_file(path: Path) -> None:
    """The system's reason is given."""
    path.write_bytes(b"")

    expected = "cannot be read (Not a directory); check the file and its permissions"
    assert error_of(path / "model.pth") == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", f"an empty file; {COPY}"),
        (b"<html>404</html>", f"not a file of torch.save; {SAVE}"),
        (b"PK\x03\x04 and no more", f"cut short or damaged; {COPY}"),
        (pickle.dumps({"a": 1}), f"not a file of torch.save; {SAVE}"),
    ],
    ids=["empty", "text", "beginning of a zip", "a plain pickle"],
)
def test_a_file_of_something_else(path: Path, content: bytes, expected: str) -> None:
    """What torch.save did not write is named for what it is."""
    path.write_bytes(content)

    assert error_of(path) == expected


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(kept=st.floats(0.001, 0.999))
def test_a_file_that_is_cut_short(path: Path, kept: float) -> None:
    """Wherever a copy broke off, the file is refused before torch reads it."""
    save_model(path)
    content = path.read_bytes()
    path.write_bytes(content[: max(2, int(len(content) * kept))])

    assert error_of(path) == f"cut short or damaged; {COPY}"


def test_a_zip_of_something_else(path: Path) -> None:
    """A few of its files are named."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
            archive.writestr(name, "")

    problem = "a zip archive of something else; it holds a.txt, b.txt, c.txt and 1 more"
    assert error_of(path) == f"{problem}; {SAVE}"


def test_damage_within_the_archive(path: Path) -> None:
    """A byte that changed in the names and shapes is noticed."""
    save_model(path)
    content = path.read_bytes()
    place = content.index(b"tok_emb.weight")
    path.write_bytes(content[:place] + b"X" + content[place + 1 :])

    assert error_of(path) == f"cut short or damaged; {COPY}"


def write_archive(path: Path, data: bytes) -> None:
    """Write an archive as torch.save does, around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", data)


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Within:
    """Is made of an argument when it is unpickled."""

    def __init__(self, kind: object, argument: object) -> None:
        self.kind, self.argument = kind, argument

    def __reduce__(self) -> tuple[Any, ...]:
        return self.kind, (self.argument,)


def test_nothing_in_a_checkpoint_runs(path: Path, tmp_path: Path) -> None:
    """A pickle that would run a command is refused, by the command's name."""
    trap = tmp_path / "trap"
    write_archive(path, pickle.dumps({"tok_emb.weight": Hostile(f"touch {trap}")}))

    name = f"{os.system.__module__}.system"
    assert error_of(path) == f"loading it would run {name}; {SAVE}"
    assert not trap.exists()


def test_a_pickled_model_is_refused(path: Path) -> None:
    """``torch.save(model)`` would run the model's class."""
    torch.save(make_model(), path)

    expected = "loading it would run pytest_llmjudge.generation.families.gpt2.model.GPTModel"
    assert error_of(path) == f"{expected}; {SAVE}"


def scheduler_state() -> dict[str, object]:
    """The state of a scheduler with milestones, which it keeps in a Counter."""
    model = make_model().requires_grad_()
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    return {"optimizer": optimizer.state_dict(), "scheduler": schedule.state_dict()}


@pytest.mark.parametrize(
    "beside",
    [
        {"config": {"dtype": torch.bfloat16, "ids": torch.int64}},
        {"config": {"device": torch.device("cuda", 0), torch.device("cpu"): 1}},
        {"config": {"shape": torch.Size([2, 3])}},
        {"done": {1, 2}, "frozen": frozenset({3})},
        {"milestones": Counter({5: 1})},
        scheduler_state(),
    ],
    ids=["dtype", "device", "size", "set", "counter", "scheduler"],
)
def test_what_training_saves_beside_the_weights(path: Path, beside: dict[str, object]) -> None:
    """Values of torch and Python that run nothing are passed over; the weights are the same."""
    model = make_model()
    torch.save({"model_state_dict": model.state_dict(), **beside}, path)

    assert describe(path).config == TINY
    ids = torch.arange(20)[None]
    assert torch.equal(load(path, torch.device("cpu"), torch.float32)(ids), model(ids))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("names", [("model", "state_dict"), ("model_state_dict", "model")])
def test_two_state_dicts(path: Path, names: tuple[str, str], *, new: bool) -> None:
    """Either may be the one that is meant, so both are named."""
    content = {name: make_model().state_dict() for name in names}
    torch.save(content, path, _use_new_zipfile_serialization=new)

    first, second = sorted(names, key=["model_state_dict", "state_dict", "model"].index)
    with pytest.raises(CheckpointError) as caught:
        load(path, torch.device("cpu"), torch.float32)

    assert str(caught.value) == (
        f'{path}: it holds two state dicts, "{first}" and "{second}"; save the one that is to be '
        "tested alone"
    )


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("beside", [{}, {"n_layers": 2}, "gpt2", None])
def test_a_state_dict_and_settings(path: Path, beside: object, *, new: bool) -> None:
    """What holds no tensors is none, whatever it is called."""
    model = make_model()
    content = {"model_state_dict": beside, "state_dict": beside, "model": model.state_dict()}
    torch.save(content, path, _use_new_zipfile_serialization=new)

    ids = torch.arange(20)[None]
    assert torch.equal(load(path, torch.device("cpu"), torch.float32)(ids), model(ids))


def test_a_directory_that_names_places_before_the_file(path: Path) -> None:
    """The archive is damaged, and not the file's permissions."""
    save_model(path)
    content = bytearray(path.read_bytes())
    # Where the directory begins, in the last record of a large archive, as torch writes it: what it
    # is too large by is taken off the places of all members.
    content[content.rindex(b"PK\6\6") + 48 + 3] = 0x7F
    path.write_bytes(content)

    assert error_of(path) == f"cut short or damaged; {COPY}"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_place_that_cannot_be_gone_to(path: Path, number: int) -> None:
    """An error of the system that is about no name of a file may be damage or the disk."""
    expected = {
        errno.EINVAL: f"cut short or damaged; {COPY}",
        errno.EIO: "cannot be read (Input/output error); check the file and its permissions",
    }

    assert str(unreadable(path, OSError(number, os.strerror(number)))) == (
        f"{path}: {expected[number]}"
    )
    named = OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    assert "cannot be read (Invalid argument)" in str(unreadable(path, named))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch", "float32.__class__"),
        ("builtins", "eval"),
        ("__builtin__", "getattr"),
        ("collections", "namedtuple"),
        ("numpy.core.multiarray", "scalar"),
    ],
)
def test_what_is_not_well_known_is_refused(path: Path, module: str, name: str) -> None:
    """Only what is on the list is passed over, whatever it stands beside."""
    call = f"c{module}\n{name}\n(U\x01atR".encode()
    write_archive(path, b"\x80\x02}(U\x05modelccollections\nCounter\n}\x85RU\x01b" + call + b"u.")

    assert error_of(path) == f"loading it would run {module}.{name}; {SAVE}"


def test_what_is_passed_over_is_not_made(path: Path, tmp_path: Path) -> None:
    """A device or set of something that runs is refused like that thing itself."""
    trap = tmp_path / "trap"
    hostile = Hostile(f"touch {trap}")
    state = make_model().state_dict()
    for inner in ({"done": [Within(set, [hostile])]}, {"on": Within(torch.device, hostile)}):
        torch.save({"model": state, **inner}, path)

        name = f"{os.system.__module__}.system"
        assert error_of(path) == f"loading it would run {name}; {SAVE}"
        assert not trap.exists()


def test_what_is_passed_over_cannot_be_changed(path: Path) -> None:
    """A pickle that sets attributes of it changes no class of this process."""
    before = Counter.update
    data = b"\x80\x02ccollections\nCounter\n(N}U\x06updateU\x01xstb."
    write_archive(path, data)

    assert error_of(path) == f"its pickle is damaged; {COPY}"
    assert Counter.update is before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02}q\x00",
        b"\x80\x02(U\x01aQ.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(tR.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((U\x01aU\x01bt(U\x01aU\x01bttR.",
    ],
    ids=["empty", "no end", "no storage", "no arguments", "no sizes"],
)
def test_a_pickle_that_makes_no_sense(path: Path, data: bytes) -> None:
    """Whatever goes wrong in reading it, the message is the same."""
    write_archive(path, data)

    assert error_of(path) == f"its pickle is damaged; {COPY}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1, 2], "it holds a list"),
        ({"encoder", "decoder"}, "it holds an object"),
        (
            OrderedDict(weights={}, epoch=3),
            "not only tensors; it holds weights, epoch",
        ),
    ],
    ids=["list", "set", "training state"],
)
def test_something_else_than_a_state_dict(path: Path, content: object, expected: str) -> None:
    """A few of the names in it are listed."""
    torch.save(content, path)

    assert error_of(path) == f"{expected}; {SAVE}"
