"""Films of all kinds are read as upright frames at a constant rate, and written."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.mediakit import audio, ffmpeg
from gpu_tasks.mediakit.decoding import TOLERANCE_SECONDS, TOO_LONG
from gpu_tasks.mediakit.film import Film, FilmWriter, probe
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from tests.gpu_tasks.films import lying_film, make_film, turned
from tests.gpu_tasks.recordings import BROKEN, SAMPLES

HDR = (
    "-vf",
    "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc",
    "-c:v",
    "libx265",
    "-x265-params",
    "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
)
VARIABLE = ("-vf", "select='not(mod(n,3))+gt(n,12)'", "-fps_mode", "vfr")


def test_a_plain_film(tmp_path: Path):
    film = probe(make_film(tmp_path / "film.mp4"))
    frames = list(film.frames())
    assert (film.width, film.height, film.frame_rate) == (160, 90, Fraction(25))
    assert film.has_sound
    assert film.frames_expected == len(frames) == 25
    assert {frame.shape for frame in frames} == {(90, 160, 3)}
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1


def test_a_turned_film_is_upright(tmp_path: Path):
    source = make_film(tmp_path / "film.mp4")
    upright = next(iter(probe(source).frames()))
    film = probe(turned(tmp_path / "turned.mp4", source, 90))
    assert (film.width, film.height) == (90, 160)
    frame = next(iter(film.frames()))
    assert np.abs(frame.astype(int) - np.rot90(upright)).mean() < 3


def test_large_and_odd_sizes_are_brought_to_even_ones(tmp_path: Path):
    source = make_film(tmp_path / "film.mp4", size="321x181", extra=("-pix_fmt", "yuv444p"))
    assert (probe(source).width, probe(source).height) == (320, 180)
    small = probe(source, max_side=100)
    assert (small.width, small.height) == (100, 56)
    assert next(iter(small.frames())).shape == (56, 100, 3)


def test_a_variable_rate_becomes_constant(tmp_path: Path):
    source = make_film(tmp_path / "film.mp4", seconds=2, extra=VARIABLE)
    film = probe(source, frame_rate=Fraction(25))
    assert len(list(film.frames())) == pytest.approx(50, abs=1)


def test_a_rate_that_falls_keeps_all_frames_of_its_fast_part(tmp_path: Path):
    falling = ("-vf", "select='lt(t,1)+not(mod(n,5))'", "-fps_mode", "vfr")
    film = probe(make_film(tmp_path / "film.mp4", seconds=2, extra=falling))
    assert film.average_rate == pytest.approx(16, abs=1)
    assert film.frame_rate == 25
    frames = np.stack(list(film.frames())).astype(int)
    assert len(frames) == 46
    changes = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3)) > 0.01
    assert (changes[:25].all(), changes[25:].sum()) == (True, 4)


@pytest.mark.parametrize(("frames", "read"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_the_shortest_film_has_a_frame_at_any_rate(tmp_path: Path, frames: int, read: int):
    path = make_film(tmp_path / "film.mp4", seconds=frames / 25, sound=False)
    assert len(list(probe(path, frame_rate=Fraction(10)).frames())) == read


def test_times_in_a_clocks_ticks_are_no_rate(tmp_path: Path):
    uneven = ("-vf", "settb=1/1000,setpts='50*N+20*random(1)'", "-fps_mode", "passthrough")
    ticks = ("-enc_time_base", "1/1000", "-video_track_timescale", "90000")
    film = probe(make_film(tmp_path / "film.mp4", rate="20", seconds=2, extra=(*uneven, *ticks)))
    assert film.frame_rate == film.average_rate == pytest.approx(20, abs=1)


def test_a_constant_rate_is_kept_whatever_its_fields(tmp_path: Path):
    fields = ("-vf", "tinterlace=interleave_top,setfield=tff", "-flags", "+ilme+ildct")
    for suffix in ("mp4", "ts", "mkv"):
        path = make_film(tmp_path / f"film.{suffix}", size="160x96", rate="50", extra=fields)
        assert probe(path).frame_rate == 25


def test_hdr_becomes_standard_range(tmp_path: Path):
    film = probe(make_film(tmp_path / "film.mp4", extra=HDR))
    assert film.is_hdr
    frames = list(film.frames())
    assert len(frames) == 25
    assert 20 < frames[0].mean() < 235


def test_half_of_a_film_is_damaged(tmp_path: Path):
    whole = make_film(tmp_path / "film.mp4", seconds=4, extra=("-movflags", "+faststart"))
    content = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) // 4])
    with pytest.raises(EngineError) as caught:
        list(probe(cut).frames())
    assert caught.value.code == ErrorCode.INPUT_INVALID


@pytest.mark.parametrize(("frames", "is_read"), [(25, True), (24, False)])
def test_a_film_may_go_on_for_a_second_beyond_its_header(
    tmp_path: Path, frames: int, is_read: bool
):
    assert TOLERANCE_SECONDS == 1
    whole = make_film(tmp_path / "film.mp4", seconds=2, sound=False)
    film = probe(lying_film(tmp_path / "lying.avi", whole, frames=frames))
    if is_read:
        assert len(list(film.frames())) == 50
    else:
        with pytest.raises(EngineError, match=TOO_LONG):
            list(film.frames())


@pytest.mark.parametrize("kind", ["sound", "text", "empty"])
def test_what_is_no_film_is_refused(tmp_path: Path, kind: str):
    path = tmp_path / "film.wav"
    if kind == "sound":
        ffmpeg.run(["-f", "lavfi", "-i", "sine=duration=1", path])
    else:
        path.write_text("a text" * 100 if kind == "text" else "")
    with pytest.raises(EngineError) as caught:
        probe(path)
    assert caught.value.code == ErrorCode.INPUT_INVALID


def test_what_is_written_is_read_again_with_its_sound(tmp_path: Path):
    source = probe(make_film(tmp_path / "film.mp4", rate="30000/1001"))
    written = tmp_path / "written"
    frames = list(source.frames())
    with FilmWriter(
        written, width=160, height=90, frame_rate=source.frame_rate, sound=source.path
    ) as writer:
        for frame in frames:
            writer.write(frame)
    again = probe(written)
    assert again.frame_rate == source.frame_rate == Fraction(30000, 1001)
    assert again.has_sound
    for before, after in zip(frames, again.frames(), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 6  # the pattern's edges lose colour
    with av.open(str(written)) as container:
        assert float(container.duration / av.time_base) == pytest.approx(1.0, abs=0.05)


def write_all(film: Film, sound: Path, target: Path) -> None:
    with FilmWriter(
        target, width=film.width, height=film.height, frame_rate=film.frame_rate, sound=sound
    ) as writer:
        for frame in film.frames():
            writer.write(frame)


def test_a_sound_that_cannot_be_decoded_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with pytest.raises(EngineError) as caught:
        write_all(probe(BROKEN), BROKEN, tmp_path / "film.mp4")
    assert (caught.value.code, caught.value.message) == (
        ErrorCode.INPUT_INVALID,
        audio.UNDECODABLE,
    )
    assert "Decode error rate" in caplog.text


def test_a_sound_is_not_blamed_for_what_else_goes_wrong(tmp_path: Path):
    film = probe(make_film(tmp_path / "film.mp4"))
    with pytest.raises(ffmpeg.FFmpegFailedError, match="nowhere"):
        write_all(film, film.path, tmp_path / "nowhere" / "film.mp4")


def test_a_frame_of_another_size_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="not"):
        with FilmWriter(
            tmp_path / "film.mp4", width=160, height=90, frame_rate=Fraction(25)
        ) as writer:
            writer.write(np.zeros((10, 10, 3), np.uint8))


@pytest.mark.parametrize("name", ["photo.jpg", "photo.JPEG", "photo"])
def test_a_photograph_is_a_film_of_one_frame(tmp_path: Path, name: str):
    photo = tmp_path / name
    shutil.copy(SAMPLES / "portrait.jpg", photo)
    film = probe(photo)
    assert (film.width, film.height, len(list(film.frames()))) == (400, 400, 1)
