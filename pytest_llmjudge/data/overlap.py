"""Which records of a suite appear in the training data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Duplicate", "Overlap", "TrainingFile"]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record that appears in the training data, word for word or nearly.

    Attributes:
        id: Of the record.
        is_exact: Whether the two are the same text once both are normalised.
        similarity: Share of the character 5-grams of both that both have; 1.0 for exact ones.
        file: Of the training data, as it was named.
        place: Of the training record in it, such as ``record 356``.
        text: How the training record begins, on one line.
    """

    id: str
    is_exact: bool
    similarity: float
    file: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file of training data.

    Attributes:
        path: As it was named.
        records: How many it has, those that could not be read included.
        unread: How many could not be read, and were compared with nothing.
        problem: What is wrong with the first of those; empty for none.
    """

    path: str
    records: int
    unread: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a suite and its training data have in common.

    Attributes:
        total: How many records the suite has.
        files: The training data.
        duplicates: The records that appear there, in the order of the suite.
        max_overlap: Share of the records that may, exact and near ones; ``None`` where no exact one
            may and near ones are listed.
    """

    total: int
    files: tuple[TrainingFile, ...]
    duplicates: tuple[Duplicate, ...]
    max_overlap: float | None = None

    @property
    def exact(self) -> int:
        """How many records appear in the training data word for word."""
        return sum(one.is_exact for one in self.duplicates)

    @property
    def near(self) -> int:
        """How many others have a near duplicate there."""
        return len(self.duplicates) - self.exact

    @property
    def share(self) -> float:
        """Share of the records that appear there, exact and near ones."""
        return len(self.duplicates) / self.total

    @property
    def is_allowed(self) -> bool:
        """Whether that is as little as is asked for."""
        if self.max_overlap is None:
            return not self.exact
        return self.share <= self.max_overlap

    @property
    def ids(self) -> frozenset[str]:
        """Those of the records that appear there."""
        return frozenset(one.id for one in self.duplicates)
