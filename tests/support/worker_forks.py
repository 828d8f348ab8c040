"""Fork runs and xdist's workers from a process that has their imports: most of their time.

``pytest_xdist_setupnodes`` has a run start ``fork_client.py`` where it would start Python, and
``command`` has a shell do so. It hands its files, folder and environment to the process that runs
this module as a program, which forks; then it waits for what was forked. All that is forked in these
tests is forked from the same process. Their own workers are forked from another one, forked from the
first, which has imported all of the tests: ``fork_from_collected``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OTHERS = ("hypothesispytest", "anyio", "html", "html_fixtures", "metadata", "pytest_reportlog")
"""Plugins that are not ours, which take seconds to import."""

UNUSED = ("doctest", "legacypath", "pastebin")
"""Plugins of pytest's own that no run here has a use for, which are looked through in each."""

PRELOADED = (
    "jsonschema",
    "requests",
    "sacrebleu",
    "scipy.special",
    "scipy.stats",
    "tiktoken",
    "torch",
    "xdist.dsession",
    "xdist.looponfail",
    "xdist.remote",
)
"""What the package imports late; some of them do not bear a second import in one process."""

PAGES = re.compile(r"\.(voting|labelling|local_page)\.")
"""Modules of the package that import Flask."""

LATE = re.compile(rf"__main__|\.hf\.generate|{PAGES.pattern}")
"""Those, and what runs something or imports transformers."""

OF_TRANSFORMERS = (
    "transformers.generation.utils",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
)
"""What takes seconds in each process that uses a Hugging Face folder."""

CLIENT = Path(__file__).with_name("fork_client.py")

RUN = "import __main__; __main__.run()"
"""What a process that is forked for a run of pytest does; its arguments come before it."""

COLLECT = "import __main__; __main__.collect()"
"""What a process does from which the workers of these tests are forked, likewise."""

SERVE = "import __main__; __main__.serve_with_transformers()"
"""What a process does from which all is forked that may use transformers."""

ADDRESS = "WORKER_FORKS"
"""Environment variable with the address of the process that forks, for runs within a run."""


def preload() -> None:
    """Do once what each run would do anew: import, rewrite assertions, read what is installed."""
    _keep_metadata()
    for name in PRELOADED:
        importlib.import_module(name)
    for name in _modules():
        if LATE.search(name) is None:
            importlib.import_module(name)


def _preload_pages() -> None:
    # An import takes longer than a page's whole test. Not every environment has Flask.
    if importlib.util.find_spec("flask"):
        for name in filter(PAGES.search, _modules()):
            importlib.import_module(name)


def _modules() -> Iterator[str]:
    package = importlib.import_module("pytest_llmjudge")
    for module in pkgutil.walk_packages(package.__path__, "pytest_llmjudge."):
        yield module.name


def _keep_metadata() -> None:
    # pytest reads them twice in each run, the lists of all files of its plugins among them.
    for name in ("entry_points", "files", "metadata"):
        read = functools.cache(getattr(metadata.Distribution, name).fget)
        setattr(metadata.Distribution, name, property(read))
    installed = list(metadata.distributions())
    for distribution in installed:
        if any(point.group == "pytest11" for point in distribution.entry_points):
            assert distribution.files
            assert distribution.metadata
    setattr(metadata, "distributions", lambda: installed)  # noqa: B010 - mypy keeps functions


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Have each worker that would be a new Python process be forked instead."""
    _fork(specs, _client)


def fork_from_collected(config: pytest.Config, specs: list[Any], *, has_transformers: bool) -> None:
    """Fork each worker from a process that has imported the tests of a run, not each for itself.

    To rewrite their assertions and to import what they need takes most of a worker's collection.
    With ``has_transformers`` all runs in the workers are forked from one with its slow imports.
    """
    arguments = ["-m", config.option.markexpr, *config.args]
    _fork(specs, lambda: _client_of(_started(python(COLLECT, *arguments))))
    if has_transformers and sys.platform == "linux" and importlib.util.find_spec("transformers"):
        os.environ[ADDRESS] = _started(python(SERVE))


def _fork(specs: list[Any], client: Callable[[], list[str]]) -> None:
    if sys.platform == "linux":
        command_line = shlex.join(client())
        for spec in specs:
            spec.python = command_line


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command of a run in a process of its own; its workers are forked too."""
    if sys.platform != "linux":
        return [sys.executable, "-m", "pytest", *arguments]
    return python(RUN, *arguments)


def python(code: str, *arguments: str) -> list[str]:
    """Return the command of code in a process of its own, which has the imports.

    The process of the command is another one: no signal to it reaches the code.
    """
    if sys.platform != "linux":
        return [sys.executable, "-c", code, *arguments]
    return [*_client(), *arguments, code]


