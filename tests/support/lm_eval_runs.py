"""lm-evaluation-harness itself, with its own tasks on made-up files: what its models answer.

``python -m tests.support.lm_eval_runs`` records what it says of the example's checkpoint, for the tests that run
without it.
"""

from __future__ import annotations

import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("TQDM_DISABLE", "1")

import lm_eval
import torch
import transformers
from lm_eval import tasks
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml

from pytest_llmjudge.generation.tokenizers.byte_pairs import END, parse_ranks
from tests.support.benchmark_sets import SETS, write_set
from tests.support.lm_eval_suites import ANSWERS, EXAMPLE, EXAMPLE_TOKENS
from tests.unit.generation.gpt2 import halves, written

if TYPE_CHECKING:
    from tests.unit.generation.hugging import Theirs

BATCH = 8
RECORDED = Path(__file__).parents[1] / "flow" / "golden" / "lm_eval.json"

TASKS = {
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "mmlu_pro": "leaderboard/mmlu_pro/mmlu_pro.yaml",
    "winogrande": "winogrande/default.yaml",
    "piqa": "piqa/piqa.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "truthfulqa_mc1": "truthfulqa/truthfulqa_mc1.yaml",
    "gsm8k": "gsm8k/gsm8k.yaml",
}
"""Where the task of each preset is in the harness."""


class Choices(NamedTuple):
    """What a model makes of a set with choices.

    Attributes:
        logprobs: For each question those of its choices.
        predictions: For each question the likeliest choice.
        right: For each question whether that is the right one.
        accuracy: Their share.
        right_norm: The same by length, where the task has it.
        accuracy_norm: Their share.
    """

    logprobs: list[list[float]]
    predictions: list[int]
    right: list[bool]
    accuracy: float
    right_norm: list[bool] | None
    accuracy_norm: float | None


class Answers(NamedTuple):
    """What a model answers to a set without choices.

    Attributes:
        texts: For each question.
        extracted: For each filter what it extracts of each text; ``None`` for nothing.
        right: For each filter whether that is right.
        accuracies: For each filter.
    """

    texts: list[str]
    extracted: dict[str, list[str | None]]
    right: dict[str, list[bool]]
    accuracies: dict[str, float]


def make_task(name: str, files: dict[str, Path], shots: int | None) -> Theirs:
    """Make a task as it is installed, whose data alone is another.

    Args:
        name: Of the preset.
        files: The files ``test`` and ``train``.
        shots: ``None`` for the task's own number.
    """
    config = load_yaml(Path(tasks.__file__).parent / TASKS[name])
    # Its splits keep their names: which of them it has also decides how shots are drawn.
    splits = [config.get(key) for key in ("training_split", "validation_split", "test_split")]
    data = {split: str(files["test"]) for split in splits if split}
    shown = config.get("fewshot_split") or config.get("training_split")
    if shown:
        data[shown] = str(files["train"])
    config = {key: value for key, value in config.items() if key not in ("tag", "dataset_name")}
    config |= {"dataset_path": "json", "dataset_kwargs": {"data_files": data}}
    if shots is not None:
        config["num_fewshot"] = shots
    return ConfigurableTask(config=config)


