"""Files for other people's machines: pure functions from a selection to bytes."""
