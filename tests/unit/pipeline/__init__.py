"""Joining model, judge and store."""
