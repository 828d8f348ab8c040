"""Records in groups: what a run, its reports and the commands make of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.stats.basics import mean_interval, ratio_interval
from tests.flow.test_baseline import JUDGE, scored
from tests.flow.test_loss import CONFIG
from tests.flow.test_loss import TEST as LOSS
from tests.flow.test_pairs import AGAINST_OLD, pairs
from tests.support.project import Project, records
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama

SUITE = "test_suite.py::test_instructions"
RESPONSES = 'responses="model_response", min_average=1'
REPORT = "--llm-judge-report=new.json"
BASELINE = "--llm-judge-baseline=old.json"
OLD = [90, 88, 85, 70, 72, 74, 95, 93, 91, 60, 62, 61, 80, 82, 81, 50, 52, 51]
NEW = [80, 78, 75, 60, 62, 64, 95, 93, 91, 40, 42, 41, 70, 72, 71, 45, 47, 46]
GROUPS = [place // 3 for place in range(18)]


def grouped(*scores: int, field: str = "group") -> list[dict[str, Any]]:
    """Make records in groups of three to which the project's judge gives these scores."""
    return [
        {**record, field: group, "category": "ab"[group % 2]}
        for record, group in zip(scored(*scores), GROUPS, strict=True)
    ]


@pytest.fixture
def judged(project: Project) -> Project:
    """A project with a judge that reads its scores off the responses."""
    project.write("conftest.py", JUDGE.format(fingerprint="reads-1"))
    return project


def the_suite(project: Project) -> dict[str, Any]:
    (suite,) = project.results("new.json")["suites"]
    return dict(suite)


