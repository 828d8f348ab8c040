"""Loads a Hugging Face folder with transformers: from its files alone, without running any.

Tokenizer and weights are loaded apart: who divides work among other processes needs no weights.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, one_line
from pytest_llmjudge.generation.devices import is_out_of_memory
from pytest_llmjudge.generation.families.gpt2.hf_folder import GENERATION
from pytest_llmjudge.generation.files.contents import untouched
from pytest_llmjudge.generation.files.names import shorten
from pytest_llmjudge.generation.hf.chat_template import ChatTemplate
from pytest_llmjudge.generation.hf.folder import check_tokenizer
from pytest_llmjudge.generation.hf.frames import TransformersEncoder
from pytest_llmjudge.generation.nonfinite import check_weight
from pytest_llmjudge.generation.tokenizers.frames import FramedTexts
from pytest_llmjudge.paths import real_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

    from pytest_llmjudge.generation.families.decoder import Decoder
    from pytest_llmjudge.generation.files.contents import Stamp
    from pytest_llmjudge.generation.hf.folder import FolderInfo
    from pytest_llmjudge.generation.hf.native import Native

__all__ = ["FolderTexts", "Model", "count_embeddings", "load_model", "load_texts", "quietly"]

# transformers has no types.
Model = Any
Tokenizer = Any
Config = Any

_NO_TELEMETRY = "HF_HUB_DISABLE_TELEMETRY"
_FILES_ALONE = {"local_files_only": True, "trust_remote_code": False}


class FolderTexts(NamedTuple):
    """What is loaded of a folder without its weights.

    Attributes:
        tokenizer: Of transformers.
        ends: The tokens that end a text.
        context: How many tokens the model can see.
        template: The folder's chat template, which need not be there.
        framed: Makes tokens of prompts by other chat templates.
        config: Of the model.
    """

    tokenizer: Tokenizer
    ends: tuple[int, ...]
    context: int
    template: ChatTemplate
    framed: FramedTexts
    config: Config


@contextmanager
def quietly() -> Iterator[None]:
    """Keep what transformers logs, warns of and draws as bars off the user's terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        users_choice = os.environ.get(_NO_TELEMETRY)
        os.environ.setdefault(_NO_TELEMETRY, "1")
        from transformers.utils import logging

        if users_choice is None:
            del os.environ[_NO_TELEMETRY]
        verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity(logging.CRITICAL)
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if has_bars:
                logging.enable_progress_bar()


def load_texts(info: FolderInfo) -> FolderTexts:
    """Load a folder's tokenizer; nothing is asked for over the network.

    Raises:
        CheckpointError: The installed transformers does not know the architecture, or cannot read
            the folder.
        ContentChangedError: A file may hold something else than its digest is of.
    """
    with _open(info) as opened:
        import transformers

        folder, (name, vocabulary), release = info.path, opened.names, opened.release
        with _in_one_line(folder, f"{release} cannot read its {GENERATION}"):
            asked = _generation_config(name, opened.config)
        check_tokenizer(info)
        with _in_one_line(folder, f"{release} cannot load its tokenizer"):
            # AutoTokenizer gives some architectures their usual way of splitting words, whatever
            # the folder's own file says.
            plain, auto = transformers.PreTrainedTokenizerFast, transformers.AutoTokenizer
            reader = plain if info.is_plain else auto
            tokenizer = reader.from_pretrained(vocabulary, **_FILES_ALONE)
            _no_dropout(tokenizer)
        ends = _ends(asked.eos_token_id, tokenizer.eos_token_id)
        template = ChatTemplate(folder, tokenizer)
        framed = FramedTexts(TransformersEncoder(tokenizer))
        context = _context(opened.config, tokenizer)
        return FolderTexts(tokenizer, ends, context, template, framed, opened.config)


def load_model(info: FolderInfo, device: torch.device, dtype: torch.dtype) -> Model:
    """Load a folder's model for evaluation; nothing is asked for over the network.

    Args:
        info: Of the folder.
        device: Where the model shall run.
        dtype: In which numbers it shall run; the files may hold others.

    Returns:
        A ``Decoder`` of the native engine, or a model of transformers.

    Raises:
        CheckpointError: The installed transformers does not know the architecture, or the folder
            does not hold a whole one.
        ContentChangedError: A file may hold something else than its digest is of.
    """
    with _open(info) as opened:
        if info.native is not None:
            return _load_native(info, info.native, device, dtype)
        import transformers

        folder, release = info.path, opened.release
        with _in_one_line(folder, f"{release} cannot load its weights"):
            model, loading = transformers.AutoModelForCausalLM.from_pretrained(
                opened.names[0],
                config=opened.config,
                dtype=dtype,
                use_safetensors=info.is_safe,
                weights_only=True,
                output_loading_info=True,
                **_FILES_ALONE,
            )
            _check_whole(folder, info.model_type, loading)
            model = _own_memory(model.to(device)).eval().requires_grad_(requires_grad=False)
            _check_finite(folder, model, dtype)
        # What the folder wishes for the choice of tokens would be mixed into what is asked for.
        model.generation_config = transformers.GenerationConfig()
        return model


