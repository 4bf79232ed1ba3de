"""Whatever the container, the codec and the distance of key frames: a clip shows what is there.

What is expected is read from the beginning of the file, without seeking.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_tasks.mediakit import ffmpeg, film
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.video_query import sampling
from media.derivation.frames import iterate_pictures
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline
from tests.gpu_tasks.render.films import make_coded, read_code, read_film, read_levels
from tests.properties import LONG, examples

SECONDS = 30
WHOLE = "1000"
"""Frames: one key frame for the whole film."""
H264 = ("-c:v", "libx264", "-preset", "fast", "-bf", "3", "-sc_threshold", "0")
OPEN = (*H264, "-x264-params", "open-gop=1:scenecut=0")
REFRESHED = (*H264, "-x264-params", "intra-refresh=1:scenecut=0")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "scenecut=0:log-level=none")
MPEG2 = ("-c:v", "mpeg2video", "-bf", "2", "-b:v", "2M", "-sc_threshold", "1000000000", "-r", "24")
MPEG4 = ("-c:v", "mpeg4", "-bf", "0", "-b:v", "2M", "-sc_threshold", "1000000000")
WMV = ("-c:v", "wmv2", "-bf", "0", "-b:v", "2M", "-sc_threshold", "1000000000")
VP9 = ("-c:v", "libvpx-vp9", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8")
FILMS: dict[str, tuple[str, ...]] = {
    "rare.ts": (*H264, "-g", "160"),
    "once.ts": (*H264, "-g", WHOLE),
    "refreshed.ts": (*REFRESHED, "-g", "100"),
    "mpeg2.ts": (*MPEG2, "-g", "300"),
    "open.mp4": (*OPEN, "-g", "100"),
    "once.webm": (*VP9, "-g", WHOLE),
    "rare.avi": (*MPEG4, "-g", "160"),
    "once.wmv": (*WMV, "-g", WHOLE),
    "rare.mpg": (*MPEG2, "-f", "vob", "-g", "160"),
    "cues.mkv": (*H264, "-g", "40"),
    "cut.ts": (*H264, "-g", "100"),
    "cut.mp4": (*H264, "-g", "100"),
}
FURTHER: dict[str, tuple[str, ...]] = {
    "open.ts": (*OPEN, "-g", "100"),
    "hevc.ts": (*HEVC, "-g", "160"),
    "refreshed.mp4": (*REFRESHED, "-g", "100"),
    "once.mp4": (*HEVC, "-g", WHOLE),
    "fragments.mp4": (*H264, "-g", "50", "-movflags", "frag_keyframe+empty_moov"),
    "live.mkv": (*H264, "-g", "160", "-live", "1"),
    "rare.flv": (*H264, "-g", "160"),
    "rare.ogv": ("-c:v", "libtheora", "-q:v", "8", "-g", "160"),
    "deep.mxf": ("-c:v", "mpeg2video", "-bf", "0", "-b:v", "2M", "-g", "15", "-r", "24"),
}


def with_wrong_cues(whole: Path, odd: Path) -> None:
    """Each cue says half of its time."""
    content = whole.read_bytes()
    at = content.rindex(b"\x1c\x53\xbb\x6b")

    def halved(result: "re.Match[bytes]") -> bytes:
        time = int.from_bytes(result[2], "big") // 2
        return result[1] + time.to_bytes(len(result[2]), "big")

    cues = re.sub(rb"(\xb3\x82)(..)", halved, content[at:], flags=re.DOTALL)
    assert cues != content[at:]
    odd.write_bytes(content[:at] + cues)


def cut_between_packets(whole: Path, odd: Path) -> None:
    """Write a recording that begins without a key frame."""
    content = whole.read_bytes()
    odd.write_bytes(content[len(content) // 188 // 7 * 188 :])


def cut_by_a_list(whole: Path, odd: Path) -> None:
    """Cut without coding: an edit list says that what is before is not shown."""
    ffmpeg.run(["-ss", "4.3", "-i", whole, "-c", "copy", odd])


ODD = {"cues.mkv": with_wrong_cues, "cut.ts": cut_between_packets, "cut.mp4": cut_by_a_list}
RATE = 12
"""MPEG-2 knows no such rate: it shows each picture twice."""
LENGTH = 4
"""Frames of a clip."""
HAIR = 0.004
"""Containers round times, and clips are in milliseconds."""

Read = list[tuple[float, int]]
"""When each frame begins, in seconds from the file's start, and its number."""
Filmed = Callable[[str], tuple[Path, Read]]


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """Return a film of the table with its content."""
    folder = tmp_path_factory.mktemp("seeking")

    @functools.cache
    def make(name: str) -> tuple[Path, Read]:
        path = make_coded(folder / name, 1, str(RATE), SECONDS, (FILMS | FURTHER)[name])
        if name in ODD:
            odd = path.with_name(f"odd-{name}")
            ODD[name](path, odd)
            path = odd
        return path, read_through(path)

    return make


