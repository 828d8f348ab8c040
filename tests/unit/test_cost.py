"""What a judge takes for a record, as reports show it."""

from __future__ import annotations

import pytest

from pytest_llmjudge.cost import Cost, mean_cost, shown_cost


def test_means_of_what_is_known() -> None:
    """A record without a figure does not count, one that nobody was asked about counts as 0."""
    assert mean_cost([(1.0, 100), (2.0, None), (None, 300), (0.0, 0)]) == Cost(1.0, 400 / 3)
    assert mean_cost([(None, None)]) == mean_cost([]) == Cost(None, None)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(1.44, 211.6), "1.4 s and 212 tokens"),
        (Cost(0.0004, 60), "less than 0.1 s and 60 tokens"),
        (Cost(0.0, 60), "less than 0.1 s and 60 tokens"),
        (Cost(0.05, None), "0.1 s"),
        (Cost(125.0, 3000), "125.0 s and 3,000 tokens"),
        (Cost(0.0, 0), ""),
        (Cost(None, None), ""),
        (Cost(None, 60), ""),
    ],
)
def test_a_cost_in_words(cost: Cost, text: str) -> None:
    """With one decimal; nothing where no record was sent to a judge."""
    assert shown_cost(cost) == text
