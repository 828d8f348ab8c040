"""Tests of records of users' files."""
