"""Simple speaker labels: utterances grouped by pitch and timbre, in doubt to the same speaker.

Each utterance becomes a point: the median pitch in octaves, and the mean mel-frequency cepstrum
(Davis and Mermelstein 1980) of its voiced frames, scaled by its usual spread within a voice. Points
near each other are one speaker. A man and a woman are distinguished; two similar voices are usually
taken for one, and nobody is recognised across recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.audio import RATE, Samples

MAX_SPEAKERS = 8
SAME_VOICE = 0.75
"""Points further apart than this are two voices, as measured on synthetic and real readers."""
MIN_VOICED_SECONDS = 0.6
"""With less voiced sound, a voice does not start a new speaker."""
MIN_SPEAKER_SECONDS = 1.0
"""A speaker with less voiced sound in total is an outlier of the nearest speaker."""
ROUNDS = 4

FRAME = int(0.04 * RATE)
HOP = int(0.01 * RATE)
FFT = 1024
PITCH_HZ = (60, 400)
VOICED_CORRELATION = 0.6
BANDS = 26
BAND_HZ = (100, 7000)
LOUD_SHARE = 0.01
"""Frames this far (20 dB) below the loud ones are pauses or noise."""
CEPSTRAL_SPREAD = np.array([16.2, 12.6, 15.0, 11.5, 8.2, 8.2, 6.7, 5.8, 5.8, 4.9, 4.3, 4.2, 3.4])
"""Standard deviation within an utterance, coefficients 1 to 13, averaged over eighteen voices."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """The features of an utterance that identify its speaker."""

    point: Floats
    voiced_seconds: float


def measure_voice(samples: Samples) -> Voice:
    """Return the voice of one utterance, a few seconds of 16 kHz samples."""
    spectra = _compute_loud_spectra(samples)
    pitches, voiced = _measure_pitches(spectra)
    if not voiced.any():
        return Voice(np.zeros(CEPSTRAL_SPREAD.size + 1), 0.0)
    cepstrum = _compute_cepstra(spectra[voiced]).mean(axis=0) / CEPSTRAL_SPREAD
    octave = np.median(np.log2(pitches))
    point = np.append(cepstrum / np.sqrt(cepstrum.size), octave)
    return Voice(point, float(voiced.sum()) * HOP / RATE)


def label_speakers(voices: Sequence[Voice]) -> list[str]:
    """Return ``Speaker 1``, ``Speaker 2`` … for each voice, numbered by first appearance."""
    assigned = _assign_centres(voices, _compute_centres(voices))
    numbers: dict[int, int] = {}
    return [f"Speaker {numbers.setdefault(index, len(numbers) + 1)}" for index in assigned]


def _compute_centres(voices: Sequence[Voice]) -> Floats:
    """Return the centre of each speaker's points: leaders in order, then refined by k-means."""
    clear = [v for v in voices if v.voiced_seconds >= MIN_VOICED_SECONDS]
    if not clear:
        return np.zeros((1, CEPSTRAL_SPREAD.size + 1))
    points = np.stack([v.point for v in clear])
    weights = np.array([v.voiced_seconds for v in clear])
    centres = _choose_leaders(points)
    for _ in range(ROUNDS):
        centres = _merge_centres(*_compute_means(points, weights, centres))
    centres, seconds = _compute_means(points, weights, centres)
    is_lasting = seconds >= min(MIN_SPEAKER_SECONDS, seconds.max())
    return centres[is_lasting]


def _choose_leaders(points: Floats) -> Floats:
    leaders = points[:1]
    for point in points[1:]:
        is_far = _measure_distances(point, leaders).min() > SAME_VOICE
        if is_far and len(leaders) < MAX_SPEAKERS:
            leaders = np.vstack([leaders, point])
    return leaders


def _compute_means(points: Floats, weights: Floats, centres: Floats) -> tuple[Floats, Floats]:
    """Return mean and total weight of the points nearest to each centre."""
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    clusters = [nearest == index for index in range(len(centres)) if (nearest == index).any()]
    means = [np.average(points[members], axis=0, weights=weights[members]) for members in clusters]
    return np.stack(means), np.array([weights[members].sum() for members in clusters])


def _merge_centres(centres: Floats, weights: Floats) -> Floats:
    """Join the two closest centres until no two are the same voice."""
    while len(centres) > 1:
        gaps = np.linalg.norm(centres[:, None] - centres, axis=2)
        np.fill_diagonal(gaps, np.inf)
        first, second = sorted(divmod(int(gaps.argmin()), len(centres)))
        if gaps[first, second] > SAME_VOICE:
            break
        pair = [first, second]
        centres[first] = np.average(centres[pair], axis=0, weights=weights[pair])
        weights[first] += weights[second]
        centres, weights = np.delete(centres, second, axis=0), np.delete(weights, second)
    return centres


def _assign_centres(voices: Sequence[Voice], centres: Floats) -> list[int]:
    """Return the index of each voice's centre; hardly voiced utterances keep the previous one."""
    assigned: list[int] = []
    for utterance_voice in voices:
        is_unclear = utterance_voice.voiced_seconds < MIN_VOICED_SECONDS / 2
        if is_unclear and assigned:
            assigned.append(assigned[-1])
        else:
            assigned.append(int(_measure_distances(utterance_voice.point, centres).argmin()))
    return assigned


def _measure_distances(point: Floats, centres: Floats) -> Floats:
    gaps: Floats = np.linalg.norm(centres - point, axis=1)
    return gaps


def _compute_loud_spectra(samples: Samples) -> Floats:
    """Return the power spectra of the frames that are not pauses."""
    padded = np.pad(samples.astype(np.float64), (0, max(0, FRAME - samples.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = (frames**2).mean(axis=1)
    loud = frames[power > LOUD_SHARE * np.percentile(power, 90)]
    spectra: Floats = np.abs(np.fft.rfft(loud * np.hanning(FRAME), FFT)) ** 2
    return spectra


def _measure_pitches(spectra: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the pitch of the voiced frames in hertz, and which frames are voiced.

    The autocorrelation is divided by the window's own (Boersma 1993). Of nearly equal peaks the
    shortest lag is used, to avoid pitches an octave too low.
    """
    shortest, longest = RATE // PITCH_HZ[1], RATE // PITCH_HZ[0]
    lags = slice(shortest, longest)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(FRAME), FFT)) ** 2)
    raw = np.fft.irfft(spectra)
    correlation = raw[:, lags] / (raw[:, :1] + 1.0) / (window[lags] / window[0])
    peaks = correlation.max(axis=1, keepdims=True)
    voiced = peaks[:, 0] > VOICED_CORRELATION
    lag = shortest + np.argmax(correlation >= 0.9 * peaks, axis=1)
    return RATE / lag[voiced], voiced


def _compute_cepstra(spectra: Floats) -> Floats:
    """Return mel-frequency cepstral coefficients 1 to 13; the first, loudness, is left out."""
    filters, cosines = _build_mel_filters(), _build_cosines()
    cepstra: Floats = np.log(spectra @ filters.T + 1.0) @ cosines.T
    return cepstra


@cache
def _build_mel_filters() -> Floats:
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in BAND_HZ)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(FFT, 1 / RATE)
    below, peak, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - below) / (peak - below), (above - bins) / (above - peak)
    return np.maximum(0.0, np.minimum(rising, falling))


@cache
def _build_cosines() -> Floats:
    order = np.arange(1, CEPSTRAL_SPREAD.size + 1)[:, None]
    return np.cos(np.pi * order * (np.arange(BANDS) + 0.5) / BANDS)
