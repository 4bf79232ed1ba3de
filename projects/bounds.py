"""Bounds of a timeline, for code that imports neither Django nor a store."""

MAX_TRACKS = 50
MAX_CLIPS = 2000
"""In one EDL, including deleted clips."""
MIN_RATE, MAX_RATE = 0.1, 10.0
"""Of a clip's speed."""
MAX_CROSS_FADE_MS = 60_000
