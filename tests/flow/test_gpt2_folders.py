"""Hugging Face folders of a GPT-2 under test: the texts are transformers', whoever writes them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.records.prompts import clean_response
from tests.flow.test_huggingface import BLIND, CANDIDATE, SHORT, error_of
from tests.support.project import Project, records
from tests.unit.generation.gpt2 import END, SETTINGS, gpt2s_tokenizer, greedy, make_network
from tests.unit.generation.gpt2 import save_folder as save_gpt2
from tests.unit.generation.hugging import CHATML, Theirs, make_tokenizer, warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported: pytester forgets what its runs import, and torch minds that."""
    warm_up(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def suite(project: Project) -> Project:
    """Four short records."""
    project.write("prompt.txt", "{instruction}")
    project.suite(records(4), 'min_score=0, prompt="prompt.txt"')
    return project


def check_texts(
    suite: Project, theirs: Theirs, tokenizer: Theirs, ends: Sequence[int] = (END,)
) -> None:
    """Compare the responses with what transformers finds likeliest, without a cache."""
    (document,) = suite.results()["suites"]
    for record in document["records"]:
        new = greedy(theirs, tokenizer(record["instruction"])["input_ids"], 6, tuple(ends))
        assert record["model_response"] == clean_response(tokenizer.decode(new))
    assert len({record["model_response"] for record in document["records"]}) > 1


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_only_transformers_computes(suite: Project, name: str) -> None:
    """None is passed over."""
    theirs = save_gpt2(suite.path / "candidate", **SETTINGS[name])

    result = suite.run(CANDIDATE, *SHORT)

    result.assert_outcomes(passed=5)
    check_texts(suite, theirs, gpt2s_tokenizer())


def test_a_plain_folder_needs_no_transformers(suite: Project) -> None:
    """The package's own engine runs it, and finds the same texts."""
    theirs = save_gpt2(suite.path / "candidate")
    arguments = [*suite.command()[3:], CANDIDATE, *SHORT]

    result = suite.pytester.run(sys.executable, "-c", BLIND, *arguments)

    result.assert_outcomes(passed=5)
    check_texts(suite, theirs, gpt2s_tokenizer())


def test_transformers_is_not_installed(suite: Project) -> None:
    """The run ends before any work, and says what to install."""
    save_gpt2(suite.path / "candidate", activation_function="relu")
    arguments = [*suite.command()[3:], CANDIDATE, *SHORT]

    result = suite.pytester.run(sys.executable, "-c", BLIND, *arguments)

    assert error_of(result) == (
        f"{suite.path / 'candidate'}: it is a Hugging Face folder of a gpt2, which needs "
        'transformers; pip install "pytest-llmjudge[hf]"'
    )


def test_a_file_of_such_a_folder(suite: Project) -> None:
    """What the weights alone do not tell is not passed over either."""
    save_gpt2(suite.path / "candidate", scale_attn_by_inverse_layer_idx=True)

    result = suite.run(f"{CANDIDATE}/model.safetensors", *SHORT)

    assert error_of(result) == (
        f"{suite.path / 'candidate' / 'model.safetensors'}: config.json sets "
        "scale_attn_by_inverse_layer_idx to true, which takes transformers; "
        "name the folder instead of a file in it"
    )


def test_a_tokenizer_and_a_chat_template_of_its_own(suite: Project) -> None:
    """Records become tokens by the one, and messages by the other."""
    tokenizer = make_tokenizer(begins=False)
    theirs = make_network(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1)
    theirs.save_pretrained(suite.path / "candidate")
    tokenizer.save_pretrained(suite.path / "candidate")
    suite.run(CANDIDATE, *SHORT).assert_outcomes(passed=5)
    check_texts(suite, theirs, tokenizer, (1,))
    suite.suite(records(4), 'min_score=0, prompt="chat"')

    result = suite.run(CANDIDATE, *SHORT)

    result.assert_outcomes(passed=5)
    (document,) = suite.results()["suites"]
    for record in document["records"]:
        message = {"role": "user", "content": record["instruction"]}
        ids = tokenizer.apply_chat_template([message], add_generation_prompt=True)["input_ids"]
        text = tokenizer.decode(greedy(theirs, ids, 6, (1,)), skip_special_tokens=True)
        assert record["model_response"] == clean_response(text)


def test_a_chat_template_beside_gpt2s_tokenizer(suite: Project) -> None:
    """``prompt="chat"`` finds it."""
    save_gpt2(suite.path / "candidate")
    (suite.path / "candidate" / "chat_template.jinja").write_text(CHATML, "utf-8")
    suite.suite(records(2), 'min_score=0, prompt="chat"')

    suite.run(CANDIDATE, *SHORT).assert_outcomes(passed=3)
