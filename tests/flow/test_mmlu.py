"""A function marked with ``llm_mmlu``: its items, its gates, and its error messages."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from tests.support.schema import check_results

if TYPE_CHECKING:
    from tests.support.project import Project

REPO = Path(__file__).parents[2]
EXAMPLE = REPO / "example_suite" / "mmlu"
CHECKPOINT = f"--llm-judge-checkpoint={REPO / 'checkpoints' / 'example.pth'}"
REPORT = "--llm-judge-report=results.json"
MARKED = """
import pytest

@pytest.mark.llm_mmlu({arguments})
def test_mmlu(mmlu_result):
    assert mmlu_result.total == {total}
"""
# A model that says what its answers are, and notes each time it is asked.
MODEL = """
import pytest

class Knows:
    fingerprint = "knows-1"
    context_length = {context}

    def encode(self, text):
        return list(text.encode())

    def score(self, contexts):
        with open({log!r}, "a") as log:
            log.write(f"{{len(contexts)}}\\n")
        for context in contexts:
            yield [{score} for number, branch in enumerate(context.branches)]

@pytest.fixture(scope="session")
def llm_model():
    return Knows()
"""


def exam(
    project: Project, arguments: str = "shots=1, min_accuracy=0.2", total: int = 8, **model: object
) -> None:
    """Write an exam over the example's questions, and a model of the project's own if asked for."""
    named = f"{str(EXAMPLE)!r}, {arguments}"
    project.write("test_exam.py", MARKED.format(arguments=named, total=total))
    if model:
        log = str(project.path / "asked.log")
        values = {"context": 10_000, "log": log, **model}
        project.write("conftest.py", MODEL.format(**values))


def results(project: Project) -> dict[str, Any]:
    document = json.loads((project.path / "results.json").read_text(encoding="utf-8"))
    check_results(document)
    (suite,) = document["suites"]
    assert isinstance(suite, dict)
    return suite


def asked(project: Project) -> list[str]:
    path = project.path / "asked.log"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def test_no_judge_is_named_where_none_is_needed(project: Project, dist: tuple[str, ...]) -> None:
    """Neither in the header nor in the summary, and that none answers is no matter."""
    exam(project, "shots=1, min_accuracy=0", score="0.0")

    result = project.run(*dist, server="http://127.0.0.1:1")

    assert result.ret == pytest.ExitCode.OK
    assert any(line.startswith("llm-judge: cache") for line in result.outlines)
    assert not any("judge llama3" in line or "127.0.0.1" in line for line in result.outlines)


def test_the_example_checkpoint(project: Project, dist: tuple[str, ...]) -> None:
    """Every mode of distribution gives the same results, and a second run asks nothing."""
    exam(project, 'shots=1, mode="continuation", min_accuracy=0.2')

    first = project.run(CHECKPOINT, REPORT)
    alone = results(project)
    second = project.run(CHECKPOINT, REPORT, "--cache-clear", *dist)

    first.assert_outcomes(passed=4)
    second.assert_outcomes(passed=4)
    assert results(project) == alone
    assert [subject["subject"] for subject in alone["subjects"]] == [
        "kitchen_science",
        "number_facts",
        "world_capitals",
    ]
    assert (alone["kind"], alone["mode"], alone["shots"], alone["total"]) == (
        "mmlu",
        "continuation",
        1,
        24,
    )
    correct = sum(
        question["answer"] == question["prediction"]
        for subject in alone["subjects"]
        for question in subject["questions"]
    )
    assert (alone["correct"], alone["accuracy"]) == (correct, round(correct / 24, 4))
    shares = [subject["accuracy"] for subject in alone["subjects"]]
    squares = sum(8 * share * (1 - share) for share in shares)
    assert alone["stderr"] == pytest.approx((squares / (24 - 3) / 24) ** 0.5, abs=5e-5)
    second.stdout.fnmatch_lines(
        [
            "MMLU in test_exam.py::test_mmlu: continuation, 1 shot",
            "subject          questions  correct  accuracy     95 % interval  outcome",
            "kitchen_science          8 *passed",
            f"all                     24 * {correct / 24:.4f} *passed: accuracy >= 0.2",
            "mean of the 3 subjects' accuracies: *",
            f"standard error as lm-evaluation-harness pools it: {alone['stderr']:.4f}",
            "accuracy of the choices likeliest for their length: *",
        ]
    )


def test_each_subject_is_computed_once(project: Project, dist: tuple[str, ...]) -> None:
    """Whoever comes first asks the model all that the run needs; the next run asks nothing."""
    exam(project, score="-number")

    project.run(REPORT, *dist).assert_outcomes(passed=4)
    assert asked(project) == ["8", "8", "8"]
    suite = results(project)
    predictions = [q["prediction"] for s in suite["subjects"] for q in s["questions"]]
    assert predictions == ["A"] * 24

    project.run(REPORT, *dist).assert_outcomes(passed=4)
    assert len(asked(project)) == 3
    assert results(project) == suite


def test_a_low_accuracy(project: Project) -> None:
    """The gate over all questions fails, with its interval; the subjects have their own."""
    exam(project, "shots=0, min_accuracy=0.5, min_subject_accuracy=0.25", score="-number")

    result = project.run(REPORT, "-rf")

    result.assert_outcomes(passed=3, failed=1)
    text = "accuracy 0.2500 (6 of 24 questions, 95 % CI 0.1200 to 0.4490) is below min_accuracy 0.5"
    assert text in result.outlines
    suite = results(project)
    assert suite["outcome"] == "failed"
    assert suite["gates"] == [{"name": "average", "outcome": "failed", "reason": text}]


def test_a_subject_that_is_too_low(project: Project, mode: tuple[str, ...]) -> None:
    """One where the user asks for it."""
    exam(project, "shots=0, min_subject_accuracy=0.5", score="-number")

    result = project.run(*mode)

    result.assert_outcomes(passed=1, failed=3)
    text = (
        "accuracy 0.2500 (2 of 8 questions, 95 % CI 0.0715 to 0.5907) is below "
        "min_subject_accuracy 0.5; the difference is within noise"
    )
    assert result.outlines.count(text) == 3


def test_the_gate_alone(project: Project) -> None:
    """It asks about every subject."""
    exam(project, score="-number")

    project.run("-k", "average", REPORT).assert_outcomes(passed=1, deselected=3)

    assert asked(project) == ["8", "8", "8"]
    suite = results(project)
    assert (suite["total"], suite["outcome"]) == (24, "incomplete")


def test_one_subject_alone(project: Project) -> None:
    """Of a part there is no accuracy of the whole."""
    exam(project, score="-number")

    result = project.run("-k", "number_facts", REPORT)

    result.assert_outcomes(passed=1, deselected=3)
    assert asked(project) == ["8"]
    suite = results(project)
    assert (suite["accuracy"], suite["outcome"]) == (None, "incomplete")
    assert [subject["outcome"] for subject in suite["subjects"]] == ["not run", "passed", "not run"]


def test_shots_that_do_not_fit(project: Project) -> None:
    """They are counted where people look."""
    exam(project, "shots=5, min_accuracy=0", score="-number", context=600)

    result = project.run(REPORT)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["16 of 24 questions had fewer shots, because those did not fit"])


def test_choices_that_are_equally_likely(project: Project) -> None:
    """A model that is broken may find all alike."""
    exam(project, "shots=0, min_accuracy=0", score="-1.0")

    project.run().stdout.fnmatch_lines(
        ["in 24 of 24 questions several choices are equally likely, and the first of them is *"]
    )


def test_a_limit(project: Project) -> None:
    """A seeded part of the questions, in file order, the same in every run."""
    exam(project, "shots=0, limit=3, min_accuracy=0", total=3, score="-number")

    project.run(REPORT).assert_outcomes(passed=4)
    first = results(project)
    project.run(REPORT, "--cache-clear").assert_outcomes(passed=4)

    assert results(project) == first
    assert (first["limit"], first["total"]) == (3, 9)


def test_a_broken_file(project: Project, mode: tuple[str, ...]) -> None:
    """Only its subject errs; there is no accuracy then, and the gate says why."""
    for split in ("dev", "test"):
        for name in ("good", "bad"):
            project.write(f"mmlu/{split}/{name}_{split}.csv", f"Why {split}?,a,b,c,d,A\n" * 5)
    project.write("mmlu/test/bad_test.csv", "Why?,a,b,c,A\n")
    exam(project, score="-number")
    named = '"mmlu", min_accuracy=0.1'
    project.write("test_exam.py", MARKED.format(arguments=named, total=5))

    result = project.run(REPORT, *mode)

    result.assert_outcomes(passed=1, failed=1, errors=1)
    message = (
        "bad_test.csv: row 1: it has 5 columns; a row is question, A, B, C, D and the letter of the "
        "answer"
    )
    assert message in result.outlines
    assert "1 of 2 subjects has no result, so there is no accuracy: bad" in result.outlines
    assert f"first cause: {message}" in result.outlines
    suite = results(project)
    assert (suite["outcome"], suite["accuracy"]) == ("incomplete", None)


def test_numbers_that_are_none(project: Project) -> None:
    """A model whose training diverged answers nothing, not always A."""
    exam(project, score="float('nan')")

    result = project.run()

    result.assert_outcomes(failed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            (
                "llm_model (Knows): its log-probabilities for question kitchen_science-* are no numbers; "
                "see whether its training diverged"
            )
        ]
    )


def test_kept_numbers_that_are_none(project: Project) -> None:
    """What is kept and above 0 is no logarithm: the questions are asked again."""
    exam(project, score="-1.0 - number")
    project.run().assert_outcomes(passed=4)
    before = len(asked(project))
    path = next((project.path / ".pytest_cache").rglob("store.sqlite"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE answers SET facts = replace(facts, '-', '')")

    project.run().assert_outcomes(passed=4)

    assert len(asked(project)) == 2 * before > 0


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_numbers_that_float16_does_not_hold(project: Project, dtype: str) -> None:
    """The number formats that hold them are named, and do so."""
    exam(project, "shots=0, min_accuracy=0")
    weights = torch.load(REPO / "checkpoints" / "example.pth", weights_only=True)
    for name, weight in weights.items():
        if ".ff.layers." in name and name.endswith(".weight"):
            weight.mul_(1000)
    torch.save(weights, project.path / "large.pth")
    ranks = (REPO / "checkpoints" / "example.tiktoken").read_bytes()
    project.write("large.tiktoken", ranks)
    project.write("config.json", {"n_heads": 2})

    result = project.run(
        "--llm-judge-checkpoint=large.pth", "--llm-judge-device=cpu", f"--llm-judge-dtype={dtype}"
    )

    if dtype == "float32":
        result.assert_outcomes(passed=4)
        return
    result.assert_outcomes(failed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            (
                "llm_model (TorchModel): its log-probabilities for question kitchen_science-* are no "
                "numbers; take --llm-judge-dtype=float32 or bfloat16, which reach further"
            )
        ]
    )


def test_a_model_without_probabilities(project: Project) -> None:
    """What is missing is named."""
    exam(project)
    project.write(
        "conftest.py",
        """