def count_embeddings(config: Config) -> int:
    """Return how many tokens a model of transformers has embeddings of; it gets no weights."""
    with quietly():
        import torch
        import transformers

        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        return len(model.get_input_embeddings().weight)


class _Opened(NamedTuple):
    """A folder whose config is read.

    Attributes:
        names: Where the model and the tokenizer lie, without links on the way.
        release: Of transformers, for messages.
        config: Of the model.
    """

    names: tuple[str, str]
    release: str
    config: Config


@contextmanager
def _open(info: FolderInfo) -> Iterator[_Opened]:
    """Read a folder's config, and prove that its files stay the same meanwhile."""
    with quietly():
        import transformers

        folder, kind = info.path, info.model_type
        release = f"transformers {transformers.__version__}"
        if kind not in transformers.CONFIG_MAPPING:
            problem = f"{release} does not know a {shorten(kind)}"
            raise CheckpointError(str(folder), problem, "pip install --upgrade transformers")
        # No link on the way to a folder can be changed while the library reads by names.
        real, vocabulary = real_path(info.weights), real_path(info.vocabulary)
        with (
            untouched(real, _stamps(info, info.weights)),
            untouched(vocabulary, _stamps(info, info.vocabulary)),
        ):
            with _in_one_line(folder, f"{release} cannot read its config.json"):
                config = transformers.AutoConfig.from_pretrained(str(real), **_FILES_ALONE)
            if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
                problem = f"{release} has no {kind} that goes on from a text"
                hint = "name the folder of a causal language model"
                raise CheckpointError(str(folder), problem, hint)
            yield _Opened((str(real), str(vocabulary)), release, config)


def _stamps(info: FolderInfo, folder: Path) -> dict[str, Stamp]:
    return {file.name: seen.stamp for file, seen in info.contents.items() if file.parent == folder}


def _no_dropout(tokenizer: Tokenizer) -> None:
    """Switch off what belongs to training, and would give a text other tokens each time."""
    if tokenizer.is_fast and hasattr(tokenizer.backend_tokenizer.model, "dropout"):
        tokenizer.backend_tokenizer.model.dropout = None


def _load_native(
    info: FolderInfo, native: Native, device: torch.device, dtype: torch.dtype
) -> Decoder:
    from pytest_llmjudge.generation.engine.loading import fill
    from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
    from pytest_llmjudge.generation.families.transformer import Transformer
    from pytest_llmjudge.generation.files.tensors import TensorReader

    reader = TensorReader(info.contents)
    model = fill(
        info.path,
        lambda: Transformer(native.config),
        native.plan,
        lambda stored: reader.read(native.tensors[stored]),
        device=device,
        dtype=dtype,
    )
    if packable(model):
        pack(model)
    return model


def _generation_config(name: str, config: Config) -> Any:  # noqa: ANN401  # transformers has no types
    """Read what a folder wishes for generation, as transformers does when it loads a model."""
    import transformers

    if os.path.isfile(os.path.join(name, GENERATION)):  # noqa: PTH113, PTH118
        return transformers.GenerationConfig.from_pretrained(name, local_files_only=True)
    return transformers.GenerationConfig.from_model_config(config)


def _own_memory(model: Model) -> Model:
    """Copy what is still mapped from a file, which somebody may write to while the model runs."""
    for weight in (*model.parameters(), *model.buffers()):
        if weight.device.type == "cpu":
            weight.data = weight.data.clone()
    return model


@contextmanager
def _in_one_line(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except LlmJudgeError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        problem = f"{what} ({type(error).__name__}: {one_line(str(error), 200)})"
        raise CheckpointError(
            str(folder), problem, "save it again, or install the version that wrote it"
        ) from None


def _check_whole(folder: Path, kind: str, loading: dict[str, Any]) -> None:
    """Refuse weights that do not fill the model, which transformers would draw at random."""
    hint = "save the whole model again with save_pretrained"
    for what, names in (
        ("lacks", loading["missing_keys"]),
        ("has the unknown", loading["unexpected_keys"]),
    ):
        if names:
            raise CheckpointError(str(folder), f"a {kind} that {what} {shorten(min(names))}", hint)


def _check_finite(folder: Path, model: Model, dtype: torch.dtype) -> None:
    for name, weight in model.named_parameters():
        # Quantised weights are of other types.
        if weight.dtype == dtype and weight.numel():
            check_weight(folder, name, weight)


def _ends(*values: object) -> tuple[int, ...]:
    """Return the end tokens of the model and of its tokenizer, which need not agree."""
    tokens = [token for one in values for token in (one if isinstance(one, list) else [one])]
    return tuple(dict.fromkeys(token for token in tokens if type(token) is int))


def _context(config: Config, tokenizer: Tokenizer) -> int:
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    if type(limit) is int and limit > 0:
        return limit
    # A model without a limit has the tokenizer's, which is vast where it has none either.
    return min(int(tokenizer.model_max_length), sys.maxsize)
