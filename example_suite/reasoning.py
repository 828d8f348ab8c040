"""Tasks with numbers and with order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_suite import facts, words
from example_suite.example import Example, ask
from example_suite.language import draw_clause, draw_statement

if TYPE_CHECKING:
    from random import Random

__all__ = ["arithmetic", "convert", "count", "sort"]

CONVERT = (
    "Convert {n} {a} to {b}.",
    "How many {b} are {n} {a}?",
    "Express {n} {a} in {b}.",
    "Change {n} {a} into {b}.",
    "What is {n} {a} in {b}?",
)
SUM = (
    "What is {a} + {b}?",
    "Calculate {a} + {b}.",
    "Add {a} and {b}.",
    "Find the sum of {a} and {b}.",
)
DIFFERENCE = (
    "What is {a} - {b}?",
    "Calculate {a} - {b}.",
    "Subtract {b} from {a}.",
    "Find the difference between {a} and {b}.",
)
STORY = (
    "Solve the word problem.",
    "Answer the question.",
    "Read the text and answer the question at its end.",
    "Solve this problem.",
)
MORE = (
    "{n} has {a} {t} and buys {b} more. How many {t} does {n} have now?",
    "{n} has {a} {t}. A friend brings {b} more. How many {t} does {n} have now?",
    "{n} collected {a} {t} on Monday and {b} on Tuesday. How many {t} does {n} have now?",
)
LESS = (
    "{n} has {a} {t} and gives away {b}. How many {t} does {n} have now?",
    "{n} had {a} {t} but lost {b}. How many {t} does {n} have now?",
    "{n} has {a} {t} and sells {b} of them. How many {t} does {n} have now?",
)
THINGS = words.listed("""
apples; books; coins; pencils; cookies; stamps; marbles; balloons; shells; oranges
""")
ASCENDING = (
    "Sort the numbers from smallest to largest.",
    "Arrange the following numbers in ascending order.",
    "Put these numbers in order, the smallest first.",
    "Sort in ascending order: {}",
)
DESCENDING = (
    "Sort the numbers from largest to smallest.",
    "Arrange the following numbers in descending order.",
    "Put these numbers in order, the largest first.",
)
ALPHABETICAL = (
    "Sort the words alphabetically.",
    "Arrange the following words in alphabetical order.",
    "Put these words into alphabetical order.",
    "Sort this list from A to Z: {}",
)
NOUNS = words.listed("""
apple; bread; candle; door; eagle; forest; garden; house; island; jacket; kitchen; lemon; mirror
needle; orange; pencil; queen; river; spoon; table; umbrella; violin; window; yard; zebra
""")
COUNT = (
    "How many words does the sentence have?",
    "Count the words in the sentence.",
    "Give the number of words in the following sentence.",
    "Of how many words is this sentence made?",
    "Count the words: {}",
)


def convert(rng: Random) -> Example:
    """Units of length, weight and time."""
    a, b, factor, most = rng.choice(facts.UNITS.strip().splitlines()).split()
    n = rng.randint(2, int(most))
    instruction = rng.choice(CONVERT).format(n=n, a=a, b=b)
    output = f"{n} {a} is equal to {n * int(factor)} {b}."
    return Example("convert", instruction, "", output, f"{n} {a} {b}")


def arithmetic(rng: Random) -> Example:
    """Sums and differences, plain or in a story."""
    plain, add = rng.random() < 0.5, rng.random() < 0.5
    small, large = sorted(rng.sample(range(2, 25 if plain else 16), 2))
    if plain:
        a, b = rng.sample((small, large), 2) if add else (large, small)
        instruction = rng.choice(SUM if add else DIFFERENCE).format(a=a, b=b)
        output = f"{a} + {b} = {a + b}" if add else f"{a} - {b} = {a - b}"
        return Example("arithmetic", instruction, "", output, f"{a} {'+' if add else '-'} {b}")
    total = large + small if add else large - small
    name, things = rng.choice(words.NAMES), rng.choice(THINGS)
    text = rng.choice(MORE if add else LESS).format(n=name, a=large, b=small, t=things)
    output = f"{name} has {total} {things if total > 1 else things[:-1]} now."
    sign = "+" if add else "-"
    return Example("arithmetic", rng.choice(STORY), text, output, f"{large} {sign} {small}")


def sort(rng: Random) -> Example:
    """Three numbers, or three words."""
    if rng.random() < 0.4:
        nouns = rng.sample(NOUNS, 3)
        text = ", ".join(nouns)
        return Example("sort", *ask(rng, ALPHABETICAL, text), ", ".join(sorted(nouns)), text)
    numbers = rng.sample(range(1, 100), 3)
    text, down = ", ".join(map(str, numbers)), rng.random() < 0.4
    output = ", ".join(map(str, sorted(numbers, reverse=down)))
    return Example("sort", *ask(rng, DESCENDING if down else ASCENDING, text), output, text)


def count(rng: Random) -> Example:
    """The words of a sentence."""
    past = rng.random() < 0.5
    if rng.random() < 0.3:
        text = draw_statement(rng).say(past=past)
    else:
        clause = draw_clause(rng)
        text = clause.past() if past else clause.present()
    output = f"The sentence has {len(text.split())} words."
    return Example("count", *ask(rng, COUNT, text), output, text)
