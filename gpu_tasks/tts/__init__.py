"""Speak a text in a stock voice or in the voice of a sample."""
