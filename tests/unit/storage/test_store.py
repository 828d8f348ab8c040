"""The shared store: first write wins, runs do not mix, locks die with their holders."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Verdict
from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline.protocols import Counter
from pytest_llmjudge.storage.rows import StoredResponse
from pytest_llmjudge.storage.store import Failure, Progress, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Opened = Callable[..., Store]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of run ``one``."""
    made = Store(tmp_path / "cache", "one")
    yield made
    made.close()


@pytest.fixture(name="opened")
def open_stores() -> Iterator[Opened]:
    """What makes stores, and closes them after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda folder, run, **more: stack.enter_context(
            contextlib.closing(Store(folder, run, **more))
        )


def test_the_first_verdict_wins(store: Store) -> None:
    """Who comes second is given what the first wrote."""
    assert store.add_verdict("k", Verdict(80, "80")) == Verdict(80, "80")
    assert store.add_verdict("k", Verdict(10, "10")) == Verdict(80, "80")
    assert store.verdict("k") == Verdict(80, "80")


def test_the_first_response_wins(store: Store) -> None:
    """The same for responses."""
    first = StoredResponse("a", None)

    assert store.add_response("k", first) == first
    assert store.add_response("k", StoredResponse("b", None)) == first


def test_thoughts_are_kept_beside_a_response(store: Store) -> None:
    """Also those that took the place of one."""
    for key, kept in (
        ("answered", StoredResponse("a", None, "hm")),
        ("unfinished", StoredResponse(None, "no answer", "hm")),
    ):
        assert store.add_response(key, kept) == store.response(key) == kept


def test_what_is_not_there_is_none(store: Store) -> None:
    """A miss is no error."""
    assert (store.verdict("k"), store.response("k"), store.failure("k")) == (None, None, None)


def test_answering_names(store: Store, tmp_path: Path, opened: Opened) -> None:
    """The first name stays, and the last one changes; both are known to all runs."""
    assert store.answering_names("m") == ("", "")
    store.note_answering_name("m", "m:70b")
    store.note_answering_name("m", "m:1b")

    other = opened(tmp_path / "cache", "two", refresh=True)
    assert other.answering_names("m") == ("m:70b", "m:1b")
    assert other.answering_names("n") == ("", "")


def test_many_keys_at_once(store: Store) -> None:
    """More keys than a query takes."""
    for number in range(0, 1200, 100):
        store.add_verdict(f"k{number}", Verdict(number % 101, "x"))

    stored = store.verdicts([f"k{number}" for number in range(1200)])

    assert {f"k{number}" for number in range(0, 1200, 100)} == set(stored)


def test_another_run_finds_what_one_left(store: Store, opened: Opened) -> None:
    """Rows outlive their run; failures and progress do not."""
    store.add_verdict("k", Verdict(80, "80"))
    store.add_failure("f", Failure("no server", is_infrastructure=True))
    store.note_progress("verdicts", "suite", "gw0", Progress(3, 9))

    later = opened(store.folder, "two")

    assert later.verdict("k") == Verdict(80, "80")
    assert later.failure("f") is None
    assert later.progress() == {}


def test_refresh_takes_rows_of_other_runs_for_missing(store: Store, opened: Opened) -> None:
    """A refreshing run writes anew once, and then keeps to its own first write."""
    store.add_verdict("k", Verdict(80, "80"))
    fresh = opened(store.folder, "two", refresh=True)

    assert fresh.verdict("k") is None
    assert fresh.add_verdict("k", Verdict(10, "10")) == Verdict(10, "10")
    assert fresh.add_verdict("k", Verdict(99, "99")) == Verdict(10, "10")
    assert store.verdict("k") == Verdict(10, "10")


def test_a_failure_can_be_forgotten(store: Store) -> None:
    """A rerun tries once more."""
    store.add_failure("k", Failure("first", is_infrastructure=True))
    store.add_failure("k", Failure("second", is_infrastructure=True))
    assert store.failure("k") == Failure("first", is_infrastructure=True)

    store.forget_failure("k")

    assert store.failure("k") is None


def test_progress_adds_up_over_workers_and_suites(store: Store) -> None:
    """Workers share a suite's total; suites add theirs."""
    store.note_progress("verdicts", "a", "gw0", Progress(3, 10))
    store.note_progress("verdicts", "a", "gw1", Progress(4, 10))
    store.note_progress("verdicts", "b", "gw0", Progress(1, 5))
    store.note_progress("responses", "a", "gw0", Progress(2, 10))

    assert store.progress() == {"verdicts": Progress(8, 15), "responses": Progress(2, 10)}
    store.end_run()
    assert store.progress() == {}


