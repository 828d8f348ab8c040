"""Results files: every released version is read, nothing unknown is lost, nothing bad is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Entry, Measure, Side
from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.keys import Content, content_of
from pytest_llmjudge.storage import results_reader
from tests.support.outcomes import compared
from tests.support.saved import read_results
from tests.support.schema import check_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RELEASED = Path(__file__).parent / "released"
WROTE = "name a file that --llm-judge-report wrote"
AS_WRITTEN = f"{WROTE}, as it was written"
# As the contract has it: what other tools and older versions may leave out is left out.
SMALLEST: dict[str, Any] = {
    "schema": 1,
    "created": "2026-01-02T03:04:05+00:00",
    "pytest_llmjudge": "0.1.0",
    "judge": {
        "model": "llama3",
        "backend": "ollama",
        "version": "0.24.0",
        "digest": "abc",
        "options": {},
    },
    "suites": [
        {
            "name": "test_a.py::test_a",
            "kind": "judge",
            "checkpoint": {"path": "a.pth", "fingerprint": "f"},
            "total": 1,
            "scored": 1,
            "unscored": 0,
            "average": 85.0,
            "ci95": None,
            "min_score": 20,
            "min_average": 55.0,
            "outcome": "passed",
            "records": [
                {
                    "id": "r0",
                    "instruction": "Say it.",
                    "input": "",
                    "output": "It.",
                    "model_response": "it",
                    "score": 85,
                    "reply": "85",
                    "error": None,
                    "outcome": "passed",
                }
            ],
        }
    ],
}


def changed(**changes: object) -> dict[str, Any]:
    """Return the smallest file with other values in its suite."""
    (suite,) = SMALLEST["suites"]
    return {**SMALLEST, "suites": [{**suite, **changes}]}


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*.json")), ids=lambda path: path.stem)
def test_every_released_version_is_read(path: Path) -> None:
    """A baseline of any earlier release serves; suites of both kinds are there."""
    run = read_results(path)

    assert [side.measure.kind for side in run.sides.values()] == ["judge", "mmlu"]
    judged, exam = run.sides.values()
    assert (len(judged.entries), judged.passes_at) == (6, 40)
    assert judged.judge is not None
    assert judged.judge.model == "embedded"
    assert (len(exam.entries), exam.terms["mode"]) == (3, "continuation")


def test_what_is_written_now_is_released(tmp_path: Path) -> None:
    """The newest file of the tests has every key that this version writes."""
    check_results(json.loads((RELEASED / "version-1.json").read_text(encoding="utf-8")))


def test_a_side_of_records(tmp_path: Path) -> None:
    """Id, content, score and response of each record; the judge of the file."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(SMALLEST), encoding="utf-8")

    side = read_results(path).sides["test_a.py::test_a"]

    assert side.entries == (Entry("r0", content_of(Content("Say it.", "", "It.")), 85, "it"),)
    assert side.judge is not None
    assert (side.judge.digest, side.judge.ask) == ("abc", "")
    assert side.passes_at == 20


def test_unknown_keys_are_kept(tmp_path: Path) -> None:
    """A later minor version may tell more; a suite of a kind that is unknown is left alone."""
    document = changed(later="more")
    document["later"] = {"more": 1}
    document["judge"] = {**document["judge"], "later": 1}
    document["suites"].append({"name": "x", "kind": "later", "outcome": "passed", "more": [1]})
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    run = read_results(path)

    assert run.document == document
    assert list(run.sides) == ["test_a.py::test_a"]


