"""Held-out loss: equal to other code's, and items, gates and baseline like those of any suite."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_llmjudge.cli import main
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks
from tests.support.fake_ollama import FakeOllama
from tests.support.project import Project, records
from tests.unit.generation import gpt2
from tests.unit.generation.tiny import (
    END,
    VOCABULARY,
    lecture_model,
    make_model,
    save_model,
    write_ranks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.families.gpt2.model import GPTModel

CONFIG = GPTConfig(VOCABULARY, context_length=384, emb_dim=64, n_heads=1, n_layers=2, qkv_bias=True)
TEST = """
import pytest

@pytest.mark.llm_loss({arguments})
def test_loss(loss):
    assert loss.perplexity == pytest.approx(2.718281828 ** loss.mean)
"""
REPORT = "--llm-judge-report=results.json"
CHECKPOINT = "--llm-judge-checkpoint=model.pth"


def write(project: Project, arguments: str, *, data: object = None) -> None:
    project.write("data.json", records(6) if data is None else data)
    project.write("test_loss.py", TEST.format(arguments=arguments))


@pytest.fixture
def suite(project: Project) -> Project:
    """Six records, and a model with random weights that has room for the lecture's prompt."""
    write(project, '"data.json", max_perplexity=1e9')
    save_model(project.path / "model.pth", CONFIG)
    return project


def the_suite(project: Project, name: str = "results.json") -> dict[str, Any]:
    (suite,) = project.results(name)["suites"]
    assert isinstance(suite, dict)
    return suite


def rows_of(model: Path, content: Sequence[dict[str, str]]) -> list[tuple[list[int], int]]:
    """Return the tokens of the lecture's training text, and how many of them are the prompt's."""
    tokenizer = load_ranks(model, model.with_suffix(".tiktoken"), VOCABULARY)
    rows = []
    for record in content:
        prompt = (
            "Below is an instruction that describes a task. Write a response that appropriately "
            f"completes the request.\n\n### Instruction:\n{record['instruction']}"
            "\n\n### Response:\n"
        )
        ids = tokenizer.encode(prompt + record["output"])
        rows.append((ids, len(tokenizer.encode(prompt))))
    return rows


def test_the_lectures_loss(suite: Project, dist: tuple[str, ...]) -> None:
    """What its loader gives for one batch of all records, with the instructions masked."""
    lecture = pytest.importorskip("llms_from_scratch.ch05")
    collate = pytest.importorskip("llms_from_scratch.ch07").custom_collate_fn
    path = suite.path / "model.pth"
    rows = rows_of(path, records(6))
    inputs, targets = collate([ids for ids, _ in rows], pad_token_id=END)
    for target, (_, own) in zip(targets, rows, strict=True):
        # As in the exercise of chapter 7.
        target[: own - 1] = -100
    model = lecture_model(make_model(CONFIG))
    with torch.inference_mode():
        expected = lecture.calc_loss_loader([(inputs, targets)], model, "cpu")

    suite.run(CHECKPOINT, REPORT, *dist).assert_outcomes(passed=7)

    entry = the_suite(suite)
    assert entry["loss"] == pytest.approx(expected, abs=1e-4)
    assert entry["perplexity"] == pytest.approx(math.exp(expected), rel=1e-4)
    assert entry["tokens"] == sum(len(ids) + 1 - own for ids, own in rows)
    assert [record["tokens"] for record in entry["records"]] == [
        len(ids) + 1 - own for ids, own in rows
    ]


STRIDES = (16, 32, 64)


@pytest.fixture(name="guide", scope="module")
def run_the_guide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, float]]:
    """Return a folder with a text in it, and the text's perplexity by stride.

    Not within a test: pytester forgets what transformers imports, and torch bears no second import.
    """
    folder = tmp_path_factory.mktemp("guide")
    theirs = gpt2.save_folder(folder / "folder", n_positions=64)
    text = " ".join(f"The {number}th word of this text is number {number}." for number in range(60))
    (folder / "general.txt").write_text(text, "utf-8")
    ids = gpt2.gpt2s_tokenizer()(text, return_tensors="pt").input_ids
    return folder, {stride: windows(theirs, ids, 64, stride) for stride in STRIDES}


