"""Shares of right answers: what they are worth, and what passes by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pytest_llmjudge.decisions.gates import NOISE, Decision, is_within_noise
from pytest_llmjudge.errors import count_of
from pytest_llmjudge.stats.basics import effective_size, proportion_interval, share
from pytest_llmjudge.stats.groups import count_groups, group_numbers, have_groups, in_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["Answered", "AskedSet", "Share", "best", "decide_share", "said_of_ties", "share_of"]


@dataclass(frozen=True, slots=True)
class Share:
    """A number of right answers out of some.

    Attributes:
        correct: How many are right.
        total: Of how many, at least one.
        groups: In how many groups they are; ``None`` where each is alone.
        size: How many answers that are alone tell as much (:func:`.effective_size`); ``None`` where
            each is alone.
    """

    correct: int
    total: int
    groups: int | None = None
    size: float | None = None

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy; of groups that of the effective number.

        One group tells nothing.
        """
        if self.size is None:
            return proportion_interval(self.correct, self.total)
        return (
            proportion_interval(self.accuracy * self.size, self.size) if self.size else (0.0, 1.0)
        )

    def is_within_noise(self, minimum: float | None) -> bool:
        """Say whether the accuracy may be on the other side of its gate by chance alone."""
        return is_within_noise(self.interval, minimum)


def share_of(right: Sequence[bool], groups: Sequence[int] | None = None) -> Share | None:
    """Return the share of right answers; ``None`` without answers.

    Args:
        right: Of each answer, whether it is.
        groups: Of each answer; ``None`` where each is alone.
    """
    if not right:
        return None
    if groups is None or not have_groups(groups):
        return Share(sum(right), len(right))
    return Share(sum(right), len(right), count_groups(groups), effective_size(right, groups))


class Answered(Protocol):
    """Anything that was answered right or wrong."""

    @property
    def record(self) -> Record:
        """What was asked."""

    @property
    def is_right(self) -> bool:
        """Whether the answer is right."""


One = TypeVar("One", bound=Answered)


@dataclass(frozen=True, slots=True)
class AskedSet(Generic[One]):
    """How a model answered a set of questions.

    Attributes:
        answers: In file order, at least one.
    """

    answers: tuple[One, ...]

    @property
    def total(self) -> int:
        """How many questions were asked."""
        return len(self.answers)

    @property
    def correct(self) -> int:
        """How many answers are right."""
        return self._share.correct

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self._share.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return self._share.interval

    @property
    def _share(self) -> Share:
        groups = group_numbers(one.record.group for one in self.answers)
        share = share_of([one.is_right for one in self.answers], groups)
        assert share is not None  # noqa: S101  # no set is empty
        return share


def best(values: Sequence[float]) -> int:
    """Return the index of the greatest value, the first one of equals."""
    return max(range(len(values)), key=lambda index: (values[index], -index))


def said_of_ties(logprobs: Iterable[Sequence[float]]) -> str | None:
    """Say in how many questions no choice is the likeliest, as of a model that is broken.

    Args:
        logprobs: Of the choices of each question.

    Returns:
        A clause; ``None`` where every question has a likeliest choice.
    """
    ties = [values.count(max(values)) > 1 for values in map(list, logprobs)]
    if not any(ties):
        return None
    return (
        f"in {sum(ties)} of {count_of(len(ties), 'question')} several choices are equally likely, "
        "and the first of them is taken for the likeliest"
    )


def decide_share(
    figures: Share,
    minimum: float | None,
    *,
    limit: str = "min_accuracy",
    noun: str = "record",
) -> Decision:
    """Decide over an accuracy: it is at least ``minimum``, where one is set.

    Args:
        figures: The accuracy.
        minimum: The least one, 0 to 1.
        limit: The keyword that sets it, for messages.
        noun: What was answered, in the singular.
    """
    low, high = figures.interval
    plural = "" if figures.total == 1 else "s"
    counted = f"{figures.correct} of {figures.total} {noun}{plural}{in_groups(figures.groups)}"
    shown = f"accuracy {share(figures.accuracy, minimum)}"
    text = f"{shown} ({counted}, 95 % CI {low:.4f} to {high:.4f})"
    if minimum is None:
        return Decision(passed=True, reason=f"{text}, no {limit} is set")
    noise = NOISE if figures.is_within_noise(minimum) else ""
    if figures.accuracy < minimum:
        return Decision(passed=False, reason=f"{text} is below {limit} {minimum:g}{noise}")
    return Decision(passed=True, reason=f"{text} is at least {limit} {minimum:g}{noise}")
