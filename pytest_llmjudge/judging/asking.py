"""The ways to ask a model about responses, and the verdict that is made of its replies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import JudgeError, one_line
from pytest_llmjudge.judging.choosing import (
    LARGER,
    ROOM_FOR_THOUGHTS,
    choose,
    thinks,
)
from pytest_llmjudge.judging.decoys import is_suspicious_choice, is_suspicious_score
from pytest_llmjudge.judging.explaining import explain
from pytest_llmjudge.judging.questions import (
    explanation_prompt,
    integer_prompt,
    pair_prompt,
    weighted1_prompt,
    weighted2_prompt,
)
from pytest_llmjudge.judging.quoting import ControlTokens
from pytest_llmjudge.normal_forms import normal_form
from pytest_llmjudge.scoring import (
    SCORE_SCHEMA,
    contradiction,
    parse_integer,
    parse_schema_reply,
    weigh,
    with_cost,
)
from pytest_llmjudge.servers.chat import (
    CUT,
    FORMAT_IGNORED,
    SEED,
    TOP_LOGPROBS,
    WITHOUT_PARSER,
    PromptTooLongError,
)
from pytest_llmjudge.servers.temperature import has_own_temperature

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pytest_llmjudge.data import Choice, Explanation, JudgeIdentity, Record
    from pytest_llmjudge.servers.chat import ChatReply, JudgeClient

__all__ = [
    "WEIGHTED_1",
    "WEIGHTED_2",
    "Asker",
    "IntegerAsker",
    "WeightedAsker",
    "Wording",
    "unasked",
]

_REPLY_LENGTH: Final = 120
_SAMPLE_TEMPERATURE: Final = 0.7
_TOKENS_SHOWN: Final = 5
# A judge whose temperature cannot be lowered draws its scores.
_OWN_TEMPERATURE_TOLERANCE: Final = 10


class Asker(Protocol):
    """One way to have a response scored."""

    @property
    def server(self) -> str | None:
        """The server that scores, ``None`` when none does."""

    @property
    def wording(self) -> str:
        """Name and version of the question; another version gives other verdicts."""

    @property
    def varies(self) -> bool:
        """Whether another seed may give another score."""

    def identify(self) -> JudgeIdentity:
        """Find out what decides the scores."""

    def installed(self) -> Sequence[str]:
        """Name the models that could judge instead."""

    def prompt(self, record: Record, response: str) -> str:
        """Return all that is asked about this response."""

    def known(self, record: Record, response: str) -> Verdict | None:
        """Return the verdict on a response, not an empty one, that need not be asked about."""

    def ask(self, record: Record, response: str, *, sample: int = 0) -> Verdict:
        """Score one response."""

    @property
    def echo_tolerance(self) -> int:
        """Most points by which two scores of one answer may differ for reasons of arithmetic."""

    @property
    def refuses_with_decoys(self) -> bool:
        """Whether decoy questions about every unlike answer belong to this way of asking.

        Where they do not, a judge has to withstand the injections of its check by itself.
        """

    def is_suspicious(self, record: Record, response: str, score: int) -> bool:
        """Say whether decoy questions are to be asked about a response with this score."""

    @property
    def pair_wording(self) -> str:
        """Name and version of the question which of two answers is better."""

    def pair_prompt(self, record: Record, first: str, second: str) -> str:
        """Return all that is asked about two answers in this order."""

    def choose(self, record: Record, first: str, second: str) -> Choice:
        """Say which of two answers, shown in this order, is better."""

    def is_suspicious_choice(self, record: Record, winner: str, loser: str) -> bool:
        """Say whether decoy questions are to be asked about an answer that was preferred."""

    def explanation_prompt(self, record: Record, response: str) -> str:
        """Return all that is asked to have a response explained."""

    def explain(self, record: Record, response: str) -> Explanation:
        """Say what is wrong with a response."""

    def look(self, servers: Collection[str], digest: str) -> Mapping[str, JudgeError]:
        """Prove that the model is still that of this digest; see :class:`.chat.ChatClient`."""

    def close(self) -> None:
        """Let go of what the asking took, connections for one; it may still be asked."""


@cache
def _control_tokens(vocabulary: frozenset[str]) -> ControlTokens:
    return ControlTokens(vocabulary)


class _ClientAsker:
    """What all ways to ask a language model have in common.

    Args:
        client: The model that is asked.
    """

    pair_wording = "pair/2"
    refuses_with_decoys = False
    echo_tolerance = 0

    def __init__(self, client: JudgeClient) -> None:
        self._client = client

    @property
    def server(self) -> str:
        """Where the model answers, for messages."""
        return self._client.url

    def installed(self) -> Sequence[str]:
        """Name the models at the server."""
        return self._client.installed()

    def look(self, servers: Collection[str], digest: str) -> Mapping[str, JudgeError]:
        """Ask servers again for the model's digest; see :class:`.chat.ChatClient`."""
        return self._client.look(servers, digest)

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    @property
    def _tokens(self) -> ControlTokens:
        """The control tokens that no response may bring into a question."""
        return _control_tokens(frozenset(self._client.control_tokens))

    def is_suspicious(self, record: Record, response: str, score: int) -> bool:
        """See :func:`~pytest_llmjudge.judging.decoys.is_suspicious_score`."""
        return is_suspicious_score(record, response, score, unlike=self.refuses_with_decoys)

    def pair_prompt(self, record: Record, first: str, second: str) -> str:
        """Return the question which of two answers is better."""
        return pair_prompt(record, first, second, self._tokens)

    def choose(self, record: Record, first: str, second: str) -> Choice:
        """Ask which is better; always at temperature 0, however responses are scored."""
        return choose(self._client, self.pair_prompt(record, first, second))

    def is_suspicious_choice(self, record: Record, winner: str, loser: str) -> bool:
        """See :func:`~pytest_llmjudge.judging.decoys.is_suspicious_choice`."""
        return is_suspicious_choice(record, winner, loser)

    def explanation_prompt(self, record: Record, response: str) -> str:
        """Return the question what is wrong with a response."""
        return explanation_prompt(record, response, self._tokens)

    def explain(self, record: Record, response: str) -> Explanation:
        """Ask what is wrong with a response; always in the same way, however they are scored."""
        return explain(self._client, self.explanation_prompt(record, response))


