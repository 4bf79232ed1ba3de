"""Sound: the right tone at the right time and loudness, in step with the pictures."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import MIN_GAIN_DB, Clip, Format
from gpu_tasks.runtime.errors import EngineError
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

RATE = 48_000
TONES = {"low.wav": 300, "high.mp4": 1700, "odd.m4a": 3100}
Signal = NDArray[np.float64]


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve seconds each of a tone of amplitude 0.25: mono, 5.1, and 44.1 kHz."""
    folder = tmp_path_factory.mktemp("tones")
    layouts = (("48000", "mono"), ("48000", "5.1"), ("44100", "stereo"))
    for (name, hertz), (rate, layout) in zip(TONES.items(), layouts, strict=True):
        expression = f"0.25*sin(2*PI*{hertz}*t)"
        channels = "|".join([expression] * {"mono": 1, "stereo": 2, "5.1": 6}[layout])
        if layout == "5.1":
            channels = f"{expression}|{expression}|0|0|0|0"
        source = f"aevalsrc='{channels}':s={rate}:c={layout}:d=12"
        ffmpeg.run(["-f", "lavfi", "-i", source, folder / name])
    return [folder / name for name in TONES]


@pytest.fixture(scope="session")
def clapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a flash and a click at every whole second, for ten seconds at 25 frames a second."""
    path = tmp_path_factory.mktemp("clapper") / "clapper.mp4"
    flash = "color=black:s=64x64:r=25:d=10,geq=lum='if(lt(mod(N,25),1),255,0)':cb=128:cr=128"
    click = "aevalsrc='if(lt(mod(t,1),0.02),0.5*sin(2*PI*1000*t),0)':s=48000:d=10"
    sources = ["-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", click]
    ffmpeg.run([*sources, "-c:v", "libx264", "-bf", "2", "-c:a", "aac", path])
    return path


def heard(path: Path) -> Signal:
    """Return the sound as players hear it, left."""
    arguments = [*ffmpeg.source(path), "-map", "0:a", "-ar", str(RATE), "-ac", "2"]
    with ffmpeg.read_output([*arguments, "-f", "f32le", "pipe:1"]) as sound:
        return np.frombuffer(sound.read(), np.float32).reshape(-1, 2)[:, 0].astype(np.float64)


def amplitude(signal: Signal, hertz: float, begin: float, end: float) -> float:
    """How loud a tone is between two times in seconds."""
    part = signal[int(begin * RATE) : int(end * RATE)] * np.hanning(
        int(end * RATE) - int(begin * RATE)
    )
    angle = 2j * np.pi * hertz * np.arange(part.size) / RATE
    return float(4 * abs((part * np.exp(angle)).mean()))


def sounding(*args: int, **more: object) -> Clip:
    return clip(*args, sounds=True, **more)


def rendered(studio: Studio, tones: list[Path], *tracks: list[Clip], **more: object) -> Signal:
    settings = output(format=Format.M4A, **more)
    _, film = studio.render(timeline(tones, *tracks), settings, tones)
    return heard(film)


def test_each_tone_is_where_its_clip_is(studio: Studio, tones: list[Path]):
    signal = rendered(
        studio, tones, [sounding(0, 0, 1000), sounding(1, 1000, 2000), sounding(2, 2500, 4000, 500)]
    )
    assert signal.size == pytest.approx(4 * RATE, abs=RATE * 0.03)
    for position, (begin, end) in enumerate([(0.05, 0.95), (1.05, 1.95), (2.55, 3.95)]):
        for other, hertz in enumerate(TONES.values()):
            expected = 0.25 if other == position else 0.0
            assert amplitude(signal, hertz, begin, end) == pytest.approx(expected, abs=0.03)
    assert np.abs(signal[int(2.05 * RATE) : int(2.45 * RATE)]).max() < 0.01


def test_edges_are_exact(studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 1000, 2000, 3001)])
    loud = np.flatnonzero(np.abs(signal) > 0.05) / RATE
    assert loud[0] == pytest.approx(1.0, abs=0.003)
    assert loud[-1] == pytest.approx(2.0, abs=0.003)


def test_tracks_are_added_without_being_made_quieter(studio: Studio, tones: list[Path]):
    signal = rendered(
        studio, tones, [sounding(0, 0, 2000)], [sounding(1, 0, 2000)], [sounding(2, 0, 2000)]
    )
    for hertz in TONES.values():
        assert amplitude(signal, hertz, 0.1, 1.9) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("gain_db", "expected"), [(6.0, 0.5), (-12.0, 0.063), (MIN_GAIN_DB, 0.0)])
def test_a_gain_is_kept(gain_db: float, expected: float, studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 0, 1000, gain_db=gain_db)])
    assert amplitude(signal, 300, 0.1, 0.9) == pytest.approx(expected, rel=0.05, abs=0.002)


def test_a_mix_that_is_too_loud_is_limited_not_cut(studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 0, 2000, gain_db=20.0)])
    assert np.abs(signal[RATE // 2 :]).max() < 1.0
    assert amplitude(signal, 900, 0.5, 1.5) < 0.1 * amplitude(signal, 300, 0.5, 1.5)


def test_fades_go_evenly(studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 0, 4000, fade_in_ms=2000, fade_out_ms=1000)])
    for at, expected in ((0.5, 0.25), (1.0, 0.5), (1.5, 0.75), (2.5, 1.0), (3.5, 0.5)):
        assert amplitude(signal, 300, at - 0.1, at + 0.1) == pytest.approx(
            0.25 * expected, abs=0.02
        )


def test_a_dissolve_keeps_the_power(studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 0, 3000), sounding(1, 1000, 4000)])
    for at in (1.5, 2.0, 2.5):
        low, high = (amplitude(signal, hertz, at - 0.1, at + 0.1) for hertz in (300, 1700))
        assert low**2 + high**2 == pytest.approx(0.25**2, rel=0.15)
    assert amplitude(signal, 300, 2.9, 3.0) < 0.03


@pytest.mark.parametrize("permille", [500, 1500, 3000, 250])
def test_another_speed_keeps_the_pitch(permille: int, studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 0, 2000, 1000, speed_permille=permille)])
    assert signal.size == pytest.approx(2 * RATE, abs=RATE * 0.03)
    assert amplitude(signal, 300, 0.2, 1.8) == pytest.approx(0.25, rel=0.2)


def test_nothing_is_heard_where_segments_meet(studio: Studio, tones: list[Path]):
    """One tone over a minute and a half, of a file of the film's rate and one of another."""
    clips = [sounding(0, n * 11_000, (n + 1) * 11_000, 500) for n in range(9)]
    other = [sounding(2, n * 11_000, (n + 1) * 11_000, 500) for n in range(9)]
    for position, track in ((0, clips), (2, other)):
        expected = timeline(tones, track)
        result, film = studio.render(expected, output(format=Format.M4A), tones)
        assert result.stretches > 1
        signal = heard(film)[RATE // 2 : -RATE // 2]
        hertz = list(TONES.values())[position]
        # What a tone leaves of itself half a period later is nothing; a joint would be a click.
        lag = RATE / hertz / 2
        whole = np.interp(np.arange(signal.size - 200) + lag, np.arange(signal.size), signal)
        left = np.abs(signal[: whole.size] + whole)
        edges = {round((n * 11 - 0.5) * RATE) for n in range(1, 9)}
        keep = np.ones(left.size, bool)
        for edge in edges:
            keep[max(0, edge - 2400) : edge + 2400] = False
        assert left[keep].max() < 0.12


def test_loudness_is_what_was_asked_for(studio: Studio, tones: list[Path]):
    expected = timeline(tones, [sounding(0, 0, 8000, gain_db=-20.0)])
    _, film = studio.render(expected, output(format=Format.M4A, loudness_lufs=-16.0), tones)
    reports = ffmpeg.run(["-loglevel", "info", "-i", film, "-af", "ebur128", "-f", "null", "-"])
    measured = float(reports.rsplit("I:", 1)[1].split()[0])
    assert measured == pytest.approx(-16.0, abs=0.5)


def test_silence_is_not_made_loud(studio: Studio, tones: list[Path]):
    expected = timeline(tones, [sounding(0, 0, 2000, gain_db=MIN_GAIN_DB)])
    _, film = studio.render(expected, output(format=Format.M4A, loudness_lufs=-16.0), tones)
    assert np.abs(heard(film)).max() < 0.001


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [
            float(frame.pts * frame.time_base)
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 60
        ]


def clicks(path: Path) -> list[float]:
    """Seconds at which a click begins."""
    loud = np.flatnonzero(np.abs(heard(path)) > 0.1)
    new = np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 4)
    return [float(at) for at in loud[new] / RATE]


