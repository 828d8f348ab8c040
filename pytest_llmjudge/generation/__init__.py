"""Everything that turns a prompt into the text of the model under test."""
