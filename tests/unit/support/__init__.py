"""Tests of the helpers that other tests rely on."""