@pytest.mark.parametrize("kind", [Format.MP4, Format.WEBM, Format.MOV])
def test_sound_is_in_step_with_the_pictures(kind: Format, studio: Studio, clapper: Path):
    clips = [
        sounding(0, 0, 3013, 500),
        sounding(0, 3013, 6491, 1700),
        sounding(0, 6491, 9000, 7100),
    ]
    _, film = studio.render(timeline([clapper], clips), output(format=kind, proxy=True), [clapper])
    seen, listened = flashes(film), clicks(film)
    assert len(seen) == len(listened) > 5
    for flash, click in zip(seen, listened, strict=True):
        assert click == pytest.approx(flash, abs=0.040 / 2 + 0.001)


def test_a_sound_that_begins_later_than_the_pictures_does_so(studio: Studio, tmp_path: Path):
    late = tmp_path / "late.mp4"
    pictures = ["-f", "lavfi", "-i", "color=black:s=64x64:r=25:d=4"]
    tone = ["-itsoffset", "1.5", "-f", "lavfi", "-i", "sine=frequency=300:duration=2"]
    ffmpeg.run([*pictures, *tone, "-c:a", "aac", late])
    settings = output(format=Format.M4A)
    _, film = studio.render(timeline([late], [sounding(0, 0, 3000, 500)]), settings, [late])
    loud = np.flatnonzero(np.abs(heard(film)) > 0.03) / RATE
    assert loud[0] == pytest.approx(1.0, abs=0.03)


