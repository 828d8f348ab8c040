"""Makes the pictures of docs/html-report.md: ``python -m tests.browser.report_pictures docs/images``.

The example's checkpoint is the release, and the same weights with some noise are the candidate.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.browser.chromium import launched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["write_example"]

REPO = Path(__file__).parents[2]
PAIRS = """
import pytest

@pytest.mark.llm_compare(
    "instruction-data.json",
    checkpoint="../checkpoints/example.pth",
    against="../baseline.json",
    min_win_rate=0.5,
)
def test_not_worse(preference):
    pass
"""


def write_example(folder: Path) -> Path:
    """Judge the example twice, and return the report of the second run beside the first."""
    for name in ("checkpoints", "example_suite"):
        shutil.copytree(REPO / name, folder / name)
    common = [sys.executable, "-m", "pytest", "-q", "--llm-judge", "--llm-judge-model=embedded"]
    release = [*common, "example_suite", "--llm-judge-report=baseline.json"]
    subprocess.run(release, cwd=folder, check=True)
    (folder / "example_suite" / "test_pairs.py").write_text(PAIRS, "utf-8")
    _add_noise(folder / "checkpoints")
    candidate = [
        *(*common, "example_suite", "--llm-judge-checkpoint=checkpoints/candidate.pth"),
        "--llm-judge-min-score=40",
        *("--llm-judge-baseline=baseline.json", "--llm-judge-html=report.html"),
    ]
    subprocess.run(candidate, cwd=folder, check=False)
    return folder / "report.html"


def _add_noise(checkpoints: Path) -> None:
    """Make a candidate that is worse than the release."""
    import torch

    weights = torch.load(checkpoints / "example.pth", weights_only=True)
    torch.manual_seed(1)
    for weight in weights.values():
        if weight.is_floating_point():
            weight.add_(0.3 * weight.std() * torch.randn(weight.shape))
    torch.save(weights, checkpoints / "candidate.pth")
    for end in (".config.json", ".tiktoken"):
        shutil.copy(checkpoints / f"example{end}", checkpoints / f"candidate{end}")


def _shoot(
    browser: Browser,
    report: Path,
    picture: Path,
    *,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
    at: str,
) -> None:
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    if at == "rows":
        page.locator(".open").nth(2).click()
        page.wait_for_selector(".detail .texts")
        page.evaluate("document.querySelector('#shown-rows').scrollIntoView()")
    page.screenshot(path=picture)
    context.close()


def main(folder: Path) -> None:
    """Write both pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, launched() as browser:
        report = write_example(Path(work))
        desktop, phone = folder / "report-desktop.png", folder / "report-phone.png"
        _shoot(browser, report, desktop, size=(1280, 1000), scheme="light", at="top")
        _shoot(browser, report, phone, size=(375, 860), scheme="dark", at="rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