def read_through(path: Path) -> Read:
    """All frames in order, from the beginning."""
    with open_media(path) as container:
        zero = (container.start_time or 0) / av.time_base
        return [
            (frame.time - zero, read_code(read_levels(frame.to_ndarray(format="gray")))[1])
            for frame in container.decode(video=0)
            if frame.time is not None
        ]


def shown_at(frames: Read, seconds: float) -> set[int]:
    """Return the frame at a time; at an edge, the frames on both sides."""
    return {
        max(((at, number) for at, number in frames if at <= time), default=frames[0])[1]
        for time in (seconds - HAIR, seconds, seconds + HAIR)
    }


def wrong(studio: Studio, path: Path, frames: Read, begins: list[int]) -> Read:
    """Render clips that begin at these frames' middles: the times at which something else shows."""
    in_ms = [round((begin + 0.5) * 1000 / RATE) for begin in begins]
    clips = [
        clip(0, position * LENGTH * 1000 // RATE, (position + 1) * LENGTH * 1000 // RATE, at)
        for position, at in enumerate(in_ms)
    ]
    settings = output(frame_rate=str(RATE), proxy=True)
    _, rendered = studio.render(timeline([path], clips), settings, [path])
    result = []
    for position, levels in enumerate(read_film(rendered)):
        at = in_ms[position // LENGTH] / 1000 + position % LENGTH / RATE
        number = read_code(levels)[1]
        if number not in shown_at(frames, at):
            result.append((at, number))
    return result


@pytest.mark.property
@pytest.mark.parametrize("name", FILMS | FURTHER if LONG else FILMS)
@given(begins=st.lists(st.integers(0, SECONDS * RATE - LENGTH), min_size=5, max_size=5))
@examples(1, 60)
def test_a_clip_shows_what_is_there(
    name: str, begins: list[int], filmed: Filmed, tmp_path_factory: pytest.TempPathFactory
):
    path, frames = filmed(name)
    assert wrong(Studio(tmp_path_factory.mktemp("studio")), path, frames, begins) == []


@pytest.mark.parametrize("name", ["rare.ts", "once.ts", "once.mp4"])
def test_stills_show_their_times(name: str, filmed: Filmed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "MAX_FRAMES", 5)
    path, frames = filmed(name)
    result = sampling.read_stills(film.probe(path), lambda _share: None)
    assert len(result) == 5
    for still in result:
        [number] = {read_code(read_levels(still.frame[..., 1]))[1]}
        # It takes the first that begins a frame before, or later.
        assert number in shown_at(frames, still.seconds) | {
            item + 1 for item in shown_at(frames, still.seconds)
        }


@pytest.mark.parametrize("name", ["rare.ts", "once.ts", "live.mkv", "cues.mkv"])
def test_no_tile_shows_what_comes_later(name: str, filmed: Filmed):
    path, frames = filmed(name)
    seconds = [3.0 * position for position in range(SECONDS // 3)]
    with open_media(path) as container:
        tiles = list(iterate_pictures(container, seconds, 96))
    numbers = [read_code(read_levels(tile[..., 1]))[1] for tile in tiles if tile is not None]
    assert len(numbers) == len(seconds)
    assert numbers == sorted(numbers)
    for at, number in zip(seconds, numbers, strict=True):
        assert number <= max(shown_at(frames, at))
