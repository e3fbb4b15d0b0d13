"""Who says what, on what grounds, and how it stands."""
