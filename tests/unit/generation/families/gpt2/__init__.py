"""Tests of generation/families/gpt2/."""
