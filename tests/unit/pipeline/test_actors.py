"""Tests of what the head of a run says of the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.generation.cluster.nodes import Node
from pytest_llmjudge.pipeline.actors import _files_lines, _nodes_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def on_cores(number: int, actors: int, threads: int) -> Node:
    return Node(str(number), f"10.0.0.{number}", actors, 0, threads)


def on_gpus(number: int, gpus: int) -> Node:
    return Node(str(number), f"10.0.0.{number}", gpus, gpus, 4)


@pytest.mark.parametrize(
    ("nodes", "line"),
    [
        ([on_cores(1, 1, 1)], "1 actor on 1 node, 1 core: 10.0.0.1 (1)"),
        ([on_cores(1, 1, 2)], "1 actor on 1 node, 2 cores: 10.0.0.1 (1)"),
        ([on_cores(1, 2, 1)], "2 actors on 1 node, 1 core each: 10.0.0.1 (2)"),
        (
            [on_cores(1, 1, 1), on_cores(2, 1, 4)],
            "2 actors on 2 nodes, 1 or 4 cores each: 10.0.0.1 (1), 10.0.0.2 (1)",
        ),
        ([on_gpus(1, 2)], "2 actors on 1 node, 2 GPUs: 10.0.0.1 (2)"),
        (
            [on_gpus(number, 1) for number in range(1, 11)],
            "10 actors on 10 nodes, 10 GPUs: "
            + "".join(f"10.0.0.{number} (1), " for number in range(1, 9)).removesuffix(", ")
            + " and 2 more",
        ),
    ],
)
def test_nodes(nodes: Sequence[Node], line: str) -> None:
    assert _nodes_line("auto", nodes) == f"Ray (auto): {line}"


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ([], []),
        ([True, True], ["model.pth is read at its path on all nodes"]),
        ([False, False], ["model.pth is sent to all nodes"]),
        (
            [True, False],
            ["model.pth is sent to 10.0.0.1, and read at its path on the other nodes"],
        ),
        (
            [True, False, None],
            [
                (
                    "model.pth is sent to 10.0.0.1, and still being compared on 10.0.0.2, and "
                    "read at its path on the other nodes"
                )
            ],
        ),
    ],
)
def test_files(found: Sequence[bool | None], lines: Sequence[str]) -> None:
    of_nodes = {on_cores(number, 1, 1): has_files for number, has_files in enumerate(found)}

    assert list(_files_lines("model.pth", of_nodes)) == lines
