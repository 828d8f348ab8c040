"""Nothing goes missing: suites that a run lacks, gates that cannot fail, options in vain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.flow.test_baseline import BASELINE, EXAMPLE, JUDGE, KNOWS, OLD, scored
from tests.support.project import Project, outcomes, records

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = "test_a.py::test_instructions", "test_b.py::test_instructions"
FIELD = 'responses="model_response"'
GATED = f"{FIELD}, min_average=1"
REPORT = "--llm-judge-report=old.json"


def write_suite(project: Project, test: str, scores: Sequence[int], arguments: str = FIELD) -> None:
    """Write a suite to which a judge of the project's own gives these scores."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    name = test.removesuffix(".py")
    project.suite(scored(*scores), arguments, data=f"{name}.json", test=test)


def write_both(project: Project) -> None:
    """Write two suites, and a baseline that has both."""
    write_suite(project, "test_a.py", OLD, GATED)
    write_suite(project, "test_b.py", OLD, GATED)
    assert project.run(REPORT).ret == 0


def errors(result: pytest.RunResult) -> list[str]:
    """Return all that was written to stderr."""
    return [line for line in result.errlines if line]


def lacks(project: Project, names: str) -> list[str]:
    """Return the one line about suites that a run lacks."""
    return [
        (
            f"ERROR: --llm-judge-baseline {project.path / 'old.json'}: this run lacks suites that the "
            f"baseline has: {names}; run them too, name a suite that was renamed with "
            "--llm-judge-baseline-suite OLD=NEW, or allow it with --llm-judge-baseline-partial"
        )
    ]


def test_a_suite_that_was_not_collected(project: Project, dist: tuple[str, ...]) -> None:
    """A file that nobody names, or that is gone, ends the run before any work."""
    write_both(project)

    result = project.run("test_a.py", BASELINE, *dist)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == lacks(project, B)


def test_a_node_id_is_a_part(project: Project) -> None:
    """One item of a suite is no sign of another suite in the same file."""
    write_suite(project, "test_a.py", OLD, GATED)
    text = (project.path / "test_a.py").read_text("utf-8")
    project.write("test_a.py", text + text.replace("test_instructions", "test_more"))
    project.run(REPORT)

    result = project.run("test_a.py::test_instructions", BASELINE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == lacks(project, "test_a.py::test_more")


def test_whatever_else_a_baseline_holds(project: Project) -> None:
    """Exams, pairs and what a later version may know are missed as well."""
    write_suite(project, "test_a.py", OLD, GATED)
    project.run(REPORT)
    document = json.loads((project.path / "old.json").read_text("utf-8"))
    document["suites"].append({"name": "later", "kind": "later", "outcome": "passed"})
    project.write("old.json", document)

    result = project.run(BASELINE)

    assert errors(result) == lacks(project, "later")


def test_an_exam_that_is_gone(project: Project) -> None:
    """MMLU is a suite of the baseline like any other."""
    mark = f"@pytest.mark.llm_mmlu({str(EXAMPLE)!r}, shots=1, min_accuracy=0)"
    test = f"import pytest\n\n{mark}\ndef test_mmlu(mmlu_result):\n    pass\n"
    project.write("test_exam.py", test)
    project.write("conftest.py", KNOWS.format(right=0))
    project.run(REPORT)
    project.write("test_exam.py", "def test_nothing():\n    pass\n")

    result = project.run(BASELINE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == lacks(project, "test_exam.py::test_mmlu")


def test_a_part_that_is_allowed(project: Project) -> None:
    """The summary still says what was left out."""
    write_both(project)

    result = project.run("test_a.py", BASELINE, "--llm-judge-baseline-partial")

    assert result.ret == 0
    note = f"note: not compared with the baseline (this run lacks them): {B}"
    assert note in result.outlines


def test_a_suite_that_was_deselected(project: Project, dist: tuple[str, ...]) -> None:
    """It was collected, so its absence is a choice, which the summary names."""
    write_both(project)

    result = project.run(BASELINE, "-k", "test_a", *dist)

    assert result.ret == 0
    assert f"note: not compared with the baseline (not selected): {B}" in result.outlines


def test_a_file_that_last_failed_passes_over(project: Project, dist: tuple[str, ...]) -> None:
    """With --lf pytest does not open files in which nothing failed."""
    write_both(project)
    write_suite(project, "test_a.py", [score - 20 for score in OLD], GATED)
    assert project.run(BASELINE).ret == 1

    result = project.run(BASELINE, "--lf", *dist)

    assert outcomes(result) == {"failed": 1}
    assert f"note: not compared with the baseline (not selected): {B}" in result.outlines


def test_one_suite_on_each_side(project: Project) -> None:
    """They pair up whatever their names, and the summary says so."""
    write_suite(project, "test_a.py", OLD, GATED)
    project.run(REPORT)
    (project.path / "test_a.py").unlink()
    write_suite(project, "test_b.py", OLD, GATED)

    result = project.run(BASELINE)

    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*the baseline's suite is {A}", "*12 records paired"])


def test_suites_that_were_renamed(project: Project) -> None:
    """With several on a side the names have to be given."""
    write_both(project)
    (project.path / "test_b.py").unlink()
    write_suite(project, "test_c.py", OLD, GATED)
    new = B.replace("_b", "_c")

    result = project.run(BASELINE, f"--llm-judge-baseline-suite={B}={new}")

    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*the baseline's suite is {B}"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x", '"x" is no pair of names; write OLD=NEW, the names of two suites'),
        (f"x={A}", f'the baseline has no suite named "x"; name one of {A}, {B}'),
        (f"{B}=y", f'this run has no suite named "y"; name one of {A}, {B}'),
    ],
)
def test_names_that_are_unknown(project: Project, given: str, message: str) -> None:
    """A wrong name is no name."""
    write_both(project)

    result = project.run(BASELINE, f"--llm-judge-baseline-suite={given}")

    assert errors(result) == [f"ERROR: --llm-judge-baseline-suite: {message}"]


