"""Records files in other shapes and formats: read as what they are, or refused in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.project import Project, records

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"instruction": "Say one.", "output": "one"}


def lines_of(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


REFUSED = {
    "messages": (
        "data.jsonl",
        lines_of(*[{"messages": [{"role": "user", "content": "x"}]}] * 1100),
        (
            'all 1100 records: "messages" has no message of the assistant; every record needs a '
            "reference answer, or criteria"
        ),
    ),
    "sharegpt": (
        "data.json",
        [{"id": f"c{number}", "conversations": [], "system": "x"} for number in range(3)],
        'all 3 records: "conversations" is empty; it must be a list of messages',
    ),
    "preference": (
        "data.jsonl",
        lines_of(*[{"prompt": "x", "chosen": "y"}] * 310),
        (
            'all 310 records lack "instruction"; the fields are "prompt" and "chosen", which is '
            'preference data: give fields={"instruction": "prompt", "output": "chosen"}, or '
            '{"messages": "chosen"}'
        ),
    ),
    "many-fields": (
        "data.jsonl",
        lines_of(*[{f"f{number}": "x" for number in range(10)}] * 3),
        (
            'all 3 records lack "instruction"; the fields are '
            + ", ".join(f'"f{number}"' for number in range(8))
            + ' and 2 more: name yours with fields={"instruction": "…", "output": "…"}'
        ),
    ),
    "some": (
        "data.json",
        [GOOD, *[{"instruction": "x"}] * 4],
        (
            'records 2, 3 and 2 others: "output" is missing, the fields are "instruction"; every '
            "record needs a reference answer, or criteria"
        ),
    ),
    "two": (
        "data.jsonl",
        lines_of({**GOOD, "input": 1}, GOOD, {**GOOD, "input": 2}),
        'lines 1 and 3: "input" is a number; it must be a string',
    ),
    "taken": (
        "data.json",
        [{**GOOD, "id": name} for name in "ababab"],
        'record 3 and 3 others like it: "id" is "a", as in record 1; ids must differ within a file',
    ),
    "scores": (
        "data.json",
        [GOOD, {**GOOD, "human_score": 101}, {**GOOD, "human_score": "good"}],
        ('record 2 and 1 other like it: "human_score" is 101; it must be an integer from 0 to 100'),
    ),
    "null-output": (
        "data.json",
        [{**GOOD, "output": None}],
        'record 1: "output" is null; every record needs a reference answer, or criteria',
    ),
    "nan-input": (
        "data.json",
        '[{"instruction": "x", "input": NaN, "output": "y"}]',
        'record 1: "input" is NaN, which JSON does not have; leave it out or write null',
    ),
    "nan-output": (
        "data.json",
        '[{"instruction": "x", "output": NaN}]',
        (
            'record 1: "output" is NaN, which JSON does not have; every record needs a reference '
            "answer, or criteria"
        ),
    ),
    "nan-inside": (
        "data.json",
        '[{"instruction": "x", "output": "y", "from": {"a": [1, -Infinity]}}]',
        'record 1: "from" holds -Infinity, which JSON does not have; leave it out or write null',
    ),
    "key-twice": (
        "data.json",
        '[{"instruction": "x", "output": "a", "output": "b"}]',
        'record 1: it has "output" more than once; keep one of them',
    ),
    "key-twice-in-lines": (
        "data.jsonl",
        lines_of(GOOD) + '{"instruction": "x", "id": "a", "output": "b", "id": "a"}',
        'line 2: it has "id" more than once; keep one of them',
    ),
    "key-twice-inside": (
        "data.json",
        '[{"instruction": "x", "output": "y", "from": [{"page": {"a": 1, "a": 1}}]}]',
        'record 1: "from" has "a" more than once; keep one of them',
    ),
    "csv": (
        "data.csv",
        "\ufeffinstruction,input,output\nSay one.,one\n",
        (
            "line 2: not as many fields as the 3 columns of the first line; quote each field that has "
            "a comma or a line break"
        ),
    ),
    "tsv": (
        "data.TSV",
        "question\tgold\nSay one.\tone\nSay two.\ttwo\n",
        (
            'all 2 records lack "instruction"; the fields are "question" and "gold": name yours with '
            'fields={"instruction": "…", "output": "…"}'
        ),
    ),
    "not-parquet": (
        "data.parquet",
        b"PAR1",
        "it is no Parquet file; get the file anew",
    ),
    "lfs": (
        "data.json",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "it is a Git LFS pointer, not the file itself; run git lfs pull",
    ),
    "object": (
        "data.json",
        '{"data": []}',
        "it holds no record; add records or name another file",
    ),
    "broken-lines": (
        "data.json",
        '{"instruction": "x",\n"output": "y"}\n{}',
        "it is not JSON (Extra data, line 3 column 1); correct it there",
    ),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_one_line_for_each_cause(project: Project, case: str) -> None:
    """However many records it concerns, it is one line, and pytest's status is 4."""
    name, content, message = REFUSED[case]
    project.write(name, content)

    result = project.run(name, "--llm-judge-min-score=1")

    assert [f"ERROR: {name}: {message}"] == [line for line in result.errlines if line]
    assert pytest.ExitCode.USAGE_ERROR == result.ret


