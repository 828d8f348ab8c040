"""Torch as this machine has it: imported when it is needed, its devices, its number formats."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

__all__ = [
    "broken_import",
    "failed_import",
    "import_torch",
    "is_out_of_memory",
    "no_room_for_one",
    "one_line_memory",
    "return_memory",
    "usable_device",
    "usable_dtype",
]

_FAILED: list[CheckpointError] = []
"""The first failed import of torch in this process; what later ones raise tells nothing of it."""


def import_torch() -> None:
    """Import torch, and let its threads sleep while they wait for each other.

    OpenMP reads this setting when it is loaded, and spins otherwise. A thread that spins takes
    the core from the one that it waits for as soon as another program, such as the judge, wants a
    core too: beside one busy process on two cores, decoding was 5 times slower with spinning.

    Raises:
        CheckpointError: An import of torch failed earlier in this process.
    """
    if "torch" not in sys.modules and any(name.startswith("torch.") for name in list(sys.modules)):
        # Its libraries are still loaded. A second import raises something else each time, crashes,
        # or gives a torch that lacks parts of itself.
        raise broken_import()
    users_choice = os.environ.get("OMP_WAIT_POLICY")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The exception of a signal handler, as for Ctrl-C or a time limit, is raised in the main thread
    # only, and so cannot break this import off.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(importlib.import_module, "torch").result()
    if users_choice is None:
        del os.environ["OMP_WAIT_POLICY"]


def broken_import(cause: str = "earlier") -> CheckpointError:
    """Make the error of a process in which an import of torch did not come to its end.

    Args:
        cause: What broke it off, where that is known.
    """
    problem = f"an import of torch was broken off in this process ({cause}), which cannot repeat it"
    hint = "import torch at the top of a conftest.py, where no time limit applies, and run again"
    return _first_failure(CheckpointError("torch", problem, hint))


def failed_import(cause: str) -> CheckpointError:
    """Make the error of a torch that cannot be imported at all.

    Args:
        cause: What its import raised.
    """
    problem = f"it cannot be imported ({cause})"
    hint = 'mend its installation until python -c "import torch" works'
    return _first_failure(CheckpointError("torch", problem, hint))


def _first_failure(error: CheckpointError) -> CheckpointError:
    """Return the error of the first import of torch that failed in this process."""
    if not _FAILED:
        _FAILED.append(error)
    first = _FAILED[0]
    return CheckpointError(first.where, first.problem, first.hint)


def usable_device(name: str) -> torch.device:
    """Return the device that is meant.

    Args:
        name: Of torch; ``auto`` is CUDA where there is a device, else MPS, else the CPU.

    Raises:
        SettingsError: Torch cannot use it here.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    usable = [kind for kind, is_there in there.items() if is_there]
    if name == "auto":
        name = next(iter(usable), "cpu")
    try:
        number = torch.zeros(1, device=name)
        # Some devices, such as meta, take numbers and give none back.
        number.item()
    except (AssertionError, ImportError, RuntimeError):
        where, known = f"device {name!r}", ", ".join(["auto", "cpu", *usable])
        raise SettingsError(where, "torch cannot use it here", f"use one of {known}") from None
    return number.device


def usable_dtype(name: str) -> torch.dtype:
    """Return the number format that is meant.

    Args:
        name: ``float32``, ``bfloat16`` or ``float16``; ``auto`` is float32 everywhere.

    Raises:
        SettingsError: It is none of these.
    """
    import torch

    dtypes = {"auto": torch.float32, "float32": torch.float32}
    dtypes |= {"bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in dtypes:
        where, known = f"dtype {name!r}", ", ".join(dtypes)
        raise SettingsError(where, "unknown", f"use one of {known}")
    return dtypes[name]


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether this is how torch reports that the memory, of any device, is not enough."""
    # The last is what oneDNN says of its own buffers.
    known = ("memory", "bad_alloc", "could not create a primitive")
    is_torch_error = isinstance(error, RuntimeError) and any(text in str(error) for text in known)
    return is_torch_error or isinstance(error, MemoryError)


@contextmanager
def one_line_memory(path: Path) -> Iterator[None]:
    """Report that the memory is not enough for a model in one line.

    Args:
        path: Of the model.

    Raises:
        CheckpointError: It is not.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        problem, hint = "out of memory", "free some, or take another device"
        raise CheckpointError(str(path), problem, hint) from None


def no_room_for_one(where: str) -> CheckpointError:
    """Make the error of a model that has no memory left for a single text."""
    problem = "out of memory with one text at a time"
    hint = "free some, or take another device or a smaller --llm-judge-dtype"
    return CheckpointError(where, problem, hint)


def return_memory() -> None:
    """Give what released models took back to the system, where another process can have it."""
    if "torch" not in sys.modules:
        return  # actors hold the models
    import torch

    # Models of libraries refer to themselves, and would stay until some later collection.
    gc.collect()
    torch.cuda.empty_cache()
    # The C library of Linux keeps the places of small weights for itself.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
