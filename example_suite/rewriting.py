"""Tasks that say a sentence in another way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from example_suite import facts, words
from example_suite.example import Example, ask
from example_suite.language import Subject, draw_clause, draw_statement

if TYPE_CHECKING:
    from random import Random

__all__ = ["formal", "negative", "passive", "plural", "question", "spelling", "tense"]

PAST = (
    "Rewrite the sentence in the past tense.",
    "Change the following sentence to the past tense.",
    "Put this sentence into the past tense.",
    "Turn the sentence into the past tense.",
    "Convert the given sentence to past tense.",
    "Rewrite '{}' in the past tense.",
    "Say this in the past tense: {}",
)
FUTURE = (
    "Rewrite the sentence in the future tense.",
    "Change the following sentence to the future tense.",
    "Put this sentence into the future tense.",
    "Convert the given sentence to future tense, using 'will'.",
    "Say this in the future tense: {}",
)
NEGATIVE = (
    "Make the sentence negative.",
    "Rewrite the following sentence as a negative statement.",
    "Turn this statement into its negative form.",
    "Change the sentence so that it says the opposite by adding 'not'.",
    "Negate the given sentence.",
    "Write the negative form of the sentence.",
    "Rewrite '{}' as a negative sentence.",
    "Negate this statement: {}",
)
QUESTION = (
    "Turn the statement into a yes-or-no question.",
    "Rewrite the following sentence as a question.",
    "Change this statement into a question.",
    "Make a question out of the sentence.",
    "Form a question that can be answered with yes or no.",
    "Convert the given statement into a question.",
    "Turn '{}' into a question.",
    "Ask whether this is true: {}",
)
PASSIVE = (
    "Rewrite the sentence in the passive voice.",
    "Change the following sentence from active to passive voice.",
    "Convert the active sentence to passive.",
    "Put this sentence into the passive voice.",
    "Turn the sentence into the passive voice.",
    "Write '{}' in the passive voice.",
    "Say this in the passive voice: {}",
)
ACTIVE = (
    "Rewrite the sentence in the active voice.",
    "Change the following sentence from passive to active voice.",
    "Convert the passive sentence to active.",
    "Say this in the active voice: {}",
)
PLURAL = (
    "Make the subject of the sentence plural.",
    "Rewrite the sentence with a plural subject.",
    "Change the subject from singular to plural.",
    "Put the subject of this sentence into the plural.",
    "Rewrite the following sentence so that its subject is plural.",
    "Rewrite this with a plural subject: {}",
    "Put the subject of '{}' into the plural.",
)
FORMAL = (
    "Rewrite the sentence in a more formal way.",
    "Make the following sentence more formal.",
    "Edit the sentence so that it sounds formal.",
    "Rephrase this in formal English.",
    "Replace the informal language in the sentence.",
    "Turn this casual sentence into a formal one.",
    "How would you say '{}' in formal English?",
    "Make this more polite and formal: {}",
)
SPELLING = (
    "Correct the spelling mistake in the sentence.",
    "Fix the spelling error.",
    "Find and correct the misspelled word in this sentence.",
    "Rewrite the sentence with the correct spelling.",
    "The sentence has a typo. Write it correctly.",
    "Proofread the following sentence.",
    "Correct the spelling: {}",
    "Which word is misspelled here? Write the sentence correctly.",
)
# casual = formal; {} is what somebody does
REGISTERS = facts.pairs("""
I'm gonna {}.=I am going to {}.; We wanna {}.=We would like to {}.; I gotta {}.=I have to {}.
Hey, can you {}?=Could you please {}?; They won't {}.=They will not {}.
She can't {}.=She cannot {}.; Let's {}.=Let us {}.; Wanna {}?=Would you like to {}?
You better {}.=You should {}.; Don't {}, guys.=Please do not {}.
Yeah, we'll {}.=Yes, we will {}.; He didn't {}.=He did not {}.
The kids wanna {}.=The children would like to {}.
""")
UNWANTED = {"lose", "break", "forget", "hear", "see", "hide", "lead", "find"}


def tense(rng: Random) -> Example:
    """From the present to the past or the future."""
    future = rng.random() < 0.25
    if rng.random() < 0.15:
        statement = draw_statement(rng)
        text = statement.say()
        output = statement.future() if future else statement.say(past=True)
    else:
        clause = draw_clause(rng)
        text, output = clause.present(), clause.future() if future else clause.past()
    return Example("tense", *ask(rng, FUTURE if future else PAST, text), output, text)


def negative(rng: Random) -> Example:
    """From what is so to what is not so."""
    past = rng.random() < 0.4
    if rng.random() < 0.3:
        statement = draw_statement(rng)
        text, output = statement.say(past=past), statement.say(past=past, negative=True)
    else:
        clause = draw_clause(rng)
        text, output = clause.past() if past else clause.present(), clause.negative(past=past)
    return Example("negative", *ask(rng, NEGATIVE, text), output, text)


def question(rng: Random) -> Example:
    """From a statement to the question whether it is so."""
    past = rng.random() < 0.4
    if rng.random() < 0.3:
        statement = draw_statement(rng)
        text, output = statement.say(past=past), statement.question(past=past)
    else:
        clause = draw_clause(rng)
        text, output = clause.past() if past else clause.present(), clause.question(past=past)
    return Example("question", *ask(rng, QUESTION, text), output, text)


def passive(rng: Random) -> Example:
    """From the active to the passive voice, sometimes back."""
    past = rng.random() < 0.6
    clause = draw_clause(rng, pronouns=False)
    active, turned = clause.past() if past else clause.present(), clause.passive(past=past)
    if rng.random() < 0.25:
        return Example("passive", *ask(rng, ACTIVE, turned), active, active)
    return Example("passive", *ask(rng, PASSIVE, active), turned, active)


def plural(rng: Random) -> Example:
    """From one who does something to several."""
    group = rng.choice((words.ANIMALS, words.ROLES, words.CHILDREN, words.ROLES))
    one, many = rng.choice(group.strip().splitlines()).split()
    if group is words.ANIMALS:
        base, place = rng.choice(words.ANIMAL_VERBS), rng.choice(words.ANIMAL_PLACES)
        text, output = f"The {one} {base}s {place}.", f"The {many} {base} {place}."
    else:
        clause = draw_clause(rng, work=group is words.ROLES)
        text = replace(clause, subject=Subject(f"the {one}", plural=False)).present()
        output = replace(clause, subject=Subject(f"the {many}", plural=True)).present()
    return Example("plural", *ask(rng, PLURAL, text), output, text)


def formal(rng: Random) -> Example:
    """From casual to formal English."""
    casual, proper = rng.choice(REGISTERS)
    clause = draw_clause(rng)
    while clause.verb.base in UNWANTED:
        clause = draw_clause(rng)
    text = casual.format(clause.order())
    return Example("formal", *ask(rng, FORMAL, text), proper.format(clause.order()), text)


def spelling(rng: Random) -> Example:
    """From a sentence with a misspelled word to the sentence it should be."""
    right, wrong, frame = rng.choice(facts.MISSPELLINGS.strip().splitlines()).split("=")
    filled = frame.format(n=rng.choice(words.NAMES), w=rng.choice(words.TIMES))
    text = filled.replace("*", wrong)
    return Example("spelling", *ask(rng, SPELLING, text), filled.replace("*", right), text)
