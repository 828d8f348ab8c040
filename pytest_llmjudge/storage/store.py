"""Responses and verdicts in one SQLite file that every process of a run shares.

Rows are addressed by content and the first write wins, so an item and its gate cannot see two
different scores. Each row names the run that wrote it: ``refresh`` takes rows of other runs for
missing, and a failure holds for its own run only. What a server answered awaits a look at its
model: until then a row counts in its own run alone.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.storage.rows import (
    StoredResponse,
    read_explanation,
    read_response,
    read_verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Explanation, Verdict

__all__ = ["Failure", "Progress", "Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, text TEXT, error TEXT, awaits TEXT,
    thoughts TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, score INTEGER, reply TEXT NOT NULL, error TEXT,
    covered REAL, too_long INTEGER NOT NULL DEFAULT 0, awaits TEXT, seconds REAL, tokens INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS choices (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, facts TEXT NOT NULL, awaits TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS explanations (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, text TEXT NOT NULL, error TEXT, awaits TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looks (
    run TEXT NOT NULL, model TEXT NOT NULL, at REAL NOT NULL, awaiting INTEGER NOT NULL,
    PRIMARY KEY (run, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (
    run TEXT PRIMARY KEY, message TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    run TEXT NOT NULL, key TEXT NOT NULL, message TEXT NOT NULL, rig INTEGER NOT NULL,
    too_long INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checks (
    run TEXT NOT NULL, suite TEXT NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (run, suite)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
    run TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (run, text)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suites (
    place INTEGER PRIMARY KEY, run TEXT NOT NULL, name TEXT NOT NULL, facts TEXT NOT NULL,
    UNIQUE (run, name)
);
CREATE TABLE IF NOT EXISTS results (
    run TEXT NOT NULL, suite TEXT NOT NULL, item TEXT NOT NULL, rows TEXT NOT NULL,
    PRIMARY KEY (run, suite, item)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (
    model TEXT PRIMARY KEY, first TEXT NOT NULL, last TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
    run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    run TEXT NOT NULL, kind TEXT NOT NULL, suite TEXT NOT NULL, worker TEXT NOT NULL,
    done INTEGER NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (run, kind, suite, worker)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS awaiting_responses ON responses (run, awaits) WHERE awaits IS NOT NULL;
CREATE INDEX IF NOT EXISTS awaiting_verdicts ON verdicts (run, awaits) WHERE awaits IS NOT NULL;
CREATE INDEX IF NOT EXISTS awaiting_choices ON choices (run, awaits) WHERE awaits IS NOT NULL;
CREATE INDEX IF NOT EXISTS awaiting_explanations ON explanations (run, awaits)
    WHERE awaits IS NOT NULL;
"""
_AWAITS = (
    "ALTER TABLE responses ADD COLUMN awaits TEXT; ALTER TABLE verdicts ADD COLUMN awaits TEXT;"
)
# Earlier versions kept the thoughts of some models as part of the response.
_THOUGHTS = (
    "ALTER TABLE responses ADD COLUMN thoughts TEXT NOT NULL DEFAULT ''; "
    "DELETE FROM responses WHERE text LIKE '%<think%' OR text LIKE '%</think%';"
)
_COST = (
    "ALTER TABLE verdicts ADD COLUMN seconds REAL; ALTER TABLE verdicts ADD COLUMN tokens INTEGER;"
)
# From what earlier versions had: their failures and suites are of runs that are over.
_FROM = {
    0: "",
    1: (
        "ALTER TABLE verdicts ADD COLUMN covered REAL; "
        "ALTER TABLE verdicts ADD COLUMN too_long INTEGER NOT NULL DEFAULT 0; DROP TABLE failures;"
        + _AWAITS
        + _THOUGHTS
        + _COST
    ),
    2: "DROP TABLE failures;" + _AWAITS + _THOUGHTS + _COST,
    3: _AWAITS + _THOUGHTS + _COST,
    4: _AWAITS + "ALTER TABLE choices ADD COLUMN awaits TEXT;" + _THOUGHTS + _COST,
    5: _AWAITS + "ALTER TABLE choices ADD COLUMN awaits TEXT;" + _THOUGHTS + _COST,
    6: _THOUGHTS + _COST,
    7: _THOUGHTS + _COST,
    8: _THOUGHTS + _COST,
    9: _COST,
    10: _COST,
}
_VERSION = 11
_AWAITING = ("responses", "verdicts", "choices", "explanations")
"""Tables of what servers may have answered."""
_OF_RUNS = (
    "progress",
    "failures",
    "suites",
    "results",
    "checks",
    "notes",
    "looks",
    "faults",
    "facts",
)
"""Tables of what is of use to one run alone."""
_COLUMNS = {
    "responses": "text, error, thoughts",
    "verdicts": "score, reply, error, covered, too_long, seconds, tokens",
    "answers": "facts",
    "choices": "facts",
    "explanations": "text, error",
}
"""What is kept under a key, by table."""
_OF_MODEL = "WHERE run = ? AND awaits >= ? AND awaits < ?"
_OF_OTHERS = "WHERE run <> ? AND awaits >= ? AND awaits < ?"
_BUSY_SECONDS = 60.0
_LOCK_POLL_SECONDS = 0.01
_MANY = 500
_PROGRESS_SECONDS = 0.2
_KEPT = "kept "
"""Begins the kind of a row of progress that counts what the cache has."""


Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be had in this run.

    Attributes:
        message: One line.
        is_infrastructure: Whether it was the infrastructure that failed.
        too_long: Whether the question did not fit into the judge's context.
    """

    message: str
    is_infrastructure: bool
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one kind of work is, over all processes of the run."""

    done: int
    total: int


