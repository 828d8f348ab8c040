"""A run as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pytest_llmjudge.reporting.html.page import html_report

__all__ = ["html_report"]
