"""Fixtures that all tests share: small suites, modes of distribution, a judge's server."""

from __future__ import annotations

import gc
import os
import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.support import worker_forks
from tests.support.fake_ollama import FakeOllama
from tests.support.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytest_plugins = ["pytester"]
# A shell starts what it runs in the background with SIGINT ignored, which all processes that tests
# start would inherit; those that tests interrupt have to be as on a terminal.
if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long examples take, or to make them, says more of the machine than of the code. Each run draws
# other ones.
for _name, _examples in (("whole", 50), ("quick", 25)):
    hypothesis.settings.register_profile(
        _name,
        deadline=None,
        max_examples=_examples,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("whole")

QUICK = "not slow"
"""What ``tox -e quick`` selects."""

_HEAVY = re.compile(
    r"^(?:import|from) (?:torch|transformers|sklearn|pyarrow|playwright|tests\.browser"
    r"|tests\.unit\.generation\.(?:tiny|gpt2|hugging))\b",
    re.MULTILINE,
)

MODES = {
    "plain": (),
    "n2": ("-n", "2"),
    "no-xdist": ("-p", "no:xdist"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Announce the markers of these tests, and draw fewer examples for a quick run."""
    if config.option.markexpr == QUICK:
        hypothesis.settings.load_profile("quick")
    text = "every_mode: each case is run in all modes of distribution, not the first alone"
    config.addinivalue_line("markers", text)
    config.addinivalue_line("markers", "slow: left out of a contributor's quick run")
    config.addinivalue_line("markers", "long: left out of the gate's tests on clusters")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Collect these tests once for all workers."""
    is_quick = config.option.markexpr == QUICK
    worker_forks.fork_from_collected(config, specs, has_transformers=not is_quick)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import, for a quick run, what imports torch, transformers or a browser."""
    if config.option.markexpr != QUICK or collection_path.suffix != ".py":
        return None
    is_heavy = _HEAVY.search(collection_path.read_text("utf-8")) is not None
    return True if is_heavy and collection_path.name.startswith("test_") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run one case of a parametrised flow in all modes of distribution, the others plain.

    What a mode can change is the same for all cases of most tests; ``every_mode`` marks the others.
    What is missing without xdist is the same for all flows of a feature: one of each file shows it.
    """
    seen: set[tuple[str, str]] = set()
    left_out = set()
    for item in items:
        mode = _mode_of(item)
        if mode == "plain" or item.get_closest_marker("every_mode") is not None:
            continue
        test = item.nodeid.partition("[")[0]
        case = test.partition("::")[0] if mode == "no-xdist" else test, mode
        if mode and case in seen:
            left_out.add(item)
        seen.add(case)
    items[:] = [item for item in items if item not in left_out]
    for item in set(items) - set(_main_flows(items)):
        item.add_marker("slow")


def _main_flows(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the unit tests, the first flow of each feature, and one of them in two workers too."""
    seen: set[tuple[Path, str]] = set()
    for item in items:
        if "flow" not in item.path.parts:
            if "real" not in item.path.parts:
                yield item
            continue
        flow = item.path, _mode_of(item)
        is_main = flow[1] == "plain" or (flow[1] == "n2" and item.path.name == "test_cache.py")
        if is_main and flow not in seen:
            seen.add(flow)
            yield item


def _mode_of(item: pytest.Item) -> str:
    """Return the mode of distribution of a test's own run; empty where it has none."""
    params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    mode = str(params.get("dist", params.get("mode", "")))
    return mode if mode in MODES else ""


@pytest.fixture(params=list(MODES))
def dist(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Arguments for each way a run can be distributed."""
    return MODES[request.param]


@pytest.fixture(params=["plain", "n2"])
def mode(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Arguments for a run in one process, and for one in xdist's workers."""
    return MODES[request.param]


def pytest_collection_finish() -> None:
    """Collect no garbage among what is imported and collected: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def preloaded() -> None:
    """Import what pytester would forget: all that is first imported inside one of its runs."""
    worker_forks.preload()
    # To go through it takes a fifth of each run.
    gc.collect()
    gc.freeze()


@pytest.fixture
def pytester(preloaded: None, pytester: pytest.Pytester) -> pytest.Pytester:
    """Have the heavy modules imported by the tests that run pytest, and by no others."""
    return pytester


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    """A judge's server that scores by likeness to the reference."""
    with FakeOllama() as server:
        yield server


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project, with no server but those that a test names."""
    of_ci = ("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "GITHUB_RUN_ID", "CI_PIPELINE_ID")
    # These tests may run in a worker of xdist themselves, which the runs in them are not.
    xdist = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")
    for name in ("OLLAMA_HOST", "PYTEST_ADDOPTS", "CI", "FORCE_COLOR", *of_ci, *xdist):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    # Lines are not folded; tests of widths set their own.
    monkeypatch.setenv("COLUMNS", "1000")
    return Project(pytester)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it are skipped where it is not named."""
    folder = os.environ.get("LLMJUDGE_REAL_DATA")
    if not folder:
        pytest.skip("needs LLMJUDGE_REAL_DATA")
    return Path(folder)


@pytest.fixture
def without_collection() -> Iterator[None]:
    """Collect no garbage of other tests at the recursion limit, where its finalisers would fail."""
    gc.disable()
    yield
    gc.enable()
