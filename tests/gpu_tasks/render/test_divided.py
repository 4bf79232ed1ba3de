"""Clips divided within their fades, rendered: the same pictures and samples, bit for bit."""

import random
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Clip, Format
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline
from tests.properties import LONG

STEP_MS = 1001
"""A whole number of frames at each of the rates."""
RATES = ("30000/1001", "24000/1001", "60000/1001")
NOT_HEARD_DB = 1e-9
"""A gain that changes no sample; what differs by it stays two clips."""


def divided(whole: Clip, at: list[int]) -> list[Clip]:
    """Its parts, none of which is taken for a part of another."""
    edges = [whole.start_ms, *sorted(at), whole.end_ms]
    parts = []
    for number, (begin, end) in enumerate(pairwise(edges)):
        before, behind = begin - whole.start_ms, whole.end_ms - end
        comes, goes = before < whole.fade_in_ms, behind < whole.fade_out_ms
        times = {
            "start_ms": begin,
            "end_ms": end,
            "in_ms": whole.in_ms + before,
            "fade_in_ms": whole.fade_in_ms * comes,
            "fade_in_offset_ms": before * comes,
            "fade_out_ms": whole.fade_out_ms * goes,
            "fade_out_offset_ms": behind * goes,
            "gain_db": number % 2 * NOT_HEARD_DB,
        }
        parts.append(whole.model_copy(update=times))
    return parts


def drawn(seed: int) -> tuple[Clip, list[int], str]:
    """Return a clip with fades, some longer than the clip, and the times at which it is divided.

    It is over before a segment may end: where another begins, the encoder begins anew.
    """
    chance = random.Random(seed)
    start, length = chance.randrange(2) * STEP_MS, chance.randrange(1, 3) * STEP_MS
    fades = {name: chance.randrange(7) * STEP_MS for name in ("fade_in_ms", "fade_out_ms")}
    whole = clip(0, start, start + length, chance.randrange(2) * STEP_MS, sounds=True, **fades)
    cuts = [chance.randrange(start + 1, start + length) for _ in range(chance.randint(1, 5))]
    return whole, sorted(set(cuts)), chance.choice(RATES)


SEEDS = range(60 if LONG else 3)


@pytest.mark.property
@pytest.mark.parametrize("seed", SEEDS)
def test_pictures_of_parts_are_those_of_the_whole(seed: int, coded: list[Path], studio: Studio):
    whole, cuts, rate = drawn(seed)
    files, settings = [coded[seed % len(coded)]], output(frame_rate=rate, proxy=True)
    below = [clip(0, 0, whole.end_ms, 2000)]
    films = [
        studio.render(timeline(files, below, parts), settings, files)[1]
        for parts in ([whole], divided(whole, cuts))
    ]
    first, second = map(pictures, films)
    assert np.array_equal(first, second)


def pictures(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([item.to_ndarray() for item in container.decode(video=0)])


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    ffmpeg.run(["-f", "lavfi", "-i", "anoisesrc=r=48000:d=8:seed=1:amplitude=0.5", path])
    return path


@pytest.mark.property
@pytest.mark.parametrize("seed", SEEDS)
def test_samples_of_parts_are_those_of_the_whole(seed: int, noise: Path, studio: Studio):
    whole, cuts, rate = drawn(100 + seed)
    settings = output(format=Format.MOV, frame_rate=rate, proxy=True)
    first, second = (
        samples(studio.render(timeline([noise], parts), settings, [noise])[1])
        for parts in ([whole], divided(whole, cuts))
    )
    assert np.array_equal(first, second)
    assert first.any() or whole.fade_in_ms > 0


def samples(path: Path) -> NDArray[np.int32]:
    with av.open(str(path)) as container:
        return np.concatenate([item.to_ndarray() for item in container.decode(audio=0)], axis=1)


def test_a_fade_longer_than_its_clip_is_not_reached(studio: Studio, noise: Path):
    """A quarter of it is heard: half of the fade lies before the clip, a quarter behind."""
    fade = {"fade_in_ms": 4004, "fade_in_offset_ms": 2002}
    settings = output(format=Format.MOV, frame_rate=RATES[0], proxy=True)
    plain, faded = (
        samples(
            studio.render(
                timeline([noise], [clip(0, 0, STEP_MS, sounds=True, **more)]), settings, [noise]
            )[1]
        ).astype(np.float64)
        for more in ({}, fade)
    )
    begin, end = (
        np.abs(faded[:, at]).sum() / np.abs(plain[:, at]).sum()
        for at in (
            slice(0, 480),
            slice(-480, None),
        )
    )
    assert (begin, end) == pytest.approx((0.5, 0.75), abs=0.01)


@pytest.mark.parametrize("side", ["in", "out"])
def test_a_fade_has_a_part_within_its_clip(side: str):
    fade = {f"fade_{side}_ms": 500, f"fade_{side}_offset_ms": 499}
    assert clip(0, 0, 1000, **fade)
    for wrong in ({f"fade_{side}_offset_ms": 500}, {f"fade_{side}_ms": 0}):
        with pytest.raises(ValidationError):
            clip(0, 0, 1000, **fade | wrong)
