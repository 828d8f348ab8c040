"""One labeler's responses: which is next, and what has been said of them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Label
from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.labelling.sample import Item
from pytest_llmjudge.local_page.box import Box
from pytest_llmjudge.stats.labels import seal
from pytest_llmjudge.storage.labels import append_design, append_label, labels_so_far

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.data import Design, LabelsFile
    from pytest_llmjudge.labelling.sample import Sample

__all__ = ["LabelBox", "design_of"]

_NAMED_BY = "--out"


class LabelBox(Box[Item]):
    """The responses that one labeler is asked about, and the labels file.

    A label is on the disk before :meth:`save` returns.

    Args:
        sample: What is asked.
        path: Of the labels file.
        labeler: Who is asked.

    Raises:
        PeopleFileError: The file cannot be read or written, or holds a line that cannot be used.
    """

    def __init__(self, sample: Sample, path: Path, labeler: str) -> None:
        self._design, self._labeler = sample.design, labeler
        self._file: LabelsFile
        self._mine: dict[tuple[str, str], Label] = {}
        super().__init__(sample.items, path, "llmjudge label")

    def labels(self) -> tuple[Label, ...]:
        """Return the labels of everybody, in file order, those of other responses as well."""
        with self._reading():
            return self._file.labels

    def label_of(self, item: Item) -> Label | None:
        """Return this labeler's label of a response."""
        with self._reading():
            return self._mine.get(item.key)

    def before(self, item: Item | None) -> Item | None:
        """Return what this labeler labelled before a response, or last."""
        with self._reading():
            items = {one.key: one for one in self._questions.values()}
            labelled = [items[key] for key in self._mine if key in items]
            if item in labelled:
                labelled = labelled[: labelled.index(item)]
            return labelled[-1] if labelled else None

    def save(self, item: Item, score: int, note: str, replaced: str = "") -> Label:
        """Write a label, unless this labeler gave another meanwhile, and return what stands.

        Args:
            item: The response.
            score: 0 to 100.
            note: What stands beside it.
            replaced: :func:`~pytest_llmjudge.stats.labels.seal` of the label that this one
                corrects; empty for the first one.

        Raises:
            PeopleFileError: It cannot be written, and is not.
        """
        with self._writing():
            known = self._mine.get(item.key)
            if known is not None:
                said = known.score, known.note
                if replaced != seal(known) or said == (score, note):
                    return known
            self._check_open()
            if self._file.design is None:
                append_design(self._path, self._design)
            label = Label(
                record=item.record,
                response_sha256=item.digest,
                score=score,
                labeler=self._labeler,
                at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                note=note,
                replaces="" if known is None else replaced,
            )
            append_label(self._path, label)
            self._written += 1
            return label

    def _load(self) -> None:
        self._file = labels_so_far(self._path, named_by=_NAMED_BY)
        if design_of(self._file) not in {None, self._design}:
            # Another process began the file with another sample.
            where = f"{_NAMED_BY} {self._path}"
            problem = "it has the labels of another sample now"
            raise PeopleFileError(where, problem, "start llmjudge label again with another file")
        self._mine = {
            label.key: label for label in self._file.labels if label.labeler == self._labeler
        }

    def _is_done(self, token: str) -> bool:
        return self._questions[token].key in self._mine


def design_of(file: LabelsFile) -> Design | None:
    """Return the sample that a labels file has; ``None`` where it holds nothing yet.

    Raises:
        PeopleFileError: It has labels, and nobody knows how their records were drawn.
    """
    if file.design is None and file.labels:
        where = f"{_NAMED_BY} {file.path}"
        problem = "it does not say how the records of its labels were drawn"
        hint = "name another file, to which llmjudge label can write that first"
        raise PeopleFileError(where, problem, hint)
    return file.design
