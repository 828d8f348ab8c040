"""The connection of this process to Ray: made, checked, described, and ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.generation.cluster.machines import LOCAL, Machines
from pytest_llmjudge.generation.cluster.nodes import OPTION
from pytest_llmjudge.generation.cluster.pool import RayPool
from pytest_llmjudge.generation.cluster.shipping import remove_now, remove_with_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_llmjudge.generation.cluster.work import MakeWorker
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["Cluster", "connect"]

_CONNECT_SECONDS = 5
_NO_SERVER = "Initialization failure from server"
"""How Ray's client begins to say that the head node has none for it, for which it waits 30 s."""
_LONGEST = 20
"""Of the path of a folder in which Ray has room for the names of its sockets."""

_STORE_BYTES = 100_000_000
"""Room for what is on its way between the processes of this machine, which share its files."""


def connect(
    address: str,
    *,
    cpus: int | None = None,
    device: str = "auto",
    note: Callable[[str], None],
) -> Cluster:
    """Connect this process to Ray, which is imported only now.

    Args:
        address: ``local`` (one is started here, for this process alone), ``auto`` (the one of this
            machine, or of ``RAY_ADDRESS``) or ``ray://HOST:PORT``.
        cpus: Cores of an actor on nodes without GPUs; ``None`` for all of a node's.
        device: Where the model runs; with ``cpu``, GPUs are left to others.
        note: Called with a line about nodes that take no part, actors that are lost, and so on.

    Raises:
        SettingsError: Ray is missing, nothing answers at the address, or versions of Ray or Python
            are other ones there.
    """
    _ignore_warnings()
    try:
        import ray
    except ImportError as error:
        problem = f"Ray cannot be imported ({one_line(str(error))})"
        raise SettingsError(OPTION, problem, 'pip install "pytest-llmjudge[ray]"') from None
    if ray.is_initialized():
        problem = "this process is connected to Ray already, by ray.init of its own"
        raise SettingsError(OPTION, problem, "leave that out, or this option")
    _check_answers(address)
    folder = _own_folder() if address == LOCAL else None
    handler = _first_handler()
    try:
        with _without_telemetry():
            _start_no_other()
            _initialise(address, folder)
        _print_messages(are_printed=False)
        return Cluster(address, cpus, device, note, end=lambda: _end(folder, handler))
    except Exception as error:  # noqa: BLE001  # Ray raises what its parts raise
        _end(folder, handler)
        raise _unreachable(address, str(error)) from None
    except BaseException:
        _end(folder, handler)
        raise


@cache
def _first_handler() -> Any:  # noqa: ANN401  # as signal has it
    """Return what handled SIGTERM before this process had a connection.

    A connection that another thread than the main one ends leaves Ray's handler behind.
    """
    return signal.getsignal(signal.SIGTERM)


def _ignore_warnings() -> None:
    """Keep what Ray warns of itself from runs in which warnings are errors.

    Not by ``catch_warnings``, which has other threads lose their filters. pytest takes this one
    back with those of the test or the hook that needed the cluster.
    """
    warnings.filterwarnings("ignore", module=r"ray\b")


def _print_messages(*, are_printed: bool) -> None:
    """Say whether Ray prints in this process what its nodes have to say, such as of lost actors.

    It does so whatever ``log_to_driver`` says, among the lines of pytest. This is the switch by
    which its own debugger keeps them away.
    """
    import ray._private.worker as driver  # there is no public one

    driver._worker_logs_enabled = are_printed  # noqa: SLF001  # likewise


def _start_no_other() -> None:
    """Keep Ray from starting or joining a cluster by itself, once the connection is lost."""
    import ray._private.auto_init_hook as hook  # Ray reads its variable too early

    hook.enable_auto_connect = False


def _own_folder() -> Path:
    """Make the folder of a Ray that is started here, whose sockets bear no long path."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= _LONGEST else "/tmp"  # noqa: S108  # where Ray would be by itself
    return Path(tempfile.mkdtemp(prefix="llmjudge-ray-", dir=short))


def _initialise(address: str, folder: Path | None) -> None:
    import ray
    from ray.util.debug import log_once

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if folder is None:
        # It would warn of many messages through a client, in whatever test they are sent.
        log_once("client_communication_overhead_warning")
        ray.init(address=address, **quiet)
        return
    remove_with_process(folder)
    ray.init(
        address=LOCAL,
        include_dashboard=False,
        object_store_memory=_STORE_BYTES,
        _temp_dir=str(folder),
        **quiet,
    )


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens; Ray itself would wait for minutes."""
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    try:
        parts = urlsplit(named if "//" in named else f"//{named}")
        if parts.port is None and parts.scheme != "ray":
            return
        socket.create_connection((parts.hostname, parts.port or 10001), _CONNECT_SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from None
    except ValueError as error:
        # Of a port that is none, or a name that no name server would know.
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, cause: str) -> SettingsError:
    if cause.startswith(_NO_SERVER):
        # The traceback that follows ends with what went wrong.
        why = one_line(cause.strip().rpartition("\n")[2], 400)
        problem = f"the cluster at {address!r} cannot start a server for this client ({why})"
        return SettingsError(OPTION, problem, "run again when its head node has less to do")
    cause = one_line(cause, 400)
    if address == LOCAL:
        is_late = "timed out" in cause
        hint = "run again when this machine has less to do" if is_late else "mend its installation"
        return SettingsError(OPTION, f"Ray cannot be started ({cause})", hint)
    if "ersion mismatch" in cause:
        problem = f"the cluster at {address!r} has other versions ({cause})"
        return SettingsError(OPTION, problem, "install the same on all nodes and here")
    problem = f"no cluster can be reached at {address!r} ({cause})"
    return SettingsError(OPTION, problem, "start one with ray start --head, or give its address")


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """Start processes that report no usage; the environment of this one stays as it was."""
    name = "RAY_USAGE_STATS_ENABLED"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _end(folder: Path | None, handler: Any) -> None:  # noqa: ANN401  # as signal has it
    import ray

    ray.shutdown()
    _print_messages(are_printed=True)
    if threading.current_thread() is threading.main_thread() and handler is not None:
        # Ray has put its own in its place.
        signal.signal(signal.SIGTERM, handler)
    if folder is not None:
        remove_now(folder)


class Cluster(Machines):
    """A cluster of Ray as one process of a run sees it; :func:`connect` makes it.

    Args:
        address: As for :func:`connect`.
        cpus: As for :func:`connect`.
        device: As for :func:`connect`.
        note: As for :func:`connect`.
        end: Ends the connection.
    """

    def __init__(
        self,
        address: str,
        cpus: int | None,
        device: str,
        note: Callable[[str], None],
        *,
        end: Callable[[], None],
    ) -> None:
        super().__init__(address, cpus, device, note)
        self._end = end
        self._pool: RayPool | None = None

    def pool(self, make_worker: MakeWorker, contents: Mapping[Path, Content]) -> RayPool:
        """Start actors that hold a model, and wait until one of them has loaded it.

        Only one model may have actors at a time: the pool of another is closed before.

        Args:
            make_worker: Makes what each actor holds.
            contents: What all files hold that the model is loaded from.

        Raises:
            LlmJudgeError: No actor can load it, or none starts.
        """
        # Known before it is open, so that it can be closed while actors load the model.
        self._pool = RayPool(self, make_worker, contents)
        self._pool.open()
        return self._pool

    def close(self) -> None:
        """End all actors and the connection, and a Ray that was started for it."""
        if not self.is_own:
            return
        try:
            if self._pool is not None:
                self._pool.close()
            self.remove_sent()
        finally:
            self._end()
