"""``--llm-judge-samples``: several verdicts on a record, their median, and how far they spread."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.support.fake_ollama import Answer, ChatRequest, FakeOllama, Reply
from tests.support.project import records

if TYPE_CHECKING:
    from tests.support.project import Project

REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", min_score=50'
SCORES = {"r0": (80, 40, 60, 70, 90), "r1": (90, 92, 91, 93, 94), "r2": (10, 20, 45, 30, 5)}


def by_seed(request: ChatRequest) -> Reply:
    """Answer another score for each seed."""
    name = next(name for name in SCORES if f"Say {name[1]} in" in request.prompt)
    return Answer(str(SCORES[name][request.body["options"]["seed"] - 123]))


def test_the_median_is_the_score(project: Project, dist: tuple[str, ...]) -> None:
    """The lower one of two where the number is even; a record on both sides is unsure."""
    project.suite(records(3), ARGUMENTS)

    with FakeOllama(by_seed) as server:
        result = project.run("--llm-judge-samples=4", REPORT, *dist, server=server.url)
        options = [chat["options"] for chat in server.chats]

    result.assert_outcomes(passed=3, failed=1)
    seeds = Counter(option["seed"] for option in options)
    assert seeds == {123: 3, 124: 3, 125: 3, 126: 3}
    assert {option["temperature"] for option in options} == {0.7}
    document = project.results()
    assert document["judge"]["options"]["temperature"] == 0.7
    (suite,) = document["suites"]
    rows = [(record["score"], record["samples"], record["unsure"]) for record in suite["records"]]
    assert rows == [
        (60, [80, 40, 60, 70], True),
        (91, [90, 92, 91, 93], False),
        (20, [10, 20, 45, 30], False),
    ]
    result.stdout.fnmatch_lines(
        [
            "spread of 4 samples in test_suite.py::test_instructions: median 35, largest 40 points",
            "unsure in test_suite.py::test_instructions, samples on both sides of 50: 1",
            "   60  r0  80, 40, 60, 70",
        ],
        consecutive=True,
    )


def test_more_samples_ask_for_the_missing_ones(project: Project) -> None:
    """Each sample is kept by its seed; a single verdict at temperature 0 is none of them."""
    project.suite(records(1), ARGUMENTS)

    with FakeOllama(by_seed) as server:
        for number, asked in ((3, 3), (5, 5), (3, 5), (1, 6)):
            project.run(f"--llm-judge-samples={number}", server=server.url)
            assert len(server.chats) == asked


def test_a_sample_without_a_score(project: Project) -> None:
    """A median of the others would hide it; those after it are not asked for."""
    project.suite(records(1), ARGUMENTS)

    def odd(request: ChatRequest) -> Reply:
        return Answer("No idea." if request.body["options"]["seed"] == 124 else "80")

    with FakeOllama(odd) as server:
        result = project.run("--llm-judge-samples=3", REPORT, server=server.url)
        assert len(server.chats) == 3

    result.assert_outcomes(failed=1, errors=1)
    (record,) = project.results()["suites"][0]["records"]
    assert record["error"].startswith(f'sample 2 of 3: {server.url}: llama3 wrote "No idea." and,')
    assert record["score"] is None


def test_the_embedded_judge_does_not_vary(project: Project) -> None:
    """It is asked once, however many samples are wanted."""
    project.suite(records(1), ARGUMENTS)

    project.run("--llm-judge-samples=3", REPORT).assert_outcomes(passed=2)

    (record,) = project.results()["suites"][0]["records"]
    assert "samples" not in record
