"""Tokenizers of other models than GPT-2, each beside the library that its model is used with."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Tokenizers
from tokenizers import models, processors
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.hf.frames import TransformersEncoder
from pytest_llmjudge.generation.tokenizers import llama3
from pytest_llmjudge.generation.tokenizers.files import find_tokenizer
from pytest_llmjudge.generation.tokenizers.frames import FramedTexts
from pytest_llmjudge.generation.tokenizers.load import load_tokenizer
from pytest_llmjudge.records.framing import FramedText
from tests.unit.generation.tokenizers.made import train_pieces, write_json, write_ranks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_llmjudge.generation.tokenizers.base import Tokenizer

GEMMAS = ["<start_of_turn>", "<end_of_turn>", "<h1>"]
TURN = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"


class Kind(NamedTuple):
    """A tokenizer, what it should give to a text by itself, and what to a framed one."""

    ours: Tokenizer
    plain: Callable[[str], list[int]]
    begin: list[int]
    frame: tuple[str, str]
    framed: Callable[[FramedText], list[int]]


def load(folder: Path, rows: int = 10_000) -> Tokenizer:
    """Load what lies in a folder for a model that has no tokenizer by itself."""
    files = find_tokenizer(folder / "model.pth", rows, is_gpt2=False)
    # As if the user had named it: these vocabularies are small.
    chosen = files and replace(files, is_chosen=True)
    return load_tokenizer(folder / "model.pth", chosen, rows)


def json_kind(folder: Path) -> Kind:
    theirs = write_json(folder, {"bos_token": "<s>", "eos_token": "</s>"})
    encoder = TransformersEncoder(theirs)

    def plain(text: str) -> list[int]:
        ids: list[int] = theirs(text, add_special_tokens=False, split_special_tokens=True).input_ids
        return ids

    frame = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")
    return Kind(load(folder), plain, [0], frame, FramedTexts(encoder).ids)


def sentencepiece_kind(folder: Path) -> Kind:
    """The frame's tokens are those that Gemma's code asks the library for, between its own."""
    content = train_pieces(GEMMAS, prefix=False)
    (folder / "tokenizer.model").write_bytes(content)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=content)

    def plain(text: str) -> list[int]:
        # Between the two names are no characters that a piece could hold together.
        parts = re.split("(?<=<)(?=start_of_turn>)|(?<=<)(?=end_of_turn>)", text)
        return [token for part in parts for token in theirs.encode(part)]

    def framed(prompt: FramedText) -> list[int]:
        first, last = (theirs.encode(part) for part in prompt.frame)
        return [1, *first, *plain(prompt.texts[0]), *last]

    frame = ("<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n")
    return Kind(load(folder), plain, [1], frame, framed)


def llama3_kind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    monkeypatch.setattr(llama3, "_RANKS", write_ranks(folder / "tokenizer.model"))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    ours = load(folder)
    numbers = sorted(ours.named(ours.special_tokens))
    by_number = {next(iter(ours.named([name]))): name for name in ours.special_tokens}
    special = [by_number[number] for number in numbers]
    converted = TikTokenConverter(
        vocab_file=str(folder / "tokenizer.model"), extra_special_tokens=special
    ).converted()
    begin_token, end_token = "<|begin_of_text|>", "<|eot_id|>"
    theirs = PreTrainedTokenizerFast(
        tokenizer_object=converted, bos_token=begin_token, eos_token=end_token
    )
    begin = theirs.convert_tokens_to_ids(begin_token)
    converted.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]
    )

    def plain(text: str) -> list[int]:
        ids: list[int] = theirs(text, add_special_tokens=False, split_special_tokens=True).input_ids
        return ids

    def framed(prompt: FramedText) -> list[int]:
        return [begin, *FramedTexts(TransformersEncoder(theirs)).ids(prompt)]

    opens, closes, ends = TURN
    frame = (f"{opens}user{closes}\n\n", f"{ends}{opens}assistant{closes}\n\n")
    return Kind(ours, plain, [begin], frame, framed)


@pytest.fixture(name="kind", scope="module", params=["json", "sentencepiece", "llama3"])
def make_kind(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Kind:  # noqa: ANN401
    folder = tmp_path_factory.mktemp("tokenizer")
    if request.param == "json":
        return json_kind(folder)
    if request.param == "sentencepiece":
        return sentencepiece_kind(folder)
    with pytest.MonkeyPatch.context() as patch:
        return llama3_kind(folder, patch)


texts = st.text(alphabet="the ingHl\né名1'") | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)


@given(texts)
def test_a_text(kind: Kind, text: str) -> None:
    """It has the tokens that the reference gives it, and they say the same again."""
    ids = kind.ours.encode(text)

    assert ids == kind.plain(text)
    assert kind.ours.encode_prompt(text) == [*kind.begin, *ids]
    assert kind.ours.decode(ids) == text
    assert kind.ours.at_least(text) <= len(ids)


@given(texts, texts)
def test_a_prompt_and_its_reference(kind: Kind, prompt: str, reference: str) -> None:
    """They are encoded as one text; a token that has characters of both belongs to the second."""
    before, after = kind.ours.encode_pair(prompt, reference)

    assert [*before, *after] == kind.ours.encode_prompt(prompt + reference)
    assert prompt.startswith(kind.ours.decode(before))
    assert not after or not prompt.startswith(kind.ours.decode([*before, after[0]]))


@pytest.mark.parametrize(
    "typed", ["{0}", "a{1}b", "<s>", "{1}{1}", "the {0}thing{1}", "Hello 名", "\n", " the", "<h1>"]
)
def test_control_tokens_of_a_frame(kind: Kind, typed: str) -> None:
    """The template's are control tokens, and a record's are words, whatever is behind them."""
    controls = [name for part in kind.frame for name in re.findall("<[^>]*>", part)]
    typed = typed.format(*controls)
    prompt = FramedText([kind.frame[0], typed, kind.frame[1]])
    ids = kind.ours.encode_prompt(prompt)
    before, after = kind.ours.encode_pair(prompt, typed)
    wanted = [number for name in controls for number in kind.ours.named([name])]

    assert ids == before == kind.framed(prompt)
    assert [number for number in ids if number in wanted] == wanted
    assert not set(wanted) & {*after, *kind.ours.encode(typed)}
    assert typed in kind.ours.decode(ids)
    assert kind.ours.decode(after) == typed
    assert kind.ours.end_behind(prompt) in wanted


def test_stop_texts_over_the_borders_of_tokens(kind: Kind) -> None:
    """A stop text ends a text with the token that completes it, never before."""
    ids = kind.ours.encode("the thing\nHello 名é")
    stops = ["ing\nHe", "o 名"]

    first = next(at for at in range(len(ids)) if kind.ours.ends_with(stops, ids[: at + 1]))

    assert not any(stop in kind.ours.decode(ids[:first]) for stop in stops)
    assert "ing\nHe" in kind.ours.decode(ids[: first + 1])


def test_text_that_is_no_unicode(kind: Kind) -> None:
    """A lone surrogate, which JSON can hold, becomes the character that stands for such."""
    before, after = kind.ours.encode_pair("a\ud800", "\udfffb")
    (framed,) = {tuple(kind.ours.encode_prompt(FramedText(["", "\ud800", ""])))}

    assert kind.ours.decode(before) == "a\N{REPLACEMENT CHARACTER}"
    assert kind.ours.decode(after) == "\N{REPLACEMENT CHARACTER}b"
    assert kind.ours.decode(framed) == "\N{REPLACEMENT CHARACTER}"


def test_half_a_character(kind: Kind) -> None:
    """A model may write bytes that are no UTF-8."""
    ids = kind.ours.encode("\N{OWL}")

    assert "\N{REPLACEMENT CHARACTER}" in kind.ours.decode(ids[:-1])


def test_a_space_in_front_as_llama_2_has_it(tmp_path: Path) -> None:
    """The beginning of a text gets one unless it has one; what follows a control token does not."""
    content = train_pieces(["<|im_end|>"])
    (tmp_path / "tokenizer.model").write_bytes(content)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=content)
    ours = load(tmp_path)
    pieces = theirs.encode("the thing", out_type=str)

    def named(ids: list[int]) -> list[str]:
        return [theirs.id_to_piece(number) for number in ids]

    assert pieces == ["▁the", "▁thing"]
    assert named(ours.encode("the thing")) == named(ours.encode(" the thing")) == pieces
    assert named(ours.encode_prompt("the thing")) == ["<s>", *pieces]
    framed = FramedText(["", "the", "<|im_end|>the thing"])
    assert named(ours.encode_prompt(framed)) == ["<s>", "▁the", "<|im_end|>", *"the", "▁thing"]
    assert ours.decode(ours.encode_prompt(framed)) == "the" + "the thing"


@pytest.mark.parametrize("begins", [True, False])
def test_what_is_put_in_front(tmp_path: Path, begins: bool) -> None:  # noqa: FBT001
    """The file decides, as it does in transformers, whatever its settings say."""
    settings = {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": not begins}
    theirs = write_json(tmp_path, settings)
    if not begins:
        theirs.backend_tokenizer.post_processor = processors.ByteLevel()
        theirs.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    read = PreTrainedTokenizerFast.from_pretrained(tmp_path)

    assert load(tmp_path).encode_prompt("the") == read("the").input_ids
    assert load(tmp_path).encode_prompt("") == [0] * begins


def test_settings_of_other_kinds_decide_too(tmp_path: Path) -> None:
    """No token for the beginning, where they say so."""
    (tmp_path / "tokenizer.model").write_bytes(train_pieces())
    text = json.dumps({"add_bos_token": False})
    (tmp_path / "tokenizer_config.json").write_text(text, encoding="utf-8")

    assert load(tmp_path).encode_prompt("the") == load(tmp_path).encode("the")


NAMED = {"tokenizer_config.json": {"eos_token": "</s>"}}


@pytest.mark.parametrize(
    ("files", "ends", "last"),
    [
        ({}, {1, 3}, 1),
        (NAMED, {1, 3}, 1),
        ({"special_tokens_map.json": {"eos_token": "<|im_end|>"}}, {1, 3}, 3),
        ({"generation_config.json": {"eos_token_id": 2}}, {2}, 2),
        ({"config.json": {"eos_token_id": [0, 2]}, **NAMED}, {0, 1, 2}, 1),
        (
            {"config.json": {"eos_token_id": 0}, "generation_config.json": {"eos_token_id": 2}},
            {2},
            2,
        ),
        ({"model.config.json": {"eos_token_id": 2}, "config.json": {"eos_token_id": 0}}, {2}, 2),
        (
            {
                "model.config.json": {"eos_token_id": 2},
                "generation_config.json": {"eos_token_id": [2, 0]},
            },
            {0, 2},
            2,
        ),
        ({"generation_config.json": {"eos_token_id": None}, **NAMED}, {1, 3}, 1),
    ],
    ids=str,
)
def test_what_ends_a_text(
    tmp_path: Path, files: dict[str, object], ends: set[int], last: int
) -> None:
    """The tokens that files name; of names alone, those under which models are published."""
    write_json(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")

    tokenizer = load(tmp_path)

    assert tokenizer.ends == ends
    assert tokenizer.end_behind("a prompt") == last


@pytest.mark.parametrize("named", [True, False])
def test_an_end_token_that_stands_for_the_unknown(tmp_path: Path, named: bool) -> None:  # noqa: FBT001
    """As GPT-2's and SmolLM2's do: in a record it is a word all the same."""
    end, unknown = ("</s>", "</s>") if named else ("<|im_end|>", "</s>")
    theirs = write_json(tmp_path, {"eos_token": end, "unk_token": unknown})
    theirs.unk_token, theirs.eos_token = unknown, end
    tokenizer = load(tmp_path)
    prompt = FramedText(["<|im_start|>", "a</s>b", "<|im_end|>"])

    assert tokenizer.ends == {1, 3}
    assert tokenizer.encode_prompt(prompt).count(1) == 0
    assert FramedTexts(TransformersEncoder(theirs)).ids(prompt).count(1) == 0


def test_tokens_of_settings_alone(tmp_path: Path) -> None:
    """Control tokens beyond a model of sentencepiece, as Phi-3 has them."""
    content = train_pieces()
    size = sentencepiece.SentencePieceProcessor(model_proto=content).get_piece_size()
    (tmp_path / "tokenizer.model").write_bytes(content)
    added = {str(size): {"content": "<|user|>", "special": True}}
    settings = {"added_tokens_decoder": added, "eos_token": "<|end|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    text = json.dumps({"<|end|>": size + 1})
    (tmp_path / "added_tokens.json").write_text(text, encoding="utf-8")

    tokenizer = load(tmp_path)

    assert tokenizer.size == size + 2
    assert tokenizer.end_behind("") == size + 1
    prompt = FramedText(["<|user|>", "the", "<|end|>"])
    middle = tokenizer.encode_prompt(FramedText(["", "the", ""]))[1:]
    assert tokenizer.encode_prompt(prompt)[:2] == [1, size]
    assert tokenizer.encode_prompt(prompt)[-1] == size + 1
    assert tokenizer.decode(tokenizer.encode_prompt(prompt)) == "the"
    assert tokenizer.decode(middle) == "the"


def error_of(folder: Path, rows: int = 10_000) -> str:
    """What loading complains about, without the folder."""
    with pytest.raises(CheckpointError) as caught:
        load(folder, rows)
    return str(caught.value).replace(str(folder), "…")


def test_a_tokenizer_that_cannot_encode_every_text(tmp_path: Path) -> None:
    """Found before a record has what it does not know."""
    broken = Tokenizers(models.WordLevel({"a": 0}, unk_token="<unk>"))  # noqa: S106
    broken.save(str(tmp_path / "tokenizer.json"))

    assert "(WordLevel error: Missing [UNK] token from the vocabulary)" in error_of(tmp_path)


@pytest.mark.parametrize("name", ["<s>", "</s>", "\u2581the"])
def test_a_piece_that_is_no_text(tmp_path: Path, name: str) -> None:
    """A control token's or another's: its bytes would be decoded only in the middle of a run."""
    content, encoded = train_pieces(), name.encode()
    assert content.count(bytes([len(encoded)]) + encoded) == 1
    content = content.replace(
        bytes([len(encoded)]) + encoded, b"%c\xff" % len(encoded) + encoded[1:]
    )
    (tmp_path / "tokenizer.model").write_bytes(content)

    assert error_of(tmp_path) == (
        "…/tokenizer.model: it is neither a model of sentencepiece nor Llama 3's ranks; copy it "
        "again"
    )


def test_files_that_are_no_tokenizers(tmp_path: Path) -> None:
    """Each gets one line."""
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e\n\x05")
    assert error_of(tmp_path) == (
        "…/tokenizer.model: it is neither a model of sentencepiece nor Llama 3's ranks; copy it "
        "again"
    )
    count = write_ranks(tmp_path / "tokenizer.model")
    assert error_of(tmp_path) == (
        f"…/tokenizer.model: it has {count} ranks, and only Llama 3's 128,000 are known; put the "
        "model's tokenizer.json there instead"
    )
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "XYZ"}}', encoding="utf-8")
    message = error_of(tmp_path)
    assert re.fullmatch(
        r"…/tokenizer.json: tokenizers [\d.]+ cannot read it \(.+\); copy it again, or pip "
        "install --upgrade tokenizers",
        message,
    )
    assert "\n" not in message
    text = "version https://git-lfs.github.com/spec/v1\n"
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    assert "git lfs pull" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer_config.json", "[]", "not a JSON object; correct it, or move it away from the tokenizer"),
        ("generation_config.json", '{"eos_token_id": "x"}', 'eos_token_id is "x"; write the number of the end token, or a list'),
        ("config.json", '{"eos_token_id": [1, true]}', "eos_token_id is [1, true]; write the number of the end token, or a list"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    """The file is named."""
    write_json(tmp_path)
    (tmp_path / name).write_text(content, encoding="utf-8")

    assert error_of(tmp_path) == f"…/{name}: {message}"


def test_no_end_token(tmp_path: Path) -> None:
    """Said before a text goes on until its limit."""
    theirs = write_json(tmp_path)
    document = json.loads(theirs.backend_tokenizer.to_str())
    document["added_tokens"] = []
    document["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")

    assert error_of(tmp_path) == (
        '…/tokenizer.json: nothing says which token ends a text; write {"eos_token": …} into '
        "tokenizer_config.json beside it"
    )


def test_the_size_of_the_model(tmp_path: Path) -> None:
    """More tokens than rows are another model's; some fewer are padding, many fewer are not."""
    size = len(write_json(tmp_path))
    path = tmp_path / "model.pth"
    hint = (
        "put the tokenizer that it was trained with beside it, or name it with "
        "--llm-judge-tokenizer"
    )

    def sized(rows: int, chosen: Path | None = None) -> int:
        files = find_tokenizer(path, rows, chosen=chosen, is_gpt2=False)
        return load_tokenizer(path, files, rows).size

    assert [sized(rows) for rows in (size, size + 14)] == [size, size]
    assert sized(2 * size, chosen=tmp_path) == size
    for rows in (size - 1, 2 * size):
        with pytest.raises(CheckpointError) as caught:
            sized(rows)
        assert str(caught.value) == (
            f"{path}: the model knows {rows} tokens and tokenizer.json has {size}; {hint}"
        )


