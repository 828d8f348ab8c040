"""Names of subjects and categories, and the errors of those that are none."""

from __future__ import annotations

import pytest

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.mmlu.subjects import CATEGORIES, category_of, choose_subjects

THERE = ("abstract_algebra", "anatomy", "astronomy", "my_own", "sociology")


def test_there_are_57() -> None:
    """In the four categories of the paper."""
    assert {name: len(subjects) for name, subjects in CATEGORIES.items()} == {
        "stem": 18,
        "humanities": 13,
        "social sciences": 12,
        "other": 14,
    }
    every = [subject for subjects in CATEGORIES.values() for subject in subjects]
    assert len(set(every)) == 57
    assert (category_of("anatomy"), category_of("my_own")) == ("other", None)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["astronomy", "anatomy"], ("astronomy", "anatomy")),
        (["stem"], ("abstract_algebra", "astronomy")),
        (["STEM", "anatomy"], ("abstract_algebra", "astronomy", "anatomy")),
        (["social_sciences", "social sciences"], ("sociology",)),
        (["all"], THERE),
        (["astronomy", "all"], ("astronomy", "abstract_algebra", "anatomy", "my_own", "sociology")),
    ],
)
def test_names(wanted: list[str], chosen: tuple[str, ...]) -> None:
    """Each subject once, in the order in which it was named first."""
    assert choose_subjects("x", wanted, THERE) == chosen


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anatom", '"anatom" is no subject of MMLU; close to it are anatomy'),
        (
            "qqq",
            (
                '"qqq" is no subject of MMLU; the data has abstract_algebra, anatomy, astronomy, '
                "my_own, sociology"
            ),
        ),
        (
            "virology",
            (
                'the data has no subject "virology"; it has abstract_algebra, anatomy, astronomy, '
                "my_own, sociology"
            ),
        ),
        (
            "humanities",
            (
                'the data has no subject of "humanities"; it has abstract_algebra, anatomy, '
                "astronomy, my_own, sociology"
            ),
        ),
    ],
)
def test_unknown_names(name: str, expected: str) -> None:
    """Close names are suggested, or what is there."""
    with pytest.raises(SettingsError) as caught:
        choose_subjects("x", [name], THERE)

    assert str(caught.value) == f"x: {expected}"
