"""The largest pictures that are taken; apart from `decoding`, which loads FFmpeg's libraries."""

MAX_FRAME_PIXELS = 8192 * 8192
"""Of pictures that are taken; of JPEGs, that are decoded."""
MAX_DECODED_PIXELS = 2 * MAX_FRAME_PIXELS
"""Of JPEGs that are taken: phones have 108 million."""