def test_a_baseline_of_which_nothing_is_compared(project: Project, mode: tuple[str, ...]) -> None:
    """Pairs have no such gate, which somebody may not know; an ini file may wait for others."""
    content = [{**record, "other": "a few"} for record in records(3)]
    project.pairs(content, f'{FIELD}, against="other", min_win_rate=0.5')
    project.run(REPORT)

    result = project.run(BASELINE, *mode)
    project.write("pytest.ini", "[pytest]\nllm_judge_baseline = old.json\n")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [
        (
            "ERROR: --llm-judge-baseline: no suite of this run is compared with it; leave it out: "
            "suites of pairs compare two models already"
        )
    ]
    assert project.run(*mode).ret == pytest.ExitCode.OK


@pytest.mark.parametrize("option", ["max-drop=2", "baseline-partial", "baseline-suite=a=b"])
def test_options_of_a_baseline_that_is_not_there(project: Project, option: str) -> None:
    """They would do nothing."""
    result = project.run(f"--llm-judge-{option}")

    flag = f"--llm-judge-{option.partition('=')[0]}"
    message = "there is no baseline to compare with; add --llm-judge-baseline"
    assert errors(result) == [f"ERROR: {flag}: {message}"]


@pytest.mark.parametrize("place", ["command line", "addopts", "environment"])
def test_options_without_the_one_that_judges(
    project: Project, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Wherever they stand, the run would end well and decide nothing."""
    project.suite(records(1))
    given = ["--llm-judge-baseline=old.json", "--llm-judge-report=new.json"]
    if place == "addopts":
        project.write("pytest.ini", f"[pytest]\naddopts = {' '.join(given)}\n")
    elif place == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(given))

    result = project.pytester.runpytest(*(given if place == "command line" else ()))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [
        (
            "ERROR: llm-judge: without --llm-judge nothing is judged, and --llm-judge-baseline, "
            "--llm-judge-report do nothing; add --llm-judge, or write defaults as ini options "
            "(llm_judge_baseline, llm_judge_report)"
        )
    ]


def test_defaults_of_an_ini_file(project: Project) -> None:
    """They wait for a run that judges."""
    project.suite(records(1))
    project.write("pytest.ini", "[pytest]\nllm_judge_report = new.json\n")

    assert outcomes(project.pytester.runpytest()) == {"skipped": 1}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("llm_judge_min_averag", 'did you mean "llm_judge_min_average"?'),
        ("llm_judge_requires", 'did you mean "llm_judge_require"?'),
        ("llm-judge-min-score", 'did you mean "llm_judge_min_score"?'),
        ("LLM_JUDGE", 'did you mean "llm_judge"?'),
        ("llm_mmlu_datas", 'did you mean "llm_mmlu_data"?'),
        ("llm_judge_zzzzzzzzzzzzzzzzzzzz", "pytest --help lists those there are"),
    ],
)
@pytest.mark.parametrize("judges", [True, False])
def test_ini_options_that_do_not_exist(
    project: Project, key: str, hint: str, *, judges: bool
) -> None:
    """A misspelled limit decides nothing, and pytest's warning of it fails no run."""
    project.suite(records(1))
    project.write("pytest.ini", f"[pytest]\n{key} = 100\n")

    run = project.run if judges else project.pytester.runpytest
    result = run("--disable-warnings")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [f"ERROR: pytest.ini: {key}: there is no such option; {hint}"]
    assert project.pytester.runpytest("--collect-only").ret == 0


REQUIRED = f"[pytest]\nllm_judge_require =\n    {A}\n    test_b.py\n"


def required(problems: str) -> list[str]:
    """Return the one line about required suites."""
    return [
        (
            "ERROR: pytest.ini: llm_judge_require: this run lacks what is required: "
            f"{problems}; run these suites as a whole, or take them out of the list"
        )
    ]


@pytest.mark.every_mode
@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (("test_a.py",), "test_b.py (not collected)"),
        (("-k", "not r3"), f"{A} (12 of 13 items selected), {B} (12 of 13 items selected)"),
        (("-k", "test_a"), f"{B} (0 of 13 items selected)"),
        ((f"{A}[r1]", "test_b.py"), f"{A} (1 of 13 items selected)"),
    ],
)
def test_required_suites(
    project: Project, mode: tuple[str, ...], arguments: tuple[str, ...], problems: str
) -> None:
    """Each has to be there as a whole."""
    write_suite(project, "test_a.py", OLD, GATED)
    write_suite(project, "test_b.py", OLD, GATED)
    project.write("pytest.ini", REQUIRED)

    result = project.run(*arguments, *mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == required(problems)


def test_required_suites_of_which_some_failed(project: Project, dist: tuple[str, ...]) -> None:
    """What failed last is a part, and pytest does not open the other files."""
    write_suite(project, "test_a.py", OLD, f"{FIELD}, min_average=99")
    write_suite(project, "test_b.py", OLD, GATED)
    project.write("pytest.ini", REQUIRED)
    assert project.run(*dist).ret == 1

    result = project.run("--lf", *dist)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == required(f"{A} (1 of 13 items selected), test_b.py (not collected)")


def test_required_suites_that_are_there(project: Project) -> None:
    """A whole run is judged, and one that lists is none."""
    write_suite(project, "test_a.py", OLD, GATED)
    write_suite(project, "test_b.py", OLD, GATED)
    project.write("pytest.ini", REQUIRED)

    assert project.run().ret == 0
    assert project.run("--collect-only", "test_a.py").ret == 0
    for command in ("--collect-only", "--help", "--version", "--fixtures", "--markers"):
        assert project.pytester.runpytest(command).ret == 0


def test_required_suites_without_the_option_that_judges(
    project: Project, dist: tuple[str, ...]
) -> None:
    """A plain run of pytest would be green with skips alone."""
    write_suite(project, "test_a.py", OLD, GATED)
    project.write("pytest.ini", REQUIRED)

    result = project.pytester.runpytest(*dist)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [
        (
            "ERROR: pytest.ini: llm_judge_require: suites are required, and without --llm-judge "
            "nothing is judged; add --llm-judge"
        )
    ]


FEW = (
    "only {0} of its {1} can {2}, which shows no drop: p = {3} at best, and p < 0.05 is needed; "
    "give it 5 such {1} or more"
)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([100] * 4, FEW.format(4, "records", "score lower than in the baseline", "0.062")),
        ([100], FEW.format(1, "records", "score lower than in the baseline", "0.5")),
        ([100, 90, *[0] * 9], FEW.format(2, "records", "score lower than in the baseline", "0.25")),
    ],
)
def test_too_few_records_to_fail(
    project: Project, dist: tuple[str, ...], scores: list[int], reason: str
) -> None:
    """A suite that passes whatever its model does is refused before it is asked."""
    write_suite(project, "test_a.py", scores, GATED)
    project.run(REPORT)
    write_suite(project, "test_a.py", [0] * len(scores))

    result = project.run(BASELINE, *dist)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    wanted = [f"ERROR: {A}: it cannot fail: {reason}, or set min_average or min_score above 0"]
    assert errors(result) == wanted


