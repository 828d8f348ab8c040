"""What a second run finds, and what becomes of a cache that cannot be used."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.support.fake_ollama import DIGEST, FakeOllama
from tests.support.project import MODEL, Project, records

RIGHT = "'The number ' + prompt.split('Say ')[1].split(' ')[0] + ' in words.'"


@pytest.fixture
def generating(project: Project) -> Project:
    """Six records whose responses are made by a model of the user's own."""
    project.write("conftest.py", MODEL.format(answer=RIGHT))
    project.suite(records(6), "min_score=50")
    return project


def batches(project: Project) -> list[str]:
    log = project.path / "generated.log"
    return log.read_text().split() if log.exists() else []


def test_a_second_run_makes_nothing_again(
    generating: Project, ollama: FakeOllama, dist: tuple[str, ...]
) -> None:
    """Responses and verdicts are kept; each record is generated and judged once."""
    generating.run(*dist, server=ollama.url).assert_outcomes(passed=7)
    generating.run(*dist, server=ollama.url).assert_outcomes(passed=7)

    assert batches(generating) == ["6"]
    assert len(ollama.chats) == 6
    assert ollama.max_in_flight == 1


def test_only_what_is_new_is_made(generating: Project, ollama: FakeOllama) -> None:
    """A record that is added is the only one generated and judged."""
    generating.run(server=ollama.url)
    generating.write("data.json", [records(7)[6], *records(6)])

    generating.run(server=ollama.url).assert_outcomes(passed=8)

    assert batches(generating) == ["6", "1"]
    assert len(ollama.chats) == 7


def test_another_judge_digest_asks_again(generating: Project, ollama: FakeOllama) -> None:
    """Verdicts belong to a judge's weights, not to its name; responses stay."""
    generating.run(server=ollama.url)
    ollama.models["llama3:latest"] = DIGEST[::-1]

    generating.run(server=ollama.url)

    assert batches(generating) == ["6"]
    assert len(ollama.chats) == 12


def test_refresh_makes_everything_again_once(
    generating: Project, ollama: FakeOllama, mode: tuple[str, ...]
) -> None:
    """``refresh`` takes nothing of earlier runs; records and their gate still agree."""
    generating.run(server=ollama.url)

    generating.run("--llm-judge-cache=refresh", *mode, server=ollama.url).assert_outcomes(passed=7)
    generating.run(server=ollama.url)

    assert batches(generating) == ["6", "6"]
    assert len(ollama.chats) == 12


def test_off_keeps_nothing(generating: Project, ollama: FakeOllama, mode: tuple[str, ...]) -> None:
    """``off`` shares one store in a temporary folder among the processes of the run alone."""
    for _ in range(2):
        result = generating.run("--llm-judge-cache=off", *mode, server=ollama.url)
        result.assert_outcomes(passed=7)

    assert batches(generating) == ["6", "6"]
    assert len(ollama.chats) == 12
    assert not (generating.path / ".pytest_cache" / "d" / "llm-judge" / "store.sqlite").exists()


def test_cache_clear_clears(generating: Project, ollama: FakeOllama) -> None:
    """``--cache-clear`` clears it once, though every worker of xdist gets the option."""
    generating.run(server=ollama.url)

    generating.run("--cache-clear", server=ollama.url).assert_outcomes(passed=7)

    assert batches(generating) == ["6", "6"]
    assert len(ollama.chats) == 12


def test_without_pytests_cache(generating: Project, ollama: FakeOllama) -> None:
    """``-p no:cacheprovider`` is shown in the header and works as ``off``."""
    result = generating.run("-p", "no:cacheprovider", server=ollama.url)

    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["llm-judge: cache off, because pytest's cacheprovider is"])


def test_a_gate_alone_is_fast_on_a_warm_store(generating: Project, ollama: FakeOllama) -> None:
    """A gate takes all it needs from the store of an earlier run."""
    generating.run(server=ollama.url)

    result = generating.run("-k", "average", server=ollama.url)

    result.assert_outcomes(passed=1, deselected=6)
    assert len(ollama.chats) == 6


def test_a_cache_folder_that_cannot_be_made(generating: Project, ollama: FakeOllama) -> None:
    """The run ends before any work, with the folder and the reason."""
    generating.write("blocked", "")

    result = generating.run("-o", "cache_dir=blocked/cache", server=ollama.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        "ERROR: blocked/cache: the cache cannot be used (File exists); make room or make it "
        "writable, remove it, or run with --llm-judge-cache=off"
    )
    assert [text] == [line for line in result.errlines if line.startswith("ERROR")]
    assert ollama.chats == []


