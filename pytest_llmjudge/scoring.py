"""A judge's reply becomes a score or a choice, or nothing: it is never guessed or clamped."""

from __future__ import annotations

import json
import math
import re
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_llmjudge.data import Preference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeVar

    from pytest_llmjudge.data import Choice, Verdict

    Number = TypeVar("Number", int, float)

__all__ = [
    "CHOICE_SCHEMA",
    "MIN_COVERED",
    "SCORE_SCHEMA",
    "Weighing",
    "combine",
    "contradiction",
    "ends_in_thoughts",
    "join_orders",
    "opens_thoughts",
    "parse_choice",
    "parse_integer",
    "parse_schema_reply",
    "replies_to",
    "strip_thoughts",
    "weigh",
    "with_cost",
]

SCORE_SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 100}},
    "required": ["score"],
}
"""JSON Schema of the reply when a judge is asked again; it is checked here all the same."""

CHOICE_SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"winner": {"type": "string", "enum": ["A", "B", "tie"]}},
    "required": ["winner"],
}
"""JSON Schema of the reply to the question which of two answers is better; checked here as well."""

# Runs of emphasis are bounded, so that a reply of a million asterisks costs no time.
_INTEGER: Final = re.compile(
    r"""
    (?P<open>[*_]{0,4})
    (?P<score>100|[1-9]?[0-9])
    (?P<inner>[*_]{0,4})
    (?:\s*/\s*100|\s+out\s+of\s+100)?
    (?P<dot>\.?)
    (?P<outer>[*_]{0,4})
    (?P<last>\.?)
    """,
    re.VERBOSE,
)


def parse_integer(reply: str) -> int | None:
    """Read a reply that is one integer from 0 to 100 and nothing else.

    Around it may stand whitespace, pairs of Markdown emphasis (``*``, ``_``), ``/100`` or
    ``out of 100`` behind it, and one final dot.

    Returns:
        The score, or ``None`` for every other reply. ASCII digits only, no sign, no leading
        zero, no fraction; a number out of range is no score.
    """
    match = _INTEGER.fullmatch(reply.strip())
    if match is None or (match["dot"] and match["last"]):
        return None
    if match["inner"] + match["outer"] != match["open"][::-1]:
        return None
    return int(match["score"])


def parse_schema_reply(text: str) -> int | None:
    """Read a JSON object with an integer ``score`` from 0 to 100.

    Returns:
        The score, or ``None`` when the text is anything else: cut off, ``85.0``, ``"85"``,
        ``true``, out of range, or with more than one ``score``. A Markdown code fence around the
        object does not count.
    """
    score = _only(text, "score")
    return score if type(score) is int and 0 <= score <= 100 else None


