"""Examples of the docs do what their pages say."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace

import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from pytest_llmjudge.data import Design, Label
from pytest_llmjudge.keys import Content, content_digest
from pytest_llmjudge.stats.labels import records_digest, response_digest
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.benchmark_sets import rows_of
from tests.support.fake_ollama import DIGEST, Answer, FakeOllama
from tests.support.pages import DOCS, PAGES, Block, blocks, commands
from tests.support.project import MARKED, MODEL, Project, records
from tests.unit.generation.tiny import TINY, save_model

MODULE = """
class Model:
    def answer(self, prompt, max_new_tokens):
        number = prompt.split("Say ")[1].split()[0]
        return f"The number {number} in words."

def load(path):
    with open("loaded.log", "a") as log:
        log.write(path.read_text() + "\\n")
    return Model()
"""
RIGHT = "'The number ' + prompt.split('Say ')[1].split()[0] + ' in words.'"
QUESTION = "Which is {0}?,one,two,three,{0},D\n"
# Room for the prompts as they are made for real models.
ROOMY = replace(TINY, context_length=1024)
# Pages whose blocks are files of one project each have a test of their own.
PROJECTS = {
    *("conversations.md", "criteria.md", "messages.md", "tables.md", "tutorial.md"),
    *("results-elsewhere.md", "your-own-judge.md", "your-own-model.md"),
}


def files(page: str, language: str = "python") -> dict[str, str]:
    """The blocks of a page whose first line or title names a file."""
    return {block.file: block.text for block in blocks(DOCS / page, language) if block.file}


@pytest.mark.parametrize("how", [(), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
def test_a_model_of_your_own(project: Project, how: tuple[str, ...]) -> None:
    """It answers all records, is loaded once, and other weights are another model."""
    for name, text in files("your-own-model.md").items():
        project.write(name, text)
    project.write("my_model.py", MODULE)
    project.write("records.json", records(5))
    project.write("my-model.pth", "first")

    for weights in ("first", "second", "second"):
        project.write("my-model.pth", weights)
        project.run(*how).assert_outcomes(passed=6)

    assert (project.path / "loaded.log").read_text().split() == ["first", "second"]


ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n"
)
SCORED = """
import pytest
import torch
from scoring import Scoring

class Bytes:
    def encode(self, text):
        return list(text.encode())

@pytest.fixture(scope="session")
def llm_model():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Embedding(257, 8), torch.nn.Linear(8, 257))
    return Scoring(module, Bytes(), 256, 1024, "scored-1")
"""


def test_a_model_of_your_own_that_scores(project: Project) -> None:
    """Its loss is torch's cross-entropy of the references' tokens."""
    project.write("scoring.py", files("your-own-model.md")["scoring.py"])
    project.write("conftest.py", SCORED)
    project.write("data.json", records(4))
    mark = '@pytest.mark.llm_loss("data.json", max_loss=20)'
    project.write("test_loss.py", f"import pytest\n\n{mark}\ndef test_loss(loss):\n    pass\n")

    project.run("--llm-judge-report=results.json").assert_outcomes(passed=5)

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Embedding(257, 8), torch.nn.Linear(8, 257))
    losses = []
    for one in records(4):
        before = f"{ALPACA}{one['instruction']}\n\n### Response:\n".encode()
        ids = torch.tensor([*before, *one["output"].encode(), 256])
        logits = module(ids[None])[0]
        entropies = torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")
        losses += entropies[len(before) - 1 :].tolist()
    (suite,) = project.results()["suites"]
    assert suite["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)


@pytest.mark.parametrize("how", [(), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
def test_a_judge_of_your_own(project: Project, how: tuple[str, ...]) -> None:
    """It scores by the numbers, and a reference without one leaves the record unscored."""
    for name, text in files("your-own-judge.md").items():
        project.write(name, text)
    sums = [
        {"id": "right", "instruction": "2 + 3?", "output": "5", "model_response": "It is 5."},
        {"id": "wrong", "instruction": "2 + 2?", "output": "4", "model_response": "It is 5."},
    ]
    project.write("sums.json", sums)
    project.run(*how).assert_outcomes(passed=3)

    nothing = {"id": "none", "instruction": "Odd?", "output": "yes", "model_response": "yes"}
    project.write("sums.json", [*sums, nothing])
    result = project.run(*how)

    result.assert_outcomes(passed=2, failed=1, errors=1)
    assert "none: its reference has no number; ask another judge" in str(result.stdout)


ANSWERS = """
import pytest

