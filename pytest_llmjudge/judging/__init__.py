"""Judges: what is asked, and the verdict made of the reply."""
