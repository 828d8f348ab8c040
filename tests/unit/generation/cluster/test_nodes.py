"""Tests of which nodes of a cluster take part, and of what is compared with them."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.generation.cluster.nodes import (
    Node,
    Versions,
    other_versions,
    own_versions,
    plan,
    probe,
)

if TYPE_CHECKING:
    from pathlib import Path

HERE = Versions("0.1.0", "a" * 64, "2.13.0+cpu", "3.11.7")


def described(name: str, cores: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
    resources = {"CPU": cores, "GPU": gpus, "memory": 1e9}
    present = {resource: amount for resource, amount in resources.items() if amount}
    return {
        "NodeID": name,
        "NodeManagerAddress": f"ip-{name}",
        "Alive": alive,
        "Resources": present,
    }


def test_an_actor_has_all_cores_of_a_node() -> None:
    nodes = [described("a", 8), described("b", 2), described("gone", 8, alive=False)]

    assert plan(nodes, None, "auto") == (Node("a", "ip-a", 1, 0, 8), Node("b", "ip-b", 1, 0, 2))


def test_an_actor_has_as_many_cores_as_it_is_given() -> None:
    nodes = [described("a", 8), described("b", 2), described("c", 0)]

    assert plan(nodes, 3, "auto") == (Node("a", "ip-a", 2, 0, 3),)


def test_an_actor_has_one_gpu_and_its_share_of_the_cores() -> None:
    nodes = [described("a", 64, 8), described("head", 4), described("c", 1, 2)]

    expected = (Node("a", "ip-a", 8, 8, 8), Node("c", "ip-c", 2, 2, 1))

    assert plan(nodes, 2, "auto") == plan(nodes, None, "cuda") == expected


def test_gpus_are_left_to_others() -> None:
    assert plan([described("a", 64, 8)], 16, "cpu") == (Node("a", "ip-a", 4, 0, 16),)


def test_no_node_has_a_gpu() -> None:
    assert plan([described("a", 64)], None, "cuda") == ()


def test_alike() -> None:
    # The build of a torch says for which devices it is.
    assert other_versions("10.0.0.7", HERE._replace(torch="2.13.0+cu130"), HERE) is None


@pytest.mark.parametrize(
    ("changes", "there", "here"),
    [
        ({"torch": "2.12.0"}, "torch 2.12.0", "torch 2.13.0+cpu"),
        ({"python": "3.12.1"}, "Python 3.12.1", "Python 3.11.7"),
        ({"package": "0.2.0", "digest": "b" * 64}, "pytest-llmjudge 0.2.0,", "0.1.0,"),
        ({"digest": "b" * 64}, "0.1.0 (code bbbbbbbb)", "0.1.0 (code aaaaaaaa)"),
        ({"package": "", "digest": "", "torch": ""}, "no pytest-llmjudge, no torch", "0.1.0"),
    ],
)
def test_something_else_is_installed(changes: dict[str, str], there: str, here: str) -> None:
    line = str(other_versions("10.0.0.7", HERE._replace(**changes), HERE))
    first, second = line.split(", and this machine ")

    assert line.startswith("--llm-judge-ray: node 10.0.0.7 has ")
    assert there in first
    assert here in second
    assert line.endswith("; install the same on all nodes")


def test_what_is_installed_here() -> None:
    import torch

    versions = own_versions()

    assert versions.python == platform.python_version()
    assert torch.__version__.startswith(versions.torch.split("+")[0])
    assert len(versions.digest) == 64


def test_a_process_without_the_package_can_answer(tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    (tmp_path / "probe").write_bytes(cloudpickle.dumps(probe()))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))()[0] == '')"
    # Without site-packages there is no cloudpickle either, of which the pickle names functions.
    path = str(tmp_path)
    (tmp_path / "cloudpickle").symlink_to(cloudpickle.__path__[0])
    answer = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path / "probe")],
        env={"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert answer.stdout == "True\n"
