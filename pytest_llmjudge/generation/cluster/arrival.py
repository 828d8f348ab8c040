"""Nodes that join: compared with this machine, asked for the checkpoint, sent what they lack."""

from __future__ import annotations

import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError, SettingsError, one_line
from pytest_llmjudge.generation.cluster.machines import ANSWER_SECONDS, on_node
from pytest_llmjudge.generation.cluster.nodes import OPTION
from pytest_llmjudge.generation.cluster.shipping import Receiver, pieces_of
from pytest_llmjudge.generation.cluster.work import Place
from pytest_llmjudge.generation.files.contents import ContentChangedError, known_among

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.generation.cluster.machines import Machines
    from pytest_llmjudge.generation.cluster.nodes import Node
    from pytest_llmjudge.generation.cluster.shipping import Found
    from pytest_llmjudge.generation.files.contents import Content

__all__ = ["Arrival", "Lost", "outcome_of"]

_TOGETHER_SECONDS = 5.0
"""How long nodes that lack files wait for others that may, to be sent them together."""


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
    """Return why a process ended, of all that Ray says of it, in colours."""
    plain = re.sub(r"\x1b\[\d+m", "", text).strip()
    if "in its creation task" in plain:
        # A traceback, which ends with the error.
        return one_line(plain.splitlines()[-1])
    found = re.search(
        r"(?:is dead|died) because (.*?)(?:\. Some common causes|$)", " ".join(plain.split())
    )
    return one_line(found[1] if found else plain)


class _Steps:
    """Questions to nodes that follow from each other.

    Args:
        steps: Yields what is asked, and for how many seconds; it is sent the answers, each of which
            may be :class:`Lost`.

    Attributes:
        missing: Answers that it waits for.
    """

    def __init__(self, steps: Generator[tuple[list[Any], float], Any, None]) -> None:
        self.missing: set[Any] = set()
        self._steps = steps
        self._asked: list[Any] | None = None
        self._until = 0.0

    def go_on(self, answered: set[Any]) -> bool:
        """Take over answers; say whether more is asked."""
        self.missing -= answered
        while not self.missing or time.monotonic() > self._until:
            late = Lost("it gave no answer in time")
            answers = (
                None
                if self._asked is None
                else [late if ref in self.missing else outcome_of(ref) for ref in self._asked]
            )
            try:
                self._asked, seconds = self._steps.send(answers)
            except StopIteration:
                self.missing = set()
                return False
            self.missing = set(self._asked)
            self._until = time.monotonic() + seconds
        return True

    def close(self) -> None:
        """Ask no more."""
        with suppress(ContentChangedError):  # nothing of the file is used
            self._steps.close()


