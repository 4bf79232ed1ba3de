"""Captions: drawn where and when they are due, or kept as text beside the film."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Captions, Cue, Format
from gpu_tasks.render.contract.segments import Words
from gpu_tasks.render.drawing import draw
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

CUES = (
    Cue(start_ms=400, end_ms=800, text="Hello <there>"),
    Cue(start_ms=1200, end_ms=1600, text="Grüße --> 你好"),
)
TOLD = ["Hello", "Grüße"]


@pytest.fixture(scope="session")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dark") / "dark.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", "color=0x203040:s=320x180:r=25:d=3", path])
    return path


def test_burned_captions_are_seen_in_their_time_alone(studio: Studio, dark: Path):
    settings = output(width=320, height=180, captions=Captions.BURNED)
    wanted = timeline([dark], [clip(0, 0, 2000)], cues=CUES)
    _, film = studio.render(wanted, settings, [dark])
    with av.open(str(film)) as container:
        shown = [frame.to_ndarray(format="gray").max() > 180 for frame in container.decode(video=0)]
    assert shown == [10 <= number < 20 or 30 <= number < 40 for number in range(50)]


def test_they_are_below_and_in_the_middle(tmp_path: Path):
    settings = output(width=640, height=360)
    drawn = draw(Words(0, 10, "Some words that are said"), settings, tmp_path / "words.png")
    picture = read(drawn.path)
    height, width = picture.shape[:2]
    assert drawn.left + width / 2 == pytest.approx(320, abs=4)
    assert 360 / 2 < drawn.top < drawn.top + height < 360
    assert picture[:, :, 3].min() > 0
    assert picture[:, :, 0].max() > 200


def read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture.astype(np.uint8)


@pytest.mark.parametrize(
    "text", ["Grüße, ÑÇ", "Привет", "日本語 中文 한국어", "עברית", "x" * 500, "", "  \n ", "a\nb"]
)
def test_any_text_is_drawn_within_the_picture(text: str, tmp_path: Path):
    for width, height in ((96, 48), (640, 360), (360, 640)):
        settings = output(width=width, height=height)
        drawn = draw(Words(0, 1, text), settings, tmp_path / "words.png")
        picture = read(drawn.path)
        assert drawn.left >= 0
        assert drawn.top >= 0
        assert drawn.left + picture.shape[1] <= width
        assert drawn.top + picture.shape[0] <= height
        inked = (picture[:, :, 0] > 128).any()
        assert inked == bool(text.strip())


@pytest.mark.parametrize(
    ("kind", "codec"),
    [(Format.MP4, "mov_text"), (Format.WEBM, "webvtt"), (Format.MOV, "mov_text")],
)
def test_embedded_captions_are_kept_as_text(
    kind: Format, codec: str, studio: Studio, dark: Path, tmp_path: Path
):
    settings = output(format=kind, captions=Captions.EMBEDDED, proxy=True)
    wanted = timeline([dark], [clip(0, 0, 2000)], cues=CUES)
    _, film = studio.render(wanted, settings, [dark])
    with av.open(str(film)) as container:
        [stream] = container.streams.subtitles
        assert stream.codec_context.name == codec
    ffmpeg.run(["-i", film, "-map", "0:s", tmp_path / "told.srt"])
    told = (tmp_path / "told.srt").read_text(encoding="utf-8")
    assert "00:00:00,400 --> 00:00:00,800" in told
    assert "00:00:01,200 --> 00:00:01,600" in told
    assert all(words in told for words in TOLD)


def test_a_film_without_words_has_no_captions(studio: Studio, dark: Path):
    for captions in (Captions.EMBEDDED, Captions.BURNED):
        wanted = timeline([dark], [clip(0, 0, 400)])
        _, film = studio.render(wanted, output(captions=captions), [dark])
        with av.open(str(film)) as container:
            assert not container.streams.subtitles
