"""Near misses: which answers have one, and that the changed answer is wrong."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Criterion, Record, Turn
from pytest_llmjudge.judging.near import no_near_misses
from pytest_llmjudge.judging.near.misses import NearMiss, NearMisses, choose_near_misses


def make(instruction: str, output: str, given: str = "", name: str = "r") -> Record:
    return Record(name, instruction, given, output, {})


OTHERS = (
    make("What is the capital of Peru?", "The capital of Peru is Lima.", name="o1"),
    make("Who wrote Emma?", "It was written by Jane Austen.", name="o2"),
    make("What are the two kinds of branches?", "They are animal, plant and others.", name="o3"),
    make("What are the four seasons?", "Spring, summer, autumn, winter.", name="o6"),
    make("Sort these words.", "1. Apple\n2. Pear", "Pear, Apple", name="o4"),
    make("Where is Normandy?", "Normandy lies in France.", name="o5"),
)


def near_miss(instruction: str, output: str, given: str = "") -> NearMiss | None:
    """Return the near miss of a record in a suite of others."""
    record = make(instruction, output, given)
    return NearMisses([record, *OTHERS]).of(record)


@pytest.mark.parametrize(
    ("instruction", "output", "rule", "texts"),
    [
        # Exact numbers change in their last digit that is not 0, measured ones so that it matters.
        ("How many bones are there?", "There are 206.", "number", ["There are 207.", "There are 205."]),
        ("Convert 3 km to m.", "3 km is 3000 m.", "number", ["3 km is 4000 m.", "3 km is 2000 m."]),
        ("Convert 1000 g to kg.", "1000 g is 1 kilogram.", "number", ["1000 g is 2 kilograms."]),
        ("What is the mass?", "About 8.05 kg.", "number", ["About 9.05 kg.", "About 7.05 kg."]),
        (
            "What is the distance?",
            "It is 384,400 km.",
            "number",
            ["It is 394,400 km.", "It is 374,400 km."],
        ),
        ("What is the point?", "It is -34 degrees.", "number", ["It is -35 degrees.", "It is -33 degrees."]),
        ("How fast is sound?", "It is 343 m/s at 20 °C.", "number", [
            "It is 344 m/s at 20 °C.", "It is 342 m/s at 20 °C."
        ]),
        ("When does it boil?", "It boils at 99 degrees.", "number", [
            "It boils at 100 degrees.", "It boils at 98 degrees."
        ]),
        ("When did it end?", "It ended in 2000.", "number", ["It ended in 2001.", "It ended in 1999."]),
        ("In which century?", "In the 12th.", "number", ["In the 13th.", "In the 11th."]),
        ("How many sides has it?", "It has Three.", "number", ["It has Four.", "It has Two."]),
        (
            "How many clips did Ann sell in all?",
            "She sold 48+24 = <<48+24=72>>72 clips.\n#### 72",
            "number",
            [
                "She sold 48+24 = <<48+24=72>>72 clips.\n#### 73",
                "She sold 48+24 = <<48+24=72>>72 clips.\n#### 71",
            ],
        ),
        ("What is the chemical formula for water?", "It is H2O.", "number", ["It is H3O."]),
        ("What is the chemical formula for water?", "H₂O", "number", ["H₃O"]),
        ("What is the capital of Chile?", "It is Santiago.", "name", ["It is Lima."]),
        ("Who wrote War and Peace?", "It was Leo Tolstoy.", "name", ["It was Jane Austen."]),
        ("Who wrote Kim?", "It was Leo Tolstoy who wrote Kim.", "name", [
            "It was Jane Austen who wrote Kim."
        ]),
        ("Name the author of Ulysses.", "James Joyce.", "name", ["Jane Austen."]),
        ("When is the feast?", "It is in May.", "name", ["It is in June.", "It is in July."]),
        (
            "What are the three branches?",
            "Legislative, executive, and judicial.",
            "list",
            [
                f"{row}."
                for entry in ("Animal", "Plant", "Others")
                for row in (
                    f"{entry}, executive, and judicial",
                    f"Legislative, {entry.lower()}, and judicial",
                    f"Legislative, executive, and {entry.lower()}",
                )
            ],
        ),
        ("What is the past tense of 'sing'?", "It is 'sang', from 'sing'.", "negation", [
            "It is not 'sang', from 'sing'."
        ]),
        ("What is the past tense of 'sing'?", "Sang.", "form", ["Sing."]),
        ("Give the plural of 'child'.", "The plural of 'child' is 'children.'", "form", [
            "The plural of 'child' is 'child.'"
        ]),
        ("What is the comparative of 'fast'?", "faster", "form", ["fastest"]),
        ("What is the superlative of 'good'?", "best", "form", ["better"]),
        ("Classify it as spam or ham.", "This is ham.", "option", ["This is spam."]),
        ("Which is a whale, a fish or a mammal?", "It is a mammal.", "negation", [
            "It is not a mammal."
        ]),
        ("State whether it is a fish or a mammal.", "A mammal.", "option", ["A fish."]),
        ("Label it as a noun or an adverb.", "It is a noun.", "option", ["It is an adverb."]),
        ("Which is right: 'teh' or 'the'?", "It is 'the'.", "option", ["It is 'teh'."]),
        ("Is the sea salty?", "Yes.", "negation", ["No."]),
        ("Can the kiwi fly?", "The kiwi cannot fly.", "negation", ["The kiwi can fly."]),
        ("Does the moon shine?", "It does not shine.", "negation", ["It does shine."]),
        ("Does the moon shine?", "It won't.", "negation", ["It will."]),
        ("What are the three cases?", "They are one, this, and that.", "negation", [
            "They are not one, this, and that."
        ]),
        ("Define osmosis.", "Osmosis is a process.", "negation", ["Osmosis is not a process."]),
        (
            "Name the tool that measures heat.",
            "The tool that measures heat is called a thermometer.",
            "negation",
            ["The tool that measures heat is not called a thermometer."],
        ),
        (
            "Put the sentence into the passive voice.",
            "The cake was eaten by Tom.",
            "negation",
            ["The cake was not eaten by Tom."],
        ),
    ],
)  # fmt: skip
def test_a_near_miss(instruction: str, output: str, rule: str, texts: list[str]) -> None:
    """One thing is changed, by the rule that fits."""
    found = near_miss(instruction, output)

    assert found is not None
    if found.rule != "digits":
        assert found.rule == rule
        assert found.text in texts


def test_two_digits_are_swapped() -> None:
    """Only where that makes another plausible number, which the answer does not have already."""
    seen = set()
    for number in range(40):
        record = make("How many are there?", "There are 1945, in 1066.", name=f"r{number}")
        found = NearMisses([record]).of(record)
        assert found is not None
        if found.rule == "digits":
            seen.add(found.text)
    assert seen == {"There are 1945, in 1606."}


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Write a poem of 3 lines.", "There were 4 cats in Rome."),
        ("Suggest a name for a cat.", "A good name is Tom."),
        ("Rewrite the sentence using a simile.", "The car is as fast as lightning."),
        ("Give an example of a mammal.", "The cat is a mammal."),
        ("Describe a day.", "The day has 24 hours."),
        ("List five vegetables.", "1. Carrot\n2. Leek"),
        ("Name a city in Peru.", "Lima"),
        ("What is a synonym for 'big'?", "large"),
        ("What would you do?", "It is 5."),
        ("Where is the Louvre?", "In Paris"),
        ("Who wrote Emma?", "Jane Austen"),
        ("Write code that prints 5.", "print(5)"),
        ("What does it print?", "```\n5\n```"),
        ("What is the time?", "At 9:15"),
        ("What is the ratio?", "3:1 or 3/1"),
        ("When did he live?", "From 1564-1616"),
        ("When did he live?", "From 1564 to 1616"),
        ("How much does it cost?", "It costs between 9 and 11 dollars, mostly."),
        ("What is the pH of lemons?", "A pH of about 2.0"),
        ("What version?", "3.11.4"),
        ("Which one?", "1. This\n2. That"),
        ("Who wrote 1984?", "Someone did in 1984"),
        ("Is it so?", "Yes, it is so."),
        ("What is meant?", "What is that?"),
        ("What is it?", "It may be so."),
        ("What is it?", "One of them is a cat."),
        ("What is it?", "I am sure it is one."),
        ("What is it?", "If it is so, then it counts."),
        ("What is it?", "It is not only a cat."),
        ("What is the plural of 'fish'?", "fish"),
        ("What is the plural of 'fish'?", "fishes"),
        ("What is the past tense of 'knit'?", "knitted"),
        ("List three primary colors.", "Red, blue, yellow"),
        ("What is the past tense of 'put'?", "put"),
        ("Wie viele Tage hat ein Jahr?", "Ein Jahr hat 365 Tage."),
        ("¿Cuántos días tiene un año?", "Un año tiene 365 días."),
        ("Was ist ein Wal?", "Ein Wal was 5."),
        ("一年有多少天?", "365"),
        ("Translate 'it is red' into Dutch.", "Het is rood."),
        ("Translate 'the cat' into German.", "Die Katze und der Hund."),
        ("", "5"),
    ],
)
def test_no_near_miss(instruction: str, output: str) -> None:
    """Nothing is changed where another answer is right as well, or nobody knows."""
    assert near_miss(instruction, output) is None


def test_who_has_none() -> None:
    """Criteria decide what is right, and a raw prompt has no instruction; a reference is needed."""
    record = make("How many are there?", "There are 5.")

    assert NearMisses([record]).of(record) is not None
    for other in (
        replace(record, criteria=(Criterion("", "It is polite."),)),
        replace(record, is_raw=True),
        replace(record, output=""),
        replace(record, output=f"{record.output} " * 1000),
    ):
        assert NearMisses([other]).of(other) is None


def test_what_a_conversation_says_is_no_answer() -> None:
    """A number of an earlier turn is the question's."""
    record = make("How old is Ann?", "Ann is 7, and Tom is 9.")
    talk = replace(record, turns=(Turn("user", "Tom is 9."), Turn("assistant", "I see.")))

    found = NearMisses([talk]).of(talk)

    assert found is not None
    assert found.text in {"Ann is 6, and Tom is 9.", "Ann is 8, and Tom is 9."}


