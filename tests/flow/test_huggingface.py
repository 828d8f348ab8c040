"""Hugging Face folders under test: a whole run, and what ends one before it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Turn
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from tests.support.project import Project, records
from tests.unit.generation.hugging import make_network, save_folder, transformers, warm_up
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANDIDATE = "--llm-judge-checkpoint=candidate"
SHORT = ("--llm-judge-max-new-tokens=6", "--llm-judge-report=results.json")
BLIND = """
import sys
from importlib.machinery import PathFinder

class Blind(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "transformers" else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Blind
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
"""Runs pytest as if transformers were not installed."""


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def suite(project: Project) -> Project:
    """Eight short records, whose prompts are the messages themselves, and a tiny Llama."""
    project.suite(records(8), 'min_score=0, prompt="chat"')
    save_folder(project.path / "candidate", max_position_embeddings=128)
    return project


def error_of(result: pytest.RunResult) -> str:
    """The one line with which a run ended before its work."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    return error.removeprefix("ERROR: ")


def test_a_folder_answers(suite: Project, mode: tuple[str, ...]) -> None:
    """All records get texts of its own, and header and results describe it."""
    result = suite.run(CANDIDATE, *SHORT, *mode)

    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["llm-judge: model candidate (37.2k parameters, native engine)"])
    (document,) = suite.results()["suites"]
    assert document["checkpoint"]["path"] == "candidate"
    assert document["checkpoint"]["parameters"] == make_network().num_parameters()
    assert len({record["model_response"] for record in document["records"]}) > 1
    result.stdout.no_fnmatch_line("*Loading weights*")
    result.stdout.no_fnmatch_line("*arning*")


def test_a_second_run_makes_nothing(suite: Project) -> None:
    """Weights that are no longer there are not missed."""
    suite.run(CANDIDATE, *SHORT).assert_outcomes(passed=9)
    before = suite.results()
    program = (
        "import sys, pytest\n"
        "status = pytest.main(sys.argv[1:])\n"
        "print('LOADED', [name for name in ('torch', 'transformers') if name in sys.modules])\n"
        "sys.exit(status)\n"
    )
    arguments = suite.command()[3:]

    again = suite.pytester.run(sys.executable, "-c", program, *arguments, CANDIDATE, *SHORT)

    assert again.ret == pytest.ExitCode.OK
    again.stdout.fnmatch_lines(["LOADED []"])
    assert suite.results() == before


def test_collecting_loads_nothing(suite: Project) -> None:
    """Not even the folder's description, however bad it is."""
    (suite.path / "candidate" / "model.safetensors").unlink()

    result = suite.run(CANDIDATE, "--collect-only", "-q")

    assert result.ret == pytest.ExitCode.OK


def test_every_batch_size_gives_the_same(suite: Project) -> None:
    """And so does every way of running, drawn texts included."""
    documents = []
    for size, mode in (("auto", ()), ("1", ()), ("3", ("-n", "2"))):
        result = suite.run(
            CANDIDATE,
            f"--llm-judge-batch-size={size}",
            "--llm-judge-temperature=0.8",
            "--llm-judge-cache=off",
            *SHORT,
            *mode,
        )
        result.assert_outcomes(passed=9)
        documents.append(suite.results())

    assert documents[0] == documents[1] == documents[2]


def test_a_prompt_longer_than_the_context(suite: Project) -> None:
    """That record errs; the others are answered."""
    suite.write("data.json", [*records(2), {"id": "long", "instruction": "x" * 200, "output": "y"}])

    result = suite.run(CANDIDATE, *SHORT)

    result.assert_outcomes(passed=2, failed=1, errors=1)
    record_errors = {
        record["id"]: record["error"] for record in suite.results()["suites"][0]["records"]
    }
    assert record_errors == {
        "r0": None,
        "r1": None,
        "long": (
            f"{suite.path / 'candidate'}: the prompt has 219 tokens and the context 128, answer "
            "included; shorten the record's instruction and input"
        ),
    }


def test_without_a_chat_template(suite: Project) -> None:
    """The run ends before any work; so it does with a GPT-2."""
    save_folder(suite.path / "candidate", template=None)
    (suite.path / "candidate" / "chat_template.jinja").unlink()
    save_model(suite.path / "own.pth")
    for name in ("candidate", "own.pth"):
        result = suite.run(f"--llm-judge-checkpoint={name}", *SHORT)

        message = "it has no chat template; choose another prompt than 'chat'"
        assert error_of(result) == f"{suite.path / name}: {message}"


def test_transformers_is_not_installed(suite: Project) -> None:
    """The run ends before any work, and says what to install."""
    arguments = suite.command()[3:]

    result = suite.pytester.run(sys.executable, "-c", BLIND, *arguments, CANDIDATE)

    assert error_of(result) == (
        f"{suite.path / 'candidate'}: it is a Hugging Face folder of a llama, which needs "
        'transformers; pip install "pytest-llmjudge[hf]"'
    )


def rewrite(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **changes}), "utf-8")


