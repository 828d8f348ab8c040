"""Choices, exact answers, MMLU and losses: results back from their file, and shards as one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Duplicate, Overlap, Rule, TrainingFile
from pytest_llmjudge.decisions.comparison import compare
from pytest_llmjudge.kinds.base import Marked, Sample
from pytest_llmjudge.kinds.choices import CHOICES
from pytest_llmjudge.kinds.exact import EXACT_ANSWERS
from pytest_llmjudge.kinds.exact_results import ExactAnswer
from pytest_llmjudge.kinds.loss import LOSS, Loss
from pytest_llmjudge.kinds.mmlu import MMLU
from pytest_llmjudge.kinds.overlap import OVERLAP, plain_overlap
from pytest_llmjudge.mmlu.accuracy import MMLUAnswer, MMLUResult
from pytest_llmjudge.questions.answers import ChoiceAnswer
from pytest_llmjudge.questions.extraction import make_extraction
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS
from pytest_llmjudge.settings import read_settings
from tests.support.read_back import written_again
from tests.support.schema import check_results
from tests.support.shards import Decided, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record

COUNT = 24
MODEL = {"checkpoint": ["model.pth", "0123456789abcdef", 124]}
RULE = Rule("not-worse", 2.0, "margin")


def load(kind: Any, folder: Path, data: object, **keywords: object) -> Any:  # noqa: ANN401
    """Load a suite of a marker."""
    name = "text.txt" if isinstance(data, str) else "data.json"
    if data is not None:
        text = data if isinstance(data, str) else json.dumps(data)
        (folder / name).write_text(text, "utf-8")
    settings = read_settings({}, folder, folder, "pytest.ini")
    named = "mmlu" if data is None else name
    return kind.load(Marked("test_a.py::test_a", [named], keywords, folder), settings)


def decided(
    suite: Any,  # noqa: ANN401  # of any kind
    value: Callable[[Record, int], Any],
    **more: Any,  # noqa: ANN401  # of Decided
) -> Decided:
    """Decide over a suite of records; where there is no value, there is an error."""
    samples: list[Sample[Any]] = []
    for number, record in enumerate(suite.loaded.records):
        given = value(record, number)
        if given is None:
            error = f"{record.id}: it is longer than the context; shorten it"
            samples.append(Sample(record.id, None, error, ["record", "rig"][number % 2]))
        else:
            samples.append(Sample(record.id, given))
    gates = suite.gates(read_settings({}, suite.path.parent, suite.path.parent, "pytest.ini"))[1]
    return Decided(suite, samples, gates, MODEL, **more)


def questions(**more: Callable[[int], object]) -> list[dict[str, Any]]:
    """Make questions with two to four choices; ``more`` returns further fields by number."""
    return [
        {
            "id": f"q{number}",
            "question": f"Which is {number}?",
            "choices": [f"it is {number}", "no", "a far longer one", "well"][: 2 + number % 3],
            "answer": number % 2,
            **{name: make(number) for name, make in more.items()},
        }
        for number in range(COUNT)
    ]


def chosen(suite: Any, number: int, record: Record, **more: object) -> ChoiceAnswer:  # noqa: ANN401
    """Answer a question: two of three are right."""
    terms = suite.asked_as()
    form = CHOICE_MODES.get(terms["mode"]) or CHOICE_PRESETS[terms["preset"]]
    question = form.parse(record.fields)
    logprobs = [-2.123456789 - 0.1 * place for place in range(len(question.choices))]
    taken = question.answer if number % 3 else 1 - question.answer
    logprobs[taken] = -1.987654321
    _, lengths = form.ask(question, ())
    values: dict[str, Any] = {"shots": terms["shots"], "is_cut": False, **more}
    return ChoiceAnswer(
        record, question, tuple(logprobs), tuple(lengths), **values, metric=terms["metric"]
    )


def choices(folder: Path) -> Decided:
    suite = load(CHOICES, folder, questions(), mode="continuation", min_accuracy=0.5)
    return decided(suite, lambda record, number: chosen(suite, number, record))


def low_choices(folder: Path) -> Decided:
    suite = load(CHOICES, folder, questions(), mode="letters", min_accuracy=0.9, every_right=True)
    return decided(suite, lambda record, number: chosen(suite, number, record, is_cut=number < 3))


def choices_by_subject(folder: Path) -> Decided:
    given = questions(subject=lambda number: ["law", "art", None][number % 3])
    least = {"all": 0.5, "law": 0.0, "art": 0.99}
    suite = load(CHOICES, folder, given, mode="continuation", metric="acc_norm", min_accuracy=least)
    return decided(suite, lambda record, number: chosen(suite, number, record))


def choices_by_field(folder: Path) -> Decided:
    given = questions(level=lambda number: number % 4, family=lambda number: f"f{number // 5}")
    keywords = {"by": "level", "group": "family", "min_accuracy": {"1": 0.4, "2": 0.9}}
    suite = load(CHOICES, folder, given, mode="continuation", **keywords)
    return decided(suite, lambda record, number: chosen(suite, number, record))


def choices_without_answers(folder: Path) -> Decided:
    given = questions(subject=lambda number: "law" if number % 2 else "art")
    least = {"law": 0.1, "art": 0.1}
    suite = load(CHOICES, folder, given, mode="continuation", min_accuracy=least)

    def some(record: Record, number: int) -> ChoiceAnswer | None:
        return None if number in {3, 9} else chosen(suite, number, record)

    return decided(suite, some, outcomes={"q1": "error", "q2": "failed", "q5": "passed"})


def choices_of_a_preset(folder: Path) -> Decided:
    given = [
        {"goal": f"Do {number}.", "sol1": f"Do {number}!", "sol2": "Do not.", "label": number % 2}
        for number in range(9)
    ]
    suite = load(CHOICES, folder, given, preset="piqa", min_accuracy=0.1)
    return decided(suite, lambda record, number: chosen(suite, number, record))


def in_training_data(made: Decided, name: str) -> Decided:
    """Return a suite of which two records appear in the training data."""
    found = (
        Duplicate(f"{name}3", True, 1.0, "train.json", "record 3", "Which is 3?"),  # noqa: FBT003
        Duplicate(f"{name}9", False, 0.87654321, "train.json", "record 4", "Which"),  # noqa: FBT003
    )
    files = (TrainingFile("train.json", 90, 1, "it is no object"),)
    overlap = plain_overlap(Overlap(len(made.samples), files, found, 0.5))
    return replace(made, details={OVERLAP: overlap})


def choices_in_training_data(folder: Path) -> Decided:
    return in_training_data(choices(folder), "q")


def compared(made: Decided, was: Callable[[int, float], float]) -> Decided:
    """Return a suite beside a baseline of the same samples, with other scores."""
    now = made.suite.side(made.samples, None)
    entries = tuple(
        replace(one, score=None if one.score is None else was(place, one.score))
        for place, one in enumerate(now.entries)
    )
    comparison = compare(replace(now, entries=entries), now, RULE)
    return replace(made, comparison=comparison)


def choices_beside_a_baseline(folder: Path) -> Decided:
    return compared(choices_by_field(folder), lambda place, score: 100.0 if place < 9 else score)


def sums(**more: Callable[[int], object]) -> list[dict[str, Any]]:
    """Make records whose answer is a number."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"What is {number} plus 1?",
            "output": f"It is {number + 1}.",
            **{name: make(number) for name, make in more.items()},
        }
        for number in range(COUNT)
    ]


