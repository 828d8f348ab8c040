"""Judged suites and pairs: results back from their file, and shards of a run as one."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import (
    Design,
    Duplicate,
    Explanation,
    JudgeCheck,
    JudgeIdentity,
    Label,
    Overlap,
    PairCheck,
    Preference,
    Record,
    Rule,
    TrainingFile,
    Verdict,
)
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.keys import content_digest
from pytest_llmjudge.kinds.base import Marked, Sample
from pytest_llmjudge.kinds.judged import JUDGED, _Scored
from pytest_llmjudge.kinds.overlap import OVERLAP, plain_overlap
from pytest_llmjudge.kinds.pairs import PAIRS, _Preferred
from pytest_llmjudge.kinds.read_back import check_from_plain
from pytest_llmjudge.pipeline import Pair
from pytest_llmjudge.pipeline.judge_resources import judge_facts
from pytest_llmjudge.records.answers import join_answers
from pytest_llmjudge.settings import read_settings
from pytest_llmjudge.stats.labels import records_digest, response_digest
from pytest_llmjudge.storage.labels import append_design, append_label
from tests.support.read_back import written_again
from tests.support.shards import Decided, joined_shards, merged, read_again
from tests.unit.storage.test_results_reader import RELEASED, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JUDGE = {
    **asdict(JudgeIdentity("llama3", "ollama", "1", "abc", {"seed": 1}, "integer/1")),
    "label": "llama3 (ollama 1, digest abc)",
}
FIT = JudgeCheck(
    fit=True,
    reason="right 97",
    right=97.123456,
    wrong=10 / 3,
    null=0.0,
    plea=4.0,
    auc=0.98765432,
    changed=0,
    asked=30,
    unscored=0,
    in_flight=2,
    near=55.5,
    near_auc=0.012345678,
    near_asked=9,
)
PAIRS_FIT = PairCheck(
    fit=True, reason="right", reference=1.0, plea=2 / 3, untied=0, flips=1 / 7, asked=12, unscored=0
)
COUNT = 36


def records(count: int = COUNT, **more: Callable[[int], object]) -> list[dict[str, Any]]:
    """Make records with a response each; ``more`` returns further fields by number."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"Say {number}.",
            "output": f"It is {number}.",
            "model_response": f"I say {number}.",
            "other": f"You say {number}, they say {number}."[: 12 + number],
            **{name: make(number) for name, make in more.items()},
        }
        for number in range(count)
    ]


def load(kind: Any, folder: Path, given: list[dict[str, Any]], **keywords: object) -> Any:  # noqa: ANN401
    """Load a suite of a marker."""
    (folder / "data.json").write_text(json.dumps(given), "utf-8")
    settings = read_settings({}, folder, folder, "pytest.ini")
    keywords = {"responses": "model_response", **keywords}
    return kind.load(Marked("test_a.py::test_a", ["data.json"], keywords, folder), settings)


def score_of(number: int) -> int:
    """Return what the judge gives a record: scores that scatter."""
    return number * 37 % 101


def scored(suite: Any, verdicts: Callable[[Record, int], Verdict | None]) -> list[Sample[Any]]:  # noqa: ANN401
    """Return what is known of all records of a judged suite."""
    samples = []
    for number, record in enumerate(suite.loaded.records):
        verdict = verdicts(record, number)
        if verdict is None:
            error = f"{record.id}: nothing was generated; look at the model"
            value = _Scored(record, None, Verdict(None, error=error), "")
            samples.append(Sample(record.id, value, error, "rig"))
            continue
        response = record.fields["model_response"]
        response = join_answers(response) if isinstance(response, list) else response
        value = _Scored(record, response, verdict, "Hm." if number == 3 else "")
        cause = None if verdict.error is None else "record"
        samples.append(Sample(record.id, value, verdict.error, cause))
    return samples


def verdict_of(record: Record, number: int) -> Verdict:
    """Score a record as a judge does that says how long it took."""
    score = score_of(number)
    return Verdict(score, str(score), seconds=0.25 + number, tokens=100 + number)


def judged(suite: Any, *gates: str, verdicts: Any = verdict_of, **more: Any) -> Decided:  # noqa: ANN401
    """Decide over a judged suite."""
    return Decided(suite, scored(suite, verdicts), gates, {"judge": JUDGE}, **more)


