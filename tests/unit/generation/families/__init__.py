"""Tests of generation/families/."""
