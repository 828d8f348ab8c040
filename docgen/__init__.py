"""Makes the parts of the documentation that stand in the code already."""