import pytest

class Writes:
    fingerprint = "writes-1"

    def generate(self, prompts, *, max_new_tokens):
        return ["" for _ in prompts]

@pytest.fixture(scope="session")
def llm_model():
    return Writes()
""",
    )

    result = project.run()

    result.assert_outcomes(failed=1, errors=3)
    text = (
        "llm_model (Writes): it gives no log-probabilities, which MMLU needs; give it "
        "context_length, encode() and score(), or name a checkpoint"
    )
    assert text in result.outlines


USAGE = [
    (
        "shots=1",
        (
            "it has no gate and so cannot fail; set min_accuracy, for example 0.25, or compare "
            "with --llm-judge-baseline"
        ),
    ),
    (
        "min_acuracy=0.5",
        (
            'unknown keyword "min_acuracy"; use subjects, shots, mode, limit, min_accuracy, '
            "min_subject_accuracy, baseline_rule, max_drop or checkpoint"
        ),
    ),
    (
        "min_accuracy=25",
        "min_accuracy: 25 is no accuracy; give a share from 0 to 1, for example 0.25",
    ),
    (
        "min_accuracy=0.2, shots=6",
        "shots: 6 is no number of solved questions; give a whole number from 0 to 5",
    ),
    (
        'min_accuracy=0.2, mode="letter"',
        "mode: 'letter' is unknown; choose letters, lm-eval or continuation",
    ),
    (
        "min_accuracy=0.2, limit=0",
        "limit: 0 is no number of questions; give a whole number of 1 or more",
    ),
    (
        'min_accuracy=0.2, subjects=["number_fact"]',
        'subjects: "number_fact" is no subject of MMLU; close to it are number_facts',
    ),
    (
        "min_accuracy=0.2, subjects=[]",
        'subjects: [] names no subjects; give a list of names, a category such as "stem", or "all"',
    ),
]


@pytest.mark.parametrize(
    ("arguments", "message"), USAGE, ids=[message[:12] for _, message in USAGE]
)
def test_usage(project: Project, arguments: str, message: str, mode: tuple[str, ...]) -> None:
    """A marker that cannot be used ends the run before the work, in one line."""
    exam(project, arguments, score="-number")

    result = project.run(*mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    where = "test_exam.py::test_mmlu"
    separator = ": "
    assert [line for line in result.errlines if line.startswith("ERROR")] == [
        f"ERROR: {where}{separator}{message}"
    ]


def test_no_model(project: Project) -> None:
    """A model under test is needed, and nothing else: no judge is asked for."""
    exam(project)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line.startswith("ERROR")] == [
        (
            "ERROR: test_exam.py::test_mmlu: it has no model under test; give --llm-judge-checkpoint, or "
            "checkpoint= in the marker"
        )
    ]


def test_no_data(project: Project) -> None:
    """The error says where to get it; the file is not collected, as one with any other mistake."""
    project.write("test_exam.py", MARKED.format(arguments='"nowhere", min_accuracy=0.2', total=8))

    result = project.run()

    assert result.ret in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.TESTS_FAILED}
    result.stdout.fnmatch_lines(
        [
            (
                f"*test_exam.py::test_mmlu: {project.path}/nowhere: it is not there; get "
                "https://people.eecs.berkeley.edu/~hendrycks/data.tar, and name it or the folder that it "
                "unpacks to"
            )
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_without_llm_judge(project: Project) -> None:
    """One skipped item; no data is read."""
    project.write("test_exam.py", MARKED.format(arguments='"nowhere", min_accuracy=0.2', total=8))

    result = project.pytester.runpytest("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * needs --llm-judge"])


FIXTURE_TEST = """
def test_facts(mmlu):
    found = mmlu("number_facts", shots=2, mode="letters", limit=5)
    assert (found.total, found.correct) == (5, found.predictions.count("A") and found.correct)
    assert len(found.predictions) == 5
    low, high = found.interval
    assert low <= found.accuracy <= high
