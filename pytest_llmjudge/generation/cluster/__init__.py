"""Work of one run on many machines: actors of Ray that hold a model each."""
