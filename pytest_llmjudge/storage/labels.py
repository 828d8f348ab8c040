"""Labels files: how records were drawn, then one label a line; read whole or appended to."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import Design, Label, LabelsFile
from pytest_llmjudge.errors import PeopleFileError, one_line
from pytest_llmjudge.stats.labels import seal, seal_design
from pytest_llmjudge.storage.json_lines import append_line, has_lines, parse_line, read_lines
from pytest_llmjudge.storage.schema_problem import schema_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jsonschema import Draft202012Validator

__all__ = ["LABEL_BEGINNINGS", "append_design", "append_label", "labels_so_far", "read_labels"]

LABEL_BEGINNINGS = (b'{"design": ', b'{"record": ')
"""How every line begins that is appended here."""

_COMMAND = "llmjudge label"
_SHOWN = 120
_SHOWN_PROBLEMS = 20
_SHOWN_NAME = 60


def read_labels(path: Path, *, named_by: str = "") -> LabelsFile:
    """Read a labels file; blank lines do not count.

    Keys that this version does not know are left out of the labels and stay in the file.

    Args:
        path: Of the file.
        named_by: What names it, for messages.

    Raises:
        PeopleFileError: It is not there, has no label, or has lines that cannot be used, all of
            which are reported: what is neither a label nor a design, an edited label, a second
            score of one labeler for one response, a second design.
    """
    where = f"{named_by} {path}".strip()
    labels = _read(path, where)
    if not labels.labels:
        problem, hint = "it has no label", f"give some with {_COMMAND}"
        raise PeopleFileError(where, problem, hint)
    return labels


def labels_so_far(path: Path, *, named_by: str = "") -> LabelsFile:
    """Read a labels file that may not be there yet, or hold no label yet.

    Raises:
        PeopleFileError: As :func:`read_labels`, but for what is not there yet.
    """
    if not has_lines(path):
        return LabelsFile(str(path), None, ())
    return _read(path, f"{named_by} {path}".strip())


def _read(path: Path, where: str) -> LabelsFile:
    reader = _Reader()
    for place, line in read_lines(path, where, _COMMAND):
        reader.read(place, line)
    return reader.result(str(path), where)


def append_design(path: Path, design: Design) -> None:
    """Add how records were drawn to the end of a file, before the first label.

    Raises:
        PeopleFileError: It cannot be written.
    """
    append_line(path, {"design": asdict(design), "seal": seal_design(design)}, "design")


def append_label(path: Path, label: Label) -> None:
    """Add a label to the end of a file, and return when it is on the disk.

    Raises:
        PeopleFileError: It cannot be written.
    """
    line = {**asdict(label), "seal": seal(label)}
    if not label.replaces:
        del line["replaces"]
    append_line(path, line, "label")


class _Reader:
    """Takes the lines of one file, and goes on after one that cannot be used."""

    def __init__(self) -> None:
        self._designs: dict[Design, str] = {}
        self._labels: list[tuple[str, Label, str]] = []
        self._unsealed: list[str] = []
        self._problems: list[PeopleFileError] = []

    def read(self, place: str, line: str) -> None:
        try:
            value = parse_line(place, line)
            self._check(place, value)
        except PeopleFileError as error:
            self._problems.append(error)
            return
        if "design" in value:
            self._read_design(place, value)
            return
        known = _known(value, Label.__dataclass_fields__)
        # JSON Schema takes 85.0 for an integer.
        label = Label(**{**known, "score": int(known["score"])})
        written = value.get("seal")
        if written is None:
            self._unsealed.append(place)
        elif written != seal(label):
            self._note(place, *_EDITED)
        self._labels.append((place, label, written or seal(label)))

    def _read_design(self, place: str, value: Mapping[str, Any]) -> None:
        design = Design.from_plain(value["design"])
        written = value.get("seal")
        if written is None:
            self._note(place, _UNSEALED, _DESIGN_HINT)
        elif written != seal_design(design):
            problem = "it was edited after it was written, its seal is another design's"
            self._note(place, problem, _DESIGN_HINT)
        else:
            self._designs.setdefault(design, place)

    def _standing(self) -> tuple[Label, ...]:
        """Return the labels that no other replaces, each once, and note those that contradict."""
        replaced = {(*one.key, one.labeler, one.replaces) for _, one, _ in self._labels}
        first: dict[tuple[str, str, str], tuple[Label, str]] = {}
        for place, label, own in self._labels:
            whose = (*label.key, label.labeler)
            if (*whose, own) in replaced:
                continue
            earlier, line = first.setdefault(whose, (label, place))
            if earlier.score != label.score:
                who, what = (one_line(name, _SHOWN_NAME) for name in (label.labeler, label.record))
                before = line.rpartition(": ")[2]
                problem = (
                    f"{who} gives {label.score} to a response to {what}, and {earlier.score} to "
                    f"the same response in {before}"
                )
                self._note(place, problem, "keep one of the two lines")
        return tuple(label for label, _ in first.values())

    def _check(self, place: str, value: object) -> None:
        error = next(_validator().iter_errors(value), None)
        if error is None:
            return
        # The schema of what the line seems to be says best what is wrong with it.
        wanted = _validator("design" if isinstance(value, dict) and "design" in value else "label")
        error = next(wanted.iter_errors(value), error)
        reason = one_line(schema_problem(error), _SHOWN)
        problem = f"it is no label ({reason})"
        raise PeopleFileError(place, problem, "correct or remove the line")

    def _note(self, place: str, problem: str, hint: str) -> None:
        self._problems.append(PeopleFileError(place, problem, hint))

    def result(self, path: str, where: str) -> LabelsFile:
        labels = self._standing()
        if len(self._problems) > _SHOWN_PROBLEMS and not self._labels and not self._designs:
            problem = f"none of its {len(self._problems)} lines is a label"
            raise PeopleFileError(where, problem, f"name a file that {_COMMAND} wrote")
        first, *others = self._designs.items() or [(None, "")]
        for _, place in others:
            before = first[1].rpartition(": ")[2]
            problem = f"it has another design than {before}"
            self._note(place, problem, "keep labels of one sample in a file")
        if first[0] is not None:
            for place in self._unsealed:
                self._note(place, _UNSEALED, _EDITED[1])
        _raise_all(sorted(self._problems, key=_line_number))
        return LabelsFile(path, first[0], labels)


_EDITED = (
    "it was edited after it was written, and does not match its seal",
    f"undo that, or remove the line and label the response again with {_COMMAND}",
)

_UNSEALED = "it has no seal, so that nobody knows whether it was edited"
_DESIGN_HINT = "undo that, or draw a sample and label it with llmjudge label into another file"


def _line_number(problem: PeopleFileError) -> int:
    return int(problem.where.rpartition(" ")[2])


def _raise_all(problems: list[PeopleFileError]) -> None:
    if problems:
        first, *others = problems
        more = tuple(others[: _SHOWN_PROBLEMS - 1])
        left = len(others) - len(more)
        raise PeopleFileError(first.where, first.problem, first.hint, more=more, left=left)


def _known(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}


@functools.cache
def _validator(part: str = "") -> Draft202012Validator:
    import jsonschema

    content = resources.files("pytest_llmjudge").joinpath("schemas/label.json").read_bytes()
    schema = json.loads(content)
    if part:
        index = ("design", "label").index(part)
        schema = {"type": "object", **schema["oneOf"][index]}
    return jsonschema.Draft202012Validator(schema)
