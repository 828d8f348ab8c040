"""Checkpoints of other models than GPT-2: their tokenizers lie beside them, or are named."""

from __future__ import annotations

import json

import pytest

from tests.flow.test_tokenizer import SUITES
from tests.support.project import Project, records
from tests.unit.generation.hugging import make_tokenizer, save_folder, warm_up

LOSS = """
import pytest

@pytest.mark.llm_loss("data.json", checkpoint="model.pth", max_loss=100)
def test_loss(loss):
    pass
"""


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))


def save_llama(project: Project) -> None:
    """A Llama's weights as a file, with a config and without a tokenizer."""
    save_folder(project.path / "folder")
    (project.path / "folder" / "model.safetensors").rename(project.path / "model.safetensors")
    (project.path / "folder" / "config.json").rename(project.path / "model.config.json")


@pytest.mark.parametrize("suite", [*SUITES.values(), LOSS], ids=[*SUITES, "loss"])
def test_no_tokenizer(project: Project, suite: str, mode: tuple[str, ...]) -> None:
    """Said once, before any work, with what was looked for; of no record."""
    save_llama(project)
    project.write("data.json", records(5))
    project.write("mmlu/test/anatomy_test.csv", "Q?,a,b,c,d,A\n")
    project.write("test_suite.py", suite.replace("model.pth", "model.safetensors"))

    result = project.run(*mode)

    lines = [*result.outlines, *result.errlines]
    assert pytest.ExitCode.USAGE_ERROR == result.ret, result.stdout.str()
    assert [line for line in lines if "model.safetensors" in line] == [
        (
            f"ERROR: {project.path / 'model.safetensors'}: no tokenizer lies beside it (tokenizer.json, "
            "tokenizer.model or model.tiktoken); put the one that it was trained with there, or name "
            "it with --llm-judge-tokenizer"
        )
    ]


ARGUMENTS = 'checkpoint="model.safetensors", prompt="chatml", min_score=0'
FEW = ("--llm-judge-max-new-tokens=4", "--llm-judge-report=results.json")


@pytest.mark.parametrize("place", ["folder", "folder/tokenizer.json", "ini", "beside"])
def test_a_tokenizer_wherever_it_lies(project: Project, place: str) -> None:
    """Named on the command line or in an ini file, or beside the checkpoint: the texts are equal."""
    save_llama(project)
    project.suite(records(4), ARGUMENTS)
    named: tuple[str, ...] = (f"--llm-judge-tokenizer={place}",)
    if place == "ini":
        project.write("pytest.ini", "[pytest]\nllm_judge_tokenizer = folder\n")
        named = ()
    elif place == "beside":
        make_tokenizer().save_pretrained(project.path)
        named = ()

    result = project.run(*FEW, *named)

    result.assert_outcomes(passed=5)
    responses = responses_in(project)
    again = project.run(f"--llm-judge-checkpoint={whole_folder(project)}", *FEW)
    again.assert_outcomes(passed=5)
    assert responses == responses_in(project)
    assert len(set(responses)) > 1


def responses_in(project: Project) -> list[str]:
    (suite,) = project.results()["suites"]
    return [record["model_response"] for record in suite["records"]]


def whole_folder(project: Project) -> str:
    """The same model as transformers' folder."""
    save_folder(project.path / "whole")
    return "whole"


def test_a_tokenizer_for_nothing(project: Project) -> None:
    """On the command line of a run whose models have their own it is an error."""
    whole_folder(project)
    project.suite(records(2), 'checkpoint="whole", min_score=0')

    result = project.run("--llm-judge-tokenizer=whole")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    (error,) = (line for line in result.errlines if line.startswith("ERROR: "))
    assert error == (
        "ERROR: --llm-judge-tokenizer: no checkpoint of this run takes a tokenizer from elsewhere "
        "(whole); leave it out, or put a checkpoint file under test"
    )
    listing = project.run("--llm-judge-tokenizer=whole", "--collect-only")
    assert listing.ret == pytest.ExitCode.OK


def test_a_report_in_the_place_of_a_tokenizer(project: Project) -> None:
    """Refused, as for every file that is read."""
    save_llama(project)
    project.suite(records(2), ARGUMENTS)
    file = project.path / "folder" / "tokenizer.json"

    result = project.run("--llm-judge-tokenizer=folder", f"--llm-judge-report={file}")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    (error,) = (line for line in result.errlines if line.startswith("ERROR: "))
    assert error == f"ERROR: --llm-judge-report: {file} is the tokenizer as well; name another file"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_tokenizer_that_asks_too_much(project: Project, kind: str) -> None:
    """Said once, before any work, for a file of weights and for a whole folder."""
    save_llama(project) if kind == "file" else save_folder(project.path / "folder")
    tokenizer = project.path / "folder" / "tokenizer.json"
    steps = {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}] * 1000}
    whole = {**json.loads(tokenizer.read_bytes()), "pre_tokenizer": steps}
    tokenizer.write_text(json.dumps(whole), encoding="utf-8")
    checkpoint = "model.safetensors" if kind == "file" else "folder"
    project.suite(records(3), f'checkpoint="{checkpoint}", min_score=0')
    named = ["--llm-judge-tokenizer=folder"] if kind == "file" else []

    result = project.run(*named)

    lines = [line for line in (*result.outlines, *result.errlines) if str(tokenizer) in line]
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    assert lines == [
        (
            f"ERROR: {tokenizer}: its pre_tokenizer has 2,003 values, and no tokenizer has 2,000; "
            "put the tokenizer that the model was trained with there"
        )
    ]
