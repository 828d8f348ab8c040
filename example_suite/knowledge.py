"""Tasks about words and facts, and about what a text says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_suite import facts, words
from example_suite.example import Example, ask, with_article

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = [
    "capital",
    "classify",
    "element",
    "extract",
    "opposite",
    "sentiment",
    "synonym",
    "word_form",
]

OPPOSITE = (
    "What is the opposite of '{}'?",
    "Give the opposite of the word '{}'.",
    "What is an antonym of '{}'?",
    "Name an antonym for '{}'.",
    "Which word means the opposite of '{}'?",
    "Find the antonym of the given word.",
    "State the opposite of the following word.",
)
SYNONYM = (
    "What is a synonym for '{}'?",
    "Give a synonym of the word '{}'.",
    "Name a word that means the same as '{}'.",
    "Which word has the same meaning as '{}'?",
    "Provide another word for '{}'.",
    "Find a synonym for the given word.",
    "Suggest a synonym for the following word.",
)
PLURAL = (
    "What is the plural of '{}'?",
    "Give the plural form of '{}'.",
    "How do you say '{}' in the plural?",
    "Write the plural of the word '{}'.",
    "Form the plural of the given noun.",
)
PAST = (
    "What is the past tense of '{}'?",
    "Give the past tense of the verb '{}'.",
    "How do you say '{}' in the past tense?",
    "Write the simple past of '{}'.",
    "Form the past tense of the given verb.",
)
COMPARATIVE = (
    "What is the comparative form of '{}'?",
    "Give the comparative of the adjective '{}'.",
    "What is the comparative of '{}'?",
    "Write the comparative of '{}'.",
    "Form the comparative of the given adjective.",
)
CAPITAL = (
    "What is the capital of {}?",
    "Name the capital of {}.",
    "Which city is the capital of {}?",
    "Tell me the capital city of {}.",
    "What is the capital city of {}?",
    "What is the name of the capital of {}?",
    "Name the capital of the given country.",
)
COUNTRY = (
    "Which country has {} as its capital?",
    "{} is the capital of which country?",
    "Name the country whose capital is {}.",
)
SYMBOL = (
    "What is the chemical symbol for {}?",
    "Give the chemical symbol of {}.",
    "Which symbol stands for {} in the periodic table?",
    "How is {} written in chemical formulas?",
    "What is the symbol of the element {}?",
    "State the chemical symbol for the given element.",
)
ELEMENT = (
    "Which element has the symbol {}?",
    "What does the chemical symbol {} stand for?",
    "Name the element with the chemical symbol {}.",
)
GROUP = (
    "Is the given thing an animal, a plant, a tool, a fruit or a vehicle?",
    "Classify the word as an animal, a plant, a tool, a fruit or a vehicle.",
    "To which group does '{}' belong: animals, plants, tools, fruits or vehicles?",
    "Name the group of the word: animals, plants, tools, fruits or vehicles.",
)
GROUPS = (
    "Sort the words into {} and {}.",
    "Group the following words: {} and {}.",
    "Which of these are {} and which are {}?",
    "Classify the words as {} or {}.",
)
REVIEW = (
    "Is the review positive, negative or mixed?",
    "Classify the sentiment of the review as positive, negative or mixed.",
    "Read the review and say whether it is positive, negative or mixed.",
    "What is the sentiment of the following review?",
    "Decide if this review is positive, negative or mixed.",
    "Tell me the sentiment of this review: {}",
)
NEWS = (
    "On {day}, {name} sold {n} {things} in {city}.",
    "{name} flew to {city} on {day} with {n} other passengers.",
    "{name} met {n} students in {city} on {day}.",
    "The train to {city} was {n} minutes late on {day}, so {name} took a taxi.",
    "{name} works in {city} and wrote {n} emails on {day}.",
    "In {city}, {name} found {n} {things} on {day}.",
    "Last {day}, {n} guests came to the concert of {name} in {city}.",
    "{name} ordered {n} {things} from a shop in {city} on {day}.",
    "When {name} came home from {city} on {day}, {n} {things} were missing.",
    "The museum in {city} bought {n} {things} from {name} on {day}.",
)
THINGS = words.listed("books; coins; tickets; lamps; paintings; letters; chairs; maps; stamps")
DAYS = words.listed("Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday")
DETAILS = {
    "name": (
        "The person is {}.",
        "Who is named in the sentence?",
        "Find the name of the person in the sentence.",
        "Extract the person's name from the text.",
    ),
    "city": (
        "The city is {}.",
        "Which city is named in the sentence?",
        "Find the city in the sentence.",
        "Extract the name of the city from the text.",
    ),
    "day": (
        "The day is {}.",
        "Which day of the week is named in the sentence?",
        "Find the day in the sentence.",
        "Extract the day of the week from the text.",
    ),
    "n": (
        "The number is {}.",
        "Which number is named in the sentence?",
        "Find the number in the sentence.",
        "Extract the number from the text.",
    ),
}


def _fact(rng: Random, kind: str, wordings: Sequence[str], about: str, output: str) -> Example:
    instruction, text = ask(rng, wordings, about)
    return Example(kind, instruction, text, output, f"{instruction} {text}")


def opposite(rng: Random) -> Example:
    """Antonyms, in both directions."""
    word, answer = rng.choice(OPPOSITES)
    return _fact(rng, "opposite", OPPOSITE, word, f"The opposite of '{word}' is '{answer}'.")


def synonym(rng: Random) -> Example:
    """Words of the same meaning."""
    word, answer = rng.choice(SYNONYMS)
    return _fact(rng, "synonym", SYNONYM, word, f"A synonym for '{word}' is '{answer}'.")


def word_form(rng: Random) -> Example:
    """Plurals, past tenses and comparatives, most of them irregular."""
    name, wordings, table = rng.choice(FORMS)
    word, answer = rng.choice(table)
    output = f"The {name} of '{word}' is '{answer}'."
    return _fact(rng, "word form", wordings, word, output)


def capital(rng: Random) -> Example:
    """Countries and their capitals."""
    country, city = rng.choice(CAPITALS)
    output = f"The capital of {country} is {city}."
    if rng.random() < 0.25:
        return _fact(rng, "capital", COUNTRY, city, f"{city} is the capital of {country}.")
    return _fact(rng, "capital", CAPITAL, country, output)


def element(rng: Random) -> Example:
    """Chemical elements and their symbols."""
    name, symbol = rng.choice(ELEMENTS)
    if rng.random() < 0.3:
        return _fact(rng, "element", ELEMENT, symbol, f"The symbol {symbol} stands for {name}.")
    return _fact(rng, "element", SYMBOL, name, f"The chemical symbol for {name} is {symbol}.")


def classify(rng: Random) -> Example:
    """One thing and its group, or several things of two groups."""
    first, second = rng.choice(UNLIKE)
    if rng.random() < 0.4:
        thing = rng.choice(facts.GROUPS_OF_THINGS[first].split())
        output = f"{with_article(thing).capitalize()} is {with_article(first)}."
        return _fact(rng, "classify", GROUP, thing, output)
    things = rng.sample(facts.GROUPS_OF_THINGS[first].split(), rng.choice((1, 2)))
    others = rng.sample(facts.GROUPS_OF_THINGS[second].split(), rng.choice((1, 2)))
    shuffled = ", ".join(rng.sample([*things, *others], len(things) + len(others)))
    things.sort(key=shuffled.index)
    others.sort(key=shuffled.index)
    instruction = rng.choice(GROUPS).format(f"{first}s", f"{second}s")
    lines = f"{first}s: {', '.join(things)}", f"{second}s: {', '.join(others)}"
    output = "\n".join(line.capitalize() for line in lines)
    return Example("classify", instruction, shuffled, output, shuffled)


def sentiment(rng: Random) -> Example:
    """Short reviews of two judgements, which may differ."""
    lines = rng.choice(facts.REVIEWS.strip().split("\n\n")).splitlines()
    parts, goods = [], []
    for line in rng.sample(lines, 2):
        thing, judgements = line.split("=")
        goods.append(rng.random() < 0.5)
        said = judgements.split("|")[0 if goods[-1] else 1]
        parts.append((thing, rng.choice(said.split(";"))))
    (thing, said), (other, also) = parts
    mixed = goods[0] is not goods[1]
    link = ", but the" if mixed else rng.choice((" and the", ". The"))
    text = f"{thing} {said}{link}{other.removeprefix('The')} {also}."
    verdict = "mixed" if mixed else "positive" if goods[0] else "negative"
    instruction, given = ask(rng, REVIEW, text)
    return Example("sentiment", instruction, given, f"The review is {verdict}.", text)


def extract(rng: Random) -> Example:
    """A name, a city, a day or a number out of a sentence."""
    details = {
        "name": rng.choice(words.NAMES),
        "city": rng.choice(CAPITALS)[1],
        "day": rng.choice(DAYS),
        "n": str(rng.randint(2, 98)),
    }
    text = rng.choice(NEWS).format(**details, things=rng.choice(THINGS))
    wanted = rng.choice(sorted(DETAILS))
    answer, *wordings = DETAILS[wanted]
    instruction = rng.choice(wordings)
    return Example("extract", instruction, text, answer.format(details[wanted]), text)


# Fruits are plants, in a way: the two are not told apart in one question.
UNLIKE = [
    (first, second)
    for first in facts.GROUPS_OF_THINGS
    for second in facts.GROUPS_OF_THINGS
    if first != second and {first, second} != {"plant", "fruit"}
]
_ONE_WAY = facts.pairs(facts.OPPOSITES)
OPPOSITES = _ONE_WAY + [(right, left) for left, right in _ONE_WAY]
SYNONYMS = facts.pairs(facts.SYNONYMS)
CAPITALS = facts.pairs(facts.CAPITALS)
ELEMENTS = facts.pairs(facts.ELEMENTS)
FORMS = (
    ("plural", PLURAL, facts.pairs(facts.PLURALS)),
    ("past tense", PAST, facts.pairs(facts.PASTS)),
    ("comparative", COMPARATIVE, facts.pairs(facts.COMPARATIVES)),
)
