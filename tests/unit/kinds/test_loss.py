"""Results files of held-out loss: which are read, which are refused, and what compares."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.data import Duplicate, Overlap, Record
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.kinds.loss import LossRecord, LossResult
from tests.support.outcomes import compared, judged, lost, write_run
from tests.support.saved import read_results

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [f"r{number}" for number in range(6)]
SUITE = lost({name: [(2.5 + number, 4)] for number, name in enumerate(NAMES)})
WORSE = lost({name: [(4.5 + number, 4)] for number, name in enumerate(NAMES)})
HIGHEST = "is greater than the maximum of"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File names are short."""
    monkeypatch.chdir(tmp_path)


def changed(suite: dict[str, Any], **figures: object) -> dict[str, Any]:
    """Return a suite with other figures in its first record."""
    first, *others = suite["records"]
    return {**suite, "records": [{**first, **figures}, *others]}


def written(suite: dict[str, Any], name: str = "run.json") -> Path:
    """Write a results file that need not follow the schema."""
    document = json.loads(write_run(Path("sound.json"), SUITE).read_text("utf-8"))
    path = Path(name)
    path.write_text(json.dumps({**document, "suites": [suite]}), "utf-8")
    return path


def test_a_file_without_prompt_and_tokens() -> None:
    """Such were written before; it compares, and what nobody can tell is said."""
    old, new = (
        read_results(written(suite)).sides["test_c.py::test_c"]
        for suite in (SUITE, {**WORSE, "prompt": {"name": "alpaca", "digest": None}})
    )

    comparison = compare(old, new)

    assert (comparison.refusal, comparison.paired, comparison.difference) == (None, 6, 0.5)
    note = "the baseline does not say what its prompt was, so it may have been another"
    assert comparison.note == note
    assert compare(new, old).note == note.replace("the baseline", "this run")
    assert compare(old, old).note == ""


PROMPTS = [
    ({"name": "alpaca", "digest": None}, {"name": "chatml", "digest": None}, "was alpaca and is"),
    ({"name": "alpaca", "digest": None}, {"name": "alpaca", "digest": "f00"}, "file (f00) now"),
    ({"name": "a.txt", "digest": "f00"}, {"name": "a.txt", "digest": "f01"}, "(f01) now"),
    ({"name": "a.txt", "digest": "f00"}, {"name": "b.txt", "digest": "f00"}, None),
]