def test_a_store_that_is_no_database(generating: Project, ollama: FakeOllama) -> None:
    """A damaged store is named, with what to do."""
    folder = generating.path / ".pytest_cache" / "d" / "llm-judge"
    generating.write(".pytest_cache/d/llm-judge/store.sqlite", "x" * 5000)

    result = generating.run(server=ollama.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f"ERROR: {folder}: the cache cannot be used (file is not a database); make room or make "
        "it writable, remove it, or run with --llm-judge-cache=off"
    )
    assert [text] == [line for line in result.errlines if line.startswith("ERROR")]


def test_a_store_with_a_damaged_schema(generating: Project, ollama: FakeOllama) -> None:
    """It is one line, too, although sqlite3 raises an error of another kind."""
    generating.run(server=ollama.url)
    store = generating.path / ".pytest_cache/d/llm-judge/store.sqlite"
    content = bytearray(store.read_bytes())
    content[content.index(b"CREATE TABLE responses") + 3] = 0xB2
    store.write_bytes(content)

    result = generating.run(server=ollama.url)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = f"ERROR: {store.parent}: the cache cannot be used (its schema is damaged); "
    assert [line[: len(text)] for line in result.errlines if line.startswith("ERROR")] == [text]


def test_a_full_disk(generating: Project, ollama: FakeOllama) -> None:
    """When the store cannot grow every record says so in a line and none is lost."""
    generating.run("-k", "r0", server=ollama.url)
    generating.write("data.json", [*records(6), *long_records()])

    result = subprocess.run(
        generating.command("-o", "console_output_style=classic", server=ollama.url),
        cwd=generating.path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_file_size,
    )

    folder = generating.path / ".pytest_cache" / "d" / "llm-judge"
    assert result.returncode == 1, result.stdout + result.stderr
    start = f"{folder}: the cache cannot be used ("
    lines = [line for line in result.stdout.splitlines() if line.startswith(start)]
    end = "); make room or make it writable, remove it, or run with --llm-judge-cache=off"
    assert lines
    assert all(line.endswith(end) for line in lines)
    assert "Traceback" not in result.stdout + result.stderr


def long_records() -> list[dict[str, str]]:
    text = "word " * 20_000
    return [
        {"id": f"l{number}", "instruction": f"Say {number}{text}", "output": text}
        for number in range(20)
    ]


def limit_file_size() -> None:
    size = Path("/proc/self/exe").stat().st_blksize * 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def give_up_the_powers_of_root() -> None:
    """Let permissions hold for this process too: no CAP_DAC_OVERRIDE after the next exec."""
    if os.geteuid() == 0:
        drop_from_bounding_set, cap_dac_override = 24, 1
        failed = ctypes.CDLL(None).prctl(drop_from_bounding_set, cap_dac_override, 0, 0, 0)
        assert not failed


def test_a_read_only_cache(generating: Project, ollama: FakeOllama) -> None:
    """A folder that may not be written ends the run before any work."""
    generating.run("-k", "r0", server=ollama.url)
    asked = len(ollama.chats)
    folder = generating.path / ".pytest_cache" / "d" / "llm-judge"
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)

    result = subprocess.run(
        generating.command(server=ollama.url),
        cwd=generating.path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=give_up_the_powers_of_root,
    )
    folder.chmod(0o755)

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    text = (
        f"ERROR: {folder}: the cache cannot be used (Permission denied); make room or make it "
        "writable, remove it, or run with --llm-judge-cache=off"
    )
    assert [text] == [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
    assert len(ollama.chats) == asked


@pytest.mark.parametrize("table", ["results", "checks", "notes", "faults"])
def test_a_store_with_a_damaged_page(project: Project, table: str, mode: tuple[str, ...]) -> None:
    """What the run itself keeps there is read at its end, when there is no item to fail."""
    project.suite(records(4), 'responses="model_response", min_score=10, min_average=20')
    assert project.run(*mode).ret == 0
    store = project.path / ".pytest_cache/d/llm-judge/store.sqlite"
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        text = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(text, (table,)).fetchone()
    with store.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\0" * 64)

    result = project.run("--llm-judge-report=results.json", *mode)

    assert result.ret == 1
    output = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    problem = f"{store.parent}: the cache cannot be used (database disk image is malformed); "
    assert output.count(f"\nERROR: {problem}") == 1
    assert "llm-judge: the cache cannot be read, so no file was written" in output
    assert not (project.path / "results.json").exists()
