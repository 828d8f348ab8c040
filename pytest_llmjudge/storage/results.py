"""The files a run leaves: all results as JSON, and each suite's records with their responses."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import RecordResult, SuiteResult
from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.gates import (
    is_accuracy_within_noise,
    is_average_within_noise,
    is_win_rate_within_noise,
)
from pytest_llmjudge.mmlu.accuracy import by_category, macro_average, pool, pooled_stderr
from pytest_llmjudge.mmlu.subjects import category_of
from pytest_llmjudge.stats import mean, mean_interval, suite_agreement
from pytest_llmjudge.storage.files import write_text
from pytest_llmjudge.storage.results_reader import SCHEMA_VERSION, first_problem
from pytest_llmjudge.win_rate import summary_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import (
        Agreement,
        Comparison,
        ExamResult,
        JudgeCheck,
        PairCheck,
        PairResult,
        PeopleAgreement,
        PreferenceResult,
        RunResult,
        SubjectResult,
    )
    from pytest_llmjudge.mmlu.accuracy import Share

__all__ = [
    "is_responses_file",
    "responses_files",
    "results_document",
    "write_responses",
    "write_results",
]

_WITH_RESPONSE = "-with-response.json"


def write_results(path: Path, run: RunResult, version: str) -> None:
    """Write all results of a run to ``path``, whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    document = results_document(run, version)
    problem = first_problem(document)
    if problem is not None:
        # A judge or model of the user's own may give what the file cannot hold.
        todo = "correct what gave this; all verdicts are kept in the cache"
        raise StoreError(str(path), f"it was not written: {problem}", todo)
    _write_json(path, document)


def write_responses(folder: Path, run: RunResult) -> bool:
    """Write ``<stem>-with-response.json`` for each suite; suites of one stem are numbered.

    Each holds the suite's records as they stood in their file, with ``model_response`` and
    ``score`` added, or ``winner`` where the suite is one of pairs.

    Returns:
        Whether there was any such suite.

    Raises:
        StoreError: A file cannot be written.
    """
    suites: list[SuiteResult | PreferenceResult] = [*run.suites, *run.preferences]
    paths = responses_files(folder, [Path(suite.path).stem for suite in suites])
    for suite, path in zip(suites, paths, strict=True):
        made = suite.checkpoint is not None
        results = suite.records if isinstance(suite, SuiteResult) else suite.pairs
        _write_json(path, [_with_response(result, made=made) for result in results])
    return bool(paths)


def responses_files(folder: Path, stems: Sequence[str]) -> list[Path]:
    """Return where :func:`write_responses` writes suites whose records files have these stems."""
    paths: list[Path] = []
    for stem in stems:
        path = folder / f"{stem}{_WITH_RESPONSE}"
        number = 2
        while path in paths:
            path = folder / f"{stem}-{number}{_WITH_RESPONSE}"
            number += 1
        paths.append(path)
    return paths


def is_responses_file(folder: Path, path: Path) -> bool:
    """Whether :func:`write_responses` might write to ``path``."""
    return path.parent.resolve() == folder.resolve() and path.name.endswith(_WITH_RESPONSE)


def results_document(run: RunResult, version: str) -> dict[str, Any]:
    """Return what a results file holds, as plain data."""
    judges = [asdict(suite.judge) for suite in run.suites]
    judges += [asdict(found.judge) for found in run.preferences if found.judge is not None]
    return {
        "schema": SCHEMA_VERSION,
        "created": run.created,
        "pytest_llmjudge": version,
        "judge": judges[0] if judges else None,
        "notes": list(run.notes),
        "suites": [
            *(_suite(suite, judges[0]) for suite in run.suites),
            *(_exam(exam) for exam in run.exams),
            *(_preference(found, judges[0] if judges else None) for found in run.preferences),
        ],
    }


def _suite(suite: SuiteResult, judge: dict[str, Any]) -> dict[str, Any]:
    scores = suite.scores
    # Of a part of the records there is no average: those without a score may be the worst.
    whole = scores if len(scores) == suite.total else []
    interval = mean_interval(whole)
    document: dict[str, Any] = {
        "name": suite.name,
        "kind": "judge",
        "checkpoint": asdict(suite.checkpoint) if suite.checkpoint is not None else None,
        "responses": suite.responses,
    }
    if asdict(suite.judge) != judge:
        document["judge"] = asdict(suite.judge)
    average = mean(whole)
    return document | {
        "total": suite.total,
        "scored": len(scores),
        "unscored": suite.total - len(scores),
        "average": None if average is None else round(average, 4),
        "ci95": None if interval is None else [round(bound, 4) for bound in interval],
        "min_score": suite.min_score,
        "min_average": suite.min_average,
        "outcome": suite.outcome,
        "within_noise": is_average_within_noise(whole, suite.min_average),
        "baseline": _comparison(suite.comparison),
        "check": _rounded(suite.check),
        "agreement": _rounded(suite_agreement(suite)),
        "gates": [asdict(gate) for gate in suite.gates],
        "records": [_record(result, suite.min_score) for result in suite.records],
    }


