"""Tests of generation/files/."""
