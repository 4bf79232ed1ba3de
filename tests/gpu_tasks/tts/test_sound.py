"""Samples: stretched, shifted, joined, brought to one loudness, written."""

import wave
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.tts import sound
from gpu_tasks.tts.contract import SAMPLE_RATE
from gpu_tasks.tts.sound import MAX_PEAK, SPEECH_RMS, Wave


def tone(seconds: float, hertz: float = 220.0, rate: int = SAMPLE_RATE, gain: float = 0.5) -> Wave:
    time = np.arange(round(seconds * rate)) / rate
    return (gain * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def hertz_of(samples: Wave) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(spectrum.argmax() * SAMPLE_RATE / samples.size)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("pitch", [0.625, 1.0, 1.6])
def test_speed_and_pitch_change_by_their_factors_and_nothing_else(
    rate: int, speed: float, pitch: float
):
    shaped = sound.change_pitch_and_speed(tone(1.0, 220.0, rate), rate, pitch=pitch, speed=speed)
    assert shaped.size / SAMPLE_RATE == pytest.approx(1 / speed, rel=0.05)
    assert hertz_of(shaped) == pytest.approx(220 * pitch, rel=0.03)


def test_parts_follow_each_other():
    whole = sound.join([tone(0.5), sound.build_silence(0.25), tone(0.5)])
    assert whole.size == 1.25 * SAMPLE_RATE
    assert not whole[round(0.5 * SAMPLE_RATE) : round(0.75 * SAMPLE_RATE)].any()
    assert sound.join([]).size == 0


def test_a_cross_fade_has_no_step_and_no_loss():
    item = np.full(SAMPLE_RATE, 0.5, np.float32)
    whole = sound.cross_fade([item, item, item], 0.1)
    assert whole.size == round(2.8 * SAMPLE_RATE)
    assert np.allclose(whole, 0.5, atol=1e-6)


def test_a_cross_fade_longer_than_its_parts_is_as_long_as_they_are():
    parts = [np.ones(10, np.float32), np.zeros(4, np.float32), np.ones(0, np.float32)]
    assert sound.cross_fade(parts, 1.0).size == 10


def test_one_part_and_none():
    assert np.array_equal(sound.cross_fade([tone(0.1)], 0.1), tone(0.1))
    assert sound.cross_fade([], 0.1).size == 0


@pytest.mark.parametrize("gain", [0.001, 0.1, 1.0])
def test_loudness_does_not_depend_on_the_recording(gain: float):
    quiet = sound.join([tone(1.0, gain=gain), sound.build_silence(2.0)])
    levelled = sound.level(quiet)[:SAMPLE_RATE]
    assert np.sqrt((levelled**2).mean()) == pytest.approx(SPEECH_RMS, rel=0.02)


def test_peaks_stay_below_full_scale():
    click = sound.join([tone(1.0, gain=0.001), np.ones(1, np.float32)])
    assert np.abs(sound.level(click)).max() == pytest.approx(MAX_PEAK)


def test_silence_stays_silent():
    assert not sound.level(sound.build_silence(1.0)).any()
    assert sound.level(sound.SILENCE).size == 0


def test_a_written_file_is_mono_16_bits_and_never_wraps(tmp_path: Path):
    path = tmp_path / "speech.wav"
    assert sound.write(path, np.array([0.0, 1.5, -1.5] * 8000, np.float32)) == 1000
    with wave.open(str(path)) as file:
        parameters = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        samples = np.frombuffer(file.readframes(3), "<i2")
    assert parameters == (1, 2, SAMPLE_RATE)
    assert samples.tolist() == [0, 32767, -32767]
