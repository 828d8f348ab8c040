"""Exact answers: what is extracted from them decides, in all modes and beside other releases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from tests.support.benchmark_sets import rows_of, write_set
from tests.support.fake_ollama import DIGEST, Answer, FakeOllama
from tests.unit.generation import hugging
from tests.unit.generation.tiny import VOCABULARY, save_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.project import Project

TEST = """
import pytest

@pytest.mark.llm_exact({arguments})
def test_exact(exact, response):
    assert exact.response == response
"""
CONFTEST = """
import pytest

ANSWERS = {answers!r}

class Canned:
    fingerprint = {fingerprint!r}

    def generate(self, prompts, *, max_new_tokens):
        with open("generated.log", "a") as log:
            log.writelines(f"{{prompt!r}} {{max_new_tokens}}\\n" for prompt in prompts)
        return [self._answer(prompt.rpartition("Question: ")[2]) for prompt in prompts]

    def _answer(self, prompt):
        return next((answer for asks, answer in ANSWERS.items() if asks in prompt), "none")

@pytest.fixture(scope="session")
def llm_model():
    return Canned()
"""
REPORT = "--llm-judge-report=results.json"
CHECKPOINT = "--llm-judge-checkpoint=model.pth"


def sums(count: int) -> list[dict[str, str]]:
    """Records whose answer is a number; every second one is in a category."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"What is {number} plus 1?",
            "output": f"It is {number + 1}.",
            **({"category": "odd"} if number % 2 else {}),
        }
        for number in range(count)
    ]


def write(
    project: Project,
    arguments: str = '"data.json", extract="last-number", min_accuracy=0.5',
    *,
    data: object = None,
    answers: Mapping[str, str] | None = None,
    fingerprint: str = "canned-1",
) -> None:
    if answers is None:
        answers = {f"is {number} plus": f"I say {number + 1}.0" for number in range(4)}
    project.write("data.json", sums(6) if data is None else data)
    project.write("test_exact.py", TEST.format(arguments=arguments))
    project.write("conftest.py", CONFTEST.format(answers=answers, fingerprint=fingerprint))


def the_suite(project: Project, name: str = "results.json") -> dict[str, Any]:
    (suite,) = project.results(name)["suites"]
    assert isinstance(suite, dict)
    return suite


def generated(project: Project) -> list[str]:
    return (project.path / "generated.log").read_text("utf-8").splitlines()