def test_a_clip_that_outlasts_its_sound_is_silent_then(studio: Studio, tones: list[Path]):
    signal = rendered(studio, tones, [sounding(0, 0, 4000, 10_000)])
    assert amplitude(signal, 300, 0.2, 1.8) == pytest.approx(0.25, abs=0.03)
    assert np.abs(signal[int(2.1 * RATE) :]).max() < 0.01


def test_a_first_frame_that_is_cut_short_is_mixed(studio: Studio, tmp_path: Path):
    """Encoders of MP3 begin early: of the first frame next to nothing is heard."""
    file = tmp_path / "tone.mp3"
    ffmpeg.run(["-f", "lavfi", "-i", "aevalsrc=0.25*sin(2*PI*300*t):s=44100:d=2", file])
    signal = rendered(studio, [file], [sounding(0, 0, 2000)])
    assert signal.size == pytest.approx(2 * RATE, abs=RATE * 0.03)
    assert amplitude(signal, 300, 0.1, 1.9) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("seconds", ["0.001", "0.02"])
def test_next_to_no_sound_is_mixed(seconds: str, studio: Studio, tmp_path: Path):
    file = tmp_path / "click.mp4"
    pictures = ["-f", "lavfi", "-i", "color=black:s=64x64:r=25:d=2"]
    tone = ["-f", "lavfi", "-i", f"aevalsrc=0.25*sin(2*PI*300*t):s=48000:d={seconds}"]
    ffmpeg.run([*pictures, *tone, file])
    signal = rendered(studio, [file], [sounding(0, 0, 2000)])
    assert signal.size == pytest.approx(2 * RATE, abs=RATE * 0.03)
    assert np.abs(signal[RATE // 10 :]).max() < 0.01


@pytest.mark.parametrize("silent", [clip(0, 0, 1000), sounding(0, 1000, 1010)])
def test_the_sound_of_a_silent_timeline_is_refused(silent: Clip, studio: Studio, tones: list[Path]):
    """One that has none, and one whose sound is too short for a frame."""
    with pytest.raises(EngineError, match="INPUT_INVALID"):
        rendered(studio, tones, [silent])
