"""Archives of rows: written, read back, and only then deleted."""
