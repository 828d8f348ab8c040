"""The connection of this process to Ray: made, checked, described, and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.nodes import Node
    from pytest_llmjudge.generation.cluster.pool import RayPool
    from pytest_llmjudge.generation.cluster.work import MakeWorker
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["Cluster", "connect"]


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
        SettingsError: Ray is missing, nothing answers at the address within a minute, or versions
            of Ray or Python are other ones there.
    """
    raise NotImplementedError


class Cluster:
    """A cluster of Ray as one process of a run sees it; :func:`connect` makes it."""

    def describe(self) -> tuple[Node, ...]:
        """Return the nodes that take part, with the actors that each has room for."""
        raise NotImplementedError

    def check(self) -> None:
        """Prove before any work that there is room for an actor, and that all nodes are alike.

        Raises:
            SettingsError: No node has room for an actor, or one has another version of this
                package, of its sources, of torch or of Python, or does not answer.
        """
        raise NotImplementedError

    def with_files(self, contents: Mapping[Path, Content]) -> tuple[Node, ...]:
        """Return the nodes that have all files of a checkpoint at their paths; others are sent them.

        Raises:
            SettingsError: A node does not answer.
        """
        raise NotImplementedError

    def pool(self, make_worker: MakeWorker, contents: Mapping[Path, Content]) -> RayPool:
        """Start actors that hold a model, and wait until one of them has loaded it.

        Args:
            make_worker: Makes what each actor holds.
            contents: What all files hold that the model is loaded from.

        Raises:
            LlmJudgeError: No actor can load it, or none starts.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End all actors and the connection, and a Ray that was started for it."""
        raise NotImplementedError
