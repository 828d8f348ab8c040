"""A judge that runs in this process: whole runs, and what ends one before it starts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.cli import main
from tests.support.project import Project, records
from tests.unit.generation.hugging import save_folder, warm_up
from tests.unit.generation.judges import save_judge
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Sequence

JUDGE = "--llm-judge-model=local:judge"
WEIGHTED = "--llm-judge-ask=weighted"
REPORT = "--llm-judge-report=results.json"
TURNS = (
    "llm-judge: the judge runs in this process (native engine); it and a model under test that "
    "does too are in memory one after the other"
)
WATCHED = """
import pytest
from pytest_llmjudge.generation.base import LocalModel

original = LocalModel.__dict__["_loaded"].func

def load(model):
    loaded = original(model)
    with open("loaded.log", "a") as log:
        names = [model.path.name]
        room = model.room
        names += [other.path.name for other in (room._judge, *room._tested) if other.is_loaded]
        log.write(" ".join(names) + "\\n")
    return loaded

LocalModel.__dict__["_loaded"].func = load

def pytest_unconfigure():
    LocalModel.__dict__["_loaded"].func = original
"""
"""A conftest that notes what is in memory whenever a model was loaded."""


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def suite(project: Project) -> Project:
    """Six records with wrong responses of their own, and a tiny judge."""
    content = records(6, wrong=range(6))
    project.suite(content, 'responses="model_response", min_average=0')
    save_judge(project.path / "judge")
    return project


def error_of(result: pytest.RunResult) -> str:
    """The one line with which a run ended before its work."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    return error.removeprefix("ERROR: ")


@pytest.mark.parametrize("ask", ["weighted", "integer"])
def test_a_judge_without_a_server(suite: Project, ask: str, dist: Sequence[str]) -> None:
    """It scores all records, and a second run finds its verdicts in the cache."""
    how = JUDGE, f"--llm-judge-ask={ask}", REPORT

    result = suite.run(*how, *dist)

    result.assert_outcomes(passed=7)
    weighted = ", weighted" if ask == "weighted" else ""
    result.stdout.fnmatch_lines(
        [f"llm-judge: judge local:judge (local, digest ????????????{weighted})", TURNS]
    )
    first = suite.results()
    assert first["judge"]["backend"] == "local"
    (suite.path / "judge" / "model.safetensors").touch()
    suite.run(*how, "-rA").assert_outcomes(passed=7)
    assert suite.results() == first


def test_explanations(suite: Project, mode: Sequence[str]) -> None:
    """The process that owns the terminal loads the judge and asks it; all else stays as it was."""
    suite.suite(records(6, wrong=range(6)), 'responses="model_response", min_average=100')
    how = JUDGE, WEIGHTED, REPORT, *mode
    without = suite.run(*how)
    before = suite.results()

    result = suite.run(*how, "--llm-judge-explain=2")

    assert result.ret == without.ret == pytest.ExitCode.TESTS_FAILED
    after = suite.results()
    rows = after["suites"][0]["records"]
    asked = [row for row in rows if "explanation" in row]
    # What a tiny judge writes is no sentence, or nothing.
    assert all(row.pop("explanation") or row.pop("explanation_error") for row in asked)
    assert len(asked) == 2
    assert after == before


def test_what_is_asked_together_does_not_matter(suite: Project) -> None:
    """Scores of single records are those of a whole run."""
    suite.run(JUDGE, WEIGHTED, REPORT)
    (whole,) = suite.results()["suites"]

    for number in range(2):
        suite.run(
            JUDGE,
            WEIGHTED,
            REPORT,
            "--llm-judge-cache=off",
            f"test_suite.py::test_instructions[r{number}]",
        )
        (part,) = suite.results()["suites"]
        assert part["records"][number]["score"] == whole["records"][number]["score"]


def test_a_judge_of_itself(project: Project, dist: Sequence[str]) -> None:
    """The run says so where the judge is the model under test, and nowhere else."""
    project.suite(records(2), 'prompt="chat", min_average=0')
    save_judge(project.path / "judge")
    run = JUDGE, WEIGHTED, "--llm-judge-max-new-tokens=4", *dist

    same = project.run(*run, "--llm-judge-checkpoint=judge")
    save_folder(project.path / "other")
    other = project.run(*run, "--llm-judge-checkpoint=other")

    note = (
        "test_suite.py::test_instructions: the judge is the model under test (judge), and models "
        "rate their own responses higher than others do; take another judge"
    )
    same.stdout.fnmatch_lines([f"*{note}*"])
    other.stdout.no_fnmatch_line("*the judge is the model under test*")


def test_an_unfit_judge(suite: Project) -> None:
    """The check of known answers refuses it, so that it was really asked."""
    result = suite.run(JUDGE, WEIGHTED, "--llm-judge-check=strict")

    result.assert_outcomes(failed=1, errors=7)
    result.stdout.fnmatch_lines(
        ["judge local:judge: it does not tell right answers from wrong and empty ones, AUC *"]
    )


def test_in_turns_with_the_model_under_test(project: Project, mode: Sequence[str]) -> None:
    """No process has both in memory, and all records are answered and judged."""
    project.suite(records(4), 'prompt="raw", min_average=0')
    save_judge(project.path / "judge")
    save_model(project.path / "candidate.pth")
    project.write("conftest.py", WATCHED)

    candidate = ("--llm-judge-checkpoint=candidate.pth", "--llm-judge-max-new-tokens=4")
    check = ("--llm-judge-check=warn", "-Wdefault")
    result = project.run(JUDGE, WEIGHTED, *candidate, *check, *mode)

    result.assert_outcomes(passed=6)
    log = (project.path / "loaded.log").read_text("utf-8").splitlines()
    assert set(log) == {"candidate.pth", "judge"}
    assert mode or log == ["judge", "candidate.pth", "judge"]


