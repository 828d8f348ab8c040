"""Suites of questions with a choice of answers: items, gates and files like those of any suite."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from tests.support.fake_ollama import FakeOllama
from tests.unit.generation.tiny import VOCABULARY, save_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.project import Project

CONFIG = GPTConfig(VOCABULARY, context_length=384, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True)
EXAMPLE = Path(__file__).parents[2] / "example_suite" / "mmlu"
TEST = """
import pytest

@pytest.mark.llm_choices({arguments})
def test_choices(record, choice):
    assert choice.question.text == record.instruction
"""
SUITE = "test_choices.py::test_choices"
REPORT = "--llm-judge-report=results.json"
CHECKPOINT = "--llm-judge-checkpoint=model.pth"
OWN = '"own.jsonl", mode="continuation"'
# A model that takes the choice that says yes, but for some numbers, and notes what it is asked.
MODEL = """
import os
import pytest

class Knows:
    fingerprint = "knows all but {wrong}"
    context_length = {context}
    asked = 0

    def encode(self, text):
        return list(text.encode())

    def score(self, contexts):
        for context in contexts:
            with open({log!r}, "a") as log:
                log.write(bytes(context.ids).decode().replace("\\n", "|") + "\\n")
            self.asked += 1
            if self.asked == {last}:
                os._exit(9)
            yield [self.judge(bytes(branch).decode()) for branch in context.branches]

    def judge(self, text):
        _, says, number, *_ = text.split(" ")
        return -1.0 if (says == "yes") != (int(number) in {wrong}) else {least}

@pytest.fixture(scope="session")
def llm_model():
    return Knows()
"""


def questions(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Make questions with ids ``q0``, ``q1``, … of two subjects, with two to four choices."""
    rows = []
    for number in range(first, first + count):
        size, right = 2 + number % 3, number % 2
        choices = [f"no {number} {place}" for place in range(size)]
        choices[right] = f"yes {number}"
        rows.append(
            {
                "id": f"q{number}",
                "question": f"Which one is {number}?",
                "choices": choices,
                "answer": right,
                "subject": ("law", "art")[number % 2],
            }
        )
    return rows


def lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def write(
    project: Project, arguments: str, *, data: Sequence[dict[str, Any]] | None = None
) -> None:
    project.write("own.jsonl", lines(questions(12) if data is None else data))
    project.write("test_choices.py", TEST.format(arguments=arguments))


def knows(
    project: Project,
    *,
    wrong: Sequence[int] = (),
    context: int = 10_000,
    last: int = -1,
    least: str = "-2.0",
) -> None:
    """Write a model of the project's own, which answers all but some numbers right."""
    log = str(project.path / "asked.log")
    values = {"wrong": list(wrong), "context": context, "last": last, "least": least}
    project.write("conftest.py", MODEL.format(log=log, **values))


def asked(project: Project) -> list[str]:
    path = project.path / "asked.log"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def the_suite(project: Project, name: str = "results.json") -> dict[str, Any]:
    (suite,) = project.results(name)["suites"]
    assert isinstance(suite, dict)
    return suite


