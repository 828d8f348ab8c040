"""Compares generation with the lecture's loop, with Hugging Face's, and if asked with llama.cpp's.

All decode greedily with the same weights of GPT-2's shape. The prompts are the lecture's 110 test
records, read from $LLMJUDGE_REAL_DATA; without it they are random tokens of similar lengths. Texts
have one length, or they are the recorded answers and end where those end: the random weights are
fitted so that greedy decoding recites them.

Beside other busy programs set OMP_WAIT_POLICY=PASSIVE, as the plugin does for itself.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch
from llms_from_scratch.ch04 import GPTModel as LectureModel
from llms_from_scratch.ch04 import generate_text_simple
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

from pytest_llmjudge.data import Record
from pytest_llmjudge.generation.engine.batch_size import texts_at_a_time
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
from pytest_llmjudge.generation.engine.scheduler import decode
from pytest_llmjudge.generation.families.decoder import causal_attends
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from pytest_llmjudge.records.prompts import instruction_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZES = {
    "124M": GPTConfig(50257, 1024, 768, n_heads=12, n_layers=12, qkv_bias=True),
    "355M": GPTConfig(50257, 1024, 1024, n_heads=16, n_layers=24, qkv_bias=True),
}
BATCH_SIZES = (8, 32, 110)
LONGEST = 257
END = 50256

Texts = list[list[int]]
Result = TypeVar("Result")


class Job(NamedTuple):
    """Prompts as token ids, the texts that answer them, and whether those end by themselves."""

    prompts: list[list[int]]
    answers: list[list[int]]
    ends: bool

    def part(self, size: int) -> Job:
        """Take prompts spread evenly over the job."""
        picked = [len(self.prompts) * i // size for i in range(size)]
        answers = [self.answers[i] for i in picked]
        return Job([self.prompts[i] for i in picked], answers, self.ends)

    @property
    def tokens(self) -> int:
        """How many are generated, end tokens included."""
        return sum(len(answer) + self.ends for answer in self.answers)


class Contender(NamedTuple):
    """A name for the table, what turns a job into texts, and how many prompts it can bear."""

    name: str
    run: Callable[[Job], Texts]
    prompts: int


def read_job() -> Job:
    """Read the lecture's prompts and the recorded answers to them."""
    folder = os.environ.get("LLMJUDGE_REAL_DATA")
    if not folder:
        return made_up_job()
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(folder) / "gpt2-bpe"))
    import tiktoken

    encode = tiktoken.get_encoding("gpt2").encode_ordinary
    file = Path(folder) / "instructions" / "instruction-data-with-response.json"
    records = json.loads(file.read_text(encoding="utf-8"))
    answers = [encode(record["model_response"]) for record in records]
    return Job([encode(prompt_of(record)) for record in records], answers, ends=True)


def prompt_of(fields: dict[str, str]) -> str:
    """Write the lecture's prompt."""
    record = Record("", fields["instruction"], fields["input"], fields["output"], fields)
    return instruction_prompt(record, for_generation=True)


def made_up_job() -> Job:
    """Draw random tokens: a shared preamble, short prompts, a long tail of lengths, one loop."""
    draw = random.Random(0)  # noqa: S311 - nothing here is secret
    preamble = [draw.randrange(50000) for _ in range(24)]

    def some(length: int) -> list[int]:
        return [draw.randrange(50000) for _ in range(length)]

    prompts = [preamble + some(draw.randint(12, 38)) for _ in range(110)]
    answers = [some(min(60, int(draw.lognormvariate(2.4, 0.7)) + 1)) for _ in prompts]
    answers[0] = some(2) * 128
    return Job(prompts, answers, ends=True)


