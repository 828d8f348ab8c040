"""Averages and changes that people's labels of a random sample correct."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.data import Design, Label, Record
from pytest_llmjudge.keys import content_digest
from pytest_llmjudge.stats.basics import points
from pytest_llmjudge.stats.correction import corrected_mean
from pytest_llmjudge.stats.labels import draw, records_digest, response_digest
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.project import MODEL
from tests.support.saved import read_results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.project import Project

Texts = dict[str, str]

SUITE = "test_suite.py::test_instructions"
REPORT = "--llm-judge-report=results.json"
COUNT = 40
ALL = 'responses="model_response", labels="labels.jsonl", correct=True'
SENTENCE = "The quick brown fox jumps over the lazy dog near the old river bank today"
WORDS = SENTENCE.split()


def texts(count: int = COUNT, shift: int = 0) -> list[Texts]:
    """Return records with responses of which some have more of the reference than others."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"Say sentence {number}.",
            "output": " ".join([*WORDS, str(number)]),
            "model_response": " ".join(WORDS[: 1 + (number * 7 + shift) % len(WORDS)]),
        }
        for number in range(count)
    ]


def people(record: Texts) -> int:
    """Return what a person gives a response."""
    said = len(record["model_response"].split())
    return min(100, 5 * said + int(record["id"][1:]) % 4)


def drawn(content: Sequence[Texts], size: int = 20) -> list[str]:
    """Return the records that are labelled."""
    return list(draw([record["id"] for record in content], size, 123))


def label(
    project: Project,
    content: Sequence[Texts],
    *,
    size: int = 20,
    left_out: Sequence[str] = (),
    score: Callable[[Texts], int] = people,
    name: str = "labels.jsonl",
) -> None:
    """Label a random sample of records."""
    path = project.path / name
    path.unlink(missing_ok=True)
    contents = [
        (one["id"], content_digest(Record(one["id"], one["instruction"], "", one["output"], {})))
        for one in content
    ]
    append_design(path, Design(SUITE, len(content), size, 123, records_digest(contents)))
    for record in content:
        if record["id"] in drawn(content, size) and record["id"] not in left_out:
            digest = response_digest(record["model_response"])
            append_label(path, Label(record["id"], digest, score(record), "ana"))


def errors(result: pytest.RunResult) -> list[str]:
    """Return the lines of a usage error."""
    return [line for line in result.errlines + result.outlines if line.startswith("ERROR: ")]


def test_the_corrected_average_decides(project: Project, dist: tuple[str, ...]) -> None:
    """It is that of the results file's own scores, and fails where the judge's would pass."""
    content = texts()
    project.suite(content, f"{ALL}, min_average=46")
    label(project, content)

    reports = "--llm-judge-markdown=report.md", "--llm-judge-html=report.html"
    result = project.run(REPORT, *reports, "--junitxml=junit.xml", *dist)

    result.assert_outcomes(passed=COUNT + 1, failed=1)
    (suite,) = project.results()["suites"]
    scores = [float(one["score"]) for one in suite["records"]]
    labels = [one.get("human_score") for one in suite["records"]]
    expected = corrected_mean(scores, labels)
    assert expected.interval is not None
    low, high = expected.interval
    corrected = suite["corrected"]
    assert corrected["average"] == pytest.approx(expected.estimate, abs=1e-4)
    assert corrected["ci95"] == pytest.approx([low, high], abs=1e-4)
    assert (corrected["labels"], suite["correct"]) == (20, True)
    assert suite["average"] > 46 > corrected["average"]
    own = " to ".join(points(bound) for bound in suite["ci95"])
    assert suite["gates"][0]["reason"].startswith(
        f"corrected average {points(expected.estimate)} over {COUNT} records, 20 of them labelled "
        f"(95 % CI {points(low)} to {points(high)}) is below min_average 46; the difference is "
        f"within noise; the judge's own is {points(suite['average'])} (95 % CI {own})"
    )
    assert suite["within_noise"] is True
    line = (
        f"corrected average of {SUITE}: {expected.estimate:.2f} (95 % interval {low:.1f} to "
        f"{high:.1f}) by 20 labels"
    )
    assert line in result.stdout.str()
    figures = f"corrected average {expected.estimate:.2f} (judge {suite['average']:.2f})"
    assert figures in (project.path / "report.md").read_text("utf-8")
    page = (project.path / "report.html").read_text("utf-8")
    assert f"{expected.estimate:.2f} ({low:.1f} to {high:.1f})" in page
    xml = (project.path / "junit.xml").read_text("utf-8")
    for name, figure in (("corrected_average", expected.estimate), ("average", suite["average"])):
        assert f'llm_judge_{name}[{SUITE}]" value="{figure:.2f}"' in xml


