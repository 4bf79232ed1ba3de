"""The engine: formats, what is kept, what is stopped, and sources that are odd."""

import threading
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import psutil
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render import rendering
from gpu_tasks.render.contract import Clip, Format, Timeline
from gpu_tasks.render.rendering import RenderStalledError, count_concurrent_segments, detect_stalls
from gpu_tasks.runtime.errors import StoppedError
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline
from tests.gpu_tasks.render.films import (
    make_coded,
    picture_of,
    read_code,
    read_film,
)

CODECS = {
    Format.MP4: ["aac", "h264"],
    Format.WEBM: ["opus", "vp9"],
    Format.MOV: ["pcm_s24le", "prores"],
    Format.M4A: ["aac"],
}


def three_clips() -> list[Clip]:
    return [
        clip(0, 0, 5000, 1000, sounds=True),
        clip(0, 5000, 10_000, 12_000, sounds=True),
        clip(0, 10_000, 14_480, 3000, sounds=True),
    ]


def decoded_seconds(path: Path) -> dict[str, float]:
    """How long each stream is once it is decoded whole."""
    seconds = {}
    with av.open(str(path)) as container:
        for stream in container.streams.video:
            frames = list(container.decode(stream))
            times = [frame.time for frame in frames if frame.time is not None]
            assert times == sorted(times)
            seconds["video"] = float(len(frames) / (stream.average_rate or 1))
    with av.open(str(path)) as container:
        for track in container.streams.audio:
            samples = sum(frame.samples for frame in container.decode(track))
            seconds["audio"] = samples / track.rate
    return seconds


@pytest.mark.parametrize("kind", list(Format))
def test_every_format_plays_whole(kind: Format, studio: Studio, spoken: Path):
    settings = output(format=kind, proxy=True)
    result, film = studio.render(timeline([spoken], three_clips()), settings, [spoken])
    seconds = decoded_seconds(film)
    assert seconds["audio"] == pytest.approx(14.48, abs=0.05)
    if kind is not Format.M4A:
        assert seconds["video"] == pytest.approx(14.48, abs=0.001)
    with av.open(str(film)) as container:
        names = sorted(stream.codec_context.name for stream in container.streams)
        assert [name.removeprefix("lib") for name in names] == CODECS[kind]
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(14.48, abs=0.04)
    assert (result.duration_ms, result.has_sound) == (14_480, True)
    assert (result.width is None) == (kind is Format.M4A)


def test_an_mp4_can_be_played_while_it_is_loaded(studio: Studio, spoken: Path):
    _, film = studio.render(timeline([spoken], [clip(0, 0, 1000)]), output(), [spoken])
    content = film.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_frames_are_evenly_spaced_over_all_segments(studio: Studio, spoken: Path):
    settings = output(frame_rate="30000/1001", proxy=True)
    result, film = studio.render(timeline([spoken], three_clips()), settings, [spoken])
    assert result.stretches > 2
    with av.open(str(film)) as container:
        times = [f.pts * f.time_base for f in container.decode(video=0) if f.pts is not None]
    assert times == [number / Fraction(30_000, 1001) for number in range(len(times))]


def test_only_what_has_changed_is_made_again(studio: Studio, spoken: Path):
    settings = output(proxy=True)
    clips = [clip(0, n * 2500, n * 2500 + 2500, n * 700) for n in range(20)]
    first, _ = studio.render(timeline([spoken], clips), settings, [spoken])
    assert first.stretches_made == first.stretches > 4
    clips[7] = clip(0, 17_500, 20_000, 15_000)
    second, film = studio.render(timeline([spoken], clips), settings, [spoken])
    assert 1 <= second.stretches_made <= 2
    assert second.stretches_made == len(studio.made)
    assert len(read_film(film)) == 1250


def test_what_is_all_there_needs_no_source(studio: Studio, spoken: Path):
    expected, settings = timeline([spoken], three_clips()), output(proxy=True)
    _, film = studio.render(expected, settings, [spoken])
    again, copy = studio.render(expected, settings, [None])
    assert again.stretches_made == 0
    assert film.read_bytes() == copy.read_bytes()


