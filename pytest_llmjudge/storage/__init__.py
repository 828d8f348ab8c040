"""What outlives a test item: the shared store and the files that are written."""
