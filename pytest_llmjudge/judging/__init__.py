"""Judges: what is asked, how it gets to a server and back, and the verdict made of it."""