def test_what_a_run_says(project: Project, dist: tuple[str, ...]) -> None:
    """Items pass right or wrong; the accuracy decides, and every report has it."""
    write(project, f"{OWN}, min_accuracy=0.7")
    knows(project, wrong=[1, 2, 3])
    files = "--llm-judge-markdown=report.md", "--llm-judge-html=report.html", "--junit-xml=j.xml"

    result = project.run(REPORT, *files, *dist)

    result.assert_outcomes(passed=13)
    suite = the_suite(project)
    figures = ("total", "scored", "correct", "accuracy", "acc", "acc_norm", "chance", "outcome")
    share = 0.75, 0.75, 0.75, pytest.approx(13 / 36, abs=1e-4)
    assert tuple(suite[name] for name in figures) == (12, 12, 9, *share, "passed")
    assert suite["ci95"] == pytest.approx([0.4677, 0.9111], abs=1e-4)
    assert suite["within_noise"]
    terms = ("preset", "mode", "shots", "shots_digest", "metric", "by")
    assert [suite[name] for name in terms] == [None, "continuation", 0, None, "acc", "subject"]
    record = suite["records"][1]
    assert record["choices"] == ["no 1 0", "yes 1", "no 1 2"]
    assert (record["answer"], record["prediction"], record["correct"]) == ("B", "A", False)
    assert record["logprobs"] == [-1.0, -2.0, -1.0]
    assert (record["output"], record["category"], record["outcome"]) == ("yes 1", "art", "passed")
    assert suite["categories"]["law"]["correct"] == 5
    result.stdout.fnmatch_lines([f"*{SUITE} * 12 * 12 * 9 * 0.7500 * 0.3611 *"])
    report = (project.path / "report.md").read_text("utf-8")
    assert '| "A. no 1 0" (right: "B. yes 1") |' in report.replace("\\", "")
    assert 'value="false"' in (project.path / "j.xml").read_text("utf-8")
    assert len(asked(project)) == 12


def test_an_accuracy_that_is_too_low(project: Project, mode: tuple[str, ...]) -> None:
    """The gate fails and says by how much."""
    write(project, f"{OWN}, min_accuracy=0.9")
    knows(project, wrong=[1, 2, 3])

    result = project.run(REPORT, *mode)

    result.assert_outcomes(passed=12, failed=1)
    reason = "accuracy 0.7500 (9 of 12 records, 95 % CI 0.4677 to 0.9111) is below min_accuracy 0.9"
    result.stdout.fnmatch_lines([f"*{reason}; the difference is within noise"])
    assert the_suite(project)["outcome"] == "failed"


def test_every_question_has_to_be_right(project: Project, mode: tuple[str, ...]) -> None:
    """Where the marker says so, one that is not fails, with what was chosen."""
    write(project, f"{OWN}, every_right=True")
    knows(project, wrong=[1])

    result = project.run(REPORT, "--llm-judge-markdown=report.md", *mode)

    result.assert_outcomes(passed=12, failed=1)
    text = str(result.stdout)
    for shown in ("it is answered wrong", "right:         B. yes 1", "answered:      A. no 1 0"):
        assert shown in text
    assert the_suite(project)["records"][1]["outcome"] == "failed"
    cause = "1 of 12 records is answered wrong"
    assert cause in (project.path / "report.md").read_text("utf-8")


def test_categories(project: Project, mode: tuple[str, ...]) -> None:
    """A gate for each that the marker names, of the subject or of a field."""
    data = [{**row, "level": number % 3} for number, row in enumerate(questions(12))]
    write(project, f'{OWN}, min_accuracy={{"all": 0.5, "law": 1}}', data=data)
    knows(project, wrong=[2, 3])

    result = project.run(REPORT, *mode)

    result.assert_outcomes(passed=13, failed=1)
    gates = {gate["name"]: gate["outcome"] for gate in the_suite(project)["gates"]}
    assert gates == {"average": "passed", "average:law": "failed"}
    result.stdout.fnmatch_lines(["law * 6 * 0.8333 * failed (accuracy >= 1)"])

    write(project, f'{OWN}, min_accuracy={{"1": 1}}, by="level"', data=data)
    project.run(REPORT, *mode).assert_outcomes(passed=14)
    suite = the_suite(project)
    assert (suite["by"], suite["categories"]["2"]["accuracy"]) == ("level", 0.75)
    assert suite["min_accuracy"] is None


