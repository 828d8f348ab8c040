"""The machines of a cluster as Ray tells of them: who takes part, asked and compared."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.generation.cluster.nodes import (
    HEAD,
    OPTION,
    Node,
    Versions,
    other_versions,
    own_versions,
    plan,
    probe,
)
from pytest_llmjudge.generation.cluster.shipping import known_here, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["ANSWER_SECONDS", "LOCAL", "Machines", "on_node", "without_warnings"]

LOCAL = "local"

ANSWER_SECONDS = 60
"""What a node may take to start a process and answer."""

_READ_BYTES = 50_000_000
"""Of a file that a node reads in a second at least."""


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Keep what Ray warns of its own future from runs in which warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def on_node(node: Node) -> Any:  # noqa: ANN401  # Ray's classes have no types
    """Bind a task or an actor to a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.key, soft=False)


def _answer_of(node: Node, answer: Any, seconds: float) -> Any:  # noqa: ANN401  # as above
    import ray

    try:
        return ray.get(answer, timeout=seconds)
    except (ray.exceptions.RayError, ConnectionError) as error:
        slow = isinstance(error, ray.exceptions.GetTimeoutError)
        cause = f"for {seconds:.0f} seconds" if slow else f"({one_line(str(error))})"
        problem = f"node {node.address} does not answer {cause}"
        return SettingsError(OPTION, problem, "look at that node, or take it out")


class Machines:
    """The nodes of the cluster that this process is connected to.

    Args:
        address: Where it was reached; :data:`LOCAL` is one that this process has started.
        cpus: Cores of an actor on nodes without GPUs; ``None`` for all of a node's.
        device: Where the model runs.
        note: Called with a line about nodes that take no part, actors that are lost, and so on.
    """

    def __init__(
        self, address: str, cpus: int | None, device: str, note: Callable[[str], None]
    ) -> None:
        import ray

        self.note = note
        self._address = address
        self._cpus = cpus
        self._process = os.getpid()
        self._alike: set[str] = set()
        self._known: dict[str, list[Content]] = {}
        has_gpus = any(plan(ray.nodes(), cpus, "cuda"))
        self._device = device if device != "auto" else "cuda" if has_gpus else "cpu"

    def describe(self) -> tuple[Node, ...]:
        """Return the nodes that take part now, with the actors that each has room for.

        Raises:
            SettingsError: This process is a fork of the one that is connected.
        """
        import ray

        self.check_process()
        return plan(ray.nodes(), self._cpus, self._device)

    def check(self) -> None:
        """Prove before any work that there is room for an actor, and that all nodes are alike.

        Raises:
            SettingsError: No node has room for an actor, or one has another version of this
                package, of its sources, of torch or of Python, or does not answer.
        """
        import ray

        nodes = self.describe()
        if not nodes:
            raise self._no_room()
        unknown = [node for node in nodes if not self.is_known(node)]
        if self._address not in (LOCAL, "auto"):
            # Ray's proxy on the head reads what is sent to the others.
            heads = [node for node in ray.nodes() if node["Alive"] and HEAD in node["Resources"]]
            unknown += [
                Node(head["NodeID"], head["NodeManagerAddress"], 0, 0, 0)
                for head in heads
                if head["NodeID"] not in {node.key for node in nodes}
            ]
        for node, versions in self._ask(unknown, self.probe, ANSWER_SECONDS):
            self.compare(node, versions)

    def _no_room(self) -> SettingsError:
        if self._device == "cpu":
            wanted = f"{self._cpus} cores" if self._cpus else "a core"
            hint = "give fewer with --llm-judge-ray-cpus, or add nodes"
        else:
            wanted, hint = "a GPU", "add nodes with GPUs, or give --llm-judge-device=cpu"
        return SettingsError(OPTION, f"no node of the cluster has {wanted}", hint)

    def is_known(self, node: Node) -> bool:
        """Say whether a node has the same installed as this process has."""
        # The processes of a Ray that was started here use this very installation.
        return self._address == LOCAL or node.key in self._alike

    def probe(self, node: Node) -> Any:  # noqa: ANN401  # Ray's references have no types
        """Ask a node what is installed there."""
        return self.task(node, probe())

    def compare(self, node: Node, versions: tuple[str, str, str, str]) -> None:
        """Take note of what is installed on a node.

        Raises:
            SettingsError: It is something else than here.
        """
        error = other_versions(node.address, Versions(*versions), own_versions())
        if error is not None:
            raise error
        self._alike.add(node.key)

    def task(self, node: Node, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Call a function on a node, where it waits for no core."""
        import ray

        with without_warnings():
            remote = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=on_node(node))
            return remote(function).remote(*arguments)

    def _ask(
        self, nodes: Sequence[Node], ask: Callable[[Node], Any], seconds: float
    ) -> Iterator[tuple[Node, Any]]:
        """Ask nodes at the same time; yield each with its answer.

        Raises:
            SettingsError: One does not answer, and has not left the cluster.
        """
        for node, asked in [(node, ask(node)) for node in nodes]:
            answer = _answer_of(node, asked, seconds)
            if not isinstance(answer, SettingsError):
                yield node, answer
            elif self.is_there(node):
                raise answer

    def is_there(self, node: Node) -> bool:
        """Say whether a node is alive, as far as the cluster knows."""
        import ray

        return any(other["Alive"] and other["NodeID"] == node.key for other in ray.nodes())

    def with_files(self, contents: Mapping[Path, Content]) -> tuple[Node, ...]:
        """Return the nodes that have all files of a checkpoint at their paths; the others get them.

        Raises:
            SettingsError: A node does not answer.
        """
        nodes = self.describe()
        if self._address == LOCAL:
            return nodes
        seconds = self.seconds_to_read(contents)
        found = list(self._ask(nodes, lambda node: self.look(node, contents), seconds))
        for node, known in found:
            self.remember(node, known)
        return tuple(node for node, known in found if known is not None)

    @property
    def shares_files(self) -> bool:
        """Say whether all nodes are this machine."""
        return self._address == LOCAL

    def look(self, node: Node, contents: Mapping[Path, Content]) -> Any:  # noqa: ANN401
        """Ask a node whether it has all files; see :func:`.shipping.look`."""
        known = [*known_here(contents), *self._known.get(node.key, ())]
        absolute = {file.absolute(): content for file, content in contents.items()}
        return self.task(node, look, absolute, known)

    def remember(self, node: Node, known: list[Content] | None) -> None:
        """Take note of what a node has read."""
        self._known.setdefault(node.key, []).extend(known or ())

    def seconds_to_read(self, contents: Mapping[Path, Content]) -> float:
        """Return how long a node may take to read all files."""
        size = sum(content.stamp.size for content in contents.values())
        return ANSWER_SECONDS + size / _READ_BYTES

    def check_process(self) -> None:
        """Refuse a fork of the process that is connected, in which Ray's threads do not run.

        Raises:
            SettingsError: This is one.
        """
        if not self.is_own:
            problem = "this process is a fork of the one that is connected to Ray"
            raise SettingsError(OPTION, problem, "run without forks, such as those of --forked")

    @property
    def is_own(self) -> bool:
        """Whether this process is the one that is connected."""
        return os.getpid() == self._process
