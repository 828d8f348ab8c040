"""A judge that runs in this process: whole runs, and what ends one before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import Project, records
from tests.unit.generation.hugging import warm_up
from tests.unit.generation.judges import save_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

JUDGE = "--llm-judge-model=local:judge"
REPORT = "--llm-judge-report=results.json"


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def suite(project: Project) -> Project:
    """Six records with responses of their own, and a tiny judge."""
    project.suite(records(6, wrong=[1, 3]), 'responses="model_response", min_average=0')
    save_judge(project.path / "judge")
    return project


def scores(project: Project) -> list[int]:
    (suite,) = project.results()["suites"]
    return [record["score"] for record in suite["records"]]


@pytest.mark.parametrize("ask", ["weighted", "integer"])
@pytest.mark.every_mode
def test_a_judge_without_a_server(suite: Project, ask: str, dist: Sequence[str]) -> None:
    """It scores all records, and a second run finds its verdicts in the cache."""
    result = suite.run(JUDGE, f"--llm-judge-ask={ask}", REPORT, *dist)

    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["llm-judge: judge local:judge (local, digest *"])
    first = suite.results()

    again = suite.run(JUDGE, f"--llm-judge-ask={ask}", REPORT, *dist)
    again.assert_outcomes(passed=7)
    assert suite.results() == first
