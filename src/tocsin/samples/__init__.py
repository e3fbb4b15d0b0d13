"""Data only: the exercise, and `record/`, the public record as exact bytes.

The bundles of the record are our own coding of public pages, whose addresses stand in them; digests
of standings hold for these bytes, so they are never written anew.
"""
