"""Which outcomes files hold, and the notes on the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_llmjudge.data import Outcome, PeopleAgreement, Unscored
from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.keys import text_digest
from tests.support.outcomes import JUDGE, compared, judged, write_run, write_votes
from tests.support.saved import gather


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File names are short."""
    monkeypatch.chdir(tmp_path)


def test_votes() -> None:
    """One outcome each, in file order; both bad is a tie."""
    winners = ["a", "b", "tie", "both_bad"]
    path = write_votes(Path("votes.jsonl"), [("r1", "x", "y", winner) for winner in winners])

    gathered = gather([path])

    scores = [1.0, 0.0, 0.5, 0.5]
    assert gathered.outcomes == tuple(Outcome("x", "y", score, "people") for score in scores)
    assert (gathered.unscored, gathered.notes, gathered.agreement) == ((), (), None)


def test_a_vote_between_a_model_and_itself() -> None:
    """It is named, and rates nothing."""
    path = write_votes(Path("votes.jsonl"), [("r1", "x", "x", "a"), ("r2", "x", "y", "a")])

    gathered = gather([path])

    assert gathered.outcomes == (Outcome("x", "y", 1.0, "people"),)
    assert gathered.unscored == (Unscored("r1", "votes.jsonl", "vote 1 is between x and itself"),)


def test_scores_of_several_models() -> None:
    """The higher score wins, equal ones are a tie, for each two models and each record."""
    paths = [
        write_run(Path(f"{name}.json"), judged(Path(name), scores, checkpoint=f"{name}.pth"))
        for name, scores in (
            ("one", {"r1": 90, "r2": 50}),
            ("two", {"r2": 50, "r1": 10}),
            ("three", {"r1": 95, "r2": 49}),
        )
    ]

    gathered = gather(paths)

    one, two, three = (f"{name}.pth" for name in ("one", "two", "three"))
    assert Counter(gathered.outcomes) == Counter(
        [
            Outcome(one, two, 1.0, "judge"),
            Outcome(one, two, 0.5, "judge"),
            Outcome(one, three, 0.0, "judge"),
            Outcome(one, three, 1.0, "judge"),
            Outcome(two, three, 0.0, "judge"),
            Outcome(two, three, 1.0, "judge"),
        ]
    )
    assert (gathered.unscored, gathered.notes) == ((), ())


def test_responses_of_the_records_are_a_model_named_by_the_file() -> None:
    """As in the page for votes."""
    paths = [
        write_run(Path(f"{name}.json"), judged(Path(name), {"r1": score}))
        for name, score in (("one", 90), ("two", 10))
    ]

    assert gather(paths).outcomes == (Outcome("one", "two", 1.0, "judge"),)


def test_a_record_without_a_score_is_named_once() -> None:
    """With its cause, however many models it could not be compared with."""
    paths = [
        write_run(Path(f"{name}.json"), judged(Path(name), {"r1": score, "r2": 5}, checkpoint=name))
        for name, score in (("one", None), ("two", 10), ("three", 20))
    ]

    gathered = gather(paths)

    assert gathered.unscored == (
        Unscored("r1", "one.json", "r1: the judge gave no score; ask again"),
    )
    assert len(gathered.outcomes) == 4


@pytest.mark.parametrize(
    "said",
    [
        {"instruction": "Say something else."},
        {"system": "Be brief."},
        {"turns": [{"role": "user", "content": "Hello?"}]},
    ],
)
def test_records_that_are_not_the_same(said: dict[str, object]) -> None:
    """An id alone is not enough; those that one side lacks are counted."""
    other = judged(Path("two"), {"r1": 10, "r2": 10, "r3": 3}, checkpoint="two")
    other["records"][1].update(said)
    paths = [
        write_run(Path("one.json"), judged(Path("one"), {"r1": 90, "r2": 90}, checkpoint="one")),
        write_run(Path("two.json"), other),
    ]

    gathered = gather(paths)

    assert gathered.outcomes == (Outcome("one", "two", 1.0, "judge"),)
    assert gathered.notes == (
        "one.json: test_a.py::test_a: 1 records are not in two.json: test_a.py::test_a",
        "two.json: test_a.py::test_a: 2 records are not in one.json: test_a.py::test_a",
    )