"""


def test_the_fixture(project: Project, mode: tuple[str, ...]) -> None:
    """A test may ask whatever it likes; the data is that of the ini file."""
    exam(project, score="-number")
    (project.path / "test_exam.py").unlink()
    project.write("test_facts.py", FIXTURE_TEST)
    project.write("pytest.ini", f"[pytest]\nllm_mmlu_data = {EXAMPLE}\n")

    project.run(*mode).assert_outcomes(passed=1)
    project.run(*mode).assert_outcomes(passed=1)

    assert asked(project) == ["5"]


def test_the_fixture_without_data(project: Project) -> None:
    """It fails in one line."""
    exam(project, score="-number")
    (project.path / "test_exam.py").unlink()
    project.write("test_facts.py", FIXTURE_TEST)

    result = project.run()

    result.assert_outcomes(failed=1)
    message = "mmlu: no copy of MMLU is named; set the ini option llm_mmlu_data, or give data="
    assert message in result.outlines


def test_the_result_of_no_subject(project: Project) -> None:
    """The fixture belongs to marked functions."""
    exam(project, score="-number")
    project.write("test_other.py", "def test_other(mmlu_result):\n    pass\n")

    result = project.run("test_other.py")

    result.assert_outcomes(errors=1)
    text = (
        "test_other.py::test_other: fixture 'mmlu_result' is used in a test that is no subject of "
        "MMLU; mark the test with llm_mmlu"
    )
    assert text in result.outlines


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('"all"', 'mmlu: subject: "all" means several subjects; ask each one, or mark a test with llm_mmlu'),
        ("3", "mmlu: subject: 3 is no name; give one subject's name, as in mmlu(\"anatomy\")"),
        ('"number_facts", data=3', "mmlu: data: 3 is no path; give a path"),
        (
            '"number_facts", shot=3',
            (
                "mmlu: got an unexpected keyword argument 'shot'; call it as in "
                'mmlu("anatomy", shots=5, mode="letters")'
            ),
        ),
    ],
)  # fmt: skip
def test_the_fixture_asks_one_subject(project: Project, call: str, message: str) -> None:
    """What it cannot answer is an error of one line."""
    project.write("pytest.ini", f"[pytest]\nllm_mmlu_data = {EXAMPLE}\n")
    project.write("test_a.py", f"def test_a(mmlu):\n    mmlu({call})\n")

    result = project.run(CHECKPOINT)

    result.assert_outcomes(failed=1)
    assert message in result.outlines


MODEL_OF_ONES_OWN = """
import pytest, uuid

