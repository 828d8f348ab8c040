"""Labels of people in a run, and the gate over how the judge agrees with them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Design, Label, Record
from pytest_llmjudge.keys import content_digest
from pytest_llmjudge.stats.agreement import measure_agreement
from pytest_llmjudge.stats.labels import records_digest, response_digest
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.fake_ollama import Answer, FakeOllama
from tests.support.project import MODEL, Project

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = "test_suite.py::test_instructions"
BIAS = "--llm-judge-max-judge-bias=10"
REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", labels="labels.jsonl"'


def texts(count: int) -> list[dict[str, Any]]:
    """Return records whose responses hold the more of the reference the later they come."""
    outputs = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    return [
        {
            "id": f"r{number}",
            "instruction": f"Say text {number}.",
            "output": output,
            "model_response": output[: 4 + 60 * number // count],
        }
        for number, output in enumerate(outputs)
    ]


def label(
    project: Project,
    content: Sequence[dict[str, Any]],
    scores: Sequence[int],
    *,
    by: str = "ana",
    file: str = "labels.jsonl",
) -> None:
    """Write labels of the first records."""
    for record, score in zip(content, scores, strict=False):
        digest = response_digest(record["model_response"])
        append_label(project.path / file, Label(record["id"], digest, score, by))


def errors(result: pytest.RunResult) -> list[str]:
    """Return the lines of a usage error."""
    return [line for line in result.errlines + result.outlines if line.startswith("ERROR: ")]


def test_a_judge_that_agrees(project: Project, dist: tuple[str, ...]) -> None:
    """The gate passes over the mean of all labelers; the figures are those of the records."""
    content = texts(24)
    project.suite(content, f"{ARGUMENTS}, min_agreement=0.8, max_judge_error=40")
    scores = [100 * number // 24 for number in range(24)]
    label(project, content, scores)
    label(project, content, [score + 3 for score in scores[:4]], by="bob")

    result = project.run(REPORT, *dist)

    result.assert_outcomes(passed=26)
    (suite,) = project.results()["suites"]
    people = [(one["human_score"], one["labelers"]) for one in suite["records"]]
    assert people[:5] == [(1.5, 2), (5.5, 2), (9.5, 2), (13.5, 2), (16, 1)]
    assert [gate["name"] for gate in suite["gates"]] == ["average", "agreement"]
    agreement = measure_agreement(
        [one["score"] for one in suite["records"]], [one for one, _ in people]
    )
    assert agreement is not None
    assert agreement.spearman is not None
    assert agreement.spearman_interval is not None
    low, high = agreement.spearman_interval
    assert suite["agreement"]["spearman_interval"] == [round(low, 4), round(high, 4)]
    assert suite["gates"][1]["reason"].startswith(
        f"Spearman {agreement.spearman:.2f} (95 % CI {low:.2f} to {high:.2f}), mean absolute error "
    )
    assert suite["labels"] == {
        "path": "labels.jsonl",
        "design": None,
        "total": 28,
        "used": 28,
        "other_responses": 0,
        "other_records": 0,
    }


def test_alone_it_needs_the_labelled_records(
    project: Project, ollama: FakeOllama, mode: tuple[str, ...]
) -> None:
    """No other record is judged, and the suite stays incomplete."""
    content = texts(24)
    project.suite(content, f"{ARGUMENTS}, min_score=0")
    label(project, content, [50] * 21)

    result = project.run("-k", "agreement", REPORT, *mode, server=ollama.url)

    result.assert_outcomes(passed=1, **({} if mode else {"deselected": 25}))
    assert len(ollama.chats) == 21
    (suite,) = project.results()["suites"]
    assert (suite["outcome"], suite["scored"]) == ("incomplete", 21)
    assert suite["gates"][1]["reason"].endswith("over 21 labelled records; no limit is set")


def test_too_few_labels(project: Project) -> None:
    """They cannot tell, which fails where something is asked of them, and else is said."""
    content = texts(20)
    project.suite(content, f"{ARGUMENTS}, min_score=0")
    label(project, content, [50] * 19)
    reason = "cannot tell: fewer than 20 responses are labelled, label more with llmjudge label; "

    result = project.run(REPORT, "--llm-judge-check=strict")
    (suite,) = project.results()["suites"]

    result.assert_outcomes(passed=23)
    assert suite["gates"][2]["reason"].startswith(reason)
    assert "cause" not in suite["gates"][2]

    reports = REPORT, "--llm-judge-markdown=report.md"
    result = project.run(*reports, "--llm-judge-check=strict", "--llm-judge-max-judge-bias=50")
    (suite,) = project.results()["suites"]

    result.assert_outcomes(passed=22, failed=1)
    assert suite["gates"][2]["reason"].startswith(reason)
    assert suite["gates"][2]["cause"] == "inconclusive"
    assert suite["max_judge_bias"] == 50
    output = str(result.stdout)
    head = "agreement: failed, it cannot tell, over 19 labelled records"
    assert f"\n{head}\n" in output
    assert f"- {head} (Spearman -, mean " in (project.path / "report.md").read_text("utf-8")
    assert "-12.2 to +12.2; fewer than 20 records cannot tell\n" in output
    assert "failed: judge bias <= 50 failed (inconclusive); score >= 0 passed" in output


def test_labels_of_other_responses(project: Project) -> None:
    """A label belongs to what a person read: a new model's responses have none."""
    content = texts(3)
    project.write("conftest.py", MODEL.format(answer="'The quick'"))
    project.suite(content, 'labels="labels.jsonl", min_score=0')
    label(project, content, [10, 20, 30])

    result = project.run(REPORT)

    result.assert_outcomes(passed=4, failed=1)
    (suite,) = project.results()["suites"]
    assert suite["gates"][1]["reason"] == (
        "none of the 3 labels of labels.jsonl is of a response of this run; label the "
        "responses of this run with llmjudge label"
    )
    assert suite["labels"]["other_responses"] == 3
    assert "human_score" not in suite["records"][0]
    line = (
        f"labels of {SUITE}: labels.jsonl: 0 of 3 labels are of responses of this run, 3 are of "
        "other responses"
    )
    assert line in result.outlines


