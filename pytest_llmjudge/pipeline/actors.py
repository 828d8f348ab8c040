"""Actors of Ray that the models of one process run on; connected to when they are first needed."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.generation.cluster.connection import connect
from pytest_llmjudge.generation.cluster.model import ClusterModel
from pytest_llmjudge.generation.cluster.worker import MakeModelWorker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.generation.base import LocalInfo, LocalModel
    from pytest_llmjudge.generation.cluster.connection import Cluster
    from pytest_llmjudge.generation.cluster.nodes import Node
    from pytest_llmjudge.generation.cluster.work import Pool
    from pytest_llmjudge.generation.in_process import InProcessModel
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["Actors"]

_KEY: Final = "actors of Ray"
_SHOWN: Final = 8
"""The most nodes that a line names."""


class Actors:
    """What a process of the run knows of the actors, and its connection to them while it has one.

    Args:
        settings: The run's options, which say where Ray is.
        store: Shared with all processes of the run.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._connected: Cluster | None = None
        self._noted: dict[str, Any] | None = None

    def holding(self, model: InProcessModel[Any, Any], settings: Settings) -> ClusterModel:
        """Return a model that answers as another one does, but whose weights the actors hold.

        Args:
            model: It; its weights are not loaded here.
            settings: By which it is loaded.
        """
        return ClusterModel(model, partial(self._start, settings))

    def check(self, models: Mapping[str, LocalModel[Any, Any]]) -> None:
        """Prove before any work that there are actors, and note what the head of the run says.

        Args:
            models: Those that will run there, by the names that are shown.

        Raises:
            SettingsError: The cluster cannot be used.
        """
        cluster = self._cluster()
        cluster.check()
        nodes = cluster.describe()
        lines = [_nodes_line(str(self._settings.ray), nodes)]
        for name, model in models.items():
            lines += _files_lines(name, cluster.with_files(model.info.contents))
        facts = {"number": sum(node.actors for node in nodes), "lines": lines}
        self._store.agree({_KEY: json.dumps(facts)})

    @property
    def lines(self) -> list[str]:
        """What the head of the run says of nodes and files; nothing before the check."""
        return list(self._facts["lines"])

    @property
    def number(self) -> int:
        """How many actors there were when the run began; 1 before the check."""
        return int(self._facts["number"])

    def close(self) -> None:
        """End the connection, and a Ray that was started for it."""
        cluster, self._connected = self._connected, None
        if cluster is not None:
            cluster.close()

    @property
    def _facts(self) -> dict[str, Any]:
        if self._noted is None:
            known = self._store.agreed().get(_KEY)
            if known is None:
                return {"number": 1, "lines": []}
            self._noted = json.loads(known)
        return self._noted or {}

    def _cluster(self) -> Cluster:
        if self._connected is None:
            settings = self._settings
            self._connected = connect(
                str(settings.ray),
                cpus=settings.ray_cpus,
                device=settings.device,
                note=self._store.add_note,
            )
        return self._connected

    def _start(self, settings: Settings, model: InProcessModel[Any, Any], info: LocalInfo) -> Pool:
        make = MakeModelWorker(model.path, settings, info.fingerprint)
        return self._cluster().pool(make, info.contents)


def _nodes_line(address: str, nodes: Sequence[Node]) -> str:
    actors, gpus = sum(node.actors for node in nodes), sum(node.gpus for node in nodes)
    threads = sorted({node.threads for node in nodes if not node.gpus})
    parts = [_counted(gpus, "GPU")] if gpus else []
    if threads:
        cores = " or ".join(map(str, threads))
        each = " each" if actors > 1 else ""
        parts.append(f"{cores} core{'' if threads == [1] else 's'}{each}")
    where = _named([f"{node.address} ({node.actors})" for node in nodes])
    return (
        f"Ray ({address}): {_counted(actors, 'actor')} on {_counted(len(nodes), 'node')}, "
        f"{', '.join(parts)}: {where}"
    )


def _files_lines(name: str, found: Mapping[Node, bool | None]) -> Iterator[str]:
    """Say which nodes read a checkpoint at its path, and which are sent it."""
    parts = []
    for has_files, what in ((False, "sent to"), (None, "still being compared on")):
        nodes = [node.address for node, found_there in found.items() if found_there is has_files]
        if nodes:
            where = "all nodes" if len(nodes) == len(found) else _named(nodes)
            parts.append(f"{what} {where}")
    if any(found.values()):
        parts.append(f"read at its path on {'the other' if parts else 'all'} nodes")
    if parts:
        yield f"{name} is {', and '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
