"""A negation put into an answer, or taken out of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.judging.near.asks import blank_quotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.judging.near.asks import Ask

__all__ = ["negate"]

_OPPOSITES: Final = {"yes": "No", "no": "Yes", "true": "False", "false": "True"}
_SENTENCE: Final = re.compile(r"[^.!?\n]+(?:[.!?](?=\S)[^.!?\n]*)*[.!?]?")
_VERB: Final = re.compile(r"\b(?:is|are|was|were|can|will|should|must)\b(?=[ ]+[\w(_\"'-])")
_NEGATIVE: Final = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|hardly|cannot|without|only)\b|n['\u2019]t\b"
)
_TAKEN_OUT: Final = (
    (re.compile(r"\b(is|are|was|were|can|will|should|must|does|do|did|has|have) not\b"), r"\1"),
    (re.compile(r"\b(ca)n['\u2019]t\b|\b(can)not\b"), "can"),
    (re.compile(r"\bwon['\u2019]t\b"), "will"),
    (re.compile(r"\b(is|are|was|were|should|must|does|do|did|has|have)n['\u2019]t\b"), r"\1"),
)
_KEEPS_NEGATION: Final = re.compile(
    r"\bnot only\b|\bor not\b|\b(?:but|any\w*|either|yet)\b|\bnot (?:necessarily|\W)"
)
_CLAUSE: Final = re.compile(
    r"\b(?:that|which|who|whom|whose|where|when|if|because|although|though|while|as|since|after"
    r"|before|what|how|why|unless|until|whether|so|like)\b|[;:(]",
    re.IGNORECASE,
)
_SUBJECT_CLAUSE: Final = re.compile(
    r"(?:the|an?) (?:\w+ ){1,3}"
    r"(?:(?:by|in|to|for|from|with|of|on) which|that|which|who) (?!is|are)",
    re.IGNORECASE,
)
_ADVERB: Final = re.compile(
    r" (?:also|sometimes|still|already|just|perhaps|important|worth|likely)\b"
)
_SPEAKER: Final = re.compile(r"\b(?:I|I'm|my|you|your|we|our|let|sure)\b", re.IGNORECASE)
_EXISTS: Final = re.compile(
    r"(?:yes|no|here|one|two|three|four|five|some|several|many|most|another|examples?)\b",
    re.IGNORECASE,
)
_FRAME: Final = re.compile(r"\b(?:translat|word|phrase)", re.IGNORECASE)


def negate(ask: Ask, answer: str) -> str | None:
    """Return the answer with its first claim negated, or no longer so; ``None`` where none can be.

    Args:
        ask: What is asked for.
        answer: The right one.
    """
    whole = answer.strip().rstrip(".").lower()
    if whole in _OPPOSITES:
        opposite = _OPPOSITES[whole]
        said = opposite if answer.strip()[0].isupper() else opposite.lower()
        return said + ("." if answer.strip().endswith(".") else "")
    blank = blank_quotes(answer)
    if ask.translates and not _FRAME.search(blank):
        return None
    for match in _SENTENCE.finditer(blank):
        sentence = match[0]
        speaks = _SPEAKER.search(sentence) and not ask.is_rewrite
        may_be_so = _EXISTS.match(sentence.lstrip())
        if sentence.rstrip().endswith("?") or speaks or may_be_so:
            continue
        changed = _changed(sentence)
        if changed is not None:
            start, end, text = changed
            return answer[: match.start() + start] + text + answer[match.start() + end :]
    return None


def _changed(sentence: str) -> tuple[int, int, str] | None:
    """Return what to replace in a sentence, and by what."""
    if _NEGATIVE.search(sentence.lower()):
        return _without_negation(sentence)
    for match in _main_verbs(sentence):
        if not _ADVERB.match(sentence[match.end() :]):
            return match.start(), match.end(), "cannot" if match[0] == "can" else f"{match[0]} not"
    return None


def _without_negation(sentence: str) -> tuple[int, int, str] | None:
    if len(_NEGATIVE.findall(sentence.lower())) != 1 or _KEEPS_NEGATION.search(sentence):
        return None
    for pattern, verb in _TAKEN_OUT:
        match = pattern.search(sentence)
        if match and not _CLAUSE.search(sentence[: match.start()]):
            return match.start(), match.end(), match.expand(verb)
    return None


def _main_verbs(sentence: str) -> Iterator[re.Match[str]]:
    """Yield the verb of the main clause, if it is one that takes a ``not``."""
    verbs = list(_VERB.finditer(sentence))
    if not verbs:
        return
    first = verbs[0]
    clause = _CLAUSE.search(sentence[: first.start()])
    if clause is None:
        yield first
    elif len(verbs) == 1:
        subject = _SUBJECT_CLAUSE.match(sentence.lstrip())
        if subject and len(sentence[subject.end() : first.start()].split()) >= 2:
            yield first