def test_a_labelled_record_without_a_score(project: Project) -> None:
    """It may be the one on which the judge is furthest off, so that the gate fails."""
    content = texts(22)
    project.suite(content, f"{ARGUMENTS}, min_agreement=-1")
    label(project, content, [50, 60] * 11)

    with FakeOllama(lambda chat: Answer("no" if "text 1." in chat.prompt else "85")) as server:
        project.run(REPORT, server=server.url)

    (suite,) = project.results()["suites"]
    assert suite["gates"][1]["reason"].startswith(
        "1 of 22 labelled records is unscored, so there is no agreement: r1\nfirst cause: "
    )


def test_scores_in_the_records_file(project: Project) -> None:
    """They count as labels by one person; an option's limit is for suites that have some."""
    content = texts(22)
    project.suite(content, 'responses="model_response", min_score=0', test="test_other.py")
    people = [4 * place + 12 * (place % 2) for place in range(22)]
    scored = [{**one, "human_score": score} for one, score in zip(content, people, strict=True)]
    project.suite(scored, 'responses="model_response"', data="scored.json")

    result = project.run(REPORT, "--llm-judge-min-agreement=0.99", "--llm-judge-html=report.html")

    result.assert_outcomes(passed=46, failed=1)
    other, suite = project.results()["suites"]
    assert [gate["name"] for gate in other["gates"]] == ["average"]
    assert suite["gates"][1]["outcome"] == "failed"
    assert ", below min_agreement 0.99; Spearman " in suite["gates"][1]["reason"]
    assert (suite["records"][1]["human_score"], suite["min_agreement"]) == (16, 0.99)
    assert "labelers" not in suite["records"][1]
    assert "failed: Spearman >= 0.99 failed" in str(result.stdout)
    assert "Judge against people" in (project.path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("field", "design"),
    [("model_response", Design(SUITE, 21, 21, 123, "0" * 64)), ("older", None)],
)
def test_an_option_is_for_the_suites_that_its_labels_are_of(
    project: Project, field: str, design: Design | None
) -> None:
    """By their design, or by records and responses where nobody says how they were drawn."""
    content = [{**record, "older": "something else"} for record in texts(21)]
    project.suite(content, f'responses="{field}", min_score=0', test="test_other.py")
    project.suite(content, 'responses="model_response", min_score=0')
    if design is not None:
        append_design(project.path / "labels.jsonl", design)
    label(project, content, [50] * 21)

    result = project.run(REPORT, "--llm-judge-labels=labels.jsonl")

    result.assert_outcomes(passed=45)
    other, suite = project.results()["suites"]
    assert "labels" not in other
    assert suite["labels"]["design"] == (design and asdict(design))
    assert suite["labels"]["used"] == 21

    refused = project.run("test_other.py", "--llm-judge-labels=labels.jsonl", BIAS)

    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(refused) == [
        (
            "ERROR: --llm-judge-labels: no suite of this run takes its labels from labels.jsonl; "
            "label the responses of this run with llmjudge label, or leave labels= out of the "
            "marker"
        ),
        (
            "ERROR: --llm-judge-max-judge-bias: it decides nothing: no suite of this run has labels "
            "and leaves this to the option; name labels with --llm-judge-labels, or leave it out"
        ),
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ", min_agreement=1.5",
            "min_agreement: 1.5 is no rank correlation; give a number from -1 to 1, for example 0.6",
        ),
        (
            ", max_judge_error=20",
            (
                "max_judge_error: there are no labels to compare the judge with; name a file of "
                "them with labels= or --llm-judge-labels, or write human_score into the records"
            ),
        ),
        (
            ', labels="none.jsonl"',
            (
                "labels {path}/none.jsonl: it cannot be read (No such file or directory); name a "
                "file that llmjudge label wrote"
            ),
        ),
        (
            ', labels="other.jsonl"',
            (
                "labels: none of the 2 labels of other.jsonl is of a record of this suite; label "
                "the responses of this run with llmjudge label"
            ),
        ),
        (
            ', labels="edited.jsonl"',
            (
                "labels {path}/edited.jsonl: line 1: it was edited after it was written, and does "
                "not match its seal; undo that, or remove the line and label the response again "
                "with llmjudge label"
            ),
        ),
        (
            ', labels="foreign.jsonl"',
            (
                "labels: the one label of foreign.jsonl is not of a response of this run; label "
                "the responses of this run with llmjudge label"
            ),
        ),
    ],
)
def test_what_is_known_before_work(project: Project, arguments: str, text: str) -> None:
    """It ends the run with status 4 and one line."""
    content = texts(2)
    project.suite(content, f'responses="model_response", min_score=0{arguments}')
    other = [{**one, "id": f"s{place}"} for place, one in enumerate(content)]
    label(project, other, [10, 20], file="other.jsonl")
    label(project, content, [10], file="edited.jsonl")
    edited = (project.path / "edited.jsonl").read_text("utf-8")
    project.write("edited.jsonl", edited.replace('"score": 10', '"score": 90'))
    label(project, [{**content[0], "model_response": "another"}], [10], file="foreign.jsonl")

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [f"ERROR: {SUITE}: {text.format(path=project.path)}"]


