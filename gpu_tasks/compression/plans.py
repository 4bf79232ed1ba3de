"""Plan the encoding of a source for a target: codec, size of the pictures, rates."""

from dataclasses import dataclass, replace
from fractions import Fraction

from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.source import MediaInfo, Pictures, Sound
from gpu_tasks.runtime.errors import EngineError, ErrorCode

WEB_SIDES = (1920, 1080)
"""The limits of the longer and the shorter side."""
WEB_RATE = Fraction(60)
WEB_QUALITY = {Codec.H264: 23, Codec.HEVC: 27, Codec.AV1: 35}
ARCHIVE_QUALITY = {Codec.H264: 17, Codec.HEVC: 18, Codec.AV1: 22}
"""Constant rate factors of the encoders: their usual ones, and visually lossless ones."""
LESS_ARCHIVE_QUALITY = 22
"""For sources compressed so much already that even this HEVC is hard to tell from them."""
WEB_SOUND_BITS, ARCHIVE_SOUND_BITS_PER_CHANNEL = 128_000, 96_000
COMPRESSED_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
"""Sounds that an archive copies: MP4 holds them, and encoding them again gains nothing."""
MAX_FLAC_CHANNELS = MAX_AAC_CHANNELS = 8

SIDES = (1080, 720, 540, 480, 360, 240, 144)
"""Shorter sides to which small sizes fall back."""
MOST_BITS_PER_PIXEL, GOOD_BITS_PER_PIXEL, LEAST_BITS_PER_PIXEL = 0.4, 0.04, 0.015
"""Per pixel of each frame: more than the first is invisible; below the second, smaller pictures
look better; below the third, none look good.
"""
FILM_SOUND_BITS = (128_000, 96_000, 64_000, 48_000, 32_000)
SOUND_SHARE = 0.2
"""The largest share of a film's bits for sound, if there is a choice."""
SOUND_BITS = (
    256_000,
    192_000,
    160_000,
    128_000,
    96_000,
    80_000,
    64_000,
    56_000,
    48_000,
    40_000,
    32_000,
    28_000,
    24_000,
    20_000,
    16_000,
    12_000,
    8_000,
)
"""For AAC. Opus sounds better at the lowest, but Apple's players do not open it in MP4."""
SAMPLE_RATES = (
    (40_000, 48_000),
    (28_000, 32_000),
    (20_000, 24_000),
    (14_000, 16_000),
    (10_000, 12_000),
    (0, 8_000),
)
"""Pairs of bits per channel and sample rate: fewer bits cannot fill a higher rate."""
LEAST_STEREO_BITS = 64_000
HEADER_BYTES, FRAME_BYTES, SOUND_SECOND_BYTES = 1500, 16, 250
"""The overhead of MP4: in all, per frame, and per second of sound."""
MARGIN = 0.02


@dataclass(frozen=True)
class SoundPlan:
    """The encoding of a track of sound; the codec ``copy`` leaves it unchanged."""

    codec: str
    bits: int = 0
    """Per second; 0 if lossless."""
    channels: int = 0
    sample_rate: int | None = None
    """In hertz; None for the source's."""

    def arguments(self, track: int = 0) -> list[str]:
        """Return FFmpeg's arguments for the result's sound track of this number."""
        options = {"c": self.codec, "b": self.bits, "ac": self.channels, "ar": self.sample_rate}
        if self.codec == "copy":
            options = {"c": "copy"}
        pairs = ((f"-{name}:a:{track}", str(value)) for name, value in options.items() if value)
        return [argument for pair in pairs for argument in pair]


@dataclass(frozen=True)
class PicturePlan:
    """The encoding of the pictures: by ``quality``, or in two passes at ``bits`` per second."""

    codec: Codec
    width: int
    height: int
    frame_rate: Fraction
    keeps_range: bool
    quality: int | None = None
    bits: int | None = None

    @property
    def pixel_rate(self) -> float:
        """Return the pixels per second."""
        return float(self.width * self.height * self.frame_rate)


@dataclass(frozen=True)
class CompressionPlan:
    """The encoding of a source."""

    pictures: PicturePlan | None
    sound: SoundPlan | None
    private: bool
    """Metadata about the recording is dropped: place, device, time."""
    other_sounds: tuple[SoundPlan, ...] = ()
    """Plans for the source's other tracks of sound; without a plan they are dropped."""


def plan_for_web(source: MediaInfo, codec: Codec = Codec.H264) -> CompressionPlan:
    """Plan H.264, or the given codec, and AAC, which every browser plays."""
    pictures, sound = source.pictures, source.sound
    picture_plan = (
        _plan_pictures(pictures, *WEB_SIDES, quality=WEB_QUALITY[codec]) if pictures else None
    )
    return CompressionPlan(
        pictures=picture_plan and replace(picture_plan, codec=codec),
        sound=SoundPlan("aac", WEB_SOUND_BITS, min(2, sound.channels)) if sound else None,
        private=True,
    )


def plan_for_archive(source: MediaInfo, codec: Codec = Codec.HEVC) -> CompressionPlan:
    """Plan pictures that look like the source's, and its sound."""
    pictures, sound = source.pictures, source.sound
    return CompressionPlan(
        pictures=_plan_archive_pictures(pictures, codec) if pictures else None,
        sound=_plan_archive_sound(sound) if sound else None,
        private=False,
        other_sounds=tuple(_plan_archive_sound(track) for track in source.other_sounds),
    )


def plan_smaller_archive(plan: CompressionPlan) -> CompressionPlan | None:
    """Return a plan of slightly lower quality than an archive's usual; None for sound."""
    if plan.pictures is None:
        return None
    return replace(plan, pictures=replace(plan.pictures, quality=LESS_ARCHIVE_QUALITY))


