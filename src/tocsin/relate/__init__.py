"""Which names and incidents belong together, who says so, and on what: never a decision."""
