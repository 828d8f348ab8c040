"""A fake Ollama for each test of what talks to servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_ollama import FakeOllama, always

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="server")
def start_server() -> Iterator[FakeOllama]:
    with FakeOllama(always("85")) as server:
        yield server
