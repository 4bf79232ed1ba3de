"""Ambience, effects and music from a description."""