class Arrival:
    """Nodes that become ready for actors, each in its own time, and are sent the files they lack.

    Args:
        machines: Of the cluster.
        nodes: New ones.
        contents: What all files of the checkpoint hold.

    Attributes:
        problem: Why a node was left out, if one was.
    """

    def __init__(
        self, machines: Machines, nodes: Sequence[Node], contents: Mapping[Path, Content]
    ) -> None:
        self.problem = ""
        self._machines = machines
        self._contents = contents
        self._asked = [_Steps(self._ask(node)) for node in nodes]
        self._lacking: list[Node] = []
        self._lacks_since = 0.0
        self._sent: list[_Steps] = []
        self._ready: list[tuple[Node, Place, list[Content]]] = []

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return not (self._asked or self._lacking or self._sent)

    @property
    def missing(self) -> set[Any]:
        """Answers that it waits for."""
        return {ref for steps in (*self._asked, *self._sent) for ref in steps.missing}

    def go_on(self, answered: set[Any]) -> list[tuple[Node, Place, list[Content]]]:
        """Take over answers.

        Returns:
            Nodes that are ready now, with the place of an actor and what it need not read again.
        """
        self._asked = [steps for steps in self._asked if steps.go_on(answered)]
        is_due = not self._asked or time.monotonic() > self._lacks_since + _TOGETHER_SECONDS
        if self._lacking and is_due:
            self._sent.append(_Steps(self._send(self._lacking)))
            self._lacking = []
        self._sent = [steps for steps in self._sent if steps.go_on(answered)]
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        """Let no more nodes arrive."""
        for steps in (*self._asked, *self._sent):
            steps.close()

    def _ask(self, node: Node) -> Generator[tuple[list[Any], float], Any, None]:
        machines, contents = self._machines, self._contents
        if machines.shares_files:
            self._arrive(node, ("", known_among(contents.values())))
            return
        if not machines.is_known(node):
            (versions,) = yield [machines.probe(node)], ANSWER_SECONDS
            if problem := self._difference(node, versions):
                self._leave_out(node, problem)
                return
        # It may read for any time; Ray says when it is lost.
        (found,) = yield [machines.look(node, contents)], math.inf
        if isinstance(found, Lost) and not machines.forget(node, contents):
            self._leave_out(node, found.cause)
        elif found is None or isinstance(found, Lost):
            self._lacks_since = self._lacks_since if self._lacking else time.monotonic()
            self._lacking.append(node)
        else:
            self._arrive(node, found)

    def _difference(self, node: Node, versions: Any) -> str:  # noqa: ANN401  # or Lost
        if isinstance(versions, Lost):
            return versions.cause
        try:
            self._machines.compare(node, versions)
        except SettingsError as error:
            return f"it {error.problem.removeprefix(f'node {node.address} ')}"
        return ""

    def _send(self, nodes: Sequence[Node]) -> Generator[tuple[list[Any], float], Any, None]:
        """Put each piece into the object store once, from where each node takes it once."""
        import ray

        receivers: dict[Node, Any] = {}
        try:
            for node in nodes:
                remote = ray.remote(num_cpus=0, scheduling_strategy=on_node(node))(Receiver)
                receivers[node] = remote.remote()
            before: dict[Node, Any] = {}
            for name, piece in pieces_of(self._contents):
                stored = ray.put(piece)
                calls = {
                    node: actor.receive.remote(name, stored) for node, actor in receivers.items()
                }
                # One piece is read here while the one before is written there.
                yield from self._wait(before, receivers)
                before = {node: calls[node] for node in receivers}
                if not receivers:
                    return
            yield from self._wait(before, receivers)
            written = [actor.written.remote() for actor in receivers.values()]
            answers = yield written, ANSWER_SECONDS
            for node, found in zip(list(receivers), answers, strict=True):
                if isinstance(found, Lost):
                    self._leave_out(node, found.cause)
                else:
                    self._machines.hold(node, self._contents, receivers.pop(node))
                    self._arrive(node, found)
        except (CheckpointError, ContentChangedError) as error:
            problem = str(error) or "the checkpoint was written to while it was sent"
            for node in receivers:
                self._leave_out(node, problem)
        finally:
            for actor in receivers.values():
                ray.kill(actor)

    def _wait(
        self, calls: Mapping[Node, Any], receivers: dict[Node, Any]
    ) -> Generator[tuple[list[Any], float], Any, None]:
        """Wait until nodes have written a piece, and do without those that could not."""
        import ray

        answers = yield list(calls.values()), ANSWER_SECONDS
        for node, problem in zip(calls, answers, strict=True):
            if problem:
                ray.kill(receivers.pop(node))
                self._leave_out(node, problem.cause if isinstance(problem, Lost) else problem)

    def _arrive(self, node: Node, found: Found) -> None:
        root, known = found
        folder = os.getcwd()  # noqa: PTH109  # it is a text
        place = Place(node.threads, root, folder, self._machines.device, node.address)
        self._ready.append((node, place, known))

    def _leave_out(self, node: Node, problem: str) -> None:
        self.problem = f"node {node.address} is left out: {problem}"
        self._machines.note(f"{OPTION}: {self.problem}")