def test_the_same_segments_are_made_once(studio: Studio, spoken: Path):
    expected = timeline([spoken], [clip(0, 0, 1000), clip(0, 100_000, 101_000)])
    result, film = studio.render(expected, output(proxy=True), [spoken])
    assert result.stretches > 2 * result.stretches_made
    assert len(read_film(film)) == 101 * 25


def test_after_a_stop_only_the_rest_is_made(studio: Studio, spoken: Path):
    expected, settings = timeline([spoken], three_clips()), output(proxy=True)

    def stop_later(_share: float) -> None:
        if studio.made:
            raise StoppedError

    with pytest.raises(StoppedError):
        studio.render(expected, settings, [spoken], stop_later)
    product = list(studio.made)
    assert product
    result, _ = studio.render(expected, settings, [spoken])
    assert result.stretches_made == result.stretches - len(product) > 0


def test_a_stop_ends_ffmpeg_at_once(studio: Studio, spoken: Path):
    expected = timeline([spoken], [clip(0, 0, 18_000, 0, speed_permille=1000)])
    settings = output(width=1920, height=1080)
    seen: list[int] = []
    stopped = threading.Event()

    def stop(_share: float) -> None:
        seen.append(len(_children()))
        if seen[-1]:
            stopped.set()
            raise StoppedError

    begun = time.monotonic()
    with pytest.raises(StoppedError):
        studio.render(expected, settings, [spoken], stop)
    assert stopped.is_set()
    assert _children() == []
    assert studio.made == []
    assert time.monotonic() - begun < 60


def _children() -> list[psutil.Process]:
    return [item for item in psutil.Process().children() if "ffmpeg" in item.name()]


