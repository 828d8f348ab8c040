"""The command ``llmjudge label``: its lines, its errors, its end."""

from __future__ import annotations

import getpass
import json
import signal
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_llmjudge.cli import main
from pytest_llmjudge.data import Design
from pytest_llmjudge.stats.labels import seal, seal_design
from pytest_llmjudge.storage.labels import append_design, append_label, read_labels
from tests.support.ballots import labelling, lines_in, record, suite_of, write_results
from tests.unit.labelling.making import label_on, sample_of, write_responses
from tests.unit.labelling.test_site import Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ballots import PageProcess

PATIENCE = 300
ARGUMENTS = ["label", "a.json", "--labeler", "ann"]
DRAWN = "test_a.py::test_a: 3 of 3 records drawn by the seed 123"
EDITED = (
    "it was edited after it was written, and does not match its seal; undo that, or remove the line "
    "and label the response again with llmjudge label"
)


@pytest.fixture(autouse=True)
def _work_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_responses(tmp_path / "a.json", ["one", "two", "three"])


@pytest.fixture(name="path")
def labels_file(tmp_path: Path) -> Path:
    return tmp_path / "labels.jsonl"


def label_all(path: Path, *scores: int, labeler: str = "ann") -> None:
    """Write the scores of the responses to r0, r1 and r2."""
    sample = sample_of(path.with_name("a.json"))
    if not path.exists():
        append_design(path, sample.design)
    for item, score in zip(sorted(sample.items, key=lambda one: one.record), scores, strict=True):
        append_label(path, label_on(item, score, labeler=labeler))


def visitor_of(server: PageProcess, path: Path, suite: str | None = None) -> Visitor:
    port = int(server.address.rstrip("/").rpartition(":")[2])
    return Visitor(port, path, sample_of(path.with_name("a.json"), suite=suite))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_a_summary(path: Path, number: signal.Signals) -> None:
    """By Ctrl-C or SIGTERM, with status 0 and no traceback, before anything was labelled."""
    with labelling(path.parent) as server:
        assert requests.get(server.address, timeout=PATIENCE).status_code == 200
        status, lines, problem = server.end(number)

    assert server.lines == [
        DRAWN,
        "3 responses for ann",
        f"label at {server.address} and end with Ctrl-C",
    ]
    assert (status, problem) == (0, "")
    assert lines == ["0 labels written, 0 of 3 responses labelled"]
    assert not path.exists()


def test_two_windows_of_one_labeler(path: Path) -> None:
    """Of two processes, the second is told that the first one's label stands; there is one label."""
    with labelling(path.parent) as one, labelling(path.parent) as other:
        first, second = visitor_of(one, path), visitor_of(other, path)
        form, late = first.form(80), second.form(20)
        assert form["item"] == late["item"]
        assert first.post(form).headers["Location"] == "/"
        assert second.post(late).headers["Location"] == "/?note=other"
        assert second.form()["item"] != form["item"]
        assert other.end(signal.SIGINT)[1][0] == (
            "0 labels written, 1 of 3 responses labelled; labels are in labels.jsonl"
        )

    assert [label.score for label in read_labels(path).labels] == [80]


def test_killed_while_labelling(path: Path) -> None:
    """What was saved before is there, and the next start goes on with the next response."""
    with labelling(path.parent) as server:
        visitor = visitor_of(server, path)
        for score in (10, 90):
            visitor.post(visitor.form(score))
        assert server.end(signal.SIGKILL)[0] == -signal.SIGKILL
    with path.open("ab") as file:
        # The label under way, as far as it came.
        file.write(b'{"record": "r1", "respo')

    with labelling(path.parent) as server:
        visitor = visitor_of(server, path)
        assert "3 of 3" in visitor.get().text
        visitor.post(visitor.form(50))
        assert "Thank you, that was all." in visitor.get().text
        status, lines, problem = server.end(signal.SIGTERM)

    assert server.lines[0] == (
        "labels.jsonl: its last line was cut off while it was written; it is in labels.jsonl.cut-off "
        "now"
    )
    assert server.lines[2] == "3 responses for ann, 2 labelled before"
    assert (status, problem) == (0, "")
    assert lines[0].startswith("1 label written, 3 of 3 responses labelled; ")
    assert [label.score for label in read_labels(path).labels] == [10, 90, 50]