def refusal(result: pytest.RunResult) -> str:
    """Return the one line with which a run ended before any work."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.errlines if line)
    return line.removeprefix("ERROR: ")


def test_records(project: Project, dist: tuple[str, ...]) -> None:
    """Four of six are right; where nothing is found the answer is wrong, and not left out."""
    write(project, '"data.json", extract="last-number", min_accuracy={"all": 0.6, "odd": 0.7}')

    result = project.run(REPORT, "--junitxml=junit.xml", *dist)

    result.assert_outcomes(passed=7, failed=1)
    suite = the_suite(project)
    assert (suite["correct"], suite["accuracy"], suite["unscored"]) == (4, 0.6667, 0)
    assert suite["filters"] == {"last-number": {"correct": 4, "accuracy": 0.6667}}
    assert suite["categories"]["odd"]["accuracy"] == 0.6667
    assert [record["extracted"] for record in suite["records"]] == [
        *("1.0", "2.0", "3.0", "4.0", None, None)
    ]
    assert [record["correct"] for record in suite["records"]] == [True] * 4 + [False] * 2
    failed = "accuracy 0.6667 (2 of 3 records, 95 % CI 0.2077 to 0.9385) is below min_accuracy 0.7"
    assert failed in str(result.stdout)
    junit = (project.path / "junit.xml").read_text("utf-8")
    assert junit.count('name="llm_judge_correct" value="false"') == 2

    again = project.run("--llm-judge-report=again.json", *dist)

    again.assert_outcomes(passed=7, failed=1)
    assert len(generated(project)) == 6
    assert the_suite(project, "again.json") == suite


def test_a_part_of_a_suite(project: Project) -> None:
    """One record alone is asked alone, and of a part there is no accuracy."""
    write(project)

    project.run(REPORT, "-k", "r1").assert_outcomes(passed=1, deselected=6)

    suite = the_suite(project)
    assert (suite["outcome"], suite["accuracy"], suite["filters"]) == ("incomplete", None, {})
    assert len(generated(project)) == 1


def test_every_right(project: Project, mode: tuple[str, ...]) -> None:
    """A wrong answer fails its item, which shows what was asked, answered and extracted."""
    write(project, '"data.json", extract="regex:is (.*)[.]|say (.*)[.]0", every_right=True')

    result = project.run(REPORT, "--llm-judge-html=report.html", *mode)

    result.assert_outcomes(passed=5, failed=2)
    shown = (
        "E*it is answered wrong",
        "instruction:   What is 4 plus 1?",
        "reference:     It is 5.",
        "response:      none",
        "extracted:     (nothing found)",
    )
    output = str(result.stdout)
    assert all(line.removeprefix("E*") in output for line in shown)
    assert '"(nothing found) none" (right: "5")' in output
    assert "none" in (project.path / "report.html").read_text("utf-8")


def test_a_pattern_that_runs_away(project: Project, mode: tuple[str, ...]) -> None:
    """Its record is an error that names it, and neither right nor wrong; the others go on."""
    answers = {"is 0 plus": "a" * 60 + "!", **{f"is {n} plus": "a" for n in range(1, 6)}}
    data = [{**one, "output": "a"} for one in sums(3)]
    write(
        project,
        '"data.json", extract="regex:(a|aa)+$", min_accuracy=0.5',
        data=data,
        answers=answers,
    )

    result = project.run(REPORT, *mode)

    result.assert_outcomes(passed=2, errors=1, failed=1)
    suite = the_suite(project)
    first = suite["records"][0]
    assert (suite["unscored"], suite["accuracy"], suite["outcome"]) == (1, None, "incomplete")
    assert (first["correct"], first["cause"], first["response"]) == (None, "record", "a" * 60 + "!")
    problem = (
        'extract "(a|aa)+$": the pattern was stopped after 1 second on a text of 61 characters; '
        "write it without alternatives and repetitions that match the same text"
    )
    assert first["error"] == problem
    assert problem in str(result.stdout)


def problems() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return GSM8K's rows as JSON, and what is answered to each: right by both filters, by one ...

    by the other alone, by none, and without a number.
    """
    rows, _ = rows_of("gsm8k")
    answers = {}
    for number, row in enumerate(rows):
        right = row["answer"].rpartition("#### ")[2]
        answers[row["question"]] = [
            f" It is so.\n#### {right}.\nQuestion: And then?\n#### 0",
            f" The answer is ${right}.",
            f" #### {right}\nNo, 123456.",
            " #### 123456",
            " Nobody knows.",
        ][number % 5]
    return rows, answers


GSM8K = '"gsm8k-test.jsonl", preset="gsm8k", shots_from="gsm8k-train.jsonl", min_accuracy=0.2'