def test_the_sliding_window(guide: tuple[Path, dict[int, float]], project: Project) -> None:
    """A text has the perplexity that the loop of Hugging Face's guide gives."""
    folder, expected = guide
    for stride in STRIDES:
        data = str(folder / "general.txt")
        write(project, f'"{data}", max_perplexity=1e9, stride={stride}')

        result = project.run(f"--llm-judge-checkpoint={folder / 'folder'}", REPORT)

        result.assert_outcomes(passed=2)
        entry = the_suite(project)
        assert [record["id"] for record in entry["records"]] == ["text"]
        assert entry["perplexity"] == pytest.approx(expected[stride], rel=1e-4)


@torch.inference_mode()
def windows(model: Any, ids: torch.Tensor, length: int, stride: int) -> float:  # noqa: ANN401
    """The guide's loop, where each token counts alike."""
    nll, count, before = 0.0, 0, 0
    size = ids.shape[1]
    for begin in range(0, size, stride):
        end = min(begin + length, size)
        window = ids[:, begin:end]
        labels = window.clone()
        labels[:, : -(end - before)] = -100
        predicted = int((labels[:, 1:] != -100).sum())
        nll += float(model(window, labels=labels).loss) * predicted
        count += predicted
        before = end
        if end == size:
            break
    return math.exp(nll / count)


@pytest.mark.parametrize("limit", ["max_perplexity", "max_loss"])
def test_limits(suite: Project, mode: tuple[str, ...], limit: str) -> None:
    """What is above one fails, and says by how much."""
    suite.run(CHECKPOINT, REPORT)
    entry = the_suite(suite)
    losses = sorted(record["loss"] for record in entry["records"])
    least = entry["perplexity"] - 0.01 if limit == "max_perplexity" else sum(losses[-2:]) / 2
    write(suite, f'"data.json", {limit}={least!r}')

    result = suite.run(CHECKPOINT, REPORT, "--llm-judge-markdown=report.md", *mode)

    result.assert_outcomes(passed=6, failed=1)
    assert the_suite(suite)["outcome"] == "failed"
    assert f"is above {limit} " in str(result.stdout)
    report = (suite.path / "report.md").read_text("utf-8")
    cause = "is above max" if limit == "max_perplexity" else "1 of 6 records has a loss above"
    assert cause in report.replace("\\", "")


def test_a_part_of_a_suite(suite: Project) -> None:
    """One record alone is measured alone, and of a part there is no perplexity."""
    suite.run(CHECKPOINT, REPORT, "-k", "r1").assert_outcomes(passed=1, deselected=6)

    entry = the_suite(suite)
    assert (entry["outcome"], entry["scored"], entry["perplexity"]) == ("incomplete", 1, None)


def test_a_second_run_measures_nothing(suite: Project) -> None:
    """The losses are in the cache, under all that they depend on."""
    suite.run(CHECKPOINT, REPORT)
    first = the_suite(suite)
    weights = torch.load(suite.path / "model.pth")
    (suite.path / "model.pth").touch()
    suite.run(CHECKPOINT, REPORT)
    assert the_suite(suite) == first

    write(suite, '"data.json", max_perplexity=1e9, end=False')
    suite.run(CHECKPOINT, REPORT)
    shorter = the_suite(suite)
    assert shorter["tokens"] == first["tokens"] - 6

    weights["out_head.weight"] += 0.1 * torch.randn_like(weights["out_head.weight"])
    torch.save(weights, suite.path / "model.pth")
    suite.run(CHECKPOINT, REPORT)
    assert the_suite(suite)["loss"] != shorter["loss"]


def train(model: GPTModel, rows: Sequence[tuple[list[int], int]], steps: int) -> dict[str, Any]:
    """Finetune the lecture's copy of a model a little, and return its weights."""
    lecture = lecture_model(model).requires_grad_(requires_grad=True)
    weights = list(lecture.parameters())
    for step in range(steps):
        ids, own = rows[step % len(rows)]
        logits = lecture(torch.tensor([ids]))[0, own - 1 :]
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([*ids[own:], END]))
        slopes = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, slope in zip(weights, slopes, strict=True):
                weight.sub_(2e-3 * slope.sign())
    return {name: weight for name, weight in lecture.state_dict().items() if "mask" not in name}


