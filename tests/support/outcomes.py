"""Small results files and votes files, to rate models by."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tests.support.schema import check_results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

JUDGE = {"model": "llama3", "backend": "ollama", "version": "1", "digest": "abc", "options": {}}


def judged(
    path: Path,
    scores: Mapping[str, int | None],
    *,
    checkpoint: str | None = None,
    fingerprint: str | None = None,
    **more: Any,  # noqa: ANN401  # keys of the suite
) -> dict[str, Any]:
    """Return a suite of scored records; the model is named by its checkpoint, or by the file."""
    records = [
        {
            "id": name,
            "instruction": f"Say {name}.",
            "input": "",
            "output": name,
            "model_response": f"{path.stem} says {name}",
            "score": score,
            "reply": str(score),
            "error": None if score is not None else f"{name}: the judge gave no score; ask again",
            "outcome": "passed" if score is not None else "error",
        }
        for name, score in scores.items()
    ]
    known = [score for score in scores.values() if score is not None]
    is_whole = bool(known) and len(known) == len(records)
    reference = {"path": checkpoint, "fingerprint": fingerprint or f"of {checkpoint}"}
    return {
        "name": "test_a.py::test_a",
        "kind": "judge",
        "checkpoint": None if checkpoint is None else {**reference, "parameters": None},
        "total": len(records),
        "scored": len(known),
        "unscored": len(records) - len(known),
        "average": sum(known) / len(known) if is_whole else None,
        "ci95": None,
        "min_score": None,
        "min_average": None,
        "outcome": "passed",
        "records": records,
        **more,
    }


def compared(
    winners: Mapping[str, str | None],
    *,
    checkpoint: str = "new.pth",
    against: str = "old.pth",
    votes: str | None = None,
    **more: Any,  # noqa: ANN401  # keys of the suite
) -> dict[str, Any]:
    """Return a suite of pairs."""
    records: list[dict[str, Any]] = [
        {
            "id": name,
            "instruction": f"Say {name}.",
            "input": "",
            "output": name,
            "model_response": f"new says {name}",
            "against_response": f"old says {name}",
            "winner": winner,
            "orders": [],
            "replies": [],
            "error": None,
            "outcome": "passed" if winner is not None else "error",
        }
        for name, winner in winners.items()
    ]
    known = [winner for winner in winners.values() if winner is not None]
    wins, ties, losses = (known.count(winner) for winner in ("a", "tie", "b"))
    is_whole = bool(known) and len(known) == len(records)
    return {
        "name": "test_b.py::test_b",
        "kind": "preference",
        "checkpoint": {"path": checkpoint, "fingerprint": f"of {checkpoint}", "parameters": None},
        "against": {"kind": "checkpoint", "name": against, "fingerprint": f"of {against}"},
        "votes": votes,
        "judge": None if votes else JUDGE,
        "total": len(records),
        "scored": len(known),
        "unscored": len(records) - len(known),
        "wins": wins,
        "ties": ties,
        "losses": losses,
        "win_rate": (wins + ties / 2) / len(known) if is_whole else None,
        "ci95": None,
        "length_controlled": None,
        "flips": None,
        "asked": 0,
        "mean_length": None,
        "min_win_rate": None,
        "outcome": "passed",
        "records": records,
        **more,
    }


def lost(
    parts: Mapping[str, Sequence[tuple[float, int]]],
    **more: Any,  # noqa: ANN401  # keys of the suite
) -> dict[str, Any]:
    """Return a suite of losses, of each record's ``(nats, tokens)``."""
    records = [
        {
            "id": name,
            "instruction": f"Say {name}.",
            "input": "",
            "output": name,
            "loss": round(sum(nll for nll, _ in pairs) / sum(n for _, n in pairs), 6),
            "tokens": sum(n for _, n in pairs),
            "parts": [list(pair) for pair in pairs],
            "error": None,
            "outcome": "passed",
        }
        for name, pairs in parts.items()
    ]
    pairs = [pair for own in parts.values() for pair in own]
    tokens = sum(n for _, n in pairs)
    loss = math.fsum(nll for nll, _ in pairs) / tokens
    return {
        "name": "test_c.py::test_c",
        "kind": "loss",
        "checkpoint": {"path": "new.pth", "fingerprint": "of new.pth", "parameters": None},
        "data": "data.json",
        "end": True,
        "stride": None,
        "tokenizer": "abc",
        "total": len(records),
        "scored": len(records),
        "unscored": 0,
        "tokens": tokens,
        "loss": round(loss, 4),
        "perplexity": round(math.exp(loss), 4) if loss < 709 else None,
        "ci95": None,
        "max_perplexity": None,
        "max_loss": None,
        "outcome": "passed",
        "records": records,
        **more,
    }


def write_run(path: Path, *suites: Mapping[str, Any], **judge: object) -> Path:
    """Write a results file."""
    document = {
        "schema": 1,
        "created": "2026-01-02T03:04:05+00:00",
        "pytest_llmjudge": "0.1.0",
        "judge": {**JUDGE, **judge},
        "suites": list(suites),
    }
    check_results(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_votes(path: Path, votes: Sequence[tuple[str, ...] | Mapping[str, str]]) -> Path:
    """Write a votes file, of ``(id, model_a, model_b, winner)`` or whole votes."""
    names = "id", "model_a", "model_b", "winner"
    whole = [
        dict(zip(names, vote, strict=True)) if isinstance(vote, tuple) else dict(vote)
        for vote in votes
    ]
    path.write_text("".join(f"{json.dumps(vote)}\n" for vote in whole), encoding="utf-8")
    return path
