"""Makes the picture of a run: ``python -m tests.support.terminal docs/images``, with rich."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.support.pages import Block
from tests.support.tutorial import Reader, steps

__all__ = ["main"]

_COLUMNS = 118
_THEME = TerminalTheme(
    (30, 34, 40),
    (216, 222, 233),
    [
        *((30, 34, 40), (240, 113, 120), (152, 195, 121), (229, 192, 123)),
        *((97, 175, 239), (198, 120, 221), (86, 182, 194), (216, 222, 233)),
    ],
)
# Rich's own form names a font that a reader's browser would fetch from elsewhere.
_FORM = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>pytest --llm-judge with a baseline</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main(folder: Path) -> None:
    """Follow the tutorial until a gate fails, and write that run as an SVG."""
    with tempfile.TemporaryDirectory() as name:
        shown = _failing_run(Path(name))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=_COLUMNS, file=nowhere)
        console.print(Text.from_ansi(shown), overflow="fold")
        svg = console.export_svg(
            title="pytest --llm-judge", theme=_THEME, code_format=_FORM, unique_id="terminal"
        )
    (folder / "terminal.svg").write_text(svg, encoding="utf-8")


def _failing_run(folder: Path) -> str:
    """Return the command and its output, with the colours of a terminal."""
    reader = Reader(folder, {"COLUMNS": str(_COLUMNS), "PY_COLORS": "1"})
    for step in steps():
        if isinstance(step, Block):
            reader.write(step)
            continue
        printed = reader.type(step.text)
        if "--llm-judge-baseline" in step.text:
            return f"$ {step.text}\n{_short(printed)}"
    message = "the tutorial has no baseline any more"
    raise LookupError(message)


def _short(text: str) -> str:
    """Leave out what depends on the machine, and what is shown twice."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("llm-judge: judge"))
    machine = ("rootdir", "plugins", "llm-judge: cache", "results:")
    kept = [line for line in lines[start:] if not line.startswith(machine)]
    return "\n".join(kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
