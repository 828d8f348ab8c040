"""The machines of a cluster as Ray tells of them: who takes part, asked and compared."""

from __future__ import annotations

import contextlib
import os
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
from pytest_llmjudge.generation.cluster.shipping import look
from pytest_llmjudge.generation.files.contents import known_among

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Content

__all__ = [
    "ANSWER_SECONDS",
    "LOCAL",
    "Machines",
    "on_node",
]

LOCAL = "local"

ANSWER_SECONDS = 120
"""What a node may take to start a process and answer."""


def on_node(node: Node) -> Any:  # noqa: ANN401  # Ray's classes have no types
    """Bind a task or an actor to a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.key, soft=False)


def _answer_of(node: Node, ref: Any) -> Any:  # noqa: ANN401  # as above
    """Return an answer that is ready, or the error of a node that cannot give one."""
    import ray

    try:
        return ray.get(ref)
    except (ray.exceptions.RayError, ConnectionError) as error:
        return _no_answer(node, f"({one_line(str(error))})")


def _no_answer(node: Node, cause: str) -> SettingsError:
    problem = f"node {node.address} does not answer {cause}"
    return SettingsError(OPTION, problem, "look at that node, or take it out")


def _key(node: Node, contents: Mapping[Path, Content]) -> tuple[str, frozenset[tuple[Path, str]]]:
    """Name the files of a checkpoint on a node."""
    return node.key, frozenset(
        (file.absolute(), content.digest) for file, content in contents.items()
    )


class Machines:
    """The nodes of the cluster that this process is connected to.

    Args:
        address: Where it was reached; :data:`LOCAL` is one that this process has started.
        cpus: Cores of an actor on nodes without GPUs; ``None`` for all of a node's.
        device: Where the model runs.
        note: Called with a line about nodes that take no part, actors that are lost, and so on.

    Attributes:
        device: Of torch, on which actors compute.
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
        self._looks: dict[Any, Any] = {}
        self._receivers: dict[Any, Any] = {}
        has_gpus = any(plan(ray.nodes(), cpus, "cuda"))
        self.device = device if device != "auto" else "cuda" if has_gpus else "cpu"

    def describe(self) -> tuple[Node, ...]:
        """Return the nodes that take part now, with the actors that each has room for.

        Raises:
            SettingsError: This process is a fork of the one that is connected.
        """
        import ray

        self.check_process()
        return plan(ray.nodes(), self._cpus, self.device)

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
        answers = self._answers({node: self.probe(node) for node in unknown})
        for node in unknown:
            if node in answers:
                self.compare(node, answers[node])
            elif self.is_there(node):
                raise _no_answer(node, f"for {ANSWER_SECONDS} seconds")

    def _no_room(self) -> SettingsError:
        if self.device == "cpu":
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

        remote = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=on_node(node))
        return remote(function).remote(*arguments)

    def _answers(self, asked: Mapping[Node, Any]) -> dict[Node, Any]:
        """Wait for answers of nodes, at most :data:`ANSWER_SECONDS`; some may not come.

        Raises:
            SettingsError: One cannot answer, and has not left the cluster.
        """
        import ray

        if not asked:
            return {}
        refs = list(asked.values())
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=ANSWER_SECONDS)
        found = {node: _answer_of(node, ref) for node, ref in asked.items() if ref in ready}
        for node, answer in found.items():
            if isinstance(answer, SettingsError) and self.is_there(node):
                raise answer
        return {node: one for node, one in found.items() if not isinstance(one, SettingsError)}

    def is_there(self, node: Node) -> bool:
        """Say whether a node is alive, as far as the cluster knows."""
        import ray

        return any(other["Alive"] and other["NodeID"] == node.key for other in ray.nodes())

    def with_files(self, contents: Mapping[Path, Content]) -> dict[Node, bool | None]:
        """Say which nodes have all files of a checkpoint at their paths; the others are sent them.

        Returns:
            ``None`` for nodes that are still reading theirs after :data:`ANSWER_SECONDS`; nothing
            where all nodes are this machine, and of those that have left the cluster meanwhile.

        Raises:
            SettingsError: A node does not answer.
        """
        nodes = () if self.shares_files else self.describe()
        answers = self._answers({node: self.look(node, contents) for node in nodes})
        return {
            node: answers[node] is not None if node in answers else None
            for node in nodes
            if node in answers or self.is_there(node)
        }

    @property
    def shares_files(self) -> bool:
        """Say whether all nodes are this machine."""
        return self._address == LOCAL

    def look(self, node: Node, contents: Mapping[Path, Content]) -> Any:  # noqa: ANN401
        """Ask a node where it has all files; one that was sent them has them below a folder.

        Returns:
            A reference to what :func:`.shipping.look` returns.
        """
        key = _key(node, contents)
        if key in self._receivers:
            return self._receivers[key].written.remote()
        if key not in self._looks:
            absolute = {file.absolute(): content for file, content in contents.items()}
            known = known_among(contents.values())
            self._looks[key] = self.task(node, look, absolute, known)
        return self._looks[key]

    def hold(self, node: Node, contents: Mapping[Path, Content], receiver: Any) -> None:  # noqa: ANN401
        """Let a node keep the files that an actor has received there, until the connection ends."""
        self._receivers[_key(node, contents)] = receiver

    def forget(self, node: Node, contents: Mapping[Path, Content]) -> bool:
        """Take note that a node cannot say any more where it has the files.

        Returns:
            Whether it had been sent them.
        """
        self._looks.pop(_key(node, contents), None)
        return self._receivers.pop(_key(node, contents), None) is not None

    def remove_sent(self) -> None:
        """Remove the files that nodes were sent."""
        import ray

        receivers, self._receivers = list(self._receivers.values()), {}
        # All is gone already where the cluster is, of which a client of Ray raises anything.
        with contextlib.suppress(Exception):
            removed = [receiver.remove.remote() for receiver in receivers]
            if removed:
                ray.wait(removed, num_returns=len(removed), timeout=ANSWER_SECONDS)
            for receiver in receivers:
                ray.kill(receiver)

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