def test_beside_a_baseline(suite: Project, mode: tuple[str, ...]) -> None:
    """A finetuned copy has a lower loss and passes; its base beside it is worse, and fails."""
    rows = rows_of(suite.path / "model.pth", records(6))
    torch.save(train(make_model(CONFIG), rows, 60), suite.path / "tuned.pth")
    write_ranks(suite.path / "tuned.tiktoken")
    write(suite, '"data.json"')
    suite.write("test_loss.py", TEST.format(arguments='"data.json", max_perplexity=1e9'))
    tuned = "--llm-judge-checkpoint=tuned.pth"
    suite.run(CHECKPOINT, "--llm-judge-report=base.json")
    suite.run(tuned, "--llm-judge-report=tuned.json")
    assert the_suite(suite, "tuned.json")["loss"] < the_suite(suite, "base.json")["loss"] - 0.5

    better = suite.run(
        tuned, REPORT, "--llm-judge-baseline=base.json", "--llm-judge-max-drop=50", *mode
    )
    better.assert_outcomes(passed=8)
    worse = suite.run(
        CHECKPOINT, REPORT, "--llm-judge-baseline=tuned.json", "--llm-judge-max-drop=50", *mode
    )

    worse.assert_outcomes(passed=7, failed=1)
    assert the_suite(suite)["baseline"]["difference"] > 0.5
    assert "rose by" in str(worse.stdout)
    compared = suite.pytester.run("llmjudge", "compare", "tuned.json", "base.json")
    assert compared.ret == 1
    assert suite.pytester.run("llmjudge", "compare", "base.json", "tuned.json").ret == 0


def test_a_rise_that_is_ruled_out(suite: Project) -> None:
    """Not worse has a margin in nats, of the marker alone; points are none."""
    write(suite, '"data.json", max_perplexity=1e9', data=records(40))
    old, options = "--llm-judge-baseline=old.json", ["--rule=not-worse", "old.json", "new.json"]
    proof = "--llm-judge-baseline-rule=not-worse"
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    needed = "the rule not-worse needs a margin in nats, and there is none; give"

    refused = suite.run(CHECKPOINT, old, proof, "--llm-judge-max-drop=3")
    write(suite, '"data.json", max_perplexity=1e9, max_rise=0.5', data=records(40))
    tuned = rows_of(suite.path / "model.pth", records(40))
    torch.save(train(make_model(CONFIG), tuned, 10), suite.path / "model.pth")
    passed = suite.run(CHECKPOINT, old, proof, "--llm-judge-report=new.json")

    assert refused.ret == 4
    refused.stderr.fnmatch_lines([f"ERROR: *: {needed} max_rise= in the marker, or *"])
    assert passed.ret == 0
    passed.stdout.fnmatch_lines(["baseline of *: not worse by 0.5 nats or more: -*, at most *"])
    assert main(["compare", *options, "--max-rise=0.5"]) == 0
    assert main(["compare", *options, "--max-drop=3"]) == 2


def test_losses_of_two_tokenizers(suite: Project) -> None:
    """They do not compare, and neither do those with and without the end token."""
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    write_ranks(suite.path / "model.tiktoken", [b"th", b"the", b" the", b"in", b"is"])

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    result.assert_outcomes(passed=7, failed=1)
    assert "not compared: results of different suites do not compare: its tokenizer was" in str(
        result.stdout
    )
    write_ranks(suite.path / "model.tiktoken")
    write(suite, '"data.json", max_perplexity=1e9, end=False')
    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")
    assert "its end token was counted and is left out now" in str(result.stdout)


def swap_digits(path: Path) -> None:
    """Exchange the tokens of 0 and 6, of which the one stands in a record and no sample has them."""
    lines = path.read_text("utf-8").splitlines()
    zero, six = (base64.b64encode(digit).decode() for digit in (b"0", b"6"))
    lines[ord("0")], lines[ord("6")] = f"{six} {ord('0')}", f"{zero} {ord('6')}"
    path.write_text("\n".join(lines) + "\n", "utf-8")


