"""What became of a gate."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GateResult"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one gate: its name, its outcome, and why.

    The outcome is ``passed``, ``failed``, ``error``, or ``not run`` for one that was selected and
    never came to its end.

    Attributes:
        cause: Of a gate over the baseline: ``worse`` where a drop was shown, ``inconclusive`` where
            nothing is proved; ``None`` where neither decided.
    """

    name: str
    outcome: str
    reason: str
    cause: str | None = None
