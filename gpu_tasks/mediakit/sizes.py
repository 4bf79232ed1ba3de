"""The size limits of pictures, apart from `decoding`, which loads FFmpeg's libraries."""

MAX_FRAME_PIXELS = 8192 * 8192
"""Limit of accepted pictures; for JPEGs, limit of the decoded size."""
MAX_DECODED_PIXELS = 2 * MAX_FRAME_PIXELS
"""Limit of accepted JPEGs: phones have 108 million pixels."""
