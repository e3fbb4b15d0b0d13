"""Signed statements and the transparency log."""