def labelled(folder: Path, given: list[dict[str, Any]], most: int, scores: int = 3) -> Path:
    """Write labels of the first records' responses, by three people each."""
    path = folder / "labels.jsonl"
    loaded = load(JUDGED, folder, given, min_score=1).loaded.records
    digest = records_digest((one.id, content_digest(one)) for one in loaded)
    append_design(path, Design("test_a.py::test_a", len(loaded), len(loaded), 123, digest))
    for number, one in enumerate(given[:most]):
        for person in range(scores):
            score = min(100, (score_of(number) * 2 + 11 * person) // 2)
            key = response_digest(one["model_response"])
            append_label(path, Label(one["id"], key, score, f"p{person}", "2026-01-02"))
    return path


def plain(folder: Path) -> Decided:
    suite = load(JUDGED, folder, records(), min_score=20, min_average=40)
    return judged(suite, "average", check=asdict(FIT))


def missed(folder: Path) -> Decided:
    suite = load(JUDGED, folder, records(), min_average=99.5)
    return judged(suite, "average", check=asdict(replace(FIT, fit=False)))


def by_category(folder: Path) -> Decided:
    given = records(level=lambda number: f"level {number % 3}" if number % 7 else None)
    wanted = {"level 0": 10, "level 2": 90.0}
    suite = load(JUDGED, folder, given, by="level", min_average=wanted, min_score=5)
    return judged(suite, "average", "average:level 0", "average:level 2")


def by_default_category(folder: Path) -> Decided:
    given = records(category=lambda number: number % 2)
    return judged(load(JUDGED, folder, given, min_average=3), "average")


def in_groups(folder: Path) -> Decided:
    given = records(topic=lambda number: f"t{number // 4}")
    return judged(load(JUDGED, folder, given, group="topic", min_average=50), "average")


def by_criteria(folder: Path) -> Decided:
    criteria = {"polite": "It is polite.", "short": "It is short."}

    def parts(record: Record, number: int) -> Verdict:
        score = score_of(number)
        own = ("polite", score), ("short", score)
        return Verdict(score, f"{score}\n{score}", parts=own[: 1 + number % 2])

    suite = load(JUDGED, folder, records(), criteria=criteria, min_average=50, system="Be brief.")
    return judged(suite, "average", verdicts=parts)


def of_turns(folder: Path) -> Decided:
    given = [
        {
            "id": f"r{number}",
            "question_id": number,
            "category": "math",
            "turns": [f"Say {number}.", "And now?"],
            "reference": [f"It is {number}.", "It is more."],
            "model_response": [f"I say {number}.", "More."],
        }
        for number in range(9)
    ]

    def parts(record: Record, number: int) -> Verdict:
        return Verdict(50 + number, "50", parts=(("turn 1", 50), ("turn 2", 50 + 2 * number)))

    suite = load(JUDGED, folder, given, min_average=50)
    return judged(suite, "average", verdicts=parts)


def of_samples(folder: Path) -> Decided:
    def several(record: Record, number: int) -> Verdict:
        score = score_of(number)
        return Verdict(score, "x", samples=(score, max(0, score - 9), min(100, score + 9)))

    return judged(load(JUDGED, folder, records(), min_score=30), "average", verdicts=several)


def weighted(folder: Path) -> Decided:
    def of_probabilities(record: Record, number: int) -> Verdict:
        return Verdict(score_of(number), "yes", covered=0.987654321 / (number + 1))

    suite = load(JUDGED, folder, records(), min_score=30)
    return judged(suite, "average", verdicts=of_probabilities)


def unscored(folder: Path) -> Decided:
    def some(record: Record, number: int) -> Verdict | None:
        if number in {4, 17}:
            return Verdict(None, "well", error=f"llama3: no score for {record.id}; ask again")
        return None if number == 20 else verdict_of(record, number)

    return judged(load(JUDGED, folder, records(), min_average=30), "average", verdicts=some)


def not_run(folder: Path) -> Decided:
    suite = load(JUDGED, folder, records(), min_score=1)
    return judged(suite, outcomes={"r5": "not run", "r30": "not run"})


def expected_to_fail(folder: Path) -> Decided:
    outcomes = {"r0": "passed", "r8": "failed", "r9": "error"}
    return judged(load(JUDGED, folder, records(), min_score=1), "average", outcomes=outcomes)


def agreeing(folder: Path) -> Decided:
    given = records()
    labels = labelled(folder, given, 24)
    limits = {"min_agreement": 0.5, "max_judge_error": 20, "max_judge_bias": 3.5}
    suite = load(JUDGED, folder, given, labels=str(labels), correct=False, **limits)
    return judged(suite, "average", "agreement")


def agreeing_by_records(folder: Path) -> Decided:
    given = records(human_score=lambda number: score_of(number) if number % 2 else None)

    def some(record: Record, number: int) -> Verdict | None:
        return None if number == 2 else verdict_of(record, number)

    suite = load(JUDGED, folder, given, min_agreement=0.5)
    return judged(suite, "average", "agreement", verdicts=some)


def not_agreeing(folder: Path) -> Decided:
    given = records(human_score=lambda number: 100 - score_of(number) if number % 2 else None)

    def some(record: Record, number: int) -> Verdict | None:
        return None if number == 3 else verdict_of(record, number)

    suite = load(JUDGED, folder, given, min_agreement=0.5)
    return judged(suite, "average", "agreement", verdicts=some)


def corrected(folder: Path) -> Decided:
    given = records()
    labels = labelled(folder, given, COUNT)
    suite = load(JUDGED, folder, given, labels=str(labels), min_average=52.5, correct=True)
    return judged(suite, "average", "agreement")


def compared(folder: Path) -> Decided:
    """One that labels correct, on both sides; its baseline was better."""
    decided = corrected(folder)
    judge: Any = None
    facts = judge_facts(judge)
    now = decided.suite.side(decided.samples, judge)
    before = replace(
        now,
        entries=tuple(
            replace(
                one,
                score=min(100, (one.score or 0) + 9),
                people=one.people and min(100, one.people + 7),
            )
            for one in now.entries
        ),
    )
    comparison = compare(before, now, Rule("not-worse", 2.0, "margin"))
    return replace(decided, more={"judge": facts}, comparison=comparison)


def in_training_data(folder: Path) -> Decided:
    found = (
        Duplicate("r3", True, 1.0, "train.json", "record 3", "Say 3."),  # noqa: FBT003
        Duplicate("r9", False, 0.87654321, "train.json", "record 4", "Say 9"),  # noqa: FBT003
    )
    files = (TrainingFile("train.json", 90, 1, "it is no object"),)
    details = {OVERLAP: plain_overlap(Overlap(COUNT, files, found, 0.5))}
    suite = load(JUDGED, folder, records(), min_average=3)
    return judged(suite, "average", details=details)


def preferred(
    folder: Path, *, check: bool = True, failing: bool = False, **keywords: object
) -> Decided:
    suite = load(PAIRS, folder, records(), against="other", min_win_rate=0.4, **keywords)
    samples = []
    for number, record in enumerate(suite.loaded.records):
        pair = Pair(str(record.fields["model_response"]), str(record.fields["other"]))
        orders = [("A", "B"), ("B", "A"), ("A", "A"), ("tie", "tie")][number % 4]
        winner = ["a", "b", "tie", "tie"][number % 4]
        made = Preference(winner, orders, ("A", "B"))
        if failing and number in {0, 35}:
            made = Preference(None, replies=("?",), error=f"{record.id}: no choice; ask again")
        value = _Preferred(record, (pair.a, pair.b), pair, made, "Hm." if number == 2 else "")
        samples.append(Sample(record.id, value, made.error, "record" if made.error else None))
    known = asdict(PAIRS_FIT) if check else None
    return Decided(suite, samples, ["win-rate"], {"judge": JUDGE}, check=known)


def preferred_with_failures(folder: Path) -> Decided:
    return preferred(folder, failing=True)


CASES = [
    *(plain, missed, by_category, by_default_category, in_groups, by_criteria, of_turns),
    *(of_samples, weighted, unscored, not_run, expected_to_fail),
    *(agreeing, agreeing_by_records, not_agreeing, corrected, compared, in_training_data),
    *(preferred, preferred_with_failures),
]


@pytest.fixture(name="decided", params=CASES, ids=lambda case: case.__name__)
def decide(request: pytest.FixtureRequest, tmp_path: Path) -> Decided:
    decided: Decided = request.param(tmp_path)
    return decided


def without_fields(result: Any) -> Any:  # noqa: ANN401  # of either kind
    """Return a result whose records have no further fields, which no report shows."""
    name = "records" if result.kind == "judge" else "pairs"
    samples = tuple(
        replace(one, record=replace(one.record, fields={})) for one in getattr(result, name)
    )
    return replace(result, **{name: samples})


def test_read_back(decided: Decided) -> None:
    """A result is written as before, and reports show the same of it, once it was read back."""
    kind, result = decided.suite.kind, decided.result()
    document = json.loads(json.dumps(kind.document(result, None)))

    again = kind.from_document(document, None)

    assert written_again(document, None) == document
    rule = Rule("not-worse", 2.0, "margin")
    summary = kind.summary(result, rule)
    assert kind.summary(again, rule) == summary
    assert kind.page(again, summary, {}) == kind.page(without_fields(result), summary, {})


def test_shards_come_to_the_whole(decided: Decided) -> None:
    """Three shards' files are joined and decided to what a run of all gives, gate by gate."""
    kind, whole = decided.suite.kind, decided.result()
    ids = decided.suite.samples
    shards = [decided.result(ids[number::3]) for number in range(3)]

    joined = merged(decided, shards)

    assert kind.document(joined, None) == kind.document(whole, None)
    assert joined.gates == whole.gates
    assert joined.outcome == whole.outcome
    assert joined.path == whole.path


def test_a_side_of_a_file(tmp_path: Path) -> None:
    """A comparison takes a file for what it takes the suite for that wrote it, to the last digit."""
    decided = compared(tmp_path)
    result = decided.result()

    side = JUDGED.saved_side(JUDGED.document(result, None), None)

    assert side == decided.suite.side(decided.samples, None)


def test_a_judge_that_is_not_fit_in_one_shard(tmp_path: Path) -> None:
    """It is not fit: the worst one's figures are shown, and the gate has failed."""
    decided = plain(tmp_path)
    ids = decided.suite.samples
    bad = asdict(replace(FIT, fit=False, auc=0.5, reason="AUC 0.50"))
    shards = [
        replace(decided, check=check).result(ids[number::3])
        for number, check in enumerate((asdict(FIT), bad, asdict(replace(FIT, auc=0.1))))
    ]

    joined, gates = joined_shards(decided, shards)

    assert joined.check == check_from_plain(JudgeCheck, bad)
    assert [gate.outcome for gate in gates] == ["failed", "not run"]
    assert JUDGED.decided(joined, gates, None).outcome == "failed"


def test_the_worst_of_fit_judges(tmp_path: Path) -> None:
    """Where all are fit, the figures are those of the one that tells least."""
    decided = plain(tmp_path)
    worse = asdict(replace(FIT, auc=0.9))
    ids = decided.suite.samples
    shards = [
        replace(decided, check=check).result(ids[number::2])
        for number, check in enumerate((asdict(FIT), worse))
    ]

    assert joined_shards(decided, shards)[0].check == check_from_plain(JudgeCheck, worse)


def test_explanations(tmp_path: Path) -> None:
    """They come back with the reason why there is none, and with whose fault that was."""
    explanations = {
        "r0": Explanation("It is rude."),
        "r1": Explanation("", "llama3: it wrote nothing; ask again"),
        "r2": Explanation("", "http://a: no answer; start it", is_infrastructure=True),
    }
    result = JUDGED.explained(plain(tmp_path).result(), explanations)

    again = read_again(result, JUDGED)

    assert [one.explanation for one in again.records[:3]] == list(explanations.values())
    assert again.records[3].explanation is None
    assert JUDGED.summary(again, Rule()) == JUDGED.summary(result, Rule())


def test_what_labels_lack(tmp_path: Path) -> None:
    """Why a sample corrects no average is said of a file as well."""
    lack = "the sample of labels.jsonl has 3 records", "draw a larger sample"
    result = replace(plain(tmp_path).result(), lack=lack)

    again = read_again(result, JUDGED)

    assert again.lack == lack
    assert JUDGED.summary(again, Rule()) == JUDGED.summary(result, Rule())


def test_a_judge_that_was_not_asked(tmp_path: Path) -> None:
    """Its label is in the file where its identity does not say it."""
    result = replace(plain(tmp_path).result(), judge_label="not asked")
    document = JUDGED.document(result, None)

    assert document["judge_label"] == "not asked"
    assert JUDGED.from_document(document, None).judge_label == "not asked"


def test_people_who_prefer(tmp_path: Path) -> None:
    """They are named by their votes' file, and agree with a judge as the file says."""
    result = preferred(tmp_path, check=False).result()
    people = replace(result, votes="votes.jsonl", judge=None, judge_label="people (votes.jsonl)")
    judged, voted = PAIRS.together([result, people])

    again = read_again(voted, PAIRS)

    assert again.judge is None
    assert again.agreement == voted.agreement
    assert PAIRS.summary(again, Rule()) == PAIRS.summary(voted, Rule())
    assert (
        PAIRS.together([judged, replace(again, path=judged.path)])[1].agreement == voted.agreement
    )


def lies_within(old: object, new: object) -> bool:
    """Say whether a value has all that an older one has."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and lies_within(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(lies_within, old, new))
    return old == new


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*.json")), ids=lambda path: path.stem)
def test_files_of_earlier_versions(path: Path) -> None:
    """All that they have is written again; what they lack stays absent."""
    document = json.loads(path.read_text("utf-8"))
    for suite in document["suites"]:
        again = written_again(suite, document["judge"])

        assert lies_within(suite, again)
        assert not any(again[key] for key in again.keys() - suite.keys())


def test_what_other_tools_leave_out() -> None:
    """The least that the schema asks for is a result, whose judge nobody names."""
    (suite,) = SMALLEST["suites"]
    checkpoint = {"path": "a.pth", "fingerprint": "f", "later": 1}
    suite = {**suite, "later": "more", "checkpoint": checkpoint}

    again = written_again(suite, None)

    del checkpoint["later"], suite["later"]
    assert lies_within(suite, again)
    assert JUDGED.summary(JUDGED.from_document(suite, None), Rule()).judge == "not named"