@pytest.mark.parametrize("has_another", [False, True])
def test_a_suite_that_is_refused_is_there(
    project: Project,
    mode: tuple[str, ...],
    has_another: bool,  # noqa: FBT001  # a table's column
) -> None:
    """It is not said to be lacking too, nor is what its file has beside it."""
    write_suite(project, "test_a.py", OLD, GATED)
    text = (project.path / "test_a.py").read_text("utf-8")
    more = text.replace("test_instructions", "test_more") if has_another else ""
    project.write("test_a.py", text + more)
    assert project.run(REPORT).ret == 0
    project.write("test_a.py", text.replace("min_average=1", "min_average=101") + more)

    result = project.run(BASELINE, *mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    problem = "min_average: 101 is not an average; give a number from 0 to 100"
    assert errors(result) == [f"ERROR: {A}: {problem}"]


@pytest.mark.parametrize("entry", [A, "test_a.py"])
def test_a_required_suite_that_is_refused(project: Project, entry: str) -> None:
    """The same of what an ini file requires."""
    write_suite(project, "test_a.py", OLD, f"{FIELD}, min_average=10**400")
    project.write("pytest.ini", f"[pytest]\nllm_judge_require = {entry}\n")

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    problem = "an integer of more than 18 digits is not an average; give a number from 0 to 100"
    assert errors(result) == [f"ERROR: {A}: min_average: {problem}"]


def test_a_file_that_is_not_there(project: Project) -> None:
    """Pytest says so, and nothing else is said."""
    write_suite(project, "test_a.py", OLD, GATED)
    assert project.run(REPORT).ret == 0

    result = project.run(BASELINE, "test_x.py")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in errors(result) if line.startswith("ERROR: ")] == [
        "ERROR: file or directory not found: test_x.py"
    ]


