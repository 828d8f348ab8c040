"""What an item of a suite of pairs decides when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import printable
from pytest_llmjudge.gates import Decision, decide_win_rate
from pytest_llmjudge.plugin.cases import JUDGE_CHECK
from pytest_llmjudge.plugin.warning import warns
from pytest_llmjudge.win_rate import Compared, summarise

if TYPE_CHECKING:
    from pytest_llmjudge.plugin.cases import PairReady

__all__ = ["call_pair"]


def call_pair(item: pytest.Function, ready: PairReady) -> bool:
    """Decide over an item of a suite of pairs; say whether that was all.

    A pair decides nothing by itself, so its body is called.

    Raises:
        pytest.fail.Exception: The judge is not fit, or the win rate is too low.
    """
    if ready.case.record is not None:
        return False
    if ready.case.gate == JUDGE_CHECK:
        _decide_judge_check(item, ready)
    else:
        _decide_win_rate(ready)
    return True


def _decide_judge_check(item: pytest.Function, ready: PairReady) -> None:
    check = ready.check = ready.check or ready.run.check()
    assert check is not None  # noqa: S101  # where people decide there is no such item
    ready.decision = Decision(check.fit, check.reason)
    if not check.fit and not warns(item, ready.run.settings, check.reason):
        pytest.fail(printable(check.reason), pytrace=False)


def _decide_win_rate(ready: PairReady) -> None:
    pairing = ready.case.suite.pairing
    assert pairing is not None  # noqa: S101  # it is a suite of pairs
    pairs: list[Compared] = []
    causes: dict[str, str] = {}
    for record, outcome in ready.run.outcomes():
        if outcome.verdict.score is None or outcome.response is None:
            causes[record.id] = str(outcome.verdict.error)
        else:
            winner = str(outcome.verdict.winner)
            pairs.append((winner, outcome.verdict.orders, *outcome.response))
    total = len(ready.case.suite.records)
    ready.decision = decide_win_rate(summarise(pairs), pairing.min_win_rate, causes, total)
    if not ready.decision.passed:
        pytest.fail(printable(ready.decision.reason), pytrace=False)
