"""A run beside an earlier one: what [baseline] decides, in which words, and on which numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import FakeOllama, always
from tests.support.project import MARKED, Project, outcomes, records
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Callable

SUITE = "test_suite.py::test_instructions"
REPORT = "--llm-judge-report=new.json"
BASELINE = "--llm-judge-baseline=old.json"
EXAMPLE = Path(__file__).parents[2] / "example_suite" / "mmlu"
# A model that answers questions of MMLU by where they stand, and none of its last ones right.
KNOWS = """
import pytest

class Knows:
    fingerprint = "knows-{right}"
    context_length = 4096

    def encode(self, text):
        return list(text.encode())

    def score(self, contexts):
        for context in contexts:
            yield [-float(number != {right}) for number, branch in enumerate(context.branches)]

@pytest.fixture(scope="session")
def llm_model():
    return Knows()
"""


def scored(*scores: int) -> list[dict[str, Any]]:
    """Make records to which a judge of the project's own gives these scores."""
    made: list[dict[str, Any]] = [dict(record) for record in records(len(scores))]
    for record, score in zip(made, scores, strict=True):
        record["model_response"] = f"{score} points worth"
    return made


JUDGE = """
import pytest
from pytest_llmjudge import Verdict

class Reads:
    fingerprint = {fingerprint!r}

    def score(self, record, response):
        return Verdict(int(response.split()[0]), reply="read")

@pytest.fixture(scope="session")
def llm_judge():
    return Reads()
"""


@pytest.fixture
def judged(project: Project) -> Callable[..., pytest.RunResult]:
    """Run a suite of records with these scores; the first run writes ``old.json``."""

    def run(scores: list[int], *arguments: str, marker: str = "") -> pytest.RunResult:
        project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
        project.suite(scored(*scores), f'responses="model_response"{marker}')
        return project.run(*arguments)

    return run


UNSENDABLE = """

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if "average" in item.name:
        report.note = "\\ud800"
    return report
"""
OLD = [90, 80, 85, 70, 95, 88, 92, 79, 60, 100, 75, 83]
WORSE = [70, 65, 80, 40, 95, 60, 80, 70, 55, 85, 60, 70]
WORSE_REASON = (
    "dropped by 13.92 points (95 % CI -19.1 to -9.5, p = 0.00049), more than "
    "--llm-judge-max-drop 0; this suite can show drops of 6.4 points or more"
)


def first_run(judged: Callable[..., pytest.RunResult]) -> None:
    result = judged(OLD, "--llm-judge-report=old.json", "--llm-judge-min-average=1")

    assert result.ret == 0


def gate(project: Project) -> dict[str, Any]:
    """Return what the results say of the baseline's gate."""
    (suite,) = project.results("new.json")["suites"]
    (entry,) = [gate for gate in suite["gates"] if gate["name"] == "baseline"]
    return {**entry, "outcome of the suite": suite["outcome"], "numbers": suite["baseline"]}


def test_the_same_release_again(
    project: Project, judged: Callable[..., pytest.RunResult], dist: tuple[str, ...]
) -> None:
    """No difference, and the honest sentence that this tells nothing of the suite's power."""
    first_run(judged)

    result = judged(OLD, BASELINE, REPORT, *dist)

    assert outcomes(result) == {"passed": 14}
    decision = gate(project)
    assert (decision["outcome"], decision["numbers"]["difference"], decision["numbers"]["p"]) == (
        "passed",
        0,
        1,
    )
    assert decision["reason"] == (
        "no drop shown: 0.0 points (95 % CI 0.0 to 0.0, p = 1); all scores are as before, which "
        "does not tell what drops this suite can show"
    )
    result.stdout.fnmatch_lines(
        [
            f"baseline of {SUITE}: {decision['reason']}",
            "       12 records paired",
            "       their average: 83.08 before, 83.08 now",
        ]
    )


