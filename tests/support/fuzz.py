"""Changes good files at random and reads them: each is read, or refused in one line.

``python -m tests.support.fuzz SECONDS SEED`` does so for some time of the processor, within two
gibibytes of memory beyond what the process takes at its start, and prints a line for each file
that did neither.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import pickle
import random
import resource
import signal
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.lora import read_adapter
from pytest_llmjudge.generation.hf.folder import describe_folder, foreign_type
from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks
from pytest_llmjudge.generation.tokenizers.files import find_tokenizer
from pytest_llmjudge.generation.tokenizers.load import load_tokenizer
from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.records.framing import FramedText
from pytest_llmjudge.records.loading import load_records
from pytest_llmjudge.storage.votes import read_votes
from tests.support.saved import read_results
from tests.unit.generation.hugging import make_tokenizer
from tests.unit.generation.tiny import make_model
from tests.unit.generation.tokenizers.made import train_pieces

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["file_kinds", "fuzz", "limit_memory"]

MEMORY = 2 << 30
SECONDS_A_FILE = 30
RELEASED = Path(__file__).parents[1] / "unit" / "storage" / "released" / "version-1.json"
EDGES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    1 << 27,
    (1 << 31) - 1,
    (1 << 32) - 1,
    (1 << 63) - 1,
)
TOKENS = (
    *(b"[", b"{", b"]", b"}", b'"', b",", b":", b"null", b"NaN", b"1e999", b"9" * 5000, b"-1"),
    *(
        b"\\ud800",
        b"\0",
        b"\xff",
        b"[" * 2000,
        b'{"a":' * 2000,
        b"true",
        b"\n",
        b"\r",
        b"\xef\xbb\xbf",
    ),
)
OPCODES = tuple(
    code.encode("latin-1")
    for code in (
        *(
            "(t",
            "\x85" * 500,
            "]a" * 200,
            "}s",
            "0",
            "1",
            "2",
            "r\xff\xff\xff\x07",
            "o",
            "b",
            "\x81",
        ),
        *("\x8b\xff\xff\xff\x7f", "\x8e" + "\xff" * 8, "\x95" + "\xff" * 8, "h\x00", "h\x01" * 300),
        *(
            "R",
            "Q",
            "i_\n_\n",
            "ccollections\nOrderedDict\n",
            "cbuiltins\nset\n",
            "\x82\x01",
            "P1\n",
        ),
        *("\x94", "e", "u", "d", "l", "a", "s", "\x8f", "\x90", "\x91", "I" + "9" * 999 + "\n"),
    )
)
Numbers = random.Random


def limit_memory() -> None:
    """Let this process take two gibibytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fuzz(seconds: float, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Read changed files for so many seconds of the processor.

    Returns:
        How many of each kind were read and refused, and what was neither.
    """
    numbers = random.Random(seed)  # noqa: S311
    kinds, counts = file_kinds(folder), Counter[str]()
    findings: list[str] = []
    end = time.process_time() + seconds
    while time.process_time() < end:
        name = numbers.choice(list(kinds))
        make, read = kinds[name]
        place = folder / name
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_bytes(make(numbers))
        try:
            counts[f"{name} {_outcome(read, place)}"] += 1
        except BaseException as error:  # noqa: BLE001 - any of them is a finding
            kept = folder / f"finding-{seed}-{len(findings)}-{place.name}"
            kept.write_bytes(place.read_bytes())
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}:{last.lineno}"
            findings.append(f"{kept}: {type(error).__name__}: {str(error)[:200]} ({where})")
    return counts, findings


def _too_slow(*_: object) -> None:
    message = f"it took more than {SECONDS_A_FILE} seconds"
    raise AssertionError(message)


def _outcome(read: Callable[[Path], object], place: Path) -> str:
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(SECONDS_A_FILE)
    try:
        read(place)
    except LlmJudgeError as error:
        if any("\n" in line or len(line) > 2000 for line in error.lines):
            message = f"not one line: {error}"
            raise AssertionError(message) from None
        return "refused"
    finally:
        signal.alarm(0)
    return "read"


def file_kinds(
    folder: Path, change: Callable[[Numbers, bytes, tuple[bytes, ...]], bytes] | None = None
) -> dict[str, tuple[Callable[[Numbers], bytes], Callable[[Path], object]]]:
    """Return by its name how each kind of file is made, changed at random, and how it is read.

    Args:
        folder: Where they are to lie; what has to lie beside them is written.
        change: Takes the place of the usual changes.
    """
    change = change or _changed
    state = make_model(GPTConfig(257, 8, 64, n_heads=1, n_layers=1, qkv_bias=True)).state_dict()
    about = {"epoch": 1, "losses": [0.5, 0.25], "done": {1, 2}, "at": torch.Size([2])}
    whole = {"model": state, "optimizer": about}
    zipped, old = io.BytesIO(), io.BytesIO()
    torch.save(whole, zipped)
    torch.save(whole, old, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(zipped) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(data for name, data in members.items() if name.endswith("data.pkl"))
    later = pickle.dumps({"a": (1, 2.5, "x" * 300, b"y", frozenset({1})), "b": [{}, 10**30]})
    safe = save(state)
    index = json.dumps({"metadata": {}, "weight_map": dict.fromkeys(state, "model.safetensors")})
    for name in ("pickle", "zip", "old", "older", "safe", "index"):
        (folder / name).mkdir(exist_ok=True, parents=True)
        (folder / name / "config.json").write_text('{"n_heads": 1}', encoding="utf-8")
    (folder / "index" / "model.safetensors").write_bytes(safe)
    config = {
        "n_heads": 2,
        "activation": "gelu",
        "lora_alpha": 1.5,
        "model_type": "gpt2",
        "n_head": 2,
    }
    (folder / "hf").mkdir(exist_ok=True)
    (folder / "hf" / "model.safetensors").write_bytes(safe)
    (folder / "hf" / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "beside").mkdir(exist_ok=True)
    (folder / "beside" / "model.safetensors").write_bytes(safe)
    record = {"instruction": "Say it.", "input": "", "output": "It."}
    records = json.dumps([record, {**record, "id": "a", "more": [{"deep": [1.5, None]}]}])
    adapter = {"peft_type": "LORA", "lora_alpha": 4, "r": 2, "base_model_name_or_path": "x"}
    vote = {"id": "a", "model_a": "x", "model_b": "y", "winner": "a", "voter": "z"}
    questions = io.StringIO()
    csv.writer(questions).writerows([["Why, so?", "a", "b\n", 'c"', "d", "A"]] * 6)
    rows = questions.getvalue().encode()
    (folder / "csv" / "dev").mkdir(exist_ok=True, parents=True)
    (folder / "csv" / "dev" / "anatomy_dev.csv").write_bytes(rows.replace(b"Why", b"How"))
    ranks = b"".join(b"%s %d\n" % (_base64(bytes([byte])), byte) for byte in range(256))

    def in_zip(numbers: Numbers) -> bytes:
        changed = numbers.choice((pickled, later))
        changed = _changed(numbers, changed, OPCODES) if numbers.random() < 0.9 else changed
        packing = numbers.choice((0, 0, 0, 8, 12, 14))
        to = io.BytesIO()
        with zipfile.ZipFile(to, "w", packing) as archive:
            for name, data in members.items():
                archive.writestr(name, changed if name.endswith("data.pkl") else data)
        return to.getvalue()

    def load_both(path: Path) -> None:
        load(path, torch.device("cpu"), torch.float32)

    def exam(path: Path) -> None:
        data = open_mmlu(path)
        for subject in data.subjects:
            data.questions(subject)

    def model_folder(path: Path) -> None:
        foreign_type(path.parent)
        describe_folder(path.parent)

    def plain(data: bytes, tokens: tuple[bytes, ...]) -> Callable[[Numbers], bytes]:
        return lambda numbers: change(numbers, data, tokens)

    text = TOKENS
    return {
        "pickle/model.pth": (in_zip, load_both),
        "zip/model.pth": (plain(zipped.getvalue(), OPCODES), load_both),
        "old/model.pth": (plain(old.getvalue()[:2000], OPCODES), load_both),
        "older/model.pth": (plain(old.getvalue(), OPCODES), load_both),
        "safe/model.safetensors": (plain(safe, text), load_both),
        "index/model.safetensors.index.json": (plain(index.encode(), text), describe),
        "beside/config.json": (plain(json.dumps(config).encode(), text), lambda path: describe(path.parent)),
        "hf/config.json": (plain(json.dumps(config).encode(), text), model_folder),
        "adapter/adapter_config.json": (plain(json.dumps(adapter).encode(), text), lambda path: read_adapter(path.parent)),
        "ranks/model.tiktoken": (plain(ranks, text), lambda path: load_ranks(path, path, 257)),
        "json/tokenizer.json": (plain(_json_tokenizer(folder), text), _tokenize),
        "pieces/tokenizer.model": (plain(train_pieces(), text), _tokenize),
        "roles/tokenizer_config.json": (plain(_ROLES, text), _tokenize),
        "tar/data.tar": (lambda numbers: _tar(numbers, rows), exam),
        "csv/test/anatomy_test.csv": (plain(rows, text), lambda path: exam(path.parents[1])),
        "parquet/test-00000-of-00001.parquet": (plain(_parquet(_QUESTION), text), lambda path: exam(path.parent)),
        "records/records.json": (plain(records.encode(), text), load_records),
        "lines/records.jsonl": (plain(records[1:-1].replace("}, ", "}\n").encode(), text), load_records),
        "chats/records.json": (plain(_CHATS.encode(), text), load_records),
        "tables/records.csv": (plain(b'question,answer,id\n"a, ""b""",c,1\nd,"e\nf",2\n', text), load_records),
        "rows/records.parquet": (plain(_parquet(record), text), load_records),
        "packed/records.json.gz": (plain(gzip.compress(_CHATS.encode(), mtime=0), text), load_records),
        "results/results.json": (plain(RELEASED.read_bytes(), text), read_results),
        "votes/votes.jsonl": (plain((json.dumps(vote) + "\n").encode() * 2, text), read_votes),
    }  # fmt: skip