def test_a_control_token_that_the_model_lacks(tmp_path: Path) -> None:
    """As Gemma 3's for pictures, which its models of texts have no row for: it is no token then."""
    theirs = write_json(tmp_path)
    size = len(theirs)
    theirs.backend_tokenizer.add_special_tokens(["<image_soft_token>"])
    theirs.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))

    tokenizer = load(tmp_path, size)

    assert tokenizer.size == size
    assert "<image_soft_token>" not in tokenizer.special_tokens
    framed = FramedText(["<|im_start|>", "<image_soft_token>", "<|im_end|>"])
    assert max(tokenizer.encode_prompt(framed)) < size
    assert tokenizer.decode(tokenizer.encode("<image_soft_token>")) == "<image_soft_token>"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model"])
def test_a_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The command that installs it is named."""
    package = "tokenizers" if name.endswith("json") else "sentencepiece"
    module = "json_file" if name.endswith("json") else "sentence_pieces"
    (tmp_path / name).write_bytes(b"{}")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(
        sys.modules,
        f"pytest_llmjudge.generation.tokenizers.{module}",
        raising=False,
    )

    assert error_of(tmp_path) == (
        f'…/{name}: it needs the package {package}; pip install "pytest-llmjudge[tokenizers]"'
    )


def test_white_space_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that ends tiktoken's stack is cut as Meta's code does."""
    ours = llama3_kind(tmp_path, monkeypatch).ours
    text = f"the{' ' * 1_000_000}thing"

    before, after = ours.encode_pair(text[:500_000], text[500_000:])

    assert ours.encode_prompt(text) == [*before, *after]
    assert ours.decode([*before, *after]) == text


def test_what_ends_a_text_of_llama_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens at which Meta's code stops; behind another than its template the first of them."""
    ours = llama3_kind(tmp_path, monkeypatch).ours
    end, turns = ours.named(["<|end_of_text|>"]), ours.named(["<|eom_id|>", "<|eot_id|>"])

    assert ours.ends == end | turns
    assert ours.end_behind("a prompt") in end
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 5}', encoding="utf-8")
    assert load(tmp_path).ends == {*end, 5}