def recite(model: GPTModel, job: Job) -> None:
    """Fit a model's output head so that it answers the job's prompts with the job's answers.

    Its other weights stay as they are. What the answers do not have gets no logit above 0.
    """
    states, targets = [], []
    with torch.inference_mode():
        for prompt, answer in zip(job.prompts, job.answers, strict=True):
            ids = torch.tensor([prompt + answer])
            places = torch.arange(ids.shape[1])
            hidden = model.final_norm(model.hidden(ids, places, causal_attends(model)))
            states.append(hidden[0, len(prompt) - 1 :])
            targets += [*answer, END]
    fit_head(model.out_head.weight, torch.cat(states).clone(), targets)


def fit_head(weight: torch.Tensor, hidden: torch.Tensor, targets: Sequence[int]) -> None:
    """Fit an output head (V, C) that makes each state's (N, C) target (N) the likeliest."""
    used, wanted = torch.unique(torch.tensor(targets), return_inverse=True)
    head = torch.zeros(len(used), hidden.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([head], lr=0.05)
    for _ in range(1000):
        logits = functional.pad(hidden @ head.t(), (0, 1))
        right = logits.gather(1, wanted[:, None]).squeeze(1)
        others = logits.scatter(1, wanted[:, None], -torch.inf).amax(1)
        if (right - others).min() > 1:
            break
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(logits, wanted))
        optimizer.step()
    else:
        message = "the answers could not be fitted"
        raise RuntimeError(message)
    weight.zero_()
    weight[used] = head.detach()


def lecture(model: GPTModel) -> Callable[[Job], Texts]:
    """Prepare `generate_text_simple`: one prompt after the other, without a cache."""
    ours = model.config
    config = {"vocab_size": ours.vocab_size, "context_length": ours.context_length}
    config |= {"emb_dim": ours.emb_dim, "n_heads": ours.n_heads, "n_layers": ours.n_layers}
    theirs = LectureModel({**config, "drop_rate": 0.0, "qkv_bias": ours.qkv_bias}).eval()
    theirs.load_state_dict(model.state_dict(), strict=False)  # all but its causal masks

    def run(job: Job) -> Texts:
        texts = []
        for ids, answer in zip(job.prompts, job.answers, strict=True):
            # It does not stop at the end token, so it is told when.
            length = len(answer) + job.ends
            text = generate_text_simple(theirs, torch.tensor([ids]), length, ours.context_length)
            texts.append(text[0, len(ids) : len(ids) + len(answer)].tolist())
        return texts

    return run


def hugging_face(model: GPTModel) -> Callable[[int], Callable[[Job], Texts]]:
    """Prepare `generate`: batches of similar length, padded on the left."""
    sizes = model.config
    config = GPT2Config(
        n_embd=sizes.emb_dim,
        n_head=sizes.n_heads,
        n_layer=sizes.n_layers,
        tie_word_embeddings=False,
    )
    theirs = GPT2LMHeadModel(config).eval().to(model.tok_emb.weight.dtype)
    theirs.load_state_dict(hugging_face_names(model))

    def run(batch_size: int, job: Job) -> Texts:
        order = sorted(range(len(job.prompts)), key=lambda i: len(job.prompts[i]))
        texts: Texts = [[] for _ in order]
        most = LONGEST if job.ends else len(job.answers[0])
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            prompts = [job.prompts[i] for i in batch]
            width = max(map(len, prompts))
            rows = [[END] * (width - len(prompt)) + prompt for prompt in prompts]
            seen = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
            ids = theirs.generate(
                torch.tensor(rows),
                attention_mask=torch.tensor(seen),
                do_sample=False,
                max_new_tokens=most,
                eos_token_id=END if job.ends else None,
                pad_token_id=END,
            )
            for i, row in zip(batch, ids.tolist(), strict=True):
                text = row[width:]
                texts[i] = text[: text.index(END)] if job.ends and END in text else text
        return texts

    return lambda batch_size: partial(run, batch_size)


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
        most = LONGEST if job.ends else len(job.answers[0])
        slots = texts_at_a_time(model, max(map(len, job.prompts)) + most)
        limits = [most] * len(job.prompts)
        ends = {END} if job.ends else ()
        texts = decode(model, job.prompts, limits, ends=ends, slots=slots)
        return [text.ids or [] for text in sorted(texts)]

    return run


