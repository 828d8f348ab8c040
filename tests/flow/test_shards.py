"""Shards of a run: each runs its own samples, and merged they are the run that was not sharded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.cli import main
from pytest_llmjudge.kinds.document import shard_digest
from pytest_llmjudge.sharding import shard_of
from tests.support.project import MODEL, Project, outcomes, records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXAMPLE = Path(__file__).parents[2] / "example_suite" / "mmlu"
SUITE = "test_suite.py::test_instructions"
MERGED = "decided by the merge"
RESPONSES = 'responses="model_response"'
# One model that answers, scores and encodes, and a judge that reads scores off responses.
CONFTEST = """
import pytest
from pytest_llmjudge import Preference, Verdict

class Model:
    fingerprint = "model-1"
    context_length = 10_000

    def generate(self, prompts, *, max_new_tokens):
        return [f"It is {len(prompt) % 7}." for prompt in prompts]

    def encode(self, text):
        return list(text.encode())

    def encode_pair(self, prompt, reference, *, chat, end):
        return [1] * len(prompt.split()), [2] * (len(reference.split()) + end)

    def score(self, contexts):
        for context in contexts:
            yield [
                -sum(sum(context.ids[-9:]) * 7 % 97 / 13 + byte / 3 for byte in branch) / 50
                for branch in context.branches
            ]

class Judge:
    fingerprint = "judge-1"

    def score(self, record, response):
        given = response.split()[0]
        if given == "mute":
            return Verdict(None, reply="well", error="it wrote no score; ask again")
        return Verdict(int(given), reply=given)

    def compare(self, record, a, b):
        first, second = (text.split()[0] for text in (a, b))
        winner = "tie" if first == second else "a" if int(first) > int(second) else "b"
        return Preference(winner, ("A", "A"))

@pytest.fixture(scope="session")
def llm_model():
    return Model()

@pytest.fixture(scope="session")
def llm_judge():
    return Judge()
"""
TESTS = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=50,
                       min_average={{"all": 70, "odd": 60}}, by="parity", max_judge_bias={bias})
def test_judged(verdict, record):
    assert record.id != {broken!r}

@pytest.mark.llm_judge("data.json", responses="model_response", min_average={average})
@pytest.mark.xfail(strict={strict}, reason="known")
def test_expected(record):
    pass

@pytest.mark.llm_compare("data.json", responses="model_response", against="old", min_win_rate=0.5)
def test_pairs(preference):
    pass

@pytest.mark.llm_mmlu({mmlu!r}, shots=1, min_accuracy={accuracy})
def test_mmlu(mmlu_result):
    pass

@pytest.mark.llm_choices("choices.jsonl", mode="continuation", min_accuracy={accuracy})
def test_choices(choice):
    pass

@pytest.mark.llm_exact("data.json", min_accuracy={accuracy})
def test_exact(exact):
    pass

@pytest.mark.llm_loss("data.json", max_perplexity={perplexity})
def test_loss(loss):
    pass
"""
GOOD: dict[str, object] = {
    "bias": 20,
    "broken": "",
    "average": 99,
    "strict": False,
    "mmlu": str(EXAMPLE),
    "accuracy": 0,
    "perplexity": 1e9,
}
BAD: dict[str, object] = {
    "bias": 1,
    "broken": "r3",
    "average": 1,
    "strict": True,
    "accuracy": 0.99,
    "perplexity": 1.01,
}


FAIR = tuple(70 + 3 * (number % 9) for number in range(33))


def judged(*scores: int | str) -> list[dict[str, Any]]:
    """Make records to which the judge of the project gives these scores."""
    return [
        {
            **record,
            "model_response": f"{score} points",
            "old": f"{60 + 5 * (number % 3)} points",
            "parity": "odd" if number % 2 else "even",
            **({"human_score": score if isinstance(score, int) else 5} if number % 3 else {}),
        }
        for number, (record, score) in enumerate(zip(records(len(scores)), scores, strict=True))
    ]


def write_all_kinds(project: Project, *scores: int | str, **more: object) -> None:
    """Write a suite of each kind over records with these scores."""
    project.write("conftest.py", CONFTEST)
    project.write("data.json", judged(*scores))
    rows = (
        {"id": f"q{n}", "question": f"Which is {n}?", "choices": ["yes", "no"], "answer": n % 2}
        for n in range(7)
    )
    project.write("choices.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    project.write("test_all.py", TESTS.format(**{**GOOD, **more}))


def run_shards(project: Project, count: int, *arguments: str) -> list[pytest.RunResult]:
    """Run all shards, each with a results file of its own."""
    return [
        project.run(
            f"--llm-judge-shard={number}/{count}",
            f"--llm-judge-report=shard-{number}.json",
            *arguments,
        )
        for number in range(1, count + 1)
    ]


def files(count: int) -> list[str]:
    return [f"shard-{number}.json" for number in range(1, count + 1)]


@pytest.fixture
def merge(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Merge files in the project's folder, into merged.json."""

    def merge(*arguments: str) -> int:
        monkeypatch.chdir(project.path)
        return main(["merge", *arguments, "--out=merged.json"])

    return merge


@pytest.mark.parametrize("case", ["good", "bad"])
def test_a_merge_of_all_kinds_is_the_whole_run(
    project: Project, merge: Callable[..., int], case: str
) -> None:
    """With every gate, failures of bodies, expected failures and records without a score."""
    scores, terms = {"good": (FAIR, {}), "bad": ((90, 20, "mute", *FAIR), BAD)}[case]
    write_all_kinds(project, *scores, **terms)

    shards = run_shards(project, 3)

    whole = project.run("--llm-judge-report=whole.json")

    status = merge(*files(3))
    assert project.results("merged.json") == project.results("whole.json")
    assert status == whole.ret == int(case == "bad")
    assert max(shard.ret for shard in shards) == status
