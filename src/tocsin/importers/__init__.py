"""Foreign formats in: objects, drafts and a list of losses."""