def test_beside_a_baseline(project: Project, mode: tuple[str, ...]) -> None:
    """Fewer right answers fail by McNemar's exact test; as many pass."""
    write(project, OWN, data=questions(20))
    knows(project, wrong=[1])
    project.write("test_choices.py", TEST.format(arguments=f"{OWN}, min_accuracy=0.1"))
    project.run("--llm-judge-report=old.json")
    baseline = "--llm-judge-baseline=old.json"
    project.write("test_choices.py", TEST.format(arguments=OWN))
    project.run(REPORT, baseline, *mode).assert_outcomes(passed=22)
    knows(project, wrong=[1, 2, 3, 4, 5, 6, 7, 8])

    worse = project.run(REPORT, baseline, *mode)

    worse.assert_outcomes(passed=21, failed=1)
    compared = the_suite(project)["baseline"]
    assert (compared["losses"], compared["wins"], compared["p"]) == (7, 0, 0.5**7)
    assert compared["flips"][0]["response_before"] == "A. yes 2"
    worse.stdout.fnmatch_lines(["*dropped by 35 points*"])
    files = [str(project.path / name) for name in ("old.json", "results.json")]
    assert main(["compare", *files]) == 1
    assert main(["history", *files]) == 0


@pytest.mark.parametrize(
    ("arguments", "term"),
    [
        (f'{OWN}, metric="acc_norm"', "metric was acc and is acc_norm now"),
        ('"own.jsonl", mode="letters"', "preset or mode was continuation and is letters now"),
        (f'{OWN}, shots=1, shots_from="dev.jsonl"', "number of shots was 0 and is 1 now"),
    ],
)
def test_what_does_not_compare(project: Project, arguments: str, term: str) -> None:
    """Answers to questions that are asked in another way."""
    write(project, f"{OWN}, min_accuracy=0")
    project.write("dev.jsonl", lines(questions(4, first=50)))
    save_model(project.path / "model.pth", CONFIG)
    project.run(CHECKPOINT, "--llm-judge-report=old.json")
    write(project, f"{arguments}, min_accuracy=0")

    result = project.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    result.assert_outcomes(passed=13, failed=1)
    assert f"its {term}" in str(result.stdout)


def test_a_part_of_a_suite(project: Project) -> None:
    """One question alone is asked alone, after the shots that it has in the whole suite."""
    write(project, '"arc.jsonl", preset="arc_easy", shots=2, shots_from="train.jsonl", sample=6')
    rows = [(name, arc(12, first)) for name, first in (("arc", 0), ("train", 100))]
    for name, content in rows:
        project.write(f"{name}.jsonl", lines(content))
    project.write(
        "test_choices.py",
        TEST.format(
            arguments='"arc.jsonl", preset="arc_easy", shots=2, shots_from="train.jsonl", '
            "sample=6, min_accuracy=0.1"
        ),
    )
    knows(project)
    project.run(REPORT).assert_outcomes(passed=7)
    whole, prompts = the_suite(project), asked(project)
    name = whole["records"][3]["id"]
    (project.path / "asked.log").unlink()

    result = project.run(REPORT, "--llm-judge-cache=off", "-k", name)

    result.assert_outcomes(passed=1, deselected=6)
    assert [prompt for prompt in prompts if prompt in asked(project)] == asked(project)
    assert asked(project)[0].count("Question:") == 3
    suite = the_suite(project)
    assert (suite["outcome"], suite["scored"], suite["accuracy"]) == ("incomplete", 1, None)
    assert suite["records"][0]["choices"] == whole["records"][0]["choices"]


def arc(count: int, first: int) -> list[dict[str, Any]]:
    """Make rows as those of the ARC sets."""
    return [
        {
            "id": f"Mercury_{number}",
            "question": f"Which one is {number}?",
            "choices": {
                "text": [f"no {number}", f"yes {number}", f"no {number} too"],
                "label": ["A", "B", "C"],
            },
            "answerKey": "B",
        }
        for number in range(first, first + count)
    ]


def test_a_second_run_asks_nothing(project: Project, mode: tuple[str, ...]) -> None:
    """Answers are in the cache, under all that they depend on."""
    write(project, f"{OWN}, min_accuracy=0.1")
    knows(project)
    project.run(REPORT, *mode)
    first, count = the_suite(project), len(asked(project))
    assert count == 12

    project.run(REPORT, *mode)
    assert (the_suite(project), len(asked(project))) == (first, count)

    data = questions(12)
    data[0]["choices"][1] += " again"
    write(project, f"{OWN}, min_accuracy=0.1", data=data)
    project.run(REPORT, *mode)
    assert len(asked(project)) == count + 1


