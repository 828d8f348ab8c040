"""Tests of what experiment trackers get."""
