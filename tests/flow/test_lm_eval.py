"""What lm-evaluation-harness 0.4.13 said of the example's checkpoint, on made-up files of every preset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.benchmark_sets import SETS, write_set
from tests.support.lm_eval_suites import (
    ANSWERS,
    EXAMPLE,
    EXAMPLE_TOKENS,
    agree_on_answers,
    agree_on_choices,
    write_suite,
)

if TYPE_CHECKING:
    from tests.support.project import Project

RECORDED = Path(__file__).parent / "golden" / "lm_eval.json"
"""Made by ``python -m tests.support.lm_eval_runs``."""


def test_presets_give_its_numbers(project: Project) -> None:
    """Log-probabilities, predictions, texts, what filters extract of them, and accuracies."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    files = {name: write_set(name, project.path) for name in SETS}
    write_suite(project, [*SETS], files, own=f"max_new_tokens={EXAMPLE_TOKENS}")

    project.run(f"--llm-judge-checkpoint={EXAMPLE}", "--llm-judge-report=results.json")

    suites = project.results()["suites"]
    assert len(suites) == len(recorded) == len(SETS)
    for suite in suites:
        agree = agree_on_answers if suite["preset"] in ANSWERS else agree_on_choices
        agree(suite, recorded[suite["preset"]])
