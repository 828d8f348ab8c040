"""Tests of the work that is divided between the actors of a cluster."""