ANSWERS = {
    "Peru": "The capital of Peru is Lima.",
    "mouse": "The plural of mouse is mice.",
    "2 + 2": "4",
    "shipping": "It takes three days, two with express.",
    "return": "Yes, within 30 days.",
}

class Model:
    fingerprint = "answers-1"

    def generate(self, prompts, *, max_new_tokens):
        return [next(text for key, text in ANSWERS.items() if key in one) for one in prompts]

@pytest.fixture(scope="session")
def llm_model():
    return Model()
"""


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=" ".join)
def test_records_that_are_messages(project: Project, how: tuple[str, ...]) -> None:
    """Each file of the page is a suite with the items that the page says."""
    for name, text in files("messages.md", "").items():
        project.write(name, text)
    project.write("conftest.py", ANSWERS)

    result = project.run("-rA", "--llm-judge-report=results.json", *how)

    assert "PASSED test_chat.py::test_chat[capital]" in result.outlines
    assert "PASSED test_chat.py::test_chat[average]" in result.outlines
    counts = {suite["name"]: suite["scored"] for suite in project.results()["suites"]}
    assert counts == {
        "test_chat.py::test_chat": 2,
        "test_completions.py::test_completions": 2,
        "test_dialogues.py::test_dialogues": 2,
        "test_messages.py::test_messages": 2,
        "test_preferences.py::test_as_good_as_chosen": 1,
    }


def test_a_chat_model(project: Project) -> None:
    """The first example and command of the page send each record as a message of a user."""
    project.write("test_chat.py", blocks(DOCS / "chat-models.md", "python")[0].text)
    project.write("instruction-data.json", records(4))
    (console, *_) = blocks(DOCS / "chat-models.md", "console")
    (command,) = commands(console.text)
    texts = {f"Say {number} in words.": f"The number {number} in words." for number in range(4)}
    models = {"my-model:latest": DIGEST}
    with FakeOllama(lambda request: Answer(texts[request.prompt]), models=models) as server:
        words = shlex.split(command.text)[2:]
        result = project.run(*words, f"--llm-judge-checkpoint-url={server.url}")
        asked = [body["messages"] for body in server.chats]

    result.assert_outcomes(passed=5)
    assert sorted(message["content"] for (message,) in asked) == sorted(texts)


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=" ".join)
def test_records_of_several_turns(project: Project, how: tuple[str, ...]) -> None:
    """A served model is asked each question behind its own answers; a file has them already."""
    for name, text in files("conversations.md", "").items():
        project.write(name, text)
    lines = files("conversations.md", "json")["bench.jsonl"].splitlines()
    bench = [json.loads(line) for line in lines]
    said = {
        question: reference
        for record in bench
        for question, reference in zip(record["turns"], record["reference"], strict=True)
    }
    models = {"candidate:latest": DIGEST}
    with FakeOllama(lambda request: Answer(said[request.prompt]), models=models) as server:
        where = f"--llm-judge-checkpoint-url={server.url}"
        result = project.run("--llm-judge-checkpoint=ollama:candidate", where, "-rA", *how)
        asked = [body["messages"] for body in server.chats]

    result.assert_outcomes(passed=5)
    assert "PASSED test_bench.py::test_bench[haiku]" in result.outlines
    assert [len(messages) for messages in asked] == [1, 1, 3, 3]
    answers = [messages[1]["content"] for messages in asked[2:]]
    assert sorted(answers) == sorted(record["reference"][0] for record in bench)


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=" ".join)
def test_records_in_tables(project: Project, how: tuple[str, ...]) -> None:
    """The rows are judged with the test file of the page and without it."""
    for name, text in files("tables.md", "").items():
        project.write(name, text)
    project.write("my-dataset/train.jsonl", '{"question": "x", "answer": "y"}')
    row = {"question": "What is the capital of Peru?", "answer": "The capital of Peru is Lima."}
    project.write("my-dataset/test.jsonl", json.dumps(row))
    project.write("conftest.py", ANSWERS)

    project.run(*how).assert_outcomes(passed=5)
    arguments = "--llm-judge-min-average=50", "--llm-judge-fields=instruction=question output=gold"
    project.run("faq.csv", *arguments, *how).assert_outcomes(passed=3)


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=" ".join)
def test_a_rubric_without_references(
    project: Project, ollama: FakeOllama, how: tuple[str, ...]
) -> None:
    """The page shows the question, and both criteria make the score."""
    for name, text in files("criteria.md", "").items():
        project.write(name, text)
    project.write("conftest.py", MODEL.format(answer="'Dear customer, it arrives on Monday.'"))
    ollama.reply = lambda asked: Answer("80" if asked.criteria.startswith("polite") else "50")

    result = project.run("--llm-judge-report=results.json", *how, server=ollama.url)

    result.assert_outcomes(passed=3)
    (suite,) = project.results()["suites"]
    assert [record["score"] for record in suite["records"]] == [65, 65]
    (shown,) = (text for text in blocks_of("criteria.md", "text") if text.startswith("You are"))
    assert shown.rstrip("\n") in [body["messages"][-1]["content"] for body in ollama.chats]


def blocks_of(page: str, language: str) -> list[str]:
    """The texts of a page's blocks in a language."""
    return [block.text for block in blocks(DOCS / page, language)]