def run() -> None:
    """Do in a forked process what ``python -m pytest`` does."""
    sys.argv[0] = str(Path(pytest.__file__).with_name("__main__.py"))
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as Python has it
    sys.exit(pytest.main(plugins=[sys.modules[__name__]]))


def collect() -> None:
    """Import the tests that the arguments name, and serve requests as the first process does."""
    torch = importlib.import_module("torch")
    threads = torch.get_num_threads()
    # Modules of tests may compute.
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(["--collect-only", "-qq", "-n0", "-pno:cacheprovider", *sys.argv[1:]])
    torch.set_num_threads(threads)
    if "transformers" in sys.modules:
        _import_of_transformers()
    _serve(tempfile.mkdtemp())


def serve_with_transformers() -> None:
    """Import what uses of transformers need, and serve requests as the first process does."""
    folder = tempfile.mkdtemp()
    # Transformers imports it too, after which pytest could not rewrite its assertions.
    _import_all(folder, [name for name in OTHERS if name != "anyio"])
    _import_of_transformers()
    _serve(folder)


def _import_of_transformers() -> None:
    for name in OF_TRANSFORMERS:
        importlib.import_module(name)


def _client() -> list[str]:
    if ADDRESS not in os.environ:
        os.environ[ADDRESS] = _started([sys.executable, __file__])
    return _client_of(os.environ[ADDRESS])


def _client_of(address: str) -> list[str]:
    # -I and -S: it needs none of the packages, and is started for each process.
    return [sys.executable, "-I", "-S", str(CLIENT), address]


def _started(arguments: Sequence[str]) -> str:
    """Start a process that serves requests, and return where they go."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        arguments, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )
    # At the end of its input it ends.
    atexit.register(process.communicate)
    assert process.stdout is not None
    return process.stdout.readline().strip()


class _Forks:
    """The sockets of those who asked for a process, and the processes that they got."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(16)
        self._clients: dict[int, socket.socket] = {}
        self._wakeup, self._woken = socket.socketpair()
        self._woken.setblocking(False)  # noqa: FBT003 - it has no name
        signal.set_wakeup_fd(self._woken.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> list[str] | None:
        """Fork for each request until standard input ends.

        Returns:
            In a forked process, its arguments, the last of which is the code that it is to run;
            None in the first one at the end.
        """
        with selectors.DefaultSelector() as selector:
            for source in (self._listener, self._wakeup, sys.stdin):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._wakeup in ready:
                    self._wakeup.recv(4096)
                    self._reap()
                if self._listener in ready and (arguments := self._fork()) is not None:
                    return arguments
                if sys.stdin in ready:
                    return None

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                status = os.waitstatus_to_exitcode(ended[1])
                with self._clients.pop(ended[0]) as client, contextlib.suppress(OSError):
                    client.sendall(str(status).encode())

    def _fork(self) -> list[str] | None:
        client, _ = self._listener.accept()
        head, files, _, _ = socket.recv_fds(client, 8, 3)
        with client.makefile("rb") as stream:
            request = json.loads(stream.read(int(head)))
        number = os.fork()
        if number:
            self._clients[number] = client
            for file in files:
                os.close(file)
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for other in (client, self._listener, self._wakeup, self._woken, *self._clients.values()):
            other.close()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        arguments: list[str] = request["arguments"]
        return arguments


def _import_all(folder: str, without: Sequence[str]) -> None:
    # It rewrites the assertions of plugins, and would warn in each worker that it no longer can.
    others = [f"-pno:{name}" for name in without]
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(
            ["--collect-only", "-pno:cacheprovider", *others, f"--rootdir={folder}", folder]
        )
    preload()


def main() -> None:
    """Import what all runs need, and serve requests."""
    sys.path.pop(0)
    folder = tempfile.mkdtemp()
    _import_all(folder, OTHERS)
    _preload_pages()
    _serve(folder)


def _serve(folder: str) -> None:
    """Say where requests go, and serve them until standard input ends.

    Nothing may have been computed in several threads: they do not outlive a fork, which would wait
    for them for ever.
    """
    # What is imported stays: to go through it in a forked process would copy it.
    gc.collect()
    gc.freeze()
    address = f"{folder}/forks"
    forks = _Forks(address)
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    arguments = forks.serve()
    if arguments is None:
        shutil.rmtree(folder)
    else:
        *sys.argv[1:], code = arguments
        status = 0
        try:
            exec(code, {"__name__": "__main__"})  # noqa: S102 - execnet's code, or that of ``command``
        except SystemExit as end:
            status = int(end.code or 0)
        # Python would go on to free every object, and so copy all of the first process's memory.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
