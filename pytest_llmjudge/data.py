"""The plain values that flow between the layers; all frozen, none knows how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CheckpointReference",
    "Completion",
    "GateResult",
    "JudgeIdentity",
    "Record",
    "RecordResult",
    "RunResult",
    "SuiteResult",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Record:
    """One instruction with its reference answer.

    Attributes:
        id: Unique in its file, stable when records are added, removed or moved.
        instruction: What is asked.
        input: Material the instruction speaks of; empty for none.
        output: The reference answer.
        fields: The record as it stood in the file, further keys included.
    """

    id: str
    instruction: str
    input: str
    output: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model made of one prompt.

    Attributes:
        index: Position of the prompt in the list that was given to the model.
        text: The new text after the prompt, undecorated; ``None`` when there is none.
        tokens: How many tokens were generated, the end token not counted.
        error: Why there is no text, as a finished one-line message.
    """

    index: int
    text: str | None
    tokens: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's score of one response with its evidence, or the reason there is none.

    Attributes:
        score: 0 to 100, or ``None`` when the record is unscored.
        reply: What the judge wrote, word for word; empty when it was not asked.
        error: Why the record is unscored, as a finished one-line message.
        final: Whether asking again would give the same; only final verdicts are kept for the
            next run.
    """

    score: int | None
    reply: str = ""
    error: str | None = None
    final: bool = True


@dataclass(frozen=True, slots=True)
class JudgeIdentity:
    """What decides a judge's answers, as it goes into keys and files.

    Attributes:
        model: The name the user gave.
        backend: ``ollama``, ``embedded`` or ``custom``.
        version: Of the server, or of the library that scores.
        digest: Of the model's weights; a name alone may mean other weights tomorrow.
        options: Generation options sent with every request.
    """

    model: str
    backend: str
    version: str
    digest: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CheckpointReference:
    """Which model was under test.

    Attributes:
        path: Of the checkpoint; the type's name for a model of the user's own.
        fingerprint: Changes when the model's answers may.
        parameters: How many weights it has, ``None`` when that is not known.
    """

    path: str
    fingerprint: str
    parameters: int | None


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one record in a run.

    Attributes:
        model_response: ``None`` when there is none.
        score: 0 to 100, ``None`` when the record is unscored.
        reply: What the judge wrote; ``None`` when it was not asked.
        error: Why the record is unscored.
        outcome: ``passed``, ``failed``, ``error``, or ``not run``.
    """

    record: Record
    model_response: str | None
    score: int | None
    reply: str | None
    error: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one gate: its name, ``passed``, ``failed`` or ``error``, and why."""

    name: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What became of one suite in a run.

    Attributes:
        name: Node id of the test function.
        path: The records file.
        checkpoint: ``None`` when the records held the responses.
        judge: Who scored.
        judge_label: The judge as people read it.
        total: How many records the suite has.
        records: Those of which something is known, in file order.
        outcome: ``passed``, ``failed``, or ``incomplete`` when not every record has a score.
    """

    name: str
    path: str
    checkpoint: CheckpointReference | None
    judge: JudgeIdentity
    judge_label: str
    total: int
    records: tuple[RecordResult, ...]
    gates: tuple[GateResult, ...]
    min_score: int | None
    min_average: float | None
    outcome: str

    @property
    def scores(self) -> list[int]:
        """The scores there are, in file order."""
        return [result.score for result in self.records if result.score is not None]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run: its suites, in the order they were met."""

    created: str
    suites: tuple[SuiteResult, ...]