def test_who_stands_still_is_noticed(monkeypatch: pytest.MonkeyPatch):
    now = [1000.0]
    monkeypatch.setattr(rendering, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reports: list[float] = []
    tell = detect_stalls(reports.append, 5.0)
    for share in (0.1, 0.2, 0.2):
        tell(share)
    now[0] += 6
    tell(0.3)
    assert reports == [0.1, 0.2, 0.2, 0.3]
    now[0] += 6
    with pytest.raises(RenderStalledError):
        tell(0.3)


@pytest.mark.parametrize(
    ("segments", "cores", "width", "height", "expected"),
    [
        (9, 8, 1920, 1080, 4),
        (9, 2, 1920, 1080, 2),
        (9, 1, 96, 48, 2),
        (1, 8, 96, 48, 1),
        (9, 8, 3840, 2160, 4),
        (9, 8, 7680, 4320, 2),
        (9, 8, 8192, 8192, 1),
        (0, 8, 96, 48, 1),
    ],
)
def test_large_pictures_are_not_all_made_at_once(
    segments: int, cores: int, width: int, height: int, expected: int
):
    settings = output(width=width, height=height)
    assert count_concurrent_segments(segments, cores, settings) == expected


def test_progress_grows_to_the_whole(studio: Studio, spoken: Path):
    reports: list[float] = []
    studio.render(timeline([spoken], three_clips()), output(proxy=True), [spoken], reports.append)
    assert reports == sorted(reports)
    assert reports[-1] == pytest.approx(1.0, abs=0.03)
    assert len({round(share, 2) for share in reports}) > 3


def test_a_source_that_ends_early_holds_its_last_picture(studio: Studio, coded: list[Path]):
    film = _codes(studio, timeline(coded, [clip(1, 0, 2000, 7000)]), coded)
    assert film[:25] == [(2, number) for number in range(175, 200)]
    assert film[25:] == [(2, 199)] * 25


def test_a_clip_behind_the_end_of_its_source_shows_its_last_picture(
    studio: Studio, coded: list[Path]
):
    assert set(_codes(studio, timeline(coded, [clip(1, 0, 1000, 30_000)]), coded)) == {(2, 199)}


def _codes(studio: Studio, expected: Timeline, files: list[Path]) -> list[tuple[int, int]]:
    _, film = studio.render(expected, output(proxy=True), files)
    return [read_code(levels) for levels in read_film(film)]


def test_frames_at_the_sources_own_rate_are_all_shown_once(studio: Studio, coded: list[Path]):
    visible = _codes(studio, timeline(coded, [clip(1, 0, 7000, 480)]), coded)
    assert visible == [(2, number) for number in range(12, 187)]


def test_a_split_clip_shows_what_the_whole_showed(studio: Studio, coded: list[Path]):
    parts = [clip(1, 0, 1011, 480), clip(1, 1011, 2533, 1491), clip(1, 2533, 7000, 3013)]
    assert _codes(studio, timeline(coded, parts), coded) == [
        (2, number) for number in range(12, 187)
    ]


def test_tracks_above_cover_those_below(studio: Studio, coded: list[Path]):
    expected = timeline(coded, [clip(1, 0, 2000)], [clip(4, 1000, 1400)], [clip(0, 1200, 1600)])
    visible = [source for source, _ in _codes(studio, expected, coded)]
    assert visible == [2] * 25 + [5] * 5 + [1] * 10 + [2] * 10


def test_gaps_are_black(studio: Studio, coded: list[Path]):
    visible = _codes(studio, timeline(coded, [clip(1, 1000, 2000), clip(1, 3000, 3400)]), coded)
    assert [source for source, _ in visible] == [0] * 25 + [2] * 25 + [0] * 25 + [2] * 10


def test_a_dissolve_goes_evenly_from_one_to_the_other(studio: Studio, coded: list[Path]):
    expected = timeline(coded, [clip(1, 0, 3000), clip(4, 1000, 4000)])
    _, film = studio.render(expected, output(proxy=True), coded)
    levels = read_film(film)
    # The bit of source 1 (in source 5 alone, 0b101) grows, that of source 2 falls.
    rising = [float(item[-1]) for item in levels]
    assert rising[:25] == pytest.approx([0.0] * 25, abs=0.05)
    assert rising[25:75] == pytest.approx([n / 50 for n in range(50)], abs=0.06)
    assert rising[75:] == pytest.approx([1.0] * 25, abs=0.05)


def test_a_fade_shows_what_is_below(studio: Studio, coded: list[Path]):
    above = clip(4, 0, 2000, fade_in_ms=1000, fade_out_ms=1000)
    expected = timeline(coded, [clip(1, 0, 2000)], [above])
    _, film = studio.render(expected, output(proxy=True), coded)
    rising = [float(item[-1]) for item in read_film(film)]
    assert rising == pytest.approx([1 - abs(n - 25) / 25 for n in range(50)], abs=0.08)


@pytest.mark.parametrize("frames", [1, 13, 15, 24, 26, 37, 50])
def test_a_fade_of_any_length_repeats_no_frame(studio: Studio, coded: list[Path], frames: int):
    fades = {"fade_out_ms": frames * 40}
    _, film = studio.render(timeline(coded, [clip(1, 0, 2400, **fades)]), output(), coded)
    visible = [read_code(levels)[1] for levels in read_film(film)]
    plain = min(60 - frames, 50)
    assert visible[:plain] == list(range(plain))


def test_a_fade_over_nothing_is_one_from_black(studio: Studio, coded: list[Path]):
    expected = timeline(coded, [clip(4, 0, 2000, fade_in_ms=1000)])
    _, film = studio.render(expected, output(proxy=True), coded)
    rising = [float(item[-1]) for item in read_film(film)]
    assert rising[:25] == pytest.approx([n / 25 for n in range(25)], abs=0.08)
    assert rising[25:] == pytest.approx([1.0] * 25, abs=0.05)


def test_a_picture_of_another_shape_leaves_the_one_below_beside_it(
    studio: Studio, coded: list[Path], tmp_path: Path
):
    white = tmp_path / "white.png"
    ffmpeg.run(["-f", "lavfi", "-i", "color=white:s=100x100", "-frames:v", "1", white])
    files = [*coded, white]
    expected = timeline(files, [clip(1, 0, 400)], [clip(len(coded), 0, 400)])
    _, film = studio.render(expected, output(proxy=True), files)
    for number, picture in enumerate(_grey(film)):
        assert picture[24, 30:66].min() > 240
        beside = np.abs(picture.astype(int) - picture_of(2, number))[
            :, [*range(20), *range(76, 96)]
        ]
        assert beside.mean() < 20


def test_what_is_clear_in_a_still_shows_what_is_below(
    studio: Studio, coded: list[Path], tmp_path: Path
):
    clear = tmp_path / "clear.png"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "color=white:s=96x48,format=rgba,geq=r=255:g=255:b=255:a='255*lt(X,48)'",
            "-frames:v",
            "1",
            clear,
        ]
    )
    files = [*coded, clear]
    expected = timeline(files, [], [clip(len(coded), 0, 400)])
    _, film = studio.render(expected, output(proxy=True), files)
    for picture in _grey(film):
        assert picture[:, :44].min() > 230
        assert picture[:, 52:].max() < 25


