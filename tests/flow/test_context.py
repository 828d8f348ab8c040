"""``--llm-judge-context``: how long a question an Ollama judge can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import FakeOllama, always
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AUTO = "--llm-judge-context=auto"
REPORT = "--llm-judge-report=results.json"


@pytest.fixture(name="judge")
def start_judge() -> Iterator[FakeOllama]:
    with FakeOllama(always("85")) as server:
        yield server


def long_records(count: int, words: int) -> list[dict[str, str]]:
    """Make records of which the last one has a response of so many words."""
    *short, last = records(count)
    return [*short, {**last, "model_response": "word " * words}]


def contexts(server: FakeOllama, since: int = 0) -> set[int]:
    """Return the contexts that requests asked for."""
    return {chat["options"]["num_ctx"] for chat in server.chats[since:]}


def test_the_default_is_the_lectures(project: Project, judge: FakeOllama) -> None:
    """A question that does not fit is an error that names the option."""
    project.suite(long_records(2, 2000))

    result = project.run(REPORT, server=judge.url)

    assert contexts(judge) == {2048}
    error = project.results()["suites"][0]["records"][1]["error"]
    assert (
        "does not fit into num_ctx 2048; raise --llm-judge-context (the model has 8,192 tokens), "
        "shorten the record"
    ) in error
    result.assert_outcomes(passed=1, failed=1, errors=1)


def test_a_longer_context(project: Project, judge: FakeOllama) -> None:
    """All requests of the run ask for it, and results name it."""
    project.suite(long_records(3, 2000))

    result = project.run("--llm-judge-context=4096", REPORT, server=judge.url)

    result.assert_outcomes(passed=4)
    assert contexts(judge) == {4096}
    assert project.results()["judge"]["options"]["num_ctx"] == 4096


def test_another_context_is_another_judge(project: Project, judge: FakeOllama) -> None:
    """Its verdicts are kept apart, and results of the two do not compare."""
    project.suite(records(6))
    project.run(REPORT, server=judge.url)
    first = len(judge.chats)

    project.run(server=judge.url)
    assert len(judge.chats) == first
    result = project.run(
        "--llm-judge-context=4096", "--llm-judge-baseline=results.json", server=judge.url
    )

    assert len(judge.chats) > first
    assert contexts(judge, first) == {4096}
    result.stdout.fnmatch_lines(
        ["*results of different judges do not compare: its set of options*"]
    )


def test_auto_is_the_same_for_a_part_of_a_run(
    project: Project, judge: FakeOllama, dist: tuple[str, ...]
) -> None:
    """It holds the longest question of all records, and a part of them asks nothing again."""
    project.suite(long_records(4, 2000))

    result = project.run(AUTO, REPORT, *dist, server=judge.url)

    result.assert_outcomes(passed=5)
    assert contexts(judge) == {8192}
    assert project.results()["judge"]["options"]["num_ctx"] == 8192
    note = (
        "note: --llm-judge-context=auto: the judge has a context of 8192 tokens; verdicts of "
        "another context are not taken from the cache"
    )
    result.stdout.fnmatch_lines([note])
    asked = len(judge.chats)
    for chosen in ("-kr0", "-kaverage", "--deselect=test_suite.py::test_instructions[r3]"):
        assert project.run(AUTO, chosen, *dist, server=judge.url).ret == 0
    assert len(judge.chats) == asked


def test_auto_counts_what_is_collected(project: Project, judge: FakeOllama) -> None:
    """A suite whose items are all deselected counts; one context serves the whole run."""
    project.suite(records(2))
    project.suite(long_records(2, 2000), data="long.json", test="test_long.py")

    project.run(AUTO, "-k", "test_suite", server=judge.url)

    assert contexts(judge) == {8192}


@pytest.mark.parametrize("arguments", [[AUTO], []])
def test_auto_is_the_default_where_that_is_enough(
    project: Project, judge: FakeOllama, arguments: Sequence[str]
) -> None:
    """Short questions have the lecture's context, and its verdicts."""
    project.suite(records(3))
    project.run(*arguments, server=judge.url)
    asked = len(judge.chats)

    project.run(AUTO, server=judge.url)

    assert len(judge.chats) == asked
    assert contexts(judge) == {2048}


def test_auto_is_at_most_what_the_model_has(project: Project, judge: FakeOllama) -> None:
    """What does not fit even so is the record's error."""
    judge.context = 3000
    project.suite(long_records(2, 3000))

    result = project.run(AUTO, REPORT, server=judge.url)

    result.assert_outcomes(passed=1, failed=1, errors=1)
    assert contexts(judge) == {3000}
    error = project.results()["suites"][0]["records"][1]["error"]
    assert "does not fit into num_ctx 3000; shorten the record" in error


def test_more_than_the_model_has(project: Project, judge: FakeOllama) -> None:
    """Ollama would lower it without a word."""
    project.suite(records(2))

    result = project.run("--llm-judge-context=16384", server=judge.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                f'ERROR: {judge.url}: has "llama3" with a context of 8,192 tokens, and '
                "--llm-judge-context asks for 16,384; give it 8192 at most, or auto"
            )
        ]
    )


@pytest.mark.parametrize("context", ["4096", "auto"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embedded", "the embedded judge has no context; leave it out"),
        (
            "openai:llama3",
            (
                "the server of openai:llama3 sets its context when it starts, not with each "
                "request; leave it out, and start the server with a longer one (vLLM: "
                "--max-model-len)"
            ),
        ),
    ],
)
def test_a_judge_that_takes_no_context(
    project: Project, judge: FakeOllama, name: str, message: str, context: str
) -> None:
    """On the command line it is an error; an ini file's is for the judges that take one."""
    project.suite(records(2))
    named = f"--llm-judge-model={name}"

    result = project.run(named, f"--llm-judge-context={context}", server=judge.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --llm-judge-context: {message}"])
    project.write("pytest.ini", f"[pytest]\nllm_judge_context = {context}\n")
    project.run(named, server=judge.url).assert_outcomes(passed=3)
