"""Suites drawn at random: every item, the exit status and the results are as the docs say.

What is expected is computed from the scores alone, with exact numbers and in the docs' own terms,
and from nothing of the package.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from tests.support.project import Project

CONFTEST = """
import pytest
from pytest_llmjudge import Verdict

class Reads:
    fingerprint = "reads-1"

    def score(self, record, response):
        if response == "nothing":
            return Verdict(None, error=f"{record.id}: nothing; say something")
        return Verdict(int(response), reply="read")

@pytest.fixture(scope="session")
def llm_judge():
    return Reads()
"""
MARKER = """
import pytest

@pytest.mark.{marker}("{name}.json", responses="model_response", {gates})
def test_{name}({fixture}):
    pass
"""
LEAST_PAIRED = Fraction(4, 5)


@dataclass(frozen=True)
class Scored:
    """A suite of scores from 0 to 100; ``None`` where the judge gives none."""

    old: Sequence[int | None]
    new: Sequence[int | None]
    min_score: int
    min_average: Fraction | None

    def source(self, name: str) -> str:
        gates = f"min_score={self.min_score}"
        if self.min_average is not None:
            gates += f", min_average={float(self.min_average)!r}"
        return MARKER.format(marker="llm_judge", name=name, gates=gates, fixture="verdict")

    def responses(self, *, is_new: bool) -> list[str]:
        scores = self.new if is_new else self.old
        return ["nothing" if score is None else str(score) for score in scores]

    def expected(self, level: Fraction, max_drop: int | None) -> Iterator[tuple[str, str]]:
        for number, score in enumerate(self.new):
            is_low = score is not None and score < self.min_score
            yield f"r{number}", "error" if score is None else "failed" if is_low else "passed"
        known = [score for score in self.new if score is not None]
        is_whole = len(known) == len(self.new)
        # A limit is a number of the user's, as is the average that a report shows.
        least = 0.0 if self.min_average is None else float(self.min_average)
        yield "average", word(is_whole and sum(known) / len(known) >= least)
        if max_drop is None:
            return
        differences = [
            new - old
            for old, new in zip(self.old, self.new, strict=True)
            if old is not None and new is not None
        ]
        if Fraction(len(differences), len(self.new)) < LEAST_PAIRED:
            yield "baseline", "failed"
            return
        drop = -Fraction(sum(differences), len(differences))
        is_worse = sign_flip_p(differences) < level and drop > max_drop
        yield "baseline", word(not is_worse)


@dataclass(frozen=True)
class Exact:
    """A suite of right and wrong answers."""

    old: Sequence[bool]
    new: Sequence[bool]
    min_right: int

    def source(self, name: str) -> str:
        gates = f"min_accuracy={self.min_right / len(self.new)!r}"
        return MARKER.format(marker="llm_exact", name=name, gates=gates, fixture="exact")

    def responses(self, *, is_new: bool) -> list[str]:
        return ["right" if one else "wrong" for one in (self.new if is_new else self.old)]

    def expected(self, level: Fraction, max_drop: int | None) -> Iterator[tuple[str, str]]:
        yield from ((f"r{number}", "passed") for number in range(len(self.new)))
        yield "average", word(sum(self.new) >= self.min_right)
        if max_drop is None:
            return
        changes = Counter(zip(self.old, self.new, strict=True))
        lost, won = changes[True, False], changes[False, True]
        drop = Fraction(100 * (lost - won), len(self.new))
        yield "baseline", word(not (mcnemar_p(lost, won) < level and drop > max_drop))


def word(passes: bool) -> str:  # noqa: FBT001
    return "passed" if passes else "failed"


def sign_flip_p(differences: Sequence[int]) -> Fraction:
    """In how many of all ways to flip the signs the sum is as low."""
    sums = Counter({0: 1})
    for difference in differences:
        flipped: Counter[int] = Counter()
        for known, ways in sums.items():
            flipped[known + difference] += ways
            flipped[known - difference] += ways
        sums = flipped
    lower = sum(ways for known, ways in sums.items() if known <= sum(differences))
    return Fraction(lower, 2 ** len(differences))


def mcnemar_p(lost: int, won: int) -> Fraction:
    """The chance of so many losses or more among those that changed."""
    changed = lost + won
    ways = sum(math.comb(changed, number) for number in range(lost, changed + 1))
    return Fraction(ways, 2**changed)


@st.composite
def scored_suites(draw: st.DrawFn) -> Scored:
    score = st.one_of(st.integers(0, 100), st.sampled_from([49, 50, 51]))
    new = draw(st.lists(st.one_of(*[score] * 9, st.none()), min_size=1, max_size=12))
    # Losses of all sizes: of old scores that are drawn by themselves hardly any would be shown.
    rise = st.one_of(st.integers(0, 40), st.integers(-5, 5))
    old = [
        draw(st.one_of(*[st.just(min(100, max(0, (one or 50) + draw(rise))))] * 15, st.none()))
        for one in new
    ]
    known = [one for one in new if one is not None]
    beside = draw(st.sampled_from([Fraction(-1), Fraction(0), Fraction(0), Fraction(1, 1000)]))
    near = Fraction(sum(known), len(new)) + beside
    averages = st.one_of(st.none(), st.just(min(Fraction(100), max(Fraction(0), near))))
    return Scored(old, new, draw(st.sampled_from([1, 30, 50, 100])), draw(averages))


@st.composite
def exact_suites(draw: st.DrawFn) -> Exact:
    new = draw(st.lists(st.booleans(), min_size=1, max_size=12))
    old = [one or draw(st.booleans()) for one in new]
    return Exact(old, new, draw(st.integers(1, len(new))))


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    suites=st.lists(st.one_of(scored_suites(), exact_suites()), min_size=1, max_size=3),
    max_drop=st.sampled_from([None, 0, 0, 5]),
    alpha=st.sampled_from(["0.05", "0.2"]),
)
def test_any_suites(
    project: Project, suites: list[Scored | Exact], max_drop: int | None, alpha: str
) -> None:
    """Compared with an earlier run or not; its verdicts are in the cache of the later one."""
    project.write("conftest.py", CONFTEST)
    options = ["--llm-judge-check=off"]
    if max_drop is not None:
        write(project, suites, is_new=False)
        project.run(*options, "--llm-judge-report=old.json")
        options += ["--llm-judge-baseline=old.json", f"--llm-judge-alpha={alpha}"]
        options += [f"--llm-judge-max-drop={max_drop}"]
    write(project, suites, is_new=True)

    result = project.run(*options, "--llm-judge-report=new.json")

    level = Fraction(alpha) / len(suites)
    expected = {
        f"test_it.py::test_s{number}[{item}]": outcome
        for number, suite in enumerate(suites)
        for item, outcome in suite.expected(level, max_drop)
    }
    assert outcomes_by_item(result) == expected
    assert result.ret == (0 if set(expected.values()) == {"passed"} else 1)
    for suite in project.results("new.json")["suites"]:
        found = {one for item, one in expected.items() if item.startswith(f"{suite['name']}[")}
        assert (suite["outcome"] == "passed") == (found == {"passed"})


def write(project: Project, suites: Sequence[Scored | Exact], *, is_new: bool) -> None:
    sources = []
    for number, suite in enumerate(suites):
        content = [
            {
                "id": f"r{place}",
                "instruction": f"Do {place}.",
                "output": "right",
                "model_response": response,
            }
            for place, response in enumerate(suite.responses(is_new=is_new))
        ]
        project.write(f"s{number}.json", content)
        sources.append(suite.source(f"s{number}"))
    project.write("test_it.py", "".join(sources))


def outcomes_by_item(result: pytest.RunResult) -> dict[str, str]:
    """A failure of an item's setup is an error."""
    reports = result.reprec.getreports("pytest_runtest_logreport")  # type: ignore[attr-defined]
    found = {}
    for report in reports:
        if not report.passed:
            found[report.nodeid] = "failed" if report.when == "call" else "error"
        else:
            found.setdefault(report.nodeid, "passed")
    return found
