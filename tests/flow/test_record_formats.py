"""Records in formats and files of other kinds than Alpaca's, from the file to the report."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.project import MARKED, MODEL

if TYPE_CHECKING:
    from tests.support.project import Project

HOW = pytest.mark.parametrize("how", [(), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
LOGGED = """
import json
import pytest

class Logged:
    fingerprint = "logged-1"

    def generate(self, prompts, *, max_new_tokens):
        with open("prompts.jsonl", "a") as log:
            log.writelines(json.dumps(prompt) + "\\n" for prompt in prompts)
        return ["The number in words."] * len(prompts)

@pytest.fixture(scope="session")
def llm_model():
    return Logged()
"""
RIGHT = "'The number ' + prompt.split('Say ')[1].split()[0] + ' in words.'"


def conversation(number: int) -> dict[str, Any]:
    asked = {"from": "human", "value": f"Say {number} in words."}
    return {"conversations": [asked, {"from": "gpt", "value": f"The number {number} in words."}]}


@HOW
def test_conversations(project: Project, how: tuple[str, ...]) -> None:
    """They are asked, judged and written back as they stood, and are the same records again."""
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    project.suite([{**conversation(number), "n": number} for number in range(4)], "min_score=90")

    result = project.run("--llm-judge-report=results.json", "--llm-judge-responses=out", *how)

    result.assert_outcomes(passed=5)
    (suite,) = project.results()["suites"]
    first = suite["records"][0]
    assert (first["instruction"], first["output"]) == ("Say 0 in words.", "The number 0 in words.")
    written = json.loads((project.path / "out/data-with-response.json").read_text("utf-8"))
    answered = {"model_response": "The number 0 in words.", "score": 100}
    assert written[0] == {**conversation(0), "n": 0, **answered}

    project.suite(written)
    project.run("--llm-judge-report=again.json", *how).assert_outcomes(passed=5)

    (again,) = project.results("again.json")["suites"]
    assert [one["id"] for one in again["records"]] == [one["id"] for one in suite["records"]]


@HOW
def test_a_table(project: Project, how: tuple[str, ...]) -> None:
    """Its columns are named in the marker, and a test body sees all of them."""
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    rows = [
        f'{number},"Say {number} in words.","The number {number} in words."' for number in range(4)
    ]
    project.write("data.csv", "\r\n".join(["id,Question,gold", *rows]))
    fields = '{"instruction": "Question", "output": "gold"}'
    test = MARKED.format(arguments=f'"data.csv", fields={fields}, min_average=90')
    test = test.replace("(verdict)", "(verdict, record)")
    project.write(
        "test_suite.py", test.replace("pass", 'assert record.fields["gold"] == record.output')
    )

    result = project.run("--llm-judge-report=results.json", *how)

    result.assert_outcomes(passed=5)
    (suite,) = project.results()["suites"]
    assert [one["id"] for one in suite["records"]] == list("0123")
    assert suite["average"] == 100


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.csv.gz", "data.jsonl.gz"])
def test_a_file_on_the_command_line(project: Project, name: str) -> None:
    """It is judged without a test file, and refused without ``--llm-judge``."""
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    text = "question,gold\n" + "".join(
        f"Say {n} in words.,The number {n} in words.\n" for n in range(3)
    )
    if "jsonl" in name:
        value = {"question": "Say 1 in words.", "gold": "The number 1 in words."}
        text = f"{json.dumps(value)}\n" * 3
    content = text.replace(",", "\t") if "tsv" in name else text
    project.write(name, gzip.compress(content.encode()) if name.endswith(".gz") else content)
    given = ["--llm-judge-min-average=90", "--llm-judge-fields=instruction=question output=gold"]

    project.run(name, *given).assert_outcomes(passed=4)

    refused = project.pytester.runpytest(name)
    hint = "it is a records file; add --llm-judge to judge its records"
    assert f"ERROR: {name}: {hint}" in refused.errlines
    assert refused.ret == pytest.ExitCode.USAGE_ERROR


def test_a_table_beside_tests_is_left_alone(project: Project) -> None:
    """Only a file that is named is a suite: a folder of tests may hold any tables."""
    project.write("data.csv", "no,records\n")
    project.write("data.parquet", "none")
    project.write("test_other.py", "def test_other(): pass\n")

    project.run().assert_outcomes(passed=1)
    project.run(".").assert_outcomes(passed=1)


def test_fields_and_split_of_the_ini_file(project: Project) -> None:
    """They count for suites that name none; the marker wins."""
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    values = [{"q": f"Say {n} in words.", "a": f"The number {n} in words."} for n in range(3)]
    project.write("data.json", {"train": values, "test": values[:2]})
    ini = "[pytest]\nllm_judge_fields = instruction=q output=a\nllm_judge_split = train\n"
    project.write("pytest.ini", ini)
    project.write("test_train.py", MARKED.format(arguments='"data.json", min_average=90'))
    arguments = (
        '"data.json", split="test", fields={"instruction": "q", "output": "a"}, min_average=90'
    )
    project.write("test_test.py", MARKED.format(arguments=arguments))

    project.run("test_train.py").assert_outcomes(passed=4)
    project.run("test_test.py").assert_outcomes(passed=3)


@HOW
def test_prompts_that_are_texts_are_sent_as_they_are(
    project: Project, how: tuple[str, ...]
) -> None:
    """No template comes around them, unless the marker names one."""
    project.write("conftest.py", LOGGED)
    prompts = [f"Q: {number}?\nA:" for number in range(3)]
    project.suite(
        [{"prompt": one, "completion": " The number."} for one in prompts], "min_average=1"
    )

    project.run(*how).assert_outcomes(passed=4)

    log = project.path / "prompts.jsonl"
    assert sorted(json.loads(line) for line in log.read_text().splitlines()) == prompts

    log.unlink()
    project.suite(
        [{"prompt": one, "completion": " The number."} for one in prompts],
        'min_average=1, prompt="phi3"',
    )
    project.run(*how).assert_outcomes(passed=4)
    assert all("<|user|>" in line for line in log.read_text().splitlines())


def test_a_folder_of_a_data_set(project: Project) -> None:
    """A marker may name it, and xdist's workers agree on what it holds."""
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    for split, count in (("train", 3), ("test", 2)):
        lines = "".join(f"{json.dumps(conversation(number))}\n" for number in range(count))
        project.write(f"chats/data/{split}-00000-of-00001.jsonl", lines)
    project.write("test_suite.py", MARKED.format(arguments='"chats", split="test", min_average=90'))

    for how in ((), ("-n", "2")):
        project.run(*how).assert_outcomes(passed=3)

    project.write("test_suite.py", MARKED.format(arguments='"chats", min_average=90'))
    result = project.run()
    problem = 'chats: it has the splits "test" and "train"; choose one, as in split="test" or --llm-judge-split=test'
    result.stdout.fnmatch_lines([f"*{problem}*"])


