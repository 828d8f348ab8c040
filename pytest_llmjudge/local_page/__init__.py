"""A page on this machine on which one person answers questions: server, guard and frame."""