COMMANDS = dict.fromkeys(
    command.text
    for page in PAGES
    for block in blocks(page, "console")
    for command in commands(block.text)
    if re.search(r"(^|&& )pytest ", command.text)
)


def test_every_call_of_pytest_can_be_made(pytester: pytest.Pytester) -> None:
    """Its options exist, those of pytest and of its other plugins too."""
    assert len(COMMANDS) > 20
    for text in COMMANDS:
        words = shlex.split(text.partition("&& ")[2] or text)
        assert words.pop(0) == "pytest"
        pytester.parseconfig(*words)


EXAMPLES = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    if page.name not in PROJECTS
    for number, block in enumerate(blocks(page, "python"), start=1)
]


@pytest.mark.parametrize("block", EXAMPLES)
def test_every_other_example_runs(project: Project, ollama: FakeOllama, block: Block) -> None:
    """Each is a test file or a conftest that is used as it stands; nothing in it errs."""
    # A sample that corrects an average has at least twenty records.
    _furnish(project, 20 if "correct=True" in block.text else 6)
    text = block.text if "import pytest" in block.text else f"import pytest\n{block.text}"
    if "@pytest.fixture" in text:
        project.write("conftest.py", text)
        compares = "def compare(" in text and "def score(" not in text
        project.write("test_page.py", PAIRS if compares else SUITE)
    else:
        if not any(name in text for name in _SCORED):
            project.write("conftest.py", MODEL.format(answer=RIGHT))
        project.write("test_page.py", text)

    few = ["--llm-judge-max-new-tokens=8"]
    if "responses=" not in text:
        few.append("--llm-judge-checkpoint=candidate.pth")
    result = project.run(*few, "-rA", server=ollama.url)

    outcomes = result.parseoutcomes()
    assert set(outcomes) <= {"passed", "failed"}
    failed = _failed(result.outlines)
    assert outcomes.get("passed") or failed == {_ASSERTION}
    assert failed <= {
        "[agreement]",
        "[average]",
        "[average:biology]",
        "[win-rate]",
        "[perplexity]",
        _ASSERTION,
    } | _too_bad(text)