def test_files_put_together(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two machines, by ``cat``: both labelers count, and their agreement is shown."""
    label_all(path, 90, 20, 40)
    label_all(path.with_name("b.jsonl"), 100, 30, 60, labeler="ben")
    path.write_bytes(path.read_bytes() + path.with_name("b.jsonl").read_bytes())

    assert main(ARGUMENTS) == 0
    assert capsys.readouterr().out.splitlines() == [
        DRAWN,
        "3 responses for ann, 3 labelled before",
        "0 labels written, 3 of 3 responses labelled; labels are in labels.jsonl",
        "  ann: 3 labels, mean score 50.0",
        "  ben: 3 labels, mean score 63.3",
        "Krippendorff's alpha of 2 labelers on 3 responses: 0.91 (95 % CI -0.67 to 0.96)",
    ]


def test_the_outcome_for_other_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON on stdout, with what people read on stderr."""
    label_all(path, 90, 20, 40)
    label_all(path, 90, 20, 40, labeler="ben")

    assert main([*ARGUMENTS, "--json"]) == 0

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document == {
        "labels": "labels.jsonl",
        "design": asdict(sample_of(path.with_name("a.json")).design),
        "labeler": "ann",
        "responses": 3,
        "labelled": 3,
        "without_response": [],
        "labelers": [
            {"labeler": "ann", "labels": 3, "mean": 50.0},
            {"labeler": "ben", "labels": 3, "mean": 50.0},
        ],
        "agreement": {"alpha": 1.0, "interval": [1.0, 1.0], "responses": 3},
    }
    assert captured.err.splitlines()[0] == DRAWN


def test_another_candidate(path: Path) -> None:
    """Its responses to the same records are asked for; those that are the same keep their labels."""
    label_all(path, 90, 20, 40)
    write_responses(path.with_name("a.json"), ["one", "new", "three"])
    with labelling(path.parent) as server:
        visitor = visitor_of(server, path)
        assert "new</div>" in visitor.get().text
        visitor.post(visitor.form(70))
        server.end(signal.SIGINT)

    assert server.lines[1:3] == [
        "the file keeps 1 label of other responses",
        "3 responses for ann, 2 labelled before",
    ]
    assert [label.score for label in read_labels(path).labels] == [90, 20, 40, 70]


def test_a_hole(path: Path) -> None:
    """A record of the sample whose label somebody took out is asked for again, and no other."""
    label_all(path, 90, 20, 40)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], *lines[3:]]))
    with labelling(path.parent) as server:
        assert "two</div>" in visitor_of(server, path).get().text
        server.end(signal.SIGINT)

    assert server.lines[1] == "3 responses for ann, 2 labelled before"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda text: text.replace('"score": 20', '"score": 25'), f"line 3: {EDITED}"),
        (
            lambda text: text + json.dumps(_other_design(text)),
            "line 5: it has another design than line 1; keep labels of one sample in a file",
        ),
        (lambda text: text + "\0\0", "it holds NUL bytes; name a file that llmjudge label wrote"),
        (
            lambda text: text.partition("\n")[2],
            (
                "it does not say how the records of its labels were drawn; name another file, to "
                "which llmjudge label can write that first"
            ),
        ),
        (lambda _: '{"mine": 1}\n', "line 1: it is no label ({told}); correct or remove the line"),
    ],
    ids=["edited", "two designs", "NUL bytes", "no design", "no label"],
)
def test_a_file_that_cannot_be_used(
    path: Path, capsys: pytest.CaptureFixture[str], spoil: object, problem: str
) -> None:
    """One line, status 4, and not a byte of it is changed."""
    label_all(path, 90, 20, 40)
    assert callable(spoil)
    spoilt = spoil(path.read_text())
    path.write_text(spoilt)

    assert main(ARGUMENTS) == 4

    error = capsys.readouterr().err
    start, _, end = f"llmjudge: --out labels.jsonl: {problem}\n".partition("{told}")
    assert error.startswith(start)
    assert error.endswith(end)
    assert error.count("\n") == 1
    assert path.read_text() == spoilt
    assert not path.with_name("labels.jsonl.cut-off").exists()