READ = {
    "lines-named-json": ("data.json", lines_of(*records(2))),
    "one-line-named-json": ("data.json", lines_of(*records(1))),
    "list-named-jsonl": ("data.jsonl", json.dumps(records(2), indent=1)),
    "list-in-a-line-named-jsonl": ("data.jsonl", "\n " + json.dumps(records(2))),
    "lines-named-ndjson": ("data.ndjson", lines_of(*records(2))),
    "object-over-lines": ("data.json", json.dumps(records(1), indent=1)),
}


@pytest.mark.parametrize("case", list(READ))
def test_a_file_is_read_as_what_it_is(project: Project, case: str) -> None:
    """A list and JSON Lines are told apart by what they hold, not by their names."""
    name, content = READ[case]
    project.write(name, content)
    conftest = """
import pytest

class Right:
    fingerprint = "right-1"

    def generate(self, prompts, *, max_new_tokens):
        return ["The number in words."] * len(prompts)

@pytest.fixture(scope="session")
def llm_model():
    return Right()
"""
    project.write("conftest.py", conftest)

    result = project.run(name, "--llm-judge-min-score=1")

    result.assert_outcomes(passed=content.count("instruction") + 1)


@pytest.mark.parametrize("field", ["input", "id", "human_score"])
def test_null_is_nothing(project: Project, field: str) -> None:
    """Exports write null where a record has no such field; its name is as if it were left out."""
    ours = [{key: text for key, text in one.items() if key != "id"} for one in records(2)]
    project.suite(ours)
    project.run("--llm-judge-report=left-out.json").assert_outcomes(passed=3)
    project.suite([{**record, field: None} for record in ours])

    project.run("--llm-judge-report=null.json").assert_outcomes(passed=3)

    (left_out,), (null,) = (
        project.results(f"{name}.json")["suites"] for name in ("left-out", "null")
    )
    assert left_out["records"] == null["records"]


def test_the_response_under_test_is_not_null(project: Project) -> None:
    """A field that ``responses=`` names has a text in every record."""
    project.suite([{**record, "model_response": None} for record in records(3)])

    result = project.run()

    hint = 'responses="model_response" needs a string there in every record'
    result.stdout.fnmatch_lines([f'data.json: all 3 records: "model_response" is null; {hint}'])


def test_published_shapes(real_data: Path, project: Project) -> None:
    """Small files in the shapes that people have are read, or refused in one line each."""
    folder = real_data / "foreign-records"
    for path in sorted(folder.iterdir()):
        project.write(path.name, path.read_bytes())
        result = project.run(path.name, "--llm-judge-min-score=1", "--collect-only", "-q")

        errors = [line for line in result.errlines if line]
        is_refused = path.name == "nan.json"
        assert is_refused == (len(errors) == 1), (path.name, errors)
        assert is_refused == (result.ret == pytest.ExitCode.USAGE_ERROR)