def test_enough_records_to_fail(project: Project) -> None:
    """Five that all fall are no chance, and do fail."""
    write_suite(project, "test_a.py", [100] * 5, GATED)
    project.run(REPORT)
    write_suite(project, "test_a.py", [0] * 5)

    assert outcomes(project.run(BASELINE)) == {"passed": 6, "failed": 1}


def test_a_small_part_of_a_suite_that_can_fail(project: Project) -> None:
    """Its average decides, and the summary says that its [baseline] does not."""
    write_suite(project, "test_a.py", [100] * 4, GATED)
    project.run(REPORT)

    result = project.run(BASELINE)

    assert result.ret == 0
    reason = FEW.format(4, "records", "score lower than in the baseline", "0.062")
    assert f"note: {A}: its [baseline] cannot fail: {reason}" in result.outlines


def test_a_drop_that_is_all_there_is(project: Project) -> None:
    """Who may lose everything cannot fail."""
    write_suite(project, "test_a.py", OLD, GATED)
    project.run(REPORT)
    write_suite(project, "test_a.py", OLD)

    result = project.run(BASELINE, "--llm-judge-max-drop=100")

    assert errors(result) == [
        (
            f"ERROR: {A}: it cannot fail: --llm-judge-max-drop 100 allows the loss of all that the "
            "baseline scored, 83.08 points; allow fewer points, or set min_average or min_score above 0"
        )
    ]


