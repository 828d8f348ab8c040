"""Train the example's checkpoint: `python -m example_suite.train`, a few minutes on two cores.

Writes the held-out records, the tokenizer's ranks, the model's weights and its number of heads. The
seed is fixed: the same machine with the same torch and tokenizers is meant to write the same bytes
again.
"""

from __future__ import annotations

import base64
import json
import math
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from tokenizers import Tokenizer as TrainableTokenizer
from tokenizers import models, pre_tokenizers, trainers
from torch.nn import functional

from example_suite.tasks import held_out, training
from pytest_llmjudge.data import Record
from pytest_llmjudge.generation.families.decoder import Attend, causal
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks
from pytest_llmjudge.records.prompts import instruction_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from example_suite.example import Example
    from pytest_llmjudge.generation.tokenizers.byte_pairs import BytePairs

HERE = Path(__file__).resolve().parent
RECORDS = HERE / "instruction-data.json"
RANKS = HERE.parent / "checkpoints" / "example.tiktoken"
WEIGHTS = HERE.parent / "checkpoints" / "example.pth"
CONFIG = WEIGHTS.with_suffix(".config.json")

SEED = 123
THREADS = 2
RECORDS_PER_KIND = 8
EXAMPLES = 120_000
SIZES = GPTConfig(
    vocab_size=2_301, context_length=256, emb_dim=128, n_heads=2, n_layers=4, qkv_bias=False
)
BATCH = 24
PEAK_RATE = 3e-3
WARM_UP = 100
DECAY = 0.1
NO_TARGET = -100


class Lesson(NamedTuple):
    """The tokens of an example, and where its answer begins."""

    ids: list[int]
    answer: int


def main() -> None:
    """Write all four files."""
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    judged = held_out(SEED, per_kind=RECORDS_PER_KIND)
    examples = list(training(SEED + 1, EXAMPLES, judged))
    check_held_out(judged, examples)
    write_records(judged)
    write_ranks(examples)
    tokenizer = load_ranks(WEIGHTS, RANKS, SIZES.vocab_size)
    model = GPTModel(SIZES)
    train(model, [make_lesson(example, tokenizer) for example in examples], tokenizer.end)
    torch.save(model.state_dict(), WEIGHTS)
    CONFIG.write_text(json.dumps({"n_heads": SIZES.n_heads}) + "\n", encoding="utf-8")
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{parameters:,} parameters, {WEIGHTS.stat().st_size:,} bytes")


def check_held_out(judged: list[Example], examples: list[Example]) -> None:
    """Make sure that no judged record, nor what is new about it, is among the examples."""
    keys = {example.key for example in examples}
    questions = {(example.instruction.lower(), example.input.lower()) for example in examples}
    assert len({record.key for record in judged}) == len(judged)
    for record in judged:
        assert record.key not in keys, record
        assert (record.instruction.lower(), record.input.lower()) not in questions, record
    print(f"{len(judged)} records held out of {len(questions):,} different questions")


