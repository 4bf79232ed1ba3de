"""Stills at even distances."""

from pathlib import Path

import pytest

from gpu_tasks.mediakit import ffmpeg, film
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.video_query.sampling import MAX_FRAMES, MIN_FRAMES, Still, list_times, read_stills
from tests.gpu_tasks.films import make_film, turned


def taken(path: Path, max_side: int = 160) -> list[Still]:
    return read_stills(film.probe(path, max_side=max_side), lambda _share: None)


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.1, MIN_FRAMES), (1.0, MIN_FRAMES), (6.0, 12), (3600.0, MAX_FRAMES)]
)
def test_short_films_are_sampled_more_densely(seconds: float, count: int):
    result = list_times(seconds)
    assert len(result) == count
    assert result == sorted(result)
    assert result[0] == pytest.approx(seconds / count / 2)
    assert result[-1] == pytest.approx(seconds - seconds / count / 2)


def test_each_still_shows_its_time(silent: Path):
    result = taken(silent)
    assert len(result) == 12
    visible = {2.25: "white", 2.75: "white", 5.25: "black", 5.75: "black", 0.25: "red"}
    for still in result:
        mean = still.frame.mean(axis=(0, 1))
        if visible.get(still.seconds) == "white":
            assert mean.min() > 250
        if visible.get(still.seconds) == "black":
            assert mean.max() < 5
        if visible.get(still.seconds) == "red":
            assert mean[0] > 200
            assert mean[1:].max() < 40


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_shortest_films_have_stills(tmp_path: Path, frames: int):
    path = make_film(tmp_path / "film.mp4", seconds=frames / 25, sound=False)
    assert len(taken(path)) == MIN_FRAMES


def test_stills_are_upright_and_no_larger_than_asked(tmp_path: Path):
    path = turned(tmp_path / "turned.mp4", make_film(tmp_path / "film.mp4", size="160x90"), 90)
    assert {still.frame.shape for still in taken(path, max_side=80)} == {(80, 44, 3)}


def test_a_film_without_a_duration_is_read_from_its_start(tmp_path: Path):
    output = make_film(tmp_path / "film.mp4", seconds=3.0, sound=False)
    raw = tmp_path / "film.h264"
    ffmpeg.run(["-i", output, "-c", "copy", raw])
    assert film.probe(raw).duration_seconds == 0
    assert [still.seconds for still in taken(raw)] == [0.0, 1.0, 2.0]


def test_a_film_that_breaks_off_early_is_refused(tmp_path: Path):
    path = make_film(tmp_path / "film.mkv", seconds=8.0, sound=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    with pytest.raises(EngineError) as caught:
        taken(path)
    assert caught.value.code == ErrorCode.INPUT_INVALID


def test_taking_them_can_be_stopped(silent: Path):
    reports: list[float] = []

    def stop(share: float) -> None:
        reports.append(share)
        if share > 0.3:
            raise StoppedError

    with pytest.raises(StoppedError):
        read_stills(film.probe(silent), stop)
    assert reports == sorted(reports)
