"""GPT-2: its config, the layouts that it is saved in, its model."""
