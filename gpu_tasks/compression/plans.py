"""What becomes of a source: codec, size of the pictures, rates; by target."""

from dataclasses import dataclass, replace
from fractions import Fraction

from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.source import MediaInfo, Pictures, Sound
from gpu_tasks.runtime.errors import EngineError, ErrorCode

WEB_SIDES = (1920, 1080)
"""The longer and the shorter side, at most."""
WEB_RATE = Fraction(60)
WEB_QUALITY = {Codec.H264: 23, Codec.HEVC: 27, Codec.AV1: 35}
ARCHIVE_QUALITY = {Codec.H264: 17, Codec.HEVC: 18, Codec.AV1: 22}
"""Constant rate factors of the encoders: their usual ones, and such as are visually lossless."""
LESS_ARCHIVE_QUALITY = 22
"""HEVC's for what is compressed so much already that even this is hard to tell from it."""
WEB_SOUND_BITS, ARCHIVE_SOUND_BITS_PER_CHANNEL = 128_000, 96_000
COMPRESSED_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
"""Sounds that an archive keeps as they are: MP4 holds them, and coding them again gains nothing."""
MAX_FLAC_CHANNELS = MAX_AAC_CHANNELS = 8

SIDES = (1080, 720, 540, 480, 360, 240, 144)
"""Shorter sides that small sizes fall back to."""
MOST_BITS_PER_PIXEL, GOOD_BITS_PER_PIXEL, LEAST_BITS_PER_PIXEL = 0.4, 0.04, 0.015
"""For each pixel of each frame: more than the first is not seen; below the second, smaller pictures
look better; below the third, nothing does.
"""
FILM_SOUND_BITS = (128_000, 96_000, 64_000, 48_000, 32_000)
SOUND_SHARE = 0.2
"""Of a film's bits, at most, where there is a choice."""
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
"""Of AAC. Opus would sound better in the lowest, but Apple's players do not open it in MP4."""
SAMPLE_RATES = (
    (40_000, 48_000),
    (28_000, 32_000),
    (20_000, 24_000),
    (14_000, 16_000),
    (10_000, 12_000),
    (0, 8_000),
)
"""Hertz at most, from so many bits for each channel on: fewer bits do not fill what is higher."""
LEAST_STEREO_BITS = 64_000
HEADER_BYTES, FRAME_BYTES, SOUND_SECOND_BYTES = 1500, 16, 250
"""What MP4 itself takes: in all, for a frame, for a second of sound."""
MARGIN = 0.02


@dataclass(frozen=True)
class SoundPlan:
    """How the sound is encoded; ``copy`` leaves it as it is."""

    codec: str
    bits: int = 0
    """A second; 0 for what is lossless."""
    channels: int = 0
    sample_rate: int | None = None
    """In hertz; the source's where nothing is said."""

    def arguments(self, track: int = 0) -> list[str]:
        """FFmpeg's, for the result's track of that number."""
        options = {"c": self.codec, "b": self.bits, "ac": self.channels, "ar": self.sample_rate}
        if self.codec == "copy":
            options = {"c": "copy"}
        named = ((f"-{name}:a:{track}", str(value)) for name, value in options.items() if value)
        return [part for pair in named for part in pair]


@dataclass(frozen=True)
class PicturePlan:
    """How the pictures are encoded: by ``quality``, or at ``bits`` a second in two passes."""

    codec: Codec
    width: int
    height: int
    frame_rate: Fraction
    keeps_range: bool
    quality: int | None = None
    bits: int | None = None

    @property
    def pixel_rate(self) -> float:
        """Pixels a second."""
        return float(self.width * self.height * self.frame_rate)


@dataclass(frozen=True)
class CompressionPlan:
    """What is made of a source."""

    pictures: PicturePlan | None
    sound: SoundPlan | None
    private: bool
    """Nothing is said of the recording: place, device, time."""
    further: tuple[SoundPlan, ...] = ()
    """What becomes of the source's further tracks of sound; they are left out where there is none.
    """


def for_web(source: MediaInfo, codec: Codec = Codec.H264) -> CompressionPlan:
    """AAC and, if nothing else is asked for, H.264: every browser plays them."""
    shown, heard = source.pictures, source.sound
    fitting = _fitting(shown, *WEB_SIDES, quality=WEB_QUALITY[codec]) if shown else None
    return CompressionPlan(
        pictures=fitting and replace(fitting, codec=codec),
        sound=SoundPlan("aac", WEB_SOUND_BITS, min(2, heard.channels)) if heard else None,
        private=True,
    )


def for_archive(source: MediaInfo, codec: Codec = Codec.HEVC) -> CompressionPlan:
    """Pictures that look like the source's, and its sound."""
    shown, heard = source.pictures, source.sound
    return CompressionPlan(
        pictures=_likened(shown, codec) if shown else None,
        sound=_archived(heard) if heard else None,
        private=False,
        further=tuple(_archived(track) for track in source.further),
    )


def less_for_archive(plan: CompressionPlan) -> CompressionPlan | None:
    """A little less than an archive's usual; None where there is nothing less."""
    if plan.pictures is None:
        return None
    return replace(plan, pictures=replace(plan.pictures, quality=LESS_ARCHIVE_QUALITY))


