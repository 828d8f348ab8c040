"""Tests of pytest-llmjudge."""
