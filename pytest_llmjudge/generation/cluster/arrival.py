"""Nodes that join: compared with this machine, asked for the checkpoint, sent what they lack."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.generation.cluster.machines import ANSWER_SECONDS, on_node, without_warnings
from pytest_llmjudge.generation.cluster.nodes import OPTION
from pytest_llmjudge.generation.cluster.shipping import Receiver, known_here, pieces_of
from pytest_llmjudge.generation.cluster.work import Place

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.machines import Machines
    from pytest_llmjudge.generation.cluster.nodes import Node
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["Arrival", "Lost", "outcome_of"]


@dataclass(frozen=True, slots=True)
class Lost:
    """What comes in the place of an answer of a process that ended.

    Attributes:
        cause: As Ray says it, in one line.
    """

    cause: str


def outcome_of(answer: Any) -> Any:  # noqa: ANN401  # Ray's references have no types
    """Return an answer that is ready, or why there is none."""
    import ray

    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        return Lost(_cause(str(error)))


def _cause(text: str) -> str:
    """Return why a process ended, of all that Ray says of it."""
    told = " ".join(text.split())
    found = re.search(r"(?:is dead|died) because (.*?)(?:\. Some common causes|$)", told)
    return one_line(found[1] if found else told)


class Arrival:
    """Nodes that become ready for actors together, so that they are sent the files together.

    Args:
        machines: Of the cluster.
        nodes: New ones.
        contents: What all files of the checkpoint hold.

    Attributes:
        missing: Answers that it waits for.
        receivers: Actors that hold the files which nodes were sent; without them these are removed.
        is_over: Whether nothing more comes.
        problem: Why a node was left out, if one was.
    """

    def __init__(
        self, machines: Machines, nodes: Sequence[Node], contents: Mapping[Path, Content]
    ) -> None:
        self.missing: set[Any] = set()
        self.receivers: dict[Node, Any] = {}
        self.is_over = False
        self.problem = ""
        self._machines = machines
        self._nodes = nodes
        self._contents = contents
        self._asked: list[Any] = []
        self._until = 0.0
        self._ready: list[tuple[Node, Place, list[Content]]] = []
        self._steps = self._run()
        self._begun = False

    def go_on(self, answered: set[Any]) -> list[tuple[Node, Place, list[Content]]]:
        """Take over answers.

        Returns:
            Nodes that are ready now, with the place of an actor and what it need not read again.

        Raises:
            CheckpointError: A file cannot be read any more.
            ContentChangedError: A file may hold something else than its digest is of.
        """
        self.missing -= answered
        while not self.is_over and (not self.missing or time.monotonic() > self._until):
            late = Lost("it gave no answer in time")
            answers = [late if ref in self.missing else outcome_of(ref) for ref in self._asked]
            try:
                self._asked, seconds = (
                    self._steps.send(answers) if self._begun else next(self._steps)
                )
            except StopIteration:
                self.is_over = True
                self._asked, seconds = [], 0.0
            self._begun = True
            self.missing = set(self._asked)
            self._until = time.monotonic() + seconds
        ready, self._ready = self._ready, []
        return ready

    def _run(self) -> Generator[tuple[list[Any], float], list[Any], None]:
        """Yield what is asked, with the seconds within which answers must come; get the answers."""
        machines, contents = self._machines, self._contents
        if machines.shares_files:
            self._ready += [(node, self._place(node), known_here(contents)) for node in self._nodes]
            return
        unknown = [node for node in self._nodes if not machines.is_known(node)]
        answers = yield [machines.probe(node) for node in unknown], ANSWER_SECONDS
        for node, versions in zip(unknown, answers, strict=True):
            self._compare(node, versions)
        nodes = [node for node in self._nodes if machines.is_known(node)]
        seconds = machines.seconds_to_read(contents)
        answers = yield [machines.look(node, contents) for node in nodes], seconds
        lacking = []
        for node, known in zip(nodes, answers, strict=True):
            if isinstance(known, Lost):
                self._leave_out(node, known.cause)
            elif known is None:
                lacking.append(node)
            else:
                machines.remember(node, known)
                self._ready.append((node, self._place(node), known))
        if lacking:
            yield from self._send(lacking)

    def _place(self, node: Node, root: str = "") -> Place:
        return Place(node.threads, root, os.getcwd())  # noqa: PTH109  # it is a text

    def _compare(self, node: Node, versions: Any) -> None:  # noqa: ANN401  # or Lost
        if isinstance(versions, Lost):
            self._leave_out(node, versions.cause)
            return
        try:
            self._machines.compare(node, versions)
        except SettingsError as error:
            self._leave_out(node, f"it {error.problem.removeprefix(f'node {node.address} ')}")

    def _send(self, nodes: Sequence[Node]) -> Generator[tuple[list[Any], float], list[Any], None]:
        """Put each piece into the object store once, from where each node takes it once."""
        import ray

        for node in nodes:
            with without_warnings():
                remote = ray.remote(num_cpus=0, scheduling_strategy=on_node(node))(Receiver)
                self.receivers[node] = remote.remote()
        before: list[Any] = []
        for name, piece in pieces_of(self._contents):
            stored = ray.put(piece)
            calls = [actor.receive.remote(name, stored) for actor in self.receivers.values()]
            # One piece is read here while the one before is written there.
            self._drop((yield before, ANSWER_SECONDS))
            if not self.receivers:
                return
            before = [
                call for call, node in zip(calls, nodes, strict=True) if node in self.receivers
            ]
            nodes = list(self.receivers)
        self._drop((yield before, ANSWER_SECONDS))
        answers = yield (
            [actor.written.remote() for actor in self.receivers.values()],
            ANSWER_SECONDS,
        )
        for node, written in zip(list(self.receivers), answers, strict=True):
            if isinstance(written, Lost):
                self._leave_out(node, written.cause)
            else:
                folder, known = written
                self._ready.append((node, self._place(node, folder), known))

    def _drop(self, answers: Sequence[str | Lost]) -> None:
        """Do without nodes that could not write a piece."""
        for node, problem in zip(list(self.receivers), answers, strict=False):
            if problem:
                self._leave_out(node, problem.cause if isinstance(problem, Lost) else problem)

    def _leave_out(self, node: Node, problem: str) -> None:
        import ray

        receiver = self.receivers.pop(node, None)
        if receiver is not None:
            ray.kill(receiver)
        self.problem = f"node {node.address} is left out: {problem}"
        self._machines.note(f"{OPTION}: {self.problem}")

    def close(self) -> None:
        """Remove what nodes were sent."""
        import ray

        self._steps.close()
        removed = [receiver.remove.remote() for receiver in self.receivers.values()]
        if removed:
            ray.wait(removed, num_returns=len(removed), timeout=ANSWER_SECONDS)
        for receiver in self.receivers.values():
            ray.kill(receiver)
        self.receivers = {}
