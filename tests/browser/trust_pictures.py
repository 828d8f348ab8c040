"""Makes the charts of docs/trust.md: ``python -m tests.browser.trust_pictures docs/images``.

Needs the real data of ``LLMJUDGE_REAL_DATA``, in which the judge's replies are recorded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import launched
from tests.support.reader import ASKED, JUDGE, recorded_judge, write_labelled


def main(folder: Path) -> None:
    """Write the chart of judge against people for each way of asking."""
    folder.mkdir(parents=True, exist_ok=True)
    real_data = Path(os.environ["LLMJUDGE_REAL_DATA"])
    with tempfile.TemporaryDirectory() as made, launched() as browser:
        work = Path(made)
        write_labelled(work, real_data)
        for ask in ASKED:
            with recorded_judge(real_data, ask) as server:
                subprocess.run(
                    [
                        *(sys.executable, "-m", "pytest", "-q", "--llm-judge"),
                        *("--llm-judge-check=off", f"--llm-judge-model={JUDGE}"),
                        *(f"--llm-judge-ask={ask}", f"--llm-judge-url={server.url}"),
                        *("--llm-judge-labels=labels.jsonl", f"--llm-judge-html={ask}.html"),
                    ],
                    cwd=work,
                    check=False,
                )
            page = browser.new_page(
                viewport={"width": 1000, "height": 800}, device_scale_factor=1.5
            )
            page.goto((work / f"{ask}.html").as_uri())
            page.locator("figure.people").screenshot(path=folder / f"people-{ask}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
