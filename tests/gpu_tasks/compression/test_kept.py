"""What would not become smaller: kept if it may be, else a little less of it, else refused."""

from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.compression.compressor import NOTHING_TO_GAIN
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.compression.calls import compress, frames_of, refused
from tests.gpu_tasks.compression.test_draft import INTRA, tags_of
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.recordings import MONOLOGUE


def test_a_size_that_it_has_already_keeps_it(engine: Engine, film: Path, tmp_path: Path):
    result, path = compress(engine, tmp_path, film, "25MB")
    assert (result.kept_source, result.ssim) == (True, 1.0)
    assert all(np.array_equal(*pair) for pair in zip(frames_of(film), frames_of(path), strict=True))
    assert "+48" not in tags_of(path)


def test_what_is_packed_tighter_than_we_can_does_not_grow(
    engine: Engine, film: Path, tmp_path: Path
):
    source = tmp_path / "tight.mp4"
    ffmpeg.run(
        [
            "-i",
            film,
            "-t",
            "2",
            "-c:v",
            "libx264",
            "-crf",
            "51",
            "-b:a",
            "8k",
            "-map_metadata",
            "-1",
            "-chunk_duration",
            "9000000",
            source,
        ]
    )
    result, path = compress(engine, tmp_path / "1", source, "archive")
    assert (result.kept_source, result.ratio) == (True, 1.0)
    assert path.read_bytes() == source.read_bytes()
    for number, target in enumerate(["web", "25MB"], start=2):
        result, _ = compress(engine, tmp_path / str(number), source, target)
        assert result.kept_source
        assert 1.0 < result.ratio < 1.1


def test_a_size_larger_than_a_film_that_does_not_play_everywhere(engine: Engine, tmp_path: Path):
    source = make_film(tmp_path / "film.mkv", extra=INTRA)
    result, _ = compress(engine, tmp_path / "work", source, "25MB")
    assert (result.video_codec, result.kept_source) == ("h264", False)


@pytest.mark.parametrize("target", ["web", "archive"])
def test_what_would_grow_is_kept(engine: Engine, tmp_path: Path, target: str):
    source = make_film(tmp_path / "film.mp4", extra=("-crf", "40", "-movflags", "+faststart"))
    result, _ = compress(engine, tmp_path / "work", source, target)
    assert (result.kept_source, result.video_codec) == (True, "h264")


def test_what_would_grow_and_cannot_be_kept_is_refused(engine: Engine, tmp_path: Path):
    source = make_film(
        tmp_path / "film.webm", sound=False, extra=("-c:v", "libvpx", "-b:v", "1k", "-crf", "63")
    )
    assert refused(engine, tmp_path / "work", source, "archive") == NOTHING_TO_GAIN


@pytest.mark.parametrize("target", ["web", "archive", "25MB"])
@pytest.mark.parametrize("codec", [None, "av1"])
def test_sound_is_kept_in_a_container_that_takes_a_little_more(
    engine: Engine, tmp_path: Path, target: str, codec: str | None
):
    source = tmp_path / "short.aac"
    ffmpeg.run(["-i", MONOLOGUE, "-t", "3", "-b:a", "32k", source])
    request = codec if target != "25MB" else None
    result, path = compress(engine, tmp_path / "1", source, target, sound=True, codec=request)
    assert (result.kept_source, result.audio_codec) == (True, "aac")
    assert source.stat().st_size < result.size_bytes < source.stat().st_size + 2500
    with av.open(str(source)) as value, av.open(str(path)) as expected:
        sounds = [[bytes(entry) for entry in item.demux(audio=0)] for item in (value, expected)]
    header = 7  # of each frame, in ADTS
    assert [entry[header:] for entry in sounds[0]] == sounds[1]


def test_a_size_is_not_passed_by_what_is_kept(engine: Engine, tmp_path: Path):
    source = tmp_path / "short.aac"
    ffmpeg.run(["-i", MONOLOGUE, "-t", "3", "-b:a", "48k", source])
    size = source.stat().st_size + 10
    result, _ = compress(engine, tmp_path / "1", source, size, sound=True)
    assert result.size_bytes <= size
    assert not result.kept_source


@pytest.mark.parametrize("target", ["web", "archive", "25MB"])
@pytest.mark.parametrize("degrees", [90, 180])
def test_what_is_turned_is_made_upright_and_not_kept(
    engine: Engine, tmp_path: Path, target: str, degrees: int
):
    film = make_film(tmp_path / "film.mp4", size="320x180", seconds=3, extra=("-crf", "20"))
    source = turned(tmp_path / "turned.mp4", film, degrees)
    result, path = compress(engine, tmp_path / "work", source, target)
    sides = (180, 320) if degrees == 90 else (320, 180)
    assert (result.width, result.height, result.kept_source) == (*sides, False)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height, frame.rotation) == (*sides, 0)


def test_what_can_neither_be_made_smaller_upright_nor_be_kept_is_refused(
    engine: Engine, tmp_path: Path
):
    film = make_film(tmp_path / "film.mp4", sound=False, extra=("-crf", "45"))
    source = turned(tmp_path / "turned.mp4", film, 90)
    assert refused(engine, tmp_path / "work", source, "archive") == NOTHING_TO_GAIN


def test_what_mp4_does_not_hold_becomes_smaller_at_a_little_less_quality(
    engine: Engine, tmp_path: Path
):
    vp8 = ("-c:v", "libvpx", "-b:v", "900k", "-crf", "10", "-c:a", "libopus")
    source = make_film(tmp_path / "film.webm", size="320x180", seconds=2, extra=vp8)
    result, _ = compress(engine, tmp_path / "work", source, "archive")
    assert (result.kept_source, result.video_codec) == (False, "hevc")
    assert result.ratio < 1
