"""A suite's run in one process: what it asks for, and what becomes of what goes wrong."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Completion, Prompt, Record, Verdict
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.pipeline import JudgeLike, ModelLike, ScoredRun
from pytest_llmjudge.records.suites import Suite
from pytest_llmjudge.settings import Decoding, SuiteSettings, read_settings
from pytest_llmjudge.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORDS = tuple(Record(f"r{n}", f"Say {n}.", "", f"{n}", {"answer": f"{n}"}) for n in range(5))


class Model:
    """Repeats the end of a prompt; keeps a log of its batches."""

    fingerprint = "model-1"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        self.batches.append(len(prompts))
        return [prompt[-20:][:max_new_tokens] for prompt in prompts]


class Judge:
    """Gives 60 to everything; keeps a log."""

    def __init__(self, result: object = None) -> None:
        self.asked: list[str] = []
        self.result = Verdict(60, "60") if result is None else result

    def score(self, record: Record, response: str) -> Verdict:
        self.asked.append(record.id)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result  # type: ignore[return-value]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a folder of its own."""
    made = Store(tmp_path, "run")
    yield made
    made.close()


def make_run(
    store: Store,
    model: ModelLike | None,
    judge: JudgeLike,
    *,
    needed: Sequence[Record] = RECORDS,
    responses: str | None = None,
) -> ScoredRun:
    chosen = SuiteSettings(50, None, None, "alpaca", responses, None)
    suite = Suite("suite", Path("data.json"), "", RECORDS, chosen, "alpaca")
    options = read_settings({}, Path(), Path(), "ini")
    return ScoredRun(suite, options, store, judge=judge, model=model, needed=needed, worker="main")


def test_all_that_is_needed_is_generated_together(store: Store) -> None:
    """The first record that is asked for has all of them made; each is judged once."""
    model, judge = Model(), Judge()
    run = make_run(store, model, judge)

    scores = [run.outcome(record).verdict.score for record in RECORDS]

    assert scores == [60] * 5
    assert model.batches == [5]
    assert sorted(judge.asked) == [record.id for record in RECORDS]


def test_only_what_is_needed_is_generated(store: Store) -> None:
    """Records that this run does not need are left alone."""
    model = Model()
    run = make_run(store, model, Judge(), needed=RECORDS[:2])

    run.outcome(RECORDS[1])

    assert model.batches == [2]


def test_given_responses_need_no_model(store: Store) -> None:
    """A record's own field is the response."""
    run = make_run(store, None, Judge(), responses="answer")

    assert [outcome.response for _, outcome in run.outcomes()] == ["0", "1", "2", "3", "4"]


def test_a_judge_with_a_fingerprint_is_remembered(store: Store) -> None:
    """Verdicts of a judge of the user's own outlive a run only if it says when it changes."""

    class Known(Judge):
        fingerprint = "judge-1"

    for judge, times in ((Known(), 1), (Judge(), 2)):
        for name in ("one", "two"):
            later = Store(store.folder, name)
            make_run(later, Model(), judge).outcome(RECORDS[0])
            later.close()
        assert judge.asked.count("r0") == times


PROBLEMS = [
    (
        ValueError("no\nwords"),
        (
            "llm_judge (Judge): score() raised ValueError: no words; correct it, or return a Verdict "
            "with an error"
        ),
    ),
    (
        85,
        (
            "llm_judge (Judge): score() gave 85; return a Verdict with a score from 0 to 100 or with "
            "an error, not both"
        ),
    ),
    (
        Verdict(101),
        (
            "llm_judge (Judge): score() gave Verdict(score=101, reply='', error=None, final=True); "
            "return a Verdict with a score from 0 to 100 or with an error, not both"
        ),
    ),
    (
        Verdict(99, error="late"),
        (
            "llm_judge (Judge): score() gave Verdict(score=99, reply='', error='late', final=True); "
            "return a Verdict with a score from 0 to 100 or with an error, not both"
        ),
    ),
    (
        Verdict(None),
        (
            "llm_judge (Judge): score() gave Verdict(score=None, reply='', error=None, final=True); "
            "return a Verdict with a score from 0 to 100 or with an error, not both"
        ),
    ),
]


class Wordless(Exception):  # noqa: N818  # the name is shown
    """An error that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def odd(**fields: object) -> Verdict:
    return Verdict(**{"score": None, **fields})  # type: ignore[arg-type]  # mistakes of the user's


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (odd(error=5), "gave Verdict(score=None, reply='', error=5, final=True)"),
        (odd(error=["x"]), "gave Verdict(score=None, reply='', error=['x'], final=True)"),
        (odd(score=10**5000), "gave "),
        (odd(score=Wordless()), "gave a Verdict that cannot be shown"),
        (odd(score=9, samples=("x",)), "gave Verdict(score=9, reply='', error=None, final=True)"),
        (odd(score=9, covered=10**400), "gave Verdict(score=9, reply='', error=None, final=True)"),
        (odd(score=9, too_long="x"), "gave Verdict(score=9, reply='', error=None, final=True)"),
        (object.__new__(Verdict), "raised AttributeError: "),
        (Wordless(), "raised Wordless: a text that cannot be read"),
    ],
)
def test_a_verdict_that_cannot_be_used(store: Store, result: object, problem: str) -> None:
    """Whatever is in its fields is the record's error, in one line, and goes no further."""
    verdict = make_run(store, Model(), Judge(result)).outcome(RECORDS[0]).verdict

    assert verdict.score is None
    assert str(verdict.error).startswith(f"llm_judge (Judge): score() {problem}")
    assert "\n" not in str(verdict.error)


