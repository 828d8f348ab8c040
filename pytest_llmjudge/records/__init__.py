"""Records of users' files: read, checked, joined into suites, and written as prompts."""