class Store:
    """The shared file, opened lazily and once for each thread.

    Args:
        folder: Where the file and the locks live; made when missing.
        run: Name of this run, the same in all its processes.
        refresh: Take what other runs wrote for missing.

    Raises:
        StoreError: From every method, when the folder cannot be used.
    """

    def __init__(self, folder: Path, run: str, *, refresh: bool = False) -> None:
        self.folder = folder
        self.run = run
        self.refresh = refresh
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._is_closed = False
        self._progress: dict[tuple[str, str, str], Progress] = {}
        self._progress_at = 0.0
        self._progress_lock = threading.Lock()

    def open(self) -> None:
        """Make the file and prove that it can be written, and read."""
        with self._transaction() as connection:
            for table, columns in _COLUMNS.items():
                connection.execute(f"SELECT key, run, {columns} FROM {table} LIMIT 0")
            for table in _AWAITING:
                connection.execute(f"SELECT awaits FROM {table} LIMIT 0")

    def close(self) -> None:
        """Close all connections; the file stays, and is not opened again."""
        self._is_closed = True
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def response(self, key: str) -> StoredResponse | None:
        """Return the response stored under ``key``."""
        return self.responses([key]).get(key)

    def responses(self, keys: Sequence[str]) -> dict[str, StoredResponse]:
        """Return those of ``keys`` that have a response."""
        return self._read("responses", keys, read_response)

    def add_response(
        self, key: str, response: StoredResponse, awaits: str | None = None
    ) -> StoredResponse:
        """Store a response unless there is one; return the one that holds.

        ``awaits`` is for :meth:`awaiting`, here and below.
        """
        values = (response.text, response.error, response.thoughts, awaits)
        self._insert("responses", key, values)
        return self.response(key) or response

    def verdict(self, key: str) -> Verdict | None:
        """Return the verdict stored under ``key``."""
        return self.verdicts([key]).get(key)

    def verdicts(self, keys: Sequence[str]) -> dict[str, Verdict]:
        """Return those of ``keys`` that have a verdict."""
        return self._read("verdicts", keys, read_verdict)

    def add_verdict(self, key: str, verdict: Verdict, awaits: str | None = None) -> Verdict:
        """Store a final verdict unless there is one; return the one that holds."""
        known = (verdict.score, verdict.reply, verdict.error, verdict.covered, verdict.too_long)
        self._insert("verdicts", key, (*known, verdict.seconds, verdict.tokens, awaits))
        return self.verdict(key) or verdict

    def answers(self, keys: Sequence[str], read: Callable[[str], Kept]) -> dict[str, Kept]:
        """Return what is stored of a model's answers, such as probabilities of given texts, by key.

        Args:
            keys: Name them.
            read: Makes them of what was stored; raises an error where that is none.
        """
        return self._read("answers", keys, read)

    def add_answers(self, rows: Mapping[str, str]) -> None:
        """Store such facts of a model's answers by key, unless they are there; all or nothing."""
        with self._transaction():
            for key, facts in rows.items():
                self._insert("answers", key, (facts,))

    def choices(self, keys: Sequence[str], read: Callable[[str], Kept]) -> dict[str, Kept]:
        """Return those of ``keys`` under which a judge's choice between answers is stored.

        Args:
            keys: Name them.
            read: Makes a choice of what was stored; raises an error where that is none.
        """
        return self._read("choices", keys, read)

    def add_choice(self, key: str, facts: str, awaits: str | None = None) -> None:
        """Store a final choice unless there is one."""
        self._insert("choices", key, (facts, awaits))

    def explanations(self, keys: Sequence[str]) -> dict[str, Explanation]:
        """Return those of ``keys`` under which an explanation is stored."""
        return self._read("explanations", keys, read_explanation)

    def add_explanation(
        self, key: str, explanation: Explanation, awaits: str | None = None
    ) -> None:
        """Store a final explanation unless there is one."""
        self._insert("explanations", key, (explanation.text, explanation.error, awaits))

    def awaiting(self, model: str) -> list[tuple[str, str, str]]:
        """Return the rows of this run that await a look at a model.

        Args:
            model: What ``awaits`` of these rows begins with, before a blank.

        Returns:
            For each row its table, its key and what it awaits.
        """
        return self._waiting(_OF_MODEL, model)

    def left_behind(self, model: str) -> list[tuple[str, str, str]]:
        """Return the rows of other runs that await a look at a model, as :meth:`awaiting`."""
        return self._waiting(_OF_OTHERS, model)

    def _waiting(self, which: str, model: str) -> list[tuple[Any, ...]]:
        texts = (f"SELECT '{table}', key, awaits FROM {table} {which}" for table in _AWAITING)
        return [row for text in texts for row in self._execute(text, *self._of_model(model))]

    def confirm(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Let rows count in all runs; as :meth:`awaiting` or :meth:`left_behind` gave them."""
        text = "UPDATE {} SET awaits = NULL WHERE key = ? AND awaits = ?"
        with self._transaction() as connection:
            for table, key, awaits in rows:
                connection.execute(text.format(table), (key, awaits))

    def discard(self, model: str) -> None:
        """Remove the rows of this run that await a look at a model."""
        with self._transaction() as connection:
            for table in _AWAITING:
                connection.execute(f"DELETE FROM {table} {_OF_MODEL}", self._of_model(model))

    def note_look(self, model: str, awaiting: int) -> None:
        """Note that a model was looked at just now, and how many rows await a look all the same."""
        values = (self.run, model, time.time(), awaiting)
        self._execute("INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)", *values)

    def since_look(self, model: str) -> tuple[int, float]:
        """Return how many rows were written since a model was looked at, and how many s ago.

        Before the first look both count from the first call.
        """
        counts = " + ".join(f"(SELECT COUNT(*) FROM {name} {_OF_MODEL})" for name in _AWAITING)
        look = "FROM looks WHERE run = ? AND model = ?"
        text = f"SELECT {counts}, (SELECT at {look}), (SELECT awaiting {look})"
        values = [*self._of_model(model) * len(_AWAITING), *(self.run, model) * 2]
        ((written, at, before),) = self._execute(text, *values)
        if at is None:
            self.note_look(model, 0)
            return written, 0.0
        return written - before, time.time() - at

    def note_fault(self, message: str) -> None:
        """Let nothing be decided any more in this run; the first message holds."""
        self._execute("INSERT OR IGNORE INTO faults VALUES (?, ?)", self.run, message)

    def fault(self) -> str | None:
        """Return why nothing is decided any more in this run; ``None`` while all is well."""
        rows = self._execute("SELECT message FROM faults WHERE run = ?", self.run)
        return str(rows[0][0]) if rows else None

    def failure(self, key: str) -> Failure | None:
        """Return what went wrong with ``key`` in this run."""
        text = "SELECT message, rig, too_long FROM failures WHERE run = ? AND key = ?"
        for message, rig, too_long in self._execute(text, self.run, key):
            return Failure(str(message), bool(rig), bool(too_long))
        return None

    def add_failure(self, key: str, failure: Failure) -> None:
        """Note for this run that ``key`` could not be had, so that nobody tries again."""
        values = (failure.message, failure.is_infrastructure, failure.too_long)
        self._execute(
            "INSERT OR IGNORE INTO failures VALUES (?, ?, ?, ?, ?)", self.run, key, *values
        )

    def forget_failure(self, key: str) -> None:
        """Let ``key`` be tried again in this run."""
        self._execute("DELETE FROM failures WHERE run = ? AND key = ?", self.run, key)

    def note_progress(self, kind: str, suite: str, worker: str, progress: Progress) -> None:
        """Tell the other processes how far ``worker`` is with one kind of work on a suite.

        ``progress.done`` counts what ``worker`` did itself, ``progress.total`` the work of all. The
        other processes see it at once, or 0.2 s later.
        """
        with self._progress_lock:
            self._progress[kind, suite, worker] = progress
        is_due = time.monotonic() - self._progress_at >= _PROGRESS_SECONDS
        if is_due or progress.done == progress.total:
            self.write_progress()

    def note_kept(self, kind: str, suite: str, worker: str, number: int) -> None:
        """Tell how much of one kind of work on a suite ``worker`` did that the cache keeps."""
        with self._progress_lock:
            self._progress[_KEPT + kind, suite, worker] = Progress(number, 0)

    def note_found(self, kind: str, suite: str, found: Progress) -> None:
        """Tell how much of a kind of work the cache had before; the first look holds."""
        values = (self.run, _KEPT + kind, suite, found.done, found.total)
        self._execute("INSERT OR IGNORE INTO progress VALUES (?, ?, ?, '', ?, ?)", *values)

    def write_progress(self) -> None:
        """Write what was noted and is not written yet."""
        with self._progress_lock:
            noted, self._progress = self._progress, {}
            self._progress_at = time.monotonic()
        if not noted:
            return
        with self._errors():
            self._connection().executemany(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?)",
                [(self.run, *key, one.done, one.total) for key, one in noted.items()],
            )

    def progress(self) -> dict[str, Progress]:
        """Return how far this run is with each kind of work."""
        summed = self._summed_progress()
        return {kind: summed[kind] for kind in summed if not kind.startswith(_KEPT)}

    def kept(self) -> dict[str, Progress]:
        """Return how much the cache has of each kind of work of this run, and how much it needs.

        Another process may have done more in the last 0.2 s.
        """
        summed = self._summed_progress()
        return {kind.removeprefix(_KEPT): summed[kind] for kind in summed if kind.startswith(_KEPT)}

    def _summed_progress(self) -> dict[str, Progress]:
        self.write_progress()
        text = (
            "SELECT kind, SUM(done), SUM(total) FROM (SELECT kind, SUM(done) AS done, "
            "MAX(total) AS total FROM progress WHERE run = ? GROUP BY kind, suite) "
            "GROUP BY kind ORDER BY kind"
        )
        rows = self._execute(text, self.run)
        return {kind: Progress(done, total) for kind, done, total in rows}

    def has_broken(self) -> bool:
        """Say whether server, model or checkpoint failed in this run."""
        text = "SELECT 1 FROM failures WHERE run = ? AND rig LIMIT 1"
        return bool(self._execute(text, self.run))

    def key_of_this_run(self, key: str) -> str:
        """Make a key that no other run has; its row goes with the run."""
        return f"{self.run}-{key}"

    def note_suite(self, name: str, facts: dict[str, Any], *, planned: bool = False) -> None:
        """Tell the process that writes the results what a suite is.

        Args:
            name: Of the suite.
            facts: Plain data.
            planned: The suite has not begun; what is known once it has is known better.
        """
        known = "NOTHING" if planned else "UPDATE SET facts = excluded.facts"
        text = "INSERT INTO suites (run, name, facts) VALUES (?, ?, ?) ON CONFLICT (run, name) DO "
        self._execute(text + known, self.run, name, json.dumps(facts))

    def suites(self) -> dict[str, dict[str, Any]]:
        """Return what the processes of this run have noted of its suites, by name.

        They come in the order in which they were collected: every process announces all of them
        in that order before it begins.
        """
        rows = self._execute(
            "SELECT name, facts FROM suites WHERE run = ? ORDER BY place", self.run
        )
        return {name: json.loads(facts) for name, facts in rows}

    def note_results(self, suite: str, item: str, rows: Mapping[str, dict[str, Any]]) -> None:
        """Keep the results of an item for the process that writes the file.

        Args:
            suite: Name of the suite.
            item: Which of its items.
            rows: Plain data by the ids of samples: of one sample, or for a gate of all.
        """
        values = (self.run, suite, item, json.dumps(rows))
        self._execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", *values)

    def results(self, suite: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the results of the items of a suite in this run, by item and sample."""
        text = "SELECT item, rows FROM results WHERE run = ? AND suite = ?"
        return {item: json.loads(rows) for item, rows in self._execute(text, self.run, suite)}

    def note_check(self, suite: str, facts: dict[str, Any]) -> None:
        """Keep what the judge made of known answers for the process that writes the results."""
        values = (self.run, suite, json.dumps(facts))
        self._execute("INSERT OR REPLACE INTO checks VALUES (?, ?, ?)", *values)

    def checks(self) -> dict[str, dict[str, Any]]:
        """Return what the judge made of known answers, by suite."""
        rows = self._execute("SELECT suite, facts FROM checks WHERE run = ?", self.run)
        return {suite: json.loads(facts) for suite, facts in rows}

    def add_note(self, text: str) -> None:
        """Tell who reads the results something of the run as a whole."""
        self._execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", self.run, text)

    def notes(self) -> tuple[str, ...]:
        """Return the notes on the run as a whole."""
        rows = self._execute("SELECT text FROM notes WHERE run = ? ORDER BY text", self.run)
        return tuple(str(text) for (text,) in rows)

    def agree(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Note facts that must be the same in all processes of this run.

        Returns:
            Of each fact what was noted first.
        """
        rows = [(self.run, name, value) for name, value in facts.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", rows)
        known = self.agreed()
        return {name: known[name] for name in facts}

    def agreed(self) -> dict[str, str]:
        """Return the facts that must be the same in all processes of this run."""
        rows = self._execute("SELECT name, value FROM facts WHERE run = ?", self.run)
        return {str(name): str(value) for name, value in rows}

    def once(self, fact: str, find: Callable[[], str]) -> str:
        """Return a fact of this run; the first process that needs it finds it out."""
        with self.lock(fact):
            known = self.agreed().get(fact)
            return self.agree({fact: find()})[fact] if known is None else known

    def answering_names(self, model: str) -> tuple[str, str]:
        """Return under which name a model has answered first and last in any run, or nothing."""
        for first, last in self._execute("SELECT first, last FROM names WHERE model = ?", model):
            return str(first), str(last)
        return "", ""

    def note_answering_name(self, model: str, name: str) -> str:
        """Keep for later runs under which name a model answers; return the first it ever had."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO names VALUES (?, ?, ?) "
                "ON CONFLICT (model) DO UPDATE SET last = excluded.last",
                (model, name, name),
            )
            rows = connection.execute("SELECT first FROM names WHERE model = ?", (model,))
            return str(rows.fetchone()[0])

    def end_run(self) -> None:
        """Remove what was of use to this run alone."""
        for table in _OF_RUNS:
            self._execute(f"DELETE FROM {table} WHERE run = ?", self.run)
        for table in ("verdicts", "choices"):
            text = f"DELETE FROM {table} WHERE run = ? AND key LIKE ? || '-%'"
            self._execute(text, self.run, self.run)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock ``name`` among all processes and threads; freed when its holder dies."""
        lock = self._lock_of(name)
        with self._errors():
            lock.acquire(poll_interval=_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Like ``lock``, but give up at once and say whether it was had."""
        lock = self._lock_of(name)
        with self._errors(), suppress(TimeoutError):
            lock.acquire(blocking=False)
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def _lock_of(self, name: str) -> FileLock:
        path = self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
        return FileLock(path, thread_local=False)

    def _of_model(self, model: str) -> tuple[str, str, str]:
        """Return the values of ``_OF_MODEL``."""
        # "!" comes after the blank.
        return self.run, f"{model} ", f"{model}!"

    def _read(self, table: str, keys: Sequence[str], read: Callable[..., Kept]) -> dict[str, Kept]:
        """Return what rows hold; those that hold nothing of the kind are removed, and it is said.

        Args:
            table: Where they are.
            keys: Of the rows.
            read: Makes something of the columns; raises an error where they hold nothing.
        """
        kept: dict[str, Kept] = {}
        for key, *values in self._select(table, keys):
            try:
                kept[key] = read(*values)
            except (TypeError, ValueError, KeyError, RecursionError):  # noqa: PERF203  # each row stands alone
                self._remove(table, key)
        return kept

    def _remove(self, table: str, key: str) -> None:
        self._execute(f"DELETE FROM {table} WHERE key = ?", key)
        self.add_note(
            f"{self.folder}: some {table} of the cache were none (this version did not write them, "
            "or something changed them); they were removed and made anew"
        )

    def _select(self, table: str, keys: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        which, given = "", [self.run]
        if self.refresh:
            which = " AND run = ?"
        elif table in _AWAITING:
            which = " AND (run = ? OR awaits IS NULL)"
        else:
            given = []
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(keys), _MANY):
            some = keys[start : start + _MANY]
            marks = ",".join("?" * len(some))
            text = f"SELECT key, {_COLUMNS[table]} FROM {table} WHERE key IN ({marks}){which}"
            with self._errors():
                connection = self._connection()
                # sqlite3 would say of all rows that they cannot be read.
                connection.text_factory = _text_or_bytes
                try:
                    rows += connection.execute(text, (*some, *given)).fetchall()
                finally:
                    connection.text_factory = str
        return rows

    def _insert(self, table: str, key: str, values: tuple[object, ...]) -> None:
        columns = _COLUMNS[table] + (", awaits" if table in _AWAITING else "")
        marks = ",".join("?" * (2 + len(values)))
        conflict = "NOTHING"
        if self.refresh or table in _AWAITING:
            changes = ", ".join(
                f"{name} = excluded.{name}" for name in ["run", *columns.split(", ")]
            )
            # What a run left behind that ended before its look counts for nobody.
            unless = "" if self.refresh else " AND awaits IS NOT NULL"
            conflict = f"UPDATE SET {changes} WHERE run <> excluded.run{unless}"
        # An answer under way while its model is found to be another one comes after discard(), and
        # would await a look of the next run, which may see the first model again.
        awaits = values[-1] if table in _AWAITING else None
        text = (
            f"INSERT INTO {table} (key, run, {columns}) SELECT {marks} "
            "WHERE ? IS NULL OR NOT EXISTS (SELECT 1 FROM faults WHERE run = ?) "
            f"ON CONFLICT (key) DO {conflict}"
        )
        self._execute(text, key, self.run, *values, awaits, self.run)

    def _execute(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement, and return the rows that it finds."""
        with self._errors():
            return self._connection().execute(text, values).fetchall()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._is_closed:
                message = "the run is over"
                raise sqlite3.ProgrammingError(message)
            self.folder.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait for its turn while a new file becomes a WAL: who comes second is
            # refused at once, because the file is locked.
            with FileLock(self.folder / "open.lock", thread_local=False):
                connection = self._open_file()
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    def _open_file(self) -> sqlite3.Connection:
        # SQLite waits for a FIFO without an end.
        for ending in ("", "-journal", "-wal", "-shm"):
            path = self.folder / f"store.sqlite{ending}"
            if path.exists() and not path.is_file():
                message = f"{path.name} is no regular file"
                raise sqlite3.DatabaseError(message)
        connection = sqlite3.connect(
            self.folder / "store.sqlite",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._check_plain(connection)
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _check_plain(connection: sqlite3.Connection) -> None:
        """Refuse triggers and views: they are programs, which may have no end."""
        query = "SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view')"
        if connection.execute(query).fetchone():
            message = "it has triggers or views, which this package never writes"
            raise sqlite3.DatabaseError(message)

    @staticmethod
    def _migrate(connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == _VERSION:
            return
        if version not in _FROM:
            message = f"it was written by another version, {version}"
            raise sqlite3.DatabaseError(message)
        connection.executescript(
            f"BEGIN IMMEDIATE; {_FROM[version]} DROP TABLE IF EXISTS suites; {_SCHEMA} "
            f"PRAGMA user_version = {_VERSION}; COMMIT;"
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing, in one turn."""
        with self._errors():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(error, UnicodeDecodeError) or not reason:
                # sqlite3 raises this for a schema whose text is damaged; that of Python 3.10 raises
                # an error without a text.
                reason = "its schema is damaged"
            problem = f"the cache cannot be used ({reason})"
            hint = "make room or make it writable, remove it, or run with --llm-judge-cache=off"
            raise StoreError(str(self.folder), problem, hint) from None


def _text_or_bytes(stored: bytes) -> str | bytes:
    """Decode a text of the cache; what is none stays as it is, and the row holds nothing."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored
