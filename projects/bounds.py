"""Bounds of a timeline that are known where no store and no Django is."""

MAX_TRACKS = 50
MAX_CLIPS = 2000
"""In one EDL, those marked as deleted counted."""
MIN_RATE, MAX_RATE = 0.1, 10.0
"""Of a clip's speed."""
MAX_CROSS_FADE_MS = 60_000
