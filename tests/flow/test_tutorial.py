"""The tutorial does what it says, word for word."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import worker_forks
from tests.support.pages import Block
from tests.support.tutorial import Reader, steps

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama


def test_every_command_prints_what_the_page_shows(tmp_path: Path, ollama: FakeOllama) -> None:
    """In order, in one folder; times, rulers and fingerprints may differ, and ``...`` is any."""
    pytest = shell_script(tmp_path / "bin" / "pytest")
    path = os.pathsep.join(
        [str(pytest.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    reader = Reader(tmp_path, {"OLLAMA_HOST": ollama.url, "NO_COLOR": "1", "PATH": path})
    typed = 0
    for step in steps():
        if isinstance(step, Block):
            reader.write(step)
            continue
        printed = reader.type(step.text)
        typed += 1
        if step.output:
            pattern = r"\n".join(_line(line) for line in step.output)
            pattern = pattern.replace(r"\n<any>\n", r"\n(?:.*\n)*?").removesuffix(r"\n<any>")
            pattern = pattern.removeprefix(r"<any>\n")
            assert re.search(rf"^{pattern}", _plain(printed), re.MULTILINE), (step.text, printed)
        elif step.text.startswith("python"):
            assert printed == ""

    assert typed == 13
    assert ollama.chats


def shell_script(path: Path) -> Path:
    """Write a command ``pytest`` whose processes have the imports already."""
    path.parent.mkdir()
    *command, code = worker_forks.command([])
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@" {shlex.quote(code)}\n')
    path.chmod(0o755)
    return path


def _plain(text: str) -> str:
    text = re.sub(r"[=_-]{4,}", "====", text)
    return re.sub(r"\d+\.\d\ds\b( \(\d+:\d\d:\d\d\))?", "0.00s", text)


def _line(line: str) -> str:
    return "<any>" if line == "..." else re.escape(_plain(line)).replace(r"\.\.\.", ".*")
