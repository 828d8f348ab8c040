"""A cluster of Ray whose nodes are all on this machine, and drivers that are ended."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SmallCluster", "is_running", "until"]

_STORE = 80_000_000
_SOON_DEAD = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}
"""A node that is killed is known to be dead within seconds; by default Ray takes a quarter of a minute."""


@contextmanager
def without_warnings() -> Iterator[None]:
    """Let Ray leave it to the interpreter to close the logs of the processes that it starts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class SmallCluster:
    """A head and further nodes, of so many cores each.

    Args:
        nodes: How many.
        cpus: Cores of each.
        is_whole: Whether the head takes clients, has a status and prints what its processes log;
            without these it starts in half the time.
    """

    def __init__(self, nodes: int, cpus: int = 2, *, is_whole: bool = True) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        head: dict[str, Any] = {"include_dashboard": False, "_system_config": _SOON_DEAD}
        if is_whole:
            head["ray_client_server_port"] = port
        else:
            head |= {"no_monitor": True, "include_log_monitor": False}
        self._size = {"num_cpus": cpus, "object_store_memory": _STORE}
        # Ray leaves it to the interpreter to close the logs of the processes that it starts.
        with without_warnings():
            from ray.cluster_utils import Cluster

            self._cluster = Cluster(initialize_head=True, head_node_args={**head, **self._size})
        self.address: str = self._cluster.address
        self.client_address = f"ray://127.0.0.1:{port}"
        self.nodes = [self.add() for _ in range(nodes - 1)]

    def add(self, environment: dict[str, str] | None = None, gpus: int = 0) -> Any:  # noqa: ANN401  # Ray's own
        """Add a node, whose processes may have more in their environment, or believe in GPUs."""
        with without_warnings():
            return self._cluster.add_node(**self._size, num_gpus=gpus, env_vars=environment)

    def kill(self, node: Any) -> None:  # noqa: ANN401  # Ray's own
        """End a node as a power cut would."""
        with without_warnings():
            self._cluster.remove_node(node, allow_graceful=False)

    def settle(self) -> None:
        """Wait until the cluster knows which nodes there are."""
        self._cluster.wait_for_nodes()

    def status(self) -> str:
        """Return what ``ray status`` says."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", self.address]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def close(self) -> None:
        """End all nodes."""
        with without_warnings():
            self._cluster.shutdown()


def until(is_so: Callable[[], bool], seconds: float = 240) -> None:
    """Wait for something that must become so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Say whether a process is there, and not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
