"""Compares generation of other families than GPT-2 with Hugging Face's, as `generation.py` does.

The weights are random, of the shapes of published models. The prompts and recorded answers are
those of `generation.py`, their tokens renumbered to fit into the vocabulary.
"""

from __future__ import annotations

import argparse
import gc
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from generation import BATCH_SIZES, LONGEST, Contender, Job, compare, fit_head, read_job
from transformers import AutoConfig, AutoModelForCausalLM

from pytest_llmjudge.generation.engine.batch_size import texts_at_a_time
from pytest_llmjudge.generation.engine.loading import fill
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
from pytest_llmjudge.generation.engine.scheduler import decode
from pytest_llmjudge.generation.families.describe import plan_of_folder
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable

    from generation import Texts

Theirs = Any  # transformers has no types


class Shape(NamedTuple):
    """A published model: transformers' name of its architecture, and its sizes."""

    kind: str
    sizes: dict[str, Any]


SHAPES = {
    "SmolLM2-135M": Shape(
        "llama",
        {
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "vocab_size": 49152,
            "max_position_embeddings": 8192,
            "rope_theta": 100000.0,
        },
    ),
    "Qwen2.5-0.5B": Shape(
        "qwen2",
        {
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
            "max_position_embeddings": 32768,
            "rope_theta": 1000000.0,
        },
    ),
}


def make(shape: Shape) -> Theirs:
    """Make transformers' model; its head is its own, so that it can be fitted to answers."""
    config = AutoConfig.for_model(shape.kind, **shape.sizes, tie_word_embeddings=False)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(requires_grad=False)
    # So that a state tells what came before it, and not its newest token alone.
    for weight in model.model.layers.parameters():
        if weight.dim() == 2:
            weight.mul_(2)
    return model


def renumber(job: Job, vocabulary: int) -> Job:
    """Give tokens numbers below that of the end, which is the vocabulary's last."""
    prompts, answers = (
        [[token % (vocabulary - 1) for token in row] for row in rows]
        for rows in (job.prompts, job.answers)
    )
    return Job(prompts, answers, job.ends)


def recite(model: Theirs, job: Job, end: int) -> None:
    """Fit the output head so that greedy decoding answers the job's prompts with its answers."""
    states, targets = [], []
    with torch.inference_mode():
        for prompt, answer in zip(job.prompts, job.answers, strict=True):
            hidden = model.model(torch.tensor([prompt + answer])).last_hidden_state
            states.append(hidden[0, len(prompt) - 1 :])
            targets += [*answer, end]
    fit_head(model.lm_head.weight, torch.cat(states).clone(), targets)


def hugging_face(model: Theirs, end: int, batch_size: int, job: Job) -> Texts:
    """Answer by `generate`, in batches of similar length, padded on the left."""
    order = sorted(range(len(job.prompts)), key=lambda i: len(job.prompts[i]))
    texts: Texts = [[] for _ in order]
    for first in range(0, len(order), batch_size):
        batch = order[first : first + batch_size]
        width = max(len(job.prompts[i]) for i in batch)
        rows = [[end] * (width - len(job.prompts[i])) + job.prompts[i] for i in batch]
        seen = [[0] * (width - len(job.prompts[i])) + [1] * len(job.prompts[i]) for i in batch]
        ids = model.generate(
            torch.tensor(rows),
            attention_mask=torch.tensor(seen),
            do_sample=False,
            max_new_tokens=LONGEST if job.ends else len(job.answers[0]),
            eos_token_id=end if job.ends else None,
            pad_token_id=end,
        )
        for i, row in zip(batch, ids.tolist(), strict=True):
            text = row[width:]
            texts[i] = text[: text.index(end)] if job.ends and end in text else text
    return texts


def this_package(model: Theirs, dtype: torch.dtype, end: int) -> Callable[[Job], Texts]:
    """Prepare this package's decoder with the weights of a model of transformers'."""
    path, state = Path("model"), model.state_dict()
    config = native_config(model.config.to_dict())
    plan = plan_of_folder(path, config, {name: tuple(one.shape) for name, one in state.items()})
    cpu = torch.device("cpu")
    ours = fill(
        path, partial(Transformer, config), plan, state.__getitem__, device=cpu, dtype=dtype
    )
    if packable(ours):
        pack(ours)

    def run(job: Job) -> Texts:
        most = LONGEST if job.ends else len(job.answers[0])
        slots = texts_at_a_time(ours, max(map(len, job.prompts)) + most)
        ends = {end} if job.ends else ()
        texts = decode(ours, job.prompts, [most] * len(job.prompts), ends=ends, slots=slots)
        return [text.ids or [] for text in sorted(texts)]

    return run


def main() -> None:
    """Print a table for each way that texts end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="SmolLM2-135M")
    parser.add_argument("--prompts", type=int, default=110)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    parser.add_argument("--bfloat16", action="store_true", help="Compare with this too")
    options = parser.parse_args()
    torch.manual_seed(0)
    shape = SHAPES[options.shape]
    theirs, end = make(shape), shape.sizes["vocab_size"] - 1
    whole = renumber(read_job(), shape.sizes["vocab_size"])
    recite(theirs, whole, end)
    job = whole.part(options.prompts)
    contenders = [
        Contender(
            f"Hugging Face, batch {size}",
            partial(hugging_face, theirs, end, size),
            options.prompts,
        )
        for size in options.batch_sizes
    ]
    ours = this_package(theirs, torch.float32, end)
    contenders.append(Contender("this package", ours, options.prompts))
    if options.bfloat16:
        half = this_package(deepcopy(theirs), torch.bfloat16, end)
        contenders.append(Contender("this package, bfloat16", half, options.prompts))
    gc.collect()
    print(f"{options.shape}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    fixed = Job(job.prompts, [[0] * options.max_new_tokens] * options.prompts, ends=False)
    for title, work in (("recorded answers", job), ("one length", fixed)):
        print(f"\n{title}, {work.tokens} tokens")
        compare(work, contenders, options.repeats, most=float("nan"))


if __name__ == "__main__":
    main()
