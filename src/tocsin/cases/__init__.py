"""A case as a fold over signed statements."""
