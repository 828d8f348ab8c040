"""Questions of benchmark sets: how their files read, how they are asked, which answer is right."""
