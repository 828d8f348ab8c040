"""The handle and its machine: files, memory and threads."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.generation.engine.batch_size import texts_at_a_time
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from tests.unit.generation.tiny import TINY, save_model

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ["the thing", "a", "nothing in the end"]


def test_a_file_that_is_replaced_while_it_is_in_use(path: Path) -> None:
    """A loaded model no longer needs its file."""
    save_model(path)
    model = TorchModel(path)
    texts = model.generate(PROMPTS, max_new_tokens=3)
    path.write_bytes(b"")

    assert model.generate(PROMPTS, max_new_tokens=3) == texts


def test_too_little_memory(path: Path) -> None:
    """Fewer texts run together; where even one is too many, the message says what takes less."""
    if sys.platform != "linux":
        pytest.skip("needs a limit of the memory that Linux keeps")
    # The keys and values of 16 texts take 160 MB, those of one take 10 MB.
    save_model(path, replace(TINY, context_length=1024, n_layers=32))
    program = (
        "import os, pathlib, resource, sys\n"
        "from pytest_llmjudge.errors import CheckpointError\n"
        "from pytest_llmjudge.generation.engine.model import TorchModel\n"
        "model = TorchModel(sys.argv[1], batch_size=16)\n"
        "model.generate(['a', 'b c'], max_new_tokens=4)\n"
        "pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])\n"
        "for room in (2 << 20, 100 << 20):\n"
        "    limit = pages * os.sysconf('SC_PAGE_SIZE') + room\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (limit, -1))\n"
        "    try: print(len(model.generate([f'{i} ' * 300 for i in range(16)], max_new_tokens=9)))\n"
        "    except CheckpointError as error: print(error)\n"
    )
    # Threads and arenas of malloc would take as much of the limit as chance has it.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    hint = "free some, or take another device or a smaller --llm-judge-dtype"
    expected = f"{path}: out of memory with one text at a time; {hint}"
    assert run.stdout.splitlines() == [expected, "16"]


def test_waiting_threads_sleep(path: Path) -> None:
    """Threads leave their core to other programs, where the user does not say how they wait."""
    save_model(path)
    program = (
        "import sys\n"
        "from pytest_llmjudge.generation.engine.model import TorchModel\n"
        "TorchModel(sys.argv[1]).generate(['a'], max_new_tokens=1)\n"
    )
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OMP_")}
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**environment, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )

    if "GOMP_SPINCOUNT" in run.stderr:
        assert "GOMP_SPINCOUNT = '0'" in run.stderr


@pytest.mark.parametrize(
    ("layers", "width", "length", "expected"),
    [
        (12, 768, 126, 128),
        (12, 768, 318, 64),
        (12, 768, 1024, 28),
        (48, 1600, 1024, 1),
        (48, 1600, 318, 6),
        (96, 12288, 1024, 1),
    ],
)
def test_memory_bounds_what_runs_at_a_time(
    layers: int, width: int, length: int, expected: int
) -> None:
    """Large models and long prompts run fewer texts together."""
    with torch.device("meta"):
        model = GPTModel(GPTConfig(1, 1024, width, width // 64, layers, qkv_bias=True))

    assert texts_at_a_time(model, length) == expected


def test_a_model_that_was_released(path: Path) -> None:
    """Its memory is free for another, and it answers as before when it is asked again."""
    save_model(path)
    model = TorchModel(path)
    texts = model.generate(["the thing"], max_new_tokens=6)
    loaded = weakref.ref(model._loaded)

    model.release()
    gc.collect()

    assert loaded() is None
    assert model.generate(["the thing"], max_new_tokens=6) == texts
