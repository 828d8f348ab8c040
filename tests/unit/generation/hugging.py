"""Tiny Hugging Face folders with random weights, as save_pretrained writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.settings import Decoding

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip("transformers")

CONTEXT = 64
CHATML = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
WORDS = ["the thing in the number of words, say please", "Say 1 in words."]
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 1,
}

Theirs = Any  # transformers has no types here


def make_tokenizer(*, template: str | None = CHATML, begins: bool = True) -> Theirs:
    """Bytes and some merges, with the control tokens of ChatML."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=290, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(WORDS * 5, trainer)
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 0)]
        )
    begin, end, *turns = CONTROL
    whole = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token=end,
        additional_special_tokens=turns,
    )
    whole.chat_template = template
    return whole


def make_network(kind: str = "llama", **sizes: object) -> Theirs:
    """A model whose weights are large enough that each token matters."""
    torch.manual_seed(5)
    sizes = {**SIZES, "vocab_size": len(make_tokenizer()), **sizes}
    config = transformers.AutoConfig.for_model(kind, **sizes)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model = model.eval().requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        if "norm" not in name:
            weight.add_(torch.randn_like(weight), alpha=0.25)
    return model


def save_folder(
    folder: Path, kind: str = "llama", *, template: str | None = CHATML, **sizes: object
) -> Theirs:
    """Write a folder, and return its model."""
    model = make_network(kind, **sizes)
    model.save_pretrained(folder)
    make_tokenizer(template=template).save_pretrained(folder)
    return model


@torch.no_grad()
def warm_up(folder: Path) -> None:
    """Import all that a drawn answer to a message needs."""
    save_folder(folder)
    model = HuggingFaceModel(folder, decoding=Decoding(temperature=1.0))
    assert list(model.stream(["a"], max_new_tokens=2, chat=True))


def their_text(model: Theirs, ids: list[int], count: int, ends: tuple[int, ...] = (1,)) -> str:
    """What transformers' own greedy generate, one prompt at a time, lets follow."""
    new = their_ids(model, ids, count, ends)
    text: str = make_tokenizer().decode(new, skip_special_tokens=True)
    return text


@torch.no_grad()
def their_ids(model: Theirs, ids: list[int], count: int, ends: tuple[int, ...] = (1,)) -> list[int]:
    """The tokens of that, without the one that ends them."""
    row = torch.tensor([ids])
    config = transformers.GenerationConfig(
        max_new_tokens=min(count, CONTEXT - len(ids)),
        do_sample=False,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
    )
    output = model.generate(row, attention_mask=torch.ones_like(row), generation_config=config)
    new: list[int] = output[0, len(ids) :].tolist()
    return new[:-1] if new[-1] in ends else new
