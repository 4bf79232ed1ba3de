"""What a check finds in a media file, and why it refuses one.

Apart from `media.probing`, which decodes: only a sandbox imports that.
"""

from dataclasses import dataclass
from typing import Any

from gpu_tasks.mediakit.sizes import MAX_DECODED_PIXELS, MAX_FRAME_PIXELS
from gpu_tasks.runtime.errors import InputRefusedError

VIDEO, AUDIO, IMAGE = "video", "audio", "image"


class UnsupportedMediaError(InputRefusedError):
    """No container of ours, or one without sound and picture."""

    code = "unsupported_media"
    detail = "The file is not a video, a sound or a picture that we can read."


class MediaTooLongError(InputRefusedError):
    """Longer than anything here is made for."""

    code = "media_too_long"
    detail = "The file lasts longer than 12 hours."


class PictureTooLargeError(InputRefusedError):
    """More pixels than any feature decodes."""

    code = "picture_too_large"
    detail = (
        f"Pictures may have {MAX_FRAME_PIXELS // 1_000_000} million pixels, photos in JPEG "
        f"{MAX_DECODED_PIXELS // 1_000_000} million: make them smaller."
    )


class AnimatedPictureError(InputRefusedError):
    """An animated PNG or WebP: of these, FFmpeg reads none, or the first picture alone."""

    code = "animated_picture"
    detail = "Animated pictures are not taken: upload a still picture, or a film (MP4, WebM)."


class PictureDamagedError(InputRefusedError):
    """Part of a picture's data is missing, or cannot be decoded."""

    code = "picture_damaged"
    detail = "The picture is damaged or incomplete: upload the whole file, or save it anew."


class ProtectedMediaError(InputRefusedError):
    """Pictures or sound are encrypted."""

    code = "media_protected"
    detail = "The file is protected against copying (encrypted): upload it without protection."


class TimestampsRestartError(InputRefusedError):
    """The clock of a recording jumps back, as where files were joined end to end."""

    code = "timestamps_restart"
    detail = (
        "The clock of the recording starts again in the middle, as where files were joined end to "
        "end: save it as MP4 (`ffmpeg -i FILE -c copy film.mp4`), or upload the parts one by one."
    )


class DurationUnknownError(InputRefusedError):
    """The container does not say how long it lasts, and reading on took too long."""

    code = "duration_unknown"
    detail = "The file does not say how long it lasts: save it in another format."


@dataclass(frozen=True)
class Probe:
    """What was found; ``duration_ms`` is None for pictures alone."""

    type: str
    """`VIDEO`, `AUDIO` or `IMAGE`."""
    duration_ms: int | None
    metadata: dict[str, Any]
