"""Files that were changed at random are read or refused in one line, within little memory."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_unchanged_files(tmp_path: Path) -> None:
    """Each is read: what is refused from the start finds nothing."""
    pytest.importorskip("pyarrow")
    # It imports torch, which whoever leaves out slow tests need not wait for.
    from tests.support.fuzz import file_kinds

    kinds = file_kinds(tmp_path, lambda _, data, __: data)
    # Two are changed all the same, and one is cut short.
    changed = {"pickle/model.pth", "tar/data.tar", "old/model.pth"}

    for name in kinds.keys() - changed:
        make, read = kinds[name]
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_bytes(make(random.Random(1)))  # noqa: S311
        read(place)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit of memory")
def test_changed_files(tmp_path: Path) -> None:
    """None ends the process, hangs, fills the memory, or ends in a traceback."""
    command = [sys.executable, "-m", "tests.support.fuzz", "5", "1", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    match = re.search(r"^(\d+) files, 0 findings$", run.stdout, re.MULTILINE)
    assert match is not None
    assert int(match[1]) > 100