@pytest.mark.slow
def test_a_run_that_is_killed(project: Project) -> None:
    """The next one goes on where it stopped."""
    write(project, f"{OWN}, min_accuracy=0.1", data=questions(80))
    knows(project, last=71)
    assert project.run_subprocess("-pno:xdist").ret == 9
    before = len(asked(project))
    knows(project)

    result = project.run(REPORT)

    result.assert_outcomes(passed=81)
    assert before == 71
    assert len(asked(project)) - before == 80 - 64


def test_mmlus_questions(project: Project) -> None:
    """As JSON Lines they are asked and answered as ``llm_mmlu`` asks in the harness's modes."""
    rows: dict[str, list[dict[str, Any]]] = {"test": [], "dev": []}
    for split, content in rows.items():
        for path in sorted((EXAMPLE / split).glob("*.csv")):
            for question, *choices, letter in csv.reader(io.StringIO(path.read_text("utf-8"))):
                subject = path.stem.removesuffix(f"_{split}")
                row = {"question": question, "choices": choices, "answer": letter}
                content.append({**row, "subject": subject})
        project.write(f"{split}.jsonl", lines(content))
    modes = ("lm-eval", "letters"), ("continuation", "continuation")
    project.write(
        "test_both.py",
        "import pytest\n"
        + "".join(
            f"""
@pytest.mark.llm_mmlu({str(EXAMPLE)!r}, mode="{theirs}", shots=2, min_accuracy=0)
def test_mmlu_{own}(mmlu_result):
    pass

@pytest.mark.llm_choices(
    "test.jsonl", mode="{own}", shots=2, shots_from="dev.jsonl", min_accuracy=0
)
def test_choices_{own}(choice):
    pass
"""
            for theirs, own in modes
        ),
    )
    save_model(project.path / "model.pth", CONFIG)

    project.run(CHECKPOINT, REPORT)

    suites = {suite["name"].split("::test_")[1]: suite for suite in project.results()["suites"]}
    for _, own in modes:
        exam, choices = suites[f"mmlu_{own}"], suites[f"choices_{own}"]
        expected = [one for subject in exam["subjects"] for one in subject["questions"]]
        for name in ("answer", "prediction", "logprobs", "shots", "is_cut"):
            assert [one[name] for one in choices["records"]] == [one[name] for one in expected]
        assert choices["acc"] == exam["accuracy"]
        subject = exam["subjects"][0]
        assert choices["categories"][subject["subject"]]["accuracy"] == subject["accuracy"]


def changed(**values: object) -> list[dict[str, Any]]:
    first, *others = questions(3)
    return [{**first, **values}, *others]


