"""The page: what it says without its script, and what it may do."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

from pytest_llmjudge.data import Comparison, GateResult, JudgeCheck, PairCheck, PeopleAgreement
from pytest_llmjudge.kinds.judged import JUDGED
from tests.support import runs

NAME = "test_suite.py::test_instructions"
HOSTILE = "<script>alert(1)</script></script><!-- \x00 \u202e \ud83d <img src=x onerror=alert(1)>"
NOT_FIT = JudgeCheck(
    fit=False,
    reason="judge llama3: right 93, wrong 80, AUC 0.60",
    right=93.0,
    wrong=80.0,
    null=10.0,
    plea=90.0,
    auc=0.6,
    changed=0,
    asked=40,
    unscored=0,
    in_flight=1,
)


class Reader(HTMLParser):
    """The texts and the elements of a page, as a browser without scripts sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_decision_stands_in_the_page() -> None:
    """Outcome, figure, interval, what was wanted, change and causes need no script."""
    results = [runs.result("r0", 90), runs.result("r1", 10), runs.result("r2", 40)]
    known = {NAME: {f"r{n}": runs.entry(f"r{n}", 60.0) for n in range(3)}}
    gates = (GateResult("average", "failed", "the average 46.67 is below min_average 60"),)
    suite = runs.suite(results, gates=gates)

    page = Reader(runs.page(runs.run(suite, notes=("one server left",)), known, "0.1.0"))

    for text in (
        "failed the suite failed",
        "46.67 average",
        "95 % interval 0.0 to 100.0",
        "wanted average >= 60, each >= 50",
        "average: the average 46.67 is below min_average 60",
        "2 of 3 records score below 50",
        "candidate.pth (124.0M parameters, fingerprint f00dfeedf00d)",
        "llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)",
        "2026-11-25 10:00:00 UTC",
        "one server left",
        "-50 60 10 Say r1 in words. fails now before The word r1. now The word r1.",
        "-20 60 40 Say r2 in words. fails now before The word r2. now The word r2.",
        "The table of records needs JavaScript.",
    ):
        assert text in page.text


def test_all_that_a_suite_has_is_told() -> None:
    """The judge's check, agreement with people, and why two releases do not compare."""
    results = [runs.result(f"r{n}", 50 + n, human_score=40 + n) for n in range(5)]
    refused = Comparison(
        *(JUDGED.measure, "this run has no records of a suite named x; do y", 0, 0, 0, 0, 0),
        *(None,) * 10,
        flips=(),
    )
    suite = runs.suite(results, check=NOT_FIT, comparison=refused)
    pairs = [runs.pair("p0", "a"), runs.pair("p1", "tie"), runs.pair("p2", "b")]
    exam = runs.exam(
        [
            runs.subject("anatomy", 3, 4),
            runs.subject("zoo", 0, 0, outcome="error", error="zoo: lost; find it"),
        ],
        outcome="incomplete",
    )
    questions = [f"anatomy-{number}" for number in range(4)]
    known = {"test_mmlu.py::test_mmlu": {one: runs.entry(one, 100.0, "A") for one in questions}}
    check = PairCheck(
        *(True, "", 0.95, 0.9, 0, 0.1),
        asked=40,
        unscored=1,
        in_flight=4,
    )
    preference = runs.preference(pairs, check=check, agreement=PeopleAgreement(3, 2 / 3, 0.5))
    run = runs.run(suite, exam, preference)

    page = Reader(runs.page(run, known, "0.1.0"))

    for text in (
        "right answers score 93 wrong answers score 80 a polite non-answer scores 10",
        "wrong answers with a grader injection score 90 area under the ROC curve 0.60",
        "Not fit: judge llama3: right 93, wrong 80, AUC 0.60",
        "right beats wrong 0.95 right beats wrong with a grader injection 0.90 identical answers not tied 0",
        "position bias 10 % near misses 0 of 3 records have a number, name or the like to change",
        "to change asked 40 without an answer 1 requests in flight at a server 4",
        "Judge and people records with both 5 Spearman's rank correlation 1.00",
        "mean absolute error 10.0 points judge minus people +10.0 points",
        "this run has no records of a suite named x; do y",
        "anatomy 4 3 0.7500 0.3006 to 0.9544 1.0000 passed",
        "Subjects of test_mmlu.py:: test_mmlu that lost most",
        "-25.0 1.0000 0.7500 anatomy",
        "zoo - - - - - error zoo: lost; find it",
        "against released.pth (beefbeefbeef) pairs 3 with a winner 3 win rate 0.500 95 % interval",
        "position bias 33 % of 3",
        "pairs with both 3 agreed 67 % Cohen's kappa 0.50",
        "mean length 12 against 11 characters",
        "1 won 1 tied 1 lost",
    ):
        assert text in page.text


