"""English sentences that can be said in several ways: tenses, questions, the passive voice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from example_suite import words

if TYPE_CHECKING:
    from random import Random

__all__ = ["Clause", "Statement", "Subject", "draw_clause", "draw_statement"]


@dataclass(frozen=True)
class Subject:
    """Who acts; ``plural`` subjects take the verb without its s."""

    text: str
    plural: bool


@dataclass(frozen=True)
class Verb:
    """A verb with what it can be done to, and where or when."""

    base: str
    past: str
    participle: str
    objects: tuple[str, ...]
    tails: tuple[str, ...]

    @property
    def third(self) -> str:
        """The form after he, she or it."""
        if self.base.endswith(("s", "sh", "ch", "x", "o")):
            return f"{self.base}es"
        return f"{self.base[:-1]}ies" if _ends_in_consonant_y(self.base) else f"{self.base}s"


@dataclass(frozen=True)
class Clause:
    """Somebody does something, with or without where and when."""

    subject: Subject
    verb: Verb
    object: Subject
    tail: str

    def present(self) -> str:
        """Anna writes a letter."""
        return self._say(self.verb.base if self.subject.plural else self.verb.third)

    def past(self) -> str:
        """Anna wrote a letter."""
        return self._say(self.verb.past)

    def future(self) -> str:
        """Anna will write a letter."""
        return self._say(f"will {self.verb.base}")

    def negative(self, *, past: bool) -> str:
        """Anna does not write a letter."""
        return self._say(f"{self._do(past=past)} not {self.verb.base}")

    def question(self, *, past: bool) -> str:
        """Does Anna write a letter?"""
        words_ = (self._do(past=past), self.subject.text, self.verb.base, self.object.text)
        return _capital(" ".join((*words_, self.tail)).strip() + "?")

    def passive(self, *, past: bool) -> str:
        """A letter is written by Anna."""
        be = _be(self.object, past=past)
        parts = (self.object.text, be, self.verb.participle, "by", self.subject.text, self.tail)
        return _capital(" ".join(parts).strip() + ".")

    def order(self) -> str:
        """Tell to do it: write a letter."""
        return f"{self.verb.base} {self.object.text} {self.tail}".strip()

    def _say(self, verb: str) -> str:
        return _capital(f"{self.subject.text} {verb} {self.object.text} {self.tail}".strip() + ".")

    def _do(self, *, past: bool) -> str:
        if past:
            return "did"
        return "do" if self.subject.plural else "does"


@dataclass(frozen=True)
class Statement:
    """Something is so: the soup is hot."""

    subject: Subject
    quality: str

    def say(self, *, past: bool = False, negative: bool = False) -> str:
        """The soup is not hot."""
        parts = (self.subject.text, _be(self.subject, past=past), *(["not"] * negative))
        return _capital(" ".join((*parts, self.quality)) + ".")

    def future(self) -> str:
        """The soup will be hot."""
        return _capital(f"{self.subject.text} will be {self.quality}.")

    def question(self, *, past: bool) -> str:
        """Is the soup hot?"""
        be = _be(self.subject, past=past)
        return f"{_capital(be)} {self.subject.text} {self.quality}?"


def draw_clause(rng: Random, *, pronouns: bool = True, work: bool = True) -> Clause:
    """Draw a sentence; ``work`` lets verbs of the working life in, done by grown-ups only."""
    working = work and rng.random() < 0.4
    verb = rng.choice(WORKING_VERBS if working else VERBS)
    subject = rng.choice(ADULTS if working else PEOPLE)
    while not pronouns and subject.text in {"he", "she", "they", "we"}:
        subject = rng.choice(ADULTS)
    tail = rng.choice(verb.tails) if rng.random() < 0.65 else ""
    return Clause(subject, verb, _noun(rng.choice(verb.objects)), tail)


def draw_statement(rng: Random) -> Statement:
    """Draw a sentence of the kind: the soup is hot."""
    subject, qualities = rng.choice(words.PREDICATES.strip().splitlines()).split("|")
    noun = _noun(subject)
    if rng.random() < 0.3:
        noun = replace(noun, text=noun.text.replace("the ", rng.choice(["their ", "your "])))
    return Statement(noun, rng.choice(qualities.split(";")))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _ends_in_consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in "aeiou"


def _regular_past(base: str) -> str:
    if base.endswith("e"):
        return f"{base}d"
    return f"{base[:-1]}ied" if _ends_in_consonant_y(base) else f"{base}ed"


def _be(subject: Subject, *, past: bool) -> str:
    if past:
        return "were" if subject.plural else "was"
    return "are" if subject.plural else "is"


def _noun(text: str) -> Subject:
    return Subject(text.removeprefix("+"), plural=text.startswith("+"))


def _verbs(table: str) -> list[Verb]:
    verbs = []
    for line in table.strip().splitlines():
        forms, objects, groups = line.split("|")
        base, *irregular = forms.split()
        past, participle = irregular or [_regular_past(base)] * 2
        tails = [tail for group in groups for tail in words.PLACES[group]]
        verbs.append(Verb(base, past, participle, tuple(objects.split(";")), tuple(tails)))
    return verbs


def _the(table: str) -> list[Subject]:
    pairs = [line.split() for line in table.strip().splitlines()]
    return [
        Subject(f"the {noun}", plural)
        for pair in pairs
        for noun, plural in zip(pair, (False, True), strict=True)
    ]


VERBS = _verbs(words.VERBS)
WORKING_VERBS = _verbs(words.VERBS_AT_WORK)
_SOMEBODY = [
    *[Subject(name, plural=False) for name in words.NAMES],
    *[Subject(one, plural=False) for one in words.KIN],
]
ADULTS = [*_SOMEBODY, *_the(words.ROLES)]
_GROUPS = [Subject(group, plural=True) for group in words.GROUPS]
PEOPLE = [*ADULTS, *_the(words.CHILDREN), *_GROUPS]
