"""Responses and verdicts in one SQLite file that every process of a run shares.

Rows are addressed by content and the first write wins, so an item and its gate cannot see two
different scores. Each row names the run that wrote it: ``refresh`` takes rows of other runs for
missing, and a failure holds for its own run only.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Failure", "Progress", "Store", "StoredResponse"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, text TEXT, error TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, score INTEGER, reply TEXT NOT NULL, error TEXT,
    covered REAL, too_long INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS choices (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, facts TEXT NOT NULL
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
CREATE TABLE IF NOT EXISTS facts (
    run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    run TEXT NOT NULL, kind TEXT NOT NULL, suite TEXT NOT NULL, worker TEXT NOT NULL,
    done INTEGER NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (run, kind, suite, worker)
) WITHOUT ROWID;
"""
# From what earlier versions had: their failures and suites are of runs that are over.
_FROM = {
    0: "",
    1: (
        "ALTER TABLE verdicts ADD COLUMN covered REAL; "
        "ALTER TABLE verdicts ADD COLUMN too_long INTEGER NOT NULL DEFAULT 0; DROP TABLE failures;"
    ),
    2: "DROP TABLE failures;",
    3: "",
    4: "",
    5: "",
}
_VERSION = 6
_BUSY_SECONDS = 60.0
_LOCK_POLL_SECONDS = 0.01
_MANY = 500


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as the store keeps it; ``error`` tells why there is no text."""

    text: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be had in this run.

    Attributes:
        message: One line.
        rig: Whether it was the rig that failed.
        too_long: Whether the question did not fit into the judge's context.
    """

    message: str
    rig: bool
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

    def open(self) -> None:
        """Make the file and prove that it can be written."""
        with self._errors():
            self._connection().execute("BEGIN IMMEDIATE")
            self._connection().execute("COMMIT")

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
        rows = self._select("responses", "text, error", keys)
        return {key: StoredResponse(text, error) for key, text, error in rows}

    def add_response(self, key: str, response: StoredResponse) -> StoredResponse:
        """Store a response unless there is one; return the one that holds."""
        self._insert(
            "responses",
            "text, error",
            key,
            (response.text, response.error),
        )
        return self.response(key) or response

    def verdict(self, key: str) -> Verdict | None:
        """Return the verdict stored under ``key``."""
        return self.verdicts([key]).get(key)

    def verdicts(self, keys: Sequence[str]) -> dict[str, Verdict]:
        """Return those of ``keys`` that have a verdict."""
        rows = self._select("verdicts", "score, reply, error, covered, too_long", keys)
        return {
            key: Verdict(score, reply, error, covered=covered, too_long=bool(too_long))
            for key, score, reply, error, covered, too_long in rows
        }

    def add_verdict(self, key: str, verdict: Verdict) -> Verdict:
        """Store a final verdict unless there is one; return the one that holds."""
        self._insert(
            "verdicts",
            "score, reply, error, covered, too_long",
            key,
            (verdict.score, verdict.reply, verdict.error, verdict.covered, verdict.too_long),
        )
        return self.verdict(key) or verdict

    def answers(self, key: str) -> str | None:
        """Return what a model answered to all questions of a subject."""
        for _, facts in self._select("answers", "facts", [key]):
            return str(facts)
        return None

    def add_answers(self, key: str, facts: str) -> None:
        """Store what a model answered to all questions of a subject, unless it is there."""
        self._insert("answers", "facts", key, (facts,))

    def choices(self, keys: Sequence[str]) -> dict[str, str]:
        """Return those of ``keys`` under which a judge's choice between answers is stored."""
        return {key: str(facts) for key, facts in self._select("choices", "facts", keys)}

    def add_choice(self, key: str, facts: str) -> str:
        """Store a final choice unless there is one; return the one that holds."""
        self._insert("choices", "facts", key, (facts,))
        return self.choices([key]).get(key, facts)

    def failure(self, key: str) -> Failure | None:
        """Return what went wrong with ``key`` in this run."""
        with self._errors():
            found = self._connection().execute(
                "SELECT message, rig, too_long FROM failures WHERE run = ? AND key = ?",
                (self.run, key),
            )
            row = found.fetchone()
        return None if row is None else Failure(str(row[0]), bool(row[1]), bool(row[2]))

    def add_failure(self, key: str, failure: Failure) -> None:
        """Note for this run that ``key`` could not be had, so that nobody tries again."""
        with self._errors():
            self._connection().execute(
                "INSERT OR IGNORE INTO failures VALUES (?, ?, ?, ?, ?)",
                (self.run, key, failure.message, failure.rig, failure.too_long),
            )

    def forget_failure(self, key: str) -> None:
        """Let ``key`` be tried again in this run."""
        with self._errors():
            self._connection().execute(
                "DELETE FROM failures WHERE run = ? AND key = ?", (self.run, key)
            )

    def note_progress(self, kind: str, suite: str, worker: str, progress: Progress) -> None:
        """Tell the other processes how far ``worker`` is with one kind of work on a suite.

        ``progress.done`` counts what ``worker`` did itself, ``progress.total`` the work of all.
        """
        with self._errors():
            self._connection().execute(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?)",
                (self.run, kind, suite, worker, progress.done, progress.total),
            )

    def progress(self) -> dict[str, Progress]:
        """Return how far this run is with each kind of work."""
        with self._errors():
            rows = self._connection().execute(
                "SELECT kind, SUM(done), SUM(total) FROM (SELECT kind, SUM(done) AS done, "
                "MAX(total) AS total FROM progress WHERE run = ? GROUP BY kind, suite) "
                "GROUP BY kind",
                (self.run,),
            )
            return {kind: Progress(done, total) for kind, done, total in rows}

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
        with self._errors():
            self._connection().execute(
                "INSERT INTO suites (run, name, facts) VALUES (?, ?, ?) "
                f"ON CONFLICT (run, name) DO {known}",
                (self.run, name, json.dumps(facts)),
            )

    def suites(self) -> dict[str, dict[str, Any]]:
        """Return what the processes of this run have told of its suites, by name.

        They come in the order in which they were collected: every process announces all of them
        in that order before it begins.
        """
        with self._errors():
            rows = self._connection().execute(
                "SELECT name, facts FROM suites WHERE run = ? ORDER BY place", (self.run,)
            )
            return {name: json.loads(facts) for name, facts in rows}

    def note_check(self, suite: str, facts: dict[str, Any]) -> None:
        """Tell the process that writes the results what the judge made of known answers."""
        with self._errors():
            self._connection().execute(
                "INSERT OR REPLACE INTO checks VALUES (?, ?, ?)",
                (self.run, suite, json.dumps(facts)),
            )

    def checks(self) -> dict[str, dict[str, Any]]:
        """Return what the judge made of known answers, by suite."""
        with self._errors():
            rows = self._connection().execute(
                "SELECT suite, facts FROM checks WHERE run = ?", (self.run,)
            )
            return {suite: json.loads(facts) for suite, facts in rows}

    def add_note(self, text: str) -> None:
        """Tell who reads the results something of the run as a whole."""
        with self._errors():
            self._connection().execute(
                "INSERT OR IGNORE INTO notes VALUES (?, ?)", (self.run, text)
            )

    def notes(self) -> tuple[str, ...]:
        """Return what was told of the run as a whole."""
        with self._errors():
            rows = self._connection().execute(
                "SELECT text FROM notes WHERE run = ? ORDER BY text", (self.run,)
            )
            return tuple(str(text) for (text,) in rows)

    def agree(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Note facts that must be the same in all processes of this run.

        Returns:
            Of each fact what was noted first.
        """
        rows = [(self.run, name, value) for name, value in facts.items()]
        with self._errors():
            self._connection().execute("BEGIN IMMEDIATE")
            self._connection().executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", rows)
            self._connection().execute("COMMIT")
        known = self.agreed()
        return {name: known[name] for name in facts}

    def agreed(self) -> dict[str, str]:
        """Return the facts that must be the same in all processes of this run."""
        with self._errors():
            rows = self._connection().execute(
                "SELECT name, value FROM facts WHERE run = ?", (self.run,)
            )
            return {str(name): str(value) for name, value in rows}

    def end_run(self) -> None:
        """Remove what was of use to this run alone."""
        with self._errors():
            for table in ("progress", "failures", "suites", "checks", "notes", "facts"):
                self._connection().execute(f"DELETE FROM {table} WHERE run = ?", (self.run,))
            for table in ("verdicts", "choices"):
                text = f"DELETE FROM {table} WHERE run = ? AND key LIKE ? || '-%'"
                self._connection().execute(text, (self.run, self.run))

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock ``name`` among all processes and threads; freed when its holder dies."""
        path = self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
        lock = FileLock(path, thread_local=False)
        with self._errors():
            lock.acquire(poll_interval=_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Like ``lock``, but give up at once and say whether it was had."""
        path = self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
        lock = FileLock(path, thread_local=False)
        with self._errors():
            held = True
            try:
                lock.acquire(blocking=False)
            except TimeoutError:
                held = False
        try:
            yield held
        finally:
            lock.release()

    def _select(self, table: str, columns: str, keys: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        others = " AND run = ?" if self.refresh else ""
        found: list[tuple[Any, ...]] = []
        with self._errors():
            for start in range(0, len(keys), _MANY):
                some = keys[start : start + _MANY]
                marks = ",".join("?" * len(some))
                text = f"SELECT key, {columns} FROM {table} WHERE key IN ({marks}){others}"
                values = [*some, self.run] if self.refresh else some
                found += self._connection().execute(text, values)
        return found

    def _insert(self, table: str, columns: str, key: str, values: tuple[object, ...]) -> None:
        marks = ",".join("?" * (2 + len(values)))
        conflict = "NOTHING"
        if self.refresh:
            changes = ", ".join(
                f"{name} = excluded.{name}" for name in ["run", *columns.split(", ")]
            )
            conflict = f"UPDATE SET {changes} WHERE run <> excluded.run"
        text = (
            f"INSERT INTO {table} (key, run, {columns}) VALUES ({marks}) "
            f"ON CONFLICT (key) DO {conflict}"
        )
        with self._errors():
            self._connection().execute(text, (key, self.run, *values))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._is_closed:
                message = "the run is over"
                raise sqlite3.ProgrammingError(message)
            self.folder.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait for its turn while a new file becomes a WAL: who comes second is
            # told at once that the file is locked.
            with FileLock(self.folder / "open.lock", thread_local=False):
                connection = self._open_file()
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    def _open_file(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.folder / "store.sqlite",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _migrate(connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == _VERSION:
            return
        if found not in _FROM:
            message = f"it was written by another version, {found}"
            raise sqlite3.DatabaseError(message)
        connection.executescript(
            f"BEGIN IMMEDIATE; {_FROM[found]} DROP TABLE IF EXISTS suites; {_SCHEMA} "
            f"PRAGMA user_version = {_VERSION}; COMMIT;"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            found = f"the cache cannot be used ({reason})"
            todo = "make room or make it writable, remove it, or run with --llm-judge-cache=off"
            raise StoreError(str(self.folder), found, todo) from None
