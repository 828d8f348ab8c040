"""Tests of what passes and what fails."""
