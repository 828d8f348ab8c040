"""Matches people's scores with the responses of a suite."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.answers import show_response
from pytest_llmjudge.data import AgreementLimits, Design, UsedLabels
from pytest_llmjudge.errors import PeopleFileError, SettingsError
from pytest_llmjudge.keys import content_digest, make_key
from pytest_llmjudge.kinds.records import RESPONSE, has_response
from pytest_llmjudge.kinds.shared import Shared
from pytest_llmjudge.labels import records_digest, response_digest
from pytest_llmjudge.prompts import given_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge import suites
    from pytest_llmjudge.data import LabelsFile, Record, RecordResult

__all__ = ["HumanScore", "SuiteLabels", "read_suite_labels", "used_labels"]

_LABEL = "label the responses of this run with llmjudge label"


class HumanScore(NamedTuple):
    """People's score of a response.

    Attributes:
        score: 0 to 100, the mean over labelers.
        labelers: How many labels of the labels file it is the mean of; 0 for a score from the
            records file.
    """

    score: float
    labelers: int


class SuiteLabels:
    """People's scores of responses to the records of a suite.

    For the same response, labels of the labels file take precedence over ``human_score``.

    Args:
        records: Of the suite.
        file: Its labels file; ``None`` for none.
    """

    def __init__(self, records: Sequence[Record], file: LabelsFile | None) -> None:
        self.file = file
        self._scores = {} if file is None else file.scores()
        labels = () if file is None else file.labels
        counted = Counter(label.record for label in labels)
        self._labels = {one.id: counted[one.id] for one in records if one.id in counted}
        self._scored = {one.id for one in records if _score_in_file(one) is not None}

    @property
    def records(self) -> set[str]:
        """Ids of the records of which people scored a response, whichever it was."""
        return self._labels.keys() | self._scored

    def of(self, record: Record, response: str | None) -> HumanScore | None:
        """Return people's score of a response; ``None`` if they did not score it.

        Args:
            record: Of the suite.
            response: To it, as the judge sees it.
        """
        if response is not None and record.id in self._labels:
            digest = response_digest(show_response(record, response))
            scores = self._scores.get((record.id, digest))
            if scores:
                return HumanScore(_mean(scores.values()), len(scores))
        score = _score_in_file(record)
        # A human_score is for the record's own response.
        is_other = has_response(record) and given_response(record, RESPONSE) != response
        return None if score is None or is_other else HumanScore(score, 0)

    def label(self, record: Record, response: str | None) -> float | None:
        """Return people's score of a response by the labels file; ``None`` if it has none."""
        people = self.of(record, response)
        return people.score if people is not None and people.labelers else None

    def has_used(self, people: Iterable[HumanScore | None]) -> bool:
        """Say whether a score is used, of the labels file if there is one.

        Args:
            people: What :meth:`of` returned for each response of a run.
        """
        scores = [one for one in people if one is not None]
        return any(one.labelers for one in scores) if self.file is not None else bool(scores)

    def shared(self, suite: str) -> Iterator[Shared]:
        """Yield what has to be the same in all processes: the labels.

        Args:
            suite: Its name.
        """
        if self.file is not None:
            path, digest = Path(self.file.path), make_key("labels/1", asdict(self.file))
            yield Shared(f"{suite} labels", path.name, "content", digest)

    def none_used(self) -> tuple[str, str]:
        """Say that no score of people is for a response of the run, and what to do."""
        if self.file is not None:
            return _none_of(self.file, "a response of this run")
        number = len(self._scored)
        scores = (
            "the one human_score is not" if number == 1 else f"none of {number} human_scores is"
        )
        return f"{scores} of a response of this run", _LABEL

    def plain(self, path: str) -> dict[str, Any] | None:
        """Return what :func:`used_labels` needs, as plain data; ``None`` without a file.

        Args:
            path: Of the file, as it is shown.
        """
        if self.file is None:
            return None
        return {
            "path": path,
            "design": self.file.design and asdict(self.file.design),
            "total": len(self.file.labels),
            "records": self._labels,
        }


