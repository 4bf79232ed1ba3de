"""Display matrices, crops and empty edits: all that reads a film shows and hears the same."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_tasks.mediakit import film as films
from gpu_tasks.mediakit.audio import RATE, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.headers import read_headers
from gpu_tasks.mediakit.seeking import find_entry_of_file
from gpu_tasks.render import sources
from gpu_tasks.render.contract import Clip
from media.derivation import peaks, pictures
from media.derivation.frames import iterate_pictures
from media.probing import probe
from projects.rendering.layers import render_under
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.render.calls import Studio, output, timeline
from tests.media.containers import (
    begin_empty,
    box,
    cropped_matroska,
    turned_by,
    with_aperture,
)
from tests.media.films import decoded, film, halves, tone

Pixels = NDArray[np.uint8]
QUARTERS = (
    np.array(
        [[(0, 0, 0), (90, 90, 90), (90, 90, 90)], [(170, 170, 170), (250, 250, 250), (0, 0, 0)]],
        np.uint8,
    )
    .repeat(32, axis=0)
    .repeat(32, axis=1)
)
"""No turn and no mirroring leaves it as it is."""
HALF = 0.5**0.5
MATRICES = {
    "upright": ((1, 0, 0, 1), 0, False),
    "clockwise": ((0, 1, -1, 0), 90, False),
    "upside down": ((-1, 0, 0, -1), 180, False),
    "counterclockwise": ((0, -1, 1, 0), 270, False),
    "mirrored": ((-1, 0, 0, 1), 0, True),
    "mirrored, clockwise": ((0, -1, -1, 0), 90, True),
    "mirrored, upside down": ((1, 0, 0, -1), 180, True),
    "mirrored, counterclockwise": ((0, 1, 1, 0), 270, True),
    "tilted": ((HALF, HALF, -HALF, HALF), 45, False),
}
"""A display matrix, and what it says: clockwise degrees, and whether it mirrors first."""


def thumbnail_of(path: Path) -> Pixels:
    with open_media(path) as container:
        content, _ = pictures.make_film_pictures(container, 500, lambda share: None)
    assert content is not None
    return decoded(content)


def frame_of(path: Path, width: int, height: int, seconds: float = 0.0) -> Pixels:
    """Return a frame of a timeline of this size that shows the file alone."""
    with path.open("rb") as source:
        answer = render_under(
            source,
            seconds=seconds,
            opacity=1.0,
            width=width,
            height=height,
            is_last=True,
            ask=lambda _question: b"",
        )
    assert answer is not None
    return decoded(base64.b64decode(answer["jpeg"]))


def rendered_size(path: Path) -> tuple[float, float]:
    body = sources.probe(path, path.name).pictures
    assert body is not None
    return float(body.width), float(body.height)


@pytest.mark.parametrize(("matrix", "rotation", "mirrored"), MATRICES.values(), ids=MATRICES)
def test_a_display_matrix_is_read_alike_everywhere(
    tmp_path: Path, matrix: tuple[float, float, float, float], rotation: int, mirrored: bool
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(turned_by(film([QUARTERS] * 3), matrix))
    body = next(films.probe(path).frames())  # turned by FFmpeg's program, as renders are
    height, width = body.shape[:2]
    assert rendered_size(path) == (width, height)
    for picture in (thumbnail_of(path), frame_of(path, width, height)):
        assert picture.shape == body.shape
        assert np.abs(picture.astype(float) - body).mean() < 8
    facts = probe(str(path)).metadata
    assert (facts["rotation"], facts["mirrored"]) == (rotation, mirrored)
    if mirrored or not rotation:
        upright = QUARTERS[:, ::-1] if mirrored else QUARTERS
        expected = np.rot90(upright, -rotation // 90)
        assert np.abs(body.astype(float) - expected).mean() < 8


@pytest.fixture(params=["Matroska", "MP4"])
def cropped(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A film of 128x64 of which the middle 96 columns are shown."""
    if request.param == "MP4":
        path = tmp_path / "film.mp4"
        path.write_bytes(with_aperture(film([halves(40, 220, width=128)] * 3), 96, 64))
    else:
        path = make_film(
            tmp_path / "film.mkv",
            size="128x64",
            seconds=0.2,
            sound=False,
            extra=("-vf", "gblur=4,setsar=5/4"),
        )
        path.write_bytes(cropped_matroska(path.read_bytes(), left=16, right=16))
    return path


def test_a_crop_in_the_header_is_applied_everywhere(cropped: Path) -> None:
    facts = probe(str(cropped)).metadata
    assert (facts["width"], facts["height"]) == (96, 64)
    width = 120 if cropped.suffix == ".mkv" else 96
    assert rendered_size(cropped) == (width, 64)
    body = next(films.probe(cropped).frames())
    for picture in (thumbnail_of(cropped), frame_of(cropped, width, 64)):
        assert picture.shape == body.shape == (64, width, 3)
        assert np.abs(picture.astype(float) - body).mean() < 8