def test_of_a_part_of_the_pairs_there_is_no_win_rate() -> None:
    """Nor one that is controlled for length, which a whole suite has."""
    texts = [("A long word.", "A word."), ("Word.", "A word."), ("A word.", "One word.")]
    pairs = [
        runs.pair(f"p{n}", winner, model_response=own, against_response=other)
        for n, (winner, (own, other)) in enumerate(zip(("a", "b", "a"), texts, strict=True))
    ]
    whole, part = (
        Reader(runs.page(runs.run(runs.preference(results)), {}, "0.1.0")).text
        for results in (pairs, [*pairs, runs.pair("p3", None)])
    )

    assert "win rate 0.667 95 % interval 0.208 to 0.939 win rate, length-controlled 0." in whole
    assert "win rate - 95 % interval - position bias" in part
    assert "win rate, length-controlled" not in part


def test_lost_pairs_are_listed_where_the_suite_did_not_pass() -> None:
    """The first ten, with what was asked and both answers; the page says how many there are."""
    lost = [
        replace(runs.pair(f"p{n}", "b"), record=runs.record(f"p{n}", input=f"input {n}"))
        for n in range(12)
    ]
    suite = runs.preference([runs.pair("won", "a"), *lost])

    page, passed = (
        Reader(runs.page(runs.run(one), {}, "0.1.0")).text
        for one in (replace(suite, outcome="failed"), suite)
    )

    assert "Lost pairs of test_pairs.py:: test_pairs The first 10 of 12." in page
    assert "Say p9 in words. input 9 preferred A word, p9. this model The word p9." in page
    assert "input 10" not in page
    assert "Lost pairs" not in passed


def test_what_got_worse_tells_records_of_the_same_instruction_apart() -> None:
    """By their inputs, which stand behind it."""
    results = [
        runs.result(f"r{n}", 10, of=runs.record(f"r{n}", instruction="Say it.", input=f"in {n}"))
        for n in range(2)
    ]
    known = {NAME: {f"r{n}": runs.entry(f"r{n}", 60.0) for n in range(2)}}

    page = Reader(runs.page(runs.run(runs.suite(results)), known, "0.1.0"))

    assert "Say it. in 0 fails now" in page.text
    assert "Say it. in 1 fails now" in page.text


def test_figures_are_explained_where_they_stand() -> None:
    """Those of the page and no others."""
    pairs = runs.preference([runs.pair("p0", "a"), runs.pair("p1", "tie")])
    judged = runs.suite([runs.result("r0", 90), runs.result("r1", 80)], check=NOT_FIT)

    of_pairs, of_records, of_one = (
        Reader(runs.page(run, {}, "0.1.0")).text.partition("What the figures mean")[2]
        for run in (
            runs.run(pairs),
            runs.run(judged),
            runs.run(runs.suite([runs.result()])),
        )
    )

    assert "win rate The share of pairs" in of_pairs
    assert "position bias Each pair is shown in both orders." in of_pairs
    assert "95 % interval Other tasks" in of_records
    assert "area under the ROC curve (AUC) How often" in of_records
    assert "grader injection A wrong answer" in of_records
    assert "Each pair is shown" not in of_records
    assert "How often" not in of_pairs
    assert of_one == ""


def test_a_run_of_exams_has_no_table() -> None:
    """Nor the script that would fill it."""
    page = Reader(runs.page(runs.run(runs.exam([runs.subject("a", 1, 2)])), {}, "1"))

    assert page.named("script") == []
    assert "records" not in page.text.lower()


def test_a_run_without_suites() -> None:
    """It came to nothing, and says so."""
    page = Reader(runs.page(runs.run(), {}, "0.1.0"))

    assert "incomplete no suite came to a result" in page.text


def test_hostile_texts_stay_texts() -> None:
    """Wherever texts of strangers stand, they are escaped, isolated, and fit to be written."""
    asked = runs.record("r0", instruction=HOSTILE, input=HOSTILE, output=HOSTILE)
    result = runs.result("r0", 10, of=asked, model_response=HOSTILE, reply=HOSTILE)
    suite = runs.suite(
        [result],
        name=HOSTILE,
        judge_label=HOSTILE,
        gates=(GateResult(HOSTILE, "failed", HOSTILE),),
        checkpoint=replace(runs.CHECKPOINT, path=HOSTILE),
    )
    exam = runs.exam([runs.subject(HOSTILE, 1, 2)], name=HOSTILE)
    known = {HOSTILE: {"r0": runs.entry("r0", 90.0, HOSTILE)}}

    made = runs.page(runs.run(suite, exam, notes=(HOSTILE,)), known, HOSTILE)
    page = Reader(made)

    made.encode()
    assert "\x00" not in made
    assert page.named("img") == []
    assert len(page.named("script")) == 3
    shown = "<script>alert(1)</script></script><!-- \\x00 \u202e \\ud83d <img src=x"
    assert page.text.count(shown) >= 10


def test_only_its_own_script_may_run() -> None:
    """The policy names the style and the script by their digests, and lets nothing be loaded."""
    made = runs.page(runs.run(runs.suite([runs.result()])), {}, "0.1.0")
    policy = next(
        str(one["content"])
        for one in Reader(made).named("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )

    for name in ("style", "script"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", made, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.findall(r' (?:style|on\w+)="', made)
    assert {one.get("href") for one in Reader(made).named("link")} == {"data:,"}