def test_gsm8k(project: Project, dist: tuple[str, ...]) -> None:
    """Both filters are reported, by the preset the strict one decides, by another the flexible one."""
    rows, answers = problems()
    write_set("gsm8k", project.path)
    write(project, GSM8K, answers=answers)

    result = project.run(REPORT, "-rA", *dist)

    result.assert_outcomes(passed=len(rows) + 1)
    suite = the_suite(project)
    kinds = [number % 5 for number in range(len(rows))]
    strict = sum(kind in (0, 2) for kind in kinds)
    flexible = sum(kind in (0, 1) for kind in kinds)
    assert (suite["preset"], suite["shots"], suite["max_new_tokens"]) == ("gsm8k", 5, 256)
    assert suite["correct"] == suite["filters"]["strict-match"]["correct"] == strict
    assert suite["filters"]["flexible-extract"]["correct"] == flexible
    found = [record["extracted"] for record in suite["records"]]
    assert [text is None for text in found] == [kind in (1, 4) for kind in kinds]
    # What follows a stop text is no part of the answer, and nothing else of it is changed.
    assert suite["records"][0]["response"].startswith(" It is so.\n#### ")
    assert "Question:" not in suite["records"][0]["response"]
    share = flexible / len(rows)
    shown = f"flexible-extract: {share:.4f} ({flexible} of {len(rows)})"
    assert shown in str(result.stdout)
    prompts = generated(project)
    assert len(prompts) == len(rows)
    assert all(line.count("Question: ") == 6 and line.endswith(" 256") for line in prompts)
    assert all("Answer:' 256" in line or 'Answer:" 256' in line for line in prompts)

    write(project, f'{GSM8K}, extract="gsm8k-flexible"', answers=answers)
    project.run(REPORT, *dist).assert_outcomes(passed=len(rows) + 1)

    assert the_suite(project)["correct"] == flexible
    assert len(generated(project)) == len(rows)


def test_prompts_that_lose_their_beginning(project: Project, mode: tuple[str, ...]) -> None:
    """A checkpoint with a short context answers all, and the suite says how many were cut."""
    rows, _ = rows_of("gsm8k")
    write_set("gsm8k", project.path)
    project.write("test_exact.py", TEST.format(arguments=f"{GSM8K}, max_new_tokens=4, sample=8"))
    config = GPTConfig(
        VOCABULARY, context_length=64, emb_dim=16, n_heads=1, n_layers=1, qkv_bias=True
    )
    save_model(project.path / "model.pth", config)

    result = project.run(CHECKPOINT, REPORT, *mode)

    result.assert_outcomes(passed=8, failed=1)
    assert len(rows) > 8
    suite = the_suite(project)
    assert (suite["cut"], suite["max_new_tokens"]) == (8, 4)
    assert all(record["is_cut"] for record in suite["records"])
    assert "8 of 8 prompts lost their beginning, because they did not fit" in str(result.stdout)
    project.run(CHECKPOINT, "--llm-judge-report=again.json", *mode)
    assert the_suite(project, "again.json") == suite


def test_answers_that_leave_no_room_for_a_prompt(project: Project) -> None:
    """What the sizes of a model tell is said once, and before anything is loaded."""
    write_set("gsm8k", project.path)
    project.write("test_exact.py", TEST.format(arguments=GSM8K))
    config = GPTConfig(
        VOCABULARY, context_length=256, emb_dim=16, n_heads=1, n_layers=1, qkv_bias=True
    )
    save_model(project.path / "model.pth", config)
    hugging.save_folder(project.path / "folder", "llama", max_position_embeddings=128)
    for name, context in (("model.pth", 256), ("folder", 128)):
        line = refusal(project.run(f"--llm-judge-checkpoint={name}"))

        assert line.endswith(
            f"{name} sees {context} tokens, and answers of 256 leave no room for a prompt; allow "
            "fewer with max_new_tokens="
        )


def test_beside_a_baseline(project: Project, mode: tuple[str, ...]) -> None:
    """Fewer right answers fail by McNemar's test, in a run and beside each other; as many pass."""
    data = sums(40)
    good = {f"is {number} plus": f"{number + 1}" for number in range(40)}
    worse = {**good, **{f"is {number} plus": "0" for number in range(10, 30)}}
    arguments = '"data.json", extract="last-number", min_accuracy=0.1'
    write(project, arguments, data=data, answers=good, fingerprint="good")
    project.run("--llm-judge-report=old.json")
    old = "--llm-judge-baseline=old.json"
    project.run(old, *mode).assert_outcomes(passed=42)
    write(project, arguments, data=data, answers=worse, fingerprint="worse")

    result = project.run(REPORT, old, *mode)

    result.assert_outcomes(passed=41, failed=1)
    assert the_suite(project)["baseline"]["mcnemar_p"] < 0.001
    assert "20 " in str(result.stdout)
    assert main(["compare", "old.json", "results.json"]) == 1
    assert main(["compare", "results.json", "old.json"]) == 0
    assert main(["history", "old.json", "results.json"]) == 0
    write(project, arguments.replace("last-number", "contains"), data=data, answers=good)
    other = project.run(old)
    assert "its extraction was last-number and is contains now" in str(other.stdout)