def test_two_tokenizers_that_split_nearly_alike(suite: Project) -> None:
    """What decides are the tokens that were scored, not those of a sample sentence."""
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    swap_digits(suite.path / "model.tiktoken")

    result = suite.run(CHECKPOINT, REPORT, "--llm-judge-baseline=old.json")

    result.assert_outcomes(passed=7, failed=1)
    message = "1 of 6 records were split into other tokens than in the baseline, such as r0"
    assert message in str(result.stdout)
    assert the_suite(suite, "old.json")["tokenizer"] == the_suite(suite)["tokenizer"]
    compared = suite.pytester.run("llmjudge", "compare", "old.json", "results.json")
    assert compared.ret == 1
    assert message in str(compared.stdout)


def test_a_text_that_two_tokenizers_split(suite: Project) -> None:
    """The same of a text file, whose windows are many."""
    write(suite, '"text.txt", max_perplexity=1e9')
    suite.write("text.txt", "A text has words. " * 100 + "0")
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    same = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")
    same.assert_outcomes(passed=3)
    swap_digits(suite.path / "model.tiktoken")

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    result.assert_outcomes(passed=2, failed=1)
    assert "1 of 1 records were split into other tokens" in str(result.stdout)


def without(suite: Project, *names: str) -> None:
    """Take keys out of the old results, as earlier versions did not write them."""
    document = json.loads((suite.path / "old.json").read_text("utf-8"))
    (entry,) = document["suites"]
    for part in (entry, *entry["records"]):
        for name in names:
            part.pop(name, None)
    suite.write("old.json", document)


def test_a_baseline_of_before(suite: Project) -> None:
    """It says neither prompt nor tokens; it compares, and the summary says what is unknown."""
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    without(suite, "prompt", "token_digest")
    swap_digits(suite.path / "model.tiktoken")

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json", "-rA")

    assert "split into other tokens" not in str(result.stdout)
    note = "the baseline does not say what its prompt was, so it may have been another"
    assert str(result.stdout).count(note) >= 1


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("chatml", "alpaca", "its prompt was chatml and is alpaca now"),
        ("mine.txt", "other.txt", "its prompt was a template file ("),
        ("mine.txt", "same.txt", None),
    ],
)
def test_losses_under_two_prompts(suite: Project, was: str, now: str, message: str | None) -> None:
    """They do not compare, whichever is lower; a template is known by what it says."""
    for name, text in (("mine", "Do"), ("other", "Answer"), ("same", "Do")):
        suite.write(f"{name}.txt", f"{text}: {{instruction}} {{input}}\n")
    write(suite, f'"data.json", max_perplexity=1e9, prompt="{was}"')
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    write(suite, f'"data.json", max_perplexity=1e9, prompt="{now}"')

    result = suite.run(CHECKPOINT, REPORT, "--llm-judge-baseline=old.json")

    failed = int(message is not None)
    result.assert_outcomes(passed=8 - failed, failed=failed)
    assert message is None or message in str(result.stdout)
    assert the_suite(suite)["prompt"]["name"] == now
    compared = suite.pytester.run("llmjudge", "compare", "old.json", "results.json")
    assert compared.ret == failed
    assert message is None or message in str(compared.stdout)


def test_losses_under_two_system_texts(suite: Project) -> None:
    """They are two prompts."""
    write(suite, '"data.json", max_perplexity=1e9, prompt="chatml", system="Be brief."')
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    write(suite, '"data.json", max_perplexity=1e9, prompt="chatml", system="Be kind."')

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    result.assert_outcomes(passed=7, failed=1)
    assert "its prompt was chatml with the system text " in str(result.stdout)


def test_a_text_has_no_prompt(suite: Project) -> None:
    """Nothing stands before it."""
    write(suite, '"text.txt", max_perplexity=1e9')
    suite.write("text.txt", "A text.")

    suite.run(CHECKPOINT, REPORT)

    assert the_suite(suite)["prompt"] is None


def test_a_record_that_does_not_fit(suite: Project, mode: tuple[str, ...]) -> None:
    """It errs and says why; of the others there is no perplexity."""
    content = records(3)
    content[1]["output"] = "word " * 200
    write(suite, '"data.json", max_perplexity=1e9', data=content)

    result = suite.run(CHECKPOINT, REPORT, *mode)

    result.assert_outcomes(passed=2, errors=1, failed=1)
    entry = the_suite(suite)
    assert (entry["unscored"], entry["perplexity"], entry["outcome"]) == (1, None, "incomplete")
    assert entry["records"][1]["cause"] == "record"
    assert entry["records"][1]["error"].startswith(f"{suite.path}/model.pth: prompt and reference")


