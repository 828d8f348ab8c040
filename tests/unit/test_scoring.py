"""Replies of judges: which are a score, and that no other text ever is."""

from __future__ import annotations

import json
import math
import re
import statistics
import time
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.scoring import (
    SCORE_SCHEMA,
    Weighing,
    combine,
    contradiction,
    parse_choice,
    parse_integer,
    parse_schema_reply,
    strip_thoughts,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SPACES = st.sampled_from(["", " ", "\n", "\t \r\n", "\u00a0"])
EMPHASIS = st.sampled_from(["", "*", "**", "_", "__", "***", "**_", "_*"])
SUFFIXES = st.sampled_from(["", "/100", " / 100", "/ 100", " out of 100", "\nout  of 100"])

DOTS = st.sampled_from(["", "."])
PIECES = st.sampled_from(
    ["85", "0", "100", "150", "-", " ", "*", "_", ".", "/100", "/", " out of 100", "\uff11", "x"]
)


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("85", 85),
        ("85\n", 85),
        ("  85  ", 85),
        ("85/100", 85),
        ("85 / 100", 85),
        ("85 out of 100", 85),
        ("85 out of 100.", 85),
        ("**85**", 85),
        ("**85**/100", 85),
        ("**85/100**.", 85),
        ("**85.**", 85),
        ("_85_", 85),
        ("**_85_**", 85),
        ("85.", 85),
        ("8", 8),
        ("0", 0),
        ("100", 100),
        ("100/100", 100),
    ],
)
def test_integers(reply: str, score: int) -> None:
    """An integer from 0 to 100 in an allowed form is the score."""
    assert score == parse_integer(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "I'd score this response 85 out of 100.",
        "Score: 85",
        "The response is close to the correct output and deserves some credit.",
        "On a scale from 0 to 100, where 100 is the best score, I give 85.",
        "",
        " \n ",
        "1. Squirrel 2. Tiger",
        "150",
        "101",
        "-5",
        "-0",
        "+85",
        "8.5",
        "85.0",
        "85,0",
        "\uff18\uff15",
        "\u0668\u0665",
        "085",
        "00",
        "1e2",
        "0x10",
        "85 90",
        "85/10",
        "85/1000",
        "85/100/100",
        "85 of 100",
        "85out of 100",
        "85%",
        "85..",
        "**85.**.",
        ".85",
        "**85",
        "85**",
        "**85*",
        "*_85*_",
        "*85_",
        "**",
        "`85`",
        '"85"',
        '{"score": 85}',
        "85 out of 100 out of 100",
        "85\n\nThe response is correct.",
        "eighty-five",
        "85\x00",
    ],
)
def test_anything_else_is_no_integer(reply: str) -> None:
    """No other reply is a score: nothing is clamped, rounded or picked out of a text."""
    assert parse_integer(reply) is None


@given(st.integers(0, 100), EMPHASIS, SUFFIXES, st.tuples(SPACES, DOTS, SPACES))
def test_every_score_in_every_form(
    score: int, mark: str, suffix: str, around: tuple[str, str, str]
) -> None:
    """Each score parses with all allowed decoration at once, emphasis on number or whole."""
    before, dot, after = around
    for text in (
        f"{mark}{score}{mark[::-1]}{suffix}{dot}",
        f"{mark}{score}{suffix}{mark[::-1]}{dot}",
        f"{mark}{score}{suffix}{dot}{mark[::-1]}",
    ):
        assert score == parse_integer(before + text + after)


@given(st.text() | st.lists(PIECES, max_size=6).map("".join))
@example("5" * 5000)
@example("85" + "*" * 100_000)
@example("85" + " " * 100_000 + "x")
def test_no_other_text_is_a_score(text: str) -> None:
    """What parses has one number of ASCII digits, from 0 to 100, and only allowed characters."""
    score = parse_integer(text)

    if score is not None:
        bare = re.sub(r"/\s*100|out\s+of\s+100|[\s*_]|\.(?=[\s*_]*$)", "", text)
        assert bare == str(score)
        assert 0 <= score <= 100