@pytest.mark.every_mode
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            changed(answer=2),
            (
                'own.jsonl: line 1: "answer" is 2, which is none of the 2 choices; write an index '
                "from 0 to 1 or a letter from A to B"
            ),
        ),
        (
            changed(choices=["yes 0"]),
            "own.jsonl: line 1: it has 1 choice; a question has 2 to 26",
        ),
        (
            changed(choices=[f"no {place}" for place in range(27)]),
            "own.jsonl: line 1: it has 27 choices; a question has 2 to 26",
        ),
    ],
)
def test_wrong_questions(
    project: Project, mode: tuple[str, ...], data: list[dict[str, Any]], message: str
) -> None:
    """They end the run with status 4 and one line, before anything is asked."""
    write(project, f"{OWN}, min_accuracy=0.1", data=data)
    knows(project)

    result = project.run(*mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]
    assert not asked(project)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            f'{OWN}, shots=2, shots_from="arc.jsonl"',
            (
                'arc.jsonl: no row has "answer", which continuation needs; it reads like '
                'llm_choices(…, preset="arc_easy")'
            ),
        ),
        (
            f'{OWN}, shots=2, shots_from="own.jsonl"',
            (
                "own.jsonl: all of its 12 questions are questions of the suite; name solved "
                "questions that are not asked, such as those of the training split"
            ),
        ),
        (
            f'{OWN}, shots=3, shots_from="dev.jsonl"',
            (
                'dev.jsonl: it has 2 questions of the subject "law", and too few of 1 other; '
                "shots=3 shows the first 3 of each; get the whole file, or ask for fewer"
            ),
        ),
        (
            f'{OWN}, shots=3, shots_from="none.jsonl"',
            f'{SUITE}: shots_from "none.jsonl" is not there; expected it at *none.jsonl',
        ),
    ],
)
def test_wrong_shots(project: Project, arguments: str, message: str) -> None:
    """The same of the solved questions."""
    write(project, f"{arguments}, min_accuracy=0.1")
    project.write("dev.jsonl", lines(questions(4, first=50)))
    project.write("arc.jsonl", lines(arc(5, first=50)))
    knows(project)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message.replace('[', '[[]')}"])
    assert not asked(project)


GATE = "set min_accuracy or every_right=True, or compare with --llm-judge-baseline"
NAME = "name the public set with preset=, or say with mode= how one of your own is asked"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('"own.jsonl", min_accuracy=0.1', f": it has neither preset= nor mode=; {NAME}"),
        (
            f'{OWN}, preset="piqa", min_accuracy=0.1',
            f": it has both preset= and mode=; {NAME}",
        ),
        (OWN, f": it has no gate and so cannot fail; {GATE}"),
        (
            f'{OWN}, training="own.jsonl"',
            (f": no answer of it can fail, only its overlap with the training data; {GATE}"),
        ),
        (
            f"{OWN}, min_accuracy=40",
            (": min_accuracy: 40 is no accuracy; give a share from 0 to 1, for example 0.25"),
        ),
        (
            f'{OWN}, min_accuracy={{"maths": 0.5}}',
            (
                ': min_accuracy names "maths", which no record has as its category; the '
                'categories are "law" and "art"'
            ),
        ),
        (
            f'{OWN}, metric="f1", min_accuracy=0.1',
            ": metric: 'f1' is unknown; choose acc or acc_norm",
        ),
        (
            f"{OWN}, shots=-1, min_accuracy=0.1",
            ": shots: -1 is no number of solved questions; give a whole number of 0 or more",
        ),
        (
            f"{OWN}, shots=3, min_accuracy=0.1",
            (
                ": shots=3 shows 3 solved questions, and no file has them; name it with "
                "shots_from=, or set shots=0"
            ),
        ),
        (
            '"own.jsonl", preset="piqa", fields={"question": "q"}, min_accuracy=0.1',
            (
                ': fields: preset="piqa" reads the columns of the public set; leave it out, or '
                "choose a mode"
            ),
        ),
        (
            f'{OWN}, prompt="chat", min_accuracy=0.1',
            (
                ': unknown keyword "prompt"; use preset, mode, shots, shots_from, metric, '
                "min_accuracy, by, every_right, baseline_rule, max_drop, checkpoint, sample, "
                "group, fields, split, training or max_overlap"
            ),
        ),
        (
            'mode="letters", min_accuracy=0.1',
            (
                ": llm_choices has 0 positional arguments; give it one records file, as in "
                'llm_choices("arc.jsonl", preset="arc_easy", min_accuracy=0.4)'
            ),
        ),
    ],
)
def test_markers_that_cannot_be_used(project: Project, arguments: str, message: str) -> None:
    """What a marker gets wrong ends the run with status 4 and one line."""
    write(project, arguments)

    result = project.run(CHECKPOINT)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {SUITE}{message}"]


