"""Another form of the word that an instruction asks a form of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_llmjudge.judging.near.asks import Ask

__all__ = ["another_form"]

_QUOTED_WORD: Final = re.compile(r"[\"'“\u2018]([A-Za-z-]+)[.,]?[\"'”\u2019]")
_ONE_WORD: Final = re.compile(r"\W*([A-Za-z](?:-*[A-Za-z])*)\W*")
_SAME_FORM: Final = re.compile(
    r"(?:air|space)craft|beat|bet|bid|broadcast|buffalo|cactus|cod|deer|elk|fish|fit|forecast"
    r"|herring|knit|moose|quit|salmon|series|sheep|shrimp|species|spit|squid|sweat|trout|wed|wet"
)
"""Words of which the given form may be right as well."""

_SUPERLATIVES: Final = {
    "better": "best",
    "worse": "worst",
    "farther": "farthest",
    "further": "furthest",
    "less": "least",
    "more": "most",
}


def another_form(ask: Ask, question: str, answer: str) -> str | None:
    """Return the answer with another form of the word that is asked for; ``None`` without one.

    A comparative becomes a superlative and the other way round, any other form the given word.

    Args:
        ask: What is asked for.
        question: All that was asked; names one word.
        answer: The right one: a word, or a sentence that ends with one in quotes.
    """
    place = _answered_word(answer)
    given = _given_word(question)
    if not ask.form or place is None or given is None:
        return None
    start, end = place
    word = answer[start:end]
    if word.lower() == given or _SAME_FORM.fullmatch(given):
        return None
    is_degree = ask.form in {"comparative", "superlative"}
    other = _other_degree(ask.form, word.lower()) if is_degree else given
    if other is None:
        return None
    return answer[:start] + (other.capitalize() if word[0].isupper() else other) + answer[end:]


def _given_word(question: str) -> str | None:
    words = {word.lower() for word in _QUOTED_WORD.findall(question)}
    words |= {
        match[1].lower() for match in map(_ONE_WORD.fullmatch, question.splitlines()) if match
    }
    return words.pop() if len(words) == 1 else None


def _answered_word(answer: str) -> tuple[int, int] | None:
    whole = _ONE_WORD.fullmatch(answer)
    if whole:
        return whole.span(1)
    quoted = list(_QUOTED_WORD.finditer(answer))
    if len(quoted) < 2 or " or " in answer:  # of two right ones the other would stay right
        return None
    return quoted[-1].span(1)


def _other_degree(form: str, word: str) -> str | None:
    pairs, ends = _SUPERLATIVES, ("er", "est")
    if form == "superlative":
        pairs, ends = {second: first for first, second in pairs.items()}, ("est", "er")
    if word in pairs:
        return pairs[word]
    return word.removesuffix(ends[0]) + ends[1] if word.endswith(ends[0]) else None
