"""What is found out of a file before it is compressed."""

from fractions import Fraction
from pathlib import Path

import pytest

from gpu_tasks.compression.source import probe
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.mediakit.test_film import HDR
from tests.gpu_tasks.recordings import MONOLOGUE


def test_a_film(tmp_path: Path):
    path = make_film(tmp_path / "film.mp4", seconds=2, rate="30000/1001")
    result = probe(path, pictures=True)
    assert result.size_bytes == path.stat().st_size
    assert result.seconds == pytest.approx(2.0, abs=0.05)
    assert result.is_mp4
    visible = result.pictures
    assert (visible.codec, visible.width, visible.height) == ("h264", 160, 90)
    assert visible.frame_rate == pytest.approx(Fraction(30000, 1001), rel=1e-3)
    assert (visible.is_hdr, visible.is_deep) == (False, False)
    assert (result.sound.codec, result.sound.channels) == ("aac", 1)


@pytest.mark.parametrize(
    ("suffix", "extra", "codec"),
    [
        ("mkv", ("-c:v", "libsvtav1", "-preset", "12"), "av1"),
        ("webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"), "vp9"),
        ("mp4", HDR[2:], "hevc"),
        (
            "avi",
            (
                "-c:v",
                "mpeg4",
            ),
            "mpeg4",
        ),
    ],
)
def test_codecs_have_the_formats_names_and_not_their_decoders(
    tmp_path: Path, suffix: str, extra: tuple[str, ...], codec: str
):
    path = make_film(tmp_path / f"film.{suffix}", seconds=0.4, extra=extra)
    result = probe(path, pictures=True)
    assert result.pictures.codec == codec
    assert result.is_mp4 == (suffix == "mp4")


@pytest.mark.parametrize(
    ("suffix", "encoder", "codec"),
    [
        ("mp3", "libmp3lame", "mp3"),
        ("opus", "libopus", "opus"),
        ("wav", "pcm_s16le", "pcm_s16le"),
        ("flac", "flac", "flac"),
    ],
)
def test_so_have_sounds(tmp_path: Path, suffix: str, encoder: str, codec: str):
    path = tmp_path / f"sound.{suffix}"
    ffmpeg.run(["-f", "lavfi", "-i", "sine=duration=1", "-ac", "2", "-c:a", encoder, path])
    result = probe(path, pictures=False)
    assert (result.sound.codec, result.sound.channels, result.pictures) == (codec, 2, None)


def test_turned_deep_and_fast(tmp_path: Path):
    deep = probe(make_film(tmp_path / "deep.mp4", extra=HDR), pictures=True).pictures
    assert (deep.is_hdr, deep.is_deep) == (True, True)
    fast = make_film(tmp_path / "fast.mp4", rate="120")
    assert probe(fast, pictures=True).pictures.frame_rate == 120
    visible = probe(turned(tmp_path / "turned.mp4", fast, 90), pictures=True).pictures
    assert (visible.width, visible.height) == (90, 160)


@pytest.mark.parametrize("suffix", ["h264", "ts"])
def test_a_length_that_no_header_tells_is_counted(tmp_path: Path, suffix: str):
    film = make_film(tmp_path / "film.mp4", seconds=3)
    path = tmp_path / f"film.{suffix}"
    ffmpeg.run(["-i", film, "-an", "-c", "copy", path])
    assert probe(path, pictures=True).seconds == pytest.approx(3.0, abs=0.1)


def test_pictures_where_sound_is_asked_for_are_not_looked_at(tmp_path: Path):
    result = probe(make_film(tmp_path / "film.mp4"), pictures=False)
    assert result.pictures is None
    assert result.sound is not None


@pytest.mark.parametrize("pictures", [True, False])
def test_what_does_not_hold_what_is_asked_for_is_refused(tmp_path: Path, pictures: bool):
    path = MONOLOGUE if pictures else make_film(tmp_path / "film.mp4", sound=False)
    with pytest.raises(EngineError) as caught:
        probe(path, pictures=pictures)
    assert caught.value.code == ErrorCode.INPUT_INVALID
