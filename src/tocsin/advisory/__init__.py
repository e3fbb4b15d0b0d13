"""One advisory from one source in several renderings."""