def test_a_model_that_diverged(suite: Project) -> None:
    """NaN is no loss."""
    weights = torch.load(suite.path / "model.pth")
    weights["out_head.weight"] *= 1e38
    torch.save(weights, suite.path / "model.pth")

    result = suite.run(CHECKPOINT, REPORT)

    result.assert_outcomes(errors=6, failed=1)
    assert "is NaN or infinite; see whether its training diverged" in str(result.stdout)


OWN = """
import pytest

class Mine:
    fingerprint = "mine-1"
    context_length = 100

    def encode_pair(self, prompt, reference, *, chat, end):
        return [1] * len(prompt.split()), [2] * (len(reference.split()) + end)

    def score(self, contexts):
        for context in contexts:
            yield [-0.5 * len(branch) for branch in context.branches]

@pytest.fixture(scope="session")
def llm_model():
    return Mine()
"""


def test_a_model_of_ones_own(project: Project, mode: tuple[str, ...]) -> None:
    """It needs three things, and no checkpoint."""
    write(project, '"data.json", max_perplexity=2')
    project.write("conftest.py", OWN)

    project.run(REPORT, *mode).assert_outcomes(passed=7)

    assert the_suite(project)["loss"] == 0.5
    project.write(
        "conftest.py", OWN.replace("encode_pair", "encode_both").replace("mine-1", "mine-2")
    )
    result = project.run()
    start = "llm_model (Mine): it gives no log-probabilities, which llm_loss needs; give it "
    assert f"{start}context_length, encode_pair() and score(), or name a checkpoint" in str(
        result.stdout
    )


@pytest.mark.parametrize("kind", ["ValueError", "KeyboardInterrupt"])
def test_what_was_scored_before_an_error_is_kept(project: Project, kind: str) -> None:
    """Whatever ends the model: the next run asks it for the rest alone."""
    write(project, '"data.json", max_perplexity=2')
    loop = "        for context in contexts:"
    ends = f"{loop}\n            if context is contexts[4]: raise {kind}"
    project.write("conftest.py", OWN.replace(loop, ends))

    # Ctrl-C would end this process too.
    (project.run if kind == "ValueError" else project.run_subprocess)(REPORT)

    if kind == "ValueError":
        causes = [record["error"] for record in the_suite(project)["records"]]
        assert causes.count(None) == 4
    counts = f'        Path("asked.log").write_text(str(len(contexts)))\n{loop}'
    project.write("conftest.py", f"from pathlib import Path\n{OWN.replace(loop, counts)}")
    project.run(REPORT).assert_outcomes(passed=7)
    assert (project.path / "asked.log").read_text("ascii") == "2"


@pytest.mark.parametrize("value", ["-3e306", "-10**400"])
def test_losses_that_no_model_has(project: Project, mode: tuple[str, ...], value: str) -> None:
    """Each record errs in one line, and the run still has its summary and its report."""
    write(project, '"data.json", max_loss=1')
    content = OWN.replace("-0.5 * len(branch)", f"({value}) * len(branch)")
    project.write("conftest.py", content)

    result = project.run(REPORT, *mode)

    result.assert_outcomes(errors=6, failed=1)
    output = str(result.stdout)
    assert "Traceback" not in output
    problem = "its loss on record r0 is above 1,000,000 nats a token"
    assert f"llm_model (Mine): {problem}; see whether its training diverged" in output
    assert {record["cause"] for record in the_suite(project)["records"]} == {"record"}


def test_a_high_loss_that_a_model_has(project: Project) -> None:
    """Up to the bound a loss is a figure like any other."""
    write(project, '"data.json", max_loss=1')
    project.write("conftest.py", OWN.replace("-0.5 *", "-1e6 *"))

    project.run(REPORT).assert_outcomes(passed=1, failed=6)

    assert the_suite(project)["loss"] == 1e6
    assert the_suite(project)["perplexity"] is None
    assert project.pytester.run("llmjudge", "power", "results.json", "--drop=3").ret == 0