def test_without_correct_it_is_shown(project: Project) -> None:
    """The judge's average decides, and the corrected one stands beside it, till an option asks."""
    content = texts()
    project.suite(content, ALL.replace(", correct=True", ", min_average=46"))
    label(project, content)

    result = project.run(REPORT)

    result.assert_outcomes(passed=COUNT + 2)
    (suite,) = project.results()["suites"]
    corrected = suite["corrected"]["average"]
    assert f"; corrected by 20 labels it is {points(corrected)} (95" in suite["gates"][0]["reason"]
    assert "correct" not in suite
    assert f"corrected average of {SUITE}: {corrected:.2f}" in result.stdout.str()
    project.run("--llm-judge-correct").assert_outcomes(passed=COUNT + 1, failed=1)


def test_it_is_said_why_there_is_none(project: Project) -> None:
    """Who has not labelled the whole sample, or none of these responses, reads what to do."""
    content = texts()
    names = drawn(content)
    suite = ALL.replace(", correct=True", ", min_average=46")
    project.suite(content, suite)
    label(project, content, left_out=names[:1])
    where = f"no corrected average of {SUITE}: 1 of the 20 records drawn has"

    result = project.run()

    result.assert_outcomes(passed=COUNT + 2)
    hint = "label the whole sample with llmjudge label"
    assert f"{where} no label: {names[0]}; {hint}" in result.outlines

    # Of a model's own responses it is known at the end.
    project.write("conftest.py", MODEL.format(answer="'The quick brown fox'"))
    project.suite(content, 'labels="labels.jsonl", min_average=1')
    said = [{**one, "model_response": "The quick brown fox"} for one in content]
    label(project, [texts()[at] if one["id"] == names[0] else one for at, one in enumerate(said)])

    result = project.run()

    hint = "label the responses of this run with llmjudge label"
    line = f"{where} no label of this run's response: {names[0]}; {hint}"
    assert line in result.outlines


def test_categories_are_not_corrected(project: Project) -> None:
    """Their gates go by the judge's scores, and say so."""
    content = texts()
    named = [{**one, "category": "even" if at % 2 else "odd"} for at, one in enumerate(content)]
    project.suite(named, f'{ALL}, min_average={{"all": 1, "odd": 1}}')
    label(project, content)

    project.run(REPORT)

    average, odd = project.results()["suites"][0]["gates"][:2]
    assert average["reason"].startswith("corrected average ")
    assert odd["reason"].startswith("average ")
    assert odd["reason"].endswith("; the averages of categories are not corrected")


def test_labels_that_correct_nothing(project: Project) -> None:
    """What is wrong with labels is said before work, in one line each."""
    content = texts()
    names = drawn(content)

    def error(arguments: str = ALL, *options: str) -> str:
        project.suite(content, f"{arguments}, min_average=46")
        result = project.run(*options)
        assert result.ret == 4
        (line,) = errors(result)
        return line

    where = f"ERROR: {SUITE}: correct: "
    label(project, content, left_out=names[:7])
    assert error() == (
        f"{where}7 of the 20 records drawn have no label: {', '.join(names[:5])} and 2 more; "
        "label the whole sample with llmjudge label"
    )
    label(project, content, size=19)
    assert error() == (
        f"{where}the sample of labels.jsonl has 19 records, and 20 are needed to correct an "
        "average; draw a larger sample with llmjudge label --sample"
    )
    label(project, content[:-1])
    assert error() == (
        f"{where}the sample of labels.jsonl was drawn from other records (39 of {SUITE}) than the "
        "40 of this suite; draw a sample of these records and label it with llmjudge label"
    )
    others = [{**one, "model_response": "Another."} for one in content]
    label(project, [others[at] if one["id"] == names[0] else one for at, one in enumerate(content)])
    assert error() == (
        f"{where}1 of the 20 records drawn has no label of this run's response: "
        f"{names[0]}; label the responses of this run with llmjudge label"
    )
    path = label_without_design(project, content)
    assert error() == (
        f"{where}{path} does not say how its records were drawn, so it corrects no average; draw a "
        "sample and label it with llmjudge label"
    )
    assert error(ALL.replace('labels="labels.jsonl", ', "")) == (
        f"{where}there are no labels to correct with; name a file of them with labels= or "
        "--llm-judge-labels"
    )
    assert error('responses="model_response"', "--llm-judge-correct") == (
        "ERROR: --llm-judge-correct: it decides nothing: no suite of this run has labels and "
        "leaves this to the option; name labels with --llm-judge-labels, or leave it out"
    )


