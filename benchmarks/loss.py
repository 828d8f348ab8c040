"""Held-out loss beside a padded loop over transformers, as a ratio; and its memory by records.

GPT-2 124M's shape with random weights, float32, on the CPU. The peer gives transformers' model
batches of eight records of similar length, padded, with the prompt's labels at -100. Every loss has
to be the same within 1e-4. The memory is that of whole runs with the example's checkpoint, over
few records and over many.

    python benchmarks/loss.py [--records 64] [--many 52000]

GPT-2's tokenizer comes from TIKTOKEN_CACHE_DIR, so that nothing is downloaded. Beside other busy
programs set OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from pytest_llmjudge.data import Context, Record
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.records.prompts import instruction_prompt

EXAMPLE = Path(__file__).parent.parent / "checkpoints" / "example.pth"
BATCH = 8
SUITE = """
import pytest

@pytest.mark.llm_loss("data.json", max_perplexity=1e9, prompt="prompt.txt")
def test_loss(loss):
    pass
"""


def make_records(count: int) -> list[Record]:
    """Records of the size that instruction data mostly has."""
    return [
        Record(
            f"r{number}",
            f"Name the author of book number {number}, and say when it was written." * (number % 3),
            "",
            f"Book {number} was written by author {number % 97} in {1800 + number % 200}. " * 2,
            {},
        )
        for number in range(1, count + 1)
    ]


def beside_transformers(folder: Path, count: int) -> None:
    """Print seconds of both, and the largest difference."""
    theirs = GPT2LMHeadModel(GPT2Config()).eval()
    torch.save(theirs.state_dict(), folder / "model.pth")
    ours = TorchModel(folder / "model.pth")
    pairs = [
        ours.encode_pair(instruction_prompt(record, for_generation=True), record.output)
        for record in make_records(count)
    ]
    pairs.sort(key=lambda pair: -len(pair[0]) - len(pair[1]))
    started = time.perf_counter()
    mine = [-score for (score,) in ours.score([Context(ids, (after,)) for ids, after in pairs])]
    seconds = time.perf_counter() - started

    started = time.perf_counter()
    expected: list[float] = []
    with torch.inference_mode():
        for start in range(0, count, BATCH):
            expected += _padded(theirs, pairs[start : start + BATCH])
    peer = time.perf_counter() - started

    worst = max(
        abs(a - b) / len(after) for a, b, (_, after) in zip(mine, expected, pairs, strict=True)
    )
    print(
        f"{count} records: transformers {peer:.1f} s, here {seconds:.1f} s, {peer / seconds:.2f}x"
    )
    print(f"largest difference of a record's loss: {worst:.1e}")


def _padded(model: GPT2LMHeadModel, pairs: list[tuple[list[int], list[int]]]) -> list[float]:
    width = max(len(ids) + len(after) for ids, after in pairs)
    rows = [[*ids, *after] + [0] * (width - len(ids) - len(after)) for ids, after in pairs]
    logits = model(torch.tensor(rows)).logits.log_softmax(-1)
    return [
        -float(
            logits[row, len(ids) - 1 : len(ids) + len(after) - 1]
            .gather(1, torch.tensor(after)[:, None])
            .sum()
        )
        for row, (ids, after) in enumerate(pairs)
    ]


def memory_of(folder: Path, count: int) -> None:
    """Print seconds and peak memory of a whole run over ``count`` short records."""
    data = [
        {"id": f"r{number}", "instruction": f"Say {number}.", "output": f"The number {number}."}
        for number in range(count)
    ]
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    (folder / "prompt.txt").write_text("{instruction}", encoding="utf-8")
    (folder / "test_suite.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--llm-judge"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, f"--llm-judge-checkpoint={EXAMPLE}"], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        message = f"the run over {count} records ended with status {status}"
        raise SystemExit(message)
    seconds = time.perf_counter() - started
    print(f"{count:>7,} records: {seconds:6.1f} s, {usage.ru_maxrss / 1024:.0f} MiB at the peak")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=64, help="beside transformers")
    parser.add_argument("--many", type=int, default=52_000, help="of the larger run")
    options = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        # First: a child's peak begins at what its parent has when it starts it.
        for count in (options.many // 10, options.many):
            memory_of(Path(name), count)
        beside_transformers(Path(name), options.records)


if __name__ == "__main__":
    main()