def _other_design(text: str) -> dict[str, object]:
    known = Design.from_plain(json.loads(text.partition("\n")[0])["design"])
    design = replace(known, seed=9)
    return {"design": asdict(design), "seal": seal_design(design)}


def test_two_scores_of_one_labeler(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As from two machines: nobody chooses one in silence."""
    label_all(path, 90, 20, 40)
    (item,) = (one for one in sample_of(path.with_name("a.json")).items if one.record == "r1")
    append_label(path, replace(label_on(item, 30), at="later"))

    assert main(ARGUMENTS) == 4
    assert capsys.readouterr().err == (
        "llmjudge: --out labels.jsonl: line 5: ann gives 30 to a response to r1, and 20 to the "
        "same response in line 3; keep one of the two lines\n"
    )


def test_a_corrected_label(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts once."""
    label_all(path, 90, 20, 40)
    (item,) = (one for one in sample_of(path.with_name("a.json")).items if one.record == "r1")
    append_label(path, label_on(item, 35, replaces=seal(label_on(item, 20))))

    assert main(ARGUMENTS) == 0
    assert "3 of 3 responses labelled" in capsys.readouterr().out
    assert len(lines_in(path)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample=0"], "--sample: 0 is too small; give a whole number of 1 or more"),
        (["--sample=x"], '--sample: "x" is not a whole number; give a whole number of 1 or more'),
        (
            ["--seed=-1"],
            '--seed: "-1" is no seed; give a whole number from 0 to 9223372036854775807',
        ),
        (
            ["--suite=b"],
            "a.json: it has no suite b of scored records; name results or a suite that fit; it has test_a.py::test_a",
        ),
        (["--labeler= "], "--labeler: it is empty; give the name of who labels"),
        (
            ["--labeler=\udcff"],
            "--labeler: it has bytes that are no UTF-8; give the name of who labels",
        ),
        (["--out=."], "--out: . is a folder; name another place"),
        (
            ["--port=65536"],
            '--port: "65536" is no port; give a port from 1 to 65535, or 0 for any free one',
        ),
    ],
)
def test_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """One line, and status 2."""
    assert main([*ARGUMENTS, *arguments]) == 2
    assert capsys.readouterr().err == f"llmjudge: {message}\n"


def test_another_sample(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what differs, status 2; the file stays as it is."""
    label_all(path, 90, 20, 40)
    before = path.read_bytes()

    assert main([*ARGUMENTS, "--seed=7"]) == 2
    assert capsys.readouterr().err == (
        "llmjudge: --out labels.jsonl: its sample is another one: it was drawn by the seed 123 and "
        "not by 7; name another file, or leave out --seed to go on with this one\n"
    )
    assert path.read_bytes() == before


def test_one_of_several_suites(path: Path) -> None:
    """A new file asks for its suite once; the next start knows it."""
    suites = [suite_of("m", [record(0, f"of {name}")], name=name) for name in ("x", "y")]
    write_results(path.with_name("a.json"), *suites)
    with labelling(path.parent, "--suite=y") as server:
        visitor = visitor_of(server, path, "y")
        visitor.post(visitor.form())
        server.end(signal.SIGINT)

    assert main(ARGUMENTS) == 0
    assert lines_in(path)[0]["design"]["suite"] == "y"


def test_the_labeler_is_who_is_logged_in(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a name is given."""
    label_all(path, 90, 20, 40)
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")

    assert main(ARGUMENTS[:2]) == 0
    assert "3 responses for ann, 3 labelled before\n" in capsys.readouterr().out


def test_without_flask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how to get it."""
    monkeypatch.setitem(sys.modules, "flask", None)

    assert main(ARGUMENTS) == 2
    assert capsys.readouterr().err == (
        "llmjudge: llmjudge label: its page needs Flask; install it with pip install "
        '"pytest-llmjudge[label]"\n'
    )