def answered(suite: Any, record: Record, response: str, *, is_cut: bool = False) -> ExactAnswer:  # noqa: ANN401
    """Extract from a response."""
    extraction = make_extraction("", suite.asked_as()["extract"])
    expected = extraction.expected("", {one.id: one.output for one in suite.loaded.records})
    filters = extraction.grade(response, expected[record.id])
    return ExactAnswer(record, response, filters, expected[record.id][0].text, is_cut)


def response_to(number: int) -> str:
    """Return an answer: half are right, and in some there is nothing to extract."""
    return [f"{number + 1}", f" I say {number + 1}.0", "none", "7 or 8"][number % 4]


def exact(folder: Path) -> Decided:
    suite = load(EXACT_ANSWERS, folder, sums(), extract="last-number", min_accuracy=0.5)
    return decided(suite, lambda record, number: answered(suite, record, response_to(number)))


def low_exact(folder: Path) -> Decided:
    given = sums(
        category=lambda number: "odd" if number % 2 else None,
        topic=lambda number: f"t{number // 3}",
    )
    keywords = {"every_right": True, "group": "topic", "min_accuracy": {"all": 0.7, "odd": 0.1}}
    suite = load(EXACT_ANSWERS, folder, given, extract="regex:say (.*)[.]|is (.*)[.]", **keywords)
    return decided(
        suite,
        lambda record, number: answered(suite, record, response_to(number), is_cut=number > 20),
    )


def exact_by_the_default_field(folder: Path) -> Decided:
    given = sums(category=lambda number: number % 2)
    suite = load(EXACT_ANSWERS, folder, given, by="category", min_accuracy=0.5)
    return decided(suite, lambda record, number: answered(suite, record, record.output))