class Own:
    fingerprint = "own-1"

    def __init__(self):
        self.context_length = 10_000

    def encode(self, text):
        return list(text.encode())

    def score(self, contexts):
        for context in contexts:
            yield [-float(number) for number, _ in enumerate(context.branches)]

{changes}

@pytest.fixture(scope="session")
def llm_model():
    return Own()
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("", None),
        (
            "Own.fingerprint = None",
            "llm_model (Own): it has no fingerprint; give it a string attribute that changes when its answers may",
        ),
        (
            "Own.fingerprint = property(lambda self: uuid.uuid4().hex)",
            "llm_model (Own): its fingerprint changes from call to call; make it a text that changes only when the answers may",
        ),
        (
            "Own.encode = lambda self, text: [][0]",
            "llm_model (Own): it raised IndexError: list index out of range; correct it",
        ),
        (
            "Own.encode = lambda self, text: text",
            "llm_model (Own): encode() gave *; let it return a list of token ids, whole numbers of 0 or more",
        ),
        (
            "Own.score = lambda self, contexts: iter([[-1.0]] * len(contexts))",
            "llm_model (Own): score() gave 1 values for 4 choices; give a log-probability for each branch of each context",
        ),
        (
            "Own.score = lambda self, contexts: iter([[None] * 4] * len(contexts))",
            "llm_model (Own): score() gave None for question kitchen_science-*; give floats",
        ),
        (
            "Own.score = lambda self, contexts: iter([[False] * 4] * len(contexts))",
            "llm_model (Own): score() gave False for question kitchen_science-*; give floats",
        ),
        (
            "Own.score = lambda self, contexts: iter([[1.0, 2.0, 3.0, 4.0]] * len(contexts))",
            "llm_model (Own): score() gave a log-probability above 0 for question kitchen_science-*; give the logarithm, not its negative",
        ),
        (
            "Own.score = lambda self, contexts: iter([[-10**400] * 4] * len(contexts))",
            "llm_model (Own): its log-probabilities for question kitchen_science-* are no numbers; see whether its training diverged",
        ),
        (
            "Mute = type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})\ndef mute(self, text): raise Mute\nOwn.encode = mute",
            "llm_model (Own): it raised Mute: a text that cannot be read; correct it",
        ),
    ],
    ids=["good", "no-fingerprint", "restless", "encode", "ids", "count", "none", "false", "above-0", "huge", "mute"],
)  # fmt: skip
def test_a_model_of_ones_own(
    project: Project, mode: tuple[str, ...], changes: str, message: str | None
) -> None:
    """What is wrong with it is one line for each item, and nothing is made up."""
    exam(project)
    project.write("conftest.py", MODEL_OF_ONES_OWN.format(changes=changes))

    result = project.run(REPORT, *mode)

    if message is None:
        result.assert_outcomes(passed=4)
        return
    if mode and "uuid4" in changes:
        # The workers see different models, so that the run ends before it begins.
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        return
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*{message}"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    assert results(project)["outcome"] == "incomplete"