def llama_cpp(model: GPTModel) -> Callable[[Job], Texts]:
    """Prepare llama.cpp, which rounds weights to float16, with as many texts at a time as here."""
    from llamacpp import LlamaCpp

    theirs = LlamaCpp(model)

    def run(job: Job) -> Texts:
        most = LONGEST if job.ends else len(job.answers[0])
        return theirs.answer(job.prompts, most, END if job.ends else None, shared_prefix(job))

    return run


def shared_prefix(job: Job) -> int:
    """Count the tokens that all prompts of a job begin with."""
    return len(os.path.commonprefix(job.prompts))  # noqa: RUF071 - of lists, not of paths


def measure(run: Callable[[Job], Texts], job: Job, repeats: int) -> tuple[float, Texts]:
    """Run something a few times: the median of tokens/s, and the last texts."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        texts = run(job)
        seconds.append(time.perf_counter() - start)
    return job.tokens / statistics.median(seconds), texts


def compare(job: Job, contenders: Sequence[Contender], repeats: int, most: float) -> None:
    """Run each contender on its part of the job, and print a line for each."""
    heads = ("tokens/s", "x lecture", "x best HF", "x roofline", "same texts")
    print(f"{'':24}{'prompts':>8}" + "".join(f"{head:>12}" for head in heads))
    speeds: dict[str, float] = {}
    slow = not_the_best(job, [one for one in contenders if one.name.startswith("Hugging Face")])
    expected: Texts | None = job.answers if job.ends else None
    for name, run, prompts in contenders:
        part = job.part(prompts)
        speeds[name], texts = measure(run, part, 1 if name in slow else repeats)
        if expected is None and len(texts) == len(job.prompts):
            expected = texts
        whole = job._replace(answers=expected) if expected is not None else None
        wanted = texts if whole is None else whole.part(prompts).answers
        same = sum(ours == theirs for ours, theirs in zip(texts, wanted, strict=True))
        peers = [speed for peer, speed in speeds.items() if peer.startswith("Hugging Face")]
        ratios = [speeds[name] / next(iter(speeds.values()))]
        ratios += [speeds[name] / max(peers)] if peers else [float("nan")]
        ratios += [speeds[name] / most]
        columns = "".join(f"{ratio:12.2f}" for ratio in ratios)
        print(f"{name:24}{prompts:8}{speeds[name]:12.1f}{columns}{same:8}/{len(texts)}", flush=True)


def not_the_best(job: Job, contenders: Sequence[Contender]) -> set[str]:
    """Name those that are not the fastest: to run them as often as that one would take long."""
    speeds = {name: measure(run, job.part(prompts), 1)[0] for name, run, prompts in contenders}
    return {name for name in speeds if speeds[name] < max(speeds.values())}


def fastest(work: Callable[[], Result], repeats: int) -> float:
    """Run something a few times, and return the seconds of the fastest run."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure_machine(dtype: torch.dtype) -> tuple[float, float]:
    """Measure the fastest product (FLOP/s) and reading of memory (bytes/s)."""
    model = GPTModel(GPTConfig(2048, 1, 2048, n_heads=1, n_layers=0, qkv_bias=False)).to(dtype)
    model.requires_grad_(requires_grad=False)
    x = torch.randn(2048, 2048).to(dtype)
    seconds = [fastest(lambda: model.out_head(x), 10)]
    if packable(model):
        pack(model)
        seconds.append(fastest(lambda: model.out_head(x), 10))
    block = torch.ones(1 << 28)
    return 2 * 2048**3 / min(seconds), block.nbytes / fastest(block.sum, 5)


