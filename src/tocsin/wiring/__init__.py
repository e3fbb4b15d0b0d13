"""The only room that names every implementation; builds a `Node` from a data folder."""
