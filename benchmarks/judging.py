"""Judging through HTTP: throughput beside the ideal, and what the client costs for each request.

A server in a process of its own takes 50 ms for each request and has four slots. The ideal is
``requests * 50 ms / 4``. The peer for the cost of a request is a bare ``http.client`` loop over one
kept connection, in the same run, with a server that answers at once.

    python benchmarks/judging.py [--prompts 400]
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Record
from pytest_llmjudge.judging.judge import make_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 0.05
SLOTS = 4
TEST = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_average=0)
def test_instructions(verdict):
    pass
"""
SERVE = """
import sys, threading, time
from tests.support.fake_ollama import Answer, FakeOllama

seconds = float(sys.argv[1])
slots = threading.Semaphore(int(sys.argv[2]))

def reply(request):
    with slots:
        time.sleep(seconds)
    return Answer("85")

server = FakeOllama(reply)
with server:
    print(server.port, flush=True)
    sys.stdin.read()
    chats = [seen for seen in server.requests if seen.path == "/api/chat"]
    begun, ended = min(seen.started for seen in chats), max(seen.ended for seen in chats)
    print(len(chats), ended - begun, server.max_in_flight, flush=True)
"""


class Serving:
    """A server in a process of its own, so that client and server do not share an interpreter.

    Args:
        seconds: For each request.
    """

    def __init__(self, seconds: float) -> None:
        command = [sys.executable, "-c", SERVE, str(seconds), str(SLOTS)]
        self._process = subprocess.Popen(
            command,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  # asked for above
        return self._process.stdout.readline()

    def stop(self) -> tuple[int, float, int]:
        """Return the number of requests, seconds from the first to the last, most in flight."""
        assert self._process.stdin is not None  # noqa: S101  # asked for above
        self._process.stdin.close()
        count, seconds, most = self._line().split()
        self._process.wait()
        return int(count), float(seconds), int(most)


def make_suite(folder: Path, count: int) -> None:
    """Write a suite whose responses are in its records."""
    records = [
        {
            "id": f"r{n}",
            "instruction": f"Say {n}.",
            "output": f"{n}",
            "model_response": f"It is {n}.",
        }
        for n in range(count)
    ]
    (folder / "data.json").write_text(json.dumps(records), encoding="utf-8")
    (folder / "test_suite.py").write_text(TEST, encoding="utf-8")


def time_run(folder: Path, port: int, options: Sequence[str]) -> float:
    """Time a whole run of pytest."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--llm-judge"),
        *("--llm-judge-check=off", f"--llm-judge-url=http://127.0.0.1:{port}"),
        *(f"--llm-judge-concurrency={SLOTS}", *options),
    ]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return seconds


def time_client(port: int, count: int) -> tuple[float, float]:
    """Time one request of a bare connection, and one of the judge's client; seconds each."""
    judge = make_judge("llama3", f"http://127.0.0.1:{port}", 30.0)
    record = Record("r", "Say it.", "", "It is said.", {})
    judge.score(record, "warm")
    started = time.perf_counter()
    for number in range(count):
        judge.score(record, f"It is {number}.")
    ours = (time.perf_counter() - started) / count
    body = json.dumps(
        {
            "model": "llama3",
            "messages": [{"role": "user", "content": "Score it." * 30}],
            "stream": False,
        }
    )
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for _ in range(count):
        connection.request("POST", "/api/chat", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
    bare = (time.perf_counter() - started) / count
    connection.close()
    return bare, ours


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=400)
    count = parser.parse_args().prompts
    ideal = count * SECONDS / SLOTS
    print(f"{count} prompts, {SECONDS * 1000:.0f} ms each, {SLOTS} slots: ideal {ideal:.2f} s")
    for name, options in (("plain", ()), ("-n 4", ("-n", "4"))):
        with tempfile.TemporaryDirectory() as folder:
            server = Serving(SECONDS)
            make_suite(Path(folder), count)
            whole = time_run(Path(folder), server.port, options)
            asked, seconds, most = server.stop()
        print(
            f"{name:6} {asked} requests in {seconds:.2f} s, {most} in flight, "
            f"{ideal / seconds:.2f} of the ideal throughput; the whole run {whole:.2f} s"
        )
    server = Serving(0.0)
    bare, ours = time_client(server.port, count)
    server.stop()
    print(
        f"a request: http.client {bare * 1000:.2f} ms, the judge's client {ours * 1000:.2f} ms, "
        f"overhead {(ours - bare) * 1000:.2f} ms"
    )


if __name__ == "__main__":
    main()
