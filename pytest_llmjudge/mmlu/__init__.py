"""MMLU: its files, the exact prompts of three implementations, and what an accuracy is worth."""
