"""Which shard a sample belongs to: one, the same everywhere, whatever else there is."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.sharding import Shard, shard_of
from pytest_llmjudge.values import parse_shard


@given(st.text(), st.integers(1, 50))
def test_each_sample_is_in_one_shard(name: str, count: int) -> None:
    """Whatever its id."""
    assert sum(name in Shard(number, count) for number in range(1, count + 1)) == 1


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 1000))
def test_by_the_hash_of_its_id(name: str, count: int) -> None:
    """As it is documented, for programs of others; so that no other sample plays a part."""
    digits = hashlib.sha256(name.encode()).hexdigest()[:16]

    assert shard_of(name, count) == int(digits, 16) % count + 1


def test_the_same_in_every_version() -> None:
    """Shards of two machines fit each other."""
    assert [shard_of(f"r{number}", 5) for number in range(8)] == [5, 2, 4, 5, 3, 4, 1, 2]


def test_shards_are_of_one_size() -> None:
    """As far as chance has it."""
    sizes = [sum(f"r{number}" in Shard(place, 4) for number in range(4000)) for place in (1, 2)]

    assert all(900 < size < 1100 for size in sizes)


@pytest.mark.parametrize("text", ["2/5", " 2/5 ", "02/5"])
def test_what_a_shard_is_written_like(text: str) -> None:
    """Its number, a slash, how many there are."""
    assert parse_shard("--llm-judge-shard", text) == Shard(2, 5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0/5", "0/5 is no shard: the first of 5 would be 1/5"),
        ("6/5", "6/5 is no shard: the first of 5 would be 1/5"),
        ("1/0", "1/0 is no shard: there are none"),
        ("two", '"two" is no shard'),
        ("2", '"2" is no shard'),
        ("2/", '"2/" is no shard'),
        ("-1/5", '"-1/5" is no shard'),
        ("2/5/7", '"2/5/7" is no shard'),
        ("1.5/5", '"1.5/5" is no shard'),
        ("\u0662/5", '"\u0662/5" is no shard'),
    ],
)
def test_what_is_no_shard(text: str, problem: str) -> None:
    """Says so, and how to write one."""
    with pytest.raises(SettingsError) as raised:
        parse_shard("--llm-judge-shard", text)

    hint = "write 2/5 for the second of five shards"
    assert str(raised.value) == f"--llm-judge-shard: {problem}; {hint}"


@pytest.mark.parametrize("text", ["1/1000000", f"1/{'9' * 5000}"])
def test_too_many_shards(text: str) -> None:
    """More than any CI system starts jobs, however many digits that has."""
    with pytest.raises(SettingsError) as raised:
        parse_shard("--llm-judge-shard", text)

    assert " is of more than 1000 shards; take fewer" in str(raised.value)
    assert len(str(raised.value)) < 200
