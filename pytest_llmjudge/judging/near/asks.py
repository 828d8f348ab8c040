"""What an instruction asks for, as far as it decides which change makes its answer wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Ask", "blank_quotes", "read_ask"]

_OPEN: Final = re.compile(
    r"\b(?:write|compose|create|generate|craft|draft|invent|imagine|design|suggest|recommend"
    r"|propose|advise|advice|brainstorm|pretend|describe|discuss|tell|argue|summari[sz]e|expand"
    r"|elaborate|improve|develop|plan|make|add|insert|complete|fill|continue|use|construct|form an?"
    r"|come up with|think of|examples?|instances?|story|poem|haiku|joke|riddle|slogan|tagline|essay"
    r"|paragraph|tips?|ideas?|ways?|reasons?|opinion|favou?rite|do you|would you|should i|can i"
    r"|could|might|should (?:i|you|we|one)|possible|similar|some|several|few|any|best|better|good"
    r"|code|program|script|function in|python|javascript|sql|regex|html)\b"
)
"""Words of instructions that many answers fit, and of those that are answered in code."""

_REWRITE: Final = re.compile(
    r"\b(?:re-?write|re-?word|rephrase|paraphrase|edit|revise|convert|change|transform|turn|alter"
    r"|put|modify|switch|correct|fix)\b"
)
_SOURCE: Final = re.compile(r"\b(?:sentences?|phrase|statement|text|voice|speech)\b")
_GRAMMAR: Final = re.compile(
    r"\b(?:passive|active|tense|plural|singular|perfect|continuous|progressive|correct|fix|errors?"
    r"|mistakes?|grammar|grammatical(?:ly)?|punctuation|spelling|spelled|capitali[sz]e|direct"
    r"|indirect|reported|(?:first|second|third)[- ]person)\b"
)
_QUESTION: Final = re.compile(
    r"(?:(?:in|on|at|by|from|to|of|for) )?(?:what|which|who|whom|whose|when|where)\b"
    r"|how (?:many|much|long|far|old|tall|high|deep|fast|big|large|heavy|often)\b"
    # "Is" and "was" begin questions of other languages as well.
    r"|(?:is|are|was|were|does|do|did|can|has|have) (?!you\b|i\b|we\b)"
    r"(?=(?:.* )?(?:the|an?|this|these|there|it|and|from|with|than|all|he|she|they)\b)"
)
_TASK: Final = re.compile(
    r"(?:please )?(?:(?:calculate|compute|solve|evaluate|determine|count|convert|find|sort|arrange"
    r"|order|rank|classify|categori[sz]e|group|label|translate|name|identify|state|give|provide|list"
    r"|look up|define|explain|select|choose|pick|reverse|simplify|round|change|express)\b)"
)
_ANOTHER_TASK: Final = re.compile(
    r"(?:please )?(?:define|explain|convert|change|simplify|express|round|reverse|sort|arrange"
    r"|order|rank|classify|categori[sz]e|group|label|translate)\b|what is meant\b|what does\b"
)
"""Begins what asks for no name."""

_KEEPS: Final = re.compile(
    r"(?:please )?(?:sort|arrange|order|rank|classify|categori[sz]e|group|translate)\b"
)
_TRANSLATION: Final = re.compile(
    r"\btranslat|\b(?:in|into) (?:[A-Z][a-z]+(?:ese|ish|ian)|French|German|Korean|Dutch|Greek|Latin"
    r"|Arabic|Hindi)\b"
)
_MANY: Final = re.compile(
    r"\b(?:name|list|give|provide|identify|find|select|choose|pick|state|is|are|was|were|which|what)"
    r" (?:an?|one|two|three|four|five|six|seven|eight|nine|ten|\d+|another|other|types|kinds"
    r"|synonyms?|antonyms?|words?)\b"
)
_WHOLE: Final = re.compile(
    r"\b(?:all|the) (?:first |last |next |main |primary )?(?:two|three|four|five|six|seven|eight"
    r"|nine|ten|twelve|\d+)\b|\bcolou?rs of the rainbow\b"
)
_FORMS: Final = (
    "plural",
    "singular",
    "past tense",
    "past participle",
    "present participle",
    "gerund",
    "comparative",
    "superlative",
)
"""Forms of a word that instructions ask for."""

_QUOTED: Final = re.compile(
    # Each mark that nothing closes is read for so long.
    r"\"[^\"\n]{0,2000}\"|“[^”\n]{0,2000}”|„[^“”\n]{0,2000}[“”]|«[^»\n]{0,2000}»|`[^`\n]{0,2000}`"
    r"|(?<!\w)['\u2018](?:[^'\u2019\n]|['\u2019](?=\w)){0,2000}['\u2019]"
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What an instruction asks for.

    Attributes:
        is_closed: Whether few answers are right, so that a changed one is wrong.
        has_one: Whether there is one right answer, so that another name is wrong.
        has_whole_list: Whether the answer lists all there are, or what the question gives.
        keeps: Whether the answer is made of the words and numbers of the question.
        is_rewrite: Whether the answer is a text of the question in another grammatical form.
        translates: Whether the answer is in another language.
        form: Which form of a word is asked for; empty for none.
    """

    is_closed: bool
    has_one: bool = False
    has_whole_list: bool = False
    keeps: bool = False
    is_rewrite: bool = False
    translates: bool = False
    form: str = ""


def read_ask(instruction: str) -> Ask:
    """Read an instruction; one that is not understood, or not English, counts as open."""
    bare = " ".join(blank_quotes(instruction).split())
    text = bare.lower()
    # A problem in words asks in its last sentence.
    is_task = any(_TASK.match(one) or _QUESTION.match(one) for one in _first_and_last(text))
    is_rewrite = bool(_REWRITE.search(text) and _SOURCE.search(text))
    may_be_reworded = is_rewrite and not _GRAMMAR.search(text)
    if _OPEN.search(text) or may_be_reworded or not (is_task or is_rewrite):
        return Ask(is_closed=False)
    form = next((form for form in _FORMS if form in text), "")
    keeps = bool(_KEEPS.match(text))
    return Ask(
        is_closed=True,
        has_one=not (_MANY.search(text) or _ANOTHER_TASK.match(text) or is_rewrite or form),
        has_whole_list=keeps or bool(_WHOLE.search(text)),
        keeps=keeps or is_rewrite,
        is_rewrite=is_rewrite,
        translates=bool(_TRANSLATION.search(bare)),
        form=form,
    )


def _first_and_last(text: str) -> tuple[str, str]:
    sentences = re.split(r"(?<=[.?!:])\s+", text)
    return sentences[0], sentences[-1]


def blank_quotes(text: str) -> str:
    """Return a text of the same length with ``_`` for each character of what stands in quotes."""
    return _QUOTED.sub(lambda match: "_" * len(match[0]), text)