def samples_of(
    model: Theirs, task: Theirs, **options: object
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return what was made of each question, in the order of the file, and the accuracies."""
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[task],
        # To read all of the harness's own tasks takes a minute, and none is looked up.
        task_manager=tasks.TaskManager(include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
        **options,
    )
    (name,) = results["samples"]
    samples = sorted(results["samples"][name], key=lambda one: int(one["doc_id"]))
    return samples, results["results"][name]


def their_choices(
    model: Theirs, name: str, files: dict[str, Path], shots: int | None = None
) -> Choices:
    """Return what the harness makes of a set with choices."""
    samples, shares = samples_of(model, make_task(name, files, shots))
    logprobs = [[float(pair[0]) for pair in sample["filtered_resps"]] for sample in samples]
    has_norm = "acc_norm" in samples[0]
    return Choices(
        logprobs,
        [values.index(max(values)) for values in logprobs],
        [bool(sample["acc"]) for sample in samples],
        shares["acc,none"],
        [bool(sample["acc_norm"]) for sample in samples] if has_norm else None,
        shares["acc_norm,none"] if has_norm else None,
    )


def their_answers(
    model: Theirs, name: str, files: dict[str, Path], tokens: int, shots: int | None = None
) -> Answers:
    """Return what the harness makes of a set without choices, one prompt at a time.

    In a batch a text goes on behind a stop text that is a special token until all others have ended
    too, and what is decoded without special tokens is not cut there.
    """
    task = make_task(name, files, shots)
    model.batch_size_per_gpu = 1
    samples, shares = samples_of(model, task, gen_kwargs={"max_gen_toks": tokens})
    model.batch_size_per_gpu = BATCH
    filters = list(dict.fromkeys(sample["filter"] for sample in samples))
    by_filter = {
        name: [sample for sample in samples if sample["filter"] == name] for name in filters
    }
    return Answers(
        [sample["resps"][0][0] for sample in by_filter[filters[0]]],
        {
            name: [_extracted(sample["filtered_resps"][0]) for sample in those]
            for name, those in by_filter.items()
        },
        {name: [bool(one["exact_match"]) for one in those] for name, those in by_filter.items()},
        {name: shares[f"exact_match,{name}"] for name in filters},
    )


def _extracted(text: str) -> str | None:
    return None if text == "[invalid]" else text


def load_model(folder: Path) -> Theirs:
    """Load a Hugging Face folder as a model of the harness."""
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=BATCH)


def write_example(folder: Path) -> None:
    """Write the example's checkpoint as a Hugging Face folder."""
    state = torch.load(EXAMPLE, weights_only=True)
    end = len(state["tok_emb.weight"]) - 1
    config = transformers.GPT2Config(
        vocab_size=end + 1,
        n_positions=len(state["pos_emb.weight"]),
        n_embd=state["tok_emb.weight"].shape[1],
        n_layer=1 + max(int(name.split(".")[1]) for name in state if "trf_blocks" in name),
        n_head=json.loads(EXAMPLE.with_name("example.config.json").read_text("utf-8"))["n_heads"],
        tie_word_embeddings=False,
        bos_token_id=end,
        eos_token_id=end,
    )
    model = transformers.GPT2LMHeadModel(config)
    model.load_state_dict(_as_gpt2(state, config.n_layer), strict=True)
    model.save_pretrained(folder)
    ranks = parse_ranks(EXAMPLE, EXAMPLE.with_suffix(".tiktoken").read_bytes())
    merged = sorted(ranks, key=ranks.__getitem__)
    merges = [
        (written(a), written(b))
        for token in merged
        if len(token) > 1
        for a, b in pairwise(halves(token, ranks))
    ]
    vocabulary = {written(token): rank for token, rank in ranks.items()}
    transformers.GPT2Tokenizer(vocab={**vocabulary, END: end}, merges=merges).save_pretrained(
        folder
    )


def _as_gpt2(state: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """Return the book's tensors under the names of transformers, whose matrices are turned."""
    names = {
        "attn.c_proj": "att.out_proj",
        "mlp.c_fc": "ff.layers.0",
        "mlp.c_proj": "ff.layers.2",
    }
    theirs = {
        "transformer.wte.weight": state["tok_emb.weight"],
        "transformer.wpe.weight": state["pos_emb.weight"],
        "transformer.ln_f.weight": state["final_norm.scale"],
        "transformer.ln_f.bias": state["final_norm.shift"],
        "lm_head.weight": state["out_head.weight"],
    }
    for layer in range(layers):
        block, other = f"trf_blocks.{layer}", f"transformer.h.{layer}"
        parts = [state[f"{block}.att.W_{part}.weight"] for part in ("query", "key", "value")]
        theirs[f"{other}.attn.c_attn.weight"] = torch.cat(parts).t()
        theirs[f"{other}.attn.c_attn.bias"] = torch.zeros(3 * len(parts[0]))
        for name, ours in names.items():
            theirs[f"{other}.{name}.weight"] = state[f"{block}.{ours}.weight"].t()
            theirs[f"{other}.{name}.bias"] = state[f"{block}.{ours}.bias"]
        for number in (1, 2):
            theirs[f"{other}.ln_{number}.weight"] = state[f"{block}.norm{number}.scale"]
            theirs[f"{other}.ln_{number}.bias"] = state[f"{block}.norm{number}.shift"]
    return theirs


def main() -> None:
    """Record what the harness says of the example's checkpoint."""
    recorded: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_example(folder)
        model = load_model(folder)
        for preset in SETS:
            files = write_set(preset, folder)
            if preset in ANSWERS:
                recorded[preset] = their_answers(model, preset, files, EXAMPLE_TOKENS)._asdict()
                continue
            made = their_choices(model, preset, files)
            logprobs = [[round(value, 5) for value in values] for values in made.logprobs]
            recorded[preset] = made._replace(logprobs=logprobs)._asdict()
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(json.dumps(recorded, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
