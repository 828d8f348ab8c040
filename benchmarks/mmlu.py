"""MMLU beside lm-evaluation-harness: questions a second, and the same answers.

GPT-2 124M's shape or another model's with random weights, float32, on the CPU, 5 shots, three
subjects. Three contenders answer the same questions: lm-evaluation-harness with its ``hf`` model at
its best batch size, a plain loop with one pass for each prompt, and this package. In mode
``lm-eval`` every prediction of the harness has to be ours.

    python benchmarks/mmlu.py [path/of/mmlu] [--limit 40] [--subjects anatomy ...]
    python benchmarks/mmlu.py --shape SmolLM2-135M --begins

Other models than GPT-2's are Hugging Face folders with GPT-2's tokenizer, which with ``--begins``
puts a token in front of each text. The questions are those in $LLMJUDGE_REAL_DATA/mmlu, without it
the example's own. GPT-2's tokenizer comes from TIKTOKEN_CACHE_DIR, so that nothing is downloaded.
Beside other busy programs set OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("TQDM_DISABLE", "1")

import lm_eval
import tiktoken
import torch
from families import SHAPES, make
from harness_models import our_copy, write_model
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import GPT2Config, GPT2LMHeadModel

from pytest_llmjudge.decisions.accuracy import best
from pytest_llmjudge.generation.engine.loglikelihood import score_contexts
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.kinds.mmlu_run import alike
from pytest_llmjudge.mmlu.files import LETTERS, open_mmlu
from pytest_llmjudge.mmlu.prompts import make_task
from pytest_llmjudge.pipeline.scoring_model import encoded_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Context
    from pytest_llmjudge.mmlu.prompts import Task
    from pytest_llmjudge.mmlu.results import MMLUQuestion

Theirs = Any  # transformers has no types

SHOTS = 5
CONTEXT = 1024
BATCHES = (1, 4, 8)
SUBJECTS = ("abstract_algebra", "anatomy", "machine_learning")

GPT2 = "GPT-2 124M"
Encode = Callable[[str], list[int]]
Score = Callable[[Sequence["Context"]], "Iterator[list[float]]"]
Exam = dict[str, tuple[tuple["MMLUQuestion", ...], tuple["MMLUQuestion", ...]]]


def write_tasks(folder: Path, exam: Exam) -> None:
    """Write the harness's task ``mmlu`` for our questions, as local files."""
    for subject, (questions, shots) in exam.items():
        files = {}
        for split, rows in (("test", questions), ("dev", shots)):
            path = folder / f"{subject}_{split}.jsonl"
            lines = [
                json.dumps({"question": q.question, "choices": q.choices, "answer": q.answer})
                for q in rows
            ]
            path.write_text("\n".join(lines), encoding="utf-8")
            files[split] = str(path)
        about = subject.replace("_", " ")
        task = {
            "task": f"local_{subject}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            "test_split": "test",
            "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"},
            "num_fewshot": SHOTS,
            "output_type": "multiple_choice",
            "description": (
                f"The following are multiple choice questions (with answers) about {about}.\n\n"
            ),
            "doc_to_text": (
                "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\n"
                "D. {{choices[3]}}\nAnswer:"
            ),
            "doc_to_choice": list(LETTERS),
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        # JSON is YAML.
        (folder / f"{subject}.yaml").write_text(json.dumps(task), encoding="utf-8")


def harness(
    model: HFLM, folder: Path, subjects: Sequence[str], limit: int | None, batch: int
) -> tuple[float, dict[str, list[int]]]:
    """Time lm-evaluation-harness; return seconds and its predictions."""
    model.batch_size_per_gpu = batch
    started = time.perf_counter()
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[f"local_{subject}" for subject in subjects],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        limit=limit,
        bootstrap_iters=0,
        log_samples=True,
    )
    seconds = time.perf_counter() - started
    predictions = {}
    for subject in subjects:
        samples = sorted(results["samples"][f"local_{subject}"], key=lambda one: int(one["doc_id"]))
        predictions[subject] = [
            best([float(pair[0]) for pair in sample["filtered_resps"]]) for sample in samples
        ]
    return seconds, predictions


def make_tasks(exam: Exam, mode: str, encode: Encode) -> dict[str, list[Task]]:
    """Write all questions as tokens."""
    return {
        subject: [
            make_task(subject, shots, question, mode, encode=encode, context=CONTEXT)
            for question in questions
        ]
        for subject, (questions, shots) in exam.items()
    }


