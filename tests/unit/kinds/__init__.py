"""What kinds of suites say of themselves, without a run."""
