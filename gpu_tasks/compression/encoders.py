"""The encoders of pictures: software's, and hardware's where there is any that works."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from gpu_tasks.compression.contract import CONTRACT, Codec
from gpu_tasks.mediakit import ffmpeg

BUDGET_SECONDS = CONTRACT.time_limit_seconds // 2
"""Pictures are to be encoded in so long; long films get faster presets."""
RENDER_NODE = "/dev/dri/renderD128"


@dataclass(frozen=True)
class Encoder:
    """One of FFmpeg's encoders, and how it is told a constant quality."""

    name: str
    options: tuple[str, ...]
    """Its own arguments; ``{quality}`` stands for the number, ``{percent}`` for a share of 100."""
    before: tuple[str, ...] = ()
    """Arguments before the input."""
    filters: tuple[str, ...] = ()
    """What brings frames to the device."""

    def arguments(self, quality: int) -> list[str]:
        """The arguments that choose it, at a constant quality."""
        numbers = {"quality": quality, "percent": max(1, min(100, 111 - 2 * quality))}
        return ["-c:v", self.name, *(one.format(**numbers) for one in self.options)]


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
"""The best first. The figures are rough: they choose a preset and promise no time."""
QUIET = {Codec.H264: (), Codec.HEVC: ("-x265-params", "log-level=error"), Codec.AV1: ()}


def fastest(codec: Codec) -> str:
    """The preset of drafts."""
    return PRESETS[codec][-1].name


def affordable(codec: Codec, pixels: float) -> str:
    """The best preset that encodes so many pixels within the budget; else the fastest."""
    for preset in PRESETS[codec]:
        if pixels <= preset.megapixels * 1e6 * CONTRACT.cpu * BUDGET_SECONDS:
            return preset.name
    return fastest(codec)


def find_software_encoder(codec: Codec, preset: str) -> Encoder:
    """The encoder that every machine has."""
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
"""VAAPI's AV1 encoder takes no constant quality in the way of its others; VideoToolbox has none."""


@cache
def find_hardware_encoder(codec: Codec) -> Encoder | None:
    """The first of this machine's hardware encoders that is known and encodes a frame."""
    return next((one for one in HARDWARE[codec] if one.name in _known() and works(one)), None)


@cache
def _known() -> frozenset[str]:
    with ffmpeg.reading(["-encoders"]) as output:
        lines = output.read().decode().splitlines()
    return frozenset(line.split()[1] for line in lines if len(line.split()) > 1)


def works(encoder: Encoder) -> bool:
    """Whether it encodes a frame here: many are compiled in whose device is not there."""
    picture: Sequence[str] = ("-f", "lavfi", "-i", "testsrc2=size=256x256:duration=0.1")
    filters = ",".join(["format=yuv420p", *encoder.filters])
    end = ("-frames:v", "1", "-f", "null", "-")
    try:
        ffmpeg.run([*encoder.before, *picture, "-vf", filters, *encoder.arguments(25), *end])
    except ffmpeg.FFmpegFailedError:
        return False
    return True


def software_passes(codec: Codec, preset: str) -> list[str]:
    """The arguments that choose software for an encoding at a given rate."""
    return ["-c:v", SOFTWARE[codec], "-preset", preset]
