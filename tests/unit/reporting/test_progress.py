"""Progress as one line."""

from __future__ import annotations

import pytest

from pytest_llmjudge.reporting.progress import Pace, duration


def test_counts_come_first_and_rates_later() -> None:
    """A rate needs two looks; the time left follows from it."""
    pace = Pace()

    first = pace.line({"responses": (4, 110)}, 10.0)
    second = pace.line({"responses": (14, 110), "verdicts": (2, 110)}, 20.0)
    third = pace.line({"responses": (110, 110), "verdicts": (12, 110)}, 30.0)

    assert first == "llm-judge: 4/110 responses"
    assert second == "llm-judge: 14/110 responses (1.0/s, 1 min 36 s left), 2/110 verdicts"
    assert third == "llm-judge: 110/110 responses, 12/110 verdicts (1.0/s, 1 min 38 s left)"


def test_a_slow_rate_is_per_minute() -> None:
    """A second would have none."""
    pace = Pace()
    pace.line({"responses": (4, 6)}, 10.0)

    assert pace.line({"responses": (5, 6)}, 70.0) == (
        "llm-judge: 5/6 responses (1.0/min, 1 min 0 s left)"
    )


def test_tokens_move_while_no_response_ends() -> None:
    """They stand behind the responses, with their rate, until the last response is there."""
    pace = Pace()

    first = pace.line({"responses": (0, 8), "tokens": (40, 0)}, 10.0)
    second = pace.line({"responses": (0, 8), "verdicts": (0, 8), "tokens": (1240, 0)}, 20.0)
    third = pace.line({"responses": (8, 8), "verdicts": (0, 8), "tokens": (2000, 0)}, 30.0)

    assert first == "llm-judge: 0/8 responses, 40 tokens"
    assert second == "llm-judge: 0/8 responses, 1,240 tokens (120/s), 0/8 verdicts"
    assert third == "llm-judge: 8/8 responses, 0/8 verdicts"


def test_suites_that_nobody_judges() -> None:
    """Subjects and questions of MMLU, and losses, are counted as responses are."""
    pace = Pace()
    pace.line({"questions": (10, 400), "subjects": (0, 4)}, 10.0)

    assert pace.line({"questions": (110, 400), "subjects": (1, 4), "losses": (3, 9)}, 20.0) == (
        "llm-judge: 3/9 losses, 1/4 subjects, 110/400 questions (10.0/s, 29 s left)"
    )


def test_finished_work_is_silent() -> None:
    """Nothing to do, nothing to say."""
    assert Pace().line({}, 0.0) == ""
    assert Pace().line({"verdicts": (5, 5)}, 1.0) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    """Two units at most."""
    assert text == duration(seconds)
