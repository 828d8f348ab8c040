"""The library that draws, kept from changing how this process imports."""

from __future__ import annotations

import sys

import pygal
from pygal.etree import etree
from pygal.style import Style

__all__ = ["Style", "etree", "pygal"]

# Its finder of map plug-ins knows Python's old way only. Each import that fails would be a warning
# for its sake, and many projects have their tests fail at warnings.
sys.meta_path[:] = [
    finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)
]
