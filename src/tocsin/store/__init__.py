"""Keeps objects, statements and drafts; every read is filtered."""
