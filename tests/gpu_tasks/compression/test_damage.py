"""What is told of files that are damaged, or none."""

from pathlib import Path

import av
import pytest

from gpu_tasks.mediakit import audio, ffmpeg
from gpu_tasks.mediakit import film as pictures
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.compression.calls import refused
from tests.gpu_tasks.films import make_film


def spoil(path: Path, source: Path, kind: str) -> Path:
    """Return the file with noise in place of its pictures or sound."""
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux(container.streams.get(**{kind: 0})):
            if packet.pos is not None and packet.size:
                content[packet.pos : packet.pos + packet.size] = b"\xa5" * packet.size
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"This is a letter and no film.\n" * 50])
def test_what_is_no_film_is_refused(engine: Engine, tmp_path: Path, content: bytes):
    source = tmp_path / "film.mp4"
    source.write_bytes(content)
    assert "not an audio or video file" in refused(engine, tmp_path / "work", source, "web")


@pytest.mark.parametrize("target", ["web", 30_000])
def test_a_film_that_breaks_off_is_refused(engine: Engine, tmp_path: Path, target: object):
    whole = make_film(tmp_path / "film.mp4", seconds=4, extra=("-movflags", "+faststart"))
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 4])
    assert "decoded" in refused(engine, tmp_path / "work", whole, target)


@pytest.mark.parametrize("spoilt", ["video", "audio"])
@pytest.mark.parametrize("target", ["web", 30_000])
def test_a_film_is_told_what_of_it_does_not_decode(
    engine: Engine, film: Path, tmp_path: Path, target: object, spoilt: str
):
    source = spoil(tmp_path / "film.mp4", film, spoilt)
    message = refused(engine, tmp_path / "work", source, target)
    assert message == (audio if spoilt == "audio" else pictures).UNDECODABLE


@pytest.mark.parametrize("target", ["web", 12_000])
def test_a_sound_that_does_not_decode(engine: Engine, film: Path, tmp_path: Path, target: object):
    song = tmp_path / "song.m4a"
    ffmpeg.run(["-i", film, "-vn", "-c", "copy", song])
    source = spoil(tmp_path / "spoilt.m4a", song, "audio")
    message = refused(engine, tmp_path / "work", source, target, sound=True)
    assert message == audio.UNDECODABLE
