"""What a model at a server is asked, and what a complete answer is, whatever the server's API."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from pytest_llmjudge.errors import JudgeError, one_line
from pytest_llmjudge.scoring import strip_thoughts
from pytest_llmjudge.settings import OPENAI

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.data import JudgeIdentity, Prompt
    from pytest_llmjudge.settings import Decoding

__all__ = [
    "CUT",
    "FORMAT_IGNORED",
    "SEED",
    "TOP_LOGPROBS",
    "WITHOUT_PARSER",
    "ChatClient",
    "ChatReply",
    "JudgeClient",
    "ModelGoneError",
    "NoLogprobsError",
    "PromptTooLongError",
    "ReplacedError",
    "is_other_name",
    "is_same_model",
    "messages_in",
    "read_candidates",
    "text_in",
    "thoughts_in",
    "tokens_in",
]

SEED: Final = 123
"""The lecture's seed, and that of the first of several samples."""

CUT: Final = "length"
"""The ``done_reason`` of a reply that ran out of room."""

FORMAT_IGNORED: Final = "Ollama ignores the schema that replies are held to"
"""What is said of a reply with :attr:`ChatReply.ignored_by`."""

WITHOUT_PARSER: Final = (
    "update Ollama, or make the model anew without the PARSER line of its Modelfile, which "
    '"ollama show --modelfile" prints'
)
"""What to do about it."""

TOP_LOGPROBS: Final = 20
"""How many candidates for a token are asked for; the most that servers give."""


class PromptTooLongError(JudgeError):
    """The prompt does not fit into the model's context.

    Attributes:
        final: Whether the model itself, or what is asked for with each request, sets the limit, so
            that asking again would not help.
    """

    is_infrastructure = False
    final = True


class NoLogprobsError(JudgeError):
    """The server gives no log-probabilities, so nothing can be weighted."""


class ModelGoneError(JudgeError):
    """The server does not have the model."""


class ReplacedError(JudgeError):
    """The server has another model under the name than when it was first asked, or none."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A complete reply to a prompt that was read from its first to its last token.

    Attributes:
        content: What the model wrote, word for word.
        done_reason: ``stop``, or ``length`` when the context or the allowed tokens ran out.
        candidates: For the first token, those that were likely with their natural
            log-probabilities; empty when the model ended at once, ``None`` when not asked for.
        thoughts: What the model thought, where that came beside the content; empty where it is only
            known that it thought, ``None`` where it did not.
        held: Whether the server took the schema that the reply was to be held to.
        ignored_by: Name of the model's parser that had the schema ignored, as this reply shows;
            empty for any other reply.
        may_think: Whether the model may think before it answers, as far as the server says.
        named: What the reply calls the model, where that is another name of the one asked for.
        seconds: From the sending of the request to the reply's last byte, of the last sending where
            there were several; ``None`` where nobody measured it.
        tokens: How many the model read and wrote; ``None`` where the server does not say.
    """

    content: str
    done_reason: str
    candidates: tuple[tuple[str, float], ...] | None = None
    thoughts: str | None = None
    held: bool = True
    ignored_by: str = ""
    may_think: bool = True
    named: str = ""
    seconds: float | None = field(default=None, compare=False)
    tokens: int | None = field(default=None, compare=False)

    @property
    def answer(self) -> str:
        """The content without the thoughts that a model wrote before its answer."""
        return strip_thoughts(self.content) if self.may_think else self.content


class JudgeClient(Protocol):
    """A model that can judge: at a server, at several, or in this process."""

    @property
    def url(self) -> str:
        """Where it answers, for messages: the canonical address of its server, or addresses."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def weigh_options(self) -> Mapping[str, object]:
        """What is asked for besides where candidates are to be weighed."""

    @property
    def control_tokens(self) -> Collection[str]:
        """What the model's vocabulary marks as control tokens, as far as :meth:`identify` saw."""

    def identify(self) -> JudgeIdentity:
        """Ask the server what decides its answers.

        Raises:
            JudgeDownError: It does not answer.
            JudgeError: It does not have the model, or is none of this kind of servers.
        """

    def look(self, servers: Collection[str], digest: str) -> Mapping[str, JudgeError]:
        """Ask the servers once more for the model's digest.

        Where none of those named says, the others are asked until one does.

        Args:
            servers: Addresses of those that have to be asked.
            digest: As :meth:`identify` gave it.

        Returns:
            Those of ``servers`` that did not say, with the reason.

        Raises:
            ReplacedError: One has another model under this name, or none any more.
            JudgeError: None of all servers says.
        """

    def installed(self) -> Sequence[str]:
        """Name the models that the server has; empty when it does not say."""

    def check_logprobs(self) -> None:
        """Prove that the server gives log-probabilities.

        Raises:
            NoLogprobsError: It does not.
        """

    def chat(
        self,
        prompt: str,
        *,
        schema: Mapping[str, object] | None = None,
        seed: int = SEED,
        temperature: float = 0,
        weigh: bool = False,
        room: int | None = None,
    ) -> ChatReply:
        """Ask one question.

        Args:
            prompt: The whole question; it is never cut.
            schema: JSON Schema that the reply is held to.
            seed: Of the sampling.
            temperature: Of the sampling.
            weigh: Ask for the candidates of the first token, and for no more than two tokens.
            room: Most tokens of the reply; where that is not said, one that is held to a schema
                has few, and any other as many as the server lets it have.

        Raises:
            JudgeDownError: The server does not answer.
            PromptTooLongError: The prompt does not fit, or was cut.
            JudgeError: There is no usable reply.
        """

    def close(self) -> None:
        """Close all connections that are not in use; later requests make new ones."""


