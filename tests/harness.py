"""Every preset beside lm-evaluation-harness itself: ``tox -e harness``.

The harness runs its own tasks, as they are installed, on made-up files in the schemas of the public sets. Every
log-probability, prediction, generated text and accuracy of ours has to be its own, for three models: the example's
checkpoint, whose context cuts prompts with shots, a model of GPT-2 small's shape, and a Llama whose tokenizer puts a
token in front of each text. Not collected with the other tests: they take half an hour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
import transformers

from tests.support.benchmark_sets import SETS, write_set
from tests.support.lm_eval_runs import load_model, their_answers, their_choices, write_example
from tests.support.lm_eval_suites import (
    ANSWERS,
    EXAMPLE,
    EXAMPLE_TOKENS,
    agree_on_answers,
    agree_on_choices,
    write_suite,
)
from tests.unit.generation import gpt2, hugging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.project import Project
    from tests.unit.generation.hugging import Theirs

CHOICES = [name for name in SETS if name not in ANSWERS]
LLAMA_CONTEXT = 4096
GPT2_TOKENS = 32
"""Of an answer of GPT-2 small's shape, which is slow."""


class Model(NamedTuple):
    """A model under test.

    Attributes:
        path: As this package is given it.
        theirs: As the harness has it.
        tokens: Most tokens of an answer.
        is_small: Whether asking it with any number of shots takes seconds.
    """

    path: Path
    theirs: Theirs
    tokens: int
    is_small: bool = True


def make_example(folder: Path) -> Model:
    write_example(folder)
    return Model(EXAMPLE, load_model(folder), EXAMPLE_TOKENS)


def make_gpt2(folder: Path) -> Model:
    gpt2.gpt2s_tokenizer().save_pretrained(folder)
    torch.manual_seed(11)
    network = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    # As it is made, hardly anything depends on what stands before the newest token.
    for weight in network.transformer.h.parameters():
        weight.data.mul_(2)
    network.save_pretrained(folder)
    return Model(folder, load_model(folder), GPT2_TOKENS, is_small=False)


def make_llama(folder: Path) -> Model:
    hugging.save_folder(folder, "llama", max_position_embeddings=LLAMA_CONTEXT)
    return Model(folder, load_model(folder), tokens=256)


MAKERS = {"example": make_example, "gpt2-small": make_gpt2, "llama": make_llama}


@pytest.fixture(scope="module", params=MAKERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


def our_suite(
    project: Project, model: Model, name: str, files: dict[str, Path], shots: int | None
) -> dict[str, Any]:
    """Run a suite of a preset, and return its results."""
    own = f"max_new_tokens={model.tokens}" if name in ANSWERS else ""
    write_suite(project, [name], files, shots=shots, own=own)
    project.run(f"--llm-judge-checkpoint={model.path}", "--llm-judge-report=results.json")
    suites: list[dict[str, Any]] = project.results()["suites"]
    return suites[0]


@pytest.mark.parametrize("shots", [None, 0, 3], ids=["default shots", "no shots", "3 shots"])
@pytest.mark.parametrize("name", CHOICES)
def test_choices(model: Model, name: str, shots: int | None, project: Project) -> None:
    """All log-probabilities, and what follows of them."""
    if shots is not None and not model.is_small:
        pytest.skip("asked with the default alone, which takes minutes")
    if shots and name == "truthfulqa_mc1":
        pytest.skip("its prompts have solved questions of their own, and no split of others")
    files = write_set(name, project.path)

    ours = our_suite(project, model, name, files, shots)

    theirs = their_choices(model.theirs, name, files, shots)
    assert len(theirs.predictions) >= 40
    agree_on_choices(ours, theirs._asdict())


@pytest.mark.parametrize("shots", [None, 0, 3], ids=["default shots", "no shots", "3 shots"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(model: Model, name: str, shots: int | None, project: Project) -> None:
    """All texts, and what both filters find in them."""
    if shots is not None and not model.is_small:
        pytest.skip("asked with the default alone, which takes minutes")
    files = write_set(name, project.path)

    ours = our_suite(project, model, name, files, shots)

    theirs = their_answers(model.theirs, name, files, model.tokens, shots)
    assert len(theirs.texts) >= 40
    agree_on_answers(ours, theirs._asdict())
