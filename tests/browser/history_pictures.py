"""Makes the picture of docs/history.md: ``python -m tests.browser.history_pictures docs/images``."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.cli import main as llmjudge
from tests.browser.chromium import launched
from tests.support import results
from tests.support.history import checkpoint, judged, write_run

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["write_runs"]

NAME = "test_release.py::test_instructions"
# By how much records move from one release to the next, and how many of them.
MOVES = (
    ((10, 20, -5), 0.5),
    ((5, 10, -10), 0.3),
    ((-45, -20, -10), 0.3),
    ((20, 35, 45), 0.4),
    ((-20, -10, -10), 0.8),
    ((10, -5, 15), 0.3),
    ((5, 10, -10), 0.3),
)


def write_runs(folder: Path) -> None:
    """Write the results of eight releases, the last three of another judge."""
    folder.mkdir()
    lots = random.Random(1)  # noqa: S311  # no secrets
    scores = [lots.choice([20, 50, 70, 85, 95]) for _ in range(110)]
    for number in range(8):
        if number:
            scores = _moved(lots, scores, *MOVES[number - 1])
        model = f"release-{number + 1}.pth"
        suite = judged(
            scores, model, name=NAME, judge="1ca99c7a9cf4" if number < 5 else "365c0bd3c000"
        )
        right = 26 + (0, 3, 4, 4, 7, 7, 8, 9)[number]
        exam = results.exam(
            [results.subject("anatomy", right, 60), results.subject("astronomy", right + 2, 60)],
            checkpoint=checkpoint(model),
        )
        write_run(folder / f"release-{number + 1}.json", number + 1, suite, exam)


def _moved(
    lots: random.Random, scores: Sequence[int], moves: Sequence[int], share: float
) -> list[int]:
    return [
        min(100, max(0, score + lots.choice(moves))) if lots.random() < share else score
        for score in scores
    ]


def main(folder: Path) -> None:
    """Write the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, launched() as browser:
        results_folder, page_file = Path(work, "results"), Path(work, "history.html")
        write_runs(results_folder)
        llmjudge(["history", str(results_folder), "--html", str(page_file)])
        page = browser.new_page(viewport={"width": 1280, "height": 1060}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.screenshot(path=folder / "history-desktop.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
