"""List the content types that are accepted from clients and that are served unchanged."""

from media.models import MediaType

ACCEPTED: dict[str, str] = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/avi": "avi",
    "video/mpeg": "mpg",
    "video/mp2t": "ts",
    "video/3gpp": "3gp",
    "video/3gpp2": "3g2",
    "video/ogg": "ogv",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "wmv",
    "video/x-m4v": "m4v",
    "video/mxf": "mxf",
    "application/mxf": "mxf",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "audio/aac": "aac",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/webm": "webm",
    "audio/aiff": "aiff",
    "audio/x-aiff": "aiff",
    "audio/amr": "amr",
    "audio/x-ms-wma": "wma",
    "audio/3gpp": "3gp",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heic",
    "image/avif": "avif",
}
"""Content types that clients may upload, and the extensions of their objects."""

SERVED = frozenset(ACCEPTED) | {"application/json", "text/vtt", "application/x-subrip"}
"""Content types that are sent to browsers. All others, as SVG and HTML, are sent as bytes."""


def parse_base_type(content_type: str) -> str:
    """Return the type without parameters: ``video/webm`` for ``video/webm;codecs=vp9``."""
    return content_type.partition(";")[0].strip().lower()


def get_media_type(content_type: str) -> MediaType:
    """Return the media type that an accepted content type declares."""
    main = content_type.partition("/")[0]
    return MediaType(main) if main in MediaType.values else MediaType.VIDEO
