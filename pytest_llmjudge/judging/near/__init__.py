"""Near misses: right answers with one thing changed, so that they are wrong."""