def test_what_is_kept_adds_up_too(store: Store) -> None:
    """What the cache had at the first look, and what each worker added; failures are not kept."""
    one, other = (Counter(store, "verdicts", "a", worker) for worker in ("gw0", "gw1"))
    one.found(3, 10)
    other.found(4, 10)
    one.start(7)
    one.step()
    one.step(kept=False)
    other.start(7)
    other.step(2)

    assert store.kept() == {"verdicts": Progress(6, 10)}
    assert store.progress() == {"verdicts": Progress(4, 7)}
    assert not store.has_broken()
    store.add_failure("k", Failure("no server", is_infrastructure=True))
    assert store.has_broken()


def test_threads_write_together(store: Store) -> None:
    """Every thread sees the same winner."""
    with ThreadPoolExecutor(8) as pool:
        winners = pool.map(lambda score: store.add_verdict("k", Verdict(score, "x")), range(64))

    assert len({verdict.score for verdict in winners}) == 1


@pytest.mark.slow
def test_who_opens_a_new_file_together_waits(tmp_path: Path) -> None:
    """A file that does not exist yet can be opened by many at once, again and again."""
    for attempt in range(40):
        store = Store(tmp_path / str(attempt), "one")
        start = threading.Barrier(8)

        def write(score: int, store: Store = store, start: threading.Barrier = start) -> Verdict:
            start.wait()
            return store.add_verdict("k", Verdict(score, "x"))

        with ThreadPoolExecutor(8) as pool:
            winners = set(pool.map(write, range(8)))
        store.close()

        assert len(winners) == 1


def hold(folder: str, name: str, held: object, seconds: float) -> None:
    with Store(Path(folder), "one").lock(name):
        held.set()  # type: ignore[attr-defined]
        time.sleep(seconds)


def test_a_lock_is_free_when_its_holder_dies(store: Store) -> None:
    """A killed process leaves no lock behind."""
    store.open()
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(str(store.folder), "generate", held, 60))
    process.start()
    assert held.wait(300)
    with store.try_lock("generate") as had:
        assert not had

    process.kill()
    process.join()

    with store.try_lock("generate") as had:
        assert had


