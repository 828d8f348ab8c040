"""Matches people's scores with the responses of a suite."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import AgreementLimits, Design, UsedLabels
from pytest_llmjudge.errors import PeopleFileError, SettingsError
from pytest_llmjudge.keys import content_digest, make_key
from pytest_llmjudge.kinds.records import RESPONSE, has_response
from pytest_llmjudge.kinds.shared import Shared
from pytest_llmjudge.records.answers import show_response
from pytest_llmjudge.records.prompts import given_response
from pytest_llmjudge.stats.labels import draw, records_digest, response_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import LabelsFile, Record, RecordResult
    from pytest_llmjudge.records import suites

__all__ = [
    "HumanScore",
    "SuiteLabels",
    "none_used",
    "not_labelled",
    "read_suite_labels",
    "saved_human_score",
    "used_labels",
]

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

    Attributes:
        scored: Ids of the records with a ``human_score``, in their order.
    """

    def __init__(self, records: Sequence[Record], file: LabelsFile | None) -> None:
        self.file = file
        self._scores = {} if file is None else file.scores()
        labels = () if file is None else file.labels
        counted = Counter(label.record for label in labels)
        self._labels = {one.id: counted[one.id] for one in records if one.id in counted}
        self.scored = [one.id for one in records if _score_in_file(one) is not None]

    @property
    def records(self) -> set[str]:
        """Ids of the records of which people scored a response, whichever it was."""
        return {*self._labels, *self.scored}

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
                return HumanScore(_mean(sum(scores.values()), len(scores)), len(scores))
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
        return none_used(self.plain(), len(self.scored))

    def plain(self, path: str | None = None) -> dict[str, Any] | None:
        """Return what of the file decides, as plain data; ``None`` without a file.

        Args:
            path: Of the file, as it is shown; ``None`` for the whole one.
        """
        if self.file is None:
            return None
        return {
            "path": path or self.file.path,
            "design": self.file.design and asdict(self.file.design),
            "total": len(self.file.labels),
            "records": self._labels,
        }


def none_used(plain: Mapping[str, Any] | None, scored: int) -> tuple[str, str]:
    """Say that no score of people is for a response of the run, and what to do.

    Args:
        plain: What :meth:`SuiteLabels.plain` made.
        scored: How many records have a ``human_score``.
    """
    if plain is not None:
        return _none_of(plain["path"], plain["total"], "a response of this run")
    scores = "the one human_score is not" if scored == 1 else f"none of {scored} human_scores is"
    return f"{scores} of a response of this run", _LABEL


def not_labelled(
    plain: Mapping[str, Any] | None, records: Sequence[Record], labelled: Collection[str]
) -> str:
    """Say how many records of a file's sample are not labelled; empty where all are.

    Whoever leaves out what the judge gets wrong makes it look better than it is.

    Args:
        plain: What :meth:`SuiteLabels.plain` made.
        records: All of the suite.
        labelled: Ids of the records whose labels are of a response of the run.
    """
    if plain is None or plain["design"] is None:
        return ""
    design = Design.from_plain(plain["design"])
    if not _is_drawn_from(design, records):
        return ""
    drawn = draw((record.id for record in records), design.size, design.seed)
    missing = sum(record not in labelled for record in drawn)
    if not missing:
        return ""
    have = "has" if missing == 1 else "have"
    return (
        f"{missing} of the {len(drawn)} records drawn {have} no label of this run's response, "
        "and may be what the judge gets wrong"
    )


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
        design=plain["design"] and Design.from_plain(plain["design"]),
        total=plain["total"],
        used=used,
        other_responses=sum(labels.get(one.record.id, 0) for one in answered) - used,
        other_records=plain["total"] - sum(labels.values()),
    )


def read_suite_labels(
    loaded: suites.Suite, keywords: Mapping[str, object]
) -> tuple[suites.Suite, SuiteLabels]:
    """Read the labels of a suite, and decide which limits of agreement apply to it.

    A labels file named by an option applies to the suite from which its records were drawn, and to
    others whose records and responses it is for. Limits set by options apply to suites with
    people's scores in either file.

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
    # Those drawn from a suite of this name are not left out in silence once all has changed.
    if not is_named and (file.design is None or file.design.suite != loaded.name):
        is_of = has_records and _is_of(file.design, loaded)
        return file if is_of and _may_be_used(loaded, SuiteLabels(loaded.records, file)) else None
    if has_records:
        return file
    problem, hint = _none_of(file.path, len(file.labels), "a record of this suite")
    where = f"{loaded.name}: labels"
    raise PeopleFileError(where, problem, hint)


def _none_of(path: str, total: int, what: str) -> tuple[str, str]:
    """Say that none of the labels of a file is for something, and what to do."""
    labels = "the one label" if total == 1 else f"none of the {total} labels"
    verb = "is not" if total == 1 else "is"
    return f"{labels} of {Path(path).name} {verb} of {what}", _LABEL


def _is_of(design: Design | None, loaded: suites.Suite) -> bool:
    """Say whether labels were drawn from a suite, as far as the file says it."""
    return design is None or _is_drawn_from(design, loaded.records)


def _is_drawn_from(design: Design, records: Iterable[Record]) -> bool:
    contents = ((record.id, content_digest(record)) for record in records)
    return design.records == records_digest(contents)


def _score_in_file(record: Record) -> int | None:
    score = record.fields.get("human_score")
    return score if isinstance(score, int) else None


def saved_human_score(record: Mapping[str, Any]) -> float | None:
    """Return people's score of a record of a results file with all its digits; ``None`` for none.

    A file has four decimals of a mean over labelers, of whole numbers.
    """
    score: float | None = record.get("human_score")
    labelers: int = record.get("labelers", 0)
    return score if score is None or not labelers else _mean(round(score * labelers), labelers)


def _mean(total: int, labelers: int) -> float:
    """Return the mean over labelers, a whole number where it is one.

    Args:
        total: The sum of their scores.
        labelers: How many there are.
    """
    return total // labelers if total % labelers == 0 else total / labelers
