"""The function that does nothing, on a GPU."""
