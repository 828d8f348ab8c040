"""Which records are drawn to be labelled, and which responses labels are of."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_llmjudge.stats.labels import draw, records_digest, response_digest

IDS = st.lists(st.text(max_size=8), unique=True, max_size=12)


@given(IDS, st.integers(1, 15), st.integers(0, 5))
def test_a_sample_depends_on_ids_and_seed_alone(ids: list[str], size: int, seed: int) -> None:
    """Not on the order of the file, and a larger sample contains a smaller one."""
    drawn = draw(ids, size, seed)

    assert len(set(drawn)) == min(size, len(ids))
    assert set(drawn) <= set(ids)
    assert draw(sorted(ids), size, seed) == drawn
    assert draw(ids, size + 1, seed)[:size] == drawn


def test_every_record_is_drawn_as_often() -> None:
    """Over seeds, each of 20 records is in a sample of 5 a quarter of the time."""
    ids = [f"record-{number}" for number in range(20)]

    counts = Counter(one for seed in range(2000) for one in draw(ids, 5, seed))

    assert stats.chisquare([counts[one] for one in ids]).pvalue > 0.001


def test_digests() -> None:
    """A response's is the plain SHA-256 of its text; that of records does not depend on their order."""
    assert response_digest("naïve ") == hashlib.sha256("naïve ".encode()).hexdigest()
    assert response_digest("\ud800") == response_digest("?")
    assert records_digest([("a", "1"), ("b", "2")]) == records_digest([("b", "2"), ("a", "1")])
    assert records_digest([("a", "1")]) != records_digest([("a", "2")])
