"""Rules for the baseline: what is proved, what cannot be told, and one error rate for all suites."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.flow.test_baseline import JUDGE, scored
from tests.support.project import outcomes

if TYPE_CHECKING:
    from tests.support.project import Project

REPORT = "--llm-judge-report=new.json"
BASELINE = "--llm-judge-baseline=old.json"
SUITES = """
import pytest

@pytest.mark.llm_judge("{data}.json", responses="model_response", {marker})
def test_{data}(verdict):
    pass
"""
PROOF = 'baseline_rule="not-worse", max_drop=20'
OLD = [50] * 20
NEW = {
    "same": [50 + change for change in [1, -1, 0, 0] * 5],
    "worse": [20 + change for change in [5, -5, 0, 0] * 5],
    "unsure": [0, 100] * 10,
    # Five fall, which chance makes in 1 of 32 cases.
    "falling": [40] * 5 + [50] * 15,
}


def write(project: Project, scores: dict[str, list[int]], **markers: str) -> None:
    """Write a test file for each suite, beside a judge that reads scores off responses."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    for data, ones in scores.items():
        project.write(f"{data}.json", scored(*ones))
        text = SUITES.format(data=data, marker=markers.get(data, ""))
        project.write(f"test_{data}.py", text)


_RELEASES: dict[tuple[str, ...], str] = {}
"""Baselines that were made, by the names of their suites."""


def release(project: Project, *names: str) -> None:
    """Make the baseline of these suites."""
    if names not in _RELEASES:
        write(project, dict.fromkeys(names, OLD))
        assert project.run("--llm-judge-report=old.json", "--llm-judge-min-average=1").ret == 0
        _RELEASES[names] = (project.path / "old.json").read_text("utf-8")
    project.write("old.json", _RELEASES[names])


def gates(project: Project) -> dict[str, dict[str, Any]]:
    """Return what the results say of each suite's gate over the baseline, by the suite."""
    found = {}
    for suite in project.results("new.json")["suites"]:
        (gate,) = [gate for gate in suite["gates"] if gate["name"] == "baseline"]
        name = suite["name"].partition("::test_")[2]
        found[name] = {**gate, "numbers": suite["baseline"], "whole": suite["outcome"]}
    return found


def test_what_is_proved_and_what_is_not(project: Project, dist: tuple[str, ...]) -> None:
    """Each outcome has its cause in every report; each suite's drop is tested at alpha / 4."""
    release(project, *NEW)
    write(project, NEW, same=PROOF, worse=PROOF, unsure=PROOF)

    result = project.run(
        *(BASELINE, REPORT, "--junitxml=junit.xml", "--llm-judge-html=report.html"),
        *("--llm-judge-markdown=report.md", "--llm-judge-annotations=github", *dist),
    )

    assert outcomes(result) == {"passed": 86, "failed": 2}
    found = gates(project)
    assert {name: (gate["outcome"], gate.get("cause")) for name, gate in found.items()} == {
        "same": ("passed", None),
        "worse": ("failed", "worse"),
        "unsure": ("failed", "inconclusive"),
        "falling": ("passed", None),
    }
    assert found["same"]["reason"].startswith(
        "not worse by 20 points or more: 0.0 points, at least -"
    )
    assert found["worse"]["reason"].startswith("dropped by 30 points (95 % CI -31.")
    assert found["unsure"]["reason"].startswith(
        "cannot tell whether it is worse by 20 points or more: 0.0 points, at least -"
    )
    assert "records would tell in 80 % of all cases" in found["unsure"]["reason"]
    assert "; a drop has p < 0.0125" in found["falling"]["reason"]
    assert {gate["numbers"]["rule"]["suites"] for gate in found.values()} == {4}
    assert {gate["numbers"]["alpha"] for gate in found.values()} == {0.0125}
    for gate in found.values():
        result.stdout.fnmatch_lines([f"baseline of *: {gate['reason']}"])
    assert causes_in_xml(project) == {
        "test_worse[baseline]": "worse",
        "test_unsure[baseline]": "inconclusive",
    }
    assert (project.path / "report.md").read_text("utf-8").count("**failed** (inconclusive)") == 1
    page = (project.path / "report.html").read_text("utf-8")
    assert page.count("<dt>cause</dt>") == 2
    assert "with a p below 0.0125 is held" in page
    result.stdout.fnmatch_lines(["::error file=test_unsure.py,line=4,title=*::cannot tell *"])