def test_too_few_questions_to_fail(project: Project) -> None:
    """McNemar's test needs five questions that can be lost."""
    mark = (
        "import pytest\n\n@pytest.mark.llm_mmlu({})\ndef test_mmlu(mmlu_result):\n    pass\n"
    ).format(f"{str(EXAMPLE)!r}, shots=1, limit=1{{}}")
    project.write("test_exam.py", mark.format(", min_accuracy=0"))
    project.write("conftest.py", KNOWS.format(right=0))
    project.run(REPORT)
    document: Any = json.loads((project.path / "old.json").read_text("utf-8"))
    right = document["suites"][0]["correct"]
    project.write("test_exam.py", mark.format(""))

    result = project.run(BASELINE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    start = (
        f"ERROR: test_exam.py::test_mmlu: it cannot fail: only {right} of its questions can be lost"
    )
    (line,) = errors(result)
    assert line.startswith(start)
    assert line.endswith("give it 5 such questions or more, or set min_accuracy above 0")


def test_records_that_were_edited_by_a_blank(project: Project) -> None:
    """They leave the pairing; that they fell is seen all the same."""
    old = [*OLD, 91, 87, 93]
    write_suite(project, "test_a.py", old, GATED)
    project.run(REPORT)
    write_suite(project, "test_a.py", [*OLD, 0, 0, 0], FIELD)
    data = json.loads((project.path / "test_a.json").read_text("utf-8"))
    for record in data[-3:]:
        record["instruction"] += " "
    project.write("test_a.json", data)

    result = project.run(BASELINE)

    assert outcomes(result) == {"passed": 16, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            (
                "the records that did not pair up fell further than those that did, by more than "
                "chance (p = *): 3 of the baseline average 90.33, 3 of this run 0; make a baseline of "
                "the release with these records; no drop shown: *"
            ),
            "12 records paired, 3 added, 3 removed",
            (
                "not paired: 3 in the baseline with an average of 90.33, 3 in this run with an "
                "average of 0 (p = * for falling further than the pairs)"
            ),
        ]
    )


def test_records_that_were_edited_and_did_not_fall(project: Project) -> None:
    """A corrected typo is no drop."""
    old = [*OLD, 91, 87, 93]
    write_suite(project, "test_a.py", old, GATED)
    project.run(REPORT)
    data = json.loads((project.path / "test_a.json").read_text("utf-8"))
    for record in data[-3:]:
        record["instruction"] += "!"
    project.write("test_a.json", data)

    result = project.run(BASELINE)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*not paired: 3 in the baseline with an average of 90.33, 3 in *"])


SKIPS = {
    "skipif": "@pytest.mark.skipif(True, reason='x')\n",
    "xfail": "@pytest.mark.xfail(run=False)\n",
}


@pytest.mark.every_mode
@pytest.mark.parametrize("mark", list(SKIPS.values()), ids=list(SKIPS))
def test_a_required_suite_that_is_skipped(
    project: Project, mark: str, mode: tuple[str, ...]
) -> None:
    """Whatever skips its items, the run does not end well."""
    write_suite(project, "test_a.py", OLD, GATED)
    text = (project.path / "test_a.py").read_text("utf-8")
    project.write("test_a.py", text.replace("@pytest", f"{mark}@pytest", 1))
    project.write("pytest.ini", "[pytest]\nllm_judge_require = test_a.py\n")

    result = project.run(*mode)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    message = (
        f"ERROR: pytest.ini: llm_judge_require: {len(OLD) + 1} items of test_a.py were skipped or "
        "expected to fail; let them run, or take the suite out of the list"
    )
    assert message in result.outlines


