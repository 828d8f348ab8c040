"""Who may ask when: slots at servers, and threads of one process that judge for all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.storage.store import Store

__all__ = ["JudgePool", "Slots", "Work"]

Work = Callable[[], object]

_POLL_SECONDS = 0.005
_WAIT_SECONDS = 0.02
_PATIENCE_SECONDS = 10.0
_KEEP_SECONDS = 1.0
# While some threads store their verdicts, others use their slots.
_SPARE_THREADS = 2


@dataclass(eq=False, frozen=True, slots=True)
class _Slot:
    """Leave to have one request in flight at a server.

    Attributes:
        lock: Keeps it from other processes.
        since: When this process took it, by the monotonic clock.
    """

    server: str
    number: int
    lock: contextlib.ExitStack
    since: float


class Slots:
    """Limits how many requests are in flight at each server, over all processes of a run.

    Args:
        store: Where the locks lie, one for each slot.
        number: Slots of each server.
        servers: How many servers there are.
    """

    def __init__(self, store: Store, number: int, servers: int) -> None:
        self._store = store
        self._number = number
        # Threads of one process wait here, without asking the file system again and again.
        self._ours = threading.Semaphore(number * servers)
        self._lock = threading.Lock()
        self._inside = 0
        self._used: set[_Slot] = set()
        self._kept: list[_Slot] = []

    @contextlib.contextmanager
    def __call__(self, servers: Sequence[str]) -> Iterator[str]:
        """Wait for a slot at one of ``servers``, the first that has one; give its address."""
        with self._lock:
            self._inside += 1
        try:
            with self._ours:
                while (slot := self._take(servers)) is None:
                    time.sleep(_POLL_SECONDS)
                try:
                    yield slot.server
                finally:
                    self._give_back(slot)
        finally:
            with self._lock:
                self._inside -= 1
                self._let_go()

    def _take(self, servers: Sequence[str]) -> _Slot | None:
        with self._lock:
            for server in servers:
                slot = self._pick_up(server) or self._lock_one(server)
                if slot is not None:
                    self._used.add(slot)
                    self._let_go()
                    return slot
        return None

    def _pick_up(self, server: str) -> _Slot | None:
        for slot in self._kept:
            if slot.server == server:
                self._kept.remove(slot)
                return slot
        return None

    def _lock_one(self, server: str) -> _Slot | None:
        taken = {slot.number for slot in self._used if slot.server == server}
        for number in range(self._number):
            if number not in taken:
                with contextlib.ExitStack() as stack:
                    if stack.enter_context(self._store.try_lock(f"judge {server} {number}")):
                        return _Slot(server, number, stack.pop_all(), time.monotonic())
        return None

    def _give_back(self, slot: _Slot) -> None:
        with self._lock:
            self._used.remove(slot)
            # To lock a file again for each request would cost more than all else around it. Other
            # processes are to have their chance all the same.
            if time.monotonic() - slot.since < _KEEP_SECONDS:
                self._kept.append(slot)
            else:
                slot.lock.close()
            self._let_go()

    def _let_go(self) -> None:
        """Keep no more slots than there are threads that wait for one."""
        while len(self._kept) > max(0, self._inside - len(self._used)):
            self._kept.pop().lock.close()


class JudgePool:
    """Threads that work off a queue as long as this process leads.

    With xdist one process leads: it judges for all, so that the servers are kept busy and the
    others need only wait for rows in the store. The lead is a lock that the system frees when its
    holder dies; it is given up whenever the queue is empty.

    Args:
        store: Shared with all processes of the run.
        size: How many requests may be in flight.
        spare: How many threads there are beyond that.
        is_only: Whether nobody may ask beside the process that leads.
    """

    def __init__(
        self, store: Store, size: int, *, spare: int = _SPARE_THREADS, is_only: bool = False
    ) -> None:
        self._is_only = is_only
        self._store = store
        self._size = size + spare
        self._condition = threading.Condition()
        self._queue: OrderedDict[str, Work] = OrderedDict()
        self._at_work: set[str] = set()
        self._awaited: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._lead = contextlib.ExitStack()
        self._leads = self._is_closed = False

    def offer(self, work: Iterable[tuple[str, Work]], *, first: str = "") -> bool:
        """Take on work, unless another process leads; say whether it was taken on.

        Args:
            work: Pieces by name; one that waits or is under way already is not taken twice.
            first: Name of the piece to begin with.

        Raises:
            StoreError: The cache cannot be used.
        """
        with self._condition:
            if self._is_closed or not self._take_lead():
                return False
            for name, piece in work:
                if name not in self._at_work:
                    self._queue.setdefault(name, piece)
            if first in self._queue:
                self._queue.move_to_end(first, last=False)
            while len(self._threads) < min(self._size, len(self._queue) + len(self._at_work)):
                self._start_thread()
            self._rest_if_done()
            self._condition.notify_all()
            return True

    def work_off(self, work: Sequence[tuple[str, Work]]) -> None:
        """Have work done at once, and wait for it.

        While another process leads nothing is done, and whoever needs the work does it; where
        nobody may ask beside that process, the lead is waited for.
        """
        while not self.offer(work):
            if self._is_closed or not self._is_only:
                return
            time.sleep(_WAIT_SECONDS)
        for name, _ in work:
            self.wait(name)

    def wait(self, name: str) -> None:
        """Wait until a piece of work is done; return at once when there is none of that name."""
        with self._condition:
            if name not in self._queue and name not in self._at_work:
                return
            done = self._awaited.setdefault(name, threading.Event())
        done.wait()

    def close(self, *, wait: bool) -> None:
        """Let go of what has not begun.

        Args:
            wait: Until what is under way is done, or a server takes too long over it.
        """
        with self._condition:
            self._is_closed = True
            for name in self._queue:
                self._tell(name)
            self._queue.clear()
            self._condition.notify_all()
        end = time.monotonic() + (_PATIENCE_SECONDS if wait else 0)
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _take_lead(self) -> bool:
        if not self._leads:
            with contextlib.ExitStack() as stack:
                self._leads = stack.enter_context(self._store.try_lock("judging pool"))
                if self._leads:
                    self._lead = stack.pop_all()
        return self._leads

    def _rest_if_done(self) -> None:
        if self._leads and not self._queue and not self._at_work:
            self._leads = False
            self._lead.close()

    def _tell(self, name: str) -> None:
        """Wake who waits for this piece, and nobody else."""
        done = self._awaited.pop(name, None)
        if done is not None:
            done.set()

    def _start_thread(self) -> None:
        name = f"llm-judge-{len(self._threads)}"
        thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._queue or self._is_closed)
                if self._is_closed:
                    return
                name, piece = self._queue.popitem(last=False)
                self._at_work.add(name)
            try:
                # What goes wrong is noted in the store, where the record's own item finds it. A
                # mistake of ours comes again when that item asks, and is reported there.
                with contextlib.suppress(Exception):
                    piece()
            finally:
                with self._condition:
                    self._at_work.discard(name)
                    # Who waits for the last piece may then let another process lead.
                    self._rest_if_done()
                    self._tell(name)
