"""What is extracted from answers, what is taken for the same, and what is refused."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import ExtractionError, SettingsError
from pytest_llmjudge.questions.extraction import (
    Extracted,
    check_extraction,
    make_extraction,
)

GOLDEN = Path(__file__).parent / "golden" / "gsm8k_filters.json"
RUNAWAY = "(a|aa)+$"


def grade(name: str, answer: str, *references: str) -> dict[str, Extracted]:
    """Compare an answer with the first of some references of a suite."""
    extraction = make_extraction("extract", name)
    expected = extraction.expected("extract", dict(enumerate_ids(references)))
    return extraction.grade(answer, expected["r0"])


def enumerate_ids(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"r{number}", text) for number, text in enumerate(texts)]


def only(name: str, answer: str, *references: str) -> tuple[str | None, bool]:
    ((text, correct),) = grade(name, answer, *references).values()
    return text, correct


def test_gsm8k_beside_lm_eval() -> None:
    """Both filters extract what those of lm-evaluation-harness do, and the same answers are right.

    The rows are an answer, the reference, and for both filters the harness's extraction and score.
    """
    rows = json.loads(GOLDEN.read_text("utf-8"))
    assert len(rows) == 300
    assert all(sum(row[column] for row in rows) > 30 for column in (4, 5))
    for answer, reference, strict, flexible, *scores in rows:
        graded = grade("gsm8k", answer, reference)

        assert list(graded) == ["strict-match", "flexible-extract"]
        found = [one.text or "[invalid]" for one in graded.values()]
        assert [found, [one.correct for one in graded.values()]] == [[strict, flexible], scores]
        assert list(grade("gsm8k-flexible", answer, reference).items()) == [*graded.items()][::-1]


MOSTLY_NUMBERS = st.text(st.sampled_from("#### -$,.0123٣½\u2212\nx"), max_size=24)


@given(MOSTLY_NUMBERS, MOSTLY_NUMBERS)
def test_gsm8k_by_the_patterns_of_the_task(answer: str, reference: str) -> None:
    """The two filters are the task's patterns, its comparison the removal of what it ignores."""

    def bare(text: str) -> str:
        for pattern in (",", r"\$", r"(?s).*#### ", r"\.$"):
            text = re.sub(pattern, "", text)
        return text.lower()

    strict = re.findall(r"#### (\-?[0-9\.\,]+)", answer)[:1]
    both = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", answer)[-1:]
    expected = [
        Extracted(text[0] if text else None, bool(text) and bare(text[0]) == bare(reference))
        for text in (strict, [first or second for first, second in both])
    ]

    assert list(grade("gsm8k", answer, reference).values()) == expected


