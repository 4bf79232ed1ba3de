"""Define the result of probing a media file, and the reasons to reject one.

This module is separate from `media.probing`, which decodes and is imported only in a sandbox.
"""

from dataclasses import dataclass
from typing import Any

from gpu_tasks.mediakit.sizes import MAX_DECODED_PIXELS, MAX_FRAME_PIXELS
from gpu_tasks.runtime.errors import InputRefusedError

VIDEO, AUDIO, IMAGE = "video", "audio", "image"


class UnsupportedMediaError(InputRefusedError):
    """Raised for an unknown container, or one without sound and picture."""

    code = "unsupported_media"
    detail = "The file is not a video, sound or picture in a supported format."


class MediaTooLongError(InputRefusedError):
    """Raised for media longer than the limit."""

    code = "media_too_long"
    detail = "The file is longer than 12 hours. Cut it into shorter files."


class PictureTooLargeError(InputRefusedError):
    """Raised for pictures with more pixels than any feature decodes."""

    code = "picture_too_large"
    detail = (
        f"A picture may have at most {MAX_FRAME_PIXELS // 1_000_000} million pixels, a photo in "
        f"JPEG {MAX_DECODED_PIXELS // 1_000_000} million. Make it smaller."
    )


class AnimatedPictureError(InputRefusedError):
    """Raised for an animated PNG or WebP: FFmpeg reads only their first picture, or none."""

    code = "animated_picture"
    detail = "Animated pictures are not supported. Upload a still picture, or a film (MP4, WebM)."


class PictureDamagedError(InputRefusedError):
    """Raised if part of a picture's data is missing or cannot be decoded."""

    code = "picture_damaged"
    detail = (
        "The picture is damaged or incomplete. Upload the whole file, or save the picture again."
    )


class ProtectedMediaError(InputRefusedError):
    """Raised if pictures or sound are encrypted."""

    code = "media_protected"
    detail = "The file is protected against copying (encrypted). Upload it without the protection."


class TimestampsRestartError(InputRefusedError):
    """Raised if the clock of a recording jumps back, as in files that were concatenated."""

    code = "timestamps_restart"
    detail = (
        "The timestamps of the recording restart in the middle, as in files that were joined end "
        "to end. Save it as MP4 (`ffmpeg -i FILE -c copy film.mp4`), or upload the parts one by "
        "one."
    )


class DurationUnknownError(InputRefusedError):
    """Raised if the container states no duration, and measuring it took too long."""

    code = "duration_unknown"
    detail = "The file does not state its duration. Save it in another format."


@dataclass(frozen=True)
class Probe:
    """The properties of a media file; ``duration_ms`` is None for still pictures."""

    type: str
    """`VIDEO`, `AUDIO` or `IMAGE`."""
    duration_ms: int | None
    metadata: dict[str, Any]