def test_an_exam_that_is_never_reached(project: Project) -> None:
    """It is in the results as incomplete, and does not leave them empty."""
    exam(project, score="-number")
    with (project.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_runtest_setup(item):\n    raise KeyboardInterrupt\n")

    result = project.run_subprocess(REPORT)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    suite = results(project)
    assert (suite["name"], suite["outcome"]) == ("test_exam.py::test_mmlu", "incomplete")
    assert {subject["outcome"] for subject in suite["subjects"]} == {"not run"}


@pytest.mark.parametrize(
    ("way", "outcomes"), [("xfail", ("failed", "failed")), ("-k", ("incomplete", "not run"))]
)
def test_subjects_that_do_not_count(project: Project, way: str, outcomes: tuple[str, str]) -> None:
    """One that is expected to fail is judged all the same, and one without an item is not."""
    exam(project, "shots=1, min_subject_accuracy=0.9", score="-number")
    if way == "xfail":
        text = (project.path / "test_exam.py").read_text()
        project.write("test_exam.py", text.replace("@pytest", "@pytest.mark.xfail\n@pytest", 1))

    project.run(REPORT, *([] if way == "xfail" else [way, "average"]))

    suite = results(project)
    assert suite["outcome"] == outcomes[0]
    assert {subject["outcome"] for subject in suite["subjects"]} == {outcomes[1]}


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        (
            "@pytest.mark.llm_mmlu({0}, shots=0, min_accuracy=0)\n@pytest.mark.llm_mmlu({0}, min_accuracy=0)",
            "it has several llm_mmlu markers; write one marked function for each",
        ),
        (
            '@pytest.mark.llm_judge("data.json", min_score=1)\n@pytest.mark.llm_mmlu({0}, min_accuracy=0)',
            "llm_judge and llm_mmlu stand together; mark a function with each",
        ),
        (
            '@pytest.mark.llm_judge("data.json", min_score=1)\n@pytest.mark.llm_judge("data.json", min_score=2)',
            "it has several llm_judge markers; write one marked function for each",
        ),
    ],
)  # fmt: skip
def test_markers_on_one_function(project: Project, marks: str, message: str) -> None:
    """None is ignored in silence."""
    project.write("data.json", [{"instruction": "Say it.", "output": "It."}])
    named = marks.format(repr(str(EXAMPLE)))
    project.write(
        "test_exam.py", f"import pytest\n{named}\ndef test_mmlu(mmlu_result):\n    pass\n"
    )

    result = project.run(CHECKPOINT)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: test_exam.py::test_mmlu: {message}" in result.errlines
