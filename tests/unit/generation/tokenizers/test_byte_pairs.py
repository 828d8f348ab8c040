"""Tokens: GPT-2's or a checkpoint's own, and text is only ever data."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.tokenizers.byte_pairs import BytePairs, load_ranks
from tests.unit.generation.tiny import END, MERGES, VOCABULARY, write_ranks

AGAIN = "write it again from the tokenizer of the training"


@pytest.fixture
def ranks(tmp_path: Path) -> Path:
    """A tokenizer's file beside the checkpoint."""
    return tmp_path / "model.tiktoken"


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BytePairs:
    """All single bytes and a few merges."""
    file = tmp_path_factory.mktemp("ranks") / "model.tiktoken"
    write_ranks(file)
    return load_ranks(file.with_suffix(".pth"), file, VOCABULARY)


def test_merges_are_applied(tokenizer: BytePairs) -> None:
    """Text is split as GPT-2 splits it, then merged by rank."""
    tokens = [tokenizer.decode([token]) for token in tokenizer.encode("the thing in the end")]

    assert tokens == ["the", " ", "th", "ing", " ", "in", " the", " ", "e", "n", "d"]
    assert (tokenizer.size, tokenizer.end) == (256 + len(MERGES) + 1, END)


@given(st.text())
def test_decoding_undoes_encoding(tokenizer: BytePairs, text: str) -> None:
    """No text is changed by encoding it, and it has no fewer tokens than the bound says."""
    ids = tokenizer.encode(text)

    assert tokenizer.decode(ids) == text
    assert tokenizer.at_least(text) <= len(ids)


TEXTS = st.text(alphabet="the ing\né", max_size=20)


@given(TEXTS, TEXTS)
def test_a_prompt_and_its_reference(tokenizer: BytePairs, prompt: str, reference: str) -> None:
    """They are encoded as one text; a token that has bytes of both belongs to the reference."""
    before, after = tokenizer.encode_pair(prompt, reference)

    assert [*before, *after] == tokenizer.encode(prompt + reference)
    assert prompt.startswith(tokenizer.decode(before))
    assert not after or not prompt.startswith(tokenizer.decode([*before, after[0]]))


def test_a_token_of_prompt_and_reference(tokenizer: BytePairs) -> None:
    """What comes before it in the same word still belongs to the prompt."""
    before, after = tokenizer.encode_pair("so t", "he end")

    assert tokenizer.decode(before) == "so"
    assert [tokenizer.decode([token]) for token in after] == [" the", " ", "e", "n", "d"]


def test_the_end_token_cannot_be_typed(tokenizer: BytePairs) -> None:
    """Its name in a prompt is ordinary text."""
    text = "Say <|endoftext|> twice"

    assert END not in tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_half_a_character_is_marked(tokenizer: BytePairs) -> None:
    """A model may write bytes that are no UTF-8."""
    assert tokenizer.decode(tokenizer.encode("é")[:1]) == "\N{REPLACEMENT CHARACTER}"


def test_text_that_is_no_unicode(tokenizer: BytePairs) -> None:
    """A lone surrogate, which JSON can hold, is no reason to fail."""
    assert tokenizer.encode("a\ud800") != []
    assert tokenizer.at_least("a\ud800") == 1


def test_gpt2s_own_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file beside the checkpoint it is GPT-2's tokenizer."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        if "LLMJUDGE_REAL_DATA" not in os.environ:
            pytest.skip("needs GPT-2's files, from TIKTOKEN_CACHE_DIR or LLMJUDGE_REAL_DATA")
        files = Path(os.environ["LLMJUDGE_REAL_DATA"], "gpt2-bpe")
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(files))

    tokenizer = load_ranks(Path("model.pth"), None, 50257)

    assert tokenizer.encode("Hello world") == [15496, 995]
    assert tokenizer.end == 50256


