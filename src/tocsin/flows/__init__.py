"""The stories: fetch, ask the core, record, then do."""
