"""A cluster of Ray whose nodes are all on this machine, and drivers that are ended."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SmallCluster", "until"]

_STORE = 80_000_000


class SmallCluster:
    """A head of two cores that takes clients, and further nodes of two cores each."""

    def __init__(self, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        head = {"ray_client_server_port": port, "include_dashboard": False}
        size = {"num_cpus": 2, "object_store_memory": _STORE}
        self._cluster = Cluster(initialize_head=True, head_node_args={**head, **size})
        self.address: str = self._cluster.address
        self.client_address = f"ray://127.0.0.1:{port}"
        self.nodes = [self.add() for _ in range(nodes - 1)]

    def add(self, **more: Any) -> Any:
        """Add a node."""
        return self._cluster.add_node(num_cpus=2, object_store_memory=_STORE, **more)

    def kill(self, node: Any) -> None:
        """End a node as a power cut would."""
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that must become so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Say whether a process is there, and not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def address_in_environment(address: str) -> dict[str, str]:
    """Return the environment in which ``auto`` is a cluster."""
    return {**os.environ, "RAY_ADDRESS": address}
