"""Which files are the shards of one run, and what is said of those that are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge import __version__
from pytest_llmjudge.cli import main
from pytest_llmjudge.data import RunResult
from pytest_llmjudge.kinds.document import results_document, shard_digest
from pytest_llmjudge.kinds.merging import read_shards
from pytest_llmjudge.kinds.plain import plain_judge
from pytest_llmjudge.sharding import MERGED, shard_of
from tests.support import results

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "test_a.py::test_a"
NAMES = ("r0", "r1", "r2", "r3")
HINT = "run all shards in the same way"


def write(
    number: int,
    count: int = 2,
    change: Callable[[dict[str, Any]], object] | None = None,
    *,
    name: str = "",
    is_signed: bool = True,
) -> str:
    """Write a shard's file in this folder, changed before its digest is made, or after it."""
    suite = results.suite(
        [results.scored(one, 90) for one in NAMES if shard_of(one, count) == number],
        "incomplete",
        total=len(NAMES),
        gates=(results.gate("average", "not run", MERGED),),
    )
    part = {
        "number": number,
        "count": count,
        "status": 0,
        "ci_run": "",
        "failed": {"of_suites": 0, "others": []},
        "suites": {
            NAME: {
                "kind": "judge",
                "gates": ["average"],
                "due": ["average"],
                "rule": None,
                "checkpoint": ["new.pth", "0123456789abcdef", 124_000_000],
                "judge": {**plain_judge(suite.judge), "label": "llama3"},
            }
        },
        "agreed": {
            f"{NAME} digest": {"where": "a.json", "what": "content", "value": "e" * 64},
            "option --llm-judge-ask": {
                "where": "--llm-judge-ask",
                "what": "value",
                "value": "integer",
            },
        },
        "answered": {"model under test openai:small": "small-05"},
        "places": {
            NAME: [place for place, one in enumerate(NAMES) if shard_of(one, count) == number]
        },
        "changed": {},
        "baseline": None,
        "require": {"where": "tox.ini: llm_judge_require", "suites": []},
        "spared": [],
        "left": {},
    }
    run = RunResult("2026-01-02T03:04:05+00:00", (suite,))
    document = json.loads(json.dumps(results_document(run, __version__, part)))
    if change is not None:
        change(document)
    if is_signed and "shard" in document:
        document["shard"]["digest"] = shard_digest(document)
    file = Path(name or f"s{number}.json")
    file.write_text(json.dumps(document), "utf-8")
    return str(file)


