"""Making the parts of the pages."""
