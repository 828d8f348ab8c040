"""What is asked, what is answered, and what a judge makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pytest_llmjudge.errors import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CheckpointReference",
    "Completion",
    "Criterion",
    "Explanation",
    "FollowUp",
    "JudgeIdentity",
    "Prompt",
    "Record",
    "Turn",
    "Verdict",
    "label_of",
]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    Attributes:
        role: ``user`` or ``assistant``; ``system`` in the messages that a model is sent.
        text: What was said.
        is_own: Whether the model under test said it, so that nobody vouches for it.
    """

    role: str
    text: str
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question that is asked once the model under test has answered those before it.

    Attributes:
        instruction: What is asked.
        output: The reference answer; empty for none.
    """

    instruction: str
    output: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a response is judged by.

    Attributes:
        name: Unique in its record; empty for the only criterion of one that has no name.
        text: What a good response does, or what each score stands for, a line each.
    """

    name: str
    text: str

    @property
    def titled(self) -> str:
        """The text behind the name, where there is one."""
        return f"{self.name}: {self.text}" if self.name else self.text


Prompt: TypeAlias = str | tuple[Turn, ...]
"""A text to continue or a user's message, or all messages of a conversation, the oldest first."""


@dataclass(frozen=True, slots=True)
class Record:
    """One instruction with its reference answer.

    Attributes:
        id: Unique in its file, stable when records are added, removed or moved.
        instruction: What is asked; of a conversation the last message of its user.
        input: Material the instruction speaks of; empty for none.
        output: The reference answer; empty for none, where there are criteria.
        fields: The record as it stood in the file, further keys included.
        system: What the model is told before the conversation; empty for nothing.
        turns: The messages before the instruction, the oldest first.
        is_raw: Whether the instruction is the whole prompt, to be sent as it stands.
        criteria: What responses are judged by, beside the reference where there is one.
        follow_ups: What is asked after the instruction, each once the one before is answered. A
            response to a record that has some is that of
            :func:`~pytest_llmjudge.records.answers.join_answers`.
        group: Of records that are not independent of each other, such as paraphrases of one
            question; ``None`` for one that is alone.
    """

    id: str
    instruction: str
    input: str
    output: str
    fields: Mapping[str, object]
    system: str = ""
    turns: tuple[Turn, ...] = ()
    is_raw: bool = False
    criteria: tuple[Criterion, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    group: str | None = None

    @property
    def category(self) -> str | None:
        """Its category where no ``by=`` names another field; ``None`` for none."""
        return self.label("category")

    def label(self, field: str) -> str | None:
        """Return a field that is a text and not blank, or a whole number as a text; 1.0 is one."""
        return label_of(self.fields.get(field))


def label_of(value: object) -> str | None:
    """Return a text that is not blank, or a whole number as a text; ``None`` for anything else."""
    if isinstance(value, str):
        return storable(value).strip() or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if type(value) is int else None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model made of one prompt.

    Attributes:
        index: Position of the prompt in the list that was given to the model.
        text: The new text after the prompt, undecorated; ``None`` when there is none.
        tokens: How many tokens were generated, the end token not counted.
        error: Why there is no text, as a finished one-line message.
        final: Whether asking again in another run would give the same.
        servers: Addresses of the servers that made it.
        thoughts: What the model thought before it answered; no part of the text.
        is_cut: Whether the prompt lost tokens at its beginning.
    """

    index: int
    text: str | None
    tokens: int = 0
    error: str | None = None
    final: bool = True
    servers: frozenset[str] = frozenset()
    thoughts: str = ""
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's score of one response with its evidence, or the reason there is none.

    Attributes:
        score: 0 to 100, or ``None`` when the record is unscored.
        reply: What the judge wrote, word for word; empty when it was not asked.
        error: Why the record is unscored, as a finished one-line message.
        final: Whether asking again would give the same; only final verdicts are kept for the
            next run.
        is_infrastructure: Whether server, model or checkpoint failed, not the record.
        samples: The scores of which ``score`` is the median, where several were asked for.
        covered: p(yes) + p(no), where the score comes from the probabilities of an answer.
        too_long: Whether the question did not fit into the judge's context.
        injection: Whether the response got its score by speaking to the judge.
        parts: The scores of which ``score`` is the mean, by name, where a response is judged by
            several criteria or as several answers.
        seconds: How long all requests took that made it; ``None`` where nobody measured it.
        tokens: How many tokens the judge read and wrote in them; ``None`` where it did not say.
            Neither is a part of what a verdict says, so that both play no part in equality.
    """

    score: int | None
    reply: str = ""
    error: str | None = None
    final: bool = True
    is_infrastructure: bool = field(default=False, repr=False)
    samples: tuple[int, ...] = field(default=(), repr=False)
    covered: float | None = field(default=None, repr=False)
    too_long: bool = field(default=False, repr=False)
    injection: bool = field(default=False, repr=False)
    parts: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    seconds: float | None = field(default=None, repr=False, compare=False)
    tokens: int | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong with a response in a judge's words, or the reason why it does not say.

    Attributes:
        text: Two sentences at most, on one line and harmless wherever it is shown; empty for none.
        error: Why there is no text, as a finished one-line message.
        final: Whether asking again would give the same; only final ones are kept for the next run.
        is_infrastructure: Whether the judge's server or model failed, not this one question.
    """

    text: str
    error: str | None = None
    final: bool = field(default=True, repr=False)
    is_infrastructure: bool = field(default=False, repr=False)

    @property
    def shown(self) -> str:
        """The text, or why there is none."""
        return self.text or f"(none: {self.error})"


UNSEEN = "llm_judge"
"""The name of a judge of the user's own that nobody has seen yet."""


@dataclass(frozen=True, slots=True)
class JudgeIdentity:
    """What decides a judge's answers, as it goes into keys and files.

    Attributes:
        model: The name the user gave.
        backend: ``ollama``, ``openai``, ``local``, ``embedded`` or ``custom``.
        version: Of the server, or of the library that scores.
        digest: Of the model's weights; a name alone may mean other weights tomorrow.
        options: Generation options sent with every request.
        ask: Name and version of the question; empty for a judge of the user's own.
        answers_as: The name of the model in its replies, where a server decides which model that
            is; empty while nobody knows, and in files of earlier versions.
    """

    model: str
    backend: str
    version: str
    digest: str
    options: Mapping[str, object]
    ask: str = ""
    answers_as: str = ""


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
