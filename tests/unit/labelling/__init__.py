"""The page on which people score responses, part by part."""