def causes_in_xml(project: Project) -> dict[str, str]:
    """Return the causes in JUnit XML, by the name of their case."""
    cases = ET.parse(project.path / "junit.xml").iter("testcase")  # noqa: S314  # our own
    return {
        case.attrib["name"]: one.attrib["value"]
        for case in cases
        for one in case.iter("property")
        if one.attrib["name"] == "llm_judge_cause"
    }


def test_a_part_of_a_run_decides_as_the_whole(project: Project) -> None:
    """What is deselected counts for alpha; a suite that is run alone by its name is a run of one."""
    names = ("falling", "worse", "same")
    release(project, *names)
    write(project, {name: NEW[name] for name in names})
    whole = project.run(BASELINE, REPORT)
    levels = {}
    for selection in (
        ["-k", "falling and baseline"],
        ["-k", "baseline", "--deselect=test_same.py"],
        ["--lf"],
        ["--llm-judge-baseline-partial", "test_falling.py"],
        ["--llm-judge-baseline-partial", "test_falling.py::test_falling[baseline]"],
    ):
        project.run(BASELINE, REPORT, *selection)
        numbers = project.results("new.json")["suites"][0]["baseline"]
        levels[" ".join(selection)] = numbers["rule"]["suites"], numbers["alpha"]

    assert outcomes(whole) == {"passed": 65, "failed": 1}
    assert [suites for suites, _ in levels.values()] == [3, 3, 3, 1, 1]
    assert [round(alpha, 4) for _, alpha in levels.values()] == [0.0167] * 3 + [0.05] * 2


@pytest.mark.parametrize("warnings", ["default", "error"])
def test_a_warning_in_the_place_of_a_proof(project: Project, warnings: str) -> None:
    """The suite passes, loudly; where warnings are errors it fails, and says nothing of passing."""
    release(project, "unsure")
    write(project, {"unsure": NEW["unsure"]})
    options = ("--llm-judge-baseline-rule=not-worse", "--llm-judge-max-drop=20")
    more = ("--llm-judge-inconclusive=warn", f"-W{warnings}::pytest.PytestWarning")

    result = project.run(*(BASELINE, REPORT, *options, *more, "--llm-judge-annotations=github"))

    gate = gates(project)["unsure"]
    assert gate["cause"] == "inconclusive"
    if warnings == "error":
        assert (result.ret, gate["outcome"], gate["whole"]) == (1, "failed", "failed")
        result.stdout.no_fnmatch_line("*it passes because*")
        return
    assert (result.ret, gate["outcome"], gate["whole"]) == (0, "passed", "passed")
    assert gate["reason"].endswith("; it passes because of inconclusive=warn")
    name = "test_unsure.py::test_unsure[baseline]"
    result.stdout.fnmatch_lines(
        [
            f"*InconclusiveWarning: {name.replace('[', '[[]')}: cannot tell *",
            f"WARNING: {name.replace('[', '[[]')}: cannot tell *; it passes because *",
            "::warning file=test_unsure.py,line=4,title=*::cannot tell *",
        ]
    )


def test_too_few_records_are_known_beforehand(project: Project) -> None:
    """Said before the first item runs, with how many it takes, once for each suite."""
    write(project, {"unsure": NEW["unsure"]})
    project.run("--llm-judge-report=old.json", "--llm-judge-min-average=1")
    options = ("--llm-judge-baseline-rule=not-worse", "--llm-judge-max-drop=20")

    result = project.run(BASELINE, REPORT, *options)

    lines = result.stdout.lines
    (early,) = [n for n, line in enumerate(lines) if line.startswith("llm-judge: test_unsure.py")]
    (late,) = [n for n, line in enumerate(lines) if line.startswith("note: test_unsure.py")]
    (results,) = [n for n, line in enumerate(lines) if "= llm-judge =" in line]
    assert early < results < late
    assert lines[early].startswith(
        "llm-judge: test_unsure.py::test_unsure: its 20 records are too few for a margin of 20 "
        "points: it takes "
    )
    assert lines[early].endswith("(assumed from its scores)")


