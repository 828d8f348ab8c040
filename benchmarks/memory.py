"""Measures the memory of a large model, and that of the workers of pytest-xdist.

First GPT-2's largest, 1558M random weights in bfloat16, is written to a file, loaded by a process
of its own and asked eight prompts; the process's peak is compared with the model's own size. The
same is done for the loading of Qwen2.5-0.5B's shape, a Hugging Face folder whose head is its
embedding, less what the process had before. Then
the example suite is run with `-n 4` and a checkpoint of 124M, and the proportional memory of each
process is read while it runs: one of them should hold the model.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel

LARGEST = GPTConfig(50257, 1024, 1600, n_heads=25, n_layers=48, qkv_bias=True)
SMALLEST = GPTConfig(50257, 1024, 768, n_heads=12, n_layers=12, qkv_bias=True)
PROMPTS = 8
ASK = """
import json, resource, sys
from pytest_llmjudge.generation.engine.model import TorchModel
model = TorchModel(sys.argv[1], dtype=sys.argv[2])
prompts = json.loads(sys.argv[3])
model.context_length
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
texts = model.generate(prompts, max_new_tokens=int(sys.argv[4]))
assert len(texts) == len(prompts)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
LOAD = """
import resource, sys, torch, transformers
from pytest_llmjudge.generation.engine import onednn_linear
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
transformers.AutoTokenizer, transformers.AutoConfig, transformers.PreTrainedTokenizerFast
before = peak()
HuggingFaceModel(sys.argv[1], dtype="bfloat16").context_length
print(before, peak())
"""
SUITE = """
import pytest

@pytest.mark.llm_judge("records.json", min_score=0)
def test_instructions(verdict):
    pass
"""


def save(path: Path, config: GPTConfig, dtype: torch.dtype) -> int:
    """Write random weights with a tied output head, and return their size in bytes."""
    with torch.device("meta"):
        empty = GPTModel(config)
    state = {
        name: torch.randn(weight.shape).mul_(0.02).to(dtype)
        for name, weight in empty.state_dict().items()
        if name != "out_head.weight"
    }
    save_file(state, path)
    return sum(weight.nbytes for weight in state.values())


def prompts(count: int) -> list[str]:
    """Write prompts in the form of the lecture."""
    form = "Below is an instruction that describes a task. Write a response that appropriately "
    form += "completes the request.\n\n### Instruction:\n{}\n\n### Response:\n"
    return [form.format(f"Name {number} things larger than a house.") for number in range(count)]


def measure_largest(folder: Path, tokens: int) -> None:
    """Print the peak memory of loading, and that of answering."""
    path = folder / "largest.safetensors"
    # A process begins with the peak of the one that starts it, so this one has to stay small.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        size = pool.apply(save, (path, LARGEST, torch.bfloat16))
    asked = [str(path), "bfloat16", json.dumps(prompts(PROMPTS)), str(tokens)]
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", ASK, *asked], stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    loaded, answered = (int(peak) * 1024 / size for peak in run.stdout.split())
    path.unlink()
    print(f"1558M in bfloat16, {size / 1e9:.2f} GB: peak {loaded:.2f} times that to load", end="")
    print(f", {answered:.2f} to answer {PROMPTS} prompts, {tokens} tokens each ({seconds:.0f} s)")


def save_family(folder: Path) -> int:
    """Write a folder of Qwen2.5-0.5B's shape in bfloat16, and return the size of its weights."""
    from families import SHAPES
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    shape = SHAPES["Qwen2.5-0.5B"]
    torch.set_default_dtype(torch.bfloat16)
    config = AutoConfig.for_model(shape.kind, **shape.sizes, tie_word_embeddings=True)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({"<end>": 0, "<unk>": 1}, unk_token="<unk>"))  # noqa: S106
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>").save_pretrained(folder)  # noqa: S106
    return (folder / "model.safetensors").stat().st_size


def measure_family(folder: Path) -> None:
    """Print the peak memory of loading a folder."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        size = pool.apply(save_family, (folder / "family",))
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder / "family")], stdout=subprocess.PIPE, check=True
    )
    before, peak = (int(kilobytes) * 1024 for kilobytes in run.stdout.split())
    print(
        f"Qwen2.5-0.5B in bfloat16, {size / 1e9:.2f} GB: peak {(peak - before) / size:.2f}", end=""
    )
    print(f" times that to load, beside {before / 1e9:.2f} GB of the process itself")


def measure_workers(folder: Path, workers: int) -> None:
    """Print the most proportional memory that each process had at a time."""
    path = folder / "model.safetensors"
    size = save(path, SMALLEST, torch.float32)
    records = [{"instruction": f"Name thing {i}.", "output": f"Thing {i}."} for i in range(64)]
    (folder / "records.json").write_text(json.dumps(records), encoding="utf-8")
    (folder / "test_suite.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--llm-judge"]
    command += ["--llm-judge-model=embedded", "--llm-judge-check=off"]
    command += [f"--llm-judge-checkpoint={path}", "--llm-judge-max-new-tokens=32"]
    run = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    most: dict[int, int] = {}
    while run.poll() is None:
        for process in [run.pid, *children(run.pid)]:
            most[process] = max(most.get(process, 0), proportional(process))
        time.sleep(0.2)
    shares = sorted((taken / size for taken in most.values()), reverse=True)
    listed = ", ".join(f"{share:.2f}" for share in shares)
    print(f"124M in float32, {size / 1e9:.2f} GB, -n {workers}, status {run.returncode}", end=": ")
    print(f"the processes took {listed} times the model's size")


def children(process: int) -> list[int]:
    """Find the processes that one has started, and those that they have."""
    processes = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text(encoding="ascii").split():
            processes += [int(child), *children(int(child))]
    return processes


def proportional(process: int) -> int:
    """Read the proportional set size of a process in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description="Measure the memory of models and workers.")
    parser.add_argument("--tokens", type=int, default=256, help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="(default: %(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with tempfile.TemporaryDirectory() as folder:
        measure_workers(Path(folder), options.workers)
        measure_family(Path(folder))
        measure_largest(Path(folder), options.tokens)


if __name__ == "__main__":
    main()
