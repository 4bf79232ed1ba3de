"""Loudness by ITU-R BS.1770 and EBU R 128, peaks and fades of a finished stereo sound."""

from functools import cache

import numpy as np

from gpu_tasks.audio_generation.contract import RATE
from gpu_tasks.audio_generation.wav import Floats

TARGET_LUFS = -16.0
"""What streaming services and podcasts ask for."""
CEILING = 10 ** (-1.0 / 20)
"""No sample is above -1 dBFS."""
SILENCE_LUFS = -70.0
"""What is below, BS.1770 does not measure."""
GATE_LU = 10.0
OFFSET_LU = -0.691
BLOCK, STEP = round(0.4 * RATE), round(0.1 * RATE)
LOOK_AHEAD = round(0.005 * RATE)
ROUNDS = 3
"""Limiting costs loudness, which is then given back; more rounds change no more."""
WEIGHTS_RATE = 48_000
WEIGHTS = (
    (
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (-1.69065929318241, 0.73248077421585),
    ),
    ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621)),
)
"""The two filters of BS.1770: numerators, denominators without their leading 1."""


def loudness(sound: Floats) -> float:
    """Integrated loudness in LUFS of a stereo sound of 0.4 s or more."""
    size = sound.shape[1]
    weighted = np.fft.irfft(np.fft.rfft(sound) * _weights(size), size)
    power = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=0))])
    starts = np.arange(0, size - BLOCK + 1, STEP)
    blocks = (power[starts + BLOCK] - power[starts]) / BLOCK
    blocks = blocks[_lufs(blocks) > SILENCE_LUFS]
    if blocks.size == 0:
        return SILENCE_LUFS
    heard = blocks[_lufs(blocks) > _lufs(blocks.mean()) - GATE_LU]
    return float(_lufs(heard.mean()))


def _lufs(power: Floats) -> Floats:
    return np.asarray(OFFSET_LU + 10 * np.log10(np.maximum(power, 1e-12)))


@cache
def _weights(size: int) -> Floats:
    """How both filters together weigh each frequency; their phase does not matter to power."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(size, 1 / RATE) / WEIGHTS_RATE)
    gain = np.ones(delay.size)
    for (b0, b1, b2), (a1, a2) in WEIGHTS:
        above = b0 + b1 * delay + b2 * delay**2
        gain *= np.abs(above / (1 + a1 * delay + a2 * delay**2))
    return gain


def at_loudness(sound: Floats, lufs: float) -> Floats:
    """The sound, louder or softer; silence stays silent."""
    measured = loudness(sound)
    if measured <= SILENCE_LUFS:
        return sound
    return sound * 10 ** ((lufs - measured) / 20)


def mastered(sound: Floats) -> Floats:
    """The sound at the target loudness, its peaks held under the ceiling."""
    for _ in range(ROUNDS):
        sound = _limited(at_loudness(sound, TARGET_LUFS))
    return sound


def _limited(sound: Floats) -> Floats:
    """A limiter that looks ahead: its gain falls before each peak and never jumps."""
    needed = np.minimum(1.0, CEILING / np.maximum(np.abs(sound).max(axis=0), 1e-12))
    if needed.min() == 1.0:
        return sound
    held = _least(needed, 2 * LOOK_AHEAD + 1)
    padded = np.pad(held, LOOK_AHEAD, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    smooth = (total[2 * LOOK_AHEAD + 1 :] - total[: -2 * LOOK_AHEAD - 1]) / (2 * LOOK_AHEAD + 1)
    # The mean of gains that are all low enough for the peak in the middle is low enough too.
    return np.clip(sound * smooth, -CEILING, CEILING)


def _least(values: Floats, width: int) -> Floats:
    """The least value of the window around each, in a pass of doubling windows."""
    padded = np.pad(values, width // 2, mode="edge")
    reach = 1
    while 2 * reach <= width:
        padded = np.minimum(padded[:-reach], padded[reach:])
        reach *= 2
    rest = width - reach
    return np.asarray(np.minimum(padded[: padded.size - rest], padded[rest:]))


def faded(sound: Floats, seconds: float) -> Floats:
    """The sound with a smooth beginning and end of so long each, at most half of it."""
    size = min(round(seconds * RATE), sound.shape[1] // 2)
    curve = (1 - np.cos(np.pi * np.arange(size) / size)) / 2
    shaped = sound.copy()
    shaped[:, :size] *= curve
    shaped[:, sound.shape[1] - size :] *= curve[::-1]
    return shaped
