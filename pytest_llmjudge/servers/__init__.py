"""Servers of language models: who answers there, and one question with its reply."""
