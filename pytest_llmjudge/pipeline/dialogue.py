"""A record whose questions are answered one after another: the next one, and the answers so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.records.answers import answered_turns, join_answers

if TYPE_CHECKING:
    from pytest_llmjudge.data import Record

__all__ = ["Dialogue"]


class Dialogue:
    """A record and the answers to its questions so far.

    Attributes:
        record: The record.
        answers: Those so far.
        thoughts: What the model thought before them.
        question: The record of the next question alone, with what was said before it.
        key: Under which the answer to it is kept, once that is known.
        error: Why there will be no answer to it, as a finished one-line message.
    """

    __slots__ = ("answers", "error", "key", "question", "record", "thoughts")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.answers: list[str] = []
        self.thoughts = ""
        self.question = next(answered_turns(record, ())) if record.follow_ups else record
        self.key = ""
        self.error: str | None = None

    @property
    def left(self) -> int:
        """How many questions have no answer yet."""
        return 1 + len(self.record.follow_ups) - len(self.answers)

    @property
    def response(self) -> str:
        """The response to the record, once all is answered."""
        return join_answers(self.answers) if self.record.follow_ups else self.answers[0]

    def answer(self, text: str, thoughts: str) -> None:
        """Go on to the next question."""
        self.answers.append(text)
        self.thoughts = "\n\n".join(filter(None, (self.thoughts, thoughts)))
        if self.left:
            *_, self.question = answered_turns(self.record, self.answers)

    def named(self, error: str) -> str:
        """Return what is wrong with the next question as a message that names its turn."""
        return f"turn {len(self.answers) + 1}: {error}" if self.record.follow_ups else error
