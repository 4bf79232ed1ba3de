"""Generate ambience, effects and music from a description."""
