"""The jobs for CI that the documentation shows, and what they call."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.pages import DOCS, blocks

__all__ = ["FILES", "SHARDED", "Job", "jobs"]

NAMES = ("github", "github-local", "gitlab")
FILES = dict(zip(NAMES, (block.text for block in blocks(DOCS / "ci.md", "yaml")), strict=True))
"""Complete files by a name of their own, as the page on CI shows them."""
SHARDED = dict(
    zip(
        ("github-shards", "gitlab-shards"),
        (block.text for block in blocks(DOCS / "shards.md", "yaml")),
        strict=True,
    )
)
"""The same of the page on shards."""


@dataclass(frozen=True)
class Job:
    """One job of such a file.

    Attributes:
        facts: As the file has it, with what it extends.
        lines: The commands that it runs, each as words.
    """

    facts: dict[str, Any]
    lines: tuple[tuple[str, ...], ...]

    @property
    def pytest(self) -> tuple[str, ...]:
        """The arguments of its one call of pytest."""
        ((_, *arguments),) = (line for line in self.lines if line[0] == "pytest")
        return tuple(arguments)

    @property
    def options(self) -> dict[str, str]:
        """The values of pytest's options by their names; empty where there is none."""
        pairs = (argument.partition("=") for argument in self.pytest)
        return {name: value for name, _, value in pairs}

    def steps(self, action: str) -> list[dict[str, Any]]:
        """Return the steps of a job for GitHub that use an action, whatever its version."""
        return [
            step for step in self.facts["steps"] if step.get("uses", "").startswith(f"{action}@")
        ]


def jobs(name: str) -> dict[str, Job]:
    """Return the jobs of a file by their names."""
    file = yaml.safe_load({**FILES, **SHARDED}[name])
    if name.startswith("github"):
        return {key: _of_github(job) for key, job in file["jobs"].items()}
    parts = {key: part for key, part in file.items() if key not in {"variables", "stages"}}
    hidden = {key: part for key, part in parts.items() if key.startswith(".")}
    return {
        key: _of_gitlab({**hidden.get(part.get("extends"), {}), **part})
        for key, part in parts.items()
        if key not in hidden
    }


def _of_github(job: dict[str, Any]) -> Job:
    texts = [step["run"] for step in job["steps"] if "run" in step]
    return Job(job, tuple(_words(line) for text in texts for line in text.splitlines()))


def _of_gitlab(job: dict[str, Any]) -> Job:
    return Job(job, tuple(map(_words, [*job["before_script"], *job["script"]])))


def _words(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line))
