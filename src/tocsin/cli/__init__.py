"""Words on a terminal: arguments in, text, hints and exit codes out."""
