"""Sources that are damaged: who is to blame, and what of it is told."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Format, Output
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline


def refused(studio: Studio, file: Path, settings: Output | None = None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        studio.render(timeline([file], [clip(0, 0, 5000)]), settings or output(), [file])
    return caught.value


@pytest.mark.parametrize("content", [b"", b"no film", b"\0" * 5000])
def test_what_is_no_film_is_refused_by_its_name(content: bytes, studio: Studio, tmp_path: Path):
    file = tmp_path / "holiday.mp4"
    file.write_bytes(content)
    error = refused(studio, file)
    assert error.code is ErrorCode.INPUT_INVALID
    assert "holiday.mp4" in error.message


def with_noise(film: Path) -> bytes:
    """Return a film with noise in place of all but its beginning and the index at its end."""
    content = bytearray(film.read_bytes())
    begin = content.index(b"mdat") + 30_000
    rng = np.random.default_rng(1)
    content[begin:-50_000] = rng.integers(0, 256, len(content[begin:-50_000]), np.uint8).tobytes()
    return bytes(content)


def test_a_film_of_noise_is_refused_by_its_name(studio: Studio, spoken: Path, tmp_path: Path):
    file = tmp_path / "noise.mp4"
    file.write_bytes(with_noise(spoken))
    with pytest.raises(EngineError, match="INPUT_INVALID") as caught:
        studio.render(timeline([file], [clip(0, 0, 5000, 10_000)]), output(proxy=True), [file])
    assert "noise.mp4" in caught.value.message


def test_only_the_file_that_cannot_be_decoded_is_named(
    studio: Studio, spoken: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(with_noise(spoken))
    expected = timeline([spoken, bad], [clip(0, 0, 2000)], [clip(1, 0, 2000, 10_000)])
    with pytest.raises(EngineError, match="INPUT_INVALID") as caught:
        studio.render(expected, output(proxy=True), [spoken, bad])
    assert caught.value.message == "The media file 'bad.mp4' cannot be decoded."
    assert "FFmpeg ended with" in caplog.text
    assert str(studio.root) not in caplog.text
    assert "bad.mp4" not in caplog.text


def test_a_fault_of_ours_is_logged_and_no_files(
    studio: Studio, spoken: Path, caplog: pytest.LogCaptureFixture
):
    """An encoder refuses such sides: no file is to blame."""
    settings = output().model_copy(update={"width": 97, "height": 49})
    with pytest.raises(EngineError, match="MODEL_ERROR"):
        studio.render(timeline([spoken], [clip(0, 0, 1000)]), settings, [spoken])
    assert "FFmpeg ended with" in caplog.text
    assert str(studio.root) not in caplog.text
    assert spoken.name not in caplog.text


def torn_film(path: Path, whole: Path, share: float) -> Path:
    """Write the beginning of a film whose index comes first, as after an interrupted transfer."""
    ffmpeg.run(["-i", whole, "-c", "copy", "-movflags", "+faststart", path])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


TORN = ("torn.mp4", "torn.mkv", "torn.mov", "torn.flv")


@pytest.mark.parametrize("name", TORN)
@pytest.mark.parametrize(("begin_ms", "end_ms"), [(0, 20_000), (9000, 14_000), (15_000, 15_200)])
def test_a_clip_of_which_most_is_torn_off_is_refused(
    name: str, begin_ms: int, end_ms: int, studio: Studio, spoken: Path, tmp_path: Path
):
    file = torn_film(tmp_path / name, spoken, 0.45)
    for speed in (1, 2):
        item = clip(0, 0, (end_ms - begin_ms) // speed, begin_ms, speed_permille=speed * 1000)
        with pytest.raises(EngineError, match="INPUT_INVALID") as caught:
            studio.render(timeline([file], [item]), output(proxy=True), [file])
        assert name in caught.value.message


@pytest.mark.parametrize("name", TORN)
@pytest.mark.parametrize(
    ("share", "begin_ms", "end_ms"),
    [
        (0.45, 0, 5000),
        (0.55, 5000, 10_000),
        (0.7, 0, 20_000),
        (0.97, 19_800, 20_000),
        (0.97, 0, 30_000),
        (1.0, 19_000, 40_000),
        (1.0, 25_000, 26_000),
    ],
)
def test_what_is_there_of_a_torn_film_is_shown(
    name: str,
    share: float,
    begin_ms: int,
    end_ms: int,
    studio: Studio,
    spoken: Path,
    tmp_path: Path,
):
    file = torn_film(tmp_path / name, spoken, share)
    expected = timeline([file], [clip(0, 0, end_ms - begin_ms, begin_ms)])
    result, _ = studio.render(expected, output(proxy=True), [file])
    assert result.duration_ms == end_ms - begin_ms


def test_a_clip_whose_sound_is_torn_off_is_refused(studio: Studio, spoken: Path, tmp_path: Path):
    file = tmp_path / "torn.m4a"
    ffmpeg.run(["-i", spoken, "-vn", "-c", "copy", "-movflags", "+faststart", file])
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    settings = output(format=Format.M4A)
    heard = timeline([file], [clip(0, 0, 5000, sounds=True)])
    assert studio.render(heard, settings, [file])[0].has_sound
    lost = timeline([file], [clip(0, 0, 5000, 12_000, sounds=True)])
    with pytest.raises(EngineError, match="INPUT_INVALID"):
        studio.render(lost, settings, [file])


SPARSE = ("-vf", "select='lt(n,3)+eq(n,250)'", "-fps_mode", "vfr", "-t", "20")
RARE = ("-r", "1/4")
SHORT_SOUND, SHORT_PICTURES = ("-filter:a", "atrim=end=3"), ("-vf", "trim=end=5")


@pytest.mark.parametrize(
    ("suffix", "extra"),
    [
        ("mp4", SHORT_PICTURES),
        ("mkv", SPARSE),
        ("mkv", SHORT_PICTURES),
        ("avi", RARE),
        ("flv", SHORT_SOUND),
        ("ogv", SPARSE),
        ("ogv", RARE),
        ("wmv", SHORT_PICTURES),
    ],
)
def test_streams_that_are_sparse_or_end_early_are_not_torn(
    suffix: str, extra: tuple[str, ...], studio: Studio, spoken: Path, tmp_path: Path
):
    file = tmp_path / f"odd.{suffix}"
    ffmpeg.run(["-i", spoken, *extra, file])
    clips = [clip(0, 0, 20_000, sounds=True), clip(0, 20_000, 21_000, 18_000, sounds=True)]
    result, _ = studio.render(timeline([file], clips), output(proxy=True), [file])
    assert (result.duration_ms, result.has_sound) == (21_000, True)


def test_a_recording_without_a_length_holds_its_last_picture(
    studio: Studio, spoken: Path, tmp_path: Path
):
    """As browsers write it: what comes behind the last picture is sound alone."""
    file = tmp_path / "recorded.webm"
    picture = ["-vf", "trim=end=5", "-c:v", "libvpx", "-deadline", "realtime"]
    with ffmpeg.read_output(["-i", spoken, *picture, "-f", "webm", "pipe:1"]) as written:
        file.write_bytes(written.read())
    expected = timeline([file], [clip(0, 0, 1000, 18_000, sounds=True)])
    result, _ = studio.render(expected, output(proxy=True), [file])
    assert result.has_sound
