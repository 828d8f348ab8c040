"""The page on which people vote, part by part."""
