"""Tests of what collects, sets up and decides items, without a run of pytest."""
