"""Models that only transformers runs."""
