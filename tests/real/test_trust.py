"""The page on trust in a judge shows what runs on real data print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.pages import DOCS, blocks
from tests.support.reader import ASKED, JUDGE, recorded_judge, write_labelled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.project import Project

# Limits that one way of asking does not meet, so that the page shows a failure.
LIMITS = "--llm-judge-min-agreement=0.4", "--llm-judge-max-judge-bias=20"
SECONDS = re.compile(r"\d+\.\d\d( +\d+)$")


def test_every_line_is_printed(project: Project, real_data: Path) -> None:
    """Those of agreement, of both corrected averages, and of the table of judges."""
    write_labelled(project.path, real_data)
    common = "--llm-judge-labels=labels.jsonl", "--llm-judge-correct", f"--llm-judge-model={JUDGE}"
    printed = []
    for ask in ASKED:
        with recorded_judge(real_data, ask) as server:
            more = f"--llm-judge-ask={ask}", f"--llm-judge-report={ask}.json"
            result = project.run(*common, *LIMITS, *more, server=server.url)
        printed += result.outlines
    table = project.pytester.run(
        "llmjudge", "judges", "labels.jsonl", *(f"{ask}.json" for ask in ASKED)
    )
    printed += table.outlines

    # The first block is the check of known answers, to which no replies were recorded.
    _, *shown = blocks(DOCS / "trust.md", "text")
    lines = [line for block in shown for line in block.text.splitlines() if line]
    assert len(lines) == 8
    known = {_timeless(line) for line in printed}
    assert [line for line in lines if _timeless(line) not in known] == []


def _timeless(line: str) -> str:
    """Return a line without the seconds of the table of judges, which are measured."""
    return SECONDS.sub(r"\1", line)
