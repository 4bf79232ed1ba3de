"""Whole compressions with the draft engine."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.compression.compressor import NOTHING_TO_GAIN
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.draft import DraftEngine
from gpu_tasks.compression.encoders import Encoder
from gpu_tasks.compression.likeness import MEASUREMENT_SECONDS
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import StoppedError
from tests.gpu_tasks.compression.calls import compress, frames_of, refused, starts_at_once
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.mediakit.test_ffmpeg import children
from tests.gpu_tasks.mediakit.test_film import HDR, VARIABLE

INTRA = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")
"""A film that everything is smaller than."""


def tags_of(path: Path) -> str:
    """All that the file says of itself."""
    with av.open(str(path)) as container:
        return str([container.metadata, *(stream.metadata for stream in container.streams)])


def test_a_film_for_the_web(engine: Engine, film: Path, tmp_path: Path):
    result, path = compress(engine, tmp_path, film, "web")
    assert (result.video_codec, result.audio_codec) == ("h264", "aac")
    assert (result.width, result.height, result.kept_source) == (320, 180, False)
    assert result.ratio == pytest.approx(result.size_bytes / result.source_bytes, abs=1e-5)
    assert result.ratio < 0.5
    assert result.duration_ms == pytest.approx(3000, abs=60)
    assert 0.95 < result.ssim < 1.0
    assert starts_at_once(path)
    assert "+48" not in tags_of(path)
    assert "2026-05-01" not in tags_of(path)
    assert "Holiday" not in tags_of(path)


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("target", ["web", "archive"])
def test_another_codec_may_be_asked_for(
    engine: Engine, film: Path, tmp_path: Path, target: str, codec: Codec
):
    result, _ = compress(engine, tmp_path, film, target, codec=codec.value)
    assert result.video_codec == codec
    assert result.duration_ms == pytest.approx(3000, abs=60)
    assert result.ssim > (0.97 if target == "archive" else 0.93)


def test_a_codec_that_gains_nothing_is_refused(engine: Engine, film: Path, tmp_path: Path):
    _, small = compress(engine, tmp_path / "1", film, 40_000)
    assert refused(engine, tmp_path / "2", small, "archive", codec="av1") == NOTHING_TO_GAIN


def test_likeness_is_what_another_measure_says(engine: Engine, film: Path, tmp_path: Path):
    good, _ = compress(engine, tmp_path / "1", film, "archive")
    poor, path = compress(engine, tmp_path / "2", film, 40_000)
    assert good.ssim > 0.97 > 0.9 > poor.ssim
    assert (poor.width, poor.height) == (320, 180)
    pairs = list(zip(frames_of(film), frames_of(path), strict=True))
    similar = np.mean([np.corrcoef(item.ravel(), other.ravel())[0, 1] for item, other in pairs])
    assert poor.ssim < similar < 1.0


def test_a_film_for_an_archive(engine: Engine, film: Path, tmp_path: Path):
    result, path = compress(engine, tmp_path, film, "archive")
    assert (result.video_codec, result.audio_codec) == ("hevc", "aac")
    assert "+48" in tags_of(path)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("size", ["60kB", 40_000, 28_000])
def test_a_film_is_brought_under_a_size_and_near_it(
    engine: Engine, film: Path, tmp_path: Path, size: int | str
):
    result, path = compress(engine, tmp_path, film, size)
    maximum = 60_000 if size == "60kB" else size
    assert list(tmp_path.glob("pass*.log"))
    assert not list(Path().glob("*2pass*"))
    assert 0.75 * maximum < result.size_bytes <= maximum
    assert (result.video_codec, result.audio_codec) == ("h264", "aac")
    assert "+48" not in tags_of(path)


def test_what_hardly_compresses_is_brought_under_a_size_by_more_tries(
    engine: Engine, tmp_path: Path
):
    noise = tmp_path / "noise.mp4"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "nullsrc=size=160x90:rate=25:duration=1,geq=random(1)*255:128:128",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "10",
            noise,
        ]
    )
    result, _ = compress(engine, tmp_path / "work", noise, 20_000)
    assert result.size_bytes <= 20_000
    assert result.audio_codec is None


def test_a_size_too_small_names_the_least_and_that_is_reached(
    engine: Engine, film: Path, tmp_path: Path
):
    message = refused(engine, tmp_path / "1", film, 10_000)
    number, unit = message.rstrip(".").split()[-2:]
    assert unit == "kB"
    result, _ = compress(engine, tmp_path / "2", film, int(number) * 1000)
    assert result.size_bytes <= int(number) * 1000


@pytest.mark.parametrize("target", ["web", "archive", 60_000])
def test_a_turned_film_is_upright(engine: Engine, film: Path, tmp_path: Path, target: object):
    source = turned(tmp_path / "turned.mp4", film, 90)
    result, path = compress(engine, tmp_path / "work", source, target)
    assert (result.width, result.height) == (180, 320)
    output = frames_of(path)[0].astype(int)
    assert output.shape == (320, 180)
    assert np.abs(output - np.rot90(frames_of(film)[0])).mean() < 12
    assert result.ssim > 0.9


def test_odd_sizes_become_even(engine: Engine, tmp_path: Path):
    source = make_film(
        tmp_path / "film.mkv", size="321x181", extra=(*INTRA, "-pix_fmt", "yuvj444p")
    )
    for target in ("web", "archive"):
        result, _ = compress(engine, tmp_path / target, source, target)
        assert (result.width, result.height) == (320, 180)
        assert result.ssim > 0.9


@pytest.mark.parametrize("target", ["web", 50_000])
def test_a_variable_rate_keeps_its_times(engine: Engine, tmp_path: Path, target: object):
    source = make_film(
        tmp_path / "film.mp4", size="320x180", seconds=3, extra=(*VARIABLE, "-crf", "8")
    )
    result, path = compress(engine, tmp_path / "work", source, target)

    def times(film: Path) -> list[float]:
        with av.open(str(film)) as container:
            return [frame.time for frame in container.decode(video=0)]

    assert times(path) == pytest.approx(times(source), abs=0.002)
    assert result.ssim > 0.9


@pytest.mark.parametrize(("target", "form"), [("web", "yuv420p"), ("archive", "yuv420p10le")])
def test_high_range(engine: Engine, tmp_path: Path, target: str, form: str):
    source = make_film(tmp_path / "film.mp4", extra=(*HDR, "-crf", "2"))
    result, path = compress(engine, tmp_path / "work", source, target)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == form
        assert int(context.color_trc) == (1 if target == "web" else 16)
    assert result.ssim > 0.9


def test_subtitles_and_covers_are_dropped(engine: Engine, film: Path, tmp_path: Path):
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nHello\n")
    source, cover = tmp_path / "film.mkv", tmp_path / "cover.png"
    ffmpeg.run(["-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", cover])
    ffmpeg.run(
        [
            "-i",
            film,
            "-i",
            tmp_path / "words.srt",
            "-map",
            "0",
            "-map",
            "1",
            "-c",
            "copy",
            "-c:s",
            "srt",
            "-attach",
            cover,
            "-metadata:s:t",
            "mimetype=image/png",
            source,
        ]
    )
    result, path = compress(engine, tmp_path / "work", source, "web")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    assert result.width == 320


def test_a_single_picture_of_a_film(engine: Engine, tmp_path: Path):
    extra = (*INTRA, "-frames:v", "1")
    source = make_film(tmp_path / "film.mkv", size="320x180", sound=False, extra=extra)
    result, _ = compress(engine, tmp_path / "work", source, "web")
    assert result.audio_codec is None
    assert result.duration_ms == pytest.approx(40, abs=10)


def test_a_film_whose_header_does_not_say_how_long_it_is(
    engine: Engine, film: Path, tmp_path: Path
):
    source = tmp_path / "film.h264"
    ffmpeg.run(["-i", film, "-an", "-c", "copy", source])
    result, _ = compress(engine, tmp_path / "work", source, 30_000)
    assert result.size_bytes <= 30_000
    assert result.duration_ms == pytest.approx(3000, abs=100)


@pytest.mark.parametrize("suffix", ["mp4", "h264"])
def test_the_middle_of_a_long_film_is_measured(engine: Engine, tmp_path: Path, suffix: str):
    source = make_film(
        tmp_path / f"film.{suffix}",
        size="64x48",
        rate="4",
        seconds=1.1 * MEASUREMENT_SECONDS,
        sound=False,
        extra=("-crf", "4", "-g", "20"),
    )
    result, _ = compress(engine, tmp_path / "work", source, "web")
    assert 0.9 < result.ssim < 1.0


@pytest.mark.parametrize("target", ["web", "archive", 50_000])
def test_progress_grows_to_the_end(engine: Engine, film: Path, tmp_path: Path, target: object):
    reports: list[float] = []
    compress(engine, tmp_path, film, target, progress=reports.append)
    assert all(item <= following for item, following in itertools.pairwise(reports))
    assert 0.0 < reports[0] < reports[-1] == 1.0


@pytest.mark.parametrize("target", ["archive", 300_000])
def test_a_cancelled_call_leaves_no_process(engine: Engine, tmp_path: Path, target: object):
    source = make_film(tmp_path / "film.mp4", size="960x540", seconds=8, extra=("-g", "250"))
    running = []

    def stop(_share: float) -> None:
        running.extend(children())
        raise StoppedError

    with pytest.raises(StoppedError):
        compress(engine, tmp_path / "work", source, target, progress=stop)
    assert running
    assert children() == []


class Broken(DraftEngine):
    """A machine whose hardware worked when it was tried, and no longer does."""

    def choose_encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        return Encoder("h264_of_a_lost_device", ())


def test_where_hardware_fails_software_does_it(film: Path, tmp_path: Path):
    engine = Broken()
    result, _ = compress(engine, tmp_path, film, "web")
    assert result.video_codec == "h264"


def test_a_draft_says_that_it_is_one(engine: Engine):
    assert engine.info.name == "draft"