@pytest.mark.parametrize(
    ("marker", "options", "option"),
    [
        ("", ["--llm-judge-baseline-rule=not-worse"], "--llm-judge-max-drop"),
        ('baseline_rule="not-worse"', [], "--llm-judge-max-drop"),
        ('max_drop=0, baseline_rule="not-worse"', ["--llm-judge-max-drop=3"], "max_drop"),
    ],
)
def test_no_margin(project: Project, marker: str, options: list[str], option: str) -> None:
    """A usage error before work: no number of records proves that nothing at all was lost."""
    release(project, "same")
    write(project, {"same": OLD}, same=marker)

    result = project.run(BASELINE, *options)

    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            (
                f"ERROR: test_same.py::test_same: the rule not-worse needs a margin above 0, and {option} "
                "is 0: no number of records proves that a model is not worse by any amount, however "
                "small; give --llm-judge-max-drop, or max_drop= in the marker, or take the rule no-drop"
            )
        ]
    )


def test_the_marker_wins(project: Project) -> None:
    """Over the options, for the rule and for the margin."""
    release(project, "worse", "same")
    own = {"worse": 'baseline_rule="no-drop", max_drop=40', "same": ""}
    write(project, {name: NEW[name] for name in own}, **own)

    result = project.run(
        BASELINE, REPORT, "--llm-judge-baseline-rule=not-worse", "--llm-judge-max-drop=20"
    )

    assert result.ret == 0
    found = gates(project)
    assert ", no more than max_drop 40; " in found["worse"]["reason"]
    assert found["same"]["reason"].startswith("not worse by 20 points or more: ")


@pytest.mark.parametrize("option", ["baseline-rule=not-worse", "inconclusive=warn", "alpha=0.1"])
def test_nothing_to_compare_with(project: Project, option: str) -> None:
    """An option that says how to compare needs a baseline."""
    write(project, {"same": OLD}, same="min_average=1")

    result = project.run(f"--llm-judge-{option}")

    assert result.ret == 4
    name = option.partition("=")[0]
    result.stderr.fnmatch_lines([f"ERROR: --llm-judge-{name}: there is no baseline to compare *"])


@pytest.mark.parametrize("alpha", ["0", "0.0000009", "0.5", "-1", "nan", "five"])
def test_no_error_rate(project: Project, alpha: str) -> None:
    """Below 0.5, and not so small that bounds could not be computed."""
    write(project, {"same": OLD}, same="min_average=1")

    result = project.run(BASELINE, f"--llm-judge-alpha={alpha}")

    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: --llm-judge-alpha: *; give a share of at least 0.000001 and below 0.5*"]
    )


def test_a_gate_alone_misses_no_record(project: Project) -> None:
    """Where records have no score, the gate proves nothing, also without their own items."""
    release(project, "same")
    write(project, {"same": OLD}, same=PROOF)
    content = scored(*OLD)
    content[7]["model_response"] = "nothing that the judge could score"
    project.write("same.json", content)

    result = project.run(BASELINE, REPORT, "-k", "baseline", "--llm-judge-inconclusive=warn")

    assert (result.ret, gates(project)["same"]["cause"]) == (1, "inconclusive")
    result.stdout.fnmatch_lines(["cannot tell *: 1 of 20 records is unscored, and may be *"])


def test_a_file_of_an_earlier_version(project: Project) -> None:
    """Its suites were compared without a rule; it is a baseline all the same."""
    release(project, "same")
    write(project, {"same": NEW["same"]})
    project.run(BASELINE, REPORT)
    document = json.loads((project.path / "new.json").read_text("utf-8"))
    for name in ("rule", "alpha", "unpaired_alpha", "bounds"):
        del document["suites"][0]["baseline"][name]
    project.write("new.json", document)

    result = project.run("--llm-judge-baseline=new.json")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*no drop shown: 0.0 points*"])
