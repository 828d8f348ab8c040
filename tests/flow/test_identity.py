"""One run has one model, one judge and one set of records, in all of its processes and to its end."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.generation.checkpoint_info import describe
from tests.flow.test_mmlu import EXAMPLE
from tests.flow.test_mmlu import MARKED as EXAM
from tests.support.project import Project, records
from tests.unit.generation.tiny import save_model, write_ranks

if TYPE_CHECKING:
    from pathlib import Path

MODES = pytest.mark.parametrize(
    "mode", [(), ("-n", "2"), ("-p", "no:xdist")], ids=["plain", "n2", "no-xdist"]
)
TOKENS = "--llm-judge-max-new-tokens=4"
REPORT = "--llm-judge-report=results.json"
CHANGED = "it changed since the run began; run again when the training is done"

REPLACE = """
import os, shutil

def replace_file(path, other):
    # As trainers save: at no moment is there half of a file, which another process could read.
    os.replace(shutil.copy(other, path + "-" + str(os.getpid())), path)
"""
"""What a conftest replaces a file with."""

BEFORE_LATER_WORKERS = (
    REPLACE
    + """
import os, time
from pathlib import Path

import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    # What this process collects and plans comes after another one has planned.
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        until = time.monotonic() + 300
        while not os.path.exists("planned") and time.monotonic() < until:
            time.sleep(0.02)
        {action}

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw0":
        Path("planned").touch()
"""
)
"""A conftest under which something happens between the plans of two workers."""

AT_A_RECORD = (
    REPLACE
    + """
import json
import pytest

@pytest.fixture(autouse=True)
def replace(request):
    if "[{item}]" in request.node.name:
        replace_file("{file}", "other.pth")
    yield
"""
)


def digit(path: Path) -> str:
    return describe(path).fingerprint[:12]


@pytest.fixture
def two(project: Project) -> Project:
    """A suite with a tiny model, and another model beside it."""
    project.write("prompt.txt", "Say {instruction}:")
    project.suite(records(4), 'min_average=0, checkpoint="model.pth", prompt="prompt.txt"')
    save_model(project.path / "model.pth")
    folder = project.path / "elsewhere"
    folder.mkdir()
    save_model(folder / "model.pth", seed=1)
    (folder / "model.pth").rename(project.path / "other.pth")
    return project


def refused(project: Project, action: str, *arguments: str) -> str:
    """Run two workers with something done between their plans; return the one line of the error."""
    project.write("conftest.py", BEFORE_LATER_WORKERS.format(action=action))
    result = project.run("-n", "2", TOKENS, REPORT, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not (project.path / "results.json").exists()
    (line,) = [line for line in result.errlines if line.startswith("ERROR: ")]
    return line.removeprefix("ERROR: ")


def test_a_checkpoint_replaced_between_plans(two: Project) -> None:
    """Workers that plan with two models end the run before anything is judged."""
    own, other = digit(two.path / "model.pth"), ""
    shutil.copy(two.path / "other.pth", two.path / "elsewhere" / "model.pth")
    write_ranks(two.path / "elsewhere" / "model.tiktoken")
    other = digit(two.path / "elsewhere" / "model.pth")

    line = refused(two, 'replace_file("model.pth", "other.pth")')

    assert line == (
        "model.pth: its fingerprint is not the same in all processes of this run "
        f"({own} and {other}); run again when the training is done"
    )


def test_a_checkpoint_replaced_after_the_header(two: Project) -> None:
    """What the terminal's process has shown is the first that counts."""
    action = 'replace_file("model.pth", "other.pth")'
    two.write(
        "conftest.py",
        BEFORE_LATER_WORKERS.format(action="pass")
        + (
            "\n@pytest.hookimpl(trylast=True)\n"
            "def pytest_report_header():\n"
            "    if 'PYTEST_XDIST_WORKER' in os.environ:\n        return\n"
            f"    {action}\n    Path('shown').touch()\n"
            "@pytest.hookimpl(tryfirst=True)\n"
            "def pytest_collectstart(collector):\n"
            "    until = time.monotonic() + 300\n"
            "    while not os.path.exists('shown') and time.monotonic() < until:\n"
            "        time.sleep(0.02)\n"
        ),
    )

    result = two.run("-n", "2", TOKENS, "--llm-judge-checkpoint=model.pth")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    start = "ERROR: model.pth: its fingerprint is not the same in all processes of this run ("
    assert sum(line.startswith(start) for line in result.errlines) == 1