def test_questions_without_an_answer(project: Project, mode: tuple[str, ...]) -> None:
    """What does not fit and what is NaN err and say why; of the others there is no accuracy."""
    data = questions(4)
    data[1]["choices"][0] = "no 1 " + "x" * 300
    write(project, f"{OWN}, min_accuracy=0.1", data=data)
    knows(project, context=200, wrong=[2], least='float("nan") if int(number) == 3 else -2.0')

    result = project.run(REPORT, *mode)

    result.assert_outcomes(passed=2, errors=2, failed=1)
    suite = the_suite(project)
    assert (suite["outcome"], suite["unscored"], suite["accuracy"]) == ("incomplete", 2, None)
    errors = [record["error"] for record in suite["records"]]
    assert errors[1] == (
        "q1: a choice has 306 tokens and the context 200; leave the question out, or take a "
        "larger model"
    )
    assert errors[3] == (
        "llm_model (Knows): its log-probabilities for record q3 are NaN or infinite; see whether its "
        "training diverged"
    )
    assert (suite["records"][1]["prediction"], suite["records"][1]["answer"]) == (None, "B")
    assert "2 of 4 records are unscored, so there is no accuracy: q1, q3" in str(result.stdout)


@pytest.mark.parametrize(
    ("least", "message"),
    [
        ("0.5", "score() gave a log-probability above 0 for record q0; give the logarithm, not"),
        ('"x"', "score() gave 'x' for record q0; give floats"),
        ("False", "score() gave False for record q0; give floats"),
        ("__import__('decimal').Decimal(-1)", "score() gave Decimal('-1') for record q0; give"),
    ],
)
def test_a_model_that_scores_wrong(project: Project, least: str, message: str) -> None:
    """One line says what it gave."""
    write(project, f"{OWN}, min_accuracy=0.1", data=questions(2))
    knows(project, least=least)

    result = project.run()

    result.assert_outcomes(errors=2, failed=1)
    assert message in str(result.stdout)


def test_choices_that_are_equally_likely(project: Project) -> None:
    """A model that is broken may find all alike; the first is taken, and the summary says so."""
    write(project, f"{OWN}, min_accuracy=0.1", data=questions(4))
    knows(project, wrong=[1, 2, 3], least="-1.0")

    result = project.run()

    result.assert_outcomes(passed=5)
    ties = (
        "in 4 of 4 questions several choices are equally likely, and the first of them is taken for "
        "the likeliest"
    )
    assert any(ties in line for line in result.outlines)
    knows(project)
    assert "equally likely" not in str(project.run().stdout)


def test_prompts_that_lose_their_beginning(project: Project) -> None:
    """They are asked, and counted."""
    data = questions(4)
    data[1]["question"] = "x" * 300
    write(project, f"{OWN}, min_accuracy=0.1", data=data)
    knows(project, context=200)

    result = project.run(REPORT)

    result.assert_outcomes(passed=5)
    assert [record["is_cut"] for record in the_suite(project)["records"]] == [
        number == 1 for number in range(4)
    ]
    lost = "1 of 4 prompts lost their beginning, because they did not fit"
    result.stdout.fnmatch_lines([f"{lost}*"])


def test_a_served_model(project: Project) -> None:
    """It gives no log-probabilities, which is said before any work."""
    write(project, f"{OWN}, min_accuracy=0.1")
    with FakeOllama() as server:
        result = project.run(
            "--llm-judge-checkpoint=ollama:llama3", f"--llm-judge-checkpoint-url={server.url}"
        )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    message = "a served model gives no log-probabilities of given answers, which llm_choices needs"
    assert message in "\n".join(result.errlines)


def test_no_judge_is_needed(project: Project) -> None:
    """None is named, and that none answers is no matter."""
    write(project, f"{OWN}, min_accuracy=0.1")
    knows(project)

    result = project.run(server="http://127.0.0.1:1")

    assert result.ret == pytest.ExitCode.OK
    assert "127.0.0.1" not in str(result.stdout)


