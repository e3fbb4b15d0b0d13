"""From an indicator to its places in raw text."""
