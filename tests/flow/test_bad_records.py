"""Records files that cannot be used: every problem in a line of its own, no traceback."""

from __future__ import annotations

import json

import pytest

from tests.support.project import Project, records

GOOD = {"instruction": "Say one.", "output": "one"}

CASES = {
    "empty": (b"", "data.json: it is empty; add records or name another file"),
    "blank": (b" \n", "data.json: it is empty; add records or name another file"),
    "no-records": (b"[]", "data.json: it holds no record; add records or name another file"),
    "not-json": (
        b'[{"instruction": }]',
        "data.json: it is not JSON (Expecting value, line 1 column 18); correct it there",
    ),
    "not-utf8": (b'["\xff"]', "data.json: it is not UTF-8 (byte 3); save it as UTF-8"),
    "deep": (
        b"[" * 100_000,
        "data.json: it is nested too deeply; a record is a flat object",
    ),
    "long-number": (
        b"[" + b"9" * 5000 + b"]",
        "data.json: it holds a number of thousands of digits; correct it",
    ),
    "object": (
        {"data": GOOD},
        (
            "data.json: it holds an object instead of a list; a records file is a list of objects, or "
            "has one object on each line"
        ),
    ),
    "not-objects": ([GOOD, "x"], "data.json: record 2: it is a string; a record is an object"),
    "not-a-number": (
        b'[{"instruction": "x", "output": "y"}, NaN]',
        "data.json: record 2: it is NaN; a record is an object",
    ),
    "infinite": (b"[1e999]", "data.json: record 1: it is 1e999; a record is an object"),
    "no-output": (
        [GOOD, {"instruction": "x"}],
        'data.json: record 2: "output" is missing; every record needs a reference answer, or criteria',
    ),
    "no-instruction": (
        [{"output": "x"}],
        'data.json: record 1: "instruction" is missing; every record needs an instruction',
    ),
    "empty-instruction": (
        [{"instruction": " ", "output": "x"}],
        'data.json: record 1: "instruction" is empty; every record needs an instruction',
    ),
    "empty-output": (
        [{"instruction": "x", "output": ""}],
        'data.json: record 1: "output" is empty; every record needs a reference answer, or criteria',
    ),
    "input-number": (
        [{**GOOD, "input": 7}],
        'data.json: record 1: "input" is a number; it must be a string',
    ),
    "output-list": (
        [{**GOOD, "output": ["x"]}],
        'data.json: record 1: "output" is a list; it must be a string',
    ),
    "human-score": (
        [{**GOOD, "human_score": 101}],
        'data.json: record 1: "human_score" is 101; it must be an integer from 0 to 100',
    ),
    "human-score-text": (
        [{**GOOD, "human_score": "good"}],
        'data.json: record 1: "human_score" is "good"; it must be an integer from 0 to 100',
    ),
    "duplicate-id": (
        [{**GOOD, "id": "a"}, GOOD, {**GOOD, "id": "a"}],
        'data.json: record 3: "id" is "a", as in record 1; ids must differ within a file',
    ),
    "gate-id": (
        [{**GOOD, "id": "average"}],
        'data.json: record 1: "id" is "average", the name of a gate; give the record another id',
    ),
    "empty-id": (
        [{**GOOD, "id": ""}],
        'data.json: record 1: "id" is empty; give it a value or leave it out',
    ),
    "surrogate": (
        [{**GOOD, "instruction": "x\ud800"}],
        (
            "data.json: record 1: instruction: it holds half a surrogate pair (character 2); "
            "write the text again as UTF-8"
        ),
    ),
    "nul": (
        [{**GOOD, "output": "x\0"}],
        "data.json: record 1: output: it holds a NUL character; remove it",
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_file_named_on_the_command_line(project: Project, name: str) -> None:
    """The run ends with status 4 and the line."""
    content, text = CASES[name]
    project.write("data.json", content)

    result = project.run("data.json", "--llm-judge-min-score=1")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [f"ERROR: {text}"] == [line for line in result.errlines if line]


@pytest.mark.parametrize("name", ["empty", "no-output"])
def test_a_file_named_by_a_marker(project: Project, mode: tuple[str, ...], name: str) -> None:
    """The test file cannot be collected, and says why in the same line."""
    content, text = CASES[name]
    project.suite(content, "min_score=1")

    result = project.run(*mode)

    # xdist itself ends with 1 where pytest alone ends with 2.
    assert result.ret == (1 if mode else 2)
    result.stdout.fnmatch_lines(["*ERROR collecting test_suite.py*", text])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*collect.py*")


def test_a_file_that_is_not_there(project: Project) -> None:
    """The message gives the whole path that was tried."""
    project.suite([GOOD], "min_score=1")
    (project.path / "data.json").unlink()

    result = project.run()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = (
        'test_suite.py::test_instructions: records file "data.json" is not there; '
        f"expected it at {project.path / 'data.json'}"
    )
    result.stdout.fnmatch_lines([text])


def test_all_causes_are_told_together(project: Project) -> None:
    """The first twenty causes are listed, then how many more there are."""
    extra = ", ".join(f'"f{number}": NaN' for number in range(30))
    project.write("data.json", f'[{{"instruction": "x", "output": "y", {extra}}}]')

    result = project.run("data.json", "--llm-judge-min-score=1")

    lines = [line for line in result.errlines if line]
    assert len(lines) == 21
    assert lines[19] == (
        'ERROR: data.json: record 1: "f19" is NaN, which JSON does not have; leave it out or write '
        "null"
    )
    assert lines[20] == "ERROR: data.json: and 10 more problems"


def test_json_lines_are_numbered_as_an_editor_does(project: Project) -> None:
    """A problem in JSON Lines names its line, blank lines counted."""
    project.write("data.jsonl", json.dumps(GOOD) + "\n\n{]\n")

    result = project.run("data.jsonl", "--llm-judge-min-score=1")

    text = (
        "ERROR: data.jsonl: line 3: it is not JSON (Expecting property name enclosed in double "
        "quotes, line 1 column 2); correct it there"
    )
    assert [text] == [line for line in result.errlines if line]


def test_missing_responses(project: Project) -> None:
    """A suite with ``responses=`` needs the field in every record."""
    project.suite(
        [{**GOOD, "answer": "x"}, {**GOOD, "answer": 3}, GOOD], 'responses="answer", min_score=1'
    )

    result = project.run()

    result.stdout.fnmatch_lines(
        [
            (
                'data.json: record 2: "answer" is a number; responses="answer" needs a string '
                "there in every record"
            ),
            (
                'data.json: record 3: "answer" is missing; responses="answer" needs a string there '
                "in every record"
            ),
        ],
        consecutive=True,
    )


def test_a_file_that_changes_during_the_run(project: Project) -> None:
    """Results of a file that is not there any more are not written, and it says so."""
    project.suite(records(2))
    body = """
import pathlib, pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=1)
def test_instructions(verdict):
    pathlib.Path("data.json").write_text("[]")
"""
    project.write("test_suite.py", body)

    result = project.run("-n", "2", "--llm-judge-report=results.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = (
        "ERROR: data.json: it changed while the run was going on; run again; the verdicts are "
        "kept in the cache"
    )
    result.stdout.fnmatch_lines([text])
    assert not (project.path / "results.json").exists()