@pytest.mark.parametrize(
    ("name", "answer", "reference", "extracted", "correct"),
    [
        ("exact", " Paris\n", "Paris", "Paris", True),
        ("exact", "paris", "Paris", "paris", False),
        ("exact", "Cafe\u0301", "Café", "Cafe\u0301", True),
        ("exact", " \n", "Paris", None, False),
        ("contains", "It is  PARIS, of course.", "Paris", "Paris", True),
        ("contains", "Lyon", "Paris", None, False),
        ("contains", "New\n York", "new york", "new york", True),
        ("last-number", "First 3, then 1,000.", "1e3", "1,000", True),
        ("last-number", "1000.0", "1,000", "1000.0", True),
        ("last-number", "It is 3.14.", "3.14", "3.14", True),
        ("last-number", "x = \u22125", "-5", "\u22125", True),
        ("last-number", "-$5", "-5", "-$5", True),
        ("last-number", f"-{'1' * 30}2", f"-{'1' * 30}3", f"-{'1' * 30}2", False),
        ("last-number", f"\u2212{'1' * 30}2", f"-{'1' * 30}2.0", f"\u2212{'1' * 30}2", True),
        ("last-number", f"-1/{'3' * 30}2", f"-1/{'3' * 30}3", f"-1/{'3' * 30}2", False),
        (
            "last-number",
            f"{'1' * 400_000}/{'3' * 400_000}",
            "5",
            f"{'1' * 400_000}/{'3' * 400_000}",
            False,
        ),
        ("last-number", "$-5", "-5", "-5", True),
        ("last-number", "8-5", "5", "5", True),
        ("last-number", "(1)-5", "5", "5", True),
        ("last-number", "50%", "50", "50", True),
        ("last-number", "50%", "0.5", "50", False),
        ("last-number", "about 3/4", "0.75", "3/4", True),
        ("last-number", "on 1/2/2024", "2024", "2024", True),
        ("last-number", "5/0", "0", "0", True),
        ("last-number", ".5", "0.50", ".5", True),
        ("last-number", "1,2,3", "3", "3", True),
        ("last-number", "12,345,6789", "6789", "6789", True),
        ("last-number", "7 as Qwen2.5 and GPT_4 say", "7", "7", True),
        ("last-number", "٣", "3", "٣", True),
        ("last-number", "1e999999999", "1", "1", True),
        ("last-number", "none", "3", None, False),
        ("last-number", "9" * 5000, "9", "9" * 5000, False),
        ("regex:Answer: (.+)", "Answer: A\nAnswer: B", "A", "A", True),
        ("regex-last:Answer: (.+)", "Answer: A\nAnswer: B", "B", "B", True),
        ("regex:[AB]", "xBA", "B", "B", True),
        ("regex:(x)|(y)", "y", "y", "y", True),
        ("regex:(x)(?P<answer>.)", "xA", "A", "A", True),
        ("regex:Answer:(.*)", "Answer: ", "A", None, False),
        ("regex:(?i)answer: (.)", "ANSWER: A", "A", "A", True),
        ("regex:a{e<=1}", "ab", "x", None, False),
        ("regex:(.){2}", "ab", "b", "b", True),
        ("json:answer", 'So:\n```json\n{"answer": " A "}\n```', "A", "A", True),
        ("json:answer", '{"answer": 5.0}', "5", "5.0", True),
        ("json:answer", '{"answer": "5"}', "5", "5", True),
        ("json:answer", '{"answer": 5}', '{"answer": 5.00}', "5", True),
        (
            "json:answer",
            '{"answer": 12345678901234567891}',
            "12345678901234567890",
            "12345678901234567891",
            False,
        ),
        ("json:answer", '{"answer": true}', "true", "true", True),
        ("json:answer", '{"answer": true}', '{"answer": 1}', "true", False),
        ("json:a.1.b", '{"a": [0, {"b": "x"}]}', "x", "x", True),
        ("json:1", "[1, 2] [3]", "2", "2", True),
        ("json:answer", 'As [1] says {x}, {"answer": "x"}', "x", "x", True),
        ("json:answer", '[{"answer": "x"}]', "x", None, False),
        ("json:answer", '{"other": "x"} {"answer": "x"}', "x", None, False),
        ("json:answer", '{"answer": null}', "x", None, False),
        ("json:answer", '{"answer": NaN}', "x", None, False),
        (
            "json:answer",
            '{"answer": [1, {"b": 2}]}',
            '{"answer": [1.0, {"b": 2}]}',
            '[1, {"b": 2}]',
            True,
        ),
        ("json:answer", '{"answer": ' * 100_000, "x", None, False),
        ("json:0", "[" * 100_000, "x", None, False),
        ("json:a.9.b", '{"a": [0]}', "x", None, False),
        ("json:answer", '{"answer": 1e9999999999999999999}', "x", None, False),
        ("json:answer", '{"answer": ' + "1" * 5000 + "}", "x", "1" * 5000, False),
        ("json:answer", '{"answer": [true]}', '{"answer": [1]}', "[true]", False),
        ("json:answer", '{"answer": {"b": 0}}', '{"answer": {"b": false}}', '{"b": 0}', False),
        (
            "json:answer",
            '{"answer": {"b": 1, "a": 1e2}}',
            '{"answer": {"a": 100, "b": 1}}',
            '{"b": 1, "a": 1E+2}',
            True,
        ),
        ("json:answer", '{"answer": [1e999]}', '{"answer": [1e998]}', "[1E+999]", False),
        (
            "json:answer",
            '{"answer": [0.1]}',
            '{"answer": [0.10000000000000000001]}',
            "[0.1]",
            False,
        ),
        ("json:answer", '{"answer": "\\ud83d"}', "x", "?", False),
        ("json:answer", '{"answer": ["\\ud83d"]}', "x", '["?"]', False),
        *(
            ("json:answer", '{"answer": 5}', text, "5", False)
            for text in ("sNaN", "NaN", "-Infinity")
        ),
        ("json:" + "1" * 5000, "[5]", "5", None, False),
        ("json:0", "[" * 970 + "]" * 970, "5", None, False),
        ("json:answer", ("[" * 900 + "x") * 100, "5", None, False),
        ("json:0", ('{"a":' * 900 + "x") * 100, "5", None, False),
    ],
)
def test_extractions(
    name: str, answer: str, reference: str, extracted: str | None, *, correct: bool
) -> None:  # fmt: skip
    """What is found in an answer, and whether it is the reference's."""
    assert only(name, answer, reference) == (extracted, correct)


@given(st.text(st.sampled_from('[]{}":,.x1-e٣½ /$%\n'), max_size=30), st.text(max_size=20))
def test_any_answer(answer: str, other: str) -> None:
    """No text ends in an error, and an answer that is its reference is right where one is found."""
    for name in ("exact", "contains", "last-number", "json:x", "json:0", "regex:(.)x", "gsm8k"):
        for text in (answer, other, answer + other):
            if text.strip():
                graded = next(iter(grade(name, text, text).values()))

                assert graded.correct or graded.text is None or name == "gsm8k"