def test_a_perplexity_of_hundreds_of_digits(project: Project) -> None:
    """It is written with an exponent, in messages and in the summary."""
    write(project, '"data.json", max_perplexity=1e300')
    project.write("conftest.py", OWN.replace("-0.5 *", "-700 *"))

    result = project.run(REPORT, "-rA")

    result.assert_outcomes(passed=6, failed=1)
    assert "perplexity 1.014e+304 (loss 700.0000 nats" in str(result.stdout)
    assert "is above max_perplexity 1e+300" in str(result.stdout)
    assert "0" * 20 not in str(result.stdout)


IDS = "[1] * len(prompt.split()), [2] * (len(reference.split()) + end)"


@pytest.mark.parametrize(
    ("gives", "shown"),
    [
        ("'ab', 'cd'", "('ab', 'cd')"),
    ],
)
def test_what_are_no_token_ids(project: Project, gives: str, shown: str) -> None:
    """One line says what a user's model gave, and what it must return."""
    write(project, '"data.json", max_perplexity=2')
    assert IDS in OWN
    project.write("conftest.py", OWN.replace(IDS, gives))

    result = project.run()

    result.assert_outcomes(errors=6, failed=1)
    output = str(result.stdout)
    assert f"llm_model (Mine): encode_pair() gave {shown}" in output
    wanted = "(prompt_ids, reference_ids), two lists of whole numbers of 0 or more"
    assert f"; let it return {wanted}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            '"data.json"',
            (
                "it has no gate and so cannot fail; set max_perplexity or max_loss, or compare "
                "with --llm-judge-baseline"
            ),
        ),
        (
            '"data.json", max_perplexity=0.5',
            "max_perplexity: 0.5 is no perplexity; give a number of 1 or more",
        ),
        (
            '"data.json", max_perplexity=10**400',
            (
                "max_perplexity: an integer of more than 18 digits is too large; give a number of 1 "
                "or more and fewer digits"
            ),
        ),
        (
            '"data.json", max_loss=10**5000',
            (
                "max_loss: an integer of more than 18 digits is too large; give a number of nats "
                "above 0 and fewer digits"
            ),
        ),
        ('"data.json", max_loss=0', "max_loss: 0 is no loss; give a number of nats above 0"),
        (
            '"data.json", max_loss=1, end=1',
            "end: 1 is neither True nor False; give True or False",
        ),
        (
            '"data.json", max_loss=1, stride=5',
            "stride: it says nothing of a records file; leave it out",
        ),
        (
            '"text.txt"',
            "it has no gate and so cannot fail; set max_perplexity or max_loss",
        ),
        (
            '"text.txt", max_loss=1, end=False',
            "end: it says nothing of a text file; leave it out",
        ),
        (
            '"data.json", max_loss=1, responses="model_response"',
            (
                'unknown keyword "responses"; use max_perplexity, max_loss, end, stride, '
                "baseline_rule, max_rise, checkpoint, prompt, system, sample, group, fields, split, "
                "training or max_overlap"
            ),
        ),
    ],
)
def test_markers_that_cannot_be_used(project: Project, arguments: str, message: str) -> None:
    """What a marker gets wrong ends the run with status 4 and one line."""
    project.write("text.txt", "A text.")
    write(project, arguments)

    result = project.run(CHECKPOINT)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: test_loss.py::test_loss: {message}" in result.errlines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n", "it is empty; name a file with a text"),
        (b"\xff", "it is not UTF-8; save it as UTF-8"),
    ],
)
def test_texts_that_cannot_be_used(suite: Project, content: bytes, message: str) -> None:
    """One line, before any work."""
    write(suite, '"general.txt", max_perplexity=40')
    (suite.path / "general.txt").write_bytes(content)

    result = suite.run(CHECKPOINT)

    assert f"general.txt: {message}" in str(result.stdout) + str(result.stderr)
    assert result.ret != pytest.ExitCode.OK


def test_an_edited_results_file(suite: Project) -> None:
    """Figures that are not those of its records are no baseline."""
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    document = json.loads((suite.path / "old.json").read_text("utf-8"))
    document["suites"][0]["loss"] += 1
    suite.write("old.json", document)

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert 'its "loss" is' in "\n".join(result.errlines)


