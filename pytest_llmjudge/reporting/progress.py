"""How far a run is, as one line: counts, rates, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Pace", "duration", "in_order"]

_KINDS = ("responses", "verdicts", "losses", "subjects", "questions", "explanations")
_SUBJECTS = "subjects"
"""Without a rate: they differ in length, and their questions have one."""
_TOKENS = "tokens"
_Work = TypeVar("_Work")


def in_order(work: Mapping[str, _Work]) -> dict[str, _Work]:
    """Return kinds of work in the order in which they are done and shown."""
    return {kind: work[kind] for kind in _KINDS if kind in work}


class Pace:
    """Turns counts that grow into a line with rates and the time left."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[float, int]] = {}

    def line(self, counts: Mapping[str, tuple[int, int]], now: float) -> str:
        """Describe the work that is not finished; empty when there is none.

        Args:
            counts: For each kind of work, how many pieces are done and how many there are; of
                tokens nobody knows how many there will be.
            now: Seconds, of a clock that only goes forward.
        """
        if not any(done < total for done, total in counts.values()):
            return ""
        parts = [self._part(kind, *counts[kind], now) for kind in _KINDS if kind in counts]
        if _TOKENS in counts:
            tokens = self._tokens(counts[_TOKENS][0], now)
            done, total = counts.get("responses", (0, 0))
            if done < total:
                parts.insert(1, tokens)
        return f"llm-judge: {', '.join(parts)}"

    def _tokens(self, written: int, now: float) -> str:
        since, before = self._first.setdefault(_TOKENS, (now, written))
        text = f"{written:,} tokens"
        if written <= before or now <= since:
            return text
        return f"{text} ({(written - before) / (now - since):,.0f}/s)"

    def _part(self, kind: str, done: int, total: int, now: float) -> str:
        since, before = self._first.setdefault(kind, (now, done))
        text = f"{done}/{total} {kind}"
        if kind == _SUBJECTS or done <= before or now <= since or done >= total:
            return text
        rate = (done - before) / (now - since)
        speed = f"{rate:.1f}/s" if rate >= 0.05 else f"{60 * rate:.1f}/min"
        return f"{text} ({speed}, {duration((total - done) / rate)} left)"


def duration(seconds: float) -> str:
    """Write a length of time with the two largest units that matter."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
