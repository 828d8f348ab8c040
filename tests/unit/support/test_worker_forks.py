"""Workers that are forked are as those that are started."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from tests.support import worker_forks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

SEEN = """
import json, os, pathlib, sys

def test_it():
    seen = [os.getppid(), os.getcwd(), dict(os.environ), "torch" in sys.modules]
    pathlib.Path(os.environ["PYTEST_XDIST_WORKER"]).write_text(json.dumps(seen))

test_that = test_it
"""


def test_folder_and_environment(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of the run, not of the process that has the imports."""
    pytester.makepyfile(SEEN)
    monkeypatch.setenv("OF_THIS_TEST", "yes")

    pytester.runpytest("-n", "2", plugins=[worker_forks]).assert_outcomes(passed=2)

    seen = [json.loads((pytester.path / name).read_text()) for name in ("gw0", "gw1")]
    parents = {parent for parent, *_ in seen}
    assert len(parents) == 1
    assert parents != {os.getpid()}
    for _, folder, environment, has_torch in seen:
        assert folder == str(pytester.path)
        assert environment["OF_THIS_TEST"] == "yes"
        assert has_torch


@pytest.mark.parametrize("end", [f"os.kill(os.getpid(), {signal.SIGKILL:d})", "os._exit(3)"])
def test_a_worker_that_dies(pytester: pytest.Pytester, end: str) -> None:
    """Xdist sees it at once."""
    pytester.makepyfile(f"import os\n\ndef test_it():\n    {end}\n")

    result = pytester.runpytest("-n", "1", plugins=[worker_forks])

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*worker 'gw0' crashed while running*"])
