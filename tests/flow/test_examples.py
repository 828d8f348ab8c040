"""Examples of the docs do what their pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.project import Project, records

DOCS = Path(__file__).parents[2] / "docs"
MODULE = """
class Model:
    def answer(self, prompt, max_new_tokens):
        number = prompt.split("Say ")[1].split()[0]
        return f"The number {number} in words."

def load(path):
    with open("loaded.log", "a") as log:
        log.write(path.read_text() + "\\n")
    return Model()
"""


def files(page: str) -> dict[str, str]:
    """The blocks of a page whose first line names a file."""
    text = (DOCS / page).read_text("utf-8")
    found = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, re.DOTALL)
    return dict(found)


@pytest.mark.parametrize("how", [(), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
def test_a_model_of_your_own(project: Project, how: tuple[str, ...]) -> None:
    """It answers all records, is loaded once, and other weights are another model."""
    for name, text in files("your-own-model.md").items():
        project.write(name, text)
    project.write("my_model.py", MODULE)
    project.write("records.json", records(5))
    project.write("my-model.pth", "first")

    for weights in ("first", "second", "second"):
        project.write("my-model.pth", weights)
        project.run(*how).assert_outcomes(passed=6)

    assert (project.path / "loaded.log").read_text().split() == ["first", "second"]
