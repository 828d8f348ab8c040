"""How like its reference a text is: chrF, as sacrebleu computes it by default."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["chrf", "metric"]


def chrf(text: str, reference: str) -> float:
    """Return chrF2 of ``text``, 0 to 100.

    Popović 2015: character n-grams up to 6, beta 2, whitespace left out.
    """
    return float(metric().sentence_score(text, [reference]).score)


@cache
def metric() -> Any:  # noqa: ANN401  # sacrebleu has no types
    """Return the metric; importing sacrebleu takes a moment, so it waits for the first use."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