@given(st.integers().filter(lambda number: not 0 <= number <= 100))
def test_numbers_out_of_range_are_no_scores(number: int) -> None:
    """A number out of range is never moved into it, in neither form of reply."""
    assert parse_integer(str(number)) is None
    assert parse_schema_reply(json.dumps({"score": number})) is None


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 85}', 85),
        ('{"score":0}', 0),
        ('\n{\n    "score": 100\n    }\n\n', 100),
        ('{"reason": "fine", "score": 85}', 85),
    ],
)
def test_schema_replies(text: str, score: int) -> None:
    """A JSON object with an integer score gives it, whatever the whitespace."""
    assert score == parse_schema_reply(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "85",
        "null",
        '{\n  "score":',
        '{"score": 85',
        '{"score": true}',
        '{"score": 85.0}',
        '{"score": "85"}',
        '{"score": null}',
        '{"score": [85]}',
        '{"score": {"score": 85}}',
        '{"score": 101}',
        '{"score": -1}',
        '{"score": 1e1}',
        '{"score": NaN}',
        '{"Score": 85}',
        '{"score": 8, "score": 85}',
        '[{"score": 85}]',
        '[["score", 85]]',
        '{"score": 85} and more',
        '{"score": ' + "9" * 5000 + "}",
        "[" * 100_000,
    ],
)
@pytest.mark.usefixtures("without_collection")
def test_anything_else_is_no_schema_reply(text: str) -> None:
    """No other text is a score, valid JSON or not."""
    assert parse_schema_reply(text) is None


JSON_SCORE = '{"score": 85}'


@pytest.mark.parametrize(
    "text",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "\n\n```JSON \n  {}\n\n  ``` \n",
        "```json\r\n{}\r\n```\r\n",
    ],
)
def test_a_code_fence(text: str) -> None:
    """Models write JSON in one where nothing holds them to the schema; scores and pairs alike."""
    assert parse_schema_reply(text.replace("{}", JSON_SCORE)) == 85
    assert parse_choice(text.replace("{}", '{"winner": "tie"}')) == "tie"


@pytest.mark.parametrize(
    "text",
    [
        "```json\n{}",
        "{}\n```",
        "```json\n{}\n``",
        "```json {} ```",
        "```python\n{}\n```",
        "~~~json\n{}\n~~~",
        "````json\n{}\n````",
        "```json\n```json\n{}\n```\n```",
        "```json\n{}\n```\n```json\n{}\n```",
        "Here it is:\n```json\n{}\n```",
        "```json\n{}\n```\nIt is right.",
        "```json\n85\n```",
        "```json\n\n```",
        "```json\n```",
        "```",
    ],
)
def test_no_single_code_fence(text: str) -> None:
    """Nothing is taken out of a text that is more than that, or less."""
    assert parse_schema_reply(text.replace("{}", JSON_SCORE)) is None
    assert parse_choice(text.replace("{}", '{"winner": "A"}')) is None


def test_a_fence_that_is_long_costs_no_time() -> None:
    """A reply of a megabyte is read once."""
    for piece in (" ", "\n", "\n```", "`"):
        begin = time.process_time()
        assert parse_schema_reply("```json\n" + piece * 1_000_000 + "x") is None
        assert time.process_time() - begin < 5


@given(st.text('`json {}\n"score:85~', max_size=40))
def test_only_what_is_json_inside_is_a_score(inner: str) -> None:
    """A fence adds no way to a score that its content would not have alone."""
    assert parse_schema_reply(f"```json\n{inner}\n```") == parse_schema_reply(inner) or (
        parse_schema_reply(inner) is not None
    )


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_schema_and_parser_agree(value: object) -> None:
    """What the parser takes is what the schema allows, ``85.0`` aside, which JSON calls integer."""
    reply = {"score": value}
    allowed = jsonschema.Draft202012Validator(SCORE_SCHEMA).is_valid(reply)

    expected = value if allowed and not isinstance(value, float) else None
    assert expected == parse_schema_reply(json.dumps(reply))


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>It is right.</think>85", "85"),
        ("<think>\n</think>\n\n85", "\n\n85"),
        ("It is right.\n</think>\n85", "It is right.\n</think>\n85"),
        ("I do not know.</think>100", "I do not know.</think>100"),
        ("</think>100", "</think>100"),
        ("<thinking>99?</thinking> 85", " 85"),
        ("85", "85"),
        ("85 <think>or 90?</think>", "85 <think>or 90?</think>"),
        ("<think>It may be 85", "<think>It may be 85"),
        ("", ""),
    ],
)
def test_thoughts_are_no_answer(reply: str, answer: str) -> None:
    """What a reasoning model wrote before its answer is taken off; the rest stays word for word."""
    assert strip_thoughts(reply) == answer


