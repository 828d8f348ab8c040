"""README and docs name what there is, and their jobs for CI can be read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pytest_llmjudge.cli import make_parser
from pytest_llmjudge.settings import OPTIONS

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
FLAGS = {option.flag for option in OPTIONS}


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's blocks of code in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


@EACH_PAGE
def test_every_option_that_is_named_exists(page: Path) -> None:
    """A renamed option is renamed in the docs too."""
    named = set(re.findall(r"--llm-judge(?:-[a-z]+)*", page.read_text("utf-8")))

    assert named
    assert named <= FLAGS


def test_every_option_is_in_the_readme() -> None:
    """The table of options is whole."""
    text = (REPO / "README.md").read_text("utf-8")

    assert [flag for flag in FLAGS if f"`{flag}" not in text] == []


def test_every_command_can_be_given() -> None:
    """Lines that begin with llmjudge are understood by it."""
    text = "\n".join(page.read_text("utf-8").replace("\\\n", " ") for page in PAGES)
    lines = re.findall(r"^ *(?:\$|run:|-) (llmjudge .*?)(?:  +#.*|>>.*)?$", text, re.MULTILINE)

    assert lines
    for line in lines:
        make_parser().parse_args(shlex.split(line)[1:])


def test_jobs_can_be_read() -> None:
    """As YAML, and both hold the candidate to the baseline."""
    jobs = [yaml.safe_load(block) for page in PAGES for block in blocks(page, "yaml")]

    assert len(jobs) == 2
    for job in jobs:
        assert "--llm-judge-baseline=releases/baseline.json" in str(job)
