"""Tests of files that are sent to other machines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.cluster import shipping
from pytest_llmjudge.generation.cluster.shipping import Receiver, look, pieces_of
from pytest_llmjudge.generation.cluster.work import Place
from pytest_llmjudge.generation.files.contents import Content, ContentChangedError, content_of
from tests.support.ray_cluster import is_running, until


@pytest.fixture
def contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Path, Content]:
    monkeypatch.setattr(shipping, "PIECE_BYTES", 10)
    files = {"model/weights": b"0123456789" * 5 + b"end", "model/config": b"{}", "empty": b""}
    (tmp_path / "model").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
    return {tmp_path / name: content_of(tmp_path / name) for name in files}


def test_files_are_written_as_they_were(contents: dict[Path, Content]) -> None:
    receiver = Receiver()
    pieces = list(pieces_of(contents))
    problems = [receiver.receive(name, piece) for name, piece in pieces]
    root, written = receiver.written()

    assert [len(piece) for _, piece in pieces] == [10] * 5 + [3, 2, 0]
    assert problems == [""] * 8
    assert [known.digest for known in written] == [known.digest for known in contents.values()]
    for file in contents:
        assert Place(1, root).locate(file).read_bytes() == file.read_bytes()
    receiver.remove()
    assert not receiver.folder.exists()


def test_a_link_is_sent_with_what_it_leads_to(contents: dict[Path, Content]) -> None:
    file, *_ = contents
    link = file.parent.parent / "link"
    link.symlink_to(file)
    pieces = list(pieces_of({link: content_of(link), file: content_of(file)}))
    receiver = Receiver()
    problems = [receiver.receive(name, piece) for name, piece in pieces]
    root, written = receiver.written()

    assert pieces[0] == (str(link), str(file))
    assert problems == [""] * 7
    assert len(written) == 1
    assert Place(1, root).locate(link).resolve() == Place(1, root).locate(file)
    assert Place(1, root).locate(link).read_bytes() == file.read_bytes()
    receiver.remove()


def test_a_folder_that_is_removed_leaves_nothing_open() -> None:
    before = os.listdir("/dev/fd")  # noqa: PTH208
    receiver = Receiver()
    during = os.listdir("/dev/fd")  # noqa: PTH208
    receiver.remove()

    assert len(during) == len(before) + 1
    assert os.listdir("/dev/fd") == before  # noqa: PTH208


def test_a_path_cannot_lead_out_of_the_folder() -> None:
    assert Place(1, "/root").locate(Path("/a/../../b/./c")) == Path("/root/b/c")


def test_relative_paths_begin_in_the_folder_of_the_driver() -> None:
    assert Place(1, folder="/home").locate(Path("model")) == Path("/home/model")
    assert Place(1, folder="/home").locate(Path("/model")) == Path("/model")
    assert Place(1, "/root", "/home").locate(Path("../model")) == Path("/root/model")


def test_a_file_that_is_written_to_meanwhile(contents: dict[Path, Content]) -> None:
    pieces = pieces_of(contents)
    next(pieces)
    with next(iter(contents)).open("ab") as stream:
        stream.write(b"more")

    with pytest.raises(ContentChangedError):
        list(pieces)


def test_a_file_that_is_removed_meanwhile(contents: dict[Path, Content]) -> None:
    next(iter(contents)).unlink()

    with pytest.raises(CheckpointError, match="it cannot be read"):
        list(pieces_of(contents))


def test_what_cannot_be_written() -> None:
    receiver = Receiver()
    receiver.receive("/model", b"weights")

    assert "/model/tokenizer cannot be written (" in receiver.receive("/model/tokenizer", b"words")
    receiver.remove()


def test_a_node_has_the_files(contents: dict[Path, Content]) -> None:
    assert look(contents, []) is not None


def test_a_node_has_other_files_or_none(contents: dict[Path, Content]) -> None:
    file = next(iter(contents))
    file.write_bytes(b"other weights")
    assert look(contents, []) is None
    file.unlink()
    assert look(contents, []) is None


def test_a_folder_goes_with_a_process_that_is_killed_and_so_do_its_users() -> None:
    code = (
        "from pytest_llmjudge.generation.cluster.shipping import Receiver\n"
        "import subprocess, time\n"
        "receiver = Receiver(); receiver.receive('/model', b'weights')\n"
        "with open(receiver.folder / 'log', 'w') as log:\n"
        "    user = subprocess.Popen(['sleep', '600'], stdout=log)\n"
        "print(receiver.folder, user.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder, pid = process.stdout.readline().split()
        assert Path(folder, "model").exists()
        process.kill()

    until(lambda: not Path(folder).exists())
    assert not is_running(int(pid))
