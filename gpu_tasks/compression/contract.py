"""The contract of compression: a film or recording in, a smaller one out."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    InputFile,
    OutputFile,
    Payload,
    PlainModel,
)

MIN_TARGET_BYTES = 10_000
MAX_TARGET_BYTES = 100 * 1000**3
UNITS = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([a-z]+)?")
TARGET_PATTERN = (
    r"^\s*([Ww][Ee][Bb]|[Aa][Rr][Cc][Hh][Ii][Vv][Ee]"
    r"|[0-9]{1,12}(\.[0-9]{1,6})?\s*(([KkMmGg][Ii]?)?[Bb])?)\s*$"
)
"""All targets as text, for JSON Schema, which has no flags."""
VIDEO, SOUND = "video/mp4", "audio/mp4"
"""The content types of results; a call asks for one of them."""


def parse_target(value: Any) -> Any:
    """Return ``"web"``, ``"archive"`` or bytes; ``25MB`` is 25,000,000, ``25 MiB`` is 26,214,400.

    Case does not matter, a unit is of bytes, and a number without one is bytes. Raises
    ``ValueError``.
    """
    if not isinstance(value, str):
        return value
    value = value.strip().lower()
    if value in ("web", "archive"):
        return value
    match = SIZE.fullmatch(value)
    if match is None or (match[2] or "b") not in UNITS:
        raise ValueError('A target is "web", "archive" or a size such as "25MB".')
    return int(Decimal(match[1]) * UNITS[match[2] or "b"])


Bytes = Annotated[int, Field(ge=MIN_TARGET_BYTES, le=MAX_TARGET_BYTES, strict=True)]
Target = Annotated[Literal["web", "archive"] | Bytes, BeforeValidator(parse_target)]


class Codec(StrEnum):
    """The codec of the pictures."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"


class CompressionPayload(Payload):
    """``result`` receives an MP4 with the pictures, or where it asks for sound, an M4A.

    - ``web``: H.264, at most 1080p and 60 frames a second, standard range, AAC stereo; starts
      playing before it is loaded; says nothing of where and with what it was recorded.
    - ``archive``: HEVC, visually lossless, at the source's resolution, rate, range and channels,
      with all tracks of sound, the one that players play first. AAC, MP3, AC-3, Opus, FLAC and
      ALAC are copied; what else is lossless (PCM) becomes FLAC, of 24 bits at most; the rest AAC.
    - a size: as ``web``, and at most so large. Where it is little, smaller pictures, and sound in
      mono and with fewer samples.

    ``codec`` takes the place of the usual one of ``web`` and ``archive``: HEVC and AV1 (SVT-AV1)
    are smaller, and not played everywhere. Subtitles and other data are dropped; turned pictures
    are made upright; what is transparent (ProRes 4444) becomes black, by as much as it is.

    What would not become smaller keeps its own pictures and sound, in an MP4, if that holds them
    and they are as the target asks for and upright. Else ``web`` is brought to the source's size,
    and ``archive`` to a quality a little lower; what that does not make smaller either is refused
    with INPUT_INVALID, and so is at once a ``codec`` that gains nothing.
    """

    media: InputFile
    target: Target
    codec: Codec | None = None
    result: OutputFile

    @model_validator(mode="after")
    def _check_codec(self) -> Self:
        if self.codec is not None and isinstance(self.target, int):
            raise ValueError("a size is reached with H.264: no codec can be chosen")
        return self


class CompressionResult(PlainModel):
    """The properties of the result, which is smaller than the source or a copy of its streams."""

    duration_ms: int = Field(ge=0)
    size_bytes: int = Field(ge=1)
    source_bytes: int = Field(ge=1)
    ratio: float = Field(
        gt=0,
        description="The size by the source's: below 1, or of what has been kept about 1, for "
        "another container may take a little more.",
    )
    ssim: float | None = Field(
        description="Likeness to the source at its size, 0 to 1 (structural similarity); of at "
        "most two minutes from the middle. Null for sound."
    )
    kept_source: bool = Field(
        description="The source was as small already: its own pictures and sound, in an MP4."
    )
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None


CONTRACT = Contract(
    name="compression",
    gpu=GpuClass.CPU,
    image=ImageFamily.FFMPEG,
    time_limit_seconds=3600,
    payload=CompressionPayload,
    result=CompressionResult,
    cpu=8.0,
)