def test_lists_that_are_kept() -> None:
    """What is sorted has the words of the question, so that any other word is wrong."""
    record = make("Sort these fruits.", "Fig, Kiwi, Plum", "Plum, Kiwi, Fig")

    found = NearMisses([record, *OTHERS]).of(record)

    assert found is not None
    assert found.rule == "list"
    assert len({"Fig", "Kiwi", "Plum"} & set(found.text.split(", "))) == 2
    assert {"Apple", "Pear"} & set(found.text.split(", "))


TEXTS = st.lists(
    st.sampled_from(
        [
            *[
                "What is",
                "the",
                "capital",
                "of",
                "France",
                "?",
                ".",
                ",",
                "\n",
                "1.",
                "12",
                "0",
                "1,234",
            ],
            *[
                "3.50",
                "is",
                "not",
                "can't",
                "'a'",
                '"b',
                "(",
                "two",
                "twenty",
                "Sunday",
                "May",
                "²",
                "٣",
            ],
            *[
                "H2O",
                "Convert",
                "sort",
                "plural of",
                "as a or b",
                "A",
                "I",
                "_",
                "1/2",
                "15th",
                "$5",
                "é",
            ],
            *["9", "99", "000", "1.", "or", "and", "- x", "Yes", "no", "**b**", "\u2019", "\ud800"],
        ]
    ),
    max_size=14,
).map(" ".join)


