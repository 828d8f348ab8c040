"""Losses, choices and MMLU in jobs of many records or subjects, on actors in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from tests.support.project import Project, records
from tests.unit.generation.tiny import VOCABULARY, save_model

pytestmark = pytest.mark.slow

MMLU = Path(__file__).parents[2] / "example_suite" / "mmlu"
CONFIG = GPTConfig(
    VOCABULARY, context_length=1024, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True
)
COUNT = 260
"""Records of more than one group."""
SUITES = f"""
import pytest

@pytest.mark.llm_loss("data.json", max_perplexity=1e9)
def test_losses(loss): pass

@pytest.mark.llm_choices("questions.jsonl", mode="continuation", min_accuracy=0)
def test_choices(choice): pass

@pytest.mark.llm_mmlu({str(MMLU)!r}, shots=1, min_accuracy=0)
def test_mmlu(mmlu_result): pass
"""
HERE = """
from pathlib import Path
import pytest
from pytest_llmjudge.generation.engine.model import TorchModel

@pytest.fixture(scope="session")
def llm_model():
    return TorchModel(Path("model.pth"))
"""
ON_ACTORS = """
from pathlib import Path
import pytest
from pytest_llmjudge.generation.cluster.model import ClusterModel
from pytest_llmjudge.generation.cluster.worker import MakeModelWorker
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.settings import read_settings
from tests.support.odd_pool import OddPool

def start(inner, info):
    settings = read_settings({{}}, Path(), Path(), "pytest.ini")
    make_worker = MakeModelWorker(inner.path, settings, info.fingerprint)
    pools.append(OddPool(make_worker, deadly={deadly}))
    return pools[-1]

pools = []

@pytest.fixture(scope="session")
def llm_model():
    yield ClusterModel(TorchModel(Path("model.pth")), start)
    prefixes = [len(job.options["prefixes"]) for pool in pools for job in pool.jobs]
    Path("prefixes.log").write_text(str(prefixes))
"""
"""A conftest with a model on actors; format it with the units that end theirs."""
OPTIONS = (
    "--llm-judge-report=results.json",
    "--llm-judge-cache=off",
    "-k=perplexity or choices or mmlu",
)
"""Of the losses the gate alone, which needs all records: their items take longer than the work."""
LOST = "--llm-judge-ray: 4 actors ended; look at the memory"


@pytest.fixture
def suites(project: Project) -> Project:
    """Losses of two groups of records, choices, and three subjects of MMLU."""
    save_model(project.path / "model.pth", CONFIG)
    project.write("data.json", records(COUNT))
    rows = [
        {
            "id": f"q{at}",
            "question": f"What is {at}? " * 8,
            "choices": ["one", "two", f"{at}"],
            "answer": 2,
        }
        for at in range(40)
    ]
    project.write("questions.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    project.write("test_suites.py", SUITES)
    return project


def test_results_are_those_of_one_process(suites: Project) -> None:
    """To the byte, although all groups of a suite are one job."""
    suites.write("conftest.py", HERE)
    suites.run(*OPTIONS)
    expected = suites.results()
    suites.write("conftest.py", ON_ACTORS.format(deadly="()"))

    assert suites.run(*OPTIONS).ret == pytest.ExitCode.OK

    assert suites.results() == expected
    losses, choices, subjects = json.loads((suites.path / "prefixes.log").read_text())
    assert (losses, choices) == (2, 1)
    assert subjects > 1


def test_passes_that_end_their_actors(suites: Project) -> None:
    """Their records and subject err, each with the cause; all others have their results."""
    suites.write("conftest.py", ON_ACTORS.format(deadly="{0}"))

    result = suites.run(*OPTIONS)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    by_kind = {suite["kind"]: suite for suite in suites.results()["suites"]}
    for kind, samples in (("loss", "records"), ("choices", "records"), ("mmlu", "subjects")):
        errors = [one["error"] for one in by_kind[kind][samples]]
        assert 0 < errors.count(LOST) < len(errors), kind
        assert set(errors) == {LOST, None}
        assert by_kind[kind]["outcome"] == "incomplete"
    assert by_kind["loss"]["unscored"] < 50
    assert str(result.stdout).count(f"first cause: {LOST}") == 3
