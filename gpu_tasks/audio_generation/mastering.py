"""Master a stereo sound: loudness by ITU-R BS.1770 and EBU R 128, peaks and fades."""

from functools import cache

import numpy as np

from gpu_tasks.audio_generation.contract import RATE
from gpu_tasks.audio_generation.wav import Floats

TARGET_LUFS = -16.0
"""The loudness that streaming services and podcasts require."""
CEILING = 10 ** (-1.0 / 20)
"""No sample is above -1 dBFS."""
SILENCE_LUFS = -70.0
"""BS.1770 measures no lower loudness."""
GATE_LU = 10.0
OFFSET_LU = -0.691
BLOCK, STEP = round(0.4 * RATE), round(0.1 * RATE)
LOOK_AHEAD = round(0.005 * RATE)
ROUNDS = 3
"""Limiting reduces loudness, which is then restored; further rounds change nothing."""
WEIGHTS_RATE = 48_000
WEIGHTS = (
    (
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (-1.69065929318241, 0.73248077421585),
    ),
    ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621)),
)
"""The two filters of BS.1770: numerators, denominators without their leading 1."""


def measure_loudness(sound: Floats) -> float:
    """Return the integrated loudness in LUFS of a stereo sound of 0.4 s or more."""
    size = sound.shape[1]
    weighted_sound = np.fft.irfft(np.fft.rfft(sound) * _compute_frequency_weights(size), size)
    power = np.concatenate([[0.0], np.cumsum((weighted_sound**2).sum(axis=0))])
    starts = np.arange(0, size - BLOCK + 1, STEP)
    blocks = (power[starts + BLOCK] - power[starts]) / BLOCK
    blocks = blocks[_power_to_lufs(blocks) > SILENCE_LUFS]
    if blocks.size == 0:
        return SILENCE_LUFS
    audible_blocks = blocks[_power_to_lufs(blocks) > _power_to_lufs(blocks.mean()) - GATE_LU]
    return float(_power_to_lufs(audible_blocks.mean()))


def _power_to_lufs(power: Floats) -> Floats:
    return np.asarray(OFFSET_LU + 10 * np.log10(np.maximum(power, 1e-12)))


@cache
def _compute_frequency_weights(size: int) -> Floats:
    """Return the gain of both filters at each frequency; their phase does not affect power."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(size, 1 / RATE) / WEIGHTS_RATE)
    gain = np.ones(delay.size)
    for (b0, b1, b2), (a1, a2) in WEIGHTS:
        above = b0 + b1 * delay + b2 * delay**2
        gain *= np.abs(above / (1 + a1 * delay + a2 * delay**2))
    return gain


def set_loudness(sound: Floats, lufs: float) -> Floats:
    """Return the sound at this loudness; silence stays silent."""
    current_lufs = measure_loudness(sound)
    if current_lufs <= SILENCE_LUFS:
        return sound
    return sound * 10 ** ((lufs - current_lufs) / 20)


def master(sound: Floats) -> Floats:
    """Return the sound at the target loudness, with its peaks under the ceiling."""
    for _ in range(ROUNDS):
        sound = _limit_peaks(set_loudness(sound, TARGET_LUFS))
    return sound


def _limit_peaks(sound: Floats) -> Floats:
    """Limit peaks with look-ahead: the gain falls before each peak and never jumps."""
    max_gain = np.minimum(1.0, CEILING / np.maximum(np.abs(sound).max(axis=0), 1e-12))
    if max_gain.min() == 1.0:
        return sound
    window_gain = _compute_sliding_minimum(max_gain, 2 * LOOK_AHEAD + 1)
    padded = np.pad(window_gain, LOOK_AHEAD, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    gain = (total[2 * LOOK_AHEAD + 1 :] - total[: -2 * LOOK_AHEAD - 1]) / (2 * LOOK_AHEAD + 1)
    # Every gain in the window is low enough for the peak in its middle, so their mean is too.
    return np.clip(sound * gain, -CEILING, CEILING)


def _compute_sliding_minimum(values: Floats, width: int) -> Floats:
    """Return the least value of the window around each value, by doubling windows."""
    padded = np.pad(values, width // 2, mode="edge")
    reach = 1
    while 2 * reach <= width:
        padded = np.minimum(padded[:-reach], padded[reach:])
        reach *= 2
    remainder = width - reach
    return np.asarray(np.minimum(padded[: padded.size - remainder], padded[remainder:]))


def add_fades(sound: Floats, seconds: float) -> Floats:
    """Return the sound with smooth fades of so long at both ends, at most half of it each."""
    size = min(round(seconds * RATE), sound.shape[1] // 2)
    curve = (1 - np.cos(np.pi * np.arange(size) / size)) / 2
    result = sound.copy()
    result[:, :size] *= curve
    result[:, sound.shape[1] - size :] *= curve[::-1]
    return result