def _json_tokenizer(folder: Path) -> bytes:
    """Return a tokenizer.json, and put one beside the settings that are changed."""
    content: str = make_tokenizer().backend_tokenizer.to_str()
    (folder / "roles").mkdir(exist_ok=True)
    (folder / "roles" / "tokenizer.json").write_text(content, encoding="utf-8")
    return content.encode()


def _tokenize(path: Path) -> None:
    files = find_tokenizer(path.with_name("model.pth"), 400, is_gpt2=False)
    assert files is not None
    tokenizer = load_tokenizer(path, replace(files, is_chosen=True), 400)
    tokenizer.decode(tokenizer.encode("the 1\n\ud800"))
    tokenizer.encode_prompt(FramedText(["<|im_start|>", "</s>", "<|im_end|>"]))


_ROLES = json.dumps(
    {
        "bos_token": {"content": "<s>"},
        "eos_token": "</s>",
        "add_bos_token": False,
        "added_tokens_decoder": {"3": {"content": "<|im_end|>", "special": True}},
    }
).encode()
_CHATS = json.dumps(
    [
        {
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": "b"},
            ]
        },
        {"messages": [{"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]},
    ]
)


def _base64(data: bytes) -> bytes:
    import base64

    return base64.b64encode(data)


def _changed(numbers: Numbers, data: bytes, tokens: tuple[bytes, ...]) -> bytes:
    changed = bytearray(data)
    for _ in range(numbers.choice((1, 1, 1, 2, 8))):
        at = numbers.randrange(len(changed) + 1)
        until = min(len(changed), at + numbers.choice((1, 2, 4, 8, 64, 1000)))
        match numbers.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([numbers.randrange(256)])
            case 1:
                width = numbers.choice((1, 2, 4, 8))
                edge = numbers.choice(EDGES) % (1 << 8 * width)
                changed[at : at + width] = edge.to_bytes(width, numbers.choice(("little", "big")))
            case 2:
                changed[at:at] = numbers.choice(tokens)
            case 3:
                del changed[at:until]
            case 4:
                changed[at:at] = changed[at:until] * numbers.choice((1, 2, 100))
            case 5:
                other = numbers.randrange(len(changed) + 1)
                changed[other:other] = changed[at:until]
            case _:
                changed[at:until] = numbers.choice(tokens)
    if numbers.random() < 0.05:
        del changed[numbers.randrange(len(changed) + 1) :]
    return bytes(changed)


def _tar(numbers: Numbers, rows: bytes) -> bytes:
    """Change an archive; most headers get the checksum that they need in order to be believed."""
    to = io.BytesIO()
    form = numbers.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    with tarfile.open(fileobj=to, mode="w", format=form) as archive:
        for name in ("data/dev/anatomy_dev.csv", "data/test/anatomy_test.csv", "x" * 120):
            member = tarfile.TarInfo(name)
            member.size = len(rows)
            if form == tarfile.PAX_FORMAT:
                member.pax_headers = {"comment": "é" * 9}
            archive.addfile(member, io.BytesIO(rows))
    data = bytearray(
        _changed(numbers, to.getvalue(), (*TOKENS[:8], b"L", b"S", b"x", b"g", b"\x80"))
    )
    for start in range(0, len(data) - 511, 512):
        if numbers.random() < 0.9 and data[start + 257 : start + 262] == b"ustar":
            if numbers.random() < 0.3:
                data[start + 156] = numbers.choice(b"0SLKxgX127")
            if numbers.random() < 0.2:
                data[start + 124 : start + 136] = numbers.choice(
                    (b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"00000000000\0")
                )
            data[start + 148 : start + 156] = b"        "
            checksum = sum(data[start : start + 512])
            data[start + 148 : start + 156] = b"%06o\0 " % checksum
    pack: Any = numbers.choice((bytes, bytes, gzip.compress, bz2.compress, lzma.compress))
    packed: bytes = pack(bytes(data))
    return packed if numbers.random() < 0.8 else _changed(numbers, packed, TOKENS)


_QUESTION = {
    "question": "Why?",
    "subject": "anatomy",
    "choices": ["a", "b", "c", "d"],
    "answer": 1,
}


def _parquet(row: dict[str, Any]) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        return b"PAR1"
    to = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([row] * 3), to)
    return to.getvalue()


def main() -> int:
    """Fuzz as the arguments say; the exit status is 1 when there was a finding."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp())
    kinds_ready = file_kinds(folder)
    with contextlib.suppress(LlmJudgeError, OSError):
        # What is imported on first use shall not count.
        kinds_ready["parquet/test-00000-of-00001.parquet"][1](folder / "none")
    limit_memory()
    counts, findings = fuzz(seconds, seed, folder)
    for name, count in sorted(counts.items()):
        sys.stdout.write(f"{count:8} {name}\n")
    sys.stdout.write(f"{sum(counts.values()) + len(findings)} files, {len(findings)} findings\n")
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
