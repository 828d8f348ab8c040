"""What real replies say of their cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.servers.ollama import OllamaClient
from tests.support.fake_ollama import DIGEST, FakeOllama, Page

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("run", ["run1", "run2"])
def test_a_prompt_that_was_read_before(real_data: Path, run: str) -> None:
    """Ollama counts all of it when it asked for the same a moment ago, too."""
    text = (real_data / f"ollama-wire/05-chat-identical-{run}.txt").read_text("utf-8")
    body = next(line for line in text.splitlines() if line.startswith('{"model"'))
    said = json.loads(body)

    page = Page(200, "application/json", body)
    with FakeOllama(lambda _: page, models={"smollm2:latest": DIGEST}) as server:
        reply = OllamaClient(server.url, said["model"], timeout=5.0).chat("Why is the sky blue?")

    assert said["prompt_eval_count"] == 15
    assert reply.tokens == 15 + said["eval_count"]
