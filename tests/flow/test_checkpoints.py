"""Raw checkpoints under test: good ones answer, bad ones say why in one line."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from tests.support.project import Project, records
from tests.unit.generation.tiny import DEVICES, TINY, make_model, save_model, write_ranks

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = "Say {instruction}:"
ARGUMENTS = 'min_score=0, checkpoint="model.pth", prompt="prompt.txt"'


@pytest.fixture
def suite(project: Project) -> Project:
    """Eight short records and a tiny model with random weights."""
    project.write("prompt.txt", SHORT)
    project.suite(records(8), ARGUMENTS)
    save_model(project.path / "model.pth")
    return project


def test_a_raw_checkpoint_answers(suite: Project, dist: tuple[str, ...]) -> None:
    """Every way of running and every batch size gives the same responses."""
    documents = []
    for size in ("auto", "1", "3"):
        result = suite.run(
            f"--llm-judge-batch-size={size}",
            "--llm-judge-max-new-tokens=8",
            "--llm-judge-cache=off",
            "--llm-judge-report=results.json",
            *dist,
        )
        result.assert_outcomes(passed=9)
        documents.append(suite.results())

    assert documents[0] == documents[1] == documents[2]
    (document,) = documents[0]["suites"]
    assert document["checkpoint"]["path"] == "model.pth"
    responses = [record["model_response"] for record in document["records"]]
    assert len(set(responses)) > 1
    weights = sum(weight.numel() for weight in make_model().parameters())
    assert document["checkpoint"]["parameters"] == weights


def test_the_command_line_names_the_candidate(suite: Project) -> None:
    """A candidate's responses are its own, and the header describes it."""
    candidate = suite.path / "candidate.pth"
    save_model(candidate, other={"pos_emb.weight": torch.randn(TINY.context_length, TINY.emb_dim)})
    arguments = ("--llm-judge-max-new-tokens=4", "--llm-judge-report=results.json")
    suite.run(*arguments)
    before = suite.results()["suites"][0]

    result = suite.run("--llm-judge-checkpoint=candidate.pth", *arguments)

    result.assert_outcomes(passed=9)
    after = suite.results()["suites"][0]
    assert after["checkpoint"]["path"] == "candidate.pth"
    assert before["records"] != after["records"]
    result.stdout.fnmatch_lines(["llm-judge: model candidate.pth (*k parameters)"])