def ours(
    score: Score, encode: Encode, exam: Exam, mode: str
) -> tuple[float, dict[str, list[list[float]]]]:
    """Time this package, tokens included; return seconds and log-probabilities."""
    started = time.perf_counter()
    logprobs: dict[str, list[list[float]]] = {}
    for subject, tasks in make_tasks(exam, mode, encode).items():
        scores: dict[int, list[float]] = {}
        for numbers in alike(tasks):
            given = score([one for at in numbers for one in tasks[at].contexts])
            for at in numbers:
                scores[at] = [value for _ in tasks[at].contexts for value in next(given)]
        logprobs[subject] = [scores[at] for at in range(len(tasks))]
    return time.perf_counter() - started, logprobs


@torch.inference_mode()
def plainly(
    model: Theirs, encode: Encode, exam: Exam
) -> tuple[float, dict[str, list[list[float]]]]:
    """Time a loop with one pass for each prompt; return seconds and log-probabilities."""
    started = time.perf_counter()
    logprobs: dict[str, list[list[float]]] = {}
    for subject, tasks in make_tasks(exam, "letters", encode).items():
        logprobs[subject] = []
        for task in tasks:
            (context,) = task.contexts
            logits = model(torch.tensor([context.ids]), logits_to_keep=1).logits[0, -1]
            logs = logits.log_softmax(-1)
            logprobs[subject].append([float(logs[branch[0]]) for branch in context.branches])
    return time.perf_counter() - started, logprobs


def default_data() -> Path:
    """Where MMLU is unless it is named."""
    real = os.environ.get("LLMJUDGE_REAL_DATA")
    return Path(real) / "mmlu" if real else Path(__file__).parents[1] / "example_suite" / "mmlu"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mmlu", type=Path, nargs="?", default=default_data())
    parser.add_argument("--limit", type=int, default=40, help="questions of a subject")
    parser.add_argument("--subjects", nargs="+")
    parser.add_argument("--shape", choices=[GPT2, *SHAPES], default=GPT2)
    parser.add_argument("--begins", action="store_true", help="a token in front of each text")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    data = open_mmlu(options.mmlu)
    options.subjects = (
        options.subjects
        or [subject for subject in (*SUBJECTS, *data.subjects) if subject in data.subjects][
            : len(SUBJECTS)
        ]
    )
    exam: Exam = {
        subject: (data.questions(subject)[: options.limit], data.shots(subject, SHOTS))
        for subject in options.subjects
    }
    total = sum(len(questions) for questions, _ in exam.values())
    torch.manual_seed(0)
    is_gpt2 = options.shape == GPT2
    theirs: Theirs = GPT2LMHeadModel(GPT2Config()).eval()
    if not is_gpt2:
        shape = SHAPES[options.shape]
        rows = max(GPT2Config().vocab_size, shape.sizes["vocab_size"])
        theirs = make(shape._replace(sizes={**shape.sizes, "vocab_size": rows}))
    print(f"{total} questions of {', '.join(exam)}, {SHOTS} shots, {options.shape}, float32, CPU")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder, theirs, begins=options.begins)
        encode: Encode = tiktoken.get_encoding("gpt2").encode_ordinary
        if is_gpt2:
            score: Score = partial(score_contexts, our_copy(folder))
        else:
            mine = HuggingFaceModel(folder)
            encode, score = partial(encoded_prompt, mine), mine.score
            encode("loaded before the clock starts")
        write_tasks(folder, exam)
        model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", max_length=CONTEXT)
        trials = {
            batch: harness(model, folder, options.subjects[:1], 12, batch)[0] for batch in BATCHES
        }
        batch = min(trials, key=lambda one: trials[one])
        harness_seconds, predictions = harness(model, folder, options.subjects, None, batch)
        plain_seconds, plain = plainly(theirs, encode, exam)
        our_seconds, letters = ours(score, encode, exam, "letters")
        _, as_harness = ours(score, encode, exam, "lm-eval")

    for contender, seconds in (
        (f"lm-evaluation-harness, batch {batch}", harness_seconds),
        ("a pass for each prompt", plain_seconds),
        ("this package", our_seconds),
    ):
        rate = f"{total / seconds:6.2f} questions/s"
        print(f"{contender:32} {rate} {harness_seconds / seconds:6.2f} x the harness")
    worst = max(
        abs(one - other)
        for subject in exam
        for values, others in zip(letters[subject], plain[subject], strict=True)
        for one, other in zip(values, others, strict=True)
    )
    print(f"letters: largest difference of a log-probability from the plain loop {worst:.1e}")
    for subject, (questions, _) in exam.items():
        our_predictions = [best(values) for values in as_harness[subject]]
        right = [question.answer for question in questions]
        accuracies = [
            sum(map(int.__eq__, chosen, right)) / len(right)
            for chosen in (predictions[subject], our_predictions)
        ]
        same = sum(map(int.__eq__, our_predictions, predictions[subject]))
        print(
            f"lm-eval {subject}: accuracy of the harness {accuracies[0]:.4f}, ours "
            f"{accuracies[1]:.4f}; {same} of {len(right)} predictions are equal"
        )


if __name__ == "__main__":
    main()
