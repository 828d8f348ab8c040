"""The main job on 110 published responses and a real judge's recorded replies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import FakeOllama, Hang, Replay
from tests.support.ray_cluster import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.project import Project

MODEL = "qwen2.5-coder:1.5b"
ARGUMENTS = (f"--llm-judge-model={MODEL}", "--llm-judge-report=results.json")
AVERAGE = 82.4182


@pytest.fixture
def recorded(real_data: Path) -> Path:
    """The recorded requests and replies."""
    return real_data / "recorded-judge" / "qwen2.5-coder-1.5b.jsonl"


@pytest.fixture
def server(recorded: Path) -> Iterator[FakeOllama]:
    """A server that says what was recorded, and 500 to anything else."""
    with FakeOllama(Replay(recorded), models={MODEL: "4ff64a7f502a"}) as fake:
        yield fake


@pytest.fixture
def real_project(project: Project, real_data: Path) -> Project:
    """The published responses as a suite."""
    source = real_data / "instructions" / "instruction-data-with-response.json"
    shutil.copy(source, project.path / "data.json")
    data = json.loads(source.read_text(encoding="utf-8"))
    project.suite(data, 'responses="model_response", min_average=80')
    return project


def prompts(server: FakeOllama) -> Counter[str]:
    return Counter(chat["messages"][0]["content"] for chat in server.chats)


def recorded_prompts(recorded: Path) -> Counter[str]:
    lines = recorded.read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["request"]["messages"][0]["content"] for line in lines)


def check_results(document: dict[str, Any]) -> None:
    (suite,) = document["suites"]

    assert (suite["total"], suite["scored"], suite["unscored"]) == (110, 110, 0)
    assert suite["average"] == AVERAGE
    assert suite["outcome"] == "passed"


def test_recorded_average_is_reproduced(
    real_project: Project, server: FakeOllama, recorded: Path
) -> None:
    """Every way of running asks the recorded prompts once, one at a time, to the same results."""
    documents = []
    for runs, mode in enumerate(((), ("-n", "2"), ("-n", "4"), ("-p", "no:xdist")), 1):
        result = real_project.run(*mode, *ARGUMENTS, "--llm-judge-cache=off", server=server.url)

        result.assert_outcomes(passed=111)
        documents.append(real_project.results())
        check_results(documents[-1])
        expected = recorded_prompts(recorded)
        assert prompts(server) == Counter({text: runs * n for text, n in expected.items()})
        assert server.max_in_flight == 1

    assert all(document == documents[0] for document in documents)


def test_a_killed_run_is_resumed(
    mode: tuple[str, ...], real_project: Project, server: FakeOllama, recorded: Path
) -> None:
    """After kill -9 half way a second run asks only what was not answered, to the same end."""
    replay = server.reply
    server.reply = lambda request: (
        replay(request) if request.number < 50 else Hang(threading.Event())
    )
    killed = subprocess.Popen(
        real_project.command(*mode, *ARGUMENTS, server=server.url),
        cwd=real_project.path,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert server.wait_for_chats(50)
    until(lambda: real_project.kept() == 49)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert server.wait_until_idle()
    server.reply = replay

    result = real_project.run(*mode, *ARGUMENTS, server=server.url)

    result.assert_outcomes(passed=111)
    resumed = real_project.results()
    check_results(resumed)
    asked = prompts(server)
    assert set(recorded_prompts(recorded)) == set(asked)
    # The one request that was in flight when the run was killed has no reader for its answer.
    assert sum(asked.values()) == 111

    real_project.run(*mode, *ARGUMENTS, "--llm-judge-cache=off", server=server.url)
    assert resumed == real_project.results()
