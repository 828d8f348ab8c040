"""Tests of questions of benchmark sets."""