def test_records_replaced_between_plans(project: Project) -> None:
    """Records that keep their ids but say something else are another set."""
    project.suite(records(3))
    project.write("later.json", records(3, wrong=[1]))

    line = refused(project, 'replace_file("data.json", "later.json")')

    assert line.startswith("data.json: its content is not the same in all processes of this run (")
    assert line.endswith("); run again when nothing writes to it")


def test_a_threshold_changed_between_plans(project: Project) -> None:
    """Each process reads the test files itself."""
    project.suite(records(3))
    marker = project.path / "test_suite.py"
    text = marker.read_text().replace("min_score=50", "min_score=LEAST")
    project.write("test_suite.py", f"import os\nLEAST = int(open('least.txt').read())\n{text}")
    project.write("least.txt", "50")
    project.write("lower.txt", "1")

    line = refused(project, 'replace_file("least.txt", "lower.txt")')

    assert line == (
        "test_suite.py::test_instructions: its min_score is not the same in all processes of this "
        "run (50 and 1); run again when nothing writes to it"
    )


def test_a_system_text_changed_between_plans(project: Project) -> None:
    """It is part of what is judged."""
    project.suite(records(3), 'responses="model_response", min_score=50, system=TEXT')
    text = (project.path / "test_suite.py").read_text()
    project.write("test_suite.py", f"TEXT = open('system.txt').read()\n{text}")
    project.write("system.txt", "In words.")
    project.write("other.txt", "In figures.")

    line = refused(project, 'replace_file("system.txt", "other.txt")')

    assert line == (
        "test_suite.py::test_instructions: its system is not the same in all processes of this run "
        "(In words. and In figures.); run again when nothing writes to it"
    )


@pytest.mark.parametrize("file", ["old.pth", "old.json"])
def test_the_other_side_of_pairs_replaced_between_plans(two: Project, file: str) -> None:
    """What a suite of pairs is compared with is the same in all workers."""
    if file == "old.pth":
        shutil.copy(two.path / "other.pth", two.path / file)
        write_ranks(two.path / "old.tiktoken")
        save_model(two.path / "third.pth", seed=2)
        later = "third.pth"
    else:
        assert two.run(TOKENS, "--llm-judge-report=old.json").ret == 0
        document = (two.path / "old.json").read_text()
        two.write("later.json", document + "\n")
        two.path.joinpath("model.pth").write_bytes((two.path / "other.pth").read_bytes())
        later = "later.json"
    (two.path / "test_suite.py").unlink()
    arguments = f'checkpoint="model.pth", prompt="prompt.txt", against="{file}", min_win_rate=0.1'
    two.pairs(records(3), arguments)

    line = refused(two, f'replace_file("{file}", "{later}")')

    what = "fingerprint" if file == "old.pth" else "content"
    assert line.startswith(f"{file}: its {what} is not the same in all processes of this run (")


def test_questions_replaced_between_plans(project: Project) -> None:
    """All workers ask the same questions of MMLU."""
    shutil.copytree(EXAMPLE, project.path / "mmlu")
    save_model(project.path / "model.pth")
    arguments = '"mmlu", shots=1, min_accuracy=0.2, checkpoint="model.pth"'
    project.write("test_exam.py", EXAM.format(arguments=arguments, total=8))
    file = "mmlu/test/number_facts_test.csv"
    rows = (project.path / file).read_text().splitlines()
    project.write("later.csv", "\n".join([*rows[1:], rows[0]]) + "\n")

    line = refused(project, f'replace_file("{file}", "later.csv")')

    assert line.startswith("mmlu: its content is not the same in all processes of this run (")


def test_a_worker_that_replaces_a_crashed_one(two: Project) -> None:
    """It is held to the plan of those before it."""
    two.write(
        "conftest.py",
        f"{REPLACE}\nimport pytest\n@pytest.fixture(autouse=True)\ndef crash(request):\n"
        "    if '[r3]' in request.node.name and not os.path.exists('crashed'):\n"
        "        open('crashed', 'w').close()\n"
        "        replace_file('model.pth', 'other.pth')\n        os._exit(3)\n    yield\n",
    )

    result = two.run("-n", "1", TOKENS, REPORT)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    start = "ERROR: model.pth: its fingerprint is not the same in all processes of this run ("
    assert sum(line.startswith(start) for line in result.errlines) == 1
    (suite,) = two.results()["suites"]
    assert suite["outcome"] != "passed"


