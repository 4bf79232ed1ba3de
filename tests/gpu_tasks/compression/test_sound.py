"""Sound that is compressed, alone and in films."""

from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.compression.calls import compress, refused, starts_at_once
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.recordings import MONOLOGUE


@pytest.mark.parametrize("target", ["web", "archive", 40_000])
def test_sound_alone(engine: Engine, tmp_path: Path, target: object):
    source = tmp_path / "sound.wav"
    ffmpeg.run(["-i", MONOLOGUE, "-t", "5", "-ac", "2", "-ar", "44100", source])
    result, path = compress(engine, tmp_path / "work", source, target, sound=True)
    assert (result.video_codec, result.width, result.ssim) == (None, None, None)
    assert result.audio_codec == ("flac" if target == "archive" else "aac")
    assert result.duration_ms == pytest.approx(5000, abs=60)
    assert starts_at_once(path)
    assert isinstance(target, str) or result.size_bytes <= target


@pytest.mark.parametrize("size", [40_000, 25_000, 20_000])
def test_sound_in_little_room_is_what_every_player_knows(engine: Engine, tmp_path: Path, size: int):
    result, path = compress(engine, tmp_path, MONOLOGUE, size, sound=True)
    assert result.audio_codec == "aac"
    assert 0.6 * size < result.size_bytes <= size
    assert result.duration_ms == pytest.approx(11_500, abs=150)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate < 48_000


@pytest.mark.parametrize("noisy", [True, False])
def test_sound_too_long_for_a_size_names_the_least_and_that_is_reached(
    engine: Engine, tmp_path: Path, noisy: bool
):
    song = tmp_path / "song.wav"
    sound = "anoisesrc=r=48000:d=30" if noisy else "sine=d=30"
    ffmpeg.run(["-f", "lavfi", "-i", sound, "-ac", "2", song])
    message = refused(engine, tmp_path / "1", song, 10_000, sound=True)
    number, unit = message.rstrip(".").split()[-2:]
    assert unit == "kB"
    least = int(number) * 1000
    assert compress(engine, tmp_path / "2", song, least, sound=True)[0].audio_codec == "aac"


def test_a_song_with_a_cover_is_sound(engine: Engine, tmp_path: Path):
    cover, song = tmp_path / "cover.jpg", tmp_path / "song.mp3"
    ffmpeg.run(["-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", cover])
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "sine=duration=5",
            "-i",
            cover,
            "-map",
            "0",
            "-map",
            "1",
            "-c:v",
            "copy",
            "-disposition:v",
            "attached_pic",
            "-b:a",
            "320k",
            song,
        ]
    )
    result, _ = compress(engine, tmp_path / "1", song, "web", sound=True)
    assert (result.audio_codec, result.width) == ("aac", None)
    assert "no moving pictures" in refused(engine, tmp_path / "2", song, "web")


def test_silence_is_sound(engine: Engine, tmp_path: Path):
    source = tmp_path / "silence.wav"
    ffmpeg.run(["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", "2", source])
    result, _ = compress(engine, tmp_path / "work", source, "web", sound=True)
    assert result.duration_ms == pytest.approx(2000, abs=50)


def test_a_film_without_sound_is_no_sound(engine: Engine, tmp_path: Path):
    source = make_film(tmp_path / "film.mp4", sound=False)
    assert refused(engine, tmp_path / "work", source, "web", sound=True) == "The file has no sound."


INTRA = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")
"""A film that everything is smaller than."""


def samples_of(path: Path, track: int = 0) -> bytes:
    """Return the sound as it is decoded, with 24 bits."""
    form = ("-map", f"0:a:{track}", "-c:a", "pcm_s24le", "-f", "s24le")
    with ffmpeg.read_output(["-i", path, *form, "pipe:1"]) as output:
        return output.read()


