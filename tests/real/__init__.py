"""Tests on real data; each is skipped without LLMJUDGE_REAL_DATA."""