def test_an_accuracy_of_chance(project: Project) -> None:
    """The summary says so, and a limit that guessing passes is named."""
    write(project, f"{OWN}, min_accuracy=0.2")
    knows(project, wrong=range(8))

    result = project.run()

    result.stdout.fnmatch_lines(["accuracy is not shown to be above that of chance, 0.3611*"])
    note = "min_accuracy 0.2 is not above 0.3611, the accuracy of chance"
    assert note in str(result.stdout)


def test_questions_of_a_group(project: Project) -> None:
    """They count as one where the interval says how sure the accuracy is."""
    data = [{**row, "group": number // 4} for number, row in enumerate(questions(12))]
    write(project, f"{OWN}, min_accuracy=0.1", data=data)
    knows(project, wrong=range(4))

    project.run(REPORT)

    suite = the_suite(project)
    assert (suite["groups"], suite["correct"]) == (3, 8)
    low, high = suite["ci95"]
    assert high - low > 0.6


def test_questions_that_were_trained_on(project: Project) -> None:
    """They fail the gate over the training data, and the accuracy without them is shown."""
    asked = "What is the sum of all angles?", "Who wrote the third book on rivers?"
    data = questions(12)
    for row, text in zip(data, asked, strict=False):
        row["question"] = text
    write(project, f'{OWN}, min_accuracy=0.1, training="train.json"', data=data)
    project.write("train.json", [{"instruction": text, "output": "x"} for text in asked])
    knows(project, wrong=[5])

    result = project.run(REPORT)

    result.assert_outcomes(passed=13, failed=1)
    overlap = the_suite(project)["overlap"]
    assert (overlap["exact"], overlap["without"]["accuracy"]) == (2, 0.9)


def test_columns_of_other_names(project: Project) -> None:
    """``fields=`` says which is which; the results file does too."""
    rows = [
        {"prompt": row["question"], "options": row["choices"], "answer": row["answer"]}
        for row in questions(4)
    ]
    fields = {"question": "prompt", "choices": "options"}
    write(project, f"{OWN}, fields={fields}, min_accuracy=0.1", data=rows)
    knows(project)

    project.run(REPORT, "-n", "2").assert_outcomes(passed=5)

    suite = the_suite(project)
    assert suite["fields"] == fields
    assert suite["records"][2]["choices"] == rows[2]["options"]


def test_asked_from_any_test(project: Project) -> None:
    """The fixture gives what the marker's suite would have, and fails in one line."""
    write(project, f"{OWN}, min_accuracy=0.1")
    knows(project, wrong=[1])
    project.write(
        "test_choices.py",
        """
def test_set(choices):
    result = choices("own.jsonl", mode="continuation", limit=8)
    assert (result.total, len(result.predictions)) == (8, 8)
    assert result.accuracy == result.acc == result.acc_norm == result.correct / 8
    assert result.interval[0] < result.accuracy and 0.25 < result.chance < 0.5

def test_wrong(choices):
    choices("none.jsonl", mode="continuation")

def test_sample(choices):
    choices("own.jsonl", mode="continuation", sample=8)

def test_unknown(choices):
    choices("own.jsonl", mode="continuation", records=8)
""",
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "choices: sample: it belongs to suites; write limit=",
            'choices: unknown keyword "records"; use preset, mode, shots, *, split or limit',
        ]
    )
    result.stdout.fnmatch_lines(['*choices: records file "none.jsonl" is not there;*'])


def test_an_edited_results_file(project: Project) -> None:
    """Figures that are not those of its records are no baseline."""
    write(project, f"{OWN}, min_accuracy=0.1")
    knows(project, wrong=[1])
    project.run("--llm-judge-report=old.json")
    document = json.loads((project.path / "old.json").read_text("utf-8"))
    document["suites"][0]["records"][0]["prediction"] = "B"
    project.write("old.json", document)

    result = project.run("--llm-judge-baseline=old.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    wrong = 'q0: its "correct" is true, and by its answer false'
    assert wrong in "\n".join(result.errlines)
