"""Weighted questions a second to a judge in this process, beside passes of transformers alone.

SmolLM2-135M's shape with random weights, float32, on the CPU. Both read the log-probabilities of
the first token of the answer to the same questions, those of the example suite; transformers at its
best batch size, rows of similar length together, the logits of the last token alone.

    python benchmarks/local_judge.py [--questions 96]

Beside other busy programs set OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from families import SHAPES, make
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pytest_llmjudge.data import Record
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.judging.questions import weighted2_prompt
from pytest_llmjudge.pipeline.local_judge import MOST_TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXAMPLE = Path(__file__).parent.parent / "example_suite" / "instruction-data.json"
BATCHES = (1, 4, 8, 16)
REPEATS = 3
END = "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)

Theirs = Any  # transformers has no types
Logprobs = dict[int, torch.Tensor]


def tokenizer_of(texts: Sequence[str]) -> Theirs:
    """Train a tokenizer whose tokens are about as long as a published model's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<|im_start|>", END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)
    whole.chat_template = CHATML
    return whole


@torch.inference_mode()
def transformers_alone(model: Theirs, rows: Sequence[list[int]], size: int) -> Logprobs:
    """Read the first token's log-probabilities in batches, padded on the left."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    found: Logprobs = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        width = max(len(rows[number]) for number in batch)
        ids = [[0] * (width - len(rows[number])) + rows[number] for number in batch]
        seen = [[0] * (width - len(rows[number])) + [1] * len(rows[number]) for number in batch]
        logits = model(
            input_ids=torch.tensor(ids),
            attention_mask=torch.tensor(seen),
            use_cache=False,
            logits_to_keep=1,
        ).logits
        found |= dict(zip(batch, logits[:, -1].log_softmax(1), strict=True))
    return found


def this_package(judge: HuggingFaceModel, rows: Sequence[list[int]]) -> Logprobs:
    """Read them as a judge in this process does."""
    found: Logprobs = {}
    for start in range(0, len(rows), MOST_TOGETHER):
        batch = list(rows[start : start + MOST_TOGETHER])
        found |= {start + number: logprobs for number, logprobs in judge.next_logprobs(batch)}
    return found


def fastest(work: Callable[[], Logprobs]) -> tuple[float, Logprobs]:
    """Return the shortest time of several, and what was found."""
    times, found = [], {}
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = work()
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> None:
    """Print questions a second, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", type=int, default=96)
    count = parser.parse_args().questions
    prompts = [
        weighted2_prompt(
            Record(str(number), one["instruction"], one.get("input", ""), one["output"], one),
            one["output"],
        )
        for number, one in enumerate(json.loads(EXAMPLE.read_text("utf-8"))[:count])
    ]
    torch.manual_seed(0)
    model = make(SHAPES["SmolLM2-135M"])
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer = tokenizer_of(prompts)
        tokenizer.save_pretrained(folder)
        judge = HuggingFaceModel(folder)
        rows = [
            tokenizer.apply_chat_template([{"role": "user", "content": one}], return_dict=False)
            for one in prompts
        ]
        contenders = {
            f"transformers, batch {size}": partial(transformers_alone, model, rows, size)
            for size in BATCHES
        }
        contenders["this package"] = partial(this_package, judge, rows)
        results = {name: fastest(work) for name, work in contenders.items()}
    ours = results.pop("this package")
    print(f"{len(rows)} questions of {sum(map(len, rows)) / len(rows):.0f} tokens, float32")
    for name, (seconds, found) in results.items():
        off = max(float((found[row] - ours[1][row]).abs().max()) for row in found)
        print(
            f"{name:24} {len(rows) / seconds:6.1f} questions/s   ours differs by {off:.1e} at most"
        )
    best = min(seconds for seconds, _ in results.values())
    print(
        f"{'this package':24} {len(rows) / ours[0]:6.1f} questions/s   {best / ours[0]:.2f} times"
    )


if __name__ == "__main__":
    main()
