"""The native engine: models of known families, run by our own scheduler and KV cache."""