def of_suite(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Return a change of what the shard says of its suite."""
    return lambda document: document["shard"]["suites"][NAME].update({key: value})


def another_suite(document: dict[str, Any]) -> None:
    """Let the shard have a suite that no other has."""
    document["shard"]["suites"]["other"] = document["shard"]["suites"][NAME]
    document["suites"].append({**document["suites"][0], "name": "other"})


def of_judge(**facts: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["shard"]["suites"][NAME]["judge"].update(facts)


def of_shard(**facts: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["shard"].update(facts)


def agreed(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["shard"]["agreed"][key].update(value=value)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which a merge is refused."""
    assert main(["merge", *arguments, "--out=out.json"]) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert not Path("out.json").exists()
    (line,) = printed.err.splitlines()
    return line.removeprefix("llmjudge: ")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            of_judge(digest="def"),
            (
                f"{NAME}: its digest of the judge is not the same in s1.json and s2.json (abc and def); "
                f"{HINT}"
            ),
        ),
        (
            of_suite("checkpoint", ["new.pth", "f" * 64, 124_000_000]),
            (
                f"{NAME}: its fingerprint of the model is not the same in s1.json and s2.json "
                f"(0123456789abcdef and ffffffffffff); {HINT}"
            ),
        ),
        (
            of_shard(answered={"model under test openai:small": "small-08"}),
            (
                "model under test openai:small: its answering name is not the same in s1.json and "
                f"s2.json (small-05 and small-08); {HINT}"
            ),
        ),
        (
            agreed(f"{NAME} digest", "f" * 64),
            (
                "a.json: its content is not the same in s1.json and s2.json (eeeeeeeeeeee and "
                f"ffffffffffff); {HINT}"
            ),
        ),
        (
            agreed("option --llm-judge-ask", "weighted"),
            (
                "--llm-judge-ask: its value is not the same in s1.json and s2.json (integer and "
                f"weighted); {HINT}"
            ),
        ),
        (
            lambda document: document["shard"]["agreed"].pop("option --llm-judge-ask"),
            (
                "--llm-judge-ask: its value is not the same in s1.json and s2.json (integer and "
                f"nothing); {HINT}"
            ),
        ),
        (
            lambda document: document["shard"]["agreed"].update(
                more={"where": "b.json", "what": "content", "value": "a"}
            ),
            f"b.json: its content is not the same in s1.json and s2.json (nothing and a); {HINT}",
        ),
        (
            of_suite("judge", None),
            f"{NAME}: its judge is not the same in s1.json and s2.json (one and nothing); {HINT}",
        ),
        (
            of_suite("checkpoint", None),
            f"{NAME}: its checkpoint is not the same in s1.json and s2.json (one and nothing); {HINT}",
        ),
        (
            of_shard(require={"where": "tox.ini: llm_judge_require", "suites": ["test_a.py"]}),
            (
                "tox.ini: llm_judge_require: its list of suites is not the same in s1.json and s2.json "
                f"(none and test_a.py); {HINT}"
            ),
        ),
        (
            of_shard(
                left={
                    f"{NAME}[average]": {
                        "may_fail": True,
                        "must_fail": False,
                        "warning_fails": False,
                    }
                }
            ),
            (
                f"{NAME}[average]: its part in the merge is not the same in s1.json and s2.json "
                f"(nothing and {{'may_fail': True, 'must_fail': False, 'warning_fails': False}}); "
                f"{HINT}"
            ),
        ),
        (
            lambda document: document["suites"].clear(),
            (
                f"s2.json: it has no results of {NAME}; run shard 2 of 2 again; what it said at its "
                "end tells why"
            ),
        ),
        (
            lambda document: document["shard"]["suites"][NAME].update(
                {key: ["average", "baseline"] for key in ("gates", "due")}
            ),
            (
                f"{NAME}: its list of gates is not the same in s1.json and s2.json (average and "
                f"average, baseline); {HINT}"
            ),
        ),
        (
            another_suite,
            (
                "s2.json: it and s1.json do not have the same suites (other); run the same suites in "
                "all shards"
            ),
        ),
        (
            lambda document: document.update(pytest_llmjudge="0.0.1"),
            (
                f"s2.json: it was written by pytest-llmjudge 0.0.1, and this is {__version__}; run and "
                "merge all shards with one version"
            ),
        ),
        (
            of_shard(status=2),
            (
                "s2.json: shard 2 of 2 did not come to its end (status 2); run it again; the verdicts "
                "are kept in the cache"
            ),
        ),
        (
            lambda document: document.pop("shard"),
            (
                "s2.json: it holds no shard of a run; name the results files of runs with "
                "--llm-judge-shard"
            ),
        ),
        (
            lambda document: document.update(schema=2),
            "s2.json: it has schema version 2, and this version reads 1; update pytest-llmjudge",
        ),
        (
            of_shard(count=0),
            (
                "s2.json: it is no results file: shard.count: 0 is less than the minimum of 1; name a "
                "file that --llm-judge-report wrote, as it was written"
            ),
        ),
        (
            of_suite("due", []),
            (
                "s2.json: 1 gate of shard 2/2 was not run; run it whole, without -k, -m, --lf and -x "
                f"({NAME}[average])"
            ),
        ),
    ],
)
def test_shards_of_different_runs(
    capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], object], line: str
) -> None:
    """Each difference that decides over results is one line."""
    assert refused(capsys, write(1), write(2, change=change)) == line


def test_each_cause_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Where several things differ."""

    def change(document: dict[str, Any]) -> None:
        agreed("option --llm-judge-ask", "weighted")(document)
        agreed(f"{NAME} digest", "f" * 64)(document)

    assert main(["merge", write(1), write(2, change=change), "--out=out.json"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["a.json", "--llm-judge-ask"]


def test_a_file_that_was_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in it can be trusted to be what decided."""
    changed = write(2, change=of_suite("min_score", 1), is_signed=False)

    problem = "s2.json: it was changed since it was written; take the file as it was written, or "
    assert refused(capsys, write(1), changed) == f"{problem}run shard 2 of 2 again"


def lacking(*keys: str) -> Callable[[dict[str, Any]], object]:
    """Return a change that takes something out of what the shard says."""

    def change(document: dict[str, Any]) -> None:
        inside = document["shard"]
        for key in keys[:-1]:
            inside = inside[key]
        del inside[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        lacking("suites", NAME, "judge", "backend"),
        lacking("places", NAME),
        of_shard(places={NAME: []}),
        of_suite("min_score", "high"),
    ],
    ids=["judge", "no places", "places", "limit"],
)
def test_files_that_were_changed_and_signed_again(
    capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], object]
) -> None:
    """Which nothing but a program does: one line, and no merged file."""
    line = refused(capsys, write(1, change=change), write(2, change=change))

    assert line.endswith("; take the files as they were written, or run the shards again")
    assert line.startswith("s1.json, s2.json: what they say of their suites is of no run (")