@given(TEXTS, TEXTS, TEXTS)
def test_any_text(instruction: str, given_input: str, output: str) -> None:
    """Nothing fails, the answer is another one, and it is the same every time."""
    record = make(instruction, output, given_input)
    suite = [record, *OTHERS]

    found = NearMisses(suite).of(record)

    assert found == NearMisses(suite[::-1]).of(record)
    if found is not None:
        assert found.text.strip() != output.strip()


def test_long_texts_take_no_time() -> None:
    """Long instructions and answers do not let an expression run away."""
    begun = time.process_time()
    for unit in ("1,", "a, ", "A b ", "' ", "is ", "(", "1 ", "or ", "- a\n", "as a or ", "\n1. "):
        record = make(f"What is the list: {unit * 3000}", unit * (1900 // len(unit)), unit * 3000)
        NearMisses([record]).of(record)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("given", ["\u201c" * 30_000, " \u2018a" * 10_000, "\u00ab" * 30_000])
def test_quotes_that_stay_open_take_no_time(given: str) -> None:
    """Each is looked at for a while, and not to the end of the instruction."""
    begun = time.process_time()
    record = make(f"What is the plural of dog? {given}", "dogs")
    NearMisses([record]).of(record)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "line", ["-" * 100_000 + "1", "a" + "-" * 100_000 + "1", "a-" * 50_000 + "1"]
)
def test_lines_of_hyphens_take_no_time(line: str) -> None:
    """As tables have them; a single word is looked for in each line of what was asked."""
    begun = time.process_time()
    record = make("What is the plural of the word?", "dogs", f"dog\n{line}")
    found = NearMisses([record]).of(record)
    assert time.process_time() - begun < 2
    assert found is not None
    assert found.text == "dog"


@pytest.mark.parametrize("word", ["either ", "whether "])
def test_instructions_of_a_book_take_no_time(word: str) -> None:
    """They are not looked into."""
    begun = time.process_time()
    record = make(f"Is it a dog or a cat? Which of them is it: {word * 9000}", "a dog")
    assert NearMisses([record]).of(record) is None
    assert time.process_time() - begun < 2


def test_large_suites_take_no_time() -> None:
    """A thousand records are looked at, whatever the size of the suite."""
    records = [make("Sort it.", "1. pear\n2. fig", "fig, pear", name=f"r{n}") for n in range(3000)]
    begun = time.process_time()
    assert choose_near_misses(records, records[:8], 8) == []
    assert time.process_time() - begun < 2
    assert no_near_misses(3000) == "0 of 1000 records have a number, name or the like to change"

    # All others have a near miss, but they are not among those that are looked at.
    looked_at = {record.id for record in NearMisses(records).looked_at}
    records = [
        one
        if one.id in looked_at
        else replace(one, instruction="How many?", output="There are 30.")
        for one in records
    ]
    assert len(looked_at) == 1000
    assert choose_near_misses(records, (), 8) == []


def test_which_are_taken() -> None:
    """Those of the probed records first, then others, the same whatever their order."""
    records = [make("How many?", f"There are {n + 30}.", name=f"r{n}") for n in range(20)]
    records += [make("Write.", "It is 5.", name=f"w{n}") for n in range(5)]

    chosen = choose_near_misses(records, [records[3], records[20], records[7]], 8)

    assert len(chosen) == 8
    assert [record.id for record, _ in chosen[:2]] == ["r3", "r7"]
    assert len({record.id for record, _ in chosen}) == 8
    assert all(re.fullmatch(r"There are \d+\.", text) for _, text in chosen)
    again = choose_near_misses(records[::-1], [records[3], records[20], records[7]], 8)
    assert chosen == again
    assert choose_near_misses(records[20:], (), 8) == []