def test_a_folder_that_is_no_data_set(project: Project) -> None:
    """It is refused as before."""
    project.write("folder/notes.txt", "x")
    project.write("test_suite.py", MARKED.format(arguments='"folder", min_average=90'))

    result = project.run()

    result.stdout.fnmatch_lines(['*records file "folder" is a folder; expected it at *'])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "fields={}",
            (
                "test_suite.py::test_instructions: fields: {} maps no names to fields; write "
                '{"instruction": "question", "output": "answer"}'
            ),
        ),
        (
            'fields={"output": 1}',
            "test_suite.py::test_instructions: fields: 1 is no text; give a string in quotes",
        ),
        (
            "split=1",
            "test_suite.py::test_instructions: split: 1 is no text; give a string in quotes",
        ),
    ],
)
def test_keywords_that_cannot_be_used(project: Project, arguments: str, message: str) -> None:
    """They end the run with status 4."""
    project.suite([conversation(1)], f"min_score=1, {arguments}")

    result = project.run()

    assert f"ERROR: {message}" in result.errlines
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "question",
            '"question" is no pair of names; write NAME=FIELD, as in instruction=question',
        ),
        ("a=", '"a=" is no pair of names; write NAME=FIELD, as in instruction=question'),
        ("a='b", "its quotes are never closed; close them"),
    ],
)
def test_an_option_that_cannot_be_used(project: Project, text: str, message: str) -> None:
    """It ends the run with status 4."""
    result = project.run(f"--llm-judge-fields={text}")

    assert f"ERROR: --llm-judge-fields: {message}" in result.errlines