@MODES
@pytest.mark.parametrize("item", ["r3", "average"], ids=["before-the-gate", "after-it"])
def test_a_checkpoint_replaced_after_use(two: Project, mode: tuple[str, ...], item: str) -> None:
    """Neither a gate passes nor the results when another file lies at the path at the end."""
    text = AT_A_RECORD.format(item=item, file="model.pth")
    if item == "average":
        # After the gate has decided.
        text = (
            f"{REPLACE}\nimport pytest\n@pytest.hookimpl(trylast=True)\n"
            "def pytest_runtest_teardown(item):\n"
            "    if '[average]' in item.name:\n"
            "        replace_file('model.pth', 'other.pth')\n"
        )
    two.write("conftest.py", text)

    result = two.run(TOKENS, REPORT, "--dist=loadfile" if "-n" in mode else "-q", *mode)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"ERROR: model.pth: {CHANGED}" in [
        line.replace(f"{two.path}/", "") for line in result.outlines
    ]
    (suite,) = two.results()["suites"]
    assert suite["outcome"] == "failed"


def test_a_checkpoint_that_is_only_touched(two: Project) -> None:
    """Times are no content."""
    two.write(
        "conftest.py",
        AT_A_RECORD.format(item="r3", file="model.pth").replace(
            'replace_file("model.pth", "other.pth")',
            'shutil.copy("model.pth", "copy"); shutil.copy("copy", "model.pth")',
        ),
    )

    result = two.run(TOKENS, REPORT)

    result.assert_outcomes(passed=5)


@MODES
def test_a_checkpoint_that_nothing_tests(project: Project, mode: tuple[str, ...]) -> None:
    """Whoever names one on the command line means it to be tested."""
    project.suite(records(3))
    save_model(project.path / "model.pth")

    result = project.run("--llm-judge-checkpoint=model.pth", *mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "ERROR: --llm-judge-checkpoint: model.pth is tested by nothing: all responses are taken "
        "from the records; leave it out, or take responses= out of the marker"
    ) in result.errlines


def test_a_checkpoint_that_nothing_tests_in_pairs(project: Project) -> None:
    """Two fields of the records are compared without any model."""
    rows = [{**row, "old": "something else"} for row in records(3)]
    project.pairs(rows, 'responses="model_response", against="old", min_win_rate=0.1')
    save_model(project.path / "model.pth")

    result = project.run("--llm-judge-checkpoint=model.pth")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    start = "ERROR: --llm-judge-checkpoint: model.pth is tested by nothing: "
    assert sum(line.startswith(start) for line in result.errlines) == 1


def test_a_checkpoint_that_only_a_plain_test_asks(project: Project) -> None:
    """A test of the user's own with ``llm_model`` tests it; so it may be named."""
    project.suite(records(3))
    project.write("test_plain.py", "def test_it(llm_model):\n    assert llm_model.fingerprint\n")
    save_model(project.path / "model.pth")

    project.run("--llm-judge-checkpoint=model.pth").assert_outcomes(passed=5)


def test_a_baseline_replaced_before_the_workers_read_it(project: Project) -> None:
    """The terminal's process has read the other one."""
    project.suite(records(6), 'responses="model_response", min_average=1')
    project.run("--llm-judge-report=base.json")
    low = json.loads((project.path / "base.json").read_text("utf-8"))
    low["created"] = "2020-01-01T00:00:00+00:00"
    project.write("low.json", low)
    project.write(
        "conftest.py",
        f"{REPLACE}\nif os.environ.get('PYTEST_XDIST_WORKER'):\n"
        "    replace_file('base.json', 'low.json')\n",
    )

    result = project.run_subprocess("--llm-judge-baseline=base.json", "-n", "2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = {line for line in result.errlines if line.startswith("ERROR")}
    assert line.startswith(
        "ERROR: base.json: its content is not the same in all processes of this run ("
    )
    assert line.endswith("; run again when nothing writes to it")