EMPTY_MS, PLAYED_MS, FROM_MS = 1600, 3000, 1000


@pytest.fixture(scope="module")
def delayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 1.6 s of nothing, and then its second to fourth of five.

    It grows brighter with each tenth of a second; the tone begins at its 2.0 s.
    """
    shades = [halves(20 + 4 * number, 20 + 4 * number) for number in range(50)]
    whole = film(shades, sound=tone(3.0, silent_seconds=2.0), key_frames_every=5)
    path = tmp_path_factory.mktemp("delayed") / "film.mp4"
    path.write_bytes(begin_empty(whole, EMPTY_MS, PLAYED_MS, FROM_MS))
    return path


def brightness_at(at_ms: int) -> int:
    """Return what the delayed film shows: its first picture is held before it begins."""
    return 20 + 4 * (max(at_ms - EMPTY_MS, 0) + FROM_MS) // 100


TIMES_MS = (50, 1550, 1650, 2650, 4550)


class TestEmptyEdits:
    def test_the_duration_counts_what_is_empty(self, delayed: Path) -> None:
        assert probe(str(delayed)).duration_ms == EMPTY_MS + PLAYED_MS

    def test_pictures_of_derivatives_and_frames(self, delayed: Path) -> None:
        with open_media(delayed) as container:
            results = list(iterate_pictures(container, [at / 1000 for at in TIMES_MS], 96))
        for at_ms, picture in zip(TIMES_MS, results, strict=True):
            assert picture is not None
            assert abs(picture.mean() - brightness_at(at_ms // 100 * 100)) < 3
            frame = frame_of(delayed, 96, 64, at_ms / 1000)
            assert abs(frame.mean() - brightness_at(at_ms // 100 * 100)) < 3

    def test_frames_that_engines_read(self, delayed: Path) -> None:
        frames = list(films.probe(delayed).frames())
        for at_ms in TIMES_MS:
            assert abs(frames[at_ms // 100].mean() - brightness_at(at_ms // 100 * 100)) < 3

    def test_sound(self, delayed: Path) -> None:
        begins_ms = EMPTY_MS + 2000 - FROM_MS
        with open_media(delayed) as container:
            loud = [
                block.start + int(np.argmax(np.abs(block.samples) > 3000))
                for block in SoundTrack(container).blocks()
                if np.abs(block.samples).max() > 3000
            ]
        assert abs(loud[0] / RATE * 1000 - begins_ms) < 30
        with delayed.open("rb") as source:
            document = json.loads(
                peaks.make_peaks(source, EMPTY_MS + PLAYED_MS, lambda share: None) or ""
            )
        heard = np.abs(document["data"][1::2]) > 20
        assert abs(int(np.argmax(heard)) * 1000 / document["pairs_per_second"] - begins_ms) < 30

    def test_a_render(self, delayed: Path, tmp_path: Path) -> None:
        clips = [
            Clip(source=0, start_ms=0, end_ms=2000, in_ms=1000, sounds=True),
            Clip(source=0, start_ms=2000, end_ms=3000, in_ms=3500, sounds=False),
        ]
        settings = output(width=96, height=64, frame_rate="10")
        _, rendered = Studio(tmp_path).render(timeline([delayed], clips), settings, [delayed])
        body = list(films.probe(rendered).frames())
        for at_ms, source_ms in ((50, 1000), (650, 1600), (1950, 2900), (2050, 3500), (2950, 4400)):
            assert abs(body[at_ms // 100].mean() - brightness_at(source_ms)) < 3
        with open_media(rendered) as container:
            blocks = list(SoundTrack(container).blocks())
        sound = np.concatenate([block.samples for block in blocks])
        begins_ms = EMPTY_MS + 2000 - FROM_MS - 1000
        assert abs(int(np.argmax(np.abs(sound) > 3000)) / RATE * 1000 - begins_ms) < 30

    def test_a_file_is_entered_by_its_own_time_stamps(self, delayed: Path) -> None:
        assert find_entry_of_file(delayed, 0, 2.0) == 0  # of its time stamps, which begin at 1.6
        assert find_entry_of_file(delayed, 0, 4.0) == 2


def hostile() -> Iterator[bytes]:
    """Yield headers that lie about sizes, nest without end, or stop."""
    yield b""
    yield b"\0\0\0\x18ftyp"
    yield box(b"moov", box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide"))))
    yield box(b"moov", box(b"mvhd", b"\x01"), box(b"trak", box(b"edts", box(b"elst", bytes(7)))))
    yield b"\0\0\0\x01moov" + b"\xff" * 8 + bytes(100)
    yield box(b"moov", *[box(b"trak")] * 20_000)
    yield b"\x1a\x45\xdf\xa3" + b"\xff" * 40
    yield b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\x16\x54\xae\x6b\x01"


@pytest.mark.parametrize("content", list(hostile()))
def test_headers_that_lie_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film"
    path.write_bytes(content)
    with path.open("rb") as file:
        headers = read_headers(file)
    assert not headers.is_protected
    assert not headers.begins_empty
