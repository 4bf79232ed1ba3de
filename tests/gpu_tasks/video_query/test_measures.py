"""How often pictures are read."""

from itertools import pairwise
from pathlib import Path

import pytest

from gpu_tasks.mediakit import film as films
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.video_query.measures import MAX_LOOKS, RATE, Measures, measure_film
from gpu_tasks.video_query.text_recognition import Reading
from tests.gpu_tasks.films import make_film


def watched(path: Path) -> tuple[Measures, int]:
    """Measure a film with a different text in each picture; return also how many were read."""
    count = 0

    def read(_: Frame) -> Reading:
        nonlocal count
        count += 1
        return (str(count) * 9,)

    seen = measure_film(films.probe(path, max_side=64, frame_rate=RATE), lambda _: None, read=read)
    return seen, count


def test_pictures_are_read_each_second(silent: Path):
    seen, count = watched(silent)
    assert [line.start_ms for line in seen.text] == [0, 1000, 2000, 3000, 4000, 5000]
    assert count == 6


@pytest.mark.parametrize(("seconds", "apart"), [(MAX_LOOKS, 1000), (MAX_LOOKS + 1, 1100)])
def test_long_films_are_read_less_often(tmp_path: Path, seconds: int, apart: int):
    film = make_film(tmp_path / "film.mp4", size="32x32", rate="1", seconds=seconds, sound=False)
    text = watched(film)[0].text
    assert len(text) <= MAX_LOOKS
    assert {after.start_ms - before.start_ms for before, after in pairwise(text)} == {apart}


def test_nothing_is_read_where_nobody_asks(silent: Path):
    film = films.probe(silent, max_side=64, frame_rate=RATE)
    assert measure_film(film, lambda _: None).text == []