def write_records(judged: list[Example]) -> None:
    """Write the suite's records file."""
    records = [example.record() for example in judged]
    RECORDS.write_text(json.dumps(records, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_ranks(examples: list[Example]) -> None:
    """Train the byte pairs, and write them in the form that tiktoken reads.

    Most words of the examples, and nearly all numbers below 100, become one token each, so that a
    small model can copy them in one step.
    """
    trainable = TrainableTokenizer(models.BPE())
    trainable.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = SIZES.vocab_size - 1  # the last token, <|endoftext|>, has no rank
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    texts = (f"{prompt(example)}{example.output}" for example in examples)
    trainable.train_from_iterator(texts, trainer)
    byte_of = {sign: byte for byte, sign in enumerate(byte_signs())}
    ranks = sorted(trainable.get_vocab().items(), key=lambda item: item[1])
    assert len(ranks) == size
    with RANKS.open("wb") as file:
        for token, rank in ranks:
            text = base64.b64encode(bytes(byte_of[sign] for sign in token))
            file.write(text + f" {rank}\n".encode())


def byte_signs() -> list[str]:
    """The sign that stands for each byte in a byte-level vocabulary, as GPT-2 chose them."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(0x100)]


def prompt(example: Example) -> str:
    """Put an example as the suite will."""
    record = Record("", example.instruction, example.input, example.output, {})
    return instruction_prompt(record, for_generation=True)


def make_lesson(example: Example, tokenizer: BytePairs) -> Lesson:
    """Encode prompt and answer apart: when it is judged, the model sees the prompt alone."""
    asked = tokenizer.encode(prompt(example))
    return Lesson([*asked, *tokenizer.encode(example.output), tokenizer.end], len(asked))


def train(model: GPTModel, lessons: list[Lesson], padding: int) -> None:
    """Go through the lessons once; what counts is the loss on the answers."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=DECAY)
    shared = common_start(lessons)
    start = torch.tensor(lessons[0].ids[:shared])
    batches = list(make_batches(lessons))
    began, mean = time.monotonic(), math.log(SIZES.vocab_size)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, len(batches))
        loss = answer_loss(model, start, *pad(batch, shared, padding))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean += 0.02 * (loss.item() - mean)
        if step % 100 == 99 or step == len(batches) - 1:
            minutes = (time.monotonic() - began) / 60
            print(f"step {step + 1} of {len(batches)}: loss {mean:.3f}, {minutes:.1f} min")


def answer_loss(model: GPTModel, start: Tensor, ids: Tensor, targets: Tensor) -> Tensor:
    """The mean loss on the answers; no other token needs to go through the head."""
    positions = torch.arange(len(start), len(start) + ids.shape[1])
    hidden = model.hidden(ids, positions, after(model, start))
    wanted = targets != NO_TARGET
    return functional.cross_entropy(model.logits(hidden[wanted]), targets[wanted])


def after(model: GPTModel, start: Tensor) -> list[Attend]:
    """Let a batch see the tokens that all prompts start with, which are computed only once."""
    seen: list[tuple[Tensor, Tensor]] = []

    def remember(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        seen.append((key, value))
        return causal(model.attentions[0], query, key, value)

    model.hidden(start[None], torch.arange(len(start)), [remember] * SIZES.n_layers)
    return [partial(attend, *memory) for memory in seen]


def attend(first_key: Tensor, first_value: Tensor, *projected: Tensor) -> Tensor:
    """Attend to the common start and, causally, to the tokens after it."""
    query, key, value = (x.transpose(1, 2) for x in projected)  # (B, H, T, D)
    first_key, first_value = (
        x.transpose(1, 2).expand(len(query), -1, -1, -1) for x in (first_key, first_value)
    )
    keys = torch.cat((first_key, key), dim=2)
    values = torch.cat((first_value, value), dim=2)
    visible = torch.ones(query.shape[2], keys.shape[2], dtype=torch.bool)
    visible = visible.tril(first_key.shape[2])
    mixed = functional.scaled_dot_product_attention(query, keys, values, attn_mask=visible)
    return mixed.transpose(1, 2)


def common_start(lessons: list[Lesson]) -> int:
    """Count the tokens with which all prompts start."""
    first = lessons[0].ids
    same = (lesson.ids for lesson in lessons)
    length = len(first)
    for ids in same:
        while ids[:length] != first[:length]:
            length -= 1
    return length


def make_batches(lessons: list[Lesson]) -> Iterator[list[Lesson]]:
    """Shuffle, and put lessons of about the same length together so that little is padding."""
    rng = Random(SEED)  # noqa: S311 - an order, not a secret
    shuffled = rng.sample(lessons, len(lessons))
    for start in range(0, len(shuffled), BATCH * 32):
        near = sorted(shuffled[start : start + BATCH * 32], key=lambda lesson: len(lesson.ids))
        batches = [near[first : first + BATCH] for first in range(0, len(near), BATCH)]
        yield from rng.sample(batches, len(batches))


def rate(step: int, steps: int) -> float:
    """The learning rate: a straight warm-up, then half a cosine down to a hundredth."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
    return PEAK_RATE * min((step + 1) / WARM_UP, cosine)


def pad(batch: list[Lesson], shared: int, padding: int) -> tuple[Tensor, Tensor]:
    """Make what follows the common start and, one place ahead, the targets: the answers."""
    longest = max(len(lesson.ids) for lesson in batch)
    ids = torch.full((len(batch), longest), padding)
    targets = torch.full((len(batch), longest), NO_TARGET)
    for row, lesson in enumerate(batch):
        tokens = torch.tensor(lesson.ids)
        ids[row, : len(tokens)] = tokens
        targets[row, lesson.answer - 1 : len(tokens) - 1] = tokens[lesson.answer :]
    return ids[:, shared:], targets[:, shared:]


if __name__ == "__main__":
    main()