def test_a_sample_that_is_not_whole(project: Project) -> None:
    """Who leaves out what the judge gets wrong does not do so unseen."""
    content = texts(24)
    project.suite(content, f"{ARGUMENTS}, max_judge_error=90")
    contents = [
        (one["id"], content_digest(Record(one["id"], one["instruction"], "", one["output"], {})))
        for one in content
    ]
    append_design(
        project.path / "labels.jsonl", Design(SUITE, 24, 24, 123, records_digest(contents))
    )
    label(project, content, [50] * 21)

    result = project.run(REPORT, "--llm-judge-check=strict")

    result.assert_outcomes(passed=27)
    (suite,) = project.results()["suites"]
    assert suite["gates"][2]["reason"].endswith(
        "over 21 labelled records; judge error <= 90; 3 of the 24 records drawn have no label of "
        "this run's response, and may be what the judge gets wrong"
    )


def test_labels_are_not_written_over(project: Project) -> None:
    """A report in their place is refused before anything is written."""
    content = texts(2)
    project.suite(content, f"{ARGUMENTS}, min_score=0")
    label(project, content, [10, 20])

    result = project.run("--llm-judge-report=labels.jsonl")

    text = (
        f"ERROR: --llm-judge-report: {project.path}/labels.jsonl is the labels file of {SUITE} as "
        "well; name another file"
    )
    assert errors(result) == [text]