def test_a_lock_keeps_threads_apart(store: Store) -> None:
    """At most one holder at a time, also within one process."""
    store.open()
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with store.lock("judge"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 8


@pytest.mark.parametrize(
    "program",
    [
        "CREATE VIEW notes AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT 1",
        "CREATE TABLE any (i); CREATE TRIGGER more AFTER INSERT ON any BEGIN DELETE FROM any; END",
    ],
    ids=["view", "trigger"],
)
def test_a_store_with_programs(store: Store, program: str) -> None:
    """What may run without an end is not run."""
    store.folder.mkdir()
    connection = sqlite3.connect(store.folder / "store.sqlite")
    connection.executescript(program)
    connection.close()

    with pytest.raises(StoreError, match="it has triggers or views, which this package never"):
        store.open()


@pytest.mark.parametrize("ending", ["", "-journal", "-wal", "-shm"])
def test_a_store_that_is_a_fifo(store: Store, ending: str) -> None:
    """It is not waited for."""
    store.folder.mkdir()
    os.mkfifo(store.folder / f"store.sqlite{ending}")

    with pytest.raises(StoreError, match=f"store.sqlite{ending} is no regular file"):
        store.open()


def test_a_store_of_another_version(store: Store) -> None:
    """A file of a later version is not touched."""
    store.folder.mkdir()
    connection = sqlite3.connect(store.folder / "store.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StoreError) as caught:
        store.open()

    assert str(caught.value) == (
        f"{store.folder}: the cache cannot be used (it was written by another version, 99); make "
        "room or make it writable, remove it, or run with --llm-judge-cache=off"
    )


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_keys_differ_when_their_parts_do(one: list[str], other: list[str]) -> None:
    """No two lists of texts share a key, half surrogates included."""
    assert (make_key(*one) == make_key(*other)) == (one == other)


def test_a_cache_of_the_first_version_goes_on(tmp_path: Path, opened: Opened) -> None:
    """Its verdicts are kept; its failures were of runs that are over."""
    with sqlite3.connect(tmp_path / "store.sqlite") as old:
        old.executescript(
            """
            CREATE TABLE responses (
                key TEXT PRIMARY KEY, run TEXT NOT NULL, text TEXT, error TEXT
            ) WITHOUT ROWID;
            CREATE TABLE verdicts (
                key TEXT PRIMARY KEY, run TEXT NOT NULL, score INTEGER, reply TEXT NOT NULL, error TEXT
            ) WITHOUT ROWID;
            CREATE TABLE failures (
                run TEXT NOT NULL, key TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (run, key)
            ) WITHOUT ROWID;
            INSERT INTO verdicts VALUES ('k', 'old', 85, '85', NULL);
            INSERT INTO responses VALUES ('k', 'old', 'text', NULL);
            INSERT INTO responses VALUES ('thinks', 'old', '<think>hm</think>text', NULL);
            INSERT INTO failures VALUES ('one', 'k', 'broken');
            CREATE TABLE suites (
                run TEXT NOT NULL, name TEXT NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (run, name)
            ) WITHOUT ROWID;
            PRAGMA user_version = 1;
            """
        )
    old.close()
    store = opened(tmp_path, "one")

    kept = store.verdict("k")
    assert kept == Verdict(85, "85")
    assert (kept.seconds, kept.tokens) == (None, None)
    assert store.response("k") == StoredResponse("text", None)
    assert store.response("thinks") is None
    assert store.failure("k") is None
    weighed = Verdict(22, "No", covered=0.9)
    long = Verdict(None, "", "too long", too_long=True)
    assert store.add_verdict("weighed", weighed) == store.verdict("weighed") == weighed
    assert store.add_verdict("long", long) == store.verdict("long") == long
    store.note_suite("b", {"known": 1}, planned=True)
    store.note_suite("a", {"known": 1}, planned=True)
    store.note_suite("b", {"known": 2})
    store.note_suite("b", {"known": 3}, planned=True)
    assert list(store.suites().items()) == [("b", {"known": 2}), ("a", {"known": 1})]
    store.close()


def test_a_verdict_keeps_its_cost(store: Store) -> None:
    """The first one's, as its score; what is no cost is no verdict."""
    store.add_verdict("k", Verdict(85, seconds=1.25, tokens=110))
    store.add_verdict("k", Verdict(85, seconds=9.0, tokens=1))

    kept = store.verdict("k")

    assert kept is not None
    assert (kept.seconds, kept.tokens) == (1.25, 110)
    with sqlite3.connect(store.folder / "store.sqlite") as connection:
        connection.execute("UPDATE verdicts SET tokens = 'many'")
    connection.close()
    assert store.verdict("k") is None


def test_a_closed_store_stays_closed(store: Store) -> None:
    """A thread that is late does not open it again."""
    store.add_verdict("k", Verdict(85))
    store.close()

    with pytest.raises(StoreError):
        store.verdict("k")


def test_what_awaits_a_look_counts_in_its_own_run_alone(store: Store, opened: Opened) -> None:
    """Another run takes it for missing and writes its own; once confirmed it counts for all."""
    store.add_verdict("k", Verdict(100, "100"), "judge http://a")
    later = opened(store.folder, "two")

    assert store.verdict("k") == Verdict(100, "100")
    assert later.verdict("k") is None

    store.confirm(store.awaiting("judge"))

    assert later.verdict("k") == Verdict(100, "100")
    store.add_verdict("left", Verdict(100, "100"), "judge http://a")
    assert later.add_verdict("left", Verdict(10, "10")) == Verdict(10, "10")


def test_what_an_ended_run_left_behind(store: Store, opened: Opened) -> None:
    """A later run can let it count, after a look of its own at the same model."""
    store.add_verdict("k", Verdict(100, "100"), "judge http://a")
    store.end_run()
    later = opened(store.folder, "two")

    assert later.left_behind("another") == []
    assert later.left_behind("judge") == [("verdicts", "k", "judge http://a")]
    assert store.left_behind("judge") == []
    later.confirm(later.left_behind("judge"))

    assert later.verdict("k") == Verdict(100, "100")
    assert later.left_behind("judge") == []


def test_what_comes_after_a_fault_is_not_kept(store: Store, opened: Opened) -> None:
    """An answer under way while its model was replaced must not await the next run's look."""
    store.add_verdict("early", Verdict(50), "judge http://a")
    store.note_fault("it was replaced")
    store.discard("judge")

    store.add_verdict("late", Verdict(100), "judge http://a")
    store.add_choice("late", "{}", "judge http://a")
    store.add_verdict("own", Verdict(7))

    later = opened(store.folder, "later")
    assert later.left_behind("judge") == []
    assert later.verdicts(["early", "late", "own"]) == {"own": Verdict(7)}


def test_what_is_discarded_is_of_one_model(store: Store) -> None:
    """Rows that await a look at another model stay, and those that were confirmed."""
    store.add_verdict("one", Verdict(1, "1"), "judge http://a")
    store.add_response("two", StoredResponse("text", None), "model http://a")
    store.add_verdict("three", Verdict(3, "3"))

    store.discard("judge")

    assert store.verdicts(["one", "three"]) == {"three": Verdict(3, "3")}
    assert store.awaiting("model") == [("responses", "two", "model http://a")]


def test_a_store_whose_tables_are_others(store: Store, opened: Opened) -> None:
    """It is refused before any work."""
    store.open()
    with sqlite3.connect(store.folder / "store.sqlite") as changed:
        changed.execute("ALTER TABLE verdicts RENAME COLUMN score TO points")
    changed.close()

    with pytest.raises(StoreError) as caught:
        opened(store.folder, "two").open()

    assert str(caught.value) == (
        f"{store.folder}: the cache cannot be used (no such column: score); make room or make it "
        "writable, remove it, or run with --llm-judge-cache=off"
    )


@pytest.mark.parametrize(
    "change",
    ["text = NULL", "text = x'00ff'", "text = CAST(x'61ff' AS TEXT)", "error = 'both'"],
)
def test_a_row_that_is_no_response(store: Store, change: str) -> None:
    """It is removed, and said so."""
    store.add_response("k", StoredResponse("text", None))
    with sqlite3.connect(store.folder / "store.sqlite") as changed:
        changed.execute(f"UPDATE responses SET {change}")  # noqa: S608  # one of the above
    changed.close()

    assert store.response("k") is None
    (note,) = store.notes()
    assert note == (
        f"{store.folder}: some responses of the cache were none (this version did not write them, "
        "or something changed them); they were removed and made anew"
    )


def test_what_items_found_out_is_the_runs_own(tmp_path: Path, opened: Opened) -> None:
    """The last try of an item counts, in its own run alone, and goes with the run."""
    first, second = opened(tmp_path, "first"), opened(tmp_path, "second")
    first.note_results("suite", "r0", {"r0": {"score": None}})
    first.note_results("suite", "r0", {"r0": {"score": 80}})
    first.note_results("suite", "average", {"r0": {"score": 80}, "r1": {"score": 0.1 + 0.2}})
    first.note_results("other", "r0", {"r0": {"score": 1}})

    assert first.results("suite") == {
        "r0": {"r0": {"score": 80}},
        "average": {"r0": {"score": 80}, "r1": {"score": 0.1 + 0.2}},
    }
    assert second.results("suite") == {}
    first.end_run()
    assert first.results("suite") == {}


def test_two_first_runs_of_an_answering_name(tmp_path: Path, opened: Opened) -> None:
    """When neither knew of a name before, the one that is second hears of the other's."""
    one, other = opened(tmp_path, "one"), opened(tmp_path, "other")
    assert one.answering_names("m") == other.answering_names("m") == ("", "")

    assert one.note_answering_name("m", "m:70b") == "m:70b"
    assert other.note_answering_name("m", "m:1b") == "m:70b"
    assert one.answering_names("m") == ("m:70b", "m:1b")
