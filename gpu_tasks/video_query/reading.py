"""Text in pictures: the small networks of PP-OCRv6, run by RapidOCR.

Source: PP-OCR, https://arxiv.org/abs/2009.09941; models and code under Apache-2.0.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import cast

from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.video_query.contract import MAX_SEGMENT_TEXT, Said

SIDE = 960
"""The longer side, in pixels, at which letters are looked for."""
SURE = 0.7
"""The reader's score, of 1, from which a line is told of."""
LEAST_LETTERS = 2
"""Letters or digits in a line: single ones are read into any corner."""
MAX_LINES = 20
"""Lines believed of one picture, from its top."""
ALIKE = 0.8
"""How much two readings share (of 1, by difflib) that are taken for the same line."""

Reading = tuple[str, ...]


@cache
def _reader() -> RapidOCR:
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # text upside down is not looked for
            "Global.text_score": SURE,
            "Det.limit_type": "max",
            "Det.limit_side_len": SIDE,
        }
    )


def read(frame: Frame) -> Reading:
    """The lines of a picture from top to bottom."""
    found = cast(RapidOCROutput, _reader()(frame[..., ::-1]))  # it takes BGR
    texts = (" ".join(text.split())[:MAX_SEGMENT_TEXT] for text in found.txts or ())
    return tuple(text for text in texts if len(_bare(text)) >= LEAST_LETTERS)[:MAX_LINES]


def lines(readings: Sequence[tuple[int, Reading]], duration_ms: int) -> list[Said]:
    """The lines of readings at given milliseconds, each once for as long as it stands.

    A line stands until the next reading without it, spelt as it was read first.
    """
    ends = [*(at for at, _ in readings[1:]), duration_ms]
    found: list[Said] = []
    standing: dict[str, Said] = {}
    for (at, reading), end in zip(readings, ends, strict=False):
        before, standing = standing, {}
        for bare, text in {_bare(text): text for text in reading}.items():
            same = get_close_matches(bare, before, n=1, cutoff=ALIKE)
            line = before.pop(same[0]) if same else Said(start_ms=at, end_ms=end, text=text)
            standing[bare] = line.model_copy(update={"end_ms": end})
        found += before.values()
    return sorted([*found, *standing.values()], key=lambda line: line.start_ms)


def _bare(text: str) -> str:
    return "".join(one for one in text.casefold() if one.isalnum())