class ChatClient(JudgeClient, Protocol):
    """A model at a server, or at several, which may be under test as well."""

    @property
    def chat_template(self) -> str:
        """The chat template that the model has there, as far as :meth:`identify` saw one."""

    def complete(self, prompt: Prompt, *, tokens: int, decoding: Decoding, chat: bool) -> ChatReply:
        """Have one text written.

        Args:
            prompt: A text to go on from as it is, or a message or several; it is never cut.
            tokens: Most tokens of the reply.
            decoding: How tokens are chosen.
            chat: Whether the prompt is a message, to which the model's own chat template applies.

        Raises:
            JudgeDownError: The server does not answer.
            PromptTooLongError: The prompt does not fit, or was cut.
            JudgeError: There is no usable reply.
        """


def messages_in(prompt: Prompt) -> list[dict[str, str]]:
    """Return a prompt as the messages of a request; a text is one of a user."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": turn.role, "content": turn.text} for turn in prompt]


def text_in(prompt: Prompt) -> str:
    """Return the words of a prompt, by which its length is guessed."""
    return prompt if isinstance(prompt, str) else "\n".join(turn.text for turn in prompt)


def tokens_in(read: object, written: object) -> int | None:
    """Return how many tokens were read and written; ``None`` where a server does not say both."""
    return read + written if type(read) is int and type(written) is int else None


def thoughts_in(value: object) -> str | None:
    """Return the thoughts that a server gives beside an answer, as :class:`ChatReply` has them."""
    if not value:
        return None
    return value if isinstance(value, str) else ""


def is_same_model(first: str, second: str) -> bool:
    """Whether two names mean the same model; ``openai:`` and ``:latest`` may be there or not."""
    names = {
        name.removeprefix(OPENAI).casefold().removesuffix(":latest") for name in (first, second)
    }
    return len(names) == 1


def is_other_name(named: str, asked: str) -> bool:
    """Whether one of two names is the other without its tag or its date.

    ``gpt-4o-2024-08-06`` is another name of ``gpt-4o``, and none of ``gpt-4o-2024-05-13``, since
    either of these says which one it is. ``latest`` says no more than no tag. Gateways add an owner
    to a name or leave it out, such as Google's ``models/``; another owner and other letters are
    another model.
    """
    (name, *parts), (other, *others) = (_parts(text) for text in (named, asked))
    return name == other and all(
        one == two or not one or not two for one, two in zip(parts, others, strict=True)
    )


def _parts(name: str) -> tuple[str, str, str, str]:
    """Split a name into the name itself, owner, tag and date; what is not there is empty."""
    owner, _, last = name.removeprefix("models/").rpartition("/")
    last, _, tag = last.partition(":")
    match = _DATED.fullmatch(last)
    last, date = (match["name"], match["date"]) if match else (last, "")
    tag, date = ("" if part == "latest" else part for part in (tag, date))
    return last, owner, tag, date


# Of four digits month and day, or year and month: others may be the length of a context.
_DATED: Final = re.compile(
    r"(?P<name>.+?)-(?P<date>\d{4}-?\d\d-?\d\d|(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])"
    r"|2[3-9](?:0[1-9]|1[0-2])|latest)"
)


def read_candidates(logprobs: object) -> tuple[tuple[str, float], ...]:
    """Read the first entry of a list of log-probabilities, in the form OpenAI gave it.

    Args:
        logprobs: Entries with ``token``, ``logprob`` and ``top_logprobs``, a list of the same;
            ``None`` for none.

    Returns:
        The most likely tokens, the one that was chosen among them; empty when there is no entry.

    Raises:
        ValueError: Something there is no such list, token or log-probability; it says what.
    """
    entries = _entries(logprobs, "log-probabilities")
    if not entries:
        return ()
    first, chosen = entries[0], _candidate(entries[0])
    top = first.get("top_logprobs") if isinstance(first, dict) else None
    candidates = [
        _candidate(one) for one in _entries(top, "top_logprobs") if not _is_impossible(one)
    ]
    if all(token != chosen[0] for token, _ in candidates):
        candidates.append(chosen)
    return tuple(candidates)


def _entries(value: object, name: str) -> list[object]:
    if value is None or isinstance(value, list):
        return value or []
    message = f"{name} that are no list ({_shown(value)})"
    raise ValueError(message)


_ABOVE: Final = 1e-3
"""What the log-probability of a certain token may be above 0, where a server rounds."""
_HUGE: Final = sys.float_info.max


def _is_impossible(entry: object) -> bool:
    """Whether a server says of a token that it has no probability: minus infinity, or null."""
    if not isinstance(entry, dict) or "logprob" not in entry:
        return False
    return entry["logprob"] is None or entry["logprob"] == -math.inf


def _candidate(entry: object) -> tuple[str, float]:
    token = entry.get("token") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(token, str):
        message = f"log-probabilities with an entry without a token ({_shown(entry)})"
        raise ValueError(message)
    logprob = _logprob(entry.get("logprob"))
    if logprob is None:
        text = "nothing" if entry.get("logprob") is None else _shown(entry["logprob"])
        message = f'{text} as the log-probability of "{one_line(token, 40)}"'
        raise ValueError(message)
    return token, logprob


def _logprob(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # An integer of hundreds of digits would be no float.
    return min(float(value), 0.0) if -_HUGE <= value <= _ABOVE else None


def _shown(value: object) -> str:
    return one_line(json.dumps(value), 60)