def exact_without_answers(folder: Path) -> Decided:
    """One got no response, and of another nobody knows what to extract."""
    suite = load(EXACT_ANSWERS, folder, sums(), extract="last-number", min_accuracy=0.1)
    made = decided(
        suite, lambda record, n: None if n == 4 else answered(suite, record, response_to(n))
    )
    stopped = ExactAnswer(suite.record("r7"), "aaaa", {}, "8", is_cut=True)
    error = Sample("r7", stopped, "extract: the pattern was stopped; write it without x", "record")
    samples = [error if one.id == "r7" else one for one in made.samples]
    return replace(made, samples=samples, outcomes={"r1": "failed", "r2": "error"})


def exact_of_a_preset(folder: Path) -> Decided:
    given = [
        {"question": f"What is {number} plus 1?", "answer": f"One more.\n#### {number + 1}"}
        for number in range(12)
    ]
    suite = load(EXACT_ANSWERS, folder, given, preset="gsm8k", shots=0, min_accuracy=0.2)
    texts = ("#### {}", "so {}", "#### 1,000 and {}", "none")
    return decided(
        suite,
        lambda record, n: answered(suite, record, texts[n % 4].format(n + 1), is_cut=n == 5),
    )


def exact_in_training_data(folder: Path) -> Decided:
    return in_training_data(exact(folder), "r")


def exact_beside_a_baseline(folder: Path) -> Decided:
    return compared(exact(folder), lambda place, score: score if place % 2 else 100.0)


def loss_of(record: Record, number: int) -> Loss:
    tokens = 3 + number % 7
    return Loss(record, ((tokens * (1.1 + number / 17), tokens),), "abc", f"digest{number}")


def losses(folder: Path) -> Decided:
    suite = load(LOSS, folder, sums(), max_perplexity=500)
    return decided(suite, loss_of)


def high_losses(folder: Path) -> Decided:
    given = sums(topic=lambda number: f"t{number // 3}")
    keywords = {"group": "topic", "system": "Be brief.", "prompt": "chatml", "end": False}
    suite = load(LOSS, folder, given, max_perplexity=2.5, max_loss=1.4, **keywords)
    return decided(suite, loss_of, outcomes={"r9": "error"})


def losses_of_a_text(folder: Path) -> Decided:
    suite = load(LOSS, folder, "Once upon a time.\n" * 9, max_perplexity=99.5, stride=8)
    parts = tuple((20.5 + place, 12) for place in range(5))
    return decided(suite, lambda record, _: Loss(record, (*parts, (3.25, 2)), "abc", "digest"))


def losses_beyond_floats(folder: Path) -> Decided:
    suite = load(LOSS, folder, sums(), max_perplexity=500)
    return decided(suite, lambda record, _: Loss(record, ((9000.0, 3),), "abc", "digest"))


def losses_without_some(folder: Path) -> Decided:
    suite = load(LOSS, folder, sums(), max_perplexity=500)
    return decided(
        suite,
        lambda record, number: None if number in {0, 7} else loss_of(record, number),
        outcomes={"r5": "error"},
    )


def losses_in_training_data(folder: Path) -> Decided:
    return in_training_data(losses(folder), "r")


def losses_beside_a_baseline(folder: Path) -> Decided:
    return compared(high_losses(folder), lambda place, score: score - place / 1000)


def exam(
    folder: Path,
    sizes: Mapping[str, int],
    *,
    unasked: Sequence[str] = (),
    outcomes: Mapping[str, str] | None = None,
    **keywords: object,
) -> Decided:
    """Decide over subjects of so many questions, of which two of three are answered right."""
    for subject, size in sizes.items():
        for split, count in (("test", size), ("dev", 5)):
            path = folder / "mmlu" / split / f"{subject}_{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = (f"Is it {subject} {split} {row}?,a,bb,ccc,d,A\n" for row in range(count))
            path.write_text("".join(rows), "utf-8")
    suite = load(MMLU, folder, None, **keywords)
    samples: list[Sample[Any]] = []
    for subject in suite.samples:
        if subject in unasked:
            samples.append(Sample(subject, None, f"{subject}: no result; look at it", "rig"))
            continue
        answers = tuple(
            MMLUAnswer(
                question,
                tuple(-1.123456789 - (place != (0 if row % 3 else 2)) for place in range(4)),
                suite.exam.shots - row % 2,
                is_cut=row == 4,
            )
            for row, question in enumerate(suite.exam.questions(subject))
        )
        samples.append(
            Sample(subject, MMLUResult(subject, suite.exam.mode, suite.exam.shots, answers))
        )
    return Decided(suite, samples, ["average"], MODEL, outcomes=dict(outcomes or {}))


SIZES = {"anatomy": 5, "astronomy": 9, "virology": 4, "my_own": 7}


