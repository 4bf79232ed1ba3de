"""Define the bounds of a timeline, for code that imports neither Django nor a store."""

MAX_TRACKS = 50
MAX_CLIPS = 2000
"""The number of clips in one EDL, including deleted ones."""
MIN_RATE, MAX_RATE = 0.1, 10.0
"""The bounds of a clip's speed."""
MAX_CROSS_FADE_MS = 60_000
