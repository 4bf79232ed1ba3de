"""The sound of any timeline is that of a mixer in a few lines of NumPy.

Each recording is a tone that rises steadily, in a range of its own: what is heard tells which
recording it is, and which time of it. At their own speed clips are compared sample by sample;
at another they sound as tones that rise faster or slower, where phases are the engine's own.
"""

import math
import tempfile
import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Format
from gpu_tasks.render.contract.segments import plan_render
from gpu_tasks.render.sound import HEADROOM_DB
from media.models import MediaFile
from projects.rendering import timelines
from projects.timeline.content import Content, effect_of, end_of, speed_permille
from tests.gpu_tasks.render.calls import Studio, output
from tests.projects.timeline.films import SECONDS, films
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, clip, content, track
from tests.properties import examples

RATE = 48_000
AMPLITUDE = 0.1
RISE = 250
"""Hertz per second of a recording."""
LOWEST = {MEDIA: 400, OTHER_MEDIA: 4400}
RATES_OF_FILES = {MEDIA: 48_000, OTHER_MEDIA: 44_100}
SAME = 5e-3
"""How far samples may lie apart: what is left of resampling, and of rounding to 16 bits."""
WINDOW = 4096
SLIP = 0.2
"""By how many seconds tempo may have moved what is heard in a window."""

Signal = NDArray[np.float64]
Clip = dict[str, Any]


def tone(media: str, at: float, speed: float, length: int, rate: int = RATE) -> Signal:
    """A recording from ``at`` seconds on: as fast as wanted, and no higher for it."""
    passed = np.arange(length) / rate
    turns = (LOWEST[media] + RISE * at) * passed + RISE * speed * passed**2 / 2
    turns += at * (LOWEST[media] + RISE * at / 2)
    waves: Signal = AMPLITUDE * np.sin(2 * np.pi * turns)
    return waves


def mixed(tracks: Sequence[dict[str, Any]], fps: Fraction) -> tuple[Signal, Signal, Signal]:
    """What is to be heard exactly so, what else, and how many of each recording play the latter.

    Clips at another speed are heard with phases of their own, and all are moved by up to a sample
    where frames are no whole number of samples.
    """

    def sample(at_ms: float) -> int:
        return round(math.floor(Fraction(at_ms) * fps / 1000 + Fraction(1, 2)) * RATE / fps)

    all_clips = [
        (track_row["type"], clip_row) for track_row in tracks for clip_row in track_row["clips"]
    ]
    size = sample(max(end_of(clip_row) for _, clip_row in all_clips))
    exact, other, other_items = np.zeros(size), np.zeros(size), np.zeros((len(LOWEST), size))
    for track_row in tracks:
        for clip_row, level in zip(
            track_row["clips"], _levels(track_row["clips"], sample), strict=True
        ):
            first, speed = (
                sample(clip_row["start_ms"]),
                speed_permille(clip_row["effects"]) / 1000,
            )
            for kind, played in all_clips:
                if kind == "audio" != track_row["type"] and _same(played, clip_row):
                    begin, end = (sample(at) - first for at in (played["start_ms"], end_of(played)))
                    level[max(0, begin) : max(0, end)] = 0  # its sound has been detached
            span = slice(first, first + level.size)
            heard = level * tone(
                clip_row["media_file_id"], clip_row["in_point_ms"] / 1000, speed, level.size
            )
            if speed == 1 and (RATE / fps).denominator == 1:
                exact[span] += heard
            else:
                other[span] += heard
                other_items[sorted(LOWEST).index(clip_row["media_file_id"]), span] += 1
    return exact, other, other_items


def _levels(clips: Sequence[Clip], sample: Callable[[float], int]) -> list[Signal]:
    """How loud each is; those that overlap are dissolved at equal power."""
    levels = [_level(clip_row, sample) for clip_row in clips]
    for (before, level), (after, louder) in pairwise(zip(clips, levels, strict=True)):
        overlap = sample(end_of(before)) - sample(after["start_ms"])
        if overlap > 0:
            turn = np.arange(overlap) / overlap * np.pi / 2
            level[-overlap:] *= np.cos(turn)
            louder[:overlap] *= np.sin(turn)
    return levels


def _level(played: Clip, sample: Callable[[float], int]) -> Signal:
    """Its gain, and its fades in amplitude."""
    first, last = sample(played["start_ms"]), sample(end_of(played))
    level, at = np.ones(last - first), np.arange(first, last)
    for kind in ("fade_in", "fade_out"):
        if fade := effect_of(played["effects"], kind):
            length, outside_ms = sample(fade["duration_ms"]), fade.get("offset_ms", 0)
            begun = at - sample(played["start_ms"] - outside_ms)
            remaining = sample(end_of(played) + outside_ms) - 1 - at
            level *= np.clip((begun if kind == "fade_in" else remaining) / max(1, length), 0, 1)
    gain = (effect_of(played["effects"], "gain") or {"db": 0})["db"]
    return level * (10 ** (gain / 20) if gain > -60 else 0)


