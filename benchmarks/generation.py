"""Compares generation with the lecture's loop and with Hugging Face's.

All three decode greedily, in float32, with the same random weights of GPT-2 124M's shape. The
prompts are the lecture's 110 test records, read from $LLMJUDGE_REAL_DATA; without it they are
random tokens of similar lengths. Texts have one length, or end where the recorded answers end.

Beside other busy programs set OMP_WAIT_POLICY=PASSIVE, as the plugin does for itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch
from llms_from_scratch.ch04 import GPTModel as LectureModel
from llms_from_scratch.ch04 import generate_text_simple
from transformers import GPT2Config, GPT2LMHeadModel, StoppingCriteria, StoppingCriteriaList

from pytest_llmjudge.data import Record
from pytest_llmjudge.generation.decoding import decode
from pytest_llmjudge.generation.gpt import GPTConfig, GPTModel
from pytest_llmjudge.generation.packing import pack, packable
from pytest_llmjudge.prompts import instruction_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GPT2_SMALL = GPTConfig(50257, 1024, 768, n_heads=12, n_layers=12, qkv_bias=True)
BATCH = 32

Texts = list[list[int]]
Result = TypeVar("Result")


class Job(NamedTuple):
    """Prompts as token ids, and how many tokens each is to be followed by."""

    prompts: list[list[int]]
    lengths: list[int]

    def part(self, size: int) -> Job:
        """Take prompts spread evenly over the job."""
        picked = [len(self.prompts) * i // size for i in range(size)]
        return Job([self.prompts[i] for i in picked], [self.lengths[i] for i in picked])


class Contender(NamedTuple):
    """A name for the table, and what turns a job into texts."""

    name: str
    run: Callable[[Job], Texts]


def read_job() -> Job:
    """Read the lecture's prompts, and the lengths of the recorded answers to them."""
    folder = os.environ.get("LLMJUDGE_REAL_DATA")
    if not folder:
        return made_up_job()
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(folder) / "gpt2-bpe"))
    import tiktoken

    encode = tiktoken.get_encoding("gpt2").encode_ordinary
    file = Path(folder) / "instructions" / "instruction-data-with-response.json"
    records = json.loads(file.read_text(encoding="utf-8"))
    lengths = [max(1, len(encode(record["model_response"]))) for record in records]
    return Job([encode(prompt_of(record)) for record in records], lengths)


def prompt_of(fields: dict[str, str]) -> str:
    """Write the lecture's prompt."""
    record = Record("", fields["instruction"], fields["input"], fields["output"], fields)
    return instruction_prompt(record, for_generation=True)


def made_up_job() -> Job:
    """Draw random tokens: a shared preamble, short prompts, and a long tail of lengths."""
    draw = random.Random(0)  # noqa: S311 - nothing here is secret
    sizes = [draw.randint(12, 38) for _ in range(110)]
    preamble = [draw.randrange(50000) for _ in range(24)]
    prompts = [preamble + [draw.randrange(50000) for _ in range(size)] for size in sizes]
    return Job(prompts, [min(256, int(draw.lognormvariate(2.4, 0.7)) + 1) for _ in prompts])


def lecture(model: GPTModel) -> Callable[[Job], Texts]:
    """Prepare `generate_text_simple`: one prompt after the other, without a cache."""
    ours = model.config
    config = {"vocab_size": ours.vocab_size, "context_length": ours.context_length}
    config |= {"emb_dim": ours.emb_dim, "n_heads": ours.n_heads, "n_layers": ours.n_layers}
    theirs = LectureModel({**config, "drop_rate": 0.0, "qkv_bias": ours.qkv_bias}).eval()
    theirs.load_state_dict(model.state_dict(), strict=False)  # all but its causal masks

    def run(job: Job) -> Texts:
        texts = []
        for ids, length in zip(job.prompts, job.lengths, strict=True):
            text = generate_text_simple(theirs, torch.tensor([ids]), length, ours.context_length)
            texts.append(text[0, len(ids) :].tolist())
        return texts

    return run


