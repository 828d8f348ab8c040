"""Labels of people, and results of several judges on the same responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.cost import Cost
from pytest_llmjudge.data import Design, JudgeIdentity, Label
from pytest_llmjudge.data.judges import LabelledJudge, LabelledScores
from pytest_llmjudge.stats.labels import response_digest
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.outcomes import judged, write_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["labelled", "write_judge", "write_labels"]


def labelled(
    people: Sequence[float],
    *judges: Sequence[int],
    groups: Sequence[str | None] | None = None,
) -> LabelledScores:
    """Return what people and judges gave responses, all of which are scored."""
    made = [
        LabelledJudge(
            f"{number}.json",
            "test_a.py::test_a",
            JudgeIdentity(f"judge {number}", "ollama", "1", str(number), {}),
            scored=len(scores),
            scores=tuple(scores),
            unscored=(),
            missing=0,
            cost=Cost(None, None),
        )
        for number, scores in enumerate(judges, 1)
    ]
    names = tuple(groups or [None] * len(people))
    return LabelledScores(len(people), 1, tuple(people), names, tuple(made))


def write_labels(
    path: Path,
    scores: Mapping[str, int],
    *,
    labeler: str = "ann",
    design: bool = True,
    suite: str = "test_a.py::test_a",
) -> Path:
    """Add labels of responses of :func:`write_judge` to a file."""
    if design:
        append_design(path, Design(suite, len(scores), len(scores), 123, "0" * 64))
    for name, score in scores.items():
        label = Label(name, response_digest(f"it says {name}"), score, labeler, "2026-01-02")
        append_label(path, label)
    return path


def write_judge(
    path: Path,
    scores: Mapping[str, int | None],
    model: str,
    *,
    cost: Mapping[str, object] | None = None,
    suites: Sequence[str] = ("test_a.py::test_a",),
    **more: Any,  # noqa: ANN401  # keys of the judge
) -> Path:
    """Write results of a judge; what it scored is the same whoever it is."""
    judge = {"model": model, "digest": f"of {model}", "ask": "integer/1", **more}
    made = []
    for name in suites:
        suite = judged(path, scores, name=name)
        for record in suite["records"]:
            record["model_response"] = f"it says {record['id']}"
            record.update(cost or {})
        made.append(suite)
    return write_run(path, *made, **judge)
