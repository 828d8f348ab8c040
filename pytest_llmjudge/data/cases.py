"""A sample of a results file as a test case, for reports of any kind of suite."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SampleCase"]


@dataclass(frozen=True, slots=True)
class SampleCase:
    """What became of a sample, as test reports have it.

    Attributes:
        id: As in the item's node id.
        outcome: ``passed``, ``failed``, ``error`` or ``not run``.
        reason: Why it did not pass, as one line; empty where it did.
        texts: What was asked and answered, each text under a name.
        properties: Names and values, as the item has them in a run.
        seconds: That its judge took; ``None`` where nobody knows.
    """

    id: str
    outcome: str
    reason: str
    texts: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None
