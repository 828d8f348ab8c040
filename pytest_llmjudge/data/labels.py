"""What people gave single responses, and how these were drawn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Design", "Label", "LabelsFile"]


@dataclass(frozen=True, slots=True)
class Label:
    """What one person gave one response.

    Attributes:
        record: Id of the record.
        response_sha256: Of the response, in hex; see
            :func:`~pytest_llmjudge.stats.labels.response_digest`.
        score: 0 to 100.
        labeler: Name of the person.
        at: When, in ISO 8601.
        note: What the person wrote beside it; empty for nothing.
        replaces: :func:`~pytest_llmjudge.stats.labels.seal` of the same person's earlier label
            of the response, which this one corrects; empty for none.
    """

    record: str
    response_sha256: str
    score: int
    labeler: str
    at: str = ""
    note: str = ""
    replaces: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Of what it is a label: the record's id and the digest of the response."""
        return self.record, self.response_sha256


@dataclass(frozen=True, slots=True)
class Design:
    """How the records to be labelled were drawn.

    Attributes:
        suite: Node id of the test function.
        total: How many records the suite has.
        size: How many of them were drawn.
        seed: Of :func:`~pytest_llmjudge.stats.labels.draw`.
        records: :func:`~pytest_llmjudge.stats.labels.records_digest` of all records of the
            suite.
    """

    suite: str
    total: int
    size: int
    seed: int
    records: str

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Design:
        """Return the design that a file has, which follows its schema.

        Keys that this version does not know are left out. JSON Schema takes 40.0 for an integer.
        """
        total, size, seed = (int(plain[name]) for name in ("total", "size", "seed"))
        return cls(plain["suite"], total, size, seed, plain["records"])


@dataclass(frozen=True, slots=True)
class LabelsFile:
    """What a labels file holds.

    Attributes:
        path: Of the file.
        design: How the records were drawn; ``None`` where nobody says.
        labels: In file order, each once, without those that others replace.
    """

    path: str
    design: Design | None
    labels: tuple[Label, ...]

    def scores(self) -> Mapping[tuple[str, str], Mapping[str, int]]:
        """Return the score of each labeler by name, for each response by :attr:`Label.key`."""
        scores: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for label in self.labels:
            scores[label.key][label.labeler] = label.score
        return scores