def hugging_face(model: GPTModel) -> Callable[[Job], Texts]:
    """Prepare `generate`: batches of similar length, padded on the left."""
    theirs = GPT2LMHeadModel(GPT2Config(tie_word_embeddings=False)).eval()
    theirs.load_state_dict(hugging_face_names(model))
    pad = theirs.config.eos_token_id

    def run(job: Job) -> Texts:
        order = sorted(range(len(job.prompts)), key=lambda i: len(job.prompts[i]))
        texts: Texts = [[] for _ in order]
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            prompts = [job.prompts[i] for i in batch]
            lengths = torch.tensor([job.lengths[i] for i in batch])
            width = max(map(len, prompts))
            rows = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
            seen = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
            ids = theirs.generate(
                torch.tensor(rows),
                attention_mask=torch.tensor(seen),
                do_sample=False,
                min_new_tokens=int(lengths.max()),
                max_new_tokens=int(lengths.max()),
                pad_token_id=pad,
                stopping_criteria=StoppingCriteriaList([StopAt(width + lengths)]),
            )
            for i, row in zip(batch, ids.tolist(), strict=True):
                texts[i] = row[width : width + job.lengths[i]]
        return texts

    return run


class StopAt(StoppingCriteria):  # type: ignore[misc]
    """Ends each row of a batch at its own length, and the batch with its last row."""

    def __init__(self, ends: torch.Tensor) -> None:
        self.ends = ends

    def __call__(self, input_ids: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        """Tell which rows are done."""
        return input_ids.shape[1] >= self.ends


def hugging_face_names(model: GPTModel) -> dict[str, torch.Tensor]:
    """Rename and transpose weights as `GPT2LMHeadModel` wants them."""
    ours = model.state_dict()
    theirs = {
        "transformer.wte.weight": ours["tok_emb.weight"],
        "transformer.wpe.weight": ours["pos_emb.weight"],
        "transformer.ln_f.weight": ours["final_norm.scale"],
        "transformer.ln_f.bias": ours["final_norm.shift"],
        "lm_head.weight": ours["out_head.weight"],
    }
    same = {"att.out_proj": "attn.c_proj", "ff.layers.0": "mlp.c_fc", "ff.layers.2": "mlp.c_proj"}
    for layer in range(model.config.n_layers):
        old, new = f"trf_blocks.{layer}.", f"transformer.h.{layer}."
        for kind in ("weight", "bias"):
            qkv = [ours[f"{old}att.W_{name}.{kind}"] for name in ("query", "key", "value")]
            theirs[f"{new}attn.c_attn.{kind}"] = torch.cat(qkv).t()
            for here, there in same.items():
                theirs[f"{new}{there}.{kind}"] = ours[f"{old}{here}.{kind}"].t()
        for norm in ("1", "2"):
            theirs[f"{new}ln_{norm}.weight"] = ours[f"{old}norm{norm}.scale"]
            theirs[f"{new}ln_{norm}.bias"] = ours[f"{old}norm{norm}.shift"]
    return theirs


def this_package(model: GPTModel) -> Callable[[Job], Texts]:
    """Prepare this package's decoder; it repacks the model, so it comes last."""
    if packable(model):
        pack(model)

    def run(job: Job) -> Texts:
        texts = decode(model, job.prompts, job.lengths, end=None, slots=BATCH)
        return [text.ids for text in sorted(texts)]

    return run


def compare(job: Job, contenders: Sequence[Contender], parts: Sequence[int], repeats: int) -> None:
    """Run each contender on its part of the job, and print a line for each."""
    print(f"{'':16}{'prompts':>8}{'tokens/s':>10}{'x lecture':>11}{'x HF':>7}{'same tokens':>13}")
    speeds: list[float] = []
    texts: dict[tuple[int, ...], list[int]] = {}
    for (name, run), size in zip(contenders, parts, strict=True):
        part = job.part(size)
        seconds, found = fastest(partial(run, part), repeats)
        speeds.append(sum(part.lengths) / seconds)
        ratios = [f"{speeds[-1] / speed:.2f}" for speed in speeds[:2]] + [""]
        pairs = zip(part.prompts, found, strict=True)
        same = [texts.setdefault(tuple(prompt), text) == text for prompt, text in pairs]
        line = f"{name:16}{size:8}{speeds[-1]:10.1f}{ratios[0]:>11}{ratios[1]:>7}"
        print(f"{line}{sum(same):9}/{len(same)}", flush=True)


def fastest(work: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """Run something a few times: the seconds of the fastest run, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def measure_machine() -> tuple[float, float]:
    """Measure the fastest float32 product (FLOP/s) and reading of memory (bytes/s)."""
    model = GPTModel(GPTConfig(2048, 1, 2048, n_heads=1, n_layers=0, qkv_bias=False))
    x = torch.randn(2048, 2048)
    seconds = [fastest(lambda: model.out_head(x), 10)[0]]
    if packable(model):
        pack(model)
        seconds.append(fastest(lambda: model.out_head(x), 10)[0])
    block = torch.ones(1 << 28)
    return 2 * 2048**3 / min(seconds), block.nbytes / fastest(block.sum, 5)[0]


def roofline(job: Job, flops: float, bandwidth: float) -> float:
    """Bound the tokens/s of a job in batches of 32.

    Each product has to be computed once, and each weight and key and value read once a pass.
    """
    tokens, sizes = sum(job.lengths), GPT2_SMALL
    blocks = 12 * sizes.n_layers * sizes.emb_dim**2
    head = sizes.vocab_size * sizes.emb_dim
    shared = len(os.path.commonprefix(job.prompts))  # noqa: RUF071 - of lists, not of paths
    own = [len(prompt) - shared for prompt in job.prompts]
    computing = 2 * (blocks * (shared + sum(own) + tokens) + head * tokens) / flops
    passes = max(-(-tokens // BATCH), *job.lengths)
    columns = sum(n * (size + n / 2) for size, n in zip(own, job.lengths, strict=True))
    remembered = 2 * sizes.n_layers * sizes.emb_dim * (columns + passes * shared)
    reading = 4 * (passes * (blocks + head) + remembered) / bandwidth
    return tokens / max(computing, reading)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare generation speeds.")
    parser.add_argument("--prompts", type=int, default=110, help="(default: %(default)s)")
    parser.add_argument(
        "--lecture-prompts",
        type=int,
        default=6,
        help="How many of them the lecture's slow loop answers (default: %(default)s)",
    )
    parser.add_argument(
        "--max-new-tokens", type=int, default=64, help="In the first table (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=2, help="The fastest counts (default: %(default)s)"
    )
    return parser.parse_args()


def main() -> None:
    """Print the machine's limits, and a table for each way that texts end."""
    options = parse_options()
    torch.manual_seed(0)
    model = GPTModel(GPT2_SMALL).eval()
    contenders = [
        Contender("lecture", lecture(model)),
        Contender("Hugging Face", hugging_face(model)),
        Contender("this package", this_package(model)),
    ]
    real = read_job().part(options.prompts)
    fixed = Job(real.prompts, [options.max_new_tokens] * options.prompts)
    flops, bandwidth = measure_machine()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}", end=": ")
    print(f"{flops / 1e9:.0f} GFLOP/s in float32, {bandwidth / 1e9:.1f} GB/s from memory")
    parts = (min(options.lecture_prompts, options.prompts), options.prompts, options.prompts)
    for title, job in (("one length", fixed), ("recorded lengths", real)):
        print(f"\n{title}, {min(job.lengths)} to {max(job.lengths)} tokens a text", end=": ")
        print(f"at most {roofline(job, flops, bandwidth):.0f} tokens/s on this machine")
        compare(job, contenders, parts, options.repeats)


if __name__ == "__main__":
    main()
