"""Numbers about scores, losses and pairs, and what they are worth; no input or output."""