def _exam(exam: ExamResult) -> dict[str, Any]:
    answered = [subject for subject in exam.subjects if subject.questions]
    # Of a part of the subjects there is no accuracy: those without a result may be the worst.
    is_whole = len(answered) == len(exam.subjects)
    return {
        "name": exam.name,
        "kind": "mmlu",
        "checkpoint": asdict(exam.checkpoint),
        "data": exam.path,
        "mode": exam.mode,
        "shots": exam.shots,
        "limit": exam.limit,
        **(_share(pool(answered)) if is_whole else dict.fromkeys(_SHARE)),
        "stderr": _round(pooled_stderr(answered)) if is_whole else None,
        "macro": round(macro_average(answered), 4) if is_whole else None,
        "categories": {name: _share(share) for name, share in by_category(answered).items()},
        "min_accuracy": exam.min_accuracy,
        "min_subject_accuracy": exam.min_subject_accuracy,
        "outcome": exam.outcome,
        "within_noise": is_whole and _is_within_noise(pool(answered), exam.min_accuracy),
        "baseline": _comparison(exam.comparison),
        "gates": [asdict(gate) for gate in exam.gates],
        "subjects": [_subject(subject) for subject in exam.subjects],
    }


def _preference(found: PreferenceResult, judge: dict[str, Any] | None) -> dict[str, Any]:
    summary = summary_of(found.pairs)
    # Of a part of the pairs there is no win rate: those without a winner may all be lost.
    is_whole = summary.pairs == found.total
    interval = summary.interval if is_whole else None
    document: dict[str, Any] = {
        "name": found.name,
        "kind": "preference",
        "checkpoint": asdict(found.checkpoint) if found.checkpoint is not None else None,
        "responses": found.responses,
        "against": asdict(found.against),
        "votes": found.votes,
    }
    own = None if found.judge is None else asdict(found.judge)
    # Where people decide, the run's judge is not theirs.
    if own != judge or own is None:
        document["judge"] = own
    return document | {
        "total": found.total,
        "scored": summary.pairs,
        "unscored": found.total - summary.pairs,
        "wins": summary.wins,
        "ties": summary.ties,
        "losses": summary.losses,
        "win_rate": _round(summary.win_rate) if is_whole else None,
        "standard_error": _round(summary.standard_error) if is_whole else None,
        "ci95": None if interval is None else [round(bound, 4) for bound in interval],
        "length_controlled": _round(summary.length_controlled) if is_whole else None,
        "asked": summary.asked,
        "flips": _round(summary.flips),
        "mean_length": summary.mean_length and [round(mean, 1) for mean in summary.mean_length],
        "min_win_rate": found.min_win_rate,
        "outcome": found.outcome,
        "within_noise": is_whole and is_win_rate_within_noise(summary, found.min_win_rate),
        "check": _rounded(found.check),
        "agreement": _rounded(found.agreement),
        "gates": [asdict(gate) for gate in found.gates],
        "records": [_pair(pair) for pair in found.pairs],
    }


def _pair(pair: PairResult) -> dict[str, Any]:
    record = pair.record
    document: dict[str, Any] = {
        "id": record.id,
        "instruction": record.instruction,
        "input": record.input,
        "output": record.output,
        "model_response": pair.model_response,
        "against_response": pair.against_response,
        "winner": pair.winner,
        "orders": list(pair.orders),
        "replies": list(pair.replies),
        "error": pair.error,
        "outcome": pair.outcome,
    }
    return document if pair.cause is None else {**document, "cause": pair.cause}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _is_within_noise(share: Share, min_accuracy: float | None) -> bool:
    return is_accuracy_within_noise(share.correct, share.total, min_accuracy)


_SHARE = ("total", "correct", "accuracy", "ci95")


def _share(share: Share) -> dict[str, Any]:
    interval = [round(bound, 4) for bound in share.interval]
    values = share.total, share.correct, round(share.accuracy, 4), interval
    return dict(zip(_SHARE, values, strict=True))


def _subject(result: SubjectResult) -> dict[str, Any]:
    share = _share(pool([result])) if result.questions else dict.fromkeys(_SHARE)
    norm = result.accuracy_norm
    return {
        "subject": result.subject,
        "category": category_of(result.subject),
        **share,
        "accuracy_norm": None if norm is None else round(norm, 4),
        "outcome": result.outcome,
        "error": result.error,
        "questions": [
            {**asdict(question), "logprobs": [round(value, 6) for value in question.logprobs]}
            for question in result.questions
        ],
    }


def _comparison(found: Comparison | None) -> dict[str, Any] | None:
    if found is None:
        return None
    interval = None if found.interval is None else list(found.interval)
    return {**asdict(found), "interval": interval, "flips": [asdict(flip) for flip in found.flips]}


def _rounded(
    found: JudgeCheck | PairCheck | Agreement | PeopleAgreement | None,
) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in asdict(found).items()
    }


def _record(result: RecordResult, min_score: int | None) -> dict[str, Any]:
    record = result.record
    document: dict[str, Any] = {
        "id": record.id,
        "instruction": record.instruction,
        "input": record.input,
        "output": record.output,
        "model_response": result.model_response,
        "score": result.score,
        "reply": result.reply,
        "error": result.error,
        "outcome": result.outcome,
    }
    if result.cause is not None:
        document["cause"] = result.cause
    if result.samples:
        document["samples"] = list(result.samples)
        document["unsure"] = result.is_unsure(min_score)
    if result.covered is not None:
        document["covered"] = result.covered
    return document


def _with_response(result: RecordResult | PairResult, *, made: bool) -> dict[str, Any]:
    told: dict[str, Any] = (
        {"score": result.score} if isinstance(result, RecordResult) else {"winner": result.winner}
    )
    fields = {**result.record.fields, **told}
    if result.model_response is not None:
        fields["model_response"] = result.model_response
    elif made:
        # What stood there is another model's, and would be taken for this one's.
        fields.pop("model_response", None)
    return fields


def _write_json(path: Path, document: object) -> None:
    # ASCII escapes keep what other tools put into a record, half surrogates included.
    write_text(path, json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n")