def test_pairs(project: Project) -> None:
    """It chooses between answers, in both orders."""
    content = [{**record, "other": "zzz"} for record in records(4, wrong=range(4))]
    project.pairs(content, 'responses="model_response", against="other", min_win_rate=0.01')
    save_judge(project.path / "judge")

    project.run(JUDGE, REPORT).assert_outcomes(passed=5)

    (compared,) = project.results()["suites"]
    assert {record["winner"] for record in compared["records"]} <= {"a", "b", "tie"}
    assert all(len(record["orders"]) == 2 for record in compared["records"])


def test_samples(suite: Project) -> None:
    """Several verdicts are drawn with seeds of their own, the same in every run."""
    documents = []
    for _ in range(2):
        suite.run(JUDGE, "--llm-judge-samples=3", REPORT, "--llm-judge-cache=off")
        documents.append(suite.results())

    samples = [record["samples"] for record in documents[0]["suites"][0]["records"]]
    assert any(len(set(drawn)) > 1 for drawn in samples)
    assert documents[0] == documents[1]


def test_in_the_body_of_a_test(suite: Project) -> None:
    """The fixture asks it as well."""
    suite.write(
        "test_suite.py",
        """
from pytest_llmjudge import Record

def test_directly(llm_judge):
    record = Record("r", "Say it.", "", "It.", {})
    assert llm_judge.score(record, "That.").score is not None
""",
    )

    suite.run(JUDGE, WEIGHTED).assert_outcomes(passed=1)


def test_a_judge_that_is_replaced(suite: Project) -> None:
    """What was judged is thrown away, and nothing is decided."""
    save_folder(suite.path / "other")
    suite.write(
        "test_suite.py",
        """
import shutil
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_average=0)
def test_instructions(verdict):
    shutil.copy("other/model.safetensors", "judge")
""",
    )

    result = suite.run(JUDGE, WEIGHTED)

    problem = "the judge was replaced during the run; run again when nobody writes to it"
    result.stdout.fnmatch_lines([f"{suite.path / 'judge'}: {problem}"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


NO_TEMPLATE = (
    "{path}: it has no chat template, which a judge is asked through; name the folder of a model "
    "that was finetuned to chat"
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            "local:",
            '--llm-judge-model: "local:" names no folder; write local: and the path of a '
            "Hugging Face folder",
            id="nothing",
        ),
        pytest.param(
            "local:missing",
            "{path}: no such folder; download the model into it, or correct --llm-judge-model",
            id="missing",
        ),
        pytest.param("local:plain", NO_TEMPLATE, id="no template"),
        pytest.param("local:model.pth", NO_TEMPLATE, id="a checkpoint"),
        pytest.param(
            "local:judge --llm-judge-url=http://localhost:1",
            "--llm-judge-url: a judge that is named local: runs in this process, and answers at no "
            "address; leave it out, or name a judge at a server",
            id="an address",
        ),
        pytest.param(
            "local:judge --llm-judge-concurrency=2 --llm-judge-timeout=9",
            "--llm-judge-concurrency, --llm-judge-timeout: no model of this run is at a server; "
            "leave it out",
            id="requests",
        ),
        pytest.param(
            "local:judge --llm-judge-context=4096",
            "--llm-judge-context: a judge in this process has the context of its model; leave it out",
            id="context",
        ),
    ],
)
def test_what_ends_a_run_before_it_starts(suite: Project, arguments: str, expected: str) -> None:
    """In one line each."""
    save_folder(suite.path / "plain", template=None)
    save_model(suite.path / "model.pth")
    name, *others = arguments.split()

    result = suite.run(f"--llm-judge-model={name}", *others)

    path = suite.path / name.removeprefix("local:")
    assert error_of(result) == expected.format(path=path)


def test_options_of_an_ini_file(suite: Project) -> None:
    """A judge is found from there; an address there waits for another judge, but not for this."""
    ini = "[pytest]\n{}llm_judge_url = http://localhost:1\nllm_judge_concurrency = 3\n"
    suite.write("pytest.ini", ini.format(""))
    suite.run(JUDGE, WEIGHTED).assert_outcomes(passed=7)
    suite.write("pytest.ini", ini.format("llm_judge_model = local:judge\n"))

    result = suite.pytester.runpytest("--llm-judge")

    assert error_of(result).startswith("pytest.ini: llm_judge_url: a judge that is named local: ")


def test_shards_with_the_judge_in_two_places(
    suite: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it lies on a machine decides nothing."""
    shutil.copytree(suite.path / "judge", suite.path / "copy")

    for number, folder in ((1, "judge"), (2, "copy")):
        result = suite.run(
            f"--llm-judge-model=local:{folder}",
            WEIGHTED,
            f"--llm-judge-shard={number}/2",
            f"--llm-judge-report=shard-{number}.json",
        )
        assert result.ret == 0

    monkeypatch.chdir(suite.path)
    assert main(["merge", "shard-1.json", "shard-2.json", "--out=merged.json"]) == 0
    assert suite.results("merged.json")["judge"]["model"].endswith("judge")
