"""Parts of results as plain data, as every kind's part of a results file has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmjudge.data import (
        Agreement,
        Comparison,
        GateResult,
        JudgeCheck,
        JudgeIdentity,
        PairCheck,
        PeopleAgreement,
        Record,
    )

__all__ = [
    "plain_comparison",
    "plain_criteria",
    "plain_gates",
    "plain_judge",
    "plain_label",
    "record_texts",
    "rounded",
    "rounded_fields",
    "with_response",
]


def plain_judge(judge: JudgeIdentity) -> dict[str, Any]:
    """Return who judged; most judges answer under no other name than their own."""
    plain = asdict(judge)
    if not judge.answers_as:
        del plain["answers_as"]
    return plain


def plain_label(label: str, judge: JudgeIdentity) -> dict[str, Any]:
    """Return a judge's label by its key, where it says something else than the judge's identity."""
    from pytest_llmjudge.judging.judge import identity_label

    return {} if label == identity_label(judge) else {"judge_label": label}


def record_texts(record: Record) -> dict[str, Any]:
    """Return what a record is, as it stands first in every kind's part of a results file."""
    texts: dict[str, Any] = {
        "id": record.id,
        "instruction": record.instruction,
        "input": record.input,
        "output": record.output,
    }
    if record.system:
        texts["system"] = record.system
    if record.turns:
        texts["turns"] = [{"role": turn.role, "content": turn.text} for turn in record.turns]
    if record.criteria:
        texts["criteria"] = plain_criteria(record)
    if record.follow_ups:
        texts["follow_ups"] = [asdict(one) for one in record.follow_ups]
    if record.group is not None:
        texts["group"] = record.group
    return texts


def plain_criteria(record: Record) -> list[dict[str, Any]]:
    """Return what responses to a record are judged by."""
    return [asdict(one) for one in record.criteria]


def rounded(value: float | None) -> float | None:
    """Round to four digits, where there is a number."""
    return None if value is None else round(value, 4)


def rounded_fields(
    result: JudgeCheck | PairCheck | Agreement | PeopleAgreement | None,
) -> dict[str, Any] | None:
    """Return fields by name, fractions rounded to four digits."""
    if result is None:
        return None
    return {name: _rounded_value(value) for name, value in asdict(result).items()}


def _rounded_value(value: object) -> object:
    if isinstance(value, tuple):
        return [_rounded_value(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def plain_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison with a baseline; what it measures is known by its kind."""
    plain = asdict(comparison)
    kind = plain.pop("measure")["kind"]
    for name in ("interval", "bounds"):
        plain[name] = plain[name] and list(plain[name])
    for name in ("grouped", "corrected"):
        if plain[name] is None:
            del plain[name]
    return {"kind": kind, **plain, "flips": list(plain["flips"])}


def plain_gates(gates: Iterable[GateResult]) -> list[dict[str, Any]]:
    """Return what became of gates; a cause is named where there is one."""
    plain = map(asdict, gates)
    return [{key: value for key, value in gate.items() if value is not None} for gate in plain]


def with_response(
    record: Record, response: str | list[str] | None, decided: dict[str, Any], *, made: bool
) -> dict[str, Any]:
    """Return a record as it stood in its file, with its response and what was decided added.

    Args:
        record: The record.
        response: To it; ``None`` when there is none.
        decided: What is added to it beside the response.
        made: Whether a model made the response.
    """
    fields = {**record.fields, **decided}
    if response is not None:
        fields["model_response"] = response
    elif made:
        # What stood there is another model's, and would be taken for this one's.
        fields.pop("model_response", None)
    return fields
