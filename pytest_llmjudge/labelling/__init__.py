"""A local page on which people score responses, blind to what the judge gave them."""