def _likened(shown: Pictures, codec: Codec) -> PicturePlan:
    return PicturePlan(
        codec=codec,
        width=shown.width,
        height=shown.height,
        frame_rate=shown.frame_rate,
        keeps_range=True,
        quality=ARCHIVE_QUALITY[codec],
    )


def _archived(sound: Sound) -> SoundPlan:
    if sound.codec in COMPRESSED_SOUND:
        return SoundPlan("copy")
    if sound.is_lossless:
        return SoundPlan("flac", channels=min(MAX_FLAC_CHANNELS, sound.channels))
    channels = min(MAX_AAC_CHANNELS, sound.channels)
    return SoundPlan("aac", ARCHIVE_SOUND_BITS_PER_CHANNEL * channels, channels)


def for_size(source: MediaInfo, size_bytes: float) -> CompressionPlan:
    """The best that such a size holds; raises ``EngineError`` INPUT_INVALID if it is too little."""
    if source.pictures is None:
        return _sound_for_size(source, size_bytes)
    bits = _payload_bits(source, size_bytes)
    sound = _film_sound(source.sound, bits) if source.sound else None
    left = int(bits - (sound.bits if sound else 0))
    for side in SIDES:
        pictures = _fitting(source.pictures, round(side * 16 / 9), side, bits=left)
        if left >= GOOD_BITS_PER_PIXEL * pictures.pixel_rate:
            break
    if left < LEAST_BITS_PER_PIXEL * pictures.pixel_rate:
        raise unreachable(_least_bytes(source, pictures))
    most = int(MOST_BITS_PER_PIXEL * pictures.pixel_rate)
    return CompressionPlan(replace(pictures, bits=min(left, most)), sound, private=True)


def unreachable(least_bytes: float) -> EngineError:
    """The refusal of a size, with one that would do."""
    least = f"{least_bytes / 1e6:.2f} MB" if least_bytes >= 1e5 else f"{least_bytes / 1e3:.0f} kB"
    return EngineError(
        ErrorCode.INPUT_INVALID,
        f"The file cannot be made as small as that: the least is about {least}.",
    )


def container_bytes(source: MediaInfo) -> float:
    """What MP4 takes for itself at most, of the source's pictures and sound as they are."""
    further = SOUND_SECOND_BYTES * len(source.further)
    return HEADER_BYTES + (_overhead(source) + further) * source.seconds


def _payload_bits(source: MediaInfo, size_bytes: float) -> float:
    """Bits a second of pictures and sound in a file of that size."""
    return ((size_bytes - HEADER_BYTES) * (1 - MARGIN) / source.seconds - _overhead(source)) * 8


def _overhead(source: MediaInfo) -> float:
    """Bytes a second of the container."""
    frames = float(source.pictures.frame_rate) * FRAME_BYTES if source.pictures else 0.0
    return frames + (SOUND_SECOND_BYTES if source.sound else 0)


def _bytes_of(source: MediaInfo, bits: float) -> float:
    """The size of a file with so many bits a second: the other way round."""
    return (bits / 8 + _overhead(source)) * source.seconds / (1 - MARGIN) + HEADER_BYTES


def _least_bytes(source: MediaInfo, pictures: PicturePlan) -> float:
    sound = FILM_SOUND_BITS[-1] if source.sound else 0
    return 1.1 * _bytes_of(source, LEAST_BITS_PER_PIXEL * pictures.pixel_rate + sound)


def _film_sound(sound: Sound, bits: float) -> SoundPlan:
    fits = (one for one in FILM_SOUND_BITS if one <= SOUND_SHARE * bits)
    return _coded(sound, next(fits, FILM_SOUND_BITS[-1]))


def _sound_for_size(source: MediaInfo, size_bytes: float) -> CompressionPlan:
    assert source.sound is not None  # noqa: S101 - `probe` refuses what has neither
    bits = _payload_bits(source, size_bytes)
    rate = next((one for one in SOUND_BITS if one <= bits), None)
    if rate is None:
        raise unreachable(1.1 * _bytes_of(source, SOUND_BITS[-1]))
    return CompressionPlan(None, _coded(source.sound, rate), private=True)


def _coded(sound: Sound, bits: int) -> SoundPlan:
    """AAC at that rate: where it is low, in mono, and without what is high."""
    channels = min(2 if bits >= LEAST_STEREO_BITS else 1, sound.channels)
    rate = next(most for least, most in SAMPLE_RATES if bits >= least * channels)
    return SoundPlan("aac", bits, channels, min(rate, sound.sample_rate))


def _fitting(
    shown: Pictures, longer: int, shorter: int, quality: int | None = None, bits: int | None = None
) -> PicturePlan:
    """H.264 at most so large, in the source's shape."""
    sides = (shown.width, shown.height)
    shrink = min(Fraction(1), Fraction(longer, max(sides)), Fraction(shorter, min(sides)))
    width, height = (max(2, round(side * shrink / 2) * 2) for side in sides)
    return PicturePlan(
        codec=Codec.H264,
        width=width,
        height=height,
        frame_rate=min(WEB_RATE, shown.frame_rate),
        keeps_range=False,
        quality=quality,
        bits=bits,
    )
