"""Questions of benchmark sets: their forms, files and shots, and what is extracted from answers."""
