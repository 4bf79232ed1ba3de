"""Read text in pictures: the small networks of PP-OCRv6, run by RapidOCR.

Source: PP-OCR, https://arxiv.org/abs/2009.09941; models and code under Apache-2.0.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import cast

from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.video_query.contract import MAX_SEGMENT_TEXT, SpokenSegment

SIDE = 960
"""The longer side, in pixels, at which text is detected."""
SURE = 0.7
"""The recogniser's score, from 0 to 1, from which a line is reported."""
LEAST_LETTERS = 2
"""The least letters or digits of a line: single ones are misread from any corner."""
MAX_LINES = 20
"""Lines accepted of one picture, from its top."""
ALIKE = 0.8
"""Readings with at least this similarity (from 0 to 1, by difflib) count as the same line."""

Reading = tuple[str, ...]


@cache
def _get_reader() -> RapidOCR:
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # upside-down text is not searched
            "Global.text_score": SURE,
            "Det.limit_type": "max",
            "Det.limit_side_len": SIDE,
        }
    )


def read_lines(frame: Frame) -> Reading:
    """Return the lines of a picture from top to bottom."""
    output = cast(RapidOCROutput, _get_reader()(frame[..., ::-1]))  # RapidOCR expects BGR
    texts = (" ".join(text.split())[:MAX_SEGMENT_TEXT] for text in output.txts or ())
    return tuple(text for text in texts if len(_normalize(text)) >= LEAST_LETTERS)[:MAX_LINES]


def merge_readings(
    readings: Sequence[tuple[int, Reading]], duration_ms: int
) -> list[SpokenSegment]:
    """Return the lines of readings at given milliseconds, each once for as long as it is visible.

    A line ends at the next reading without it, and keeps its first spelling.
    """
    ends = [*(time_ms for time_ms, _ in readings[1:]), duration_ms]
    ended_lines: list[SpokenSegment] = []
    visible_lines: dict[str, SpokenSegment] = {}
    for (time_ms, reading), end in zip(readings, ends, strict=False):
        previous_lines, visible_lines = visible_lines, {}
        for key, text in {_normalize(text): text for text in reading}.items():
            matches = get_close_matches(key, previous_lines, n=1, cutoff=ALIKE)
            line = (
                previous_lines.pop(matches[0])
                if matches
                else SpokenSegment(start_ms=time_ms, end_ms=end, text=text)
            )
            visible_lines[key] = line.model_copy(update={"end_ms": end})
        ended_lines += previous_lines.values()
    return sorted([*ended_lines, *visible_lines.values()], key=lambda line: line.start_ms)


def _normalize(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