@pytest.mark.parametrize(
    "judge", [{"digest": "other"}, {"options": {"seed": 1}}, {"backend": "custom", "digest": ""}]
)
def test_scores_of_different_judges_are_not_paired(judge: dict[str, object]) -> None:
    """They say nothing of the models; a note says why there is no outcome."""
    paths = [
        write_run(Path("one.json"), judged(Path("one"), {"r1": 90}, checkpoint="one")),
        write_run(Path("two.json"), judged(Path("two"), {"r1": 10}, checkpoint="two"), **judge),
    ]

    gathered = gather(paths)

    assert gathered.outcomes == ()
    reason, *rest = gathered.notes
    assert reason == (
        "one.json: test_a.py::test_a and two.json: test_a.py::test_a: 1 records were not paired, "
        "since that one judge scored both cannot be told"
    )
    assert rest == [
        f"{name}: test_a.py::test_a: no other model's records pair up with its 1, so they rate nothing"
        for name in ("one.json", "two.json")
    ]


def test_two_runs_of_one_model() -> None:
    """They are not compared with each other, and what both say of a third counts once."""
    first = judged(Path("one"), {"r1": 90}, checkpoint="one.pth", fingerprint="f1")
    again = {**first, "checkpoint": {**first["checkpoint"], "path": "/elsewhere/one.pth"}}
    third = judged(Path("two"), {"r1": 10}, checkpoint="two.pth")
    paths = [
        write_run(Path(f"{name}.json"), suite)
        for name, suite in (("one", first), ("again", again), ("two", third))
    ]

    gathered = gather(paths)

    assert gathered.outcomes == (Outcome("one.pth", "two.pth", 1.0, "judge"),)
    assert gathered.notes == (
        "one.pth, /elsewhere/one.pth are one model, by its fingerprint; shown as the first",
        "1 outcomes stand in several places and count once",
    )


def test_two_models_of_one_name() -> None:
    """They are told apart by their fingerprints, as far as that takes."""
    prints = "0123456789abcdef", "01234567fedcba98"
    paths = [
        write_run(
            Path(f"{name}.json"),
            judged(Path(name), {"r1": score}, checkpoint="model.pth", fingerprint=known),
        )
        for name, score, known in zip(("one", "two"), (90, 10), prints, strict=True)
    ]

    gathered = gather(paths)

    one, two = (f"model.pth ({known})" for known in prints)
    assert gathered.outcomes == (Outcome(one, two, 1.0, "judge"),)
    assert gathered.notes == tuple(
        f"{name} is not the only model named model.pth" for name in (one, two)
    )


def test_files_of_one_name() -> None:
    """Responses from records have no fingerprint: where the file lies tells them apart."""
    paths = [
        write_run(Path(folder) / "run.json", judged(Path(folder), {"r1": score}))
        for folder, score in (("a", 90), ("b", 10))
    ]

    (outcome,) = gather(paths).outcomes

    assert (outcome.model_a, outcome.model_b) == tuple(f"run ({path.resolve()})" for path in paths)


def test_a_vote_on_a_name_of_two_models(tmp_path: Path) -> None:
    """Nobody knows which is meant."""
    paths = [
        write_run(
            Path(f"{known}.json"),
            judged(Path(known), {"r1": 5}, checkpoint="model.pth", fingerprint=known),
        )
        for known in ("f1", "f2")
    ]
    votes = write_votes(Path("votes.jsonl"), [("r1", "model.pth", "x", "a")])

    with pytest.raises(LlmJudgeError) as raised:
        gather([*paths, votes])

    assert str(raised.value) == (
        "votes.jsonl: model.pth may be any of model.pth (f1) and model.pth (f2); rate it apart "
        "from results of models of one name, or rename them"
    )


def test_pairs_of_a_judge() -> None:
    """One outcome each; one without a winner is named."""
    pairs = compared({"r1": "a", "r2": "b", "r3": "tie", "r4": None})
    pairs["records"][3]["error"] = "r4: the orders failed; ask again"

    gathered = gather([write_run(Path("run.json"), pairs)])

    assert [one.score for one in gathered.outcomes] == [1, 0, 0.5]
    assert set(gathered.outcomes) == {
        Outcome("new.pth", "old.pth", score, "judge") for score in (1.0, 0.0, 0.5)
    }
    assert gathered.unscored == (Unscored("r4", "run.json", "r4: the orders failed; ask again"),)


def test_pairs_that_were_not_run() -> None:
    """A run of a part of the suite says so."""
    gathered = gather(
        [write_run(Path("run.json"), compared({"r1": "a"}, total=3, unscored=2, win_rate=None))]
    )

    assert gathered.notes == ("run.json: test_b.py::test_b: 2 of 3 records were not run",)


