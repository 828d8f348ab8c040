"""The embedded judge: chrF against an independent computation, and its honest name."""

from __future__ import annotations

from collections import Counter

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Record, Verdict
from pytest_llmjudge.judging.judge import make_judge

TEXTS = st.text("ab c.", max_size=12) | st.text(max_size=12)


def chrf2(response: str, reference: str) -> float:
    """Compute chrF with beta 2 from Popović 2015: mean precision and recall of 1- to 6-grams.

    Whitespace does not count, nor do lengths of n-gram that one of the texts does not have.
    """
    precisions, recalls = [], []
    for n in range(1, 7):
        grams = [
            Counter(text[i : i + n] for i in range(len(text) - n + 1))
            for text in ("".join(response.split()), "".join(reference.split()))
        ]
        totals = [sum(gram.values()) for gram in grams]
        if all(totals):
            common = sum((grams[0] & grams[1]).values())
            precisions.append(common / totals[0])
            recalls.append(common / totals[1])
    if not sum(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * 5 * precision * recall / (4 * precision + recall)


def score(response: str, reference: str) -> Verdict:
    record = Record("r", "Say it.", "", reference, {})
    return make_judge("embedded", "", 1.0).score(record, response)


@given(TEXTS.filter(lambda text: text.strip() != ""), TEXTS)
def test_score_is_chrf(response: str, reference: str) -> None:
    """The score is chrF as its formula gives it, rounded; the reply is the value itself."""
    expected = chrf2(response, reference)

    verdict = score(response, reference)

    assert verdict.score is not None
    assert abs(expected - verdict.score) <= 0.5 + 1e-9
    assert abs(expected - float(verdict.reply.removeprefix("chrF "))) <= 0.005 + 1e-9


@pytest.mark.parametrize(
    ("response", "reference", "expected"),
    [
        ("Jane Austen.", "Jane Austen.", Verdict(100, "chrF 100.00")),
        ("4", "4", Verdict(100, "chrF 100.00")),
        ("xyz", "Jane Austen.", Verdict(0, "chrF 0.00")),
        ("Emily Austen.", "Jane Austen.", Verdict(50, "chrF 49.73")),
        ("", "Jane Austen.", Verdict(0, "")),
        (" \n", "Jane Austen.", Verdict(0, "")),
    ],
)
def test_known_scores(response: str, reference: str, expected: Verdict) -> None:
    """Equal texts score 100, strangers 0, and an empty response 0 without being looked at."""
    assert expected == score(response, reference)


def test_rounding_is_half_to_even() -> None:
    """A chrF of exactly 62.5 becomes 62, and one of 12.5 becomes 12."""
    assert score("aaaa", "a") == Verdict(62, "chrF 62.50")
    assert score("aaaa", "abab") == Verdict(12, "chrF 12.50")


def test_identity() -> None:
    """It is named as what it is: sacrebleu's version and its signature of the metric."""
    identity = make_judge("embedded", "", 1.0).identity

    assert identity.model == "embedded"
    assert identity.backend == "embedded"
    assert identity.version == sacrebleu.__version__
    assert identity.digest == (
        f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{sacrebleu.__version__}"
    )
    assert identity.options == {}


def test_label() -> None:
    """Headers say that no LLM is at work."""
    assert make_judge("embedded", "", 1.0).label == "embedded (chrF, no LLM)"


def test_it_has_no_server() -> None:
    """There is no server whose requests would have to take turns."""
    assert make_judge("embedded", "", 1.0).server is None


def test_key_tells_reference_and_response_apart() -> None:
    """A line break that moves from one text to the other gives another verdict."""
    judge = make_judge("embedded", "", 1.0)

    one = judge.key(Record("r", "Say it.", "", "a", {}), "b\nc")
    two = judge.key(Record("r", "Say it.", "", "a\nb", {}), "c")

    assert one != two