@pytest.mark.parametrize(("was", "now", "refusal"), PROMPTS)
def test_prompts(
    was: dict[str, str],
    now: dict[str, str],
    refusal: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another template is another measure, and the name of its file is none."""
    old = written({**WORSE, "prompt": was}, "old.json")
    new = written({**SUITE, "prompt": now}, "new.json")

    assert main(["compare", str(old), str(new)]) == (0 if refusal is None else 1)

    assert refusal is None or refusal in capsys.readouterr().out


def with_digests(suite: dict[str, Any], *digests: str | None) -> dict[str, Any]:
    """Return a suite whose records say of which tokens they are."""
    pairs = zip(suite["records"], digests, strict=True)
    return {**suite, "records": [{**one, "token_digest": digest} for one, digest in pairs]}


def test_other_tokens() -> None:
    """One record that was split otherwise shows that the tokenizers are two."""
    suites = [with_digests(SUITE, *"abcdef"), with_digests(SUITE, *"abcdeX"), SUITE]
    same, other, unknown = (
        read_results(written(suite)).sides["test_c.py::test_c"] for suite in suites
    )

    refusal = compare(same, other).refusal

    assert refusal is not None
    assert "1 of 6 records were split into other tokens than in the baseline, such as r5" in refusal
    assert compare(same, same).refusal is None
    assert compare(unknown, other).refusal is None
    assert compare(other, unknown).refusal is None


def test_another_number_of_tokens() -> None:
    """It is no other record, but another tokenizer, and is called that."""
    longer = lost({name: [(2.5 + number, 5)] for number, name in enumerate(NAMES)})
    old, new = (
        read_results(written(suite)).sides["test_c.py::test_c"]
        for suite in (with_digests(SUITE, *"abcdef"), with_digests(longer, *"ghijkl"))
    )

    assert "6 of 6 records were split into other tokens" in str(compare(old, new).refusal)


@pytest.mark.parametrize(
    ("suite", "problem"),
    [
        (changed(SUITE, loss=0.1), 'r0: its "loss" is 0.1, and by its records 0.625'),
        (changed(SUITE, loss=None), 'r0: its "loss" is null, and by its records 0.625'),
        (changed(SUITE, tokens=5), 'r0: its "tokens" is 5, and by its records 4'),
        ({**SUITE, "tokens": 25}, 'its "tokens" is 25, and by its records 24'),
        ({**SUITE, "perplexity": 1.5}, 'its "perplexity" is 1.5, and by its records'),
        ({**SUITE, "perplexity": None}, 'its "perplexity" is null, and by its records'),
    ],
)
def test_figures_that_contradict_each_other(suite: dict[str, Any], problem: str) -> None:
    """A record's loss is that of its parts, and the suite's is that of its records."""
    with pytest.raises(BaselineError, match=r"test_c\.py::test_c: ") as raised:
        read_results(written(suite))

    assert problem in raised.value.problem


@pytest.mark.parametrize("loss", [700.0, 720.0, 900_000.0])
def test_large_perplexities(loss: float) -> None:
    """They are no contradiction: exact to some digits, and null where no float is as large."""
    suite = lost({name: [(loss * 4, 4)] for name in NAMES})

    assert read_results(written(suite)).sides
    assert (suite["perplexity"] is None) == (loss > 709)


@pytest.mark.parametrize("figure", ["1e308", "1e17", "1e999", str(10**17)])
@pytest.mark.parametrize("command", ["compare", "power", "rate"])
def test_huge_losses(figure: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No model loses as much, and sums of such floats overflow: one line and status 2."""
    records = [{**one, "parts": [["HUGE", one["tokens"]]]} for one in SUITE["records"]]
    path = written({**SUITE, "records": records})
    path.write_text(path.read_text("utf-8").replace('"HUGE"', figure), "utf-8")
    more = {"compare": ["sound.json"], "power": ["--drop=3"], "rate": []}[command]

    assert main([command, str(path), *more]) == 2

    err = capsys.readouterr().err
    assert HIGHEST in err
    assert len(err.splitlines()) == 1


def test_a_loss_that_no_model_has(capsys: pytest.CaptureFixture[str]) -> None:
    """The bound is on what a token loses, however many tokens there are."""
    suite = lost({name: [(1_000_001.0 * 4, 4)] for name in NAMES})

    assert main(["power", str(written(suite)), "--drop=3"]) == 2

    assert f"loss: 1000001.0 {HIGHEST} 1000000" in capsys.readouterr().err


def figures(value: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in a document numbers stand, or may stand."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from figures(inner, (*place, key))
    elif not isinstance(value, (str, bool)):
        yield place


COMPARED: dict[str, Any] = {
    **dict.fromkeys(("refusal", "interval", "losses", "wins", "mcnemar_p")),
    "kind": "judge",
    "paired": 6,
    "added": 0,
    "removed": 0,
    "note": "",
    "flips": [],
    "unscored_before": 0,
    "unscored_after": 0,
    "p": 0.5,
    "deviation": 1.0,
    "detectable": 1.0,
    "before": 50.0,
    "after": 50.0,
    "difference": 0.0,
}


@pytest.mark.parametrize("kind", ["loss", "judge", "preference", "mmlu"])
@pytest.mark.parametrize("figure", ["1e308", "1e999"])
def test_huge_figures_of_any_kind(kind: str, figure: str) -> None:
    """Wherever one stands in a file, nothing ends in a traceback."""
    scores = dict.fromkeys(NAMES, 50)
    suites = {
        "loss": lost({name: [(2.5, 4)] for name in NAMES[:2]}, baseline=COMPARED),
        "judge": judged(
            Path("x.json"), {name: scores[name] for name in NAMES[:2]}, baseline=COMPARED
        ),
        "preference": compared({"r0": "a", "r1": "b"}),
    }
    released = Path(__file__).parents[1] / "storage" / "released" / "version-1.json"
    suite = suites.get(kind) or json.loads(released.read_text("utf-8"))["suites"][1]
    document = json.loads(write_run(Path("sound.json"), suite).read_text("utf-8"))
    path = Path("run.json")
    for place in figures(suite):
        edited = copy.deepcopy(suite)
        inner = edited
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = "HUGE"
        text = json.dumps({**document, "suites": [edited]})
        path.write_text(text.replace('"HUGE"', figure), "utf-8")
        for command in (
            ["compare", str(path), "sound.json"],
            ["power", str(path), "--drop=0.01"],
            ["rate", str(path), "--bootstrap=0"],
        ):
            assert main(command) in {0, 1, 2}, (place, command)


def test_the_perplexity_without_what_was_trained_on() -> None:
    """It is that of the other records, token by token; there is none where a record has no loss."""
    records = [
        LossRecord(Record(f"r{at}", "a", "", "b", {}), ((nll, 2),), "t", "d", None, "passed")
        for at, nll in enumerate((2.0, 4.0, 8.0))
    ]
    duplicate = Duplicate("r0", is_exact=True, similarity=1.0, file="t", place="record 1", text="a")
    overlap = Overlap(3, (), (duplicate,))
    whole = LossResult("t", "d.json", None, 3, {}, {}, tuple(records), (), "passed", None, overlap)
    part = replace(whole, records=(*records[:2], replace(records[2], parts=())))

    assert whole.figures_without_overlap is not None
    assert whole.figures_without_overlap.loss == (4 + 8) / 4
    assert part.figures_without_overlap is None
    assert replace(whole, overlap=Overlap(3, (), ())).figures_without_overlap is None