def test_an_edited_results_file(project: Project) -> None:
    """Figures that are not those of its records are no baseline."""
    write(project)
    project.run("--llm-judge-report=old.json")
    text = json.dumps(json.loads((project.path / "old.json").read_text("utf-8")))
    for old, new, message in (
        ('"correct": true,', '"correct": false,', 'r0: its "correct" is false'),
        ('"extracted": "1.0"', '"extracted": "7"', 'r0: its "extracted" is not'),
        ('"last-number": {"correct": 4', '"last-number": {"correct": 5', "filter last-number: "),
        ('"cut": 0', '"cut": 2', 'its "cut" is 2'),
    ):
        assert old in text
        project.write("old.json", text.replace(old, new, 1))

        line = refusal(project.run("--llm-judge-baseline=old.json"))

        assert message in line


def test_responses_that_records_hold(project: Project, mode: tuple[str, ...]) -> None:
    """They are extracted from, and no model is asked; those of a model are written back."""
    write(project)
    project.run("--llm-judge-responses=out")
    answered = json.loads((project.path / "out/data-with-response.json").read_text("utf-8"))
    project.write("answered.json", answered)
    assert [one["model_response"] for one in answered][3:5] == ["I say 4.0", "none"]
    assert [one["correct"] for one in answered] == [True] * 4 + [False] * 2
    arguments = '"answered.json", extract="last-number", min_accuracy=0.5'
    project.write("test_exact.py", TEST.format(arguments=arguments))

    result = project.run(REPORT, "--llm-judge-responses-field=model_response", *mode)

    result.assert_outcomes(passed=7)
    suite = the_suite(project)
    assert (suite["correct"], suite["responses"], suite["checkpoint"]) == (
        4,
        "model_response",
        None,
    )
    assert len(generated(project)) == 6


def test_a_served_model(project: Project, mode: tuple[str, ...]) -> None:
    """It is asked as for other suites, with the tokens that the marker allows."""
    write(
        project,
        '"data.json", prompt="chat", extract="contains", min_accuracy=0.1, max_new_tokens=7',
    )
    (project.path / "conftest.py").unlink()
    with FakeOllama(lambda _: Answer("Well, it is  3."), models={"mine:latest": DIGEST}) as model:
        at = ["--llm-judge-checkpoint=ollama:mine", f"--llm-judge-checkpoint-url={model.url}"]
        result = project.run(*at, REPORT, *mode)

    result.assert_outcomes(passed=7)
    assert [record["correct"] for record in the_suite(project)["records"]].index(True) == 2
    assert {chat["options"]["num_predict"] for chat in model.chats} == {7}


def test_from_any_test(project: Project) -> None:
    """A call asks what the marker does, and fails in one line where it cannot."""
    write(project)
    project.write(
        "test_exact.py",
        """
def test_call(exact_match):
    result = exact_match("data.json", extract="last-number", limit=6)
    assert (result.total, result.correct, result.predictions[4]) == (6, 4, None)
    assert result.filters == {"last-number": result.accuracy}
    assert [one.record.id for one in result.answers][5] == "r5"
    assert result.interval[0] < 0.5 < result.interval[1]

def test_wrong(exact_match):
    exact_match("data.json", min_accuracy=0.5)

def test_missing(exact_match):
    exact_match("nothing.json")
""",
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=2)
    output = str(result.stdout)
    assert "exact_match: min_accuracy: it belongs to suites; leave it out, and assert on" in output
    assert 'exact_match: records file "nothing.json" is not there; expected it at ' in output


