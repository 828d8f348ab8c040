"""Devices and number formats by their names."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.errors import CheckpointError, SettingsError
from pytest_llmjudge.generation import devices
from pytest_llmjudge.generation.devices import (
    failed_import,
    import_torch,
    is_out_of_memory,
    usable_device,
    usable_dtype,
)

if TYPE_CHECKING:
    from pathlib import Path

SIGNALLED = """
import os, signal, time

os.kill(os.getpid(), signal.SIGALRM)
time.sleep(0.1)
is_whole = True
"""
"""Stands for torch, and is sent a signal while it is imported."""
INTERRUPTED = """
import signal
from pytest_llmjudge.generation.devices import import_torch

def stop(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, stop)
try:
    import_torch()
except TimeoutError:
    import torch
    print("stopped", torch.is_whole)
"""
WAITING = "import os; print(os.environ['OMP_WAIT_POLICY'], end=' ')"
"""Stands for torch, and tells what OpenMP is told."""
WAITED = "import_torch(); import os; print(os.environ.get('OMP_WAIT_POLICY'))"


@pytest.mark.parametrize(
    ("there", "expected"),
    [((True, True), "cuda"), ((False, True), "mps"), ((False, False), "cpu")],
)
def test_auto_takes_the_fastest(
    monkeypatch: pytest.MonkeyPatch, there: tuple[bool, bool], expected: str
) -> None:
    """CUDA, then MPS, then the CPU, whichever is there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there[0])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there[1])
    asked = []
    zeros = torch.zeros

    def note(size: int, device: str) -> torch.Tensor:
        asked.append(device)
        return zeros(size)

    monkeypatch.setattr(torch, "zeros", note)

    usable_device("auto")

    assert asked == [expected]


@pytest.mark.parametrize("name", ["quantum", "meta", "hpu", "cpu:-2", "privateuseone"])
@pytest.mark.parametrize(
    ("there", "known"),
    [((False, False), "auto, cpu"), ((True, True), "auto, cpu, cuda, mps")],
)
def test_devices_that_do_not_work(
    monkeypatch: pytest.MonkeyPatch, name: str, there: tuple[bool, bool], known: str
) -> None:
    """Those that torch does not know, that need another package, and that hold no numbers."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there[0])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there[1])

    with pytest.raises(SettingsError) as caught:
        usable_device(name)
    assert str(caught.value) == f"device {name!r}: torch cannot use it here; use one of {known}"


def test_a_signal_while_torch_is_imported(tmp_path: Path) -> None:
    """What its handler raises is not lost, and does not break the import off."""
    (tmp_path / "torch.py").write_text(SIGNALLED, "utf-8")

    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout == "stopped True\n", run.stderr


@pytest.mark.parametrize(
    ("wish", "seen"), [({}, "PASSIVE None\n"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE ACTIVE\n")]
)
def test_who_says_how_threads_wait(tmp_path: Path, wish: dict[str, str], seen: str) -> None:
    """OpenMP reads the user's choice, or ours, which is gone when torch has been imported."""
    (tmp_path / "torch.py").write_text(WAITING, "utf-8")
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OMP_")}

    run = subprocess.run(
        [sys.executable, "-c", f"from {devices.__name__} import import_torch; {WAITED}"],
        cwd=tmp_path,
        env={**environment, **wish},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout == seen, run.stderr


def test_torch_whose_import_was_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not imported a second time, which raises something else each time, or crashes."""
    # What it has imported by then stays.
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(devices, "_FAILED", [])

    with pytest.raises(CheckpointError) as caught:
        import_torch()

    assert str(caught.value) == (
        "torch: an import of torch was broken off in this process (earlier), which cannot repeat "
        "it; import torch at the top of a conftest.py, where no time limit applies, and run again"
    )
    assert str(failed_import("in another way")) == str(caught.value)


def test_formats_that_are_not_known() -> None:
    """It is reported in one line."""
    with pytest.raises(SettingsError) as caught:
        usable_dtype("float8")
    assert str(caught.value) == (
        "dtype 'float8': unknown; use one of auto, float32, bfloat16, float16"
    )
    assert usable_dtype("auto") == torch.float32


def test_how_too_little_memory_is_recognised() -> None:
    """By CUDA, by the CPU's allocator, and by Python; other errors are not taken for it."""
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(KeyError("memory"))