def roofline(sizes: GPTConfig, job: Job, machine: tuple[float, float], width: int) -> float:
    """Bound the tokens/s of a job of which 32 texts run at a time, each one token a pass.

    Each product has to be computed once, and each weight and key and value read once a pass. Where
    tokens are guessed ahead there are fewer passes, so that the bound can be passed.
    """
    flops, bandwidth = machine
    tokens = job.tokens
    blocks = 12 * sizes.n_layers * sizes.emb_dim**2
    head = sizes.vocab_size * sizes.emb_dim
    shared = shared_prefix(job)
    own = [len(prompt) - shared for prompt in job.prompts]
    lengths = [len(answer) + job.ends for answer in job.answers]
    computing = 2 * (blocks * (shared + sum(own) + tokens) + head * tokens) / flops
    passes = max(-(-tokens // 32), *lengths)
    columns = sum(n * (size + n / 2) for size, n in zip(own, lengths, strict=True))
    remembered = 2 * sizes.n_layers * sizes.emb_dim * (columns + passes * shared)
    reading = width * (passes * (blocks + head) + remembered) / bandwidth
    return tokens / max(computing, reading)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare generation speeds.")
    parser.add_argument("--size", choices=SIZES, default="124M", help="(default: %(default)s)")
    parser.add_argument("--prompts", type=int, default=110, help="(default: %(default)s)")
    parser.add_argument(
        "--lecture-prompts",
        type=int,
        default=4,
        help="How many of them the lecture's slow loop answers (default: %(default)s)",
    )
    parser.add_argument(
        "--max-new-tokens", type=int, default=64, help="In the second table (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="The median counts (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=BATCH_SIZES,
        help="Of Hugging Face's generate, of which the best counts (default: %(default)s)",
    )
    parser.add_argument(
        "--llama-cpp",
        action="store_true",
        help="Compare with llama.cpp too (needs llama-cpp-python and gguf)",
    )
    return parser.parse_args()


def main() -> None:
    """Print the machine's limits, and a table for each way that texts end."""
    options = parse_options()
    torch.manual_seed(0)
    torch.set_grad_enabled(True)
    sizes = SIZES[options.size]
    whole = read_job()
    model = GPTModel(sizes).eval().requires_grad_(requires_grad=False)
    # So that a state tells what came before it, and not its newest token alone.
    for weight in model.trf_blocks.parameters():
        if weight.dim() == 2:
            weight.mul_(2)
    recite(model, whole)
    job = whole.part(options.prompts)
    theirs = hugging_face(model)
    contenders = [
        Contender("lecture", lecture(model), min(options.lecture_prompts, options.prompts)),
        *(
            Contender(f"Hugging Face, batch {size}", theirs(size), options.prompts)
            for size in options.batch_sizes
        ),
    ]
    if options.llama_cpp:
        contenders.append(Contender("llama.cpp, float16", llama_cpp(model), options.prompts))
    half = GPTModel(sizes).eval().requires_grad_(requires_grad=False)
    half.load_state_dict(model.state_dict())
    half.to(torch.bfloat16)
    contenders.append(Contender("this package", this_package(model), options.prompts))
    # A CPU that does not multiply such numbers is slower with them.
    if packable(half):
        contenders.append(Contender("this package, bfloat16", this_package(half), options.prompts))
    gc.collect()
    machine = measure_machine(torch.float32)
    flops, bandwidth = machine
    half_flops = measure_machine(torch.bfloat16)[0]
    threads = f"{torch.get_num_threads()} threads"
    print(f"GPT-2 {options.size}, {threads}, torch {torch.__version__}", end="")
    print(f": {flops / 1e9:.0f} GFLOP/s in float32, {half_flops / 1e9:.0f} in bfloat16, ", end="")
    print(f"{bandwidth / 1e9:.1f} GB/s from memory; median of {options.repeats}")
    fixed = Job(job.prompts, [[0] * options.max_new_tokens] * options.prompts, ends=False)
    for title, work in (("recorded answers", job), ("one length", fixed)):
        lengths = [len(answer) for answer in work.answers]
        most = roofline(sizes, work, machine, width=4)
        print(f"\n{title}, {min(lengths)} to {max(lengths)} tokens, {work.tokens} in all", end=": ")
        print(f"at most {most:.0f} tokens/s in float32 on this machine")
        compare(work, contenders, options.repeats, most)


if __name__ == "__main__":
    main()
