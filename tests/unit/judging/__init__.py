"""Tests of the judges, against a real HTTP server in a thread."""
