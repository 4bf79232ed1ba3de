"""FFmpeg as a child: it is told of, and it is stopped."""

import time
from pathlib import Path

import psutil
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.errors import KilledError, StoppedError
from tests.gpu_tasks.films import make_film

ENDLESS = ["-f", "lavfi", "-re", "-i", "testsrc2=size=64x64:rate=10:duration=60"]


def children() -> list[psutil.Process]:
    return [item for item in psutil.Process().children() if "ffmpeg" in item.name()]


def test_progress_grows_to_the_whole(tmp_path: Path):
    shares: list[float] = []
    arguments = ["-f", "lavfi", "-re", "-i", "testsrc2=size=64x64:rate=10:duration=2"]
    ffmpeg.run([*arguments, tmp_path / "film.mp4"], seconds=2.0, progress=shares.append)
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert shares[-1] == pytest.approx(
        1.0, abs=0.11
    )  # a frame is 0.05, and encoders hold some back


def test_a_stop_kills_it(tmp_path: Path):
    def stop(_share: float) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        ffmpeg.run([*ENDLESS, tmp_path / "film.mp4"], seconds=60.0, progress=stop)
    assert children() == []


def test_a_failure_says_why(tmp_path: Path):
    with pytest.raises(ffmpeg.FFmpegFailedError, match="no-such-file"):
        ffmpeg.run(["-i", tmp_path / "no-such-file", tmp_path / "film.mp4"])


def test_somebody_elses_kill_is_no_failure_of_its_input(tmp_path: Path):
    def kill(_share: float) -> None:
        for child in children():
            child.kill()

    with pytest.raises(KilledError):
        ffmpeg.run([*ENDLESS, tmp_path / "film.mp4"], seconds=60.0, progress=kill)


def test_what_is_read_is_whole_or_fails(tmp_path: Path):
    film = make_film(tmp_path / "film.mp4", sound=False)
    arguments = [*ffmpeg.source(film), "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    with ffmpeg.read_output(arguments) as output:
        assert len(output.read()) == 160 * 90 * 25
    with pytest.raises(ffmpeg.FFmpegFailedError):
        with ffmpeg.read_output(["-i", tmp_path / "none", "-f", "rawvideo", "pipe:1"]) as output:
            output.read()


def test_leaving_early_kills_it():
    with ffmpeg.read_output([*ENDLESS, "-f", "rawvideo", "pipe:1"]) as output:
        output.read(1)
    assert children() == []


def write_on(path: Path) -> None:
    raw = ["-f", "rawvideo", "-s", "64x64", "-pix_fmt", "gray", "-i", "pipe:0"]
    begun = time.monotonic()
    with ffmpeg.write_input([*raw, path]) as sink:
        while time.monotonic() < begun + 60:
            sink.write(bytes(64 * 64))


def test_what_it_refuses_while_we_write_is_told(tmp_path: Path):
    with pytest.raises(ffmpeg.FFmpegFailedError, match="nowhere"):
        write_on(tmp_path / "nowhere" / "film.mp4")


def test_a_playlist_is_no_source(tmp_path: Path):
    film = make_film(tmp_path / "film.mp4")
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {film}\n")
    with pytest.raises(ffmpeg.FFmpegFailedError):
        ffmpeg.run([*ffmpeg.source(playlist), tmp_path / "out.mp4"])