def test_a_changed_checkpoint_answers_anew(suite: Project) -> None:
    """The cache goes by the checkpoint's content, not by its name, size or time."""
    path = suite.path / "model.pth"
    arguments = ("--llm-judge-max-new-tokens=4", "--llm-judge-report=results.json")
    suite.run(*arguments)
    before, times = suite.results(), path.stat()
    state = torch.load(path, weights_only=True)
    state["pos_emb.weight"] = state["pos_emb.weight"].flip(0)
    torch.save(state, path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    suite.run(*arguments)

    after = suite.results()
    assert before["suites"][0]["checkpoint"] != after["suites"][0]["checkpoint"]
    assert before["suites"][0]["records"] != after["suites"][0]["records"]


class Bomb:
    """Pickles into something that makes a file when it is loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch exploded",))


def bomb(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(make_model().state_dict(), buffer)
    buffer.seek(0)
    with zipfile.ZipFile(buffer) as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, pickle.dumps(Bomb()) if name.endswith("data.pkl") else data)


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def contradicting(path: Path) -> None:
    save_model(path, other={"trf_blocks.1.ff.layers.2.bias": torch.zeros(7)})


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def deepspeed(path: Path) -> None:
    folder(path)
    (path / "zero_to_fp32.py").touch()


SAVE = "save a plain state dict: torch.save(model.state_dict(), path)"
COPY = "save or copy the checkpoint again"
FOUND_AT_ONCE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "no such file; check the path, or train and save the model first"),
    "folder": (
        folder,
        "a directory without weights; it holds nothing; give the path of the weights",
    ),
    "deepspeed": (
        deepspeed,
        (
            "a checkpoint of DeepSpeed, in parts that only DeepSpeed joins; run the "
            "zero_to_fp32.py that lies there (python zero_to_fp32.py . merged), and name the "
            "folder merged"
        ),
    ),
    "empty": (lambda path: path.write_bytes(b""), f"an empty file; {COPY}"),
    "text": (lambda path: path.write_text("hello"), f"not a file of torch.save; {SAVE}"),
    "truncated": (truncated, f"cut short or damaged; {COPY}"),
    "other-zip": (
        other_zip,
        f"a zip archive of something else; it holds hello.txt; {SAVE}",
    ),
    "bomb": (bomb, f"loading it would run {os.name}.system; {SAVE}"),
    "contradicting": (
        contradicting,
        (
            "trf_blocks.1.ff.layers.2.bias has the shape (7,) where (64,) is expected; save it "
            "again from the model that was trained"
        ),
    ),
    "not-gpt": (
        lambda path: torch.save({"a.weight": torch.zeros(2)}, path),
        (
            "no weights of a GPT-2, it holds a.weight; use the parameter names of the lecture's "
            "GPTModel, Hugging Face's GPT-2 or nanoGPT"
        ),
    ),
}


@pytest.mark.parametrize("name", list(FOUND_AT_ONCE))
def test_what_is_wrong_with_the_file_ends_the_run(
    suite: Project, mode: tuple[str, ...], name: str
) -> None:
    """One line before anything is generated; nothing in the file runs."""
    spoil, text = FOUND_AT_ONCE[name]
    path = suite.path / "model.pth"
    spoil(path)

    result = suite.run(*mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    assert error == f"ERROR: {path}: {text}"
    assert not (suite.path / "exploded").exists()


def test_a_bomb_in_the_old_format_does_not_run(suite: Project) -> None:
    """A plain pickle is only read by torch, which refuses what is no tensor."""
    (suite.path / "model.pth").write_bytes(pickle.dumps(Bomb()))

    result = suite.run()

    assert result.ret != pytest.ExitCode.OK
    assert not (suite.path / "exploded").exists()
    result.stdout.no_fnmatch_line("*Traceback*")


FOUND_LATER: dict[str, tuple[Callable[[Path], object], str]] = {
    "nan": (
        lambda path: save_model(path, other={"final_norm.scale": torch.full((64,), float("nan"))}),
        (
            "final_norm.scale holds NaN or infinite values; the training diverged: use an earlier "
            "checkpoint or a lower learning rate"
        ),
    ),
}


@pytest.mark.parametrize("name", list(FOUND_LATER))
def test_what_is_wrong_with_the_content_is_told_of_every_record(
    suite: Project, mode: tuple[str, ...], name: str
) -> None:
    """What only loading finds costs the records their responses, in the same one line."""
    spoil, text = FOUND_LATER[name]
    spoil(suite.path / "model.pth")

    result = suite.run("--llm-judge-report=results.json", *mode)

    counts = result.parseoutcomes()
    assert (counts["errors"], counts["failed"]) == (8, 1)
    (document,) = suite.results()["suites"]
    (error,) = {record["error"] for record in document["records"]}
    assert error == f"{suite.path / 'model.pth'}: {text}"
    assert document["outcome"] == "incomplete"
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_tokenizer_of_another_model(suite: Project) -> None:
    """It is found before any work, and said once."""
    write_ranks(suite.path / "model.tiktoken", [b"ab"])

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line.startswith("ERROR")] == [
        (
            f"ERROR: {suite.path / 'model.pth'}: the model knows 262 tokens and model.tiktoken has "
            "258; put the ranks that it was trained with into model.tiktoken beside it"
        )
    ]


def test_a_prompt_longer_than_the_context(suite: Project) -> None:
    """That record errs with both lengths; the others are answered."""
    many = {"id": "long", "instruction": "x" * 100, "output": "y"}
    vast = {"id": "vast", "instruction": "word " * 200_000, "output": "y"}
    suite.write("data.json", [*records(2), many, vast])

    result = suite.run("--llm-judge-max-new-tokens=4", "--llm-judge-report=results.json")

    result.assert_outcomes(passed=2, failed=1, errors=2)
    record_errors = {
        record["id"]: record["error"] for record in suite.results()["suites"][0]["records"]
    }
    assert (record_errors["r0"], record_errors["r1"]) == (None, None)
    rest = f"tokens and the context {TINY.context_length}, answer included; shorten the record's "
    expected = f"{suite.path / 'model.pth'}: the prompt has {{}} {rest}instruction and input"
    assert record_errors["long"] == expected.format("105")
    assert record_errors["vast"] == expected.format("at least 250002")


@pytest.mark.parametrize("name", ["quantum", "meta", "hpu"])
def test_a_device_that_is_not_there(suite: Project, name: str) -> None:
    """The error for a device that torch cannot use is in our words."""
    result = suite.run(f"--llm-judge-device={name}", "-k", "r0")

    result.assert_outcomes(errors=1, deselected=8)
    result.stdout.fnmatch_lines(
        [f"device '{name}': torch cannot use it here; use one of {DEVICES}"]
    )


def nested(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(make_model().state_dict(), buffer)
    deep = b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"K\x01s."
    with zipfile.ZipFile(buffer) as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, deep if name.endswith("data.pkl") else good.read(name))


def test_a_pickle_nested_to_crash_the_process(suite: Project) -> None:
    """A tuple of 300,000 levels as a key is refused before it is hashed."""
    path = suite.path / "model.pth"
    nested(path)

    result = suite.run_subprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = f"ERROR: {path}: its pickle has a key that is made of others; {COPY}"
    assert [text] == [line for line in result.errlines if line.startswith("ERROR")]


def test_a_path_that_no_file_can_have(suite: Project) -> None:
    """A name too long for the file system is an error of one line."""
    result = suite.run(f"--llm-judge-checkpoint={'x' * 300}.pth")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    assert "cannot be read (File name too long); check the file and its permissions" in error


def test_a_name_that_leaves_no_room_for_others(suite: Project) -> None:
    """A checkpoint beside which no config of its own can lie answers all the same."""
    name = f"{'m' * 251}.pth"
    (suite.path / "model.pth").rename(suite.path / name)

    result = suite.run(f"--llm-judge-checkpoint={name}", "--llm-judge-max-new-tokens=4")

    result.assert_outcomes(passed=9)


@pytest.mark.parametrize(
    ("shard", "shown"), [("a\0b.safetensors", "a\\u0000b"), ("\ud800.safetensors", "\\ud800")]
)
def test_an_index_of_files_that_cannot_be(suite: Project, shard: str, shown: str) -> None:
    """A name that no file can have is an error of one line."""
    index = suite.write("model.safetensors.index.json", {"weight_map": {"tok_emb.weight": shard}})

    result = suite.run(f"--llm-judge-checkpoint={index}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    problem = f'it names "{shown}.safetensors", which no file can be called'
    assert error == f"ERROR: {index}: {problem}; {COPY}"


def test_a_config_nested_too_deeply(suite: Project) -> None:
    """A config beside the checkpoint nested too deeply is an error of one line."""
    (suite.path / "config.json").write_text("[" * 100_000)

    result = suite.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line.startswith("ERROR"))
    problem = "not JSON (it is nested too deeply)"
    hint = "correct it, or move it away from the checkpoint"
    assert error == f"ERROR: {suite.path / 'config.json'}: {problem}; {hint}"


def write_adapter(folder: Path) -> None:
    """Write a PEFT adapter whose config names a base that is not there."""
    folder.mkdir()
    layer = "base_model.model.trf_blocks.0.att.W_query"
    matrices = {f"{layer}.lora_A.weight": torch.ones(2, TINY.emb_dim)}
    matrices[f"{layer}.lora_B.weight"] = torch.ones(TINY.emb_dim, 2)
    save_file(matrices, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "lora_alpha": 4, "base_model_name_or_path": "gpt2"}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


def test_a_base_without_an_adapter(suite: Project) -> None:
    """It would do nothing, so it is a usage error, whether there is such a file or not."""
    for base in ("model.pth", "nope"):
        result = suite.run(f"--llm-judge-base={base}")

        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (error,) = (line for line in result.errlines if line.startswith("ERROR: "))
        assert error == (
            "ERROR: --llm-judge-base: no checkpoint of this run is a LoRA adapter, which alone has "
            "a base (model.pth); leave it out, or put an adapter under test"
        )


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures"])
def test_a_base_while_listing(suite: Project, option: str) -> None:
    """Nothing is judged, so nothing is in vain."""
    assert suite.run("--llm-judge-base=nope", option).ret == pytest.ExitCode.OK


def test_a_base_for_some_suites(suite: Project) -> None:
    """One adapter is enough; an ini file may name a base for suites that do not run now."""
    write_adapter(suite.path / "adapter")
    arguments = ARGUMENTS.replace("model.pth", "adapter")
    suite.suite(records(8), arguments, test="test_adapted.py")
    few = "--llm-judge-max-new-tokens=2"

    both = suite.run("--llm-judge-base=model.pth", few)
    suite.write("pytest.ini", "[pytest]\nllm_judge_base = model.pth\n")
    one = suite.run("test_suite.py", few)

    both.assert_outcomes(passed=18)
    one.assert_outcomes(passed=9)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "base",
            (
                "no checkpoint of this run is a LoRA adapter, which alone has a base (it has none); "
                "leave it out, or put an adapter under test"
            ),
        ),
        (
            "tokenizer",
            (
                "no checkpoint of this run takes a tokenizer from elsewhere (it has none); leave it "
                "out, or put a checkpoint file under test"
            ),
        ),
        (
            "checkpoint-url",
            (
                "no model under test of this run is at a server; leave it out, or name one as in "
                "--llm-judge-checkpoint=ollama:NAME or openai:NAME"
            ),
        ),
    ],
)
def test_an_option_of_checkpoints_without_one(suite: Project, name: str, problem: str) -> None:
    """Where responses are given nothing is loaded, whatever is named; an ini file may wait."""
    suite.suite(records(2), 'min_score=0, responses="model_response"')

    result = suite.run(f"--llm-judge-{name}=nope")
    suite.write("pytest.ini", f"[pytest]\nllm_judge_{name.replace('-', '_')} = nope\n")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line.startswith("ERROR: ")] == [
        f"ERROR: --llm-judge-{name}: {problem}"
    ]
    suite.run().assert_outcomes(passed=3)