def test_pairs_of_one_model() -> None:
    """A model beside itself rates nothing, and a note says so."""
    gathered = gather([write_run(Path("run.json"), compared({"r1": "tie"}, against="new.pth"))])

    assert gathered.outcomes == ()
    assert gathered.notes == (
        "run.json: test_b.py::test_b: its 1 pairs are of new.pth and itself, so they rate nothing",
    )


def test_pairs_that_people_decided() -> None:
    """They count as people's, but not beside the votes that decided them."""
    winners = {"r1": "a", "r2": None, "r3": "tie", "r4": "b"}
    pairs = compared(winners, votes="far/votes.jsonl")
    # Nobody votes on answers that are the same.
    pairs["records"][2]["against_response"] = "new says r3"
    run = write_run(Path("run.json"), pairs)
    votes = write_votes(Path("votes.jsonl"), [("r1", "new.pth", "old.pth", "a")] * 3)
    other = write_votes(Path("other.jsonl"), [("r1", "new.pth", "old.pth", "b")])
    Path("x").mkdir()
    strange = write_votes(Path("x/votes.jsonl"), [(name, "p", "q", "b") for name in winners])

    alone, beside, elsewhere = gather([run]), gather([run, votes]), gather([run, other])

    won, tied, lost = (Outcome("new.pth", "old.pth", score, "people") for score in (1, 0.5, 0))
    assert alone.outcomes == (won, tied, lost)
    assert beside.outcomes == (tied, lost, won, won, won)
    note = (
        "run.json: test_b.py::test_b: 1 of its pairs were decided by votes that are named too, "
        "which count in their place"
    )
    assert beside.notes == (note,)
    assert beside.unscored == alone.unscored == (Unscored("r2", "run.json", "nobody decided"),)
    assert elsewhere.outcomes == (won, tied, lost, lost)
    note = (
        "run.json: test_b.py::test_b: 1 of its pairs were decided by votes.jsonl, and count "
        "beside votes on them in files of other names"
    )
    assert elsewhere.notes == (note,)
    # A file of that name, on other models, takes nothing away.
    assert gather([run, strange]).outcomes[:3] == (won, tied, lost)


def test_two_judges_of_one_pair() -> None:
    """Each has its say, whatever the other said; one who is asked again has one say, the last."""
    first, again = {"r1": "a", "r2": "a"}, {"r1": "a", "r2": "b"}
    paths = [
        write_run(Path("first.json"), compared(first)),
        write_run(Path("again.json"), compared(again)),
        write_run(Path("other.json"), compared(first, judge={**JUDGE, "digest": "other"})),
    ]

    gathered = gather(paths)

    won, lost = (Outcome("new.pth", "old.pth", score, "judge") for score in (1, 0))
    assert gathered.outcomes == (won, lost, won, won)
    assert gathered.notes == (
        "1 outcomes stand in several places and count once",
        "1 outcomes were decided again by the same, and differently; the last counts",
    )


def test_judges_of_unknown_identity() -> None:
    """Nobody knows whether they are one, so those of two files are taken for two."""
    judge = {**JUDGE, "backend": "custom", "digest": ""}
    paths = [write_run(Path(f"{n}.json"), compared({"r1": "a"}, judge=judge)) for n in range(2)]

    assert len(gather(paths).outcomes) == 2


def test_copies_of_votes() -> None:
    """A vote counts once, however many files have it, and a voter's last one on a pair alone."""
    signed = [vote("r1", winner) | {"voter": "ann"} for winner in "ab"]
    bob = vote("r1", "a") | {"voter": "bob"}
    unsigned = [vote("r1", "a")] * 2
    paths = [
        write_votes(Path(f"{name}.jsonl"), [*signed, bob, *unsigned]) for name in ("one", "two")
    ]

    for files, repeated in ((paths[:1], 0), (paths, 4)):
        gathered = gather(files)
        assert Counter(one.score for one in gathered.outcomes) == {0.0: 1, 1.0: 3}
        assert sum(f"{repeated} outcomes stand in" in note for note in gathered.notes) == bool(
            repeated
        )


def test_two_fields_of_one_file() -> None:
    """Responses that stand in two fields of the records are two models."""
    suites = [
        judged(Path(field), {"r1": score}, responses=field, name=f"test_a.py::test_{field}")
        for field, score in (("gpt4", 90), ("llama", 10))
    ]

    gathered = gather([write_run(Path("run.json"), *suites)])

    assert gathered.outcomes == (Outcome("run gpt4", "run llama", 1.0, "judge"),)