class IntegerAsker(_ClientAsker):
    """Asks the lecture's question, whose answer is to be an integer.

    Args:
        client: The model that is asked.
        samples: How many verdicts are asked for; several are drawn at temperature 0.7.
    """

    wording = "integer/1"
    varies = True

    def __init__(self, client: JudgeClient, *, samples: int = 1) -> None:
        super().__init__(client)
        self._temperature = 0 if samples == 1 else _SAMPLE_TEMPERATURE

    def identify(self) -> JudgeIdentity:
        """Ask the server what decides its answers.

        Raises:
            JudgeError: It does not say.
        """
        identity = self._client.identify()
        options = dict(identity.options)
        if has_own_temperature(options):
            self.echo_tolerance = _OWN_TEMPERATURE_TOLERANCE
        else:
            options["temperature"] = self._temperature
        return replace(identity, ask=self.wording, options=options)

    def prompt(self, record: Record, response: str) -> str:
        """Return the lecture's question about this response."""
        return integer_prompt(record, response, self._tokens)

    def known(self, record: Record, response: str) -> Verdict | None:  # noqa: ARG002  # as in Asker
        """Know of no response beforehand: published averages were made by asking about all."""
        return None

    def ask(self, record: Record, response: str, *, sample: int = 0) -> Verdict:
        """Ask once, and once more with a JSON Schema when the reply is no integer.

        What goes wrong becomes part of the verdict. It is final when the same would happen again.
        """
        prompt, first = self.prompt(record, response), ""
        try:
            reply = self._client.chat(prompt, seed=SEED + sample, temperature=self._temperature)
            first = reply.content
            # A reply that ran out of room may be the 8 of an 85.
            score = None if reply.done_reason == CUT else parse_integer(reply.answer)
            if score is not None:
                return with_cost(Verdict(score, first), [reply])
            second = self._client.chat(
                prompt,
                schema=SCORE_SCHEMA,
                seed=SEED + sample,
                temperature=self._temperature,
                room=ROOM_FOR_THOUGHTS if thinks(reply) else None,
            )
        except JudgeError as error:
            return _failed(error, first)
        score = parse_schema_reply(second.answer)
        if score is not None:
            return with_cost(Verdict(score, second.content), [reply, second])
        # A server that does not hold replies to a schema today may do so tomorrow.
        unscored = self._unscored(first, second)
        return with_cost(Verdict(None, first, unscored, final=second.held), [reply, second])

    def _unscored(self, first: str, second: ChatReply) -> str:
        replies = [f'"{one_line(text, _REPLY_LENGTH)}"' for text in (first, second.content)]
        parser = second.ignored_by
        cause = f': with the parser "{parser}" {FORMAT_IGNORED}' if parser else ""
        problem = (
            f"{self._client.model} wrote {replies[0]} and, asked again for JSON, {replies[1]}, "
            f"neither of which is a score from 0 to 100{cause}"
        )
        hint = f"{WITHOUT_PARSER}, or ask with --llm-judge-ask=weighted"
        return str(JudgeError(self.server, problem, hint if parser else LARGER))


@dataclass(frozen=True, slots=True)
class Wording:
    """A question whose answer is yes or no, and what its probabilities are worth.

    Attributes:
        name: With the version.
        prompt: Makes the question of a record, a response and the judge's control tokens.
        sharpening: Exponent of :meth:`~pytest_llmjudge.scoring.Weighing.sharpened`.
        refuses_with_decoys: See :attr:`Asker.refuses_with_decoys`.
    """

    name: str
    prompt: Callable[[Record, str, ControlTokens], str]
    sharpening: int
    refuses_with_decoys: bool


