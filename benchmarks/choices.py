"""Multiple choice beside lm-evaluation-harness: questions a second, and the same numbers.

Questions of HellaSwag's shape: a context of 40 to 90 words and four endings of 15 to 35. GPT-2
124M's shape with random weights, float32, on the CPU. The harness reads the context anew with each
ending, with its ``hf`` model at its best batch size; here it is computed once for all four. Both
take turns several times, so that other programs slow both.

    python benchmarks/choices.py [--questions 40] [--rounds 3]

GPT-2's tokenizer comes from TIKTOKEN_CACHE_DIR, so that nothing is downloaded. Beside other busy
programs set OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import tiktoken
import torch
from harness_models import our_copy, write_model
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import GPT2Config, GPT2LMHeadModel

from pytest_llmjudge.generation.engine.loglikelihood import score_contexts
from pytest_llmjudge.questions.tokens import encode_choices

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.decoder import Decoder

CONTEXT = 1024
BATCHES = (1, 4, 8, 16)
WORDS = """
    a man woman then goes to the kitchen puts water into large pot slowly begins cutting onions
    while talking camera she he runs across field throws ball dog jumps over fence and lands on
    grass people are watching cheer loudly before they leave with their boards under one arm
""".split()  # noqa: SIM905  # a list would take a line for each

Question = list[tuple[str, str]]


def make_questions(count: int) -> list[Question]:
    """Make up the pairs of what is read and what may follow."""
    drawn = random.Random(0)  # noqa: S311

    def text(least: int, most: int) -> str:
        return " ".join(drawn.choices(WORDS, k=drawn.randint(least, most)))

    questions = []
    for _ in range(count):
        context = text(40, 90)
        questions.append([(context, f" {text(15, 35)}") for _ in range(4)])
    return questions


def harness(model: HFLM, questions: list[Question], batch: int) -> tuple[float, list[float]]:
    """Time lm-evaluation-harness, tokens included; return seconds and log-probabilities."""
    model.batch_size_per_gpu = batch
    requests = [
        Instance("loglikelihood", {}, pair, index)
        for question in questions
        for index, pair in enumerate(question)
    ]
    started = time.perf_counter()
    scored = model.loglikelihood(requests, disable_tqdm=True)
    return time.perf_counter() - started, [float(logprob) for logprob, _ in scored]


def ours(model: Decoder, questions: list[Question]) -> tuple[float, list[float]]:
    """Time this package likewise."""
    encode = tiktoken.get_encoding("gpt2").encode_ordinary
    started = time.perf_counter()
    contexts = [
        context
        for question in questions
        for context in encode_choices("", question, encode=encode, context=CONTEXT).contexts
    ]
    scored = [value for values in score_contexts(model, contexts) for value in values]
    return time.perf_counter() - started, scored


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    questions = make_questions(options.questions)
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name), GPT2LMHeadModel(GPT2Config()).eval(), begins=False)
        theirs = HFLM(pretrained=name, device="cpu", dtype="float32", max_length=CONTEXT)
        mine = our_copy(Path(name))
    few = questions[: max(1, options.questions // 5)]
    trials = {batch: harness(theirs, few, batch)[0] for batch in BATCHES}
    batch = min(trials, key=lambda one: trials[one])
    ours(mine, few)
    print(f"{len(questions)} questions, GPT-2 124M, float32, CPU, {options.rounds} rounds")
    ratios = []
    for _ in range(options.rounds):
        seconds, expected = harness(theirs, questions, batch)
        our_seconds, scored = ours(mine, questions)
        ratios.append(seconds / our_seconds)
        print(
            f"lm-evaluation-harness, batch {batch}: {len(questions) / seconds:.2f} questions/s; "
            f"here {len(questions) / our_seconds:.2f}; {ratios[-1]:.2f} x the harness"
        )
    worst = max(abs(one - other) for one, other in zip(scored, expected, strict=True))
    print(f"median {statistics.median(ratios):.2f} x the harness")
    print(f"largest difference of a log-probability: {worst:.1e}")


if __name__ == "__main__":
    main()