class Loss:
    """A kind of suite that another version may have."""

    name = "surprise"
    measure = Measure("surprise", unit="nats", higher_is_better=False)

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        if not suite["losses"]:
            yield "it has no losses"

    def saved_side(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side:
        assert judge == SMALLEST["judge"]
        entries = (Entry(name, "", loss, None) for name, loss in suite["losses"].items())
        return Side(self.measure, suite["name"], tuple(entries))


def test_any_kind_reads_its_own_suites(tmp_path: Path) -> None:
    """What a kind makes of its part is compared; suites of other kinds are left alone."""
    path = tmp_path / "results.json"
    suite = {"name": "x", "kind": "surprise", "outcome": "passed", "losses": {"r0": 1.5}}
    document = {**SMALLEST, "suites": [*SMALLEST["suites"], suite]}
    path.write_text(json.dumps(document), encoding="utf-8")

    run = results_reader.read_results(path, [Loss()])

    assert run.sides == {"x": Side(Loss.measure, "x", (Entry("r0", "", 1.5, None),))}
    assert run.side(Loss.measure, "y") == Side(Loss.measure, "y", (), others=("x",))

    suite["losses"] = {}
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BaselineError, match="x: it has no losses; "):
        results_reader.read_results(path, [Loss()])


def test_a_suite_with_a_judge_of_its_own(tmp_path: Path) -> None:
    """It goes before the file's."""
    judge = {**SMALLEST["judge"], "model": "other"}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(changed(judge=judge)), encoding="utf-8")

    (side,) = read_results(path).sides.values()

    assert side.judge is not None
    assert side.judge.model == "other"


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        (b"", "it is empty", WROTE),
        (b"\xff\xfe", "it is no JSON, or not all of it", WROTE),
        (
            b'{"schema": 1',
            "it is no JSON, or not all of it",
            WROTE,
        ),
        (
            b"[" * 100_000,
            "it is no JSON, or not all of it",
            WROTE,
        ),
        (
            json.dumps({**SMALLEST, "later": float("nan")}).encode(),
            "it is no JSON, or not all of it",
            WROTE,
        ),
        (
            {**SMALLEST, "suites": SMALLEST["suites"] * 2},
            "it has two suites named test_a.py::test_a",
            AS_WRITTEN,
        ),
        (b"[1]", "it is no results file", WROTE),
        (
            {"schema": 3},
            "it has schema version 3, and this version reads 1",
            "update pytest-llmjudge",
        ),
        (
            {**SMALLEST, "schema": "1"},
            "it is no results file: schema: 1 was expected",
            AS_WRITTEN,
        ),
        (
            changed(min_score=None, records=[{"id": "r0"}]),
            "it is no results file: suites.0.records.0: 'instruction' is a required property",
            AS_WRITTEN,
        ),
        (
            changed(outcome="fine"),
            "it is no results file: suites.0.outcome: 'fine' is not one of ['passed', 'failed', 'incomplete']",
            AS_WRITTEN,
        ),
    ],
    ids=[
        "empty",
        "bytes",
        "half",
        "deep",
        "nan",
        "twice",
        "list",
        "newer",
        "text",
        "record",
        "outcome",
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, content: object, problem: str, hint: str
) -> None:
    """One line each, whatever is wrong."""
    path = tmp_path / "results.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    with pytest.raises(BaselineError) as raised:
        read_results(path)

    assert (raised.value.where, raised.value.problem) == (str(path), problem)
    assert raised.value.hint == hint


RECORD: dict[str, Any] = SMALLEST["suites"][0]["records"][0]
PAIR: dict[str, Any] = compared({"r1": "a", "r2": "tie"})