def replies_to(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all replies that a schema of this module allows, as ``json.dumps`` writes them."""
    ((name, kind),) = schema["properties"].items()
    values = kind.get("enum") or range(kind["minimum"], kind["maximum"] + 1)
    return tuple(json.dumps({name: value}) for value in values)


def parse_choice(text: str) -> str | None:
    """Read a JSON object whose ``winner`` is ``A``, ``B`` or ``tie``, or one of these alone.

    Returns:
        The winner, or ``None`` when the text is anything else, such as an object with two winners.
    """
    bare = text.strip()
    winner = bare if bare in _CHOICES else _only(text, "winner")
    return winner if isinstance(winner, str) and winner in _CHOICES else None


_CHOICES: Final = ("A", "B", "tie")


# Models write JSON so where nothing holds them to a schema.
_FENCE: Final = re.compile(
    r"\s*```[ \t]*(?:json)?[ \t\r]*\n(?P<inner>.*)\n[ \t]*```\s*", re.DOTALL | re.IGNORECASE
)


def _only(text: str, wanted: str) -> object:
    """Return the one value that a JSON object has under a name; ``None`` for anything else.

    One Markdown code fence may stand around the object, and nothing but blanks around that.
    """
    fenced = _FENCE.fullmatch(text)
    try:
        pairs = json.loads(fenced["inner"] if fenced else text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    values = [value for name, value in pairs if name == wanted]
    return values[0] if len(values) == 1 else None


_THOUGHTS_BEGIN: Final = re.compile(r"\s*<think(?:ing)?>")
_THOUGHTS_END: Final = re.compile(r"</think(?:ing)?>")


def strip_thoughts(reply: str, *, opened: bool = False) -> str:
    """Take from a reply the thoughts that a reasoning model wrote before its answer.

    Thoughts that do not end are no answer: nothing is taken from them.

    Args:
        reply: What the model wrote.
        opened: Whether the model's template may have opened the thoughts, so that only their end is
            in the reply. A judge's reply is not read so: it may quote a response that ends with
            ``</think>100``.
    """
    end = _THOUGHTS_END.search(reply)
    if end is None:
        return reply
    begin = _THOUGHTS_BEGIN.match(reply, 0, end.start())
    if begin is None and not opened:
        return reply
    opened_again = "<think" in reply[begin.end() if begin else 0 : end.start()]
    return reply if opened_again else reply[end.end() :]


def opens_thoughts(reply: str) -> bool:
    """Whether a reply begins with thoughts, as far as their tag tells."""
    return _THOUGHTS_BEGIN.match(reply) is not None


def ends_in_thoughts(prompt: str) -> bool:
    """Whether a prompt opens thoughts at its end, as the templates of some models do."""
    return prompt.rstrip().endswith(("<think>", "<thinking>"))


MIN_COVERED: Final = 0.5
"""Least p(yes) + p(no) at which their ratio says something about the answer."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """What the probabilities of an answer's first token say.

    Attributes:
        yes: p(yes), over all spellings.
        no: p(no), over all spellings.
        unlisted: The most that the probability of a token may be that is not among the candidates.
    """

    yes: float
    no: float
    unlisted: float = 0.0

    @property
    def covered(self) -> float:
        """How much of the probability is on either answer; at most 1."""
        return min(1.0, self.yes + self.no)

    @property
    def score(self) -> int | None:
        """``round(100 * p(yes) / (p(yes) + p(no)))``; ``None`` when less than half is covered."""
        return self.sharpened(1)

    def sharpened(self, exponent: int) -> int | None:
        """``round(100 / (1 + ((1 - p) / p) ** exponent))`` with ``p = p(yes) / (p(yes) + p(no))``.

        Small judges hedge: they say yes to right and no to wrong answers, but with probabilities
        that are nearer to one half than people's scores are. An exponent above 1 undoes some of it,
        and keeps the order of scores; half-way is rounded to the even integer.

        Returns:
            0 to 100, or ``None`` when less than half of the probability is covered.
        """
        total = self.yes + self.no
        if not total >= MIN_COVERED:
            return None
        # The same formula without a division by p, which may be 0.
        yes, no = (self.yes / total) ** exponent, (self.no / total) ** exponent
        return round(100 * yes / (yes + no))

    def gap(self, exponent: int) -> str | None:
        """Say which answer is missing from the candidates although it could change the score.

        A server may give fewer candidates than it is asked for. The answer that is missing is less
        likely than all that are there, and counts as 0 where that is close enough.

        Returns:
            The other answer and what it could do; ``None`` where the score is certain.
        """
        score, word = self.sharpened(exponent), "yes" if self.no else "no"
        if score is None or (self.yes and self.no):
            return None
        other = replace(self, **{word: self.unlisted}).sharpened(exponent)
        if other == score:
            return None
        change = f"make the score {other} instead of {score}"
        return f'"{word}", which may have {self.unlisted:.2f} and {change}'


def weigh(candidates: Sequence[tuple[str, float]]) -> Weighing:
    """Add up the probabilities of the candidates for a first token that say yes or no.

    Args:
        candidates: Tokens with their natural log-probabilities, at most 0. Case and leading blanks
            do not count; ``y``, ``yes,`` and all else say neither.
    """
    sums = {"yes": 0.0, "no": 0.0}
    for token, logprob in candidates:
        answer = token.lstrip().lower()
        if answer in sums:
            sums[answer] += math.exp(logprob)
    probabilities = [math.exp(logprob) for _, logprob in candidates]
    unlisted = max(0.0, min(1 - math.fsum(probabilities), *probabilities)) if probabilities else 1.0
    return Weighing(**sums, unlisted=unlisted)


def contradiction(reply: str, candidates: Sequence[tuple[str, float]]) -> str | None:
    """Say in what log-probabilities cannot be those of a reply; ``None`` where they can.

    At temperature 0 the likeliest token is chosen, and probabilities add up to 1 at most.

    Args:
        reply: The text of the reply.
        candidates: For its first token, with their natural log-probabilities.
    """
    likely = {"yes": 0.0, "no": 0.0}
    total = 0.0
    for token, logprob in candidates:
        total += math.exp(logprob)
        answer = token.strip().lower()
        if answer in likely:
            likely[answer] = max(likely[answer], math.exp(logprob))
    if total > 1 + _ROUNDING:
        return f"gives log-probabilities of tokens that add up to {total:.2f}"
    word = _FIRST_WORD.match(reply)
    said = word[1].lower() if word is not None else ""
    other = {"yes": "no", "no": "yes"}.get(said)
    if other is None or likely[other] - likely[said] <= _ROUNDING:
        return None
    return (
        f'answers "{said}", and its log-probabilities make "{other}" likelier '
        f"({likely[other]:.2f} against {likely[said]:.2f})"
    )


_FIRST_WORD = re.compile(r"\W*([a-z]+)", re.IGNORECASE)
_ROUNDING = 0.05
"""What servers that round or that run other kernels may be off by."""


def combine(verdicts: Iterable[Verdict], total: int) -> Verdict:
    """Make one verdict of several on the same response: their median, the lower one of two.

    One without a score makes the whole one without: a median of the others would hide it. Those
    after it are not asked for.

    Args:
        verdicts: In the order of their numbers.
        total: How many there are, at least one.
    """
    scored: list[Verdict] = []
    for number, verdict in enumerate(verdicts, 1):
        if total == 1:
            return verdict
        if verdict.score is None:
            failed = replace(verdict, error=f"sample {number} of {total}: {verdict.error}")
            return with_cost(failed, [*scored, verdict])
        scored.append(verdict)
    scores = tuple(verdict.score for verdict in scored if verdict.score is not None)
    median = statistics.median_low(scores)
    return with_cost(replace(scored[scores.index(median)], samples=scores), scored)


class _Asked(Protocol):
    """A reply or a verdict of a judge."""

    @property
    def seconds(self) -> float | None: ...
    @property
    def tokens(self) -> int | None: ...


def with_cost(verdict: Verdict, asked: Sequence[_Asked]) -> Verdict:
    """Return a verdict with the seconds and tokens of all replies or verdicts it is made of."""
    return replace(
        verdict,
        seconds=_known_sum([one.seconds for one in asked]),
        tokens=_known_sum([one.tokens for one in asked]),
    )


def _known_sum(values: Sequence[Number | None]) -> Number | None:
    """Return the sum of values; ``None`` where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def join_orders(choices: Iterable[Choice]) -> Preference:
    """Make one judgement of a judge's choices in both orders.

    The same answer twice is preferred; anything else is a tie. A choice that could not be had
    leaves the pair without a winner, and the other one is not asked for any more.

    Args:
        choices: With ``a`` shown first, and with ``b`` shown first.
    """
    orders: list[str] = []
    replies: list[str] = []
    for shown, choice in zip("ab", choices, strict=False):
        replies.append(choice.reply)
        if choice.winner is None:
            return Preference(
                None,
                replies=tuple(replies),
                error=f"with answer {shown} shown first: {choice.error}",
                final=choice.final,
                is_infrastructure=choice.is_infrastructure,
                too_long=choice.too_long,
            )
        orders.append(choice.winner)
    winner = {("A", "B"): "a", ("B", "A"): "b"}.get((orders[0], orders[1]), "tie")
    return Preference(winner, tuple(orders), tuple(replies))


class _Pairs(list[tuple[str, object]]):
    """A JSON object as it was written, so that a name given twice is seen."""
