"""A local page on which people vote, blindly, between the answers of two models."""
