"""A hundred random timelines, frame by frame: the right frame is at the right time.

What is expected is reckoned from the clips' milliseconds alone, for the time of each frame and of
its neighbours: a frame of the film may be one early or late.
"""

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.render.contract import Clip
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline
from tests.gpu_tasks.render.conftest import CODED, SECONDS
from tests.gpu_tasks.render.films import Levels, levels_of, read_film

RATES = ("25", "30", "30000/1001", "24000/1001", "12", "50")
BLACK = levels_of(0, 0)
CLOSE = 0.12
"""By how much a block may be off, of the difference of black and white."""


def random_track(chance: random.Random, length_ms: int, sparse: bool) -> list[Clip]:
    """Clips, some after gaps, some dissolved into each other."""
    clips: list[Clip] = []
    at = chance.randrange(0, 600) if sparse else 0
    while at < length_ms:
        permille = chance.choice([1000, 1000, 1000, 500, 2000, 1337, 3000])
        duration = chance.randrange(150, 2500)
        duration = min(duration, int((SECONDS * 1000 - 200) * 1000 / permille))
        latest = int(SECONDS * 1000 - 100 - duration * permille / 1000)
        start = at
        if clips and chance.random() < 0.3:  # dissolve
            shortest = min(duration, clips[-1].end_ms - clips[-1].start_ms)
            start -= chance.randrange(0, max(1, shortest // 2))
            if len(clips) > 1:
                start = max(start, clips[-2].end_ms)
        source = chance.randrange(len(CODED))
        in_ms = chance.randrange(0, max(1, latest))
        clips.append(clip(source, start, start + duration, in_ms, speed_permille=permille))
        at = start + duration
        if sparse or chance.random() < 0.2:
            at += chance.randrange(0, 900)
    return clips


def sources_at(clip: Clip, at: Fraction, film_rate: Fraction) -> set[tuple[int, int]]:
    """Source and frames that a clip may show at a time in seconds."""
    rate = Fraction(CODED[clip.source][1])
    speed = Fraction(clip.speed_permille, 1000)
    seconds = Fraction(clip.in_ms, 1000) + (at - Fraction(clip.start_ms, 1000)) * speed
    now = int(seconds * rate)
    last = int(SECONDS * rate) - 1
    # What passes in a frame of the film, for the edges are rounded, and one frame of the source.
    near = 1 + int(speed * rate / film_rate)
    if CODED[clip.source][0].startswith("vfr"):
        near += 1
    return {
        (clip.source + 1, min(last, max(0, number))) for number in range(now - near, now + near + 1)
    }


def expected(
    tracks: list[list[Clip]], at: Fraction, rate: Fraction
) -> list[tuple[list[Levels], list[Levels]]]:
    """Return what each of two layers may show at a time."""
    for clips in reversed(tracks):
        there = [c for c in clips if c.start_ms <= at * 1000 < c.end_ms]
        if there:
            visible = [[levels_of(*item) for item in sources_at(c, at, rate)] for c in there[-2:]]
            return [(visible[0], visible[-1])]
    return [([BLACK], [BLACK])]


def fits(levels: Levels, tracks: list[list[Clip]], frame: int, rate: Fraction) -> bool:
    """Whether the frame is what it should be, or a blend of two such."""
    for near in (0, -1, 1, Fraction(-1, 2), Fraction(1, 2)):
        at = max(Fraction(0), (frame + near + Fraction(1, 2)) / rate)
        for below, above in expected(tracks, at, rate):
            for item in below:
                for other in above:
                    if is_blend(levels, item, other):
                        return True
    return False


def is_blend(levels: Levels, item: Levels, other: Levels) -> bool:
    way = other - item
    length = float(way @ way)
    share = min(1.0, max(0.0, float((levels - item) @ way) / length)) if length else 0.0
    return bool(np.abs(item + share * way - levels).max() < CLOSE)


@pytest.mark.parametrize("seed", range(100))
def test_the_right_frame_is_at_the_right_time(seed: int, coded: list[Path], studio: Studio):
    chance = random.Random(seed)
    rate = chance.choice(RATES)
    length_ms = 14_000 if seed % 20 == 0 else chance.randrange(1000, 3000)
    tracks = [
        random_track(chance, length_ms, sparse=position > 0)
        for position in range(chance.randint(1, 3))
    ]
    target = timeline(coded, *tracks)
    settings = output(frame_rate=rate, proxy=True)
    result, film = studio.render(target, settings, coded)
    frames = read_film(film)
    seconds = Fraction(target.duration_ms, 1000)
    assert abs(len(frames) - seconds * Fraction(rate)) <= Fraction(1, 2)
    assert result.stretches_made > 1 or length_ms < 14_000
    wrong = [
        number
        for number, levels in enumerate(frames)
        if not fits(levels, tracks, number, Fraction(rate))
    ]
    assert wrong == []