def test_a_run_beside_a_baseline_without_groups(
    judged: Project, dist: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Groups are those of this run, everywhere; the commands take them from its results file."""
    judged.suite(scored(*OLD), RESPONSES)
    judged.run("--llm-judge-report=old.json").assert_outcomes(passed=19)
    judged.suite(grouped(*NEW, field="source"), RESPONSES + ', group="source"')

    reports = "--llm-judge-markdown=r.md", "--llm-judge-html=r.html", "--junitxml=r.xml"
    result = judged.run(BASELINE, REPORT, *reports, *dist)

    suite = the_suite(judged)
    interval = mean_interval(NEW, GROUPS)
    assert interval is not None
    assert suite["groups"] == 6
    assert suite["ci95"] == [round(bound, 4) for bound in interval]
    assert suite["records"][5]["group"] == "1"
    of_a = [(score, group) for score, group in zip(NEW, GROUPS, strict=True) if group % 2 == 0]
    interval = mean_interval(*zip(*of_a, strict=True))
    assert interval is not None
    assert suite["categories"]["a"]["ci95"] == [round(bound, 4) for bound in interval]
    gates = {gate["name"]: gate["reason"] for gate in suite["gates"]}
    assert gates["average"].startswith(
        "average 65.11 over 18 records in 6 groups (95 % CI 44.51 to 85.71) is at"
    )
    # Five groups of six fell, as one in 2^5 ways does.
    assert suite["baseline"]["p"] == 2**-5
    assert suite["baseline"]["grouped"]["groups"] == 6
    assert suite["baseline"]["grouped"]["changed"] == 5
    assert gates["baseline"].startswith(
        "dropped by 9.17 points (95 % CI -15.0 to -5.0, p = 0.031), "
    )
    result.stdout.fnmatch_lines(
        [f"{SUITE}: 18 records in 6 groups", "*18 records in 6 groups paired"]
    )
    assert f"- {SUITE}: 18 records in 6 groups" in (judged.path / "r.md").read_text(
        "utf-8"
    ).replace("\\", "")
    assert "18 records in 6 groups" in (judged.path / "r.html").read_text("utf-8")
    assert f'name="llm_judge_groups[{SUITE}]" value="6"' in (judged.path / "r.xml").read_text(
        "utf-8"
    )
    old, new = str(judged.path / "old.json"), str(judged.path / "new.json")
    capsys.readouterr()
    assert main(["compare", old, new]) == 1
    assert "18 records in 6 groups paired" in capsys.readouterr().out
    assert main(["power", new, "--drop", "5"]) == 0
    assert "its 18 scored records in 6 groups show drops of " in capsys.readouterr().out


def test_each_record_its_own_group(judged: Project) -> None:
    """Nothing in the results changes but the field itself, and nothing is said of groups."""
    judged.suite(scored(*OLD), RESPONSES)
    judged.run("--llm-judge-report=old.json")
    documents = []
    for content in (scored(*NEW), [{**one, "group": one["id"]} for one in scored(*NEW)]):
        judged.suite(content, RESPONSES)
        result = judged.run(BASELINE, REPORT, "--llm-judge-html=r.html")
        documents.append(judged.results("new.json"))
        assert "in 18 groups" not in result.stdout.str()
    names = [record.pop("group") for record in documents[1]["suites"][0]["records"]]

    assert names == [f"r{place}" for place in range(18)]
    assert documents[0] == documents[1]


def test_verdicts_are_found_again(project: Project, ollama: FakeOllama) -> None:
    """A group is no part of what a record says."""
    project.suite(records(3))
    project.run(server=ollama.url)
    asked = len(ollama.chats)
    project.suite([{**record, "group": "all"} for record in records(3)])

    result = project.run(server=ollama.url)

    assert (asked, len(ollama.chats)) == (3, 3)
    result.stdout.fnmatch_lines([f"{SUITE}: 3 records in 1 group"])


def test_pairs_in_groups(project: Project, ollama: FakeOllama) -> None:
    """The win rate has the interval of so many groups."""
    content = [{**pair, "group": place // 3} for place, pair in enumerate(pairs("aaabbbaaaaaa"))]
    project.pairs(content, AGAINST_OLD)

    result = project.run(REPORT, server=ollama.url)

    suite = the_suite(project)
    assert (suite["groups"], suite["win_rate"], suite["standard_error"]) == (4, 0.75, 0.25)
    # Wider than that of four pairs that are alone: four groups give three degrees of freedom.
    assert suite["ci95"] == [0.1399, 0.9823]
    result.stdout.fnmatch_lines(["test_pairs.py::test_pairs: 12 pairs in 4 groups"])


def test_losses_in_groups(project: Project) -> None:
    """The interval is that of the losses of whole groups."""
    content = [{**record, "group": place // 2} for place, record in enumerate(records(6))]
    project.write("data.json", content)
    project.write("test_loss.py", LOSS.format(arguments='"data.json", max_perplexity=1e9'))
    save_model(project.path / "model.pth", CONFIG)

    result = project.run("--llm-judge-checkpoint=model.pth", REPORT)

    suite = the_suite(project)
    parts = [part for record in suite["records"] for part in record["parts"]]
    interval = ratio_interval([nll for nll, _ in parts], [n for _, n in parts], [0, 0, 1, 1, 2, 2])
    assert interval is not None
    assert suite["ci95"] == pytest.approx(
        [2.718281828459045**bound for bound in interval], abs=1e-3
    )
    (gate,) = suite["gates"]
    assert " of 6 records in 3 groups, 95 % CI " in gate["reason"]
    result.stdout.fnmatch_lines(["test_loss.py::test_loss: 6 records in 3 groups"])


@pytest.mark.parametrize(
    ("groups", "arguments", "message"),
    [
        (
            [1, None, 2, ""],
            "",
            (
                'there is no group in "group" of 2 of 4 records (the first is r1); give each record '
                "one; a record that belongs to no other has a group of its own"
            ),
        ),
        (
            [1, 2, 3, 4],
            ', group="source"',
            (
                'group "source" is no field with a text or a number in any record; the fields are '
                '"id", "instruction", "output", "model_response" and "group"'
            ),
        ),
        (
            [1, 2.5, ["a"], 4],
            "",
            (
                '"group" is neither a text nor a whole number in 2 of 4 records (the first is r1); '
                "write the name or the number of its group into each record"
            ),
        ),
        (
            [1, 2, 3, 4],
            ', group="source", fields={"group": "group"}',
            "group and fields both name the field that holds the groups; leave it out of one of them",
        ),
        ([1, 2, 3, 4], ", group=3", "group: 3 is no text; give a string in quotes"),
    ],
)
def test_groups_that_cannot_be_used(
    project: Project, groups: list[object], arguments: str, message: str
) -> None:
    """One line, before anything is judged, with status 4."""
    content = [{**record, "group": group} for record, group in zip(records(4), groups, strict=True)]
    project.suite(content, RESPONSES + arguments)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [f"ERROR: {SUITE}: {message}"] == [
        line for line in result.errlines if line.startswith("ERROR")
    ]


def test_too_few_groups_cannot_fail(judged: Project) -> None:
    """Records are enough, and groups are not; said before work."""
    content = grouped(*OLD)[:12]
    judged.suite(content, RESPONSES)
    judged.run("--llm-judge-report=old.json")
    judged.suite(content, 'responses="model_response"')

    result = judged.run(BASELINE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    problem = (
        "only 4 of its groups can score lower than in the baseline, which shows no drop: p = 0.062 "
        "at best, and p < 0.05 is needed; give it 5 such groups or more, or set min_average or "
        "min_score above 0"
    )
    result.stderr.fnmatch_lines([f"ERROR: {SUITE}: it cannot fail: {problem}"])


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        (
            "data.csv",
            "id,instruction,output,model_response,group\na,x,y,y,1\nb,z,y,y,1\nc,w,y,y,2\n",
            "",
        ),
        (
            "data.jsonl",
            "".join(
                json.dumps(
                    {
                        "messages": [
                            {"role": "user", "content": name},
                            {"role": "assistant", "content": "y"},
                        ],
                        "model_response": "y",
                        "meta": {"source": source},
                    }
                )
                + "\n"
                for name, source in (("x", "1"), ("z", 1), ("w", 2))
            ),
            ', group="meta.source"',
        ),
        (
            "data.json",
            [
                {"question": name, "answer": "y", "model_response": "y", "source": source}
                for name, source in (("x", 1.0), ("z", " 1"), ("w", 2))
            ],
            ', fields={"instruction": "question", "output": "answer", "group": "source"}',
        ),
    ],
)
def test_of_all_formats_and_types(
    project: Project, name: str, content: object, arguments: str
) -> None:
    """A group is a text or a whole number, at the end of a path or by ``fields=`` too."""
    project.suite(content, RESPONSES + arguments, data=name)

    result = project.run(REPORT)

    result.assert_outcomes(passed=4)
    assert [record["group"] for record in the_suite(project)["records"]] == ["1", "1", "2"]


def test_a_group_is_no_part_of_an_id(project: Project) -> None:
    """Records in a format whose ids are made of the whole record pair up with an old baseline."""
    content: list[dict[str, Any]] = [
        {"question": record["instruction"], "answer": record["output"], "model_response": "y"}
        for record in records(2)
    ]
    ids = []
    for more in ({}, {"group": "g"}):
        project.suite([{**record, **more} for record in content], RESPONSES)
        project.run(REPORT)
        ids.append([record["id"] for record in the_suite(project)["records"]])

    assert ids[0] == ids[1]