TAKEN_AWAY = {
    "filter": """
def pytest_collection_finish(session):
    session.items[:] = [item for item in session.items if "r3" not in item.name]
""",
    "protocol": """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    return True if "r3" in item.name else None
""",
    "exit": """
import pytest

def pytest_runtest_setup(item):
    if "r3" in item.name:
        pytest.exit("maintenance", returncode=0)
""",
}


@pytest.mark.parametrize("how", TAKEN_AWAY)
def test_a_required_suite_whose_items_are_taken_away(project: Project, how: str) -> None:
    """Another plugin that drops an item after the plan lets no run end well."""
    write_suite(project, "test_a.py", OLD, GATED)
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1") + TAKEN_AWAY[how])
    project.write("pytest.ini", "[pytest]\nllm_judge_require = test_a.py\n")

    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    size = len(OLD) + 1
    ran = 3 if how == "exit" else size - 1
    assert (
        f"ERROR: pytest.ini: llm_judge_require: {ran} of {size} items of test_a.py::test_instructions "
        "ran; find what took the others away or ended the run"
    ) in result.outlines


ENDED = {
    "start": "def pytest_sessionstart(session):",
    "collection": "def pytest_collection(session):",
    "items": "def pytest_collection_modifyitems(items):",
}


@pytest.mark.parametrize("hook", ENDED)
def test_a_run_that_is_ended_before_what_is_required(
    project: Project, hook: str, dist: tuple[str, ...]
) -> None:
    """An end that calls itself a good one is none where nothing was planned yet."""
    write_suite(project, "test_a.py", OLD, GATED)
    end = f"""
import pytest

{ENDED[hook]}
    if not hasattr((locals().get("session") or items[0]).config, "workerinput"):
        pytest.exit("maintenance", returncode=0)
"""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1") + end)

    assert project.run(*(dist if hook != "items" else ())).ret == 0
    project.write("pytest.ini", "[pytest]\nllm_judge_require = test_a.py\n")
    result = project.run(*(dist if hook != "items" else ()))

    where = "ERROR: pytest.ini: llm_judge_require"
    if hook == "start":
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        message = "the run was ended (maintenance) before test_a.py ran; find what ended it, or empty the list"
        assert errors(result) == [f"{where}: {message}"]
    else:
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        message = "nothing of test_a.py was to run when the run ended; find what ended it"
        assert f"{where}: {message}" in result.outlines


GOOD_END = """
import pytest

@pytest.hookimpl({when})
def pytest_sessionfinish(session):
    session.exitstatus = 0
"""


@pytest.mark.parametrize("when", ["tryfirst=True", "trylast=True"])
def test_a_required_suite_whose_failure_is_forgiven(
    project: Project, when: str, dist: tuple[str, ...]
) -> None:
    """A plugin that turns the exit status turns it for other tests, not for these."""
    write_suite(project, "test_a.py", OLD, f"{FIELD}, min_average=100")
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1") + GOOD_END.format(when=when))

    assert project.run(*dist).ret == 0
    project.write("pytest.ini", f"[pytest]\nllm_judge_require = {A}\n")
    result = project.run(*dist)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (
        f"ERROR: pytest.ini: llm_judge_require: {A} is failed; see its summary, or take it out of "
        "the list"
    ) in result.outlines


FORGIVING = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    report = yield
    report.outcome = "passed"
    return report
"""


def test_a_required_suite_that_did_not_pass(project: Project) -> None:
    """What another plugin makes of its reports is not what was decided."""
    write_suite(project, "test_a.py", OLD, f"{FIELD}, min_average=100")
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1") + FORGIVING)
    project.write("pytest.ini", f"[pytest]\nllm_judge_require = {A}\n")

    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (
        f"ERROR: pytest.ini: llm_judge_require: {A} is failed; see its summary, or take it out of "
        "the list"
    ) in result.outlines
