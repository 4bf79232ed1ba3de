"""Speech from text, in a stock voice or after a sample of somebody's."""