AT_ONCE: dict[str, tuple[Callable[[Path], object], str]] = {
    "own code": (
        lambda folder: rewrite(folder / "config.json", auto_map={"AutoConfig": "own.Config"}),
        (
            ": it asks for code of its own (auto_map in config.json), which is never run; remove "
            "auto_map if transformers itself has llama, or serve the model"
        ),
    ),
    "damaged config": (
        lambda folder: (folder / "config.json").write_text("{", "utf-8"),
        (
            "/config.json: not JSON (Expecting property name enclosed in double quotes: line 1 "
            "column 2 (char 1)); correct it, or move it away from the checkpoint"
        ),
    ),
    "cut weights": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 100),
        "/model.safetensors: cut short or damaged; save or copy the checkpoint again",
    ),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_wrong_ends_the_run_before_its_work(suite: Project, name: str) -> None:
    """In one line; the folder's code is not run."""
    folder = suite.path / "candidate"
    (folder / "own.py").write_text("open('exploded', 'w')", "utf-8")
    spoil, expected = AT_ONCE[name]
    spoil(folder)

    result = suite.run(CANDIDATE)

    assert error_of(result) == f"{folder}{expected}"
    assert not (suite.path / "exploded").exists()


def test_an_unknown_architecture(suite: Project) -> None:
    """Only transformers can tell; the records lose their responses, in one line."""
    rewrite(suite.path / "candidate" / "config.json", model_type="llama99")

    result = suite.run(CANDIDATE, *SHORT)

    result.assert_outcomes(errors=8, failed=1)
    (error,) = {record["error"] for record in suite.results()["suites"][0]["records"]}
    assert error == (
        f"{suite.path / 'candidate'}: transformers {transformers.__version__} does not know a "
        "llama99; pip install --upgrade transformers"
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_mmlu(project: Project) -> None:
    """A folder is examined as any other checkpoint."""
    save_folder(project.path / "candidate", max_position_embeddings=512)
    row = 'What is {0} and 1?,"{0}",b,c,d,A\n'
    for part, numbers in (("dev", range(4, 9)), ("test", range(4))):
        rows = "".join(map(row.format, numbers))
        project.write(f"mmlu/{part}/anatomy_{part}.csv", rows)
    project.write(
        "test_exam.py",
        "import pytest\n"
        '@pytest.mark.llm_mmlu("mmlu", subjects=["anatomy"], shots=2, min_accuracy=0)\n'
        "def test_mmlu(mmlu_result): pass\n",
    )

    result = project.run(CANDIDATE, *SHORT)

    result.assert_outcomes(passed=2)
    (document,) = project.results()["suites"]
    assert document["checkpoint"]["path"] == "candidate"


def test_a_user_s_own_settings_are_left_alone(suite: Project) -> None:
    """Environment and logging of a process that judges are what they were."""
    program = (
        "import os, sys, pytest\n"
        "before = dict(os.environ)\n"
        "status = pytest.main(sys.argv[1:])\n"
        "changed = {name for name, _ in set(os.environ.items()) ^ set(before.items())}\n"
        "print('CHANGED', sorted(name for name in changed if 'HF_' in name or 'TRANS' in name))\n"
        "sys.exit(status)\n"
    )
    arguments = [*suite.command()[3:], CANDIDATE, *SHORT]

    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=suite.path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert run.stderr == ""
    assert "CHANGED []" in run.stdout.splitlines()


LOSS = """
import pytest

@pytest.mark.llm_loss("data.json", max_loss=50, prompt="chat"{more})
def test_loss(loss):
    pass
"""
SCORING = """
import pytest

class Model:
    fingerprint, context_length = "own-1", 99

    def encode_pair(self, prompt, reference, *, chat, end):
        return [1], [2]

    def score(self, contexts):
        return [[-1.0]] * len(contexts)

    generate = None

@pytest.fixture(scope="session")
def llm_model():
    return Model()
"""


OWN = """
import pytest
from pytest_llmjudge.generation.hf.model import HuggingFaceModel

@pytest.fixture(scope="session")
def llm_model():
    return HuggingFaceModel("candidate")
"""
SHOUTING = (
    "{% for one in messages %}<|im_start|>{{ one.role }}\n{{ one.content | upper }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


def test_special_tokens_in_a_built_in_template(suite: Project) -> None:
    """The folder's model reads them as its own template writes them, so that the loss is one."""
    losses = []
    for prompt in ("chat", "chatml", "raw"):
        text = LOSS.format(more=", end=False").replace('"chat"', f'"{prompt}"')
        suite.write("test_suite.py", text)
        suite.run(CANDIDATE, *SHORT).assert_outcomes(passed=9)
        losses.append(suite.results()["suites"][0]["loss"])

    assert losses[0] == losses[1] != losses[2]


def test_responses_to_a_built_in_template(suite: Project) -> None:
    """They are those to the folder's own template, which writes the same."""
    texts = []
    for prompt in ("chat", "chatml"):
        suite.suite(records(8), f'min_score=0, prompt="{prompt}"')
        suite.run(CANDIDATE, *SHORT).assert_outcomes(passed=9)
        (document,) = suite.results()["suites"]
        texts.append([record["model_response"] for record in document["records"]])

    assert texts[0] == texts[1]


def test_special_tokens_around_changed_messages(suite: Project) -> None:
    """A template that changes them cannot be told from them, so that the run ends."""
    suite.write("shouting.jinja", SHOUTING)
    suite.suite(records(8), 'min_score=0, prompt="shouting.jinja"')
    problem = (
        'test_suite.py::test_instructions: prompt shouting.jinja: it writes "<|im_end|>", a special '
        "token of the model, and changes a message of record r0; let it write each message as it "
        'is, or choose prompt="chat"'
    )

    assert error_of(suite.run(CANDIDATE, *SHORT)) == problem

    suite.write("conftest.py", OWN)
    result = suite.run(*SHORT)
    result.assert_outcomes(errors=8, failed=1)
    assert problem in str(result.stdout)
    assert "Traceback" not in str(result.stdout)


def test_the_loss_behind_a_system_text(suite: Project) -> None:
    """The folder's chat template has it in the prompt, so that the loss is another."""
    losses = []
    for more in ("", ', system="Answer in words."'):
        suite.write("test_suite.py", LOSS.format(more=more))
        suite.run(CANDIDATE, *SHORT).assert_outcomes(passed=9)
        losses.append(suite.results()["suites"][0]["loss"])

    assert losses[0] != losses[1]


def test_the_loss_of_a_model_of_ones_own(suite: Project) -> None:
    """It takes texts, and says so of a conversation."""
    suite.write("conftest.py", SCORING)
    suite.write("test_suite.py", LOSS.format(more=', system="Answer in words."'))

    text = str(suite.run().stdout)

    assert (
        "test_suite.py::test_loss: prompt: llm_model (Model) takes texts, and no conversations; "
        "choose chatml or another template that makes a text of them"
    ) in text


def test_several_turns(project: Project) -> None:
    """Each is answered behind the model's own answers, by the folder's chat template."""
    save_folder(project.path / "folder", max_position_embeddings=256)
    turns = ["Say 1.", "And 2?", "And 3?"]
    record = {"question_id": 1, "turns": turns, "reference": ["the thing"] * 3}
    project.suite([record], 'min_score=0, prompt="chat", checkpoint="folder"')

    project.run("--llm-judge-max-new-tokens=5", "--llm-judge-report=results.json")

    model = HuggingFaceModel(project.path / "folder")
    messages: tuple[Turn, ...] = ()
    for text in turns:
        messages += (Turn("user", text),)
        (done,) = model.stream([messages], max_new_tokens=5, chat=True)
        messages += (Turn("assistant", str(done.text).strip()),)
    (suite,) = project.results()["suites"]
    assert suite["records"][0]["answers"] == [turn.text for turn in messages[1::2]]