def test_a_file_of_another_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Versions may differ in what a shard's file holds and in how it is signed."""

    def change(document: dict[str, Any]) -> None:
        document["pytest_llmjudge"] = "0.0.1"
        del document["shard"]["ci_run"]

    problem = (
        f"s2.json: it was written by pytest-llmjudge 0.0.1, and this is {__version__}; run and "
    )
    expected = f"{problem}merge all shards with one version"
    assert refused(capsys, write(1), write(2, change=change, is_signed=False)) == expected
    assert main(["report", "s2.json", "--html=page.html"]) == 2
    assert capsys.readouterr().err == f"llmjudge: {expected}\n"


def test_which_shards_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """One is missing, there twice, or of another number of shards; or no file is there."""
    one, two, other = write(1), write(2), write(1, name="again.json")
    of_nine = [write(number, 9, name=f"n{number}.json") for number in (1, 2)]

    assert refused(capsys, one) == (
        "s1.json: shard 2 of 2 is missing; name the files of all shards"
    )
    assert refused(capsys, *of_nine) == (
        "n1.json, n2.json: shard 3, 4, 5, 6, 7 and 2 more of 9 is missing; name the files of all "
        "shards"
    )
    assert refused(capsys, two, one, other) == (
        "again.json: it holds shard 1 of 2, as s1.json does; name each shard once"
    )
    assert refused(capsys, one, of_nine[1]) == (
        "n2.json: it holds shard 2 of 9, and s1.json shard 1 of 2; merge the shards of one run"
    )
    assert refused(capsys, one, "none.json") == (
        "none.json: it cannot be read (No such file or directory); name a file that "
        "--llm-judge-report wrote"
    )


def test_what_may_not_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The merged file takes the place of nothing that it is made of, nor of others' files."""
    one, two = write(1), write(2)
    Path("notes.txt").write_text("mine", "utf-8")

    for out, problem in (
        ("s2.json", "--out: s2.json is the shard s2.json as well; name another file"),
        ("notes.txt", "--out: notes.txt is there and no report of a run; name another file"),
    ):
        assert main(["merge", one, two, f"--out={out}"]) == 4
        assert capsys.readouterr().err.startswith(f"llmjudge: {problem[:30]}")


def test_the_baseline_of_the_shards(capsys: pytest.CaptureFixture[str]) -> None:
    """It is that with which they were run, and named only where they had one."""

    def change(document: dict[str, Any]) -> None:
        of_shard(baseline={"path": "old.json", "suites": {NAME: NAME}})(document)
        fact = {"where": "old.json", "what": "content", "value": "e" * 64}
        document["shard"]["agreed"]["baseline"] = fact

    with_baseline = [write(number, change=change, name=f"b{number}.json") for number in (1, 2)]

    assert refused(capsys, *with_baseline) == (
        "old.json: the baseline of the shards is not there; name it with --baseline"
    )
    other = write(1, name="other.json", change=lambda document: document.pop("shard"))
    assert refused(capsys, *with_baseline, f"--baseline={other}") == (
        "--baseline other.json: it is not the baseline that the shards were run with; name that "
        "one with --baseline"
    )
    assert refused(capsys, write(1), write(2), f"--baseline={other}") == (
        "--baseline: the shards were run without a baseline; leave it out, or run them with it"
    )


def test_status_of_a_bad_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As pytest's."""
    with pytest.raises(SystemExit) as ended:
        main(["merge", "s1.json"])

    assert ended.value.code == 4
    assert "required: --out" in capsys.readouterr().err


def test_a_judge_that_lies_elsewhere() -> None:
    """In files it is the same judge where they hold the same, wherever they lie."""
    files = [
        write(number, change=of_judge(model=f"local:/machine-{number}/judge", backend="local"))
        for number in (1, 2)
    ]

    assert len(read_shards([Path(file) for file in files])) == 2


def test_models_that_not_all_shards_have_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """A shard without a sample has not seen a model or a judge of the user's own."""
    unseen = of_suite("checkpoint", ["llm_model", "", None])
    files = [
        write(number, 3, change=of_suite("checkpoint", ["Mine", f"mine-{number}", None]))
        for number in (2, 3)
    ]

    assert refused(capsys, write(1, 3, change=unseen), *files) == (
        f"{NAME}: its fingerprint of the model is not the same in s2.json and s3.json (mine-2 and "
        f"mine-3); {HINT}"
    )