def _grey(film: Path) -> list[np.ndarray]:
    with av.open(str(film)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_a_film_that_is_turned_stands_upright(studio: Studio, tmp_path: Path):
    lying = make_coded(tmp_path / "lying.mp4", 3, "25", 1.0)
    upright = turned(tmp_path / "upright.mp4", lying, 90)
    settings = output(width=48, height=96, proxy=True)
    _, film = studio.render(timeline([upright], [clip(0, 0, 400)]), settings, [upright])
    for number, picture in enumerate(_grey(film)):
        assert picture.shape == (96, 48)
        expected = np.rot90(picture_of(3, number))
        assert np.abs(picture.astype(int) - expected).mean() < 20


def test_sources_of_odd_sizes_are_shown_whole(studio: Studio, tmp_path: Path):
    odd = make_film(tmp_path / "odd.mp4", size="101x53", extra=("-pix_fmt", "yuv444p"), sound=False)
    result, film = studio.render(timeline([odd], [clip(0, 0, 400)]), output(), [odd])
    assert len(_grey(film)) == 10
    assert result.has_sound is False


def test_a_timeline_of_sound_alone_is_black(studio: Studio, spoken: Path):
    expected = timeline([spoken], [clip(0, 0, 1000, sounds=True)])
    heard = expected.tracks[0].model_copy(update={"shows": False})
    expected = expected.model_copy(update={"tracks": (heard,)})
    result, film = studio.render(expected, output(), [spoken])
    assert result.has_sound
    assert max(picture.max() for picture in _grey(film)) < 20


def test_a_film_without_pictures_on_a_video_track_is_black(studio: Studio, tmp_path: Path):
    sound = tmp_path / "sound.wav"
    ffmpeg.run(["-f", "lavfi", "-i", "sine=duration=1", sound])
    _, film = studio.render(timeline([sound], [clip(0, 0, 400)]), output(), [sound])
    assert max(picture.max() for picture in _grey(film)) < 20


@pytest.mark.parametrize("kind", [Format.MP4, Format.WEBM, Format.MOV])
@pytest.mark.parametrize("tags", [(), ("-colorspace", "smpte170m", "-color_trc", "smpte170m")])
def test_every_format_states_its_colours(
    kind: Format, tags: tuple[str, ...], studio: Studio, tmp_path: Path
):
    source = make_coded(tmp_path / "source.mp4", 1, "25", 0.4, tags)
    settings = output(format=kind, proxy=True)
    _, film = studio.render(timeline([source], [clip(0, 0, 400)]), settings, [source])
    with av.open(str(film)) as container:
        coding = container.streams.video[0].codec_context
        stated = (coding.color_primaries, coding.color_trc, coding.colorspace, coding.color_range)
    assert stated == (1, 1, 1, 1)  # BT.709, BT.709, BT.709, of limited range