PATTERNS = (
    *(
        "a|ab",
        "(a)|(b)",
        r"(?:a{2}|b{,1})c",
        "a{,}b",
        "a{b",
        "{e<=1}",
        "(?:ab){e}",
        r"\{a}",
        "[{]a{i<2}",
    ),
    *(
        r"(?i)aB{1,2}",
        r"a\N{DIGIT ONE}?b",
        "x{}b",
        "(?x)a{ # {\n b",
        r"^a\b.+?$",
        "[^a]{2}",
        "a.{s}",
    ),
)


@given(st.sampled_from(PATTERNS), st.text(st.sampled_from("abcAB{}e<=1i2s #x\n"), max_size=12))
def test_patterns_mean_what_they_mean_to_re(pattern: str, text: str) -> None:
    """A brace that repeats nothing is itself, though it is more to the module that searches."""
    match = re.search(pattern, text)
    expected = None
    if match is not None:
        groups = match.groups() or (match[0],)
        expected = next((group.strip() for group in groups if group and group.strip()), None)

    assert only(f"regex:{pattern}", text, "other")[0] == expected


CHOICES = (
    "choose exact, contains, last-number, regex:…, regex-last:…, json:…, gsm8k or gsm8k-flexible"
)
WRITE = "write a regular expression of Python's module re"
NAME = "name a field, as in json:answer, or several with dots between them: json:steps.0"


@pytest.mark.parametrize(
    ("value", "problem", "hint"),
    [
        ("last", "'last' is no extraction", CHOICES),
        ("gsm8k:", "'gsm8k:' is no extraction", CHOICES),
        (5, "5 is no extraction", CHOICES),
        (
            "regex:(",
            '"(" is no pattern (missing ), unterminated subpattern at position 0)',
            WRITE,
        ),
        ("regex:[[a]]", '"[[a]]" is no pattern (Possible nested set at position 1)', WRITE),
        (r"regex:\p{L}", r'"\p{L}" is no pattern (bad escape \p at position 0)', WRITE),
        ("regex:", '"" is no pattern (it is empty)', WRITE),
        (
            "regex:((a{1000}){1000}){1000}b",
            '"((a{1000}){1000}){1000}b" is no pattern (it repeats too often)',
            WRITE,
        ),
        (
            "regex-last:(?:[ab]{60000,}){60000,70000}",
            '"(?:[ab]{60000,}){60000,70000}" is no pattern (it repeats too often)',
            WRITE,
        ),
        ("json:", '"" is no path', NAME),
        ("json:a..b", '"a..b" is no path', NAME),
    ],
)
def test_refused(value: object, problem: str, hint: str) -> None:
    """A name or a pattern that cannot be used is refused in one line."""
    with pytest.raises(SettingsError) as error:
        check_extraction("extract", value)

    assert str(error.value) == f"extract: {problem}; {hint}"


def test_references() -> None:
    """Where none has anything to be extracted they are the answers; where some have, they differ."""
    assert only("regex:Answer: (.+)", "Answer: A", "Answer: A", "Answer: B") == ("A", True)
    assert only("regex:Answer: (.+)", "Answer: A", "A", "B") == ("A", True)
    with pytest.raises(SettingsError) as error:
        grade("regex:Answer: (.+)", "Answer: A", "Answer: A", "B", "C")

    message = (
        'extract: "regex:Answer: (.+)" finds nothing in the references of 2 of 3 records (the '
        "first is r1); correct these, or write all references as the bare answers"
    )
    assert str(error.value) == message


def test_a_pattern_that_runs_away() -> None:
    """It is stopped; of such a reference it is said before work, and an answer is neither right nor wrong."""
    problem = (
        'extract "(a|aa)+$": the pattern was stopped after 1 second on a text of 61 characters; '
        "write it without alternatives and repetitions that match the same text"
    )
    text = "a" * 60 + "!"
    with pytest.raises(ExtractionError) as error:
        grade(f"regex-last:{RUNAWAY}", text, "a")

    assert str(error.value) == problem
    with pytest.raises(SettingsError) as refused:
        grade(f"regex:{RUNAWAY}", "a", text)

    assert str(refused.value) == problem.replace('extract "(a|aa)+$"', "extract")


@pytest.mark.parametrize("opening", ["{", '{"'])
def test_many_brackets(opening: str) -> None:
    """An answer of nothing else is searched in a time that grows with its length alone."""
    begun = time.process_time()

    assert only("json:a", opening * 200_000 + '{"a": 5}', "5") == ("5", True)
    assert time.process_time() - begun < 2
