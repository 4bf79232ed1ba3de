"""Which files can hold content credentials, as the library calls their formats."""

from media.content_types import ACCEPTED

FORMATS = {
    extension: {"m4v": "mp4"}.get(extension, extension)
    for extension in (
        *("mp4", "m4v", "mov", "avi"),
        *("m4a", "wav", "mp3", "flac"),
        *("jpg", "png", "webp", "gif", "heic", "avif"),
    )
}
"""By the extension of a type that we take; WebM, Matroska, Ogg, MPEG and others have no place."""


def format_of(content_type: str) -> str | None:
    """The format of a type that can hold credentials; None for the others."""
    return FORMATS.get(ACCEPTED.get(content_type, ""))