def vote(name: str, winner: str, *answers: str, swapped: bool = False) -> dict[str, str]:
    """Return a vote on answers of old and new, whose digests it holds."""
    digests = [text_digest(answer) for answer in answers]
    models = ["new.pth", "old.pth"]
    if swapped:
        models, digests = models[::-1], digests[::-1]
        winner = {"a": "b", "b": "a"}.get(winner, winner)
    fields = {"id": name, "model_a": models[0], "model_b": models[1], "winner": winner}
    return fields | dict(zip(("response_a", "response_b"), digests, strict=False))


def test_agreement() -> None:
    """The majority of people beside the judge, whichever side a model was on."""
    run = write_run(Path("run.json"), compared({"r1": "a", "r2": "b", "r3": "tie", "r4": "a"}))
    votes = [
        vote("r1", "a"),
        vote("r1", "a", swapped=True),
        vote("r1", "b"),
        vote("r2", "a", "new says r2", "old says r2", swapped=True),
        vote("r3", "both_bad", "new says r3", "old says r3"),
        # Of other answers, so the judge did not decide it.
        vote("r4", "b", "new says more", "old says r4"),
    ]

    gathered = gather([run, write_votes(Path("votes.jsonl"), votes)])

    # People: a, a, tie; judge: a, b, tie. By chance (2 * 1 + 0 * 1 + 1 * 1) / 9 agree.
    expected = (2 / 3 - 3 / 9) / (1 - 3 / 9)
    assert gathered.agreement is not None
    assert (gathered.agreement.count, gathered.agreement.agreed) == (3, 2 / 3)
    assert gathered.agreement.kappa == pytest.approx(expected)


def test_agreement_of_people_who_know_the_models_by_other_names() -> None:
    """The answers tell that it is the same pair."""
    run = write_run(Path("run.json"), compared({"r1": "a"}))
    named = vote("r1", "a", "new says r1", "old says r1") | {"model_a": "Ada", "model_b": "Bob"}

    gathered = gather([run, write_votes(Path("votes.jsonl"), [named])])

    assert gathered.agreement == PeopleAgreement(1, 1.0, None)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["votes.csv"],
            "votes.csv: it is neither a votes file (.jsonl) nor a results file (.json); name such files",
        ),
        (
            ["votes.jsonl", "./votes.jsonl"],
            "votes.jsonl: it is named twice; name each file once",
        ),
        (
            ["none.jsonl"],
            "none.jsonl: it cannot be read (No such file or directory); name a file that llmjudge vote wrote",
        ),
        (
            ["none.json"],
            "none.json: it cannot be read (No such file or directory); name a file that --llm-judge-report wrote",
        ),
    ],
)
def test_files_that_cannot_be_used(names: list[str], message: str) -> None:
    """One line each."""
    write_votes(Path("votes.jsonl"), [("r1", "x", "y", "a")])

    with pytest.raises(LlmJudgeError) as raised:
        gather([Path(name) for name in names])

    assert str(raised.value) == message


def of_fields(
    winners: dict[str, str], *, against: tuple[str, str] = ("field", "old"), **more: object
) -> dict[str, Any]:
    """Return a suite of pairs whose responses stood in the field ``own`` of the records."""
    kind, name = against
    reference = {"kind": kind, "name": name, "fingerprint": ""}
    fields = {"checkpoint": None, "responses": "own", "against": reference}
    return {**compared(winners), **fields, **more}


def answered(winners: dict[str, str], field: str) -> dict[str, Any]:
    """Return a suite of scored records whose answers are what ``of_fields`` was compared with."""
    suite = judged(Path("old"), dict.fromkeys(winners, 20), responses=field)
    for record in suite["records"]:
        record["model_response"] = f"old says {record['id']} "
    return suite


def test_votes_by_the_names_that_decided_a_suite() -> None:
    """Its field and what it was compared with are the models that the results have."""
    winners = {f"r{number}": "a" for number in range(3)}
    run = write_run(Path("run.json"), of_fields(winners, votes="far/votes.jsonl"))
    votes = write_votes(Path("votes.jsonl"), [(name, "own", "old", "a") for name in winners])

    gathered = gather([run, votes])

    assert gathered.outcomes == (Outcome("run", "old", 1.0, "people"),) * 3
    (note,) = gathered.notes
    assert note == (
        "run.json: test_b.py::test_b: 3 of its pairs were decided by votes that are named too, "
        "which count in their place"
    )


