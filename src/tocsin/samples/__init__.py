"""Data only: the exercise."""
