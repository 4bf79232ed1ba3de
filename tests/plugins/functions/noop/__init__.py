"""A function that does nothing."""
