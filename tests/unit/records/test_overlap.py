"""Which texts appear in others, beside a comparison of all pairs."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.records import overlap
from pytest_llmjudge.records.overlap import Match, find_matches, grams, normalised

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is  the\tcapital\nof France?", "what is the capital of france"),
        ("'Straße' … „STRASSE“", "strasse strasse"),
        ("ﬁve \uff15 ²", "five 5 2"),
        ("co\u00adop\u200b", "coop"),
        ("well-known; well_known", "well known well known"),
        ("3 + 4 < 5 ^ 2", "3 + 4 < 5 ^ 2"),
        ("3.5", "3 5"),
        ("\u0390 \u03aa\u0301", "\u0390 \u0390"),
        ("  ??? !! ", "??? !!"),
        ("\u2003…", "..."),
        ("日本。語", "日本 語"),
        ("a\ud800b", "a\ud800b"),
        ("", ""),
    ],
)
def test_what_a_text_is_compared_by(text: str, expected: str) -> None:
    """Case, compatibility forms, blanks and punctuation make no difference; symbols do."""
    assert normalised(text) == expected


def test_grams_of_short_texts() -> None:
    """A text of fewer than five characters is its own gram."""
    assert grams("abcd") == {"abcd"}
    assert grams("abcde") == {"abcde"}
    assert grams("abcdef") == {"abcde", "bcdef"}


def by_all_pairs(held_out: Sequence[str], training: Sequence[str]) -> list[Match | None]:
    """Do the same one pair at a time, in fractions."""
    found: list[Match | None] = []
    known = [normalised(text) for text in training]
    for text in map(normalised, held_out):
        if text in known:
            found.append(Match(known.index(text), 1, is_exact=True, similarity=1.0))
            continue
        own = {text[at : at + 5] for at in range(len(text) - 4)} or {text}
        best, place = Fraction(0), -1
        for position, other in enumerate(known):
            theirs = {other[at : at + 5] for at in range(len(other) - 4)} or {other}
            similarity = Fraction(len(own & theirs), len(own | theirs))
            if similarity > best:
                best, place = similarity, position
        is_near = best >= Fraction(4, 5)
        found.append(Match(place, 1, is_exact=False, similarity=float(best)) if is_near else None)
    return found


def alone(texts: Sequence[str]) -> list[list[str]]:
    """Make records of one text each."""
    return [[text] for text in texts]


def varied(draw: random.Random, letters: str) -> list[str]:
    """Make texts of which many differ in a word or two, some only in case or punctuation."""
    words = ["".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(40)]
    texts = [" ".join(draw.choices(words, k=draw.choice((1, 3, 12, 40)))) for _ in range(30)]
    for _ in range(120):
        changed = draw.choice(texts).split()
        for _ in range(draw.randint(0, 2)):
            changed[draw.randrange(len(changed))] = draw.choice(words)
        texts.append(draw.choice((" ", ", ", "  ")).join(changed).upper())
    return texts


@pytest.mark.parametrize("letters", ["ab", "abcdefghijklmnop", "aé漢字🙂ß"])
@pytest.mark.parametrize("blocks", ["whole", "small"])
def test_same_as_by_all_pairs(blocks: str, letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same texts, similarities and positions, in whatever blocks they are compared."""
    if blocks == "small":
        monkeypatch.setattr(overlap, "_HELD", 200)
        monkeypatch.setattr(overlap, "_CELLS", 300)
    draw = random.Random(letters)  # noqa: S311  # nobody is to be kept from guessing
    for _ in range(3):
        texts = varied(draw, letters)
        held_out, training = texts[::3], texts[1::3] + texts[2::3]

        matches = find_matches(held_out, alone(training))

        assert matches == by_all_pairs(held_out, training)
        assert len({match is None or match.is_exact for match in matches}) == 2
        assert any(match is not None and not match.is_exact for match in matches)


@pytest.mark.parametrize("dense", [1, 10**9])
def test_same_by_dense_and_by_sparse_matrices(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """How common a gram has to be for a dense product decides nothing."""
    monkeypatch.setattr(overlap, "_DENSE", dense)
    texts = varied(random.Random(3), "abcdefgh")  # noqa: S311  # as above

    assert find_matches(texts[:50], alone(texts[50:])) == by_all_pairs(texts[:50], texts[50:])


def test_at_the_threshold() -> None:
    """Four of five grams are enough, and a little less is not."""
    # 9 and 9 grams, 8 of them shared: 8/10. With 7 shared of 8 and 8 it is 7/9.
    assert find_matches(["abcdefghijklX"], alone(["abcdefghijklY"])) == [
        Match(0, 1, is_exact=False, similarity=0.8)
    ]
    assert find_matches(["abcdefghijkX"], alone(["abcdefghijkY"])) == [None]


def test_the_first_of_equal_ones_is_named() -> None:
    """Whatever stands behind it; a text that is there word for word beats any near one."""
    near, exact = "What is the opposite of hot and dry", "what is the opposite of hot and wet"
    held_out = ["What is the opposite of hot and wet?"]

    assert find_matches(held_out, alone(["x", near, near.upper()]))[0] == Match(
        1, 1, is_exact=False, similarity=28 / 34
    )
    assert find_matches(held_out, alone([near, exact, exact])) == [
        Match(1, 1, is_exact=True, similarity=1.0)
    ]


@pytest.mark.parametrize(
    ("held_out", "training"), [([], ["a"]), (["a"], []), (["a"], ["b"]), (["abc"], ["abcdefgh"])]
)
def test_nothing_to_find(held_out: list[str], training: list[str]) -> None:
    """Nothing is found where nothing is, nor among texts without a gram in common."""
    assert find_matches(held_out, alone(training)) == [None] * len(held_out)


def test_beginnings_of_conversations() -> None:
    """Each beginning of a conversation is a training text, and no other part of it is."""
    talk = ["Hello there!", "Name a colour.", "And one more.", "x" * 50, "Thanks"]
    held_out = ["hello there", "Hello there. Name a colour", "Name a colour.", "Thanks", "x" * 46]

    matches = find_matches(held_out, [["Hi"], talk, talk])

    assert matches == [
        Match(1, 1, is_exact=True, similarity=1.0),
        Match(1, 2, is_exact=True, similarity=1.0),
        *[None] * 3,
    ]


def test_long_conversations_are_soon_done_with() -> None:
    """Only as much of one is compared as may be like a held-out text, however often it repeats."""
    talk = ["ha ha"] * 100 + [f"message {number} is another" for number in range(100_000)]

    assert find_matches(["ha" + " ha" * 150], [talk]) == [
        Match(0, 2, is_exact=False, similarity=1.0)
    ]