def _same(one: Clip, other: Clip) -> bool:
    return bool(one["media_file_id"] == other["media_file_id"])


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One in stereo, and one in mono at another rate; both longer than what is played."""
    folder = tmp_path_factory.mktemp("recordings")
    for media, channels in ((MEDIA, 2), (OTHER_MEDIA, 1)):
        rate = RATES_OF_FILES[media]
        samples = np.round(tone(media, 0, 1, (SECONDS + 1) * rate, rate) * 32768).astype("<i2")
        with wave.open(str(folder / f"{media}.wav"), "wb") as file:
            file.setparams((channels, 2, rate, 0, "NONE", ""))
            file.writeframes(np.repeat(samples, channels).tobytes())
    return [folder / f"{media}.wav" for media in sorted(LOWEST)]


def rendered(film: Content, rate: str, files: Sequence[Path]) -> Signal:
    """What the engine mixes, before it is encoded: one row for each channel."""
    media = {
        first: MediaFile(name=first, r2_key=first, metadata={"has_audio": True})
        for first in sorted(LOWEST)
    }
    expected = timelines._build_timeline({"tracks": film.tracks}, media, with_captions=False)
    settings = output(format=Format.M4A, frame_rate=rate)
    segments = plan_render(expected, settings).sound
    if not segments:
        return np.zeros((2, 0))
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder))
        studio.render(expected, settings, files)
        parts = []
        for segment in segments:
            source = ["-i", studio.kept[segment.name], "-f", "f32le", "pipe:1"]
            with ffmpeg.read_output(source) as sound:
                parts.append(np.frombuffer(sound.read(), np.float32))
    whole: Signal = np.concatenate(parts).astype(np.float64).reshape(-1, 2).T
    return whole * 10 ** (HEADROOM_DB / 20)


def windows(signal: Signal) -> Signal:
    """What is compared at once."""
    return np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[:: WINDOW // 2]


def spectra(signal: Signal) -> Signal:
    """The power of each frequency, window by window."""
    power: Signal = np.abs(np.fft.rfft(windows(signal) * np.hanning(WINDOW))) ** 2
    return power


def check(film: Content, rate: str, files: Sequence[Path]) -> None:
    """Compare what is rendered with what the mixer makes."""
    exact, other, other_items = mixed(film.tracks, Fraction(rate))
    heard = rendered(film, rate, files)
    if not heard.size:
        assert not exact.any()
        assert not other.any()
        return
    assert heard.shape == (2, exact.size)
    assert np.abs(heard[0] - heard[1]).max() < SAME
    rest = heard[0] - exact
    assert np.abs(rest * (other_items.max(axis=0) == 0)).max() < SAME
    # Two of the same recording may sound at the same pitch, and their phases decide how loudly.
    alone = windows(other_items.max(axis=0)).max(axis=1) <= 1
    results, expected = spectra(rest)[alone], spectra(other)[alone]
    loud = expected.sum(axis=1) > expected.sum(axis=1).max(initial=0) / 10
    if loud.any():
        compare(results[loud], expected[loud])


def compare(found: Signal, wanted: Signal) -> None:
    """As loud, at the same time; and by how many hertz, in the mean, the tones have been moved."""
    louder = np.sqrt(found.sum(axis=1) / wanted.sum(axis=1))
    shares = [item / item.sum(axis=1, keepdims=True) for item in (found, wanted)]
    moved = np.abs(np.cumsum(shares[0] - shares[1], axis=1)).sum(axis=1) * RATE / WINDOW
    assert louder.min() > 0.9
    assert louder.max() < 1.1
    assert moved.max() < SLIP * RISE


@pytest.mark.property
@given(film=films(), rate=st.sampled_from(["25", "30000/1001", "12"]))
@examples(5, 1500)
def test_what_is_heard_is_what_a_plain_mixer_makes(
    film: Content, rate: str, recordings: list[Path]
) -> None:
    check(film, rate, recordings)


SPED = {"type": "speed", "rate": 0.5}
FADES = [{"type": kind, "duration_ms": 3500} for kind in ("fade_in", "fade_out")]


@pytest.mark.parametrize(
    ("effects", "detached"),
    [
        ([], [(7960, 9960)]),
        ([], [(0, 1000), (1000, 1010), (3000, 3010), (5000, 6000)]),
        (FADES, [(1500, 2500), (6000, 7000)]),
        ([SPED, *FADES], [(1500, 2500), (7000, 7990)]),
    ],
)
def test_a_clip_is_silent_while_its_sound_is_played_elsewhere_and_no_longer(
    effects: list[dict[str, Any]], detached: list[tuple[int, int]], recordings: list[Path]
) -> None:
    out = 2000 + 8000 * speed_permille(effects) // 1000
    moved = [
        clip(f"{begin}", begin, begin + 300, end + 300, effects=[{"type": "gain", "db": -12}])
        for begin, end in detached
    ]
    body = clip("shown", 0, 2000, out, effects=effects)
    film = content(track(body), track(*moved, name="a", kind="audio"))
    check(film, "25", recordings)
