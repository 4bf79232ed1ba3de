"""Sound that is compressed, alone and in films."""

from pathlib import Path

import av
import pytest

from gpu_tasks import ffmpeg
from gpu_tasks.engine import Engine
from tests.gpu_tasks.compression.calls import compress, refused, starts_at_once
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.recordings import MONOLOGUE


@pytest.mark.parametrize("target", ["web", "archive", 40_000])
def test_sound_alone(engine: Engine, tmp_path: Path, target: object):
    source = tmp_path / "sound.wav"
    ffmpeg.run(["-i", MONOLOGUE, "-t", "5", "-ac", "2", "-ar", "44100", source])
    result, path = compress(engine, tmp_path / "work", source, target, sound=True)
    assert (result.video_codec, result.width, result.ssim) == (None, None, None)
    assert result.audio_codec == "aac"
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
    ffmpeg.run([
        "-f", "lavfi", "-i", "sine=duration=5", "-i", cover, "-map", "0", "-map", "1",
        "-c:v", "copy", "-disposition:v", "attached_pic", "-b:a", "320k", song,
    ])  # fmt: skip
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
