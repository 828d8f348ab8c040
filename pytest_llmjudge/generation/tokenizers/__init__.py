"""Tokenizers of checkpoints: which files make one up, and text to tokens and back by each kind."""
