"""Thumbnails and sprite strips of films that phones, cameras and vandals make."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from gpu_tasks.mediakit import sizes
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.film import probe
from media.derivation import frames, pictures
from media.derivation.pictures import (
    MAX_TILES,
    Strip,
    compute_interval,
    make_film_pictures,
    make_still_thumbnail,
)
from tests.gpu_tasks import hdr
from tests.media import samples
from tests.media.films import HEIGHT, RATE, WIDTH, decoded, film, halves


class EnoughError(Exception):
    pass


Derived = Callable[..., tuple[bytes | None, Strip | None]]
QUARTERS = np.array(
    [[(0, 0, 0), (90, 90, 90), (90, 90, 90)], [(170, 170, 170), (250, 250, 250), (0, 0, 0)]],
    np.uint8,
)
STREAM = {"container": "mpegts", "codec": "libx264"}


@pytest.fixture
def made(tmp_path: Path) -> Derived:
    """Thumbnail and strip of a film."""

    def make(content: bytes, seconds: float, name: str = "film.mp4") -> tuple:
        (tmp_path / name).write_bytes(content)
        with open_media(tmp_path / name) as container:
            return make_film_pictures(container, int(seconds * 1000), lambda share: None)

    return make


def tile(strip: Strip, number: int) -> np.ndarray:
    sheet = decoded(strip.content)
    top = number // strip.columns * strip.tile_height
    remaining = number % strip.columns * strip.tile_width
    return sheet[top : top + strip.tile_height, remaining : remaining + strip.tile_width]


@pytest.mark.parametrize(
    ("duration_ms", "expected"),
    [
        (1, (1000, 1)),
        (1000, (1000, 1)),
        (1001, (1000, 2)),
        (100_000, (1000, 100)),
        (100_001, (1001, 100)),
        (12 * 3600 * 1000, (432_000, 100)),
    ],
)
def test_tiles_are_a_second_apart_or_a_hundred(duration_ms: int, expected: tuple) -> None:
    assert compute_interval(duration_ms) == expected


def test_each_tile_shows_its_own_time(made: Derived) -> None:
    # Second n is of brightness 20 n; only the first frame is a key frame.
    body = [halves(20 * (n // RATE), 20 * (n // RATE)) for n in range(12 * RATE)]
    _, strip = made(film(body, key_frames_every=1000), 12)
    assert strip is not None
    output = strip.description()
    assert (output["count"], output["columns"], output["rows"]) == (12, 10, 2)
    assert (output["interval_ms"], output["tile_width"], output["tile_height"]) == (1000, 96, 64)
    assert decoded(strip.content).shape == (2 * 64, 10 * 96, 3)
    brightness = [tile(strip, number).mean() for number in range(12)]
    assert brightness == pytest.approx([20 * number for number in range(12)], abs=4)


def test_long_films_are_sampled_by_seeking(made: Derived, monkeypatch: pytest.MonkeyPatch) -> None:
    body = [halves(2 * (n // RATE), 2 * (n // RATE)) for n in range(100 * RATE)]
    content = film(body, key_frames_every=10)
    monkeypatch.setattr(pictures, "MAX_TILES", 20)
    monkeypatch.setattr(frames, "MAX_FRAMES_AFTER_SEEK", 3)
    _, strip = made(content, 100)
    assert (strip.count, strip.interval_ms) == (20, 5000)
    brightness = [tile(strip, number).mean() for number in range(20)]
    assert brightness == pytest.approx([10 * number for number in range(20)], abs=5)


def test_a_short_film_of_many_pixels_is_sampled_too(
    made: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = [halves(10 * (n // RATE), 10 * (n // RATE)) for n in range(20 * RATE)]
    content = film(body, key_frames_every=RATE)
    decoded_frames = 0
    frames_of = frames._decode_packet

    def count(*arguments: Any) -> Any:
        nonlocal decoded_frames
        results = frames_of(*arguments)
        decoded_frames += len(results)
        return results

    monkeypatch.setattr(frames, "_decode_packet", count)
    whole = made(content, 20)
    assert decoded_frames >= 19 * RATE
    decoded_frames = 0
    height, width = body[0].shape[:2]
    monkeypatch.setattr(frames, "MAX_DECODED_PIXELS", 3 * 20 * height * width)
    thumbnail, strip = made(content, 20)
    assert decoded_frames <= 20 * (3 + 1)
    assert strip is not None
    assert (strip.count, thumbnail is not None) == (whole[1].count, True)
    brightness = [tile(strip, number).mean() for number in range(20)]
    assert brightness == pytest.approx([10 * number for number in range(20)], abs=5)


def test_a_film_that_takes_too_long_has_a_thumbnail_alone(
    made: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = film([halves(40, 220)] * 10 * RATE)
    monkeypatch.setattr(pictures, "PICTURES_SECONDS", 0.0)
    thumbnail, strip = made(content, 10)
    assert (thumbnail is not None, strip) == (True, None)


def test_with_rare_key_frames_a_tile_comes_from_before(
    made: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = [halves(4 * (n // RATE), 4 * (n // RATE)) for n in range(50 * RATE)]
    monkeypatch.setattr(pictures, "MAX_TILES", 10)
    _, strip = made(film(body, key_frames_every=1000), 50)
    brightness = np.array([tile(strip, number).mean() for number in range(10)])
    assert (brightness <= 4 * frames.MAX_FRAMES_AFTER_SEEK / RATE + 4).all()


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_film_held_otherwise_is_shown_upright(made: Derived, rotation: int) -> None:
    thumbnail, strip = made(film([halves(40, 220)] * 5, rotation=rotation), 0.5)
    body = decoded(thumbnail)
    if rotation == 180:
        assert body.shape == (HEIGHT, WIDTH, 3)
        assert body[:, : WIDTH // 2 - 8].mean() > 180 > 60 > body[:, WIDTH // 2 + 8 :].mean()
        return
    assert body.shape == (WIDTH, HEIGHT, 3)
    assert (strip.tile_width, strip.tile_height) == (HEIGHT, WIDTH)
    top, bottom = body[: WIDTH // 2 - 8].mean(), body[WIDTH // 2 + 8 :].mean()
    # Turned clockwise by 90 degrees, the left side is on top.
    assert (top < 60, bottom > 180) == ((True, True) if rotation == 90 else (False, False))


def test_pixels_that_are_not_square(made: Derived) -> None:
    thumbnail, strip = made(film([halves(40, 220)] * 3, sample_aspect=Fraction(2, 1)), 0.3)
    assert decoded(thumbnail).shape == (64, 192, 3)
    assert (strip.tile_width, strip.tile_height) == (160, 53)


def test_large_films_are_made_small(made: Derived) -> None:
    thumbnail, strip = made(film([halves(40, 220, width=1280, height=720)] * 2), 0.2)
    assert decoded(thumbnail).shape == (360, 640, 3)
    assert (strip.tile_width, strip.tile_height) == (160, 90)


def test_a_variable_frame_rate(made: Derived) -> None:
    # One frame is held for three seconds.
    body = [halves(level, level) for level in (0, 60, 120, 180)]
    _, strip = made(film(body, times_ms=[0, 500, 3500, 3600]), 4)
    brightness = [tile(strip, number).mean() for number in range(4)]
    assert brightness == pytest.approx([0, 60, 60, 60], abs=4)


def test_the_thumbnail_is_not_black(made: Derived) -> None:
    black, grey, scene = halves(0, 0), halves(90, 90), halves(60, 200)
    body = [black] * 20 + [grey] * 10 + [scene] * 10 + [halves(200, 60)] * 10
    thumbnail, _ = made(film(body), 5)
    picture = decoded(thumbnail)
    assert picture[:, :40].mean() == pytest.approx(60, abs=6)
    assert picture[:, 56:].mean() == pytest.approx(200, abs=6)


def test_of_a_black_film_the_thumbnail_is_black(made: Derived) -> None:
    thumbnail, _ = made(film([halves(0, 0)] * 5), 0.5)
    assert decoded(thumbnail).max() < 20


def test_odd_sides(made: Derived) -> None:
    thumbnail, strip = made(
        film(
            [halves(40, 220, width=101, height=75)] * 3,
            codec="png",
            pix_fmt="rgb24",
            container="mov",
        ),
        0.3,
    )
    assert decoded(thumbnail).shape == (76, 100, 3)
    assert strip.count == 1


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG], ids=["PQ", "HLG"])
def test_high_dynamic_range_looks_as_in_films(tmp_path: Path, transfer: int) -> None:
    light = np.concatenate([hdr.light_of(hdr.PATCHES), [(2.0, 1.0, 0.2), (4.9, 4.9, 4.9)]])
    signal = hdr.signal_of(light, transfer)
    source = probe(hdr.hdr_film(tmp_path / "film.mkv", light, transfer))
    standard = frames.to_standard_range(signal[None], transfer)[0].astype(float)
    assert standard == pytest.approx(hdr.shown(next(iter(source.frames()))), abs=6)


def test_an_hdr_film_is_not_pale(made: Derived) -> None:
    content = film(
        [halves(100, 148)] * 3,
        codec="libx265",
        pix_fmt="yuv420p10le",
        color_trc=16,
        color_primaries=9,
        colorspace=9,
    )
    picture = decoded(made(content, 0.3)[0])
    dark, bright = picture[:, :40].mean(), picture[:, 56:].mean()
    assert dark < 120 < 150 < bright


def test_damage_in_the_middle_is_passed_over(made: Derived) -> None:
    content = bytearray(film([halves(40, 220)] * 60, key_frames_every=5))
    start = content.index(b"mdat") + 4
    middle = start + (content.index(b"moov") - start) // 2
    content[middle : middle + 400] = b"\xa5" * 400
    thumbnail, strip = made(bytes(content), 6)
    assert decoded(thumbnail)[:, 56:].mean() > 180
    assert strip.count == 6


def test_a_film_that_breaks_off(made: Derived) -> None:
    content = film([halves(40, 220)] * 60, container="matroska")
    thumbnail, strip = made(content[: len(content) // 2], 6, "film.mkv")
    assert thumbnail
    assert strip.count == 6


def test_nothing_that_decodes_makes_nothing(made: Derived) -> None:
    assert made(samples.undecodable_video(), 0.4) == (None, None)
    assert made(samples.wav(), 1, "sound.wav") == (None, None)


def test_frames_larger_than_the_limit_are_not_decoded(
    made: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = film([halves(40, 220, width=1920, height=1080)])
    monkeypatch.setattr(sizes, "MAX_FRAME_PIXELS", 1920 * 1080)
    assert made(content, 0.3)[0]
    monkeypatch.setattr(sizes, "MAX_FRAME_PIXELS", 1920 * 1080 - 1)
    assert made(content, 0.3) == (None, None)


def test_frames_that_grow_on_the_way_are_not_decoded(
    made: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = film([halves(40, 40, width=64)] * 4, times_ms=[0, 500, 1000, 1500], **STREAM)
    large = [halves(220, 220, width=512, height=512)] * 4
    content = small + film(large, times_ms=[2000, 2500, 3000, 3500], **STREAM)
    body = made(content, 4, "film.ts")[1]
    assert [round(tile(body, n).mean(), -1) for n in range(4)] == [40, 40, 220, 220]
    monkeypatch.setattr(sizes, "MAX_FRAME_PIXELS", 128 * 128)
    body = made(content, 4, "film.ts")[1]
    assert [round(tile(body, n).mean(), -1) for n in range(4)] == [40] * 4


def test_whoever_watches_may_stop_it(tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise EnoughError

    (tmp_path / "film.mp4").write_bytes(film([halves(40, 220)] * 3))
    with open_media(tmp_path / "film.mp4") as container, pytest.raises(EnoughError):
        make_film_pictures(container, 300, stop)


@pytest.mark.parametrize(("codec", "name"), [("png", "a.png"), ("mjpeg", "a.jpg")])
def test_the_thumbnail_of_a_picture(tmp_path: Path, codec: str, name: str) -> None:
    (tmp_path / name).write_bytes(samples.image(codec))
    with open_media(tmp_path / name) as container:
        assert decoded(make_still_thumbnail(container)).shape == (48, 64, 3)


def test_a_photo_held_otherwise_is_shown_upright(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(samples.photo(orientation=6))
    with open_media(tmp_path / "a.jpg") as container:
        body = decoded(make_still_thumbnail(container))
    assert body.shape == (64, 48, 3)
    # Turned clockwise, the left side is on top.
    assert body[:24].mean() < 60 < 180 < body[40:].mean()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_shown_as_its_note_says(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = Image.fromarray(QUARTERS.repeat(32, axis=0).repeat(32, axis=1))
    note = Image.Exif()
    note[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"photo.{suffix}"
    stored.save(path, exif=note)
    with Image.open(path) as photo:
        expected = np.asarray(ImageOps.exif_transpose(photo).convert("RGB"), float)
    with open_media(path) as container:
        body = decoded(make_still_thumbnail(container))
    assert np.abs(body - expected).mean() < 6
    frame = next(iter(probe(path).frames()))
    assert np.abs(frame - expected).mean() < 6


def test_as_many_tiles_as_there_may_be(made: Derived) -> None:
    _, strip = made(
        film([halves(n, n) for n in range(101)], times_ms=[*range(0, 101_000, 1000)]), 101
    )
    assert (strip.count, strip.rows, strip.columns) == (MAX_TILES, 10, 10)
