"""Choose video encoders: software, or hardware where it works."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from gpu_tasks.compression.contract import CONTRACT, Codec
from gpu_tasks.mediakit import ffmpeg

BUDGET_SECONDS = CONTRACT.time_limit_seconds // 2
"""The time for encoding pictures; long films get faster presets."""
RENDER_NODE = "/dev/dri/renderD128"


@dataclass(frozen=True)
class Encoder:
    """One of FFmpeg's encoders, and its arguments for a constant quality."""

    name: str
    options: tuple[str, ...]
    """Its own arguments; ``{quality}`` is replaced by the number, ``{percent}`` by a percentage."""
    before: tuple[str, ...] = ()
    """Arguments before the input."""
    filters: tuple[str, ...] = ()
    """Filters that upload frames to the device."""

    def arguments(self, quality: int) -> list[str]:
        """Return the arguments that choose it, at a constant quality."""
        numbers = {"quality": quality, "percent": max(1, min(100, 111 - 2 * quality))}
        return ["-c:v", self.name, *(option.format(**numbers) for option in self.options)]


@dataclass(frozen=True)
class Preset:
    """A preset, and how many million pixels one core encodes with it in a second, roughly."""

    name: str
    megapixels: float


SOFTWARE = {Codec.H264: "libx264", Codec.HEVC: "libx265", Codec.AV1: "libsvtav1"}
PRESETS = {
    Codec.H264: (Preset("slow", 10), Preset("medium", 20), Preset("veryfast", 60)),
    Codec.HEVC: (
        Preset("slow", 1.5),
        Preset("medium", 4),
        Preset("fast", 6),
        Preset("ultrafast", 20),
    ),
    Codec.AV1: (Preset("4", 2), Preset("6", 5), Preset("8", 12), Preset("10", 30)),
}
"""Ordered from best to fastest. The figures are rough: they choose a preset and promise no time."""
QUIET = {Codec.H264: (), Codec.HEVC: ("-x265-params", "log-level=error"), Codec.AV1: ()}


def get_fastest_preset(codec: Codec) -> str:
    """Return the preset of drafts."""
    return PRESETS[codec][-1].name


def choose_preset(codec: Codec, pixels: float) -> str:
    """Return the best preset that encodes so many pixels within the budget; else the fastest."""
    for preset in PRESETS[codec]:
        if pixels <= preset.megapixels * 1e6 * CONTRACT.cpu * BUDGET_SECONDS:
            return preset.name
    return get_fastest_preset(codec)


def find_software_encoder(codec: Codec, preset: str) -> Encoder:
    """Return the encoder that every machine has."""
    options = ("-preset", preset, "-crf", "{quality}", *QUIET[codec])
    return Encoder(SOFTWARE[codec], options)


_NVENC = ("-preset", "p6", "-rc", "vbr", "-cq", "{quality}", "-b:v", "0")
_QSV = ("-preset", "slow", "-global_quality", "{quality}")
_VAAPI = ("-rc_mode", "CQP", "-qp", "{quality}")
_VAAPI_DEVICE = ("-vaapi_device", RENDER_NODE)
_UPLOAD = ("format=nv12", "hwupload")
HARDWARE = {
    codec: (
        Encoder(f"{codec}_nvenc", _NVENC),
        Encoder(f"{codec}_qsv", _QSV),
        Encoder(f"{codec}_vaapi", _VAAPI, before=_VAAPI_DEVICE, filters=_UPLOAD),
        Encoder(f"{codec}_videotoolbox", ("-q:v", "{percent}")),
    )
    for codec in (Codec.H264, Codec.HEVC)
} | {Codec.AV1: (Encoder("av1_nvenc", _NVENC), Encoder("av1_qsv", _QSV))}
"""VAAPI's AV1 encoder takes no such constant quality; VideoToolbox encodes no AV1."""


@cache
def find_hardware_encoder(codec: Codec) -> Encoder | None:
    """Return the first hardware encoder that encodes a frame on this machine, or None."""
    return next(
        (
            encoder
            for encoder in HARDWARE[codec]
            if encoder.name in _list_encoder_names() and can_encode(encoder)
        ),
        None,
    )


@cache
def _list_encoder_names() -> frozenset[str]:
    with ffmpeg.read_output(["-encoders"]) as output:
        lines = output.read().decode().splitlines()
    return frozenset(line.split()[1] for line in lines if len(line.split()) > 1)


def can_encode(encoder: Encoder) -> bool:
    """Return True if it encodes a frame here: many are compiled in without their device."""
    picture: Sequence[str] = ("-f", "lavfi", "-i", "testsrc2=size=256x256:duration=0.1")
    filters = ",".join(["format=yuv420p", *encoder.filters])
    end = ("-frames:v", "1", "-f", "null", "-")
    try:
        ffmpeg.run([*encoder.before, *picture, "-vf", filters, *encoder.arguments(25), *end])
    except ffmpeg.FFmpegFailedError:
        return False
    return True


def list_software_arguments(codec: Codec, preset: str) -> list[str]:
    """Return the arguments that choose software for encoding at a bit rate."""
    return ["-c:v", SOFTWARE[codec], "-preset", preset]