def test_votes_that_decided_a_suite_count_once_whatever_they_call_the_models() -> None:
    """Here the name of the field is that of another file too, which the votes then mean."""
    run = write_run(Path("run.json"), of_fields({"r1": "a", "r2": "b"}, votes="votes.jsonl"))
    own = write_run(Path("own.json"), judged(Path("own"), {"r1": 50}))
    votes = write_votes(Path("votes.jsonl"), [("r1", "own", "old", "a"), ("r1", "run", "run", "b")])

    gathered = gather([run, own, votes])

    assert gathered.outcomes == (
        Outcome("run", "old", 0.0, "people"),
        Outcome("own", "old", 1.0, "people"),
    )
    assert gathered.notes[0].startswith(
        "run.json: test_b.py::test_b: 1 of its pairs were decided by"
    )


def test_votes_that_decided_suites_of_two_models() -> None:
    """Both had the field, so nobody knows which one a name means."""
    paths = [
        write_run(Path(f"{name}.json"), of_fields({"r1": "a"}, votes="votes.jsonl"))
        for name in ("one", "two")
    ]
    votes = write_votes(Path("votes.jsonl"), [("r1", "own", "old", "a")])

    with pytest.raises(LlmJudgeError) as raised:
        gather([*paths, votes])

    assert str(raised.value) == (
        "votes.jsonl: own may be any of one and two; rate it apart from results of models of one "
        "name, or rename them"
    )


def test_votes_by_the_name_of_a_field_that_decided_nothing() -> None:
    """Fields of one name hold different models, so a note asks."""
    paths = [
        write_run(Path(f"{name}.json"), judged(Path(name), {"r1": 5}, responses="own"))
        for name in ("one", "two")
    ]
    votes = write_votes(Path("votes.jsonl"), [("r1", "own", "old", "a")])

    gathered = gather([*paths, votes])

    assert gathered.outcomes == (
        Outcome("one", "two", 0.5, "judge"),
        Outcome("own", "old", 1.0, "people"),
    )
    (note,) = gathered.notes
    assert note == (
        "votes.jsonl: own may be one or two, whose answers stood in a field of that name; where it "
        "is, call it that in the votes"
    )


@pytest.mark.parametrize("against", [("results", "far/old.json"), ("field", "gold")])
def test_what_was_compared_with_is_the_model_of_its_file(against: tuple[str, str]) -> None:
    """By its name and all of its answers, in whichever order the files come."""
    winners = {"r1": "a", "r2": "b"}
    new = judged(Path("new"), dict.fromkeys(winners, 90), responses="own")
    paths = [
        write_run(Path("new.json"), new, of_fields(winners, against=against)),
        write_run(Path("old.json"), answered({**winners, "r3": "a"}, "gold")),
    ]

    for files in (paths, paths[::-1]):
        gathered = gather(files)
        names = {frozenset((one.model_a, one.model_b)) for one in gathered.outcomes}
        assert names == {frozenset(("new", "old"))}
        # Both scores are for the new one, and of the pairs one.
        won = [one.score == (one.model_a == "new") for one in gathered.outcomes]
        assert Counter(won) == {True: 3, False: 1}
        note = f"old, {against[1]} are one model, by its answers; shown as the first"
        assert gathered.notes[0] == note


def test_what_was_compared_with_and_answers_otherwise() -> None:
    """It may be another model, so it counts as one; a note names both."""
    winners = {"r1": "a", "r2": "b"}
    other = answered(winners, "gold")
    other["records"][1]["model_response"] = "another"
    paths = [
        write_run(Path("new.json"), of_fields(winners, against=("results", "old.json"))),
        write_run(Path("old.json"), other),
    ]

    gathered = gather(paths)

    assert {one.model_b for one in gathered.outcomes} == {"old.json"}
    assert gathered.notes[0] == (
        "old.json may be old, by its name, but not by its answers; it counts as a model of its own"
    )


def test_what_was_compared_with_and_two_files_hold() -> None:
    """Copies of a file are two models here; which of them it is, is unknown."""
    winners = {"r1": "a", "r2": "b"}
    paths = [
        write_run(Path("new.json"), of_fields(winners)),
        *(write_run(Path(f"{name}.json"), answered(winners, "old")) for name in ("one", "two")),
    ]

    assert gather(paths).notes[0] == (
        "old may be one or two, which have the same answers; it counts as a model of its own"
    )