def used_labels(
    plain: Mapping[str, Any] | None, results: Iterable[RecordResult]
) -> UsedLabels | None:
    """Count the labels of a file that are for the responses of a run; ``None`` without a file.

    Args:
        plain: What :meth:`SuiteLabels.plain` made.
        results: Of the records.
    """
    if plain is None:
        return None
    answered = [one for one in results if one.model_response is not None]
    used = sum(one.labelers for one in answered)
    labels = plain["records"]
    return UsedLabels(
        path=plain["path"],
        design=plain["design"] and Design(**plain["design"]),
        total=plain["total"],
        used=used,
        other_responses=sum(labels.get(one.record.id, 0) for one in answered) - used,
        other_records=plain["total"] - sum(labels.values()),
    )


def read_suite_labels(
    loaded: suites.Suite, keywords: Mapping[str, object]
) -> tuple[suites.Suite, SuiteLabels]:
    """Read the labels of a suite, and decide which limits of agreement apply to it.

    A labels file named by an option applies to the suites whose records and responses it is for.
    Limits set by options apply to suites with people's scores in either file.

    Args:
        loaded: The suite.
        keywords: As its marker gives them.

    Raises:
        PeopleFileError: The labels file cannot be used, or is for other records or responses.
        SettingsError: The marker sets a limit of agreement, and there are no scores of people.
    """
    chosen = loaded.settings
    file = _labels_file(loaded, is_named=keywords.get("labels") is not None)
    labels = SuiteLabels(loaded.records, file)
    if not labels.records:
        _check_limits(loaded, keywords)
        chosen = replace(chosen, limits=AgreementLimits())
    if file is None:
        chosen = replace(chosen, labels=None)
    if (file is not None or chosen.limits) and not _may_be_used(loaded, labels):
        problem, hint = labels.none_used()
        where = f"{loaded.name}: labels"
        raise PeopleFileError(where, problem, hint)
    return replace(loaded, settings=chosen), labels


def _may_be_used(loaded: suites.Suite, labels: SuiteLabels) -> bool:
    """Say whether people scored a response of a suite; also if the responses are not known yet."""
    field = loaded.settings.responses
    return field is None or labels.has_used(
        labels.of(one, given_response(one, field)) for one in loaded.records
    )


def _check_limits(loaded: suites.Suite, keywords: Mapping[str, object]) -> None:
    """Refuse limits of agreement in the marker of a suite without labels."""
    for name in asdict(loaded.settings.limits):
        if keywords.get(name) is not None:
            where = f"{loaded.name}: {name}"
            problem = "there are no labels to compare the judge with"
            hint = "name a file of them with labels= or --llm-judge-labels"
            raise SettingsError(where, problem, f"{hint}, or write human_score into the records")


def _labels_file(loaded: suites.Suite, *, is_named: bool) -> LabelsFile | None:
    """Return the labels file of a suite; ``None`` if none is named, or an option names another's.

    Args:
        loaded: The suite.
        is_named: Whether its marker names them.
    """
    path = loaded.settings.labels
    if path is None:
        return None
    # Most runs have no labels, and need none of what reads them.
    from pytest_llmjudge.storage.labels import read_labels

    where = f"{loaded.name}: labels" if is_named else "--llm-judge-labels"
    file = read_labels(path, named_by=where)
    ids = {record.id for record in loaded.records}
    has_records = any(label.record in ids for label in file.labels)
    if not is_named:
        is_of = has_records and _is_of(file.design, loaded)
        return file if is_of and _may_be_used(loaded, SuiteLabels(loaded.records, file)) else None
    if has_records:
        return file
    problem, hint = _none_of(file, "a record of this suite")
    raise PeopleFileError(where, problem, hint)


def _none_of(file: LabelsFile, what: str) -> tuple[str, str]:
    """Say that no label of a file is for something, and what to do."""
    total = len(file.labels)
    labels = "the one label" if total == 1 else f"none of the {total} labels"
    verb = "is not" if total == 1 else "is"
    return f"{labels} of {Path(file.path).name} {verb} of {what}", _LABEL


def _is_of(design: Design | None, loaded: suites.Suite) -> bool:
    """Say whether labels were drawn from a suite, as far as the file says it."""
    if design is None or design.suite == loaded.name:
        return True
    contents = ((record.id, content_digest(record)) for record in loaded.records)
    return design.records == records_digest(contents)


def _score_in_file(record: Record) -> int | None:
    score = record.fields.get("human_score")
    return score if isinstance(score, int) else None


def _mean(scores: Iterable[int]) -> float:
    values = list(scores)
    total = sum(values)
    return total // len(values) if total % len(values) == 0 else total / len(values)
