"""A person's look at a run's cells: which to look at, what was answered, what that is worth."""