@pytest.mark.parametrize(
    ("result", "text"), PROBLEMS, ids=["raises", "int", "101", "both", "nothing"]
)
def test_a_judge_of_the_users_own_may_be_wrong(store: Store, result: object, text: str) -> None:
    """Its mistakes are the record's error, in one line."""
    run = make_run(store, Model(), Judge(result))

    verdict = run.outcome(RECORDS[0]).verdict

    assert (verdict.score, verdict.error) == (None, text)


class Failing(Model):
    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        super().generate(prompts, max_new_tokens=max_new_tokens)
        message = "out of\nmemory"
        raise RuntimeError(message)


class Mute(Model):
    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        super().generate(prompts, max_new_tokens=max_new_tokens)
        raise Wordless


class Short(Model):
    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        return super().generate(prompts, max_new_tokens=max_new_tokens)[1:]


class Nameless(Model):
    fingerprint = ""


class Quiet(TorchModel):
    fingerprint = "quiet-1"

    def __init__(self) -> None:
        super().__init__("quiet.pth")
        self.batches: list[int] = []

    def stream(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        chat: bool = False,
        decoding: Decoding | None = None,
        cut: bool = False,
    ) -> Iterator[Completion]:
        self.batches.append(len(prompts))
        yield Completion(0, "the first alone")


MODELS = [
    (
        Failing(),
        (
            "llm_model (Failing): generate() raised RuntimeError: out of memory; lower "
            "--llm-judge-batch-size"
        ),
    ),
    (
        Mute(),
        ("llm_model (Mute): generate() raised Wordless: a text that cannot be read; correct it"),
    ),
    (
        Short(),
        (
            "llm_model (Short): generate() gave no list of 5 strings for 5 prompts; return one string "
            "for each, in order"
        ),
    ),
    (
        Nameless(),
        (
            "llm_model (Nameless): it has no fingerprint; give it a string attribute that changes when "
            "its answers may"
        ),
    ),
    (
        Quiet(),
        (
            "llm_model (Quiet): the model ended without an answer to this prompt; correct its "
            "generate()"
        ),
    ),
]


@pytest.mark.parametrize(
    ("model", "text"), MODELS, ids=["raises", "mute", "short", "nameless", "quiet"]
)
def test_a_model_of_the_users_own_may_be_wrong(
    store: Store, model: Model | Quiet, text: str
) -> None:
    """Its mistakes are the records' errors; it is not tried for each record again."""
    run = make_run(store, model, Judge())

    errors = [run.outcome(record).verdict.error for record in RECORDS[1:]]

    assert errors == [text] * 4
    assert len(model.batches) <= 1


def test_a_failure_is_tried_again_on_demand(store: Store) -> None:
    """A rerun of an item forgets the failure; a second look alone does not."""
    judge = Judge(Verdict(None, "", "http://x: is busy; wait", final=False))
    run = make_run(store, Model(), judge, needed=RECORDS[:1])
    assert run.outcome(RECORDS[0]).verdict.score is None
    judge.result = Verdict(70, "70")

    second = run.outcome(RECORDS[0]).verdict
    third = run.outcome(RECORDS[0], again=True).verdict

    assert (second.score, third.score) == (None, 70)


def test_a_judge_of_ones_own_is_asked_again(store: Store) -> None:
    """Nobody but its author knows whether it would fail once more."""
    judge = Judge(Verdict(None, "good", "it said good"))
    run = make_run(store, None, judge, responses="answer", needed=RECORDS[:1])

    run.outcome(RECORDS[0])
    run.outcome(RECORDS[0])
    assert judge.asked == ["r0"]
    run.outcome(RECORDS[0], again=True)

    assert judge.asked == ["r0", "r0"]


def test_two_processes_ask_once(store: Store) -> None:
    """Two runs on one store, as in two workers, share what either of them has made."""
    model, judge = Model(), Judge()
    other_store = Store(store.folder, "run")
    runs = [make_run(store, model, judge), make_run(other_store, model, judge)]
    threads = [threading.Thread(target=lambda run=run: list(run.outcomes())) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other_store.close()

    assert model.batches == [5]
    assert sorted(judge.asked) == [record.id for record in RECORDS]