KEYWORDS = (
    "preset, extract, shots, shots_from, max_new_tokens, min_accuracy, by, every_right, "
    "baseline_rule, max_drop, checkpoint, prompt, system, responses, sample, group, fields, split, "
    "training or max_overlap"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            '"data.json"',
            (
                "it has no gate and so cannot fail; set min_accuracy or every_right=True, or compare "
                "with --llm-judge-baseline"
            ),
        ),
        (
            '"data.json", min_accuracy=50',
            "min_accuracy: 50 is no accuracy; give a share from 0 to 1, for example 0.25",
        ),
        (
            '"data.json", every_right=True, extract="regex:("',
            (
                'extract: "(" is no pattern (missing ), unterminated subpattern at position 0); write '
                "a regular expression of Python's module re"
            ),
        ),
        (
            '"data.json", every_right=True, max_new_tokens=0',
            "max_new_tokens: 0 is no number of tokens; give a whole number of 1 or more",
        ),
        (
            '"data.json", every_right=True, shots=5',
            "shots: without a preset it has no meaning; leave it out, or name a preset",
        ),
        (
            '"data.json", every_right=True, preset="gsm8k", prompt="chat"',
            "prompt: a preset has its own form and reads its own columns; leave it out",
        ),
        (
            '"data.json", every_right=True, preset="arc_easy"',
            "preset: 'arc_easy' is unknown; choose gsm8k or mmlu_pro",
        ),
        (
            '"data.json", every_right=True, preset="gsm8k"',
            (
                "gsm8k shows 5 solved questions, and no file has them; name it with shots_from=, or "
                "set shots=0"
            ),
        ),
        (
            '"data.json", every_right=True, min_score=50',
            f'unknown keyword "min_score"; use {KEYWORDS}',
        ),
        (
            '"data.json", extract="regex:It is 1[.]", every_right=True',
            (
                'extract: "regex:It is 1[.]" finds nothing in the references of 5 of 6 records (the '
                "first is r1); correct these, or write all references as the bare answers"
            ),
        ),
    ],
)
def test_markers_that_cannot_be_used(
    project: Project, mode: tuple[str, ...], arguments: str, message: str
) -> None:
    """What a marker gets wrong ends the run with status 4 and one line."""
    write(project, arguments)

    line = refusal(project.run(*mode))

    assert line == f"test_exact.py::test_exact: {message}"


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (
            [{**sums(1)[0], "output": "", "criteria": "It is right."}],
            "",
            "data.json: there is no reference in 1 of 1 records (the first is r0); leave them out",
        ),
        (
            [{"question": "Why?", "answer": "So."}],
            ', preset="gsm8k", shots=0',
            'data.json: record 1: "answer" has no number behind "####"; end it with "#### " and',
        ),
        (
            [{"goal": "Sit", "sol1": "chair", "sol2": "wall", "label": 0}],
            ', preset="gsm8k", shots=0',
            (
                'data.json: no row has "question" and "answer", which gsm8k needs; it reads like '
                'llm_choices(…, preset="piqa")'
            ),
        ),
        (
            [{"question": "Why?", "choices": ["x", "y"], "answer": answer} for answer in "AB"],
            "",
            (
                "data.json: its questions have choices, which the prompts of records do not show; "
                'it reads like llm_choices(…, mode="letters")'
            ),
        ),
        (
            [{"question": "Why?", "choices": ["x", "y"], "answer": 1}],
            "",
            'it reads like llm_choices(…, mode="letters")',
        ),
        (rows_of("hellaswag")[0], "", 'it reads like llm_choices(…, preset="hellaswag")'),
        (
            [{"question": "Why?", "answer": "#### 1"}],
            ', preset="gsm8k", shots_from="data.json", shots=1',
            "data.json: all of its 1 questions are questions of the suite; name solved questions",
        ),
    ],
)
def test_files_that_cannot_be_used(
    project: Project, data: Sequence[object], arguments: str, message: str
) -> None:
    """A set that cannot be asked is refused before any work."""
    write(project, f'"data.json", every_right=True{arguments}', data=data)

    line = refusal(project.run())

    assert message in line
    assert not (project.path / "generated.log").exists()
