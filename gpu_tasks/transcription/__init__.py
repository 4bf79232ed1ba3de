"""Speech to text with word times and speakers."""
