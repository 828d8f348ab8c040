"""What names a record: its texts, and of a conversation its system text and turns too."""

from __future__ import annotations

import json

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.keys import Content, content_digest, content_of, make_key

TALK = (Turn("user", "Hello?"), Turn("assistant", "Yes."))


def test_a_record_without_a_conversation() -> None:
    """It is named as in every version before: votes and baselines of those still hold."""
    record = Record("r0", "Say it.", "i", "It.", {})

    assert content_of(record) == '["Say it.", "i", "It."]'
    assert content_digest(record) == make_key("Say it.", "i", "It.")[:16]


def test_every_part_of_a_conversation_counts() -> None:
    """Also who said what."""
    texts = ("Say it.", "", "It.")
    records = [
        Record("r0", *texts, {}),
        Record("r0", *texts, {}, system="S"),
        Record("r0", *texts, {}, turns=TALK),
        Record("r0", *texts, {}, system="S", turns=TALK),
        Record("r0", *texts, {}, turns=TALK[:1]),
        Record("r0", *texts, {}, turns=(Turn("assistant", "Hello?"), TALK[1])),
        Record("r0", *texts, {}, turns=(TALK[0], Turn("assistant", "No."))),
    ]

    assert len({content_of(record) for record in records}) == 7
    assert len({content_digest(record) for record in records}) == 7
    assert json.loads(content_of(records[3])) == [
        *texts,
        "S",
        [["user", "Hello?"], ["assistant", "Yes."]],
    ]


def test_half_a_surrogate_pair_in_a_turn() -> None:
    """People vote on what a results file gives back."""
    broken, whole = (Turn("user", text) for text in ("a\ud800", "a?"))

    assert content_digest(Content("i", "", "o", "", (broken,))) == content_digest(
        Content("i", "", "o", "", (whole,))
    )
