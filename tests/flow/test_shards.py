"""Shards of a run: each runs its own samples, and merged they are the run that was not sharded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.kinds.document import shard_digest
from pytest_llmjudge.sharding import shard_of
from tests.flow.test_answering_names import serving
from tests.support.fake_ollama import FakeOllama, always
from tests.support.project import MODEL, Project, records
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[2] / "example_suite" / "mmlu"
SUITE = "test_suite.py::test_instructions"
MERGED = "decided by the merge"
RESPONSES = 'responses="model_response"'
# One model that answers, scores and encodes, and a judge that reads scores off responses.
CONFTEST = """
import pytest
from pytest_llmjudge import Preference, Verdict

class Model:
    fingerprint = "model-1"
    context_length = 10_000

    def generate(self, prompts, *, max_new_tokens):
        return [f"It is {len(prompt) % 7}." for prompt in prompts]

    def encode(self, text):
        return list(text.encode())

    def encode_pair(self, prompt, reference, *, chat, end):
        return [1] * len(prompt.split()), [2] * (len(reference.split()) + end)

    def score(self, contexts):
        for context in contexts:
            yield [
                -sum(sum(context.ids[-9:]) * 7 % 97 / 13 + byte / 3 for byte in branch) / 50
                for branch in context.branches
            ]

class Judge:
    fingerprint = "judge-1"

    def score(self, record, response):
        given = response.split()[0]
        if given == "mute":
            return Verdict(None, reply="well", error="it wrote no score; ask again")
        return Verdict(int(given), reply=given)

    def compare(self, record, a, b):
        first, second = (text.split()[0] for text in (a, b))
        winner = "tie" if first == second else "a" if int(first) > int(second) else "b"
        return Preference(winner, {"a": ("A", "B"), "b": ("B", "A"), "tie": ("A", "A")}[winner])

@pytest.fixture(scope="session")
def llm_model():
    return Model()

@pytest.fixture(scope="session")
def llm_judge():
    return Judge()
"""
TESTS = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=50,
                       min_average={{"all": 70, "odd": 60}}, by="parity", max_judge_bias={bias})
def test_judged(verdict, record):
    assert record.id != {broken!r}

@pytest.mark.llm_judge("data.json", responses="model_response", min_average={average})
@pytest.mark.xfail(strict={strict}, reason="known")
def test_expected(record):
    pass

@pytest.mark.llm_compare("data.json", responses="model_response", against="old", min_win_rate=0.5)
def test_pairs(preference):
    pass

@pytest.mark.llm_mmlu({mmlu!r}, shots=1, min_accuracy={accuracy})
def test_mmlu(mmlu_result):
    pass

@pytest.mark.llm_choices("choices.jsonl", mode="continuation", min_accuracy={accuracy})
def test_choices(choice):
    pass

@pytest.mark.llm_exact("data.json", min_accuracy={accuracy})
def test_exact(exact):
    pass

@pytest.mark.llm_loss("data.json", max_perplexity={perplexity})
def test_loss(loss):
    pass
"""
GOOD: dict[str, object] = {
    "bias": 20,
    "broken": "",
    "average": 99,
    "strict": False,
    "mmlu": str(EXAMPLE),
    "accuracy": 0,
    "perplexity": 1e9,
}
BAD: dict[str, Any] = {
    "bias": 1,
    "broken": "r3",
    "average": 1,
    "strict": True,
    "accuracy": 0.99,
    "perplexity": 1.01,
}


FAIR = tuple(70 + 3 * (number % 9) for number in range(30))


def judged(*scores: int | str) -> list[dict[str, Any]]:
    """Make records to which the judge of the project gives these scores."""
    return [
        {
            **record,
            "model_response": f"{score} points",
            "old": f"{60 + 5 * (number % 3)} points",
            "parity": "odd" if number % 2 else "even",
            **({"human_score": score if isinstance(score, int) else 5} if number % 3 else {}),
        }
        for number, (record, score) in enumerate(zip(records(len(scores)), scores, strict=True))
    ]