@pytest.mark.parametrize("character", ["a", " ", "\n", "-", "é", "\u200d", "1"])
def test_one_character_again_and_again(tokenizer: BytePairs, character: str) -> None:
    """A tenth of a megabyte that does not split takes no time to speak of."""
    start = time.process_time()
    tokenizer.encode(character * 100_000)

    assert time.process_time() - start < 5


def test_gpt2s_files_that_cannot_be_had(tmp_path: Path) -> None:
    """Without the network and the files, the message says where to put them."""
    program = (
        "from pathlib import Path\n"
        "from pytest_llmjudge.errors import CheckpointError\n"
        "from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks\n"
        "try: load_ranks(Path('model.pth'), None, 50257)\n"
        "except CheckpointError as error: print(error)\n"
    )
    nowhere = {f"{name}_proxy": "http://127.0.0.1:9" for name in ("http", "https")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **nowhere, "TIKTOKEN_CACHE_DIR": str(tmp_path), "NO_PROXY": ""},
    )

    assert run.stdout == (
        "model.pth: GPT-2's tokenizer is not on this machine and cannot be downloaded; run "
        "python -c \"import tiktoken; tiktoken.get_encoding('gpt2')\" with a network and "
        "TIKTOKEN_CACHE_DIR=folder, copy the folder here and set TIKTOKEN_CACHE_DIR to it, or put "
        "model.tiktoken beside the checkpoint\n"
    )


def ranks_error(ranks: Path) -> str:
    """What loading a file of ranks complains about, without its name."""
    with pytest.raises(CheckpointError) as caught:
        load_ranks(ranks.with_suffix(".pth"), ranks, VOCABULARY)
    where, _, message = str(caught.value).partition(": ")
    assert where == str(ranks)
    return message


@pytest.mark.parametrize(
    "line", ["!!!! 3", "YQ==", "YQ== x", "YQ== 1 2", "", "YQ== ²", "YQ== 1_5", "YQ== +1", "YQ== -1"]
)
def test_a_line_that_is_no_rank(ranks: Path, line: str) -> None:
    """The line is named."""
    ranks.write_text(f"YQ== 0\n{line}\nYg== 1\n", encoding="utf-8")

    expected = f"line 2 is not a token in base64, a space and its rank; {AGAIN}"
    assert ranks_error(ranks) == expected


@pytest.mark.parametrize("lines", ["YQ== 0\nYg== 2\n", "YQ== 0\nYg== 0\n", "YQ== 0\nYQ== 1\n"])
def test_ranks_with_gaps(ranks: Path, lines: str) -> None:
    """Each rank from 0 on belongs to one token."""
    ranks.write_text(lines, encoding="utf-8")

    assert ranks_error(ranks) == f"its 2 lines do not give the ranks 0 to 1 to 2 tokens; {AGAIN}"


@pytest.mark.parametrize(("lines", "missing"), [("", 256), ("YQ== 0\n", 255)])
def test_ranks_without_all_bytes(ranks: Path, lines: str, missing: int) -> None:
    """A tokenizer that cannot encode every byte is refused."""
    ranks.write_text(lines, encoding="utf-8")

    assert ranks_error(ranks) == f"{missing} of the 256 single bytes have no rank; {AGAIN}"


def test_ranks_that_cannot_be_read(ranks: Path) -> None:
    """The system's reason is given."""
    expected = "cannot be read (No such file or directory); check the file and its permissions"
    assert ranks_error(ranks) == expected


def test_the_tokenizer_of_another_model(ranks: Path) -> None:
    """A tokenizer with more or fewer tokens than the model is not its own."""
    ranks.write_text(
        "".join(f"{base64.b64encode(bytes([b])).decode()} {b}\n" for b in range(256)),
        encoding="utf-8",
    )
    with pytest.raises(CheckpointError) as caught:
        load_ranks(ranks.with_suffix(".pth"), ranks, VOCABULARY)

    assert str(caught.value) == (
        f"{ranks.with_suffix('.pth')}: the model knows {VOCABULARY} tokens and model.tiktoken has "
        "257; put the ranks that it was trained with into model.tiktoken beside it"
    )