def label_without_design(project: Project, content: Sequence[Texts]) -> str:
    """Label all records, and say nothing of how they were drawn."""
    name = "labels.jsonl"
    (project.path / name).unlink()
    for record in content:
        digest = response_digest(record["model_response"])
        append_label(project.path / name, Label(record["id"], digest, people(record), "ana"))
    return name


def test_labels_of_other_responses(project: Project) -> None:
    """Which responses a model gives is known at the gate only, which fails and says so."""
    content = texts()
    project.write("conftest.py", MODEL.format(answer="'The quick brown fox'"))
    project.suite(content, 'labels="labels.jsonl", correct=True, min_average=1')
    said = [{**one, "model_response": "The quick brown fox"} for one in content]
    names = drawn(content)
    label(project, [texts()[at] if one["id"] in names[:2] else one for at, one in enumerate(said)])

    result = project.run(REPORT, "--llm-judge-markdown=report.md")

    (suite,) = project.results()["suites"]
    figures = f"| corrected average - (judge {suite['average']:.2f}) |"
    assert figures in (project.path / "report.md").read_text("utf-8")
    (gate,) = [gate for gate in suite["gates"] if gate["name"] == "average"]
    assert gate["outcome"] == "failed"
    assert gate["reason"] == (
        "the average cannot be corrected: 2 of the 20 records drawn have no label of "
        f"this run's response: {', '.join(names[:2])}; label the responses of this run with "
        "llmjudge label"
    )
    assert "corrected" not in suite
    result.assert_outcomes(passed=COUNT + 1, failed=1)


RULED = "--llm-judge-baseline=old.json"


def baseline(project: Project, content: Sequence[Texts], arguments: str = ALL) -> None:
    """Make a results file of a release whose labels correct its average."""
    project.suite(content, f"{arguments}, min_average=1")
    label(project, content)
    project.run("--llm-judge-report=old.json")


