"""TAXII 2.1, and nothing of what it carries."""