def mmlu(folder: Path) -> Decided:
    return exam(folder, SIZES, min_accuracy=0.25, mode="lm-eval")


def low_mmlu(folder: Path) -> Decided:
    least: dict[str, Any] = {"min_accuracy": 0.95, "min_subject_accuracy": 0.61}
    return exam(folder, SIZES, mode="continuation", shots=2, limit=6, **least)


def mmlu_without_some(folder: Path) -> Decided:
    ends = {"virology": "error"}
    return exam(folder, SIZES, unasked=["astronomy"], outcomes=ends, min_accuracy=0.25)


def mmlu_beside_a_baseline(folder: Path) -> Decided:
    return compared(mmlu(folder), lambda place, score: 100.0 if place % 2 else score)


CASES = [
    *(choices, low_choices, choices_by_subject, choices_by_field, choices_without_answers),
    *(choices_of_a_preset, choices_in_training_data, choices_beside_a_baseline),
    *(exact, low_exact, exact_by_the_default_field, exact_without_answers, exact_of_a_preset),
    *(exact_in_training_data, exact_beside_a_baseline),
    *(losses, high_losses, losses_of_a_text, losses_beyond_floats, losses_without_some),
    *(losses_in_training_data, losses_beside_a_baseline),
    *(mmlu, low_mmlu, mmlu_without_some, mmlu_beside_a_baseline),
]


@pytest.fixture(name="made", params=CASES, ids=lambda case: case.__name__)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Decided:
    made: Decided = request.param(tmp_path)
    return made


def without_fields(page: Any) -> Any:  # noqa: ANN401  # of a suite
    """Return a page whose records have no further fields, which it does not show."""
    rows = tuple(replace(one, record=replace(one.record, fields={})) for one in page.rows)
    return replace(page, rows=rows)


def in_shards(made: Decided, *left_out: str) -> list[Any]:
    """Return what three shards found, in which some samples did not run."""
    ids = [one for one in made.suite.samples if one not in left_out]
    return [made.result(ids[number::3]) for number in range(3)]


@pytest.mark.parametrize("part", [False, True], ids=["whole", "shard"])
def test_read_back(made: Decided, *, part: bool) -> None:
    """A result is written as before, and reports show the same of it, once it was read back."""
    kind, result = made.suite.kind, in_shards(made)[0] if part else made.result()
    document = json.loads(json.dumps(kind.document(result, None)))
    frame = {"schema": 1, "created": "2026-01-02", "pytest_llmjudge": "1", "judge": None}
    check_results({**frame, "suites": [document]})

    again = kind.from_document(document, None)

    assert list(kind.contradictions(document)) == []
    # Byte by byte, so that a file that was merged is no other in the order of its keys.
    assert json.dumps(written_again(document, None)) == json.dumps(document)
    summary = kind.summary(result, RULE)
    assert kind.summary(again, RULE) == summary
    before = {one.id: one for one in made.suite.side(made.samples, None).entries}
    shown = without_fields(kind.page(result, summary, before))
    assert without_fields(kind.page(again, summary, before)) == shown


def test_shards_come_to_the_whole(made: Decided) -> None:
    """Three shards' files are joined and decided to what a run of all gives, gate by gate."""
    kind, whole = made.suite.kind, made.result()

    joined = merged(made, in_shards(made))

    assert joined.gates == whole.gates
    assert json.dumps(kind.document(joined, None)) == json.dumps(kind.document(whole, None))


def test_a_side_of_a_file(made: Decided) -> None:
    """A comparison takes a file for what it takes the suite for that wrote it, to the last digit."""
    kind, result = made.suite.kind, made.result()

    side = kind.saved_side(kind.document(result, None), None)

    expected = made.suite.side(made.samples, None)
    if kind is MMLU:
        # A file does not have the questions of a subject that has no result.
        answered = tuple(one for one in expected.entries if one.score is not None)
        expected = replace(expected, entries=answered)
    assert side == expected


@pytest.mark.parametrize(
    ("case", "sample", "gates"),
    [
        (
            choices_by_subject,
            "q1",
            {
                "average": "1 of 24 records is unscored, so there is no accuracy: q1\n"
                "first cause: it was not run",
            },
        ),
    ],
)
def test_a_sample_that_no_shard_ran(
    case: Callable[[Path], Decided], sample: str, gates: dict[str, str], tmp_path: Path
) -> None:
    """The suite is incomplete, and no gate passes that decides over the sample."""
    made = case(tmp_path)

    joined = merged(made, in_shards(made, sample))

    assert joined.outcome == "incomplete"
    assert {gate.name: gate.reason for gate in joined.gates if gate.name in gates} == gates
