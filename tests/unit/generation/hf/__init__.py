"""Tests of generation/hf/."""