def test_a_worse_release(project: Project, judged: Callable[..., pytest.RunResult]) -> None:
    """The suite fails, and the worst records are shown."""
    first_run(judged)

    result = judged(WORSE, BASELINE, REPORT, marker=", min_score=75")

    assert outcomes(result) == {"passed": 5, "failed": 9}
    decision = gate(project)
    assert decision["reason"] == WORSE_REASON
    assert (decision["outcome"], decision["outcome of the suite"]) == ("failed", "failed")
    assert decision["numbers"]["flips"][0] == {
        "id": "r3",
        "before": 70,
        "after": 40,
        "fails_now": False,
        "response_before": "70 points worth",
        "response_after": "40 points worth",
    }
    result.stdout.fnmatch_lines(
        [
            WORSE_REASON,
            "12 records paired",
            "their average: 83.08 before, 69.17 now",
            "6 passed before and fail now, 0 the other way (McNemar's exact test: p = 0.016)",
            "what lost most (10 of 11):",
            "  70 -> 40  r3",
            "    before: 70 points worth",
            "    now:    40 points worth",
            "  88 -> 60  r5  fails now",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_drop_that_is_allowed(project: Project, judged: Callable[..., pytest.RunResult]) -> None:
    """A drop may be real and still be small enough."""
    first_run(judged)

    result = judged(WORSE, BASELINE, REPORT, "--llm-judge-max-drop=14")

    assert outcomes(result) == {"passed": 14}
    assert gate(project)["reason"] == WORSE_REASON.replace(
        "more than --llm-judge-max-drop 0", "no more than --llm-judge-max-drop 14"
    )


def test_noise_is_no_drop(project: Project, judged: Callable[..., pytest.RunResult]) -> None:
    """One much worse record among twelve may be chance, and the sentence says what can be seen."""
    first_run(judged)

    result = judged([20, *OLD[1:]], BASELINE, REPORT)

    assert outcomes(result) == {"passed": 14}
    assert gate(project)["reason"] == (
        "no drop shown: -5.8 points (95 % CI -29.2 to 0.0, p = 0.5); this suite can show drops of "
        "14.5 points or more where at least 5 scores change, and one did"
    )


def test_the_gate_alone_speaks_for_the_whole_suite(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """With -k the verdicts that are missing are made."""
    first_run(judged)

    result = judged(WORSE, BASELINE, REPORT, "-k", "baseline")

    assert outcomes(result)["failed"] == 1
    assert gate(project)["reason"] == WORSE_REASON


def test_the_last_failed_gate_runs_again(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """The gate is an item like any other to --lf and JUnit."""
    first_run(judged)
    judged(WORSE, BASELINE)

    result = judged(WORSE, BASELINE, "--lf", "--junitxml=junit.xml")

    assert outcomes(result) == {"failed": 1}
    assert 'name="test_instructions[baseline]"' in (project.path / "junit.xml").read_text()


def test_another_judge_is_refused(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """Scores of different judges do not compare, however they differ."""
    first_run(judged)
    document = json.loads((project.path / "old.json").read_text())
    document["judge"]["digest"] = "reads-0"
    project.write("old.json", document)

    result = judged(OLD, BASELINE, REPORT)

    assert outcomes(result) == {"passed": 13, "failed": 1}
    reason = (
        "not compared: results of different judges do not compare: its model was Reads (reads-0) "
        "and is Reads (reads-1) now; judge the baseline's model again with this judge"
    )
    assert gate(project)["reason"] == reason
    result.stdout.fnmatch_lines([reason, "12 records paired"])


def test_half_a_character_in_the_baseline(
    project: Project, judged: Callable[..., pytest.RunResult], dist: tuple[str, ...]
) -> None:
    """What xdist cannot carry is not let in: the gate fails in every mode."""
    first_run(judged)
    document = json.loads((project.path / "old.json").read_text())
    for record in document["suites"][0]["records"]:
        record["model_response"] += " \ud800"
    document["judge"]["version"] = "\ud800"
    project.write("old.json", document)

    result = judged(WORSE, BASELINE, REPORT, *dist)

    assert outcomes(result) == {"passed": 13, "failed": 1}
    assert gate(project)["reason"] == WORSE_REASON
    assert gate(project)["numbers"]["flips"][0]["response_before"] == "70 points worth ?"


def test_what_a_baseline_says_is_not_obeyed_by_the_terminal(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """Control characters and line breaks are shown as escapes."""
    first_run(judged)
    document = json.loads((project.path / "old.json").read_text())
    document["judge"] |= {"digest": "x", "model": "\x1b[31mEVIL\nline 2", "version": "\x1b[31m"}
    project.write("old.json", document)

    result = judged(OLD, BASELINE)

    result.stdout.fnmatch_lines(
        [
            (
                "not compared: results of different judges do not compare: its model was "
                "\\x1b[[]31mEVIL line 2 (x) and is Reads (reads-1) now; *"
            ),
            "12 records paired",
            "the judge's version was \\x1b[[]31m and is unknown now",
        ]
    )
    assert "\x1b[31m" not in result.stdout.str()


def test_a_judge_of_which_nothing_is_known(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """Without a fingerprint it may be another one each time."""
    judge = JUDGE.format(fingerprint=None)
    project.suite(scored(*OLD), 'responses="model_response"')
    project.write("conftest.py", judge)
    project.run("--llm-judge-report=old.json", "--llm-judge-min-average=1")

    result = project.run(BASELINE)

    assert outcomes(result) == {"passed": 13, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            (
                "not compared: whether Reads is the same judge as before cannot be told; give it a "
                "fingerprint that changes when its scores may"
            )
        ]
    )


def test_a_gate_that_no_worker_reports(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """After an error of its own xdist ends with status 0; a gate is not passed by silence."""
    judged(OLD, "--llm-judge-min-average=1")
    with (project.path / "conftest.py").open("a") as conftest:
        conftest.write(UNSENDABLE)

    result = project.run("-n", "2", "--llm-judge-min-average=1")

    # Whether xdist sees its own error in time is a race: else it ends with status 0, were it not
    # for us.
    if result.ret != pytest.ExitCode.INTERNAL_ERROR:
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["ERROR: *: no result came from its worker; run without -n"])


def test_another_model_behind_the_same_name(project: Project, ollama: FakeOllama) -> None:
    """After "ollama pull" the name is the old one, and the judge another."""
    project.suite(records(4), 'responses="model_response", min_score=1')
    project.run("--llm-judge-report=old.json", server=ollama.url)
    with FakeOllama(models={"llama3:latest": "f" * 64}) as server:
        result = project.run(BASELINE, server=server.url)

    assert outcomes(result) == {"passed": 5, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            (
                "not compared: results of different judges do not compare: its model was llama3 "
                "(1ca99c7a9cf4) and is llama3 (ffffffffffff) now; judge the baseline's model again "
                "with this judge"
            ),
        ]
    )


def test_a_suite_that_the_baseline_has_not(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """A new suite, or a new name, is not waved through."""
    first_run(judged)
    project.write("test_new.py", MARKED.format(arguments='"data.json", responses="model_response"'))

    result = judged(OLD, BASELINE)

    assert outcomes(result) == {"passed": 27, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            (
                "not compared: the baseline has no records of a suite named "
                f"test_new.py::test_instructions, but of {SUITE}; start pytest in the same folder "
                "both times, or make a baseline of the release with these records"
            ),
        ]
    )


def test_a_baseline_makes_a_gate(project: Project, judged: Callable[..., pytest.RunResult]) -> None:
    """A suite without min_score and min_average may be held to the last release alone."""
    first_run(judged)

    result = judged(OLD, BASELINE, "--collect-only", "-q")

    assert result.ret == 0
    assert result.outlines[-4:-2] == [f"{SUITE}[average]", f"{SUITE}[baseline]"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            (
                "it cannot be read (No such file or directory); name a file that "
                "--llm-judge-report wrote"
            ),
        ),
        ("", "it is empty; name a file that --llm-judge-report wrote"),
        (
            '{"schema": 1,',
            "it is no JSON, or not all of it; name a file that --llm-judge-report wrote",
        ),
        ([], "it is no results file; name a file that --llm-judge-report wrote"),
        (
            {"schema": 2},
            "it has schema version 2, and this version reads 1; update pytest-llmjudge",
        ),
        (
            {"schema": 1, "created": "", "pytest_llmjudge": "", "judge": None},
            (
                "it is no results file: the whole: 'suites' is a required property; name a file "
                "that --llm-judge-report wrote, as it was written"
            ),
        ),
    ],
)
def test_a_baseline_that_cannot_be_used(project: Project, content: object, message: str) -> None:
    """One line before any work, and status 4."""
    project.suite(records(1))
    if content is not None:
        project.write("old.json", content)

    result = project.run(BASELINE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    path = project.path / "old.json"
    assert [line for line in result.errlines if line] == [
        f"ERROR: --llm-judge-baseline {path}: {message}"
    ]


def test_the_report_does_not_replace_the_baseline(
    project: Project, judged: Callable[..., pytest.RunResult]
) -> None:
    """A worse candidate would be what the next one is held to."""
    first_run(judged)

    result = judged(OLD, BASELINE, "--llm-judge-report=old.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        (
            f"ERROR: --llm-judge-report: {project.path / 'old.json'} is the baseline as well; write to "
            "another file, which takes its place when the candidate is released"
        ),
    ]


@pytest.mark.parametrize("value", ["-1", "101", "much"])
def test_points_that_are_none(project: Project, value: str) -> None:
    """Between 0 and 100."""
    project.suite(records(1))

    result = project.run(f"--llm-judge-max-drop={value}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    kind = "not a number" if value == "much" else "no number of points"
    result.stderr.fnmatch_lines(
        [f'ERROR: --llm-judge-max-drop: "{value}" is {kind}; give a number of points from 0 to 100']
    )


def test_an_exam_beside_its_baseline(project: Project) -> None:
    """MMLU is paired by question and decided by McNemar's exact test, in percentage points."""
    named = f"{str(EXAMPLE)!r}, shots=1"
    mark = "import pytest\n\n@pytest.mark.llm_mmlu({})\ndef test_mmlu(mmlu_result):\n    pass\n"
    project.write("test_exam.py", mark.format(f"{named}, min_accuracy=0"))
    project.write("conftest.py", KNOWS.format(right=0))
    project.run("--llm-judge-report=old.json")
    project.write("test_exam.py", mark.format(named))
    project.write("conftest.py", KNOWS.format(right=1))

    result = project.run(BASELINE, REPORT)

    (now,) = project.results("new.json")["suites"]
    (then,) = project.results("old.json")["suites"]
    decision = gate(project)
    right = [
        [
            question["prediction"] == question["answer"]
            for subject in suite["subjects"]
            for question in subject["questions"]
        ]
        for suite in (then, now)
    ]
    pairs = list(zip(*right, strict=True))
    assert decision["numbers"]["losses"] == pairs.count((True, False))
    assert decision["numbers"]["wins"] == pairs.count((False, True))
    change = 100 * (now["accuracy"] - then["accuracy"])
    assert decision["numbers"]["difference"] == pytest.approx(change, abs=0.01)
    assert decision["numbers"]["p"] == decision["numbers"]["mcnemar_p"]
    assert outcomes(result)["passed"] == 5
    result.stdout.fnmatch_lines(["baseline of test_exam.py::test_mmlu: no drop shown: *"])


def test_an_exam_that_got_worse(project: Project) -> None:
    """The gate says so, and shows which questions were lost."""
    named = f"{str(EXAMPLE)!r}, shots=1, min_accuracy=0"
    mark = (
        f"import pytest\n\n@pytest.mark.llm_mmlu({named})\ndef test_mmlu(mmlu_result):\n    pass\n"
    )
    project.write("test_exam.py", mark)
    project.write("conftest.py", KNOWS.format(right=0))
    project.run("--llm-judge-report=old.json")
    document = json.loads((project.path / "old.json").read_text())
    for subject in document["suites"][0]["subjects"]:
        for question in subject["questions"]:
            question["prediction"] = question["answer"]
        subject |= {"correct": subject["total"], "accuracy": 1.0}
    exam = document["suites"][0]
    exam |= {"correct": exam["total"], "accuracy": 1.0}
    project.write("old.json", document)

    result = project.run(BASELINE, REPORT)

    assert outcomes(result) == {"passed": 4, "failed": 1}
    assert gate(project)["reason"].startswith("dropped by ")
    assert gate(project)["outcome of the suite"] == "failed"
    result.stdout.fnmatch_lines(
        ["24 questions paired", "what lost most (10 of 18):", "  100 -> 0  *"]
    )


def test_an_exam_in_another_mode_is_refused(project: Project) -> None:
    """Accuracies of one model differ by mode."""
    named = f"{str(EXAMPLE)!r}, shots=1, min_accuracy=0"
    mark = "import pytest\n\n@pytest.mark.llm_mmlu({})\ndef test_mmlu(mmlu_result):\n    pass\n"
    project.write("test_exam.py", mark.format(named))
    project.write("conftest.py", KNOWS.format(right=0))
    project.run("--llm-judge-report=old.json")
    project.write("test_exam.py", mark.format(f'{named}, mode="lm-eval"'))

    result = project.run(BASELINE)

    assert outcomes(result) == {"passed": 4, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            (
                "not compared: results of different exams do not compare: its mode was letters and is "
                "lm-eval now; ask the baseline's model again in this way"
            ),
        ]
    )


def test_a_release_beside_itself(project: Project, ollama: FakeOllama) -> None:
    """A note tells who forgot to name the candidate that none was looked at."""
    save_model(project.path / "model.pth", seed=1)
    project.write("prompt.txt", "Say {instruction}:")
    project.suite(records(6), 'checkpoint="model.pth", prompt="prompt.txt", min_score=0')
    ollama.reply = always("50")
    short = "--llm-judge-max-new-tokens=4"
    project.run(short, "--llm-judge-report=old.json", server=ollama.url).assert_outcomes(passed=7)

    result = project.run(short, BASELINE, "--llm-judge-report=new.json", server=ollama.url)

    result.assert_outcomes(passed=8)
    note = (
        "note: test_suite.py::test_instructions: the baseline was made with this very checkpoint; "
        "name the candidate with --llm-judge-checkpoint"
    )
    assert note in result.outlines
