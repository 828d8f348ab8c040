"""``python -m docgen`` writes into the pages of ``docs`` what stands in the code already."""

from __future__ import annotations

from pathlib import Path

from docgen.pages import write_pages

if __name__ == "__main__":
    write_pages(Path(__file__).parents[1] / "docs")
