"""Whole runs of pytest, as users start them."""