@pytest.mark.parametrize(("target", "channels"), [("web", 2), ("archive", 6)])
def test_surround_sound(engine: Engine, tmp_path: Path, target: str, channels: int):
    extra = (*INTRA, "-c:a", "pcm_s16le", "-ac", "6")
    source = make_film(tmp_path / "film.mov", extra=extra)
    result, path = compress(engine, tmp_path / "work", source, target)
    assert result.audio_codec == ("flac" if target == "archive" else "aac")
    with av.open(str(path)) as container:
        assert container.streams.audio[0].channels == channels


@pytest.mark.parametrize(
    "sound",
    [
        ("-c:a", "pcm_s16le"),
        ("-c:a", "pcm_s24le", "-ar", "96000"),
        ("-c:a", "flac", "-ac", "6"),
        ("-c:a", "alac"),
        ("-c:a", "pcm_u8", "-ar", "8000"),
    ],
    ids=" ".join,
)
def test_an_archive_loses_nothing_of_what_is_lossless(
    engine: Engine, tmp_path: Path, sound: tuple[str, ...]
):
    source = make_film(tmp_path / "film.mkv", extra=(*INTRA, *sound))
    result, path = compress(engine, tmp_path / "work", source, "archive")
    assert result.audio_codec == ("alac" if "alac" in sound else "flac")
    heard, expected = samples_of(source), samples_of(path)
    assert len(heard) > 20_000
    assert expected == heard


def test_an_archive_of_sound_alone_loses_nothing(engine: Engine, tmp_path: Path):
    source = tmp_path / "sound.wav"
    ffmpeg.run(["-i", MONOLOGUE, "-t", "3", source])
    result, path = compress(engine, tmp_path / "work", source, "archive", sound=True)
    assert (result.audio_codec, result.kept_source) == ("flac", False)
    assert samples_of(path) == samples_of(source)


def with_tracks(path: Path, *codecs: str, video: tuple[str, ...] = INTRA) -> Path:
    """Return a film with a tone for each codec, 440 Hz and up; the second is the default."""
    film = make_film(path.with_name("mute.mkv"), sound=False, extra=video)
    tones = [f"sine=frequency={440 * n}:duration=1" for n, _ in enumerate(codecs, start=1)]
    inputs = [part for tone in tones for part in ("-f", "lavfi", "-i", tone)]
    maps = [part for n in range(len(codecs) + 1) for part in ("-map", str(n))]
    chosen = [part for n, codec in enumerate(codecs) for part in (f"-c:a:{n}", codec)]
    first = ["-disposition:a:0", "0", "-disposition:a:1", "default"]
    ffmpeg.run(["-i", film, *inputs, *maps, "-c:v", "copy", *chosen, *first, path])
    return path


def pitch(path: Path, track: int) -> float:
    """Of a track, in hertz."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        frames = [frame.to_ndarray()[0] for frame in container.decode(stream)]
        rate = stream.rate
    sound = np.concatenate(frames).astype(float)
    return float(np.abs(np.fft.rfft(sound)).argmax() * rate / sound.size)


@pytest.mark.parametrize("video", [INTRA, ("-crf", "45")], ids=["encoded", "kept"])
def test_an_archive_keeps_every_track_of_sound(
    engine: Engine, tmp_path: Path, video: tuple[str, ...]
):
    codecs = ("aac", "libopus", "flac") if video is not INTRA else ("aac", "libvorbis", "pcm_s16le")
    source = with_tracks(tmp_path / "film.mkv", *codecs, video=video)
    result, path = compress(engine, tmp_path / "work", source, "archive")
    assert result.kept_source == (video is not INTRA)
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 3
    heard = [round(pitch(path, track) / 440) for track in range(3)]
    assert sorted(heard) == [1, 2, 3]


def test_the_web_gets_one_track_of_sound(engine: Engine, tmp_path: Path):
    source = with_tracks(tmp_path / "film.mkv", "aac", "libopus", "flac")
    _, path = compress(engine, tmp_path / "work", source, "web")
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
