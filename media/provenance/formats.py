"""List the file formats that can hold content credentials, by the library's names."""

from media.content_types import ACCEPTED

FORMATS = {
    extension: {"m4v": "mp4"}.get(extension, extension)
    for extension in (
        *("mp4", "m4v", "mov", "avi"),
        *("m4a", "wav", "mp3", "flac"),
        *("jpg", "png", "webp", "gif", "heic", "avif"),
    )
}
"""Formats by the extension of an accepted type. WebM, Matroska, Ogg, MPEG and others have none."""


def find_format(content_type: str) -> str | None:
    """Return the format of a type that can hold credentials, None for other types."""
    return FORMATS.get(ACCEPTED.get(content_type, ""))