_SCORED = ("llm_mmlu", "(mmlu)", "llm_loss", "llm_choices", "(choices)", "gsm8k", "own.json")
"""What asks for log-probabilities, or for answers to other questions than the records'."""
_ASSERTION = "an assertion of a plain test"
"""What a small random model may fail that is asked from any test."""
SUITE = MARKED.format(arguments='"instruction-data.json", min_average=0')
PAIRS = """
import pytest

@pytest.mark.llm_compare("instruction-data.json", against="gpt4_answer", min_win_rate=0.01)
def test_pairs(preference):
    pass
"""


def _furnish(project: Project, count: int) -> None:
    """Write all that the examples name, with so many records."""
    right = "The number {} in words."
    rows = [
        {
            **record,
            "id": f"r{number}",
            "gpt4_answer": right.format(number),
            "category": "translation" if number % 2 else "arithmetic",
        }
        for number, record in enumerate(records(count))
    ]
    project.write("instruction-data.json", rows)
    in_groups = [{**row, "source_id": number // 2} for number, row in enumerate(rows)]
    project.write("paraphrases.json", in_groups)
    project.write("train.json", [{"instruction": "Name a colour.", "output": "Red."}])
    votes = [
        {"id": record["id"], "model_a": "Echo", "model_b": "released.pth", "winner": "tie"}
        for record in rows
    ]
    project.write("votes.jsonl", "".join(f"{json.dumps(vote)}\n" for vote in votes))
    labels = project.path / "labels.jsonl"
    contents = [
        (str(row["id"]), content_digest(Content(str(row["instruction"]), "", str(row["output"]))))
        for row in rows
    ]
    design = Design("test_page.py::test_instructions", count, count, 123, records_digest(contents))
    append_design(labels, design)
    for record in rows:
        digest = response_digest(str(record["output"]))
        append_label(labels, Label(str(record["id"]), digest, 100, "ana"))
    for name in ("candidate", "released", "gpt2-medium355M-sft"):
        save_model(project.path / f"{name}.pth", ROOMY)
    for subject in ("anatomy", "astronomy"):
        for part, numbers in (("dev", range(8, 13)), ("test", range(8))):
            text = "".join(map(QUESTION.format, numbers))
            project.write(f"data/mmlu/{part}/{subject}_{part}.csv", text)
    for benchmark in ("arc_easy", "hellaswag", "gsm8k"):
        asked, solved = (part[:6] for part in rows_of(benchmark))
        for file, rows_there in ((benchmark, asked), (f"{benchmark}-train", solved)):
            parquet.write_table(pa.Table.from_pylist(rows_there), project.path / f"{file}.parquet")
    for name, text in {**files("choices.md", "json"), **files("exact.md", "json")}.items():
        project.write(name, text)
    answers = [
        {"question": record["instruction"], "answers": {"text": [record["output"]]}}
        for record in rows
    ]
    project.write("questions.json", answers)
    template = "{% for one in messages %}{{ one.content }}\n{% endfor %}"
    project.write("my-format.jinja", template)
    project.write("general.txt", "Texts of other kinds. " * 40)
    project.write("pytest.ini", "[pytest]\nllm_mmlu_data = data/mmlu\n")


def _failed(lines: list[str]) -> set[str]:
    """Return what the failed items are called in their function, ``[average]`` for example.

    Of an item of a plain test it is why, unless that is an assertion.
    """
    failures = [line.partition(" - ") for line in lines if line.startswith("FAILED ")]
    return {
        name[name.index("[") :] if "[" in name else _ASSERTION if "assert" in why.lower() else why
        for name, _, why in failures
    }


def _too_bad(text: str) -> set[str]:
    """Return the items that a small random model may fail: records under a ``min_score``."""
    return {f"[r{number}]" for number in range(6)} if "class MyModel" in text else set()
