"""Tests of the generation layer, on models of a few thousand weights."""
