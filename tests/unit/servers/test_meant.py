"""Names of judges that were meant for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import JudgeError
from pytest_llmjudge.servers.meant import meant_judge
from pytest_llmjudge.servers.ollama import OllamaClient
from pytest_llmjudge.servers.role import UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_ollama import FakeOllama


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("embeded", "embedded"),
        ("Embedded", "embedded"),
        ("embbeded", "embedded"),
        ("embedded ", "embedded"),
        ("embedded:latest", "embedded"),
        ("imbedded", "embedded"),
        ("chrf", "embedded"),
        ("chrF", "embedded"),
        ("chrF++", "embedded"),
        ("open-ai:gpt-4o", "openai:gpt-4o"),
        ("OpenAI:gpt-4o", "openai:gpt-4o"),
        ("openai/gpt-4o", "openai:gpt-4o"),
        ("open_ai: gpt-4o", "openai:gpt-4o"),
        ("gpt-4o", "openai:gpt-4o"),
        ("gpt-5-mini", "openai:gpt-5-mini"),
        ("gpt4o", "openai:gpt4o"),
        ("o3", "openai:o3"),
        ("o4-mini", "openai:o4-mini"),
        ("chatgpt-4o-latest", "openai:chatgpt-4o-latest"),
        ("ollama:llama3", "llama3"),
        ("Ollama/qwen2.5-coder:1.5b", "qwen2.5-coder:1.5b"),
        ("Local:judge", "local:judge"),
        ("local/judge", "local:judge"),
        ("./judge", "local:./judge"),
        ("/models/judge", "local:/models/judge"),
        ("~/judge", "local:~/judge"),
        (r"models\judge", r"local:models\judge"),
    ],
)
def test_near_misses(name: str, meant: str) -> None:
    """Case, spelling, prefix and metric: each names the judge as it has to be written."""
    assert meant_judge(name) == meant


@pytest.mark.parametrize(
    "name",
    [
        "llama3",
        "llama3:8b",
        "qwen2.5-coder:1.5b",
        "gpt-oss:20b",
        "nomic-embed-text",
        "mxbai-embed-large",
        "openhermes",
        "ollama",
        "olmo2",
        "orca-mini",
        "o1x",
        "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF",
        "someone/model:tag",
        "",
        "openai:",
        pytest.param("x" * 100_000, id="long"),
        "a\0b",
    ],
)
def test_names_that_are_meant(name: str) -> None:
    """A model that is just not there is not taken for another judge."""
    assert meant_judge(name) == ""


def test_a_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names one means the model in it."""
    monkeypatch.chdir(tmp_path)
    assert meant_judge("judge") == ""
    (tmp_path / "judge").mkdir()
    assert meant_judge("judge") == "local:judge"


def test_a_model_under_test_is_no_judge(server: FakeOllama) -> None:
    """Of its name and its server nothing is said that holds for judges alone."""
    client = OllamaClient(server.url, "embeded", timeout=5, role=UNDER_TEST)
    with pytest.raises(JudgeError) as gone:
        client.identify()
    server.stop()
    with pytest.raises(JudgeError) as down:
        client.identify()

    assert gone.value.hint == '"ollama pull embeded" gets it'
    assert down.value.hint == (
        'start it with "ollama serve", or name another with --llm-judge-checkpoint-url'
    )


def test_a_judge_that_was_there(server: FakeOllama) -> None:
    """Who judged before needs no other judge, but its server."""
    client = OllamaClient(server.url, "llama3", timeout=5, backoff=0.001)
    client.identify()
    server.stop()

    with pytest.raises(JudgeError) as caught:
        client.chat("Score this.")

    assert caught.value.hint == 'start it with "ollama serve", or name another with --llm-judge-url'