WEIGHTED_1: Final = Wording("weighted/1", weighted1_prompt, sharpening=1, refuses_with_decoys=False)
WEIGHTED_2: Final = Wording("weighted/2", weighted2_prompt, sharpening=2, refuses_with_decoys=True)


class WeightedAsker(_ClientAsker):
    """Asks about a response for yes or no, and weighs p(yes) against p(no).

    The score is an integer as any other; compare G-Eval (arXiv 2303.16634), which weighs scores
    alike.

    Args:
        client: The model that is asked.
        wording: The question.
    """

    varies = False
    # A server that keeps the beginning of an earlier prompt computes the rest in other batches:
    # with llama.cpp the score of one answer differs by up to 5 points.
    echo_tolerance = 10

    def __init__(self, client: JudgeClient, wording: Wording = WEIGHTED_2) -> None:
        super().__init__(client)
        self._wording = wording
        self.refuses_with_decoys = wording.refuses_with_decoys

    @property
    def wording(self) -> str:
        """Name and version of the question."""
        return self._wording.name

    def identify(self) -> JudgeIdentity:
        """Ask the server what decides its answers, and prove that it can be asked in this way.

        Raises:
            JudgeError: It does not say, or gives no log-probabilities.
        """
        identity = self._client.identify()
        self._client.check_logprobs()
        options: dict[str, object] = {**identity.options, **self._client.weigh_options}
        if self._wording.sharpening != 1:
            options["sharpening"] = self._wording.sharpening
        return replace(identity, ask=self.wording, options=options)

    def prompt(self, record: Record, response: str) -> str:
        """Return the question about this response whose answer is yes or no."""
        return self._wording.prompt(record, response, self._tokens)

    def known(self, record: Record, response: str) -> Verdict | None:
        """A response equal to its reference scores 100.

        Equal are texts with the same Unicode NFC once outer whitespace is removed. By criteria the
        reference itself may get less.
        """
        if record.criteria:
            return None
        return unasked(100) if _canonical(response) == _canonical(record.output) else None

    def ask(self, record: Record, response: str, *, sample: int = 0) -> Verdict:  # noqa: ARG002  # as in Asker
        """Ask once; a reply that is neither yes nor no leaves the record unscored."""
        try:
            reply = self._client.chat(self.prompt(record, response), weigh=True)
        except JudgeError as error:
            return _failed(error, "")
        candidates = reply.candidates or ()
        weighing = weigh(candidates)
        score, covered = weighing.sharpened(self._wording.sharpening), round(weighing.covered, 6)
        wrong = contradiction(reply.content, candidates)
        gap = weighing.gap(self._wording.sharpening)
        if score is not None and wrong is None and gap is None:
            return with_cost(Verdict(score, reply.content, covered=covered), [reply])
        if wrong is not None:
            failure = JudgeError(self.server, f"{self._client.model} {wrong}", _NO_ANSWER_TODO)
        elif gap is not None:
            problem = f"tells no log-probability of the other answer, {gap}"
            failure = JudgeError(self.server, problem, _TELL_MORE)
        else:
            failure = JudgeError(self.server, self._problem(candidates, covered), _NO_ANSWER_TODO)
        # A server may give more candidates another day.
        final = wrong is not None or gap is None
        unscored = Verdict(
            None,
            reply.content,
            str(failure),
            final=final,
            is_infrastructure=not final,
            covered=covered,
        )
        return with_cost(unscored, [reply])

    def _problem(self, candidates: Sequence[tuple[str, float]], covered: float) -> str:
        likely = sorted(candidates, key=itemgetter(1), reverse=True)[:_TOKENS_SHOWN]
        seen = ", ".join(f'"{one_line(token, 20)}" {math.exp(p):.2f}' for token, p in likely)
        begins = f"answers with {seen}" if seen else "ends its answer before it begins"
        return (
            f"{self._client.model} {begins}: p(yes) + p(no) is {covered:.2f}, "
            "and below 0.5 it says nothing"
        )


_TELL_MORE: Final = (
    f"let it give the {TOP_LOGPROBS} likeliest tokens that it is asked for, or ask with "
    "--llm-judge-ask=integer"
)
_NO_ANSWER_TODO: Final = "take another judge, or ask with --llm-judge-ask=integer"


def unasked(score: int) -> Verdict:
    """Return the verdict on a response that no judge is asked about."""
    return Verdict(score, seconds=0.0, tokens=0)


def _canonical(text: str) -> str:
    return normal_form("NFC", text).strip()


def _failed(error: JudgeError, reply: str) -> Verdict:
    too_long = isinstance(error, PromptTooLongError)
    final = isinstance(error, PromptTooLongError) and error.final
    return Verdict(
        None,
        reply,
        str(error),
        final=final,
        is_infrastructure=error.is_infrastructure,
        too_long=too_long,
    )