def _plan_archive_pictures(pictures: Pictures, codec: Codec) -> PicturePlan:
    return PicturePlan(
        codec=codec,
        width=pictures.width,
        height=pictures.height,
        frame_rate=pictures.frame_rate,
        keeps_range=True,
        quality=ARCHIVE_QUALITY[codec],
    )


def _plan_archive_sound(sound: Sound) -> SoundPlan:
    if sound.codec in COMPRESSED_SOUND:
        return SoundPlan("copy")
    if sound.is_lossless:
        return SoundPlan("flac", channels=min(MAX_FLAC_CHANNELS, sound.channels))
    channels = min(MAX_AAC_CHANNELS, sound.channels)
    return SoundPlan("aac", ARCHIVE_SOUND_BITS_PER_CHANNEL * channels, channels)


def plan_for_size(source: MediaInfo, size_bytes: float) -> CompressionPlan:
    """Plan the best quality in this size; raise ``EngineError`` INPUT_INVALID if impossible."""
    if source.pictures is None:
        return _plan_sound_for_size(source, size_bytes)
    bits = _compute_available_bits(source, size_bytes)
    sound = _plan_film_sound(source.sound, bits) if source.sound else None
    picture_bits = int(bits - (sound.bits if sound else 0))
    for side in SIDES:
        pictures = _plan_pictures(source.pictures, round(side * 16 / 9), side, bits=picture_bits)
        if picture_bits >= GOOD_BITS_PER_PIXEL * pictures.pixel_rate:
            break
    if picture_bits < LEAST_BITS_PER_PIXEL * pictures.pixel_rate:
        raise build_unreachable_error(_estimate_least_bytes(source, pictures))
    max_bits = int(MOST_BITS_PER_PIXEL * pictures.pixel_rate)
    return CompressionPlan(replace(pictures, bits=min(picture_bits, max_bits)), sound, private=True)


def build_unreachable_error(least_bytes: float) -> EngineError:
    """Return the error for a size that is too small; it names a possible one."""
    size = f"{least_bytes / 1e6:.2f} MB" if least_bytes >= 1e5 else f"{least_bytes / 1e3:.0f} kB"
    return EngineError(
        ErrorCode.INPUT_INVALID,
        f"The file cannot be made as small as that: the least is about {size}.",
    )


def estimate_container_bytes(source: MediaInfo) -> float:
    """Return an upper bound of the overhead of an MP4 with the source's pictures and sound."""
    other_bytes = SOUND_SECOND_BYTES * len(source.other_sounds)
    return HEADER_BYTES + (_compute_overhead_per_second(source) + other_bytes) * source.seconds


def _compute_available_bits(source: MediaInfo, size_bytes: float) -> float:
    """Return the bits per second for pictures and sound in a file of this size."""
    return (
        (size_bytes - HEADER_BYTES) * (1 - MARGIN) / source.seconds
        - _compute_overhead_per_second(source)
    ) * 8


def _compute_overhead_per_second(source: MediaInfo) -> float:
    """Return the container's bytes per second."""
    frames = float(source.pictures.frame_rate) * FRAME_BYTES if source.pictures else 0.0
    return frames + (SOUND_SECOND_BYTES if source.sound else 0)


def _estimate_file_bytes(source: MediaInfo, bits: float) -> float:
    """Return a file's size for these bits per second: inverse of ``_compute_available_bits``."""
    return (bits / 8 + _compute_overhead_per_second(source)) * source.seconds / (
        1 - MARGIN
    ) + HEADER_BYTES


def _estimate_least_bytes(source: MediaInfo, pictures: PicturePlan) -> float:
    sound = FILM_SOUND_BITS[-1] if source.sound else 0
    return 1.1 * _estimate_file_bytes(source, LEAST_BITS_PER_PIXEL * pictures.pixel_rate + sound)


def _plan_film_sound(sound: Sound, bits: float) -> SoundPlan:
    candidates = (candidate for candidate in FILM_SOUND_BITS if candidate <= SOUND_SHARE * bits)
    return _plan_aac(sound, next(candidates, FILM_SOUND_BITS[-1]))


def _plan_sound_for_size(source: MediaInfo, size_bytes: float) -> CompressionPlan:
    assert source.sound is not None  # noqa: S101 - `probe` refuses what has neither
    bits = _compute_available_bits(source, size_bytes)
    rate = next((candidate for candidate in SOUND_BITS if candidate <= bits), None)
    if rate is None:
        raise build_unreachable_error(1.1 * _estimate_file_bytes(source, SOUND_BITS[-1]))
    return CompressionPlan(None, _plan_aac(source.sound, rate), private=True)


def _plan_aac(sound: Sound, bits: int) -> SoundPlan:
    """Plan AAC at a bit rate: a low one in mono, with a lower sample rate."""
    channels = min(2 if bits >= LEAST_STEREO_BITS else 1, sound.channels)
    max_rate = next(
        sample_rate for min_bits, sample_rate in SAMPLE_RATES if bits >= min_bits * channels
    )
    return SoundPlan("aac", bits, channels, min(max_rate, sound.sample_rate))


def _plan_pictures(
    pictures: Pictures,
    longer: int,
    shorter: int,
    quality: int | None = None,
    bits: int | None = None,
) -> PicturePlan:
    """Plan H.264 within a size, in the source's aspect ratio."""
    sides = (pictures.width, pictures.height)
    shrink = min(Fraction(1), Fraction(longer, max(sides)), Fraction(shorter, min(sides)))
    width, height = (max(2, round(side * shrink / 2) * 2) for side in sides)
    return PicturePlan(
        codec=Codec.H264,
        width=width,
        height=height,
        frame_rate=min(WEB_RATE, pictures.frame_rate),
        keeps_range=False,
        quality=quality,
        bits=bits,
    )
