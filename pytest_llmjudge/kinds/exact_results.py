"""A generated answer, and what was extracted from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.decisions.accuracy import AskedSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.questions.extraction import Extracted

__all__ = ["ExactAnswer", "ExactResult", "shown_answer"]


@dataclass(frozen=True, slots=True)
class ExactAnswer:
    """A model's answer, and whether it is that of the reference.

    Attributes:
        record: What was asked.
        response: What the model answered; ``None`` when there is no answer.
        filters: What was extracted by each filter, by its name; the first one decides. Empty when
            nobody knows.
        reference: What the deciding filter compares with.
        is_cut: Whether the prompt lost its beginning, as it was too long for the model.
    """

    record: Record
    response: str | None
    filters: Mapping[str, Extracted]
    reference: str
    is_cut: bool

    @property
    def extracted(self) -> str | None:
        """What the deciding filter extracted; ``None`` when it found nothing."""
        return self._first.text

    @property
    def is_right(self) -> bool:
        """Whether that is the reference's."""
        return self._first.correct

    @property
    def _first(self) -> Extracted:
        return next(iter(self.filters.values()))

    @property
    def shown(self) -> str:
        """What was extracted, and what from."""
        return shown_answer(self.response or "", self.extracted)

    @property
    def expected(self) -> str:
        """What the deciding filter compares with."""
        return self.reference


@dataclass(frozen=True, slots=True)
class ExactResult(AskedSet[ExactAnswer]):
    """How a model answered a set of questions with exact answers.

    Attributes:
        answers: In file order.
    """

    @property
    def filters(self) -> dict[str, float]:
        """The accuracy by each filter, by its name; the first one decides."""
        names = self.answers[0].filters
        return {
            name: sum(one.filters[name].correct for one in self.answers) / self.total
            for name in names
        }

    @property
    def predictions(self) -> list[str | None]:
        """What was extracted from each answer; ``None`` for nothing."""
        return [one.extracted for one in self.answers]


def shown_answer(response: str, extracted: str | None) -> str:
    """Return an answer as people read it: what was extracted from it, and the whole of it."""
    if extracted is None:
        return f"(nothing found) {response}"
    return response if extracted == response.strip() else f"{extracted} (from: {response})"
