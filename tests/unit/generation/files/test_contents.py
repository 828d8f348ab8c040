"""The bytes that are loaded are those that were hashed, whatever happens to the files meanwhile."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.files.contents import content_of
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from tests.unit.generation.tiny import make_model, save_model, write_heads, write_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

PROMPTS = ["the thing", "in the"]
WRITTEN = "it is written to while it is loaded; run again when the training is done"
CHANGED = "it changed since the run began; run again when the training is done"

_on_open: list[Callable[[str, bool], None]] = []
_has_hook: list[bool] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _on_open or not isinstance(arguments[0], str):
        return
    callback = _on_open.pop()
    frame: FrameType | None = sys._getframe()
    loads = False
    while frame is not None:
        name = frame.f_code.co_filename
        loads = loads or name.endswith(
            (
                "generation/files/tensors.py",
                "generation/tokenizers/byte_pairs.py",
                "generation/tokenizers/files.py",
            )
        )
        loads = loads or "/transformers/" in name or frame.f_code.co_name == "_read_old"
        frame = frame.f_back
    try:
        callback(arguments[0], loads)
    finally:
        _on_open.append(callback)


@pytest.fixture
def opening() -> Iterator[list[Callable[[str, bool], None]]]:
    """Callbacks for each file that Python opens: its path, and whether a model is being loaded."""
    if not _has_hook:
        # It cannot be taken away again.
        sys.addaudithook(_audit)
        _has_hook.append(True)
    yield _on_open
    _on_open.clear()


def swapping(link: Path, first: Path, second: Path, times: int) -> Callable[[str, bool], None]:
    """Let a link lead to another target whenever a model is loaded, and back again after that."""
    left = [times]

    def on_open(path: str, loads: bool) -> None:  # noqa: FBT001
        del path
        target = second if loads and left[0] else first
        if link.readlink() != target:
            left[0] -= target == first
            link.unlink()
            link.symlink_to(target)

    return on_open


def save_pth(path: Path, seed: int) -> None:
    save_model(path, seed=seed)


def save_old(path: Path, seed: int) -> None:
    save_model(path, seed=seed)
    state = make_model(seed=seed).state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_safe(path: Path, seed: int) -> None:
    save_file(make_model(seed=seed).state_dict(), path)
    write_heads(path.parent)
    write_ranks(path.with_suffix(".tiktoken"))


SAVERS = pytest.mark.parametrize(
    ("name", "save"),
    [("m.pth", save_pth), ("m.bin", save_old), ("m.safetensors", save_safe)],
    ids=["pth", "before-1.6", "safetensors"],
)


@SAVERS
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
def test_a_link_to_another_checkpoint_while_it_is_loaded(
    tmp_path: Path,
    opening: list[Callable[[str, bool], None]],
    name: str,
    save: Callable[[Path, int], None],
    times: int,
) -> None:
    """Whoever hashes sees one model, whoever loads another: it is loaded again, or refused."""
    for folder, seed in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / name, seed)
    expected = TorchModel(tmp_path / "a" / name).generate(PROMPTS, max_new_tokens=6)
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "a")
    model = TorchModel(link / name)
    assert model.fingerprint
    opening.append(swapping(link, tmp_path / "a", tmp_path / "b", times))

    if times == 1:
        assert model.generate(PROMPTS, max_new_tokens=6) == expected
    else:
        with pytest.raises(CheckpointError) as caught:
            model.generate(PROMPTS, max_new_tokens=6)
        assert str(caught.value) == f"{link / name}: {WRITTEN}"


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
def test_a_folder_swapped_while_transformers_loads_it(
    tmp_path: Path, opening: list[Callable[[str, bool], None]], times: int
) -> None:
    """The library opens files by their names, so the folder and the files must stay the same."""
    from tests.unit.generation.hugging import save_folder

    save_folder(tmp_path / "a")
    save_folder(tmp_path / "b", rms_norm_eps=0.5)
    model = HuggingFaceModel(tmp_path / "a")
    expected = HuggingFaceModel(tmp_path / "a").generate(PROMPTS, max_new_tokens=4)
    assert model.fingerprint
    left = [times]
    is_swapped = [False]

    def on_open(path: str, loads: bool) -> None:  # noqa: FBT001
        if not path.startswith(str(tmp_path)):
            return
        wanted = loads and left[0] > 0
        if wanted != is_swapped[0]:
            for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
                (tmp_path / old).rename(tmp_path / new)
            is_swapped[0] = wanted
            left[0] -= not wanted

    opening.append(on_open)

    if times == 1:
        assert model.generate(PROMPTS, max_new_tokens=4) == expected
    else:
        with pytest.raises(CheckpointError):
            model.generate(PROMPTS, max_new_tokens=4)


def test_weights_of_transformers_written_over_while_the_model_runs(tmp_path: Path) -> None:
    """They are the model's own, and not those that a program writes into the file afterwards."""
    from tests.unit.generation.hugging import save_folder

    save_folder(tmp_path)
    model = HuggingFaceModel(tmp_path)
    expected = model.generate(PROMPTS, max_new_tokens=4)
    file = tmp_path / "model.safetensors"
    half = file.stat().st_size // 2
    with file.open("r+b") as stream:
        stream.seek(half)
        stream.write(b"\x3f" * half)

    assert model.generate(PROMPTS, max_new_tokens=4) == expected
    with pytest.raises(CheckpointError) as caught:
        model.check_still_has(model.fingerprint)
    assert str(caught.value) == f"{tmp_path}: {CHANGED}"


def test_a_file_written_over_with_the_times_set_back(tmp_path: Path) -> None:
    """Size and modification time can be forged; the time of the last change cannot."""
    path = tmp_path / "m.pth"
    save_model(path)
    model = TorchModel(path)
    fingerprint, status = model.fingerprint, path.stat()
    save_model(tmp_path / "n.pth", seed=1)
    path.write_bytes((tmp_path / "n.pth").read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(CheckpointError) as caught:
        model.check_still_has(fingerprint)
    assert str(caught.value) == f"{path}: {CHANGED}"


@pytest.mark.parametrize("change", ["tokenizer", "new config"])
def test_files_beside_a_checkpoint_that_change(tmp_path: Path, change: str) -> None:
    """What decides texts counts as the model, also what was not there before."""
    path = tmp_path / "m.pth"
    save_model(path)
    model = TorchModel(path)
    fingerprint = model.fingerprint
    if change == "tokenizer":
        write_ranks(path.with_suffix(".tiktoken"), [b"on", b"in", b"at", b"it", b"is"])
    else:
        (tmp_path / "m.config.json").write_text('{"activation": "gelu"}', encoding="utf-8")

    with pytest.raises(CheckpointError) as caught:
        model.check_still_has(fingerprint)
    assert str(caught.value) == f"{path}: {CHANGED}"


def test_a_checkpoint_that_was_copied_over_itself_or_removed(tmp_path: Path) -> None:
    """The same bytes are the same model, and where nothing lies there is no other one."""
    path = tmp_path / "m.pth"
    save_model(path)
    model = TorchModel(path)
    fingerprint = model.fingerprint
    shutil.copy(path, tmp_path / "copy")
    shutil.copy(tmp_path / "copy", path)

    model.check_still_has(fingerprint)
    path.unlink()
    model.check_still_has(fingerprint)


def test_two_writes_within_a_tick_of_the_clock(tmp_path: Path) -> None:
    """A file that was just written is read again: its times may be those of the write before."""
    path = tmp_path / "m.pth"
    path.write_bytes(b"some")
    first = content_of(path)
    path.write_bytes(b"same")
    assert content_of(path).digest != first.digest
