"""What becomes of a source, by target."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from gpu_tasks.compression import plans
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.plans import SoundPlan, plan_for_archive, plan_for_size, plan_for_web
from gpu_tasks.compression.source import MediaInfo, Pictures, Sound
from gpu_tasks.runtime.errors import EngineError, ErrorCode

PICTURES = Pictures(
    codec="h264",
    width=3840,
    height=2160,
    frame_rate=Fraction(30),
    is_hdr=False,
    is_deep=False,
    pixel_format="yuv420p",
)
FILM = MediaInfo(Path("film"), 10**9, 60.0, PICTURES, Sound("aac", 2))
SONG = MediaInfo(Path("song"), 10**7, 60.0, None, Sound("pcm_s16le", 2))


@pytest.mark.parametrize(
    ("sides", "fitted"),
    [
        ((1920, 1080), (1920, 1080)),
        ((1922, 1080), (1920, 1078)),
        ((3840, 2160), (1920, 1080)),
        ((2160, 3840), (1080, 1920)),
        ((1440, 1080), (1440, 1080)),
        ((2880, 2160), (1440, 1080)),
        ((4096, 1716), (1920, 804)),
        ((320, 180), (320, 180)),
        ((2, 2), (2, 2)),
    ],
)
def test_the_web_gets_full_hd_at_most_in_the_films_shape(
    sides: tuple[int, int], fitted: tuple[int, int]
):
    width, height = sides
    plan = plan_for_web(replace(FILM, pictures=replace(PICTURES, width=width, height=height)))
    assert plan.pictures
    assert (plan.pictures.width, plan.pictures.height) == fitted


@pytest.mark.parametrize(("rate", "expected"), [(60, 60), (61, 60), (240, 60), (24, 24)])
def test_the_web_gets_sixty_frames_a_second_at_most(rate: int, expected: int):
    plan = plan_for_web(replace(FILM, pictures=replace(PICTURES, frame_rate=Fraction(rate))))
    assert plan.pictures.frame_rate == expected
    archived = plan_for_archive(
        replace(FILM, pictures=replace(PICTURES, frame_rate=Fraction(rate)))
    )
    assert archived.pictures.frame_rate == rate


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (2, 2), (6, 2)])
def test_the_web_gets_stereo_at_most(channels: int, expected: int):
    plan = plan_for_web(replace(FILM, sound=Sound("ac3", channels)))
    assert (plan.sound.codec, plan.sound.channels) == ("aac", expected)
    assert plan.private


def test_an_archive_keeps_size_range_and_channels():
    plan = plan_for_archive(replace(FILM, sound=Sound("vorbis", 6)))
    assert (plan.pictures.codec, plan.pictures.width, plan.pictures.height) == (
        Codec.HEVC,
        3840,
        2160,
    )
    assert plan.pictures.keeps_range
    assert (plan.sound.codec, plan.sound.channels, plan.sound.bits) == ("aac", 6, 576_000)
    assert not plan.private


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("aac", "copy"),
        ("eac3", "copy"),
        ("flac", "copy"),
        ("alac", "copy"),
        ("vorbis", "aac"),
        ("pcm_s24le", "flac"),
        ("tta", "flac"),
        ("pcm_mulaw", "aac"),
    ],
)
def test_an_archive_loses_no_sound_that_it_need_not(codec: str, expected: str):
    lossless = codec in {"pcm_s24le", "tta", "flac", "alac"}
    sound = Sound(codec, 2, is_lossless=lossless)
    assert plan_for_archive(replace(FILM, sound=sound)).sound.codec == expected


def test_further_sound_is_for_archives():
    further = (Sound("aac", 2, stream=3), Sound("pcm_s16le", 12, is_lossless=True, stream=2))
    film = replace(FILM, other_sounds=further)
    assert plan_for_archive(film).other_sounds == (SoundPlan("copy"), SoundPlan("flac", channels=8))
    assert plan_for_web(film).other_sounds == plan_for_size(film, 10**7).other_sounds == ()


def bits_of(plan: plans.CompressionPlan) -> int:
    return (plan.pictures.bits if plan.pictures else 0) + (plan.sound.bits if plan.sound else 0)


@pytest.mark.parametrize("size", [500_000, 10**6, 5 * 10**6, 2 * 10**7, 10**8])
@pytest.mark.parametrize("sound", [Sound("aac", 2), None])
def test_what_is_planned_fits_the_size(size: int, sound: Sound | None):
    plan = plan_for_size(replace(FILM, sound=sound), size)
    assert 0.5 * size < bits_of(plan) * FILM.seconds / 8 < size
    assert (plan.sound is None) == (sound is None)


def test_smaller_sizes_have_smaller_pictures_and_less_sound():
    output = [plan_for_size(FILM, size) for size in (10**8, 10**7, 3 * 10**6, 10**6, 5 * 10**5)]
    heights = [plan.pictures.height for plan in output]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] == 1080
    assert heights[-1] < 360
    assert [plan.sound.bits for plan in output][::4] == [128_000, 32_000]
    assert [plan.sound.channels for plan in output][::4] == [2, 1]


def test_more_bits_than_can_be_seen_are_not_spent():
    plan = plan_for_size(FILM, 10**11)
    assert plan.pictures.bits == plans.MOST_BITS_PER_PIXEL * plan.pictures.pixel_rate


@pytest.mark.parametrize("source", [FILM, SONG])
def test_a_size_that_cannot_be_is_refused_with_one_that_can(source: MediaInfo):
    with pytest.raises(EngineError, match="the least is about") as caught:
        plan_for_size(source, 60_000)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    number, unit = caught.value.message.rstrip(".").split()[-2:]
    least = float(number) * {"kB": 1000, "MB": 10**6}[unit]
    assert bits_of(plan_for_size(source, least)) > 0
    with pytest.raises(EngineError):
        plan_for_size(source, least / 1.3)


@pytest.mark.parametrize(
    ("size", "bits", "channels", "sample_rate"),
    [
        (10**7, 256_000, 2, 48_000),
        (600_000, 64_000, 2, 32_000),
        (450_000, 56_000, 1, 48_000),
        (300_000, 32_000, 1, 32_000),
        (220_000, 24_000, 1, 24_000),
        (150_000, 16_000, 1, 16_000),
        (120_000, 12_000, 1, 12_000),
        (90_000, 8_000, 1, 8_000),
    ],
)
def test_sound_alone_is_aac_with_less_in_it_where_there_is_little(
    size: int, bits: int, channels: int, sample_rate: int
):
    assert plan_for_size(SONG, size).sound == SoundPlan("aac", bits, channels, sample_rate)


def test_no_sound_gets_more_samples_than_it_has():
    call = replace(SONG, sound=Sound("pcm_mulaw", 1, sample_rate=8_000))
    assert plan_for_size(call, 10**7).sound.sample_rate == 8_000
