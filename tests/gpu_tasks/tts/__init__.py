"""The speech function."""
