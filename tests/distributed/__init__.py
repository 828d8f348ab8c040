"""Tests with real clusters of Ray, for the environment of that name."""
