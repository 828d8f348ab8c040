"""Parts of results back from plain data: the inverse of :mod:`.plain`; and of shards, as one."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmjudge.data import (
    CheckpointReference,
    Comparison,
    CorrectedChange,
    Criterion,
    Flip,
    GateResult,
    Grouped,
    Record,
    Rule,
)
from pytest_llmjudge.data.gates import worst_first
from pytest_llmjudge.kinds.base import NOT_RUN
from pytest_llmjudge.kinds.plain import rounded_values
from pytest_llmjudge.storage.results_reader import saved_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmjudge.data import AnyResult, JudgeIdentity, Measure

__all__ = [
    "check_from_plain",
    "checkpoint_from_document",
    "comparison_from_plain",
    "gates_from_document",
    "joined_gates",
    "label_from_document",
    "made",
    "pair_of_numbers",
    "record_from_document",
]

_Made = TypeVar("_Made")


def made(cls: type[_Made], plain: Mapping[str, Any], **more: object) -> _Made:
    """Make a dataclass of a part of a file; keys that this version does not know are left out.

    Args:
        cls: The dataclass; what the file lacks has its default.
        plain: Its fields by name. Lists in it become tuples, as results have them.
        more: Fields that are made otherwise.
    """
    known = {field.name for field in fields(cls)} & plain.keys()  # type: ignore[arg-type]
    values = {name: _as_tuple(plain[name]) for name in known}
    return cls(**{**values, **more})


def _as_tuple(value: object) -> object:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def pair_of_numbers(bounds: Sequence[float] | None) -> tuple[float, float] | None:
    """Return the two bounds of an interval of a file; ``None`` where it has none."""
    return None if bounds is None else (bounds[0], bounds[1])


def checkpoint_from_document(suite: Mapping[str, Any]) -> CheckpointReference | None:
    """Return the model under test of a suite of a file; ``None`` where records held responses."""
    plain = suite["checkpoint"]
    return None if plain is None else made(CheckpointReference, {"parameters": None, **plain})


def label_from_document(suite: Mapping[str, Any], judge: JudgeIdentity) -> str:
    """Return a judge as people read it, by its suite of a file and its identity."""
    from pytest_llmjudge.judging.judge import identity_label

    label: str = suite.get("judge_label", identity_label(judge))
    return label


def check_from_plain(cls: type[_Made], plain: Mapping[str, Any] | None) -> _Made | None:
    """Return what a judge made of known answers; ``None`` where it was not asked.

    Its figures have the four decimals that a file has, so that a report of a run and one of its
    file show the same.

    Args:
        cls: :class:`~pytest_llmjudge.data.JudgeCheck`, or that of pairs.
        plain: Its fields by name, as the store and files have them.
    """
    return None if plain is None else made(cls, rounded_values(plain))


def gates_from_document(suite: Mapping[str, Any]) -> tuple[GateResult, ...]:
    """Return what became of the gates of a suite of a file; files of old may have none."""
    return tuple(made(GateResult, gate) for gate in suite.get("gates", ()))


def comparison_from_plain(
    plain: Mapping[str, Any] | None, measure: Measure | None
) -> Comparison | None:
    """Return a comparison with a baseline, as a file has it and as xdist carries it.

    Args:
        plain: As :func:`.plain.plain_comparison` made it; ``None`` for none.
        measure: Of the suite's kind.
    """
    if plain is None:
        return None
    assert measure is not None  # noqa: S101  # it was compared
    parts = {"rule": Rule, "grouped": Grouped, "corrected": CorrectedChange}
    return made(
        Comparison,
        plain,
        measure=measure,
        flips=tuple(made(Flip, flip) for flip in plain["flips"]),
        # Files of old have none of them.
        **{name: made(cls, plain[name]) for name, cls in parts.items() if plain.get(name)},
    )


def record_from_document(plain: Mapping[str, Any]) -> Record:
    """Return what a record of a file says; its further fields are not in the file."""
    content = saved_content(plain)
    return Record(
        plain["id"],
        content.instruction,
        content.input,
        content.output,
        {},
        system=content.system,
        turns=content.turns,
        criteria=tuple(made(Criterion, one) for one in plain.get("criteria", ())),
        follow_ups=content.follow_ups,
        group=plain.get("group"),
    )


def joined_gates(shards: Sequence[AnyResult], names: Iterable[str]) -> tuple[GateResult, ...]:
    """Return what became of gates over several shards: of each the worst.

    One that decides over all samples has run in none of them, and is ``not run``.

    Args:
        shards: Their results; of gates with the same outcome the first one's counts.
        names: Of all gates, in the suite's order.
    """
    by_name = [{gate.name: gate for gate in shard.gates} for shard in shards]
    return tuple(
        worst_first([gates.get(name, GateResult(name, "not run", NOT_RUN)) for gates in by_name])[0]
        for name in names
    )
