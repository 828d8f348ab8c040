"""The machines of a cluster: which take part, with how many actors, and what is installed there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "HEAD",
    "OPTION",
    "Node",
    "Versions",
    "other_versions",
    "own_versions",
    "plan",
    "probe",
]

OPTION = "--llm-judge-ray"

HEAD = "node:__internal_head__"
"""The resource that only the node has which leads a cluster."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster that takes part.

    Attributes:
        key: Ray's name of it.
        address: Its IP address.
        actors: How many actors it has room for.
        gpus: How many GPUs they use, one each.
        threads: How many cores each of them uses.
    """

    key: str
    address: str
    actors: int
    gpus: int
    threads: int


def plan(described: Iterable[Mapping[str, Any]], cpus: int | None, device: str) -> tuple[Node, ...]:
    """Say which nodes have actors: one for each GPU, or without any GPU for some cores each.

    Beside GPUs a model on cores is no help: it would be slow, and other rounding than theirs.

    Args:
        described: As ``ray.nodes()`` describes them.
        cpus: Cores of an actor; ``None`` for all of a node.
        device: Where the model runs.
    """
    alive = [node for node in described if node["Alive"]]
    on_gpus = device.startswith("cuda") or (
        device == "auto" and any(_has(node, "GPU") for node in alive)
    )
    planned = [_on_gpus(node) if on_gpus else _on_cores(node, cpus) for node in alive]
    return tuple(node for node in planned if node.actors)


def _has(node: Mapping[str, Any], resource: str) -> int:
    return int(node["Resources"].get(resource, 0))


def _on_gpus(node: Mapping[str, Any]) -> Node:
    gpus = _has(node, "GPU")
    threads = max(1, _has(node, "CPU") // max(1, gpus))
    return Node(node["NodeID"], node["NodeManagerAddress"], gpus, gpus, threads)


def _on_cores(node: Mapping[str, Any], cpus: int | None) -> Node:
    cores = _has(node, "CPU")
    threads = max(1, cpus or cores)
    return Node(node["NodeID"], node["NodeManagerAddress"], cores // threads, 0, threads)


class Versions(NamedTuple):
    """What is installed on a node; empty where something is missing.

    Attributes:
        package: Of this package.
        digest: Of its sources.
        torch: With its build, which says for which device it is.
        python: Of the interpreter.
    """

    package: str
    digest: str
    torch: str
    python: str


def probe() -> Callable[[], tuple[str, str, str, str]]:
    """Return a function that says what :class:`Versions` has, to be called on another node.

    A function within another one travels with its code: a node that lacks this package, or has an
    older one, can answer.
    """

    def installed() -> tuple[str, str, str, str]:
        import hashlib
        import platform
        from importlib.metadata import PackageNotFoundError, version
        from importlib.util import find_spec
        from pathlib import Path

        def version_of(name: str) -> str:
            try:
                return version(name)
            except PackageNotFoundError:
                return ""

        digest = hashlib.sha256()
        found = find_spec("pytest_llmjudge")
        folders = (found.submodule_search_locations if found else None) or []
        for folder in map(Path, folders):
            for file in sorted(folder.rglob("*.py")):
                digest.update(f"{file.relative_to(folder).as_posix()}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        package = version_of("pytest-llmjudge") if folders else ""
        return package, digest.hexdigest(), version_of("torch"), platform.python_version()

    return installed


def own_versions() -> Versions:
    """Return what is installed here."""
    return Versions(*probe()())


def other_versions(address: str, there: Versions, here: Versions) -> SettingsError | None:
    """Refuse a node on which something else is installed; the build of a torch may differ.

    Args:
        address: Of the node.
        there: What it has.
        here: What this process has.
    """
    if _compared(there) == _compared(here):
        return None
    problem = f"node {address} has {_said(there, here)}, and this machine {_said(here, there)}"
    return SettingsError(OPTION, problem, "install the same on all nodes")


def _compared(versions: Versions) -> Versions:
    return versions._replace(torch=versions.torch.split("+")[0])


def _said(versions: Versions, other: Versions) -> str:
    code = ""
    if versions.package == other.package and versions.digest != other.digest:
        code = f" (code {versions.digest[:8]})"
    package = (
        f"pytest-llmjudge {versions.package}{code}" if versions.package else "no pytest-llmjudge"
    )
    torch = f"torch {versions.torch}" if versions.torch else "no torch"
    return f"{package}, {torch}, Python {versions.python}"