@given(st.text(alphabet="<>/think \n85x", max_size=60))
def test_thoughts_never_become_a_score(text: str) -> None:
    """A score is only what follows the last end of thoughts, or stands without any."""
    score = parse_integer(strip_thoughts(text))

    if score is not None:
        assert parse_integer(re.split("</think(?:ing)?>", text)[-1]) == score


MARKS = [
    "<think>",
    "<thinking>",
    "</think>",
    "</thinking>",
    " ",
    "\n",
    "85",
    "<",
    "think>",
]
# The same rule as a regular expression, whose time grows with the square of the length.
THOUGHTS = re.compile(r"\A\s*(?:<think(?:ing)?>)?(?:(?!<think).)*?</think(?:ing)?>", re.DOTALL)


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
def test_thoughts_end_at_the_first_mark(reply: str) -> None:
    """Where a template opens them thoughts begin a reply, and end at the first mark of an end."""
    assert strip_thoughts(reply, opened=True) == THOUGHTS.sub("", reply, count=1)


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
def test_thoughts_begin_with_their_mark(reply: str) -> None:
    """Else nothing is taken from the reply."""
    taken = reply != strip_thoughts(reply)

    assert not taken or reply.lstrip().startswith(("<think>", "<thinking>"))


def test_thoughts_of_any_length() -> None:
    """A model that writes nothing but blanks is read at once."""
    blanks = " " * 2_000_000

    assert strip_thoughts(blanks) == blanks
    assert strip_thoughts(f"{blanks}</think>85", opened=True) == "85"


def logs(*pairs: tuple[str, float]) -> list[tuple[str, float]]:
    return [(token, math.log(probability)) for token, probability in pairs]


@pytest.mark.parametrize(
    ("candidates", "score", "covered"),
    [
        (logs(("Yes", 0.6), ("No", 0.2)), 75, 0.8),
        (logs((" yes", 0.6), ("no", 0.2)), 75, 0.8),
        (logs(("YES", 0.3), (" Yes", 0.3), ("\tnO", 0.2)), 75, 0.8),
        (logs(("yes", 0.9)), 100, 0.9),
        (logs(("no", 0.9)), 0, 0.9),
        (logs(("Yes", 0.25), ("No", 0.25)), 50, 0.5),
        (logs(("Yes", 0.2), ("No", 0.2)), None, 0.4),
        (logs(("y", 0.9), ("n", 0.1)), None, 0),
        (logs(("Yes.", 0.9), ("Yeah", 0.1)), None, 0),
        (logs(("The", 0.9), ("Yes", 0.1)), None, 0.1),
        ([("\ufffd", -0.1), ("\ud83d", -3.0)], None, 0),
        ([("<|im_end|>", -0.01)], None, 0),
        ([], None, 0),
        ([("Yes", -9999.0), ("No", -0.1)], 0, math.exp(-0.1)),
    ],
)
def test_weighing(candidates: list[tuple[str, float]], score: int | None, covered: float) -> None:
    """Spellings of yes and no add up; everything else says neither."""
    weighing = weigh(candidates)

    assert weighing.score == score
    assert weighing.covered == pytest.approx(covered)


