"""Tests of generation/engine/."""
