"""Runs one after the other, and what llmjudge history makes of their results files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_llmjudge.cli import main
from tests.flow.test_baseline import JUDGE, scored

if TYPE_CHECKING:
    import pytest

    from tests.support.project import Project


def test_three_runs(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A drop, a record that was edited, and a threshold that was changed, from files of real runs."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    high, low = (90, 80, 85, 70, 95, 88), (70, 65, 80, 40, 80, 60)
    for name, scores, min_score in (("r1", high, 50), ("r2", low, 50), ("r3", high, 60)):
        records = scored(*scores)
        if name == "r3":
            records[0]["output"] = "Another reference."
        project.suite(records, f'responses="model_response", min_score={min_score}')
        project.run(f"--llm-judge-report={name}.json")
    capsys.readouterr()

    assert main(["history", *(f"{name}.json" for name in ("r1", "r2", "r3")), "--json"]) == 0

    (suite,) = json.loads(capsys.readouterr().out)["suites"]
    first, second, third = suite["points"]
    assert [point["value"] for point in suite["points"]] == [84.6667, 65.8333, 84.6667]
    assert first["beside_previous"] is None
    assert second["beside_previous"]["worse"] == "drop"
    # All six fell: one of 64 arrangements of signs.
    assert second["beside_previous"]["comparison"]["p"] == 1 / 64
    assert third["beside_previous"]["edited"] == 1
    assert third["beside_previous"]["comparison"]["paired"] == 5
    assert third["beside_previous"]["changes"] == [
        {"what": "min_score", "before": "50", "after": "60"}
    ]
    assert suite["flipped"][0]["id"] == "r3"
    assert suite["flipped"][0]["scores"] == [70, 40, 70]
