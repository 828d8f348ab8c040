"""A stand-in for Ray whose actors are in this process and answer at once, or never."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

__all__ = ["FakeRay"]


class RayError(Exception):
    """As Ray has it."""


class FakeRay(ModuleType):
    """What this package uses of Ray.

    Args:
        addresses: Of nodes of one core each.

    Attributes:
        broken: What waiting raises.
        busy: Addresses of nodes on which no actor starts that needs a core.
        dying: Addresses of nodes that are dead as soon as they are asked something.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        super().__init__("ray")
        self.exceptions = SimpleNamespace(RayError=RayError)
        self.broken: Exception | None = None
        self.busy: set[str] = set()
        self.dying: set[str] = set()
        self._nodes = {
            address: {
                "NodeID": address,
                "NodeManagerAddress": address,
                "Alive": True,
                "Resources": {"CPU": 1.0},
            }
            for address in addresses
        }

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have it imported in the place of Ray."""
        strategies = ModuleType("ray.util.scheduling_strategies")
        vars(strategies)["NodeAffinitySchedulingStrategy"] = lambda key, soft: key
        patch.setitem(sys.modules, "ray", self)
        patch.setitem(sys.modules, "ray.util", ModuleType("ray.util"))
        patch.setitem(sys.modules, strategies.__name__, strategies)

    def nodes(self) -> list[dict[str, Any]]:
        """Describe all nodes."""
        return list(self._nodes.values())

    def remote(self, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401
        """Make a task of a function, or an actor of a class."""

        def on_node(target: Any) -> Any:  # noqa: ANN401
            if isinstance(target, type):
                return SimpleNamespace(remote=lambda *given: _Actor(self, target(*given), options))
            return SimpleNamespace(remote=lambda *given: self.call(options, target, *given))

        return on_node

    def call(self, options: dict[str, Any], function: Callable[..., Any], *given: Any) -> Any:  # noqa: ANN401
        """Return a reference to what a call on a node returns."""
        reference: Future[Any] = Future()
        address = options["scheduling_strategy"]
        if address in self.dying:
            self._nodes[address]["Alive"] = False
        elif not (address in self.busy and options["num_cpus"]):
            reference.set_result(function(*given))
        return reference

    def wait(self, refs: list[Future[Any]], *, num_returns: int, timeout: float) -> Any:  # noqa: ANN401
        """Return what is ready, and what is not."""
        if self.broken is not None:
            raise self.broken
        return [ref for ref in refs if ref.done()], [ref for ref in refs if not ref.done()]

    def get(self, ref: Future[Any]) -> Any:  # noqa: ANN401
        """Return a value."""
        return ref.result(0)

    def put(self, value: object) -> Future[Any]:
        """Return a reference to a value."""
        reference: Future[Any] = Future()
        reference.set_result(value)
        return reference

    def kill(self, actor: object) -> None:
        """Nothing is left of an actor that nobody asks."""


class _Actor:
    def __init__(self, ray: FakeRay, held: object, options: dict[str, Any]) -> None:
        self._ray = ray
        self._held = held
        self._options = options

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        method = getattr(self._held, name)
        return SimpleNamespace(remote=lambda *given: self._ray.call(self._options, method, *given))
