"""MMLU: files, prompts, subjects, accuracy."""