@pytest.mark.parametrize(
    ("suite", "problem"),
    [
        (
            {"average": 95.0},
            'test_a.py::test_a: its "average" is 95.0, and by its records 85',
        ),
        (
            {"average": None},
            'test_a.py::test_a: its "average" is null, and by its records 85',
        ),
        (
            {"records": [RECORD, RECORD], "total": 2, "scored": 2},
            "test_a.py::test_a: two of its records have the id r0",
        ),
        ({"total": 0}, 'test_a.py::test_a: its "total" is 0, and by its records 1'),
        ({"scored": 0}, 'test_a.py::test_a: its "scored" is 0, and by its records 1'),
        ({"unscored": 1}, 'test_a.py::test_a: its "unscored" is 1, and by its records 0'),
        ({"groups": 2}, 'test_a.py::test_a: its "groups" is 2, and by its records none'),
        (
            {"total": 2, "unscored": 1},
            'test_a.py::test_a: its "average" is 85.0, and by its records none',
        ),
        (
            {"records": [{**RECORD, "score": 101}]},
            (
                "it is no results file: suites.0.records.0.score: 101 is greater than the maximum "
                "of 100"
            ),
        ),
        (
            {"records": [{**RECORD, "score": "9" * 1000}]},
            (
                f"it is no results file: suites.0.records.0.score: '{'9' * 58}… is not of type "
                "'integer', 'null'"
            ),
        ),
        (
            {"records": [{**RECORD, "id": "r" * 1000}] * 2, "total": 2, "scored": 2},
            f"test_a.py::test_a: two of its records have the id {'r' * 199}…",
        ),
        (
            {**PAIR, "win_rate": 1.0},
            'test_b.py::test_b: its "win_rate" is 1.0, and by its records 0.75',
        ),
        ({**PAIR, "losses": 1}, 'test_b.py::test_b: its "losses" is 1, and by its records 0'),
        (
            {**PAIR, "records": [PAIR["records"][0]] * 2},
            "test_b.py::test_b: two of its records have the id r1",
        ),
    ],
)
def test_files_that_contradict_themselves(
    tmp_path: Path, suite: dict[str, object], problem: str
) -> None:
    """A figure that its own records do not have was not written by a run."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(changed(**suite)), encoding="utf-8")

    with pytest.raises(BaselineError) as raised:
        read_results(path)

    assert (raised.value.problem, raised.value.hint) == (problem, AS_WRITTEN)


@pytest.mark.parametrize(
    ("place", "figure", "problem"),
    [
        ("suite", {"accuracy": 0.5}, 'its "accuracy" is 0.5, and by its records 1'),
        ("suite", {"correct": 2}, 'its "correct" is 2, and by its records 3'),
        (
            "subject",
            {"accuracy": 0.5},
            'world_capitals: its "accuracy" is 0.5, and by its records 1',
        ),
        ("subject", {"total": 4}, 'world_capitals: its "total" is 4, and by its records 3'),
    ],
)
def test_exams_that_contradict_themselves(
    tmp_path: Path, place: str, figure: dict[str, float], problem: str
) -> None:
    """The same of MMLU, over all subjects and within each."""
    document = json.loads((RELEASED / "version-1.json").read_text(encoding="utf-8"))
    exam = document["suites"][1]
    (exam if place == "suite" else exam["subjects"][0]).update(figure)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(BaselineError) as raised:
        read_results(path)

    assert raised.value.problem.endswith(f"test_release.py::test_mmlu: {problem}")


def test_a_key_that_stands_there_twice(tmp_path: Path) -> None:
    """Most readers see the last of them alone."""
    path = tmp_path / "results.json"
    text = json.dumps(SMALLEST).replace('"score": 85', '"score": 0, "score": 85')
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BaselineError) as raised:
        read_results(path)

    assert str(raised.value) == (
        f'{path}: an object in it has the key "score" twice; name a file that --llm-judge-report '
        "wrote, as it was written"
    )


@pytest.mark.parametrize("digits", [19, 400])
def test_an_integer_that_counts_nothing(tmp_path: Path, digits: int) -> None:
    """A float may not hold it, and nothing has so many."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(changed(total=10 ** (digits - 1))), encoding="utf-8")

    with pytest.raises(BaselineError) as raised:
        read_results(path)

    assert raised.value.problem == f"it has an integer of {digits} digits"
    assert raised.value.hint == AS_WRITTEN


def test_a_file_of_more_values_than_there_is_memory_for(tmp_path: Path) -> None:
    """It is not decoded at all."""
    path = tmp_path / "results.json"
    path.write_text(f"[{'[],' * (1 << 24)}1]", encoding="utf-8")

    with pytest.raises(BaselineError) as raised:
        read_results(path)

    assert raised.value.problem == "it has more than the 33,554,432 values that are read"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Named with the option that names it."""
    with pytest.raises(BaselineError) as raised:
        read_results(tmp_path, named_by="--llm-judge-baseline")

    assert str(raised.value) == (
        f"--llm-judge-baseline {tmp_path}: it cannot be read (Is a directory); name a file that "
        "--llm-judge-report wrote"
    )