@pytest.mark.parametrize(
    ("candidates", "exponent", "gap"),
    [
        (
            logs(("Yes", 0.55)),
            2,
            '"no", which may have 0.45 and make the score 60 instead of 100',
        ),
        (logs(("No", 0.8)), 1, '"yes", which may have 0.20 and make the score 20 instead of 0'),
        (
            logs(("Yes", 0.6), ("Absolutely", 0.2)),
            1,
            '"no", which may have 0.20 and make the score 75 instead of 100',
        ),
        (logs(("No", 0.99)), 1, '"yes", which may have 0.01 and make the score 1 instead of 0'),
        (logs(("No", 0.99)), 2, None),
        (logs(("Yes", 0.9), ("The", 0.001)), 1, None),
        (logs(("Yes", 0.55), ("No", 0.45)), 2, None),
        ([("Yes", -0.2), ("No", -9999.0)], 1, None),
        (logs(("Yes", 0.4)), 1, None),
        ([], 1, None),
    ],
)
def test_an_answer_that_is_not_told(
    candidates: list[tuple[str, float]], exponent: int, gap: str | None
) -> None:
    """It counts as 0 where its probability could not change the score, and else is missed."""
    assert weigh(candidates).gap(exponent) == gap


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.5, 1))
def test_weighing_is_monotone(first: float, second: float, mass: float) -> None:
    """The score is an integer from 0 to 100 that never falls when p(yes) rises."""
    low, high = sorted((first, second))

    def score(yes: float) -> int:
        pairs = [("Yes", yes * mass), ("No", (1 - yes) * mass)]
        weighed = weigh([(token, math.log(p)) for token, p in pairs if p > 0]).score
        return 50 if weighed is None else weighed

    below, above = score(low), score(high)

    assert type(below) is int
    assert 0 <= below <= 100
    if weigh([("Yes", math.log(mass))]).covered > 0.5 + 1e-9:
        assert below <= above


@given(st.lists(st.integers(0, 100), min_size=2, max_size=9))
def test_several_verdicts(scores: list[int]) -> None:
    """Their score is the median, the lower one of two, with its own reply."""
    verdicts = [Verdict(score, f"reply {score}") for score in scores]

    combined = combine(verdicts, len(scores))

    assert combined.score == statistics.median_low(scores)
    assert combined.reply == f"reply {combined.score}"
    assert combined.samples == tuple(scores)


def test_a_verdict_alone_stays_as_it_is() -> None:
    """One verdict is no sample of several."""
    assert combine([Verdict(7, "7")], 1) == Verdict(7, "7")
    assert combine([Verdict(None, "", "no")], 1) == Verdict(None, "", "no")


def test_one_unscored_of_several() -> None:
    """The first one without a score decides, and those after it are not asked for."""

    def verdicts() -> Iterator[Verdict]:
        yield Verdict(80)
        yield Verdict(None, "what?", "it said what")
        pytest.fail("asked for one too many")

    assert combine(verdicts(), 3) == Verdict(None, "what?", "sample 2 of 3: it said what")


@pytest.mark.parametrize(
    ("yes", "no"), [(0.7, 0.29), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.2, 0.6)]
)
def test_sharpening(yes: float, no: float) -> None:
    """As the formula 100 / (1 + ((1 - p) / p)^k) says; k = 1 is the plain ratio."""
    p = yes / (yes + no)
    expected = 0 if p == 0 else round(100 / (1 + ((1 - p) / p) ** 2))

    assert Weighing(yes, no).sharpened(2) == expected
    assert Weighing(yes, no).sharpened(1) == Weighing(yes, no).score


def test_sharpening_needs_an_answer() -> None:
    """Less than half of the probability on yes and no says nothing, however it is sharpened."""
    assert Weighing(0.3, 0.1).sharpened(2) is None


@pytest.mark.parametrize(
    ("reply", "candidates", "problem"),
    [
        ("Yes", [("Yes", 0.7), ("No", 0.2)], None),
        ("No", [("No", 0.4), ("Yes", 0.3), (" yes", 0.29)], None),
        ("", [("Yes", 0.99)], None),
        ("Perhaps", [("Yes", 0.99)], None),
        ("Yes", [("Yes", 0.46), ("No", 0.5)], None),
        (
            "No",
            [("Yes", 0.99), ("No", 0.01)],
            'answers "no", and its log-probabilities make "yes" likelier (0.99 against 0.01)',
        ),
        (
            " yes.",
            [(" no", 0.9), ("Yes", 0.1)],
            'answers "yes", and its log-probabilities make "no" likelier (0.90 against 0.10)',
        ),
        (
            "Yes",
            [("Yes", 0.99), ("No", 0.81)],
            "gives log-probabilities of tokens that add up to 1.80",
        ),
    ],
)
def test_log_probabilities_of_another_reply(
    reply: str, candidates: list[tuple[str, float]], problem: str | None
) -> None:
    """A server that mixes up its replies must not decide."""
    logged = [(token, math.log(probability)) for token, probability in candidates]

    assert contradiction(reply, logged) == problem