def write_all_kinds(project: Project, *scores: int | str, **more: object) -> None:
    """Write a suite of each kind over records with these scores."""
    project.write("conftest.py", CONFTEST)
    project.write("data.json", judged(*scores))
    rows = (
        {"id": f"q{n}", "question": f"Which is {n}?", "choices": ["yes", "no"], "answer": n % 2}
        for n in range(7)
    )
    project.write("choices.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    project.write("test_all.py", TESTS.format(**{**GOOD, **more}))


def run_shards(project: Project, count: int, *arguments: str) -> list[pytest.RunResult]:
    """Run all shards, each with a results file of its own."""
    return [
        project.run(
            f"--llm-judge-shard={number}/{count}",
            f"--llm-judge-report=shard-{number}.json",
            *arguments,
        )
        for number in range(1, count + 1)
    ]


def files(count: int) -> list[str]:
    return [f"shard-{number}.json" for number in range(1, count + 1)]


@pytest.fixture
def merge(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Merge files in the project's folder, into merged.json."""

    def merge(*arguments: str) -> int:
        monkeypatch.chdir(project.path)
        return main(["merge", *arguments, "--out=merged.json"])

    return merge


@pytest.mark.parametrize("case", ["good", "bad"])
def test_a_merge_of_all_kinds_is_the_whole_run(
    project: Project, merge: Callable[..., int], case: str
) -> None:
    """With every gate, failures of bodies, expected failures and records without a score."""
    scores: tuple[int | str, ...] = FAIR if case == "good" else (90, 20, "mute", *FAIR)
    write_all_kinds(project, *scores, **({} if case == "good" else BAD))

    shards = run_shards(project, 3)

    whole = project.run("--llm-judge-report=whole.json")
    status = merge(*files(3))
    assert project.results("merged.json") == project.results("whole.json")
    assert status == whole.ret == int(case == "bad")
    assert max(shard.ret for shard in shards) == status


PASSES = {"default": "passed", "error": "failed"}


@pytest.mark.parametrize("warnings", PASSES)
def test_a_merge_compares_with_the_baseline(
    project: Project,
    merge: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    warnings: str,
) -> None:
    """By the same rule over the same records, whatever the kind; what is inconclusive may pass."""
    # A margin for losses as well, which an option cannot give.
    terms = {"perplexity": "1e9, max_rise=0.01", "accuracy": 0.01}
    suites = () if warnings == "default" else ("test_all.py::test_judged",)
    write_all_kinds(project, *FAIR, **terms)
    project.run("--llm-judge-report=old.json", *suites)
    write_all_kinds(project, *(score - number % 5 for number, score in enumerate(FAIR)), **terms)
    conftest = CONFTEST.replace("model-1", "model-2").replace("/ 50", "/ 40")
    project.write("conftest.py", conftest)
    arguments = (
        "--llm-judge-baseline=old.json",
        "--llm-judge-baseline-rule=not-worse",
        "--llm-judge-max-drop=3",
        "--llm-judge-inconclusive=warn",
        f"-W{warnings}::pytest.PytestWarning",
        *suites,
    )

    run_shards(project, 3, *arguments)

    whole = project.run("--llm-judge-report=whole.json", *arguments)
    status = merge(*files(3))
    merged = project.results("merged.json")
    assert merged == project.results("whole.json")
    assert status == whole.ret == int(warnings == "error" or not suites)
    printed = capsys.readouterr().out
    for name in ("merged.json", "shard-1.json"):
        assert main(["report", name, f"--html={name}.html", "--baseline=old.json"]) == 0
    decided = {
        (suite["name"], gate["outcome"], gate.get("cause"))
        for suite in merged["suites"]
        for gate in suite["gates"]
        if gate["name"] == "baseline"
    }
    assert "inconclusive" in {cause for _, outcome, cause in decided if outcome == PASSES[warnings]}
    for name, outcome, cause in decided:
        word = "FAILED" if outcome == "failed" else "WARNING" if cause else ""
        assert (f"{word}: {name}[baseline]: " in printed) == bool(word)


def test_one_shard(project: Project, dist: tuple[str, ...]) -> None:
    """Other samples are deselected, gates skipped once in words, and nothing more is generated."""
    content = records(9)
    mine = [record for record in content if shard_of(record["id"], 3) == 2]
    project.suite(content, "min_average=0, min_score=0")
    project.write("conftest.py", MODEL.format(answer="prompt"))

    result = project.run("--llm-judge-shard=2/3", "--llm-judge-report=results.json", "-rs", *dist)

    result.assert_outcomes(
        passed=len(mine), skipped=1, deselected=0 if "-n" in dist else 9 - len(mine)
    )
    assert result.ret == 0
    generated = (project.path / "generated.log").read_text("utf-8").split()
    assert sum(map(int, generated)) == len(mine)
    result.stdout.fnmatch_lines(
        [
            f"llm-judge: shard 2 of 3: {len(mine)} of 9 records; gates are decided by: llmjudge merge",
            f"SKIPPED [[]1] test_suite.py:4: {MERGED}",
        ]
    )
    document = project.results()
    (suite,) = document["suites"]
    ran = {record["id"] for record in suite["records"] if record["outcome"] == "passed"}
    assert ran == {record["id"] for record in mine} == {one["id"] for one in suite["records"]}
    assert suite["gates"] == [{"name": "average", "outcome": "not run", "reason": MERGED}]
    assert suite["outcome"] == "incomplete"


def test_a_shard_without_a_sample(project: Project, merge: Callable[..., int]) -> None:
    """It passes, says so, and is merged like the others."""
    project.suite(records(1))

    shards = run_shards(project, 2)

    (empty,) = {1, 2} - {shard_of("r0", 2)}
    assert [shard.ret for shard in shards] == [0, 0]
    shards[empty - 1].stdout.fnmatch_lines(
        [
            f"llm-judge: shard {empty} of 2: 0 of 1 record; gates are decided by: llmjudge merge",
            f"llm-judge: shard {empty} of 2 has no record of {SUITE}",
        ]
    )
    assert merge(*files(2)) == 0
    # Nobody sees what is decided where the output is full.
    code = "from pytest_llmjudge.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "merge", *files(2), "--out=merged.json"]
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 4


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_left_out_is_not_merged(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """By -k a sample or a gate, by -x all that follows, in whichever shard."""
    content = records(9, wrong=range(9))
    project.suite(content)
    run_shards(project, 2)
    own = [record["id"] for record in content if shard_of(record["id"], 2) == number]
    one = (f"--llm-judge-shard={number}/2", f"--llm-judge-report=shard-{number}.json")
    whole = "run it whole, without -k, -m, --lf and -x"

    for options, problem, names in (
        (("-k", f"not {own[0]}"), f"1 sample of shard {number}/2 was not run", own[:1]),
        (("-k", "not average"), f"1 gate of shard {number}/2 was not run", ["average"]),
        (("-x",), f"{len(own) - 1} samples of shard {number}/2 were not run", own[1:]),
    ):
        project.run(*one, *options)
        assert merge(*files(2)) == 4
        listed = ", ".join(f"{SUITE}[{name}]" for name in names)
        line = f"llmjudge: shard-{number}.json: {problem}; {whole} ({listed})\n"
        assert capsys.readouterr().err == line


def test_what_the_user_skips(project: Project, merge: Callable[..., int]) -> None:
    """A gate decides over records whose items are skipped, and may be skipped or expected to fail."""
    content = records(6, wrong=[1])
    content[2]["id"] = "r2 größe"
    project.suite(content, f"{RESPONSES}, min_average=0")
    hook = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "[r1]" in item.name or "[r2 " in item.name:
            item.add_marker(pytest.mark.skip)
        if "{gate}" in item.name:
            item.add_marker(pytest.mark.{mark})
"""
    for gate, mark in (
        ("none", "skip"),
        ("average", "skip"),
        ("average", "xfail(strict=True)"),
        ("average", "xfail(strict=True, raises=ValueError)"),
    ):
        project.write("conftest.py", hook.format(gate=gate, mark=mark))
        run_shards(project, 2)
        whole = project.run("--llm-judge-report=whole.json")

        assert merge(*files(2)) == whole.ret == int("strict" in mark)
        assert project.results("merged.json") == project.results("whole.json")


def test_what_runs_again(project: Project, merge: Callable[..., int]) -> None:
    """What pytest-rerunfailures has passed counts; what --lf alone has run is not merged."""
    project.suite(records(6), f"{RESPONSES}, min_average=0")
    hook = """
import os

def pytest_runtest_setup(item):
    if "[r{number}]" in item.name and not os.path.exists("again"):
        open("again", "w").close()
        assert os.environ.get("FLAKY") is None
"""
    first = min(number for number in range(6) if shard_of(f"r{number}", 2) == 1)
    project.write("conftest.py", hook.format(number=first))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAKY", "1")
        flaky = run_shards(project, 2)
        assert merge(*files(2)) == 1
        (project.path / "again").unlink()
        again = run_shards(project, 2, "--reruns=1")

    assert [shard.ret for shard in flaky] == [1, 0]
    assert [shard.ret for shard in again] == [0, 0]
    assert again[0].parseoutcomes()["rerun"] == 1
    assert merge(*files(2)) == 0
    assert project.results("merged.json")["suites"][0]["outcome"] == "passed"
    (project.path / "again").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAKY", "1")
        project.run("--llm-judge-shard=1/2", "--llm-judge-report=shard-1.json")
    project.run("--llm-judge-shard=1/2", "--llm-judge-report=shard-1.json", "--lf")
    assert merge(*files(2)) == 4


@pytest.mark.parametrize("check", ["strict", "warn"])
def test_a_judge_that_is_not_fit(project: Project, merge: Callable[..., int], check: str) -> None:
    """Each shard asks it about known answers, and what they say of it is what the run says."""
    project.suite(records(6), f"{RESPONSES}, min_average=1")
    arguments = (f"--llm-judge-check={check}", "-Wdefault")

    with FakeOllama(always("50")) as server:
        shards = [
            project.run(
                f"--llm-judge-shard={number}/2",
                f"--llm-judge-report=shard-{number}.json",
                *arguments,
                server=server.url,
            )
            for number in (1, 2)
        ]
        whole = project.run("--llm-judge-report=whole.json", *arguments, server=server.url)

    assert {shard.ret for shard in shards} == {whole.ret} == {int(check == "strict")}
    assert merge(*files(2)) == whole.ret
    assert project.results("merged.json") == project.results("whole.json")


@pytest.mark.parametrize("average", [1, 100])
def test_a_shard_that_failed_beside_its_suites(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str], average: int
) -> None:
    """No suite need say why the merge fails, nor one that is expected to: it says which shards did."""
    project.suite(records(4, wrong=[1]), f"{RESPONSES}, min_average={average}")
    project.write("conftest.py", EXPECTED)
    project.write("test_plain.py", "def test_plain():\n    assert False")
    run_shards(project, 2)
    whole = project.run("--llm-judge-report=whole.json")
    capsys.readouterr()

    assert merge(*files(2)) == whole.ret == 1
    assert capsys.readouterr().out.splitlines()[-3:-1] == [
        f"ERROR: shard-{number}.json: shard {number} of 2 ended with status 1 because of "
        "test_plain.py::test_plain; see what it said at its end"
        for number in (1, 2)
    ]
    assert project.results("merged.json") == project.results("whole.json")


def test_a_shard_whose_samples_failed(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its suites say why the merge fails, and so nothing else does."""
    project.suite(records(4, wrong=[0, 1, 2, 3]))
    assert [shard.ret for shard in run_shards(project, 2)] == [1, 1]
    capsys.readouterr()

    assert merge(*files(2)) == 1
    assert "ERROR" not in capsys.readouterr().out


AFTERWARDS = {
    "results hook": "def pytest_llm_judge_results(): raise ValueError",
    "status": "def pytest_sessionfinish(session): session.exitstatus = 1",
    "error": "def pytest_sessionfinish(session): raise ValueError",
    "summary": "def pytest_terminal_summary(): raise ValueError",
    "exit": "import pytest\ndef pytest_sessionfinish(): pytest.exit('No.', returncode=-255)",
}


@pytest.mark.parametrize("hook", AFTERWARDS.values(), ids=AFTERWARDS)
def test_a_shard_that_fails_when_its_file_is_written(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str], hook: str
) -> None:
    """The file says so all the same, as that of the whole run does."""
    project.suite(records(4))
    project.write("conftest.py", hook)
    for shard in run_shards(project, 2):
        assert shard.ret != 0
    project.run("--llm-judge-report=whole.json")
    capsys.readouterr()

    assert merge(*files(2)) == project.results("whole.json")["status"] == 1
    assert capsys.readouterr().out.splitlines()[-3:-1] == [
        f"ERROR: shard-{number}.json: shard {number} of 2 ended with status 1 because of neither a "
        "sample nor a gate; see what it said at its end"
        for number in (1, 2)
    ]


def test_a_status_that_a_hook_makes_better(project: Project) -> None:
    """What failed stays so in the file."""
    project.suite(records(2, wrong=[1]))
    project.write("conftest.py", "def pytest_sessionfinish(session): session.exitstatus = 0")

    assert project.run("--llm-judge-report=results.json").ret == 0
    assert project.results()["status"] == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [("GITHUB_RUN_ID 7", "GITHUB_RUN_ID 8"), ("none", "CI_PIPELINE_ID 9")],
)
def test_shards_of_two_ci_runs(
    project: Project,
    merge: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    first: str,
    second: str,
) -> None:
    """A file that was left by an earlier run is not merged, though it says the same of all else."""
    project.suite(records(2))
    for number, run in enumerate((first, second), 1):
        with monkeypatch.context() as patch:
            if run != "none":
                patch.setenv(*run.split())
            project.run(f"--llm-judge-shard={number}/2", f"--llm-judge-report=shard-{number}.json")
    capsys.readouterr()

    assert merge(*files(2)) == 4
    assert capsys.readouterr().err == (
        f"llmjudge: shard-2.json: it is of another CI run than shard-1.json ({second}, and "
        f"{first}); "
        "merge the shards of one run\n"
    )


def test_when_shards_were_begun(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without CI nothing but the time tells that a file was left by an earlier run."""
    project.suite(records(2))
    run_shards(project, 2)
    begun = [json.loads((project.path / name).read_text("utf-8"))["created"] for name in files(2)]
    capsys.readouterr()

    assert merge(*files(2)) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        f"shards: begun between {begun[0]} (shard-1.json) and {begun[1]} (shard-2.json)"
    )


EXPECTED = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "average" in item.name:
            item.add_marker(pytest.mark.xfail)
"""


REQUIRE = "[pytest]\nllm_judge_require = test_suite.py\n"


@pytest.mark.parametrize("case", ["whole", "missing", "skipped"])
def test_what_is_required(
    project: Project,
    merge: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    """A shard lacks nothing that another one has; the merge proves that all of it has passed."""
    project.suite(records(6))
    project.write("tox.ini", REQUIRE)
    if case == "skipped":
        hook = (
            "def pytest_runtest_setup(item):\n    if '[r3]' in item.name:\n        pytest.skip()\n"
        )
        project.write("conftest.py", f"import pytest\n{hook}")
    more = ("-k", f"not r{3}") if case == "missing" else ()

    shards = run_shards(project, 2, *more)

    if case == "missing":
        assert sorted(shard.ret for shard in shards) == [0, 4]
        return
    whole = project.run("--llm-judge-report=whole.json")
    assert [shard.ret for shard in shards] == [0, 0]
    assert merge(*files(2)) == whole.ret == int(case == "skipped")
    assert project.results("merged.json") == project.results("whole.json")
    problem = "tox.ini: llm_judge_require: 1 item of test_suite.py was skipped or expected to fail"
    assert (f"ERROR: {problem}; let them run" in capsys.readouterr().out) == (case == "skipped")


@pytest.mark.parametrize(
    "command",
    [
        ("compare", "shard-1.json", "shard-1.json"),
        ("history", "shard-1.json"),
        ("power", "shard-1.json", "--drop=5"),
    ],
    ids=lambda command: str(command[0]),
)
def test_a_shard_is_no_run(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    """Whoever reads results files says what to do with a shard's."""
    project.suite(records(2))
    project.run("--llm-judge-shard=1/2", "--llm-judge-report=shard-1.json")
    monkeypatch.chdir(project.path)

    assert main(list(command)) == 2

    problem = "it holds shard 1 of 2; merge the shards first (llmjudge merge)"
    assert capsys.readouterr().err == f"llmjudge: shard-1.json: {problem}\n"
    if command[0] == "power":
        result = project.run("--llm-judge-baseline=shard-1.json")
        assert result.ret == 4
        assert (
            f"ERROR: --llm-judge-baseline {project.path / 'shard-1.json'}: {problem}"
            in result.errlines
        )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("--llm-judge-shard=1/2",),
            (
                "--llm-judge-shard: nothing of a shard can be merged without its results file; "
                "add --llm-judge-report=FILE"
            ),
        ),
        (
            (
                "--llm-judge-shard=1/2",
                "--llm-judge-report=a.json",
                "--llm-judge-model=llama3",
                "--llm-judge-explain=3",
            ),
            (
                "--llm-judge-shard: which responses are the worst of a suite is known once its "
                "shards are merged; leave out --llm-judge-explain, or give it all"
            ),
        ),
    ],
    ids=["report", "explain"],
)
def test_options_in_vain(project: Project, options: tuple[str, ...], line: str) -> None:
    """They end the run before any work."""
    project.suite(records(2))

    result = project.run(*options)

    assert result.ret == 4
    assert [text for text in result.errlines if text] == [f"ERROR: {line}"]


def test_tests_of_two_commits(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """What their bodies and fixtures assert decides as well."""
    project.suite(records(4), f"{RESPONSES}, min_average=1")
    project.write("conftest.py", "")
    project.run("--llm-judge-shard=1/2", "--llm-judge-report=shard-1.json")
    project.write("conftest.py", "# Another commit.")
    tests = project.path / "test_suite.py"
    tests.write_text(f"{tests.read_text('utf-8')}    assert True\n", "utf-8")
    project.run("--llm-judge-shard=2/2", "--llm-judge-report=shard-2.json")

    assert merge(*files(2)) == 4

    problem = "its content is not the same in shard-1.json and shard-2.json"
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        f"llmjudge: {name}: {problem}" for name in ("conftest.py", "test_suite.py")
    ]


TOKENS = "--llm-judge-max-new-tokens=4"
ELSEWHERE = """
import os, pytest

@pytest.mark.llm_judge(os.environ["PLACE"] + "/data.json", min_average=0.1,
                       training=os.environ["PLACE"] + "/training.json")
def test_instructions(verdict):
    pass
"""


def test_files_that_lie_elsewhere(
    project: Project, merge: Callable[..., int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On another machine they have other paths: what they hold is compared."""
    project.write("test_suite.py", ELSEWHERE)
    places = [tmp_path_factory.mktemp(f"machine-{number}") for number in (1, 2)]
    for place in places:
        (place / "data.json").write_text(json.dumps(records(6)), "utf-8")
        (place / "training.json").write_text(
            json.dumps([{"instruction": "Go.", "output": "Gone."}]), "utf-8"
        )
        (place / "prompt.txt").write_text("Say {instruction}:", "utf-8")
        save_model(place / "model.pth")
    with pytest.MonkeyPatch.context() as patch:
        for number, place in enumerate(places, 1):
            patch.setenv("PLACE", str(place))
            files_there = [f"--llm-judge-{name}={place / file}" for name, file in THERE]
            if number == 1:
                project.run(TOKENS, "--llm-judge-report=old.json", *files_there)
            shutil.copy(project.path / "old.json", place / "old.json")
            result = project.run(
                TOKENS,
                f"--llm-judge-shard={number}/2",
                f"--llm-judge-report=shard-{number}.json",
                f"--llm-judge-baseline={place / 'old.json'}",
                *files_there,
                *WRITTEN[number],
            )
            assert result.ret == 0
    (places[0] / "old.json").unlink()

    status = merge(*files(2), f"--baseline={places[1] / 'old.json'}")

    assert status == 0
    (suite,) = project.results("merged.json")["suites"]
    assert [gate["outcome"] for gate in suite["gates"]] == ["passed"] * len(suite["gates"])
    assert suite["scored"] == 6


THERE = (("checkpoint", "model.pth"), ("prompt", "prompt.txt"))
WRITTEN = {
    1: ("--llm-judge-html=a.html", "--llm-judge-markdown=a.md", "--llm-judge-responses=a"),
    2: ("--llm-judge-annotations=github",),
}
"""Reports, which decide nothing."""


@pytest.mark.parametrize("changed", ["", "../tests/conftest.py", "../tests/test_suite.py"])
def test_tests_outside_the_root(
    project: Project,
    merge: Callable[..., int],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    changed: str,
) -> None:
    """They are compared by their place from the root, which is the same on all machines."""
    project.suite(records(4), f"{RESPONSES}, min_average=1")
    project.write("conftest.py", "")
    for number in (1, 2):
        place = tmp_path_factory.mktemp(f"machine-{number}")
        (place / "root").mkdir()
        shutil.copytree(project.path, place / "tests")
        if changed and number == 2:
            with (place / "root" / changed).open("a", encoding="utf-8") as file:
                file.write("\n# Another commit.\n")
        result = project.run(
            f"--rootdir={place / 'root'}",
            f"--llm-judge-shard={number}/2",
            f"--llm-judge-report={project.path / f'shard-{number}.json'}",
            str(place / "tests"),
        )
        assert result.ret == 0

    assert merge(*files(2)) == (4 if changed else 0)

    line = f"llmjudge: {changed}: its content is not the same in shard-1.json and shard-2.json ("
    assert capsys.readouterr().err.startswith(line if changed else "")


def test_a_model_that_changed(project: Project, merge: Callable[..., int]) -> None:
    """During one shard: nothing of it passes, as in the run of the whole."""
    save_model(project.path / "model.pth")
    (project.path / "elsewhere").mkdir()
    save_model(project.path / "elsewhere" / "model.pth", seed=9)
    (project.path / "elsewhere" / "model.pth").rename(project.path / "other.pth")
    shutil.copy(project.path / "model.pth", project.path / "good.pth")
    project.write("prompt.txt", "Say {instruction}:")
    project.suite(records(4), 'min_average=0, prompt="prompt.txt"')
    project.write("conftest.py", CHANGING)
    for number, changes in ((1, ""), (2, "model.pth"), (0, "model.pth")):
        shutil.copy(project.path / "good.pth", project.path / "model.pth")
        part = (f"--llm-judge-shard={number}/2",) if number else ()
        name = f"shard-{number}.json" if number else "whole.json"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHANGES", changes)
            result = project.run(
                TOKENS, "--llm-judge-checkpoint=model.pth", f"--llm-judge-report={name}", *part
            )
        assert result.ret == int(bool(changes))

    assert merge(*files(2)) == 1
    assert project.results("merged.json") == project.results("whole.json")
    (suite,) = project.results("merged.json")["suites"]
    assert suite["outcome"] == "failed"
    # Wherever that shard had it.
    shutil.copy(project.path / "good.pth", project.path / "elsewhere" / "model.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHANGES", "elsewhere/model.pth")
        project.run(
            TOKENS,
            "--llm-judge-checkpoint=elsewhere/model.pth",
            "--llm-judge-shard=2/2",
            "--llm-judge-report=shard-2.json",
        )
    assert merge(*files(2)) == 1
    (suite,) = project.results("merged.json")["suites"]
    assert suite["checkpoint"]["path"] == "model.pth"
    assert suite["outcome"] == "failed"


CHANGING = """
import os, shutil, pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem):
    if nextitem is None and os.environ["CHANGES"]:
        shutil.copy("other.pth", os.environ["CHANGES"])
"""


def _always_named(name: str) -> Callable[[int], str]:
    return lambda _: name


def test_models_that_answered_under_other_names(
    project: Project, merge: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway took another model for one of the shards, which no fingerprint tells."""
    project.suite(records(4), "min_average=0")
    for number, name in ((1, "m:70b"), (2, "m:1b")):
        with serving(_always_named(name)) as server:
            project.run(
                f"--llm-judge-shard={number}/2",
                f"--llm-judge-report=shard-{number}.json",
                "--llm-judge-checkpoint=openai:m",
                f"--llm-judge-checkpoint-url={server.url}/v1",
                "--llm-judge-cache=off",
            )
        # The fingerprint has the address.
        path = project.path / f"shard-{number}.json"
        document = json.loads(path.read_text("utf-8"))
        document["shard"]["suites"][SUITE]["checkpoint"][1] = "f" * 64
        document["shard"]["agreed"][f"{SUITE} checkpoint"]["value"] = "f" * 64
        document["shard"]["digest"] = shard_digest(document)
        path.write_text(json.dumps(document), "utf-8")

    assert merge(*files(2)) == 4

    line = "model under test openai:m: its answering name is not the same in shard-1.json and "
    assert capsys.readouterr().err == (
        f"llmjudge: {line}shard-2.json (m:70b and m:1b); run all shards in the same way\n"
    )
