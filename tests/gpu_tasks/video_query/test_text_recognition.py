"""Text in pictures: read, and followed from one reading to the next."""

import cv2
import numpy as np
import pytest

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.video_query.contract import SpokenSegment
from gpu_tasks.video_query.text_recognition import (
    ALIKE,
    LEAST_LETTERS,
    MAX_LINES,
    merge_readings,
    read_lines,
)


def picture(*texts: str, size: tuple[int, int] = (360, 640)) -> Frame:
    frame = np.full((*size, 3), (90, 60, 40), np.uint8)
    scale = max(1, size[1] // 640)
    for index, text in enumerate(texts):
        position = (20, 40 * scale + index * size[0] // (len(texts) + 1))
        font = cv2.FONT_HERSHEY_DUPLEX
        cv2.putText(frame, text, position, font, 0.8 * scale, (255,) * 3, scale, cv2.LINE_AA)
    return frame


def line(text: str, start_ms: int, end_ms: int) -> SpokenSegment:
    return SpokenSegment(start_ms=start_ms, end_ms=end_ms, text=text)


def test_lines_are_read_from_top_to_bottom():
    assert read_lines(picture("Summer sale 50% off", "Open daily from 9 to 5")) == (
        "Summer sale 50% off",
        "Open daily from 9 to 5",
    )


@pytest.mark.parametrize("size", [(640, 360), (91, 401), (1080, 1920)])
def test_pictures_of_any_size_are_read(size: tuple[int, int]):
    assert read_lines(picture("Summer sale", size=size)) == ("Summer sale",)


def test_nothing_is_read_where_nothing_is_written():
    noise = np.random.default_rng(1).integers(0, 255, (360, 640, 3), np.uint8)
    assert read_lines(noise) == ()
    assert read_lines(picture()) == ()


def test_single_letters_are_not_told():
    assert LEAST_LETTERS == 2
    assert read_lines(picture("X")) == ()
    assert read_lines(picture("OK")) == ("OK",)


def test_so_many_lines_are_believed_of_a_picture():
    texts = [f"Line number {index}" for index in range(MAX_LINES + 2)]
    assert read_lines(picture(*texts, size=(1000, 640))) == tuple(texts[:MAX_LINES])


def test_a_line_stands_until_the_first_reading_without_it():
    readings = [(0, ("one here",)), (1000, ("one here", "and two")), (2000, ("and two",))]
    assert merge_readings(readings, 2500) == [
        line("one here", 0, 2000),
        line("and two", 1000, 2500),
    ]


def test_a_line_that_comes_back_is_told_again():
    readings = [(0, ("hello",)), (1000, ()), (2000, ("hello",))]
    assert merge_readings(readings, 3000) == [line("hello", 0, 1000), line("hello", 2000, 3000)]


def test_a_line_stays_one_where_letters_are_misread():
    readings = [(0, ("Summer sale",)), (1000, ("Sumrner sale",)), (2000, ("Summer  sale",))]
    assert merge_readings(readings, 3000) == [line("Summer sale", 0, 3000)]


@pytest.mark.parametrize(("other", "count"), [("0123X", 1), ("012XX", 2)])
def test_lines_that_share_less_are_two(other: str, count: int):
    assert ALIKE == 0.8
    assert len(merge_readings([(0, ("01234",)), (1000, (other,))], 2000)) == count


def test_nothing_stands_where_nothing_was_read():
    assert merge_readings([], 1000) == []
    assert merge_readings([(0, ())], 1000) == []
