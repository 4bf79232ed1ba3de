"""Captions: drawn where and when they are due, or kept as text beside the film."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Captions, Cue, Format
from gpu_tasks.render.contract.captions import DEFAULT, CaptionsStyle
from gpu_tasks.render.contract.segments import Words, plan_render
from gpu_tasks.render.drawing import CaptionPicture, draw_caption
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

CUES = (
    Cue(start_ms=400, end_ms=800, text="Hello <there>"),
    Cue(start_ms=1200, end_ms=1600, text="Grüße --> 你好"),
)
TOLD = ["Hello", "Grüße"]
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="session")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dark") / "dark.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", "color=0x203040:s=320x180:r=25:d=3", path])
    return path


def test_burned_captions_are_seen_in_their_time_alone(studio: Studio, dark: Path):
    settings = output(width=320, height=180, captions=Captions.BURNED)
    expected = timeline([dark], [clip(0, 0, 2000)], cues=CUES)
    _, film = studio.render(expected, settings, [dark])
    with av.open(str(film)) as container:
        visible = [
            frame.to_ndarray(format="gray").max() > 180 for frame in container.decode(video=0)
        ]
    assert visible == [10 <= number < 20 or 30 <= number < 40 for number in range(50)]


def test_they_are_below_and_in_the_middle(tmp_path: Path):
    settings = output(width=640, height=360)
    drawn = draw_caption(
        Words(0, 10, "Some words that are said"), DEFAULT, settings, tmp_path / "words.png"
    )
    picture = read(drawn.path)
    height, width = picture.shape[:2]
    assert drawn.left + width / 2 == pytest.approx(320, abs=4)
    assert 360 / 2 < drawn.top < drawn.top + height < 360
    assert picture[:, :, 3].min() > 0
    assert picture[:, :, 0].max() > 200


def drawn(
    tmp_path: Path, text: str = "Some words", **style: object
) -> tuple[CaptionPicture, Pixels]:
    """Return a caption in a picture of 640x360, and its pixels: blue, green, red, opacity."""
    expected = CaptionsStyle.model_validate(style)
    product = draw_caption(
        Words(0, 1, text), expected, output(width=640, height=360), tmp_path / "words.png"
    )
    return product, read(product.path)


def test_letters_box_and_outline_have_their_colours(tmp_path: Path):
    _, pixels = drawn(tmp_path, color="#FF8000", background_color="#0000FF40")
    assert pixels[0, 0].tolist() == [255, 0, 0, 64]
    assert [0, 128, 255, 255] in pixels.reshape(-1, 4).tolist()
    _, pixels = drawn(tmp_path, background_color=None, outline_color="#00FF00", outline_percent=20)
    assert pixels[0, 0, 3] == 0
    assert [0, 255, 0, 255] in pixels.reshape(-1, 4).tolist()
    assert [255, 255, 255, 255] in pixels.reshape(-1, 4).tolist()


def test_they_are_where_they_shall_be(tmp_path: Path):
    places = {
        (side, line): (product.left + shape[1] / 2, product.top + shape[0] / 2)
        for side in ("left", "center", "right")
        for line in ("top", "middle", "bottom")
        for product, pixels in [drawn(tmp_path, alignment=side, position=line)]
        for shape in [pixels.shape]
    }
    assert places["left", "top"] < places["center", "top"] < places["right", "top"]
    assert places["center", "middle"] == pytest.approx((320, 180), abs=4)
    heights = [places["left", line][1] for line in ("top", "middle", "bottom")]
    assert heights == sorted(heights)


def test_size_weight_font_and_case_change_what_is_drawn(tmp_path: Path):
    _, plain = drawn(tmp_path)
    _, larger = drawn(tmp_path, size_percent=9)
    assert larger.shape[0] == pytest.approx(2 * plain.shape[0], abs=4)
    for other in ({"bold": True}, {"font": "italic"}, {"font": "cjk"}, {"uppercase": True}):
        _, pixels = drawn(tmp_path, **other)
        assert pixels.shape != plain.shape or (pixels != plain).any()
    _, shouted = drawn(tmp_path, text="SOME WORDS")
    _, raised = drawn(tmp_path, uppercase=True)
    assert (shouted == raised).all()


@pytest.mark.parametrize("position", ["top", "middle", "bottom"])
def test_the_largest_letters_in_the_longest_lines_stay_within_the_picture(
    tmp_path: Path, position: str
):
    style = {"size_percent": 12, "max_line_length": 80, "max_lines": 4, "position": position}
    text = " ".join(["wide"] * 64)
    product, pixels = drawn(tmp_path, text, outline_color="#000000", outline_percent=20, **style)
    assert min(product.left, product.top) >= 0
    assert product.left + pixels.shape[1] <= 640
    assert product.top + pixels.shape[0] <= 360
    letters = (pixels[:, :, :3].min(axis=2) > 200) & (pixels[:, :, 3] == 255)
    # Smaller than asked for, so that all of each line is seen.
    assert not letters[:, -2:].any()


def test_a_style_changes_the_film_and_only_segments_with_words(studio: Studio, dark: Path):
    settings = output(width=320, height=180, captions=Captions.BURNED, proxy=True)
    clips = [clip(0, 4000 * number, 4000 * number + 2500, 100 * number) for number in range(4)]
    plain = timeline([dark], clips, cues=CUES)
    styled = plain.model_copy(
        update={"captions_style": CaptionsStyle(color="#FF0000", background_color=None)}
    )
    _, before = studio.render(plain, settings, [dark])
    made_before = list(studio.made)
    _, after = studio.render(styled, settings, [dark])
    assert len(studio.made) == 1 < len(made_before)
    first, second = (frames_of(film)[15].astype(int) for film in (before, after))
    redness = [picture[..., 0] - picture[..., 1] for picture in (first, second)]
    assert redness[0].max() < 60 < 120 < redness[1].max()
    same = [frames_of(film)[5].astype(int) for film in (before, after)]
    assert np.abs(same[0] - same[1]).max() < 20


def test_a_style_does_nothing_where_captions_are_not_burned(dark: Path):
    plain = timeline([dark], [clip(0, 0, 2000)], cues=CUES)
    styled = plain.model_copy(update={"captions_style": CaptionsStyle(bold=True)})
    for captions in (Captions.NONE, Captions.EMBEDDED):
        settings = output(captions=captions)
        assert plan_render(plain, settings) == plan_render(styled, settings)


def frames_of(film: Path) -> list[Pixels]:
    with av.open(str(film)) as container:
        decoded = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]


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
        drawn = draw_caption(Words(0, 1, text), DEFAULT, settings, tmp_path / "words.png")
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
    expected = timeline([dark], [clip(0, 0, 2000)], cues=CUES)
    _, film = studio.render(expected, settings, [dark])
    with av.open(str(film)) as container:
        [stream] = container.streams.subtitles
        assert stream.codec_context.name == codec
    ffmpeg.run(["-i", film, "-map", "0:s", tmp_path / "told.srt"])
    reports = (tmp_path / "told.srt").read_text(encoding="utf-8")
    assert "00:00:00,400 --> 00:00:00,800" in reports
    assert "00:00:01,200 --> 00:00:01,600" in reports
    assert all(words in reports for words in TOLD)


def test_a_film_without_words_has_no_captions(studio: Studio, dark: Path):
    for captions in (Captions.EMBEDDED, Captions.BURNED):
        expected = timeline([dark], [clip(0, 0, 400)])
        _, film = studio.render(expected, output(captions=captions), [dark])
        with av.open(str(film)) as container:
            assert not container.streams.subtitles