def test_a_corrected_change(
    project: Project, mode: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate decides over people's scores, where the judge's would pass the candidate."""
    baseline(project, texts())
    content = texts(shift=1)
    project.suite(content, f"{ALL}, max_drop=1")
    label(project, content, score=lambda record: people(record) // 2)

    result = project.run(RULED, REPORT, *mode)

    old, new = (
        project.results(name)["suites"][0]["records"] for name in ("old.json", "results.json")
    )
    judged = [float(now["score"] - was["score"]) for was, now in zip(old, new, strict=True)]
    labels = [
        now["human_score"] - was["human_score"] if "human_score" in now else None
        for was, now in zip(old, new, strict=True)
    ]
    expected = corrected_mean(judged, labels)
    (suite,) = project.results()["suites"]
    compared = suite["baseline"]
    assert compared["difference"] == pytest.approx(expected.estimate)
    assert compared["interval"] == pytest.approx(expected.interval)
    assert compared["after"] - compared["before"] == pytest.approx(expected.estimate)
    assert compared["corrected"]["labels"] == 20
    assert compared["corrected"]["weight"] == pytest.approx(expected.weight)
    (gate,) = [gate for gate in suite["gates"] if gate["name"] == "baseline"]
    assert gate["outcome"] == "failed"
    assert gate["reason"].startswith(f"dropped by {points(-expected.estimate, 1)} points (95 % CI ")
    assert ", corrected by 20 labels on both sides (by the judge alone " in gate["reason"]
    result.stdout.fnmatch_lines(["*corrected by 20 labels on both sides (weight of the judge's*"])
    # How many records the judge needs to tell is not told by labels.
    assert read_results(project.path / "results.json").known_deviation(SUITE) == (None, 0, None)
    # A history follows the judge's scores, which all of its runs have.
    capsys.readouterr()
    main(["history", "old.json", "results.json", "--json"])
    (series,) = json.loads(capsys.readouterr().out)["suites"]
    change = series["points"][1]["beside_previous"]["comparison"]["difference"]
    assert change == pytest.approx(sum(judged) / COUNT)
    main(["compare", "old.json", "results.json", "--json", "--max-drop=1"])
    (again,) = json.loads(capsys.readouterr().out)["suites"]
    assert again["reason"] == gate["reason"].replace("max_drop", "--max-drop")


def test_a_corrected_change_that_passes(project: Project) -> None:
    """Summary and reports say what corrects it, as they do where the gate fails."""
    baseline(project, texts())
    more = "--llm-judge-markdown=report.md", "--llm-judge-html=report.html"

    result = project.run(RULED, *more)

    result.assert_outcomes(passed=COUNT + 3)
    line = "corrected by 20 labels on both sides (weight of the judge's*"
    result.stdout.fnmatch_lines([f"*{line}"])
    for name in ("report.md", "report.html"):
        assert "20 labels on both sides" in (project.path / name).read_text("utf-8")


def test_not_worse(project: Project) -> None:
    """Twenty labels that are all the same on both sides prove little, and that is said."""
    baseline(project, texts())
    project.suite(texts(), f'{ALL}, baseline_rule="not-worse", max_drop=10')

    project.run(RULED, REPORT)

    (suite,) = project.results()["suites"]
    (gate,) = [gate for gate in suite["gates"] if gate["name"] == "baseline"]
    low, _ = suite["baseline"]["bounds"]
    # That is 100 points of the share of records that 40 pseudo-values rule out.
    assert -20 < low < -10
    assert gate["reason"].startswith(
        "cannot tell whether it is worse by 10 points or more: 0.0 points, corrected by 20 labels "
        "on both sides (by the judge alone 0.0), at least "
    )
    assert gate["reason"].endswith("; more labels would tell, and these do not say how many")


def test_a_baseline_that_labels_do_not_correct(project: Project) -> None:
    """It is refused before work."""
    content = texts()
    baseline(project, content, 'responses="model_response"')
    project.suite(content, ALL)
    result = project.run(RULED)
    assert result.ret == 4
    (line,) = errors(result)
    assert line == (
        f"ERROR: {SUITE}: correct: the baseline has no labels of a whole sample that correct its "
        "average; label its whole sample with llmjudge label, and make the baseline again with "
        "--llm-judge-labels"
    )
    baseline(project, content)
    project.suite(content, ALL)
    label(project, content, size=25)
    (line,) = errors(project.run(RULED))
    assert line == (
        f"ERROR: {SUITE}: correct: the baseline's labels are of another sample (20 of 40, seed "
        "123) than this run's (25 of 40, seed 123); label the same records in both, drawn with the "
        "same size and seed"
    )


def test_a_corrected_average_that_is_not_that_of_its_records(project: Project) -> None:
    """A results file that was edited is no baseline."""
    content = texts()
    baseline(project, content)
    document = json.loads((project.path / "old.json").read_text("utf-8"))
    average = document["suites"][0]["corrected"]["average"]
    document["suites"][0]["corrected"]["average"] = average + 1
    project.write("old.json", document)

    result = project.run(RULED)

    assert result.ret == 4
    (line,) = errors(result)
    assert f'its "average" is {average + 1}, and by its records {average}' in line


def test_labels_of_an_ini_file(project: Project) -> None:
    """They are not left out in silence when all responses changed, or records and the suite's name."""
    content = texts(20)
    label(project, content)
    project.write(
        "pytest.ini", "[pytest]\nllm_judge_labels = labels.jsonl\nllm_judge_correct = true\n"
    )
    given = 'responses="model_response", min_average=10'
    project.suite([{**one, "model_response": "Another."} for one in content], given)

    refused = project.run()

    assert errors(refused) == [
        (
            f"ERROR: {SUITE}: labels: none of the 20 labels of labels.jsonl is of a response of this "
            "run; label the responses of this run with llmjudge label"
        )
    ]

    project.path.joinpath("test_suite.py").unlink()
    project.suite(texts(21), given, test="test_renamed.py")

    result = project.run()

    assert (
        "note: llm_judge_labels: no suite of this run takes its labels from labels.jsonl, so "
        "that they correct no average and hold no judge"
    ) in result.outlines


def test_labels_of_one_group_correct_nothing(project: Project) -> None:
    """That is known before work."""
    content = texts(20)
    label(project, content)
    project.suite([{**one, "group": "one"} for one in content], f"{ALL}, min_average=10")

    assert errors(project.run()) == [
        (
            f"ERROR: {SUITE}: correct: all labelled records are in one group; draw a sample with "
            "records of several groups"
        )
    ]
