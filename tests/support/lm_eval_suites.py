"""Suites of presets, and whether their results are what lm-evaluation-harness says."""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.project import Project

__all__ = [
    "ANSWERS",
    "EXAMPLE",
    "EXAMPLE_TOKENS",
    "agree_on_answers",
    "agree_on_choices",
    "write_suite",
]

EXAMPLE = Path(__file__).parents[2] / "checkpoints" / "example.pth"
EXAMPLE_TOKENS = 64
"""Of an answer: the example's checkpoint sees no more than a task lets an answer have."""
ANSWERS = ("gsm8k",)
"""Presets whose answers are generated."""
_SHOTS = {"mmlu_pro": 5, "gsm8k": 5}
"""What presets show where nobody chooses."""
_TOLERANCE = {"abs": 1e-4, "rel": 1e-6}
"""Of a log-probability; the harness has them in float32."""
_ROUNDED = 5e-5
"""By how much accuracies of a results file are rounded."""
_TEST = """
@pytest.mark.{marker}("{asked}", preset="{name}", min_accuracy=0.0{more})
def test_{name}({fixture}):
    pass
"""


def write_suite(
    project: Project,
    names: Sequence[str],
    files: Mapping[str, Path] | Mapping[str, Mapping[str, Path]],
    *,
    shots: int | None = None,
    own: str = "",
) -> None:
    """Write a test file with a suite of each preset.

    Args:
        project: Has the files.
        names: Of the presets.
        files: The files ``test`` and ``train``, or those of each preset.
        shots: ``None`` for the preset's own number.
        own: Further arguments of markers of generated answers.
    """
    text = "import pytest\n"
    for name in names:
        those: Any = files.get(name, files)
        more = "" if shots is None else f", shots={shots}"
        if _SHOTS.get(name, 0) if shots is None else shots:
            more += f', shots_from="{those["train"].name}"'
        if name in ANSWERS:
            more += f", {own}" if own else ""
            marker, fixture = "llm_exact", "exact"
        else:
            marker, fixture = "llm_choices", "choice"
        text += _TEST.format(
            marker=marker, fixture=fixture, asked=those["test"].name, name=name, more=more
        )
    project.write("test_suite.py", text)


def agree_on_choices(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Compare a suite of a results file with what the harness says of the same questions."""
    records = ours["records"]
    assert [record["error"] for record in records] == [None] * len(theirs["predictions"])
    assert [record["logprobs"] for record in records] == [
        pytest.approx(values, **_TOLERANCE) for values in theirs["logprobs"]
    ]
    letters = [ascii_uppercase[at] for at in theirs["predictions"]]
    assert [record["prediction"] for record in records] == letters
    assert [one["prediction"] == one["answer"] for one in records] == theirs["right"]
    assert ours["acc"] == pytest.approx(theirs["accuracy"], abs=_ROUNDED)
    if theirs["right_norm"] is not None:
        assert [one["prediction_norm"] == one["answer"] for one in records] == theirs["right_norm"]
        assert ours["acc_norm"] == pytest.approx(theirs["accuracy_norm"], abs=_ROUNDED)


def agree_on_answers(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Compare likewise a suite of generated answers."""
    records = ours["records"]
    assert [record["response"] for record in records] == theirs["texts"]
    assert set(ours["filters"]) == set(theirs["accuracies"])
    for name, figures in ours["filters"].items():
        found = [record["filters"][name] for record in records]
        assert [one["extracted"] for one in found] == theirs["extracted"][name]
        assert [one["correct"] for one in found] == theirs["right"][name]
        assert figures["accuracy"] == pytest.approx(theirs["accuracies"][name], abs=_ROUNDED)
