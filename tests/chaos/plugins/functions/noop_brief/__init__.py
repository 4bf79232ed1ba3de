"""A function that does nothing, for jobs that must end soon."""
