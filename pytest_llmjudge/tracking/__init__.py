"""A run's results as experiment trackers take them: parameters, metrics, tags and a table."""

from __future__ import annotations

from pytest_llmjudge.tracking.figures import metrics, outcome, params, records

__all__ = ["metrics", "outcome", "params", "records"]
