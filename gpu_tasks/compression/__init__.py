"""Compress films and recordings: for the web, for an archive, or to a size."""
