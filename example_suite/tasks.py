"""All kinds of task, and the held-out records that training never sees."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from example_suite import knowledge, reasoning, rewriting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from example_suite.example import Example

__all__ = ["KINDS", "held_out", "training"]

# kind -> how to draw an example, and how often training does so
KINDS: dict[str, tuple[Callable[[Random], Example], float]] = {
    "tense": (rewriting.tense, 1.2),
    "negative": (rewriting.negative, 1.0),
    "question": (rewriting.question, 1.4),
    "passive": (rewriting.passive, 2.0),
    "plural": (rewriting.plural, 1.2),
    "formal": (rewriting.formal, 0.7),
    "spelling": (rewriting.spelling, 0.8),
    "opposite": (knowledge.opposite, 0.7),
    "synonym": (knowledge.synonym, 0.4),
    "word form": (knowledge.word_form, 0.7),
    "classify": (knowledge.classify, 1.8),
    "sentiment": (knowledge.sentiment, 0.5),
    "capital": (knowledge.capital, 0.7),
    "element": (knowledge.element, 0.5),
    "convert": (reasoning.convert, 1.0),
    "arithmetic": (reasoning.arithmetic, 2.8),
    "sort": (reasoning.sort, 2.4),
    "count": (reasoning.count, 1.0),
    "extract": (knowledge.extract, 1.4),
}


def held_out(seed: int, *, per_kind: int) -> list[Example]:
    """Draw the records to be judged; no two share a key, and wordings vary where they can."""
    rng = Random(seed)  # noqa: S311 - data, not secrets
    chosen: list[Example] = []
    for draw, _ in KINDS.values():
        mine: list[Example] = []
        for patience in range(10_000):
            example = draw(rng)
            worn = {text for seen in mine for text in (seen.instruction, seen.output)}
            if patience % 50 and {example.instruction, example.output} & worn:
                continue
            if example.key not in {seen.key for seen in chosen + mine}:
                mine.append(example)
            if len(mine) == per_kind:
                break
        chosen += mine
    return chosen


def training(seed: int, examples: int, without: list[Example]) -> Iterator[Example]:
    """Draw training examples that share neither key nor question with a held-out record."""
    rng = Random(seed)  # noqa: S311 - data, not secrets
    keys = {example.key for example in without}
    questions = {(example.instruction, example.input) for example in without}
    draws, weights = zip(*KINDS.values(), strict=True)
    while examples:
        example = rng.choices(draws, weights)[0](rng)
        if example.key not in keys and (example.instruction, example.input) not in questions:
            examples -= 1
            yield example