def test_a_baseline_of_huge_losses(suite: Project, mode: tuple[str, ...]) -> None:
    """Floats whose sum overflows are refused in one line before any work."""
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    document = json.loads((suite.path / "old.json").read_text("utf-8"))
    for record in document["suites"][0]["records"]:
        record["parts"] = [[1e308, record["tokens"]]]
    suite.write("old.json", document)

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json", *mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.errlines if line)
    assert "1e+308 is greater than the maximum of " in line


NOT_ENOUGH = (
    "test_loss.py::test_loss: it cannot fail: 4 records cannot show a rise; give it 5 or more"
)


def test_a_baseline_that_cannot_fail(suite: Project) -> None:
    """With few records no rise can be shown, whatever the losses are."""
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    write(suite, '"data.json"', data=records(4))

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line]
    assert lines == [f"ERROR: {NOT_ENOUGH}, or set max_perplexity"]


def test_a_baseline_without_losses(suite: Project) -> None:
    """There is nothing to compare with, which is said and not raised."""
    weights = torch.load(suite.path / "model.pth")
    broken = {**weights, "out_head.weight": weights["out_head.weight"] * 1e38}
    torch.save(broken, suite.path / "model.pth")
    suite.run(CHECKPOINT, "--llm-judge-report=old.json")
    torch.save(weights, suite.path / "model.pth")

    result = suite.run(CHECKPOINT, "--llm-judge-baseline=old.json")

    result.assert_outcomes(passed=7, failed=1)
    assert "its tokenizer was unknown and is" in str(result.stdout)


def test_texts_that_fall_apart(project: Project) -> None:
    """Windows count alike; a tail that is too short counts with the window before it."""
    write(project, '"text.txt", max_perplexity=1e9')
    project.write("text.txt", "word " * 225)
    for name, loss, tail in (("old", 1.0, 2.0), ("new", 1.2, 1.0)):
        project.write("conftest.py", WINDOWS.format(name=name, loss=loss, tail=tail))
        arguments = [] if name == "old" else ["--llm-judge-baseline=old.json"]
        result = project.run(f"--llm-judge-report={name}.json", *arguments)

    result.assert_outcomes(passed=2, failed=1)
    assert "rose by 0.1" in str(result.stdout)
    project.write("conftest.py", WINDOWS.format(name="x", loss=1.0, tail=1.0).replace("40", "44"))
    result = project.run("--llm-judge-baseline=old.json")
    assert "windows of 40 tokens by 20 and is" in str(result.stdout)


def test_a_loss_below_zero(project: Project) -> None:
    """Whoever gives losses in the place of log-probabilities would pass everything."""
    write(project, '"data.json", max_perplexity=2')
    project.write("conftest.py", OWN.replace("-0.5 * len", "0.5 * len"))

    result = project.run()

    result.assert_outcomes(errors=6, failed=1)
    message = "score() gave a log-probability above 0 for record r0; give the logarithm, not its"
    assert message in str(result.stdout)


def test_a_loss_that_is_no_number(project: Project) -> None:
    """False is none, though Python counts with it as 0, the best of all losses."""
    write(project, '"data.json", max_perplexity=2')
    project.write("conftest.py", OWN.replace("-0.5 * len(branch)", "False"))

    result = project.run()

    result.assert_outcomes(errors=6, failed=1)
    assert "score() gave False for record r0; give floats" in str(result.stdout)


WINDOWS = """
import pytest

class Mine:
    fingerprint = "{name}"
    context_length = 40

    def encode_pair(self, prompt, reference, *, chat, end):
        return [], list(range(len(reference.split())))

    def score(self, contexts):
        for context in contexts:
            size = len(context.branches[0])
            yield [-{loss} * size if size > 15 else -{tail} * size]

@pytest.fixture(scope="session")
def llm_model():
    return Mine()
"""


def test_a_served_model(project: Project) -> None:
    """It cannot be measured, which is said before any work."""
    write(project, '"data.json", max_perplexity=2')
    with FakeOllama() as server:
        result = project.run(
            "--llm-judge-checkpoint=ollama:llama3", f"--llm-judge-checkpoint-url={server.url}"
        )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    message = "a served model gives no log-probabilities of given answers, which llm_loss needs"
    assert message in "\n".join(result.errlines)
