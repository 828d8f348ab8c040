"""Results as text; nothing here prints."""
