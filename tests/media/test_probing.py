import io
from collections.abc import Callable
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from gpu_tasks.mediakit import ffmpeg
from media.models import MediaType
from media.probes import (
    AnimatedPictureError,
    DurationUnknownError,
    MediaTooLongError,
    PictureDamagedError,
    PictureTooLargeError,
    ProtectedMediaError,
    TimestampsRestartError,
    UnsupportedMediaError,
)
from media.probing import MAX_DURATION_MS, probe
from tests.gpu_tasks.films import make_film
from tests.media import samples
from tests.media.containers import renamed_entry
from tests.media.films import film, halves
from tests.media.heic import heic


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    """Save ``content`` under a name; its path."""

    def save(content: bytes, name: str = "source.mp4") -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return save


def test_a_film_with_sound(saved: Callable[..., str]) -> None:
    results = probe(saved(samples.video()))
    assert (results.type, results.duration_ms) == (MediaType.VIDEO, 400)
    assert results.metadata == {
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "width": 64,
        "height": 48,
        "rotation": 0,
        "mirrored": False,
        "frame_rate": 25.0,
        "variable_frame_rate": False,
        "bit_depth": 8,
        "color_primaries": None,
        "color_transfer": None,
        "hdr": False,
        "video_codec": "mpeg4",
        "has_audio": True,
        "audio_codec": "aac",
        "audio_channels": 2,
        "audio_layout": "stereo",
        "audio_sample_rate": 48_000,
    }


@pytest.mark.parametrize(
    ("container", "codec", "text", "timecode"),
    [
        ("mov", "mpeg4", "10:00:01:05", "10:00:01:05"),
        ("mp4", "mpeg4", "10:00:01:05", "10:00:01:05"),
        ("mxf", "mpeg2video", "23:59:59:24", "23:59:59:24"),
        ("matroska", "mpeg4", "09:00:00:00", "09:00:00:00"),
        ("matroska", "mpeg4", "24:00:00:00", None),
        ("matroska", "mpeg4", "x" * 1000, None),
    ],
)
def test_the_timecode_of_the_camera(
    saved: Callable[..., str], container: str, codec: str, text: str, timecode: str | None
) -> None:
    path = saved(b"", f"source.{container}")
    with av.open(path, "w", format=container) as output:
        output.metadata["timecode"] = text
        stream = cast(VideoStream, output.add_stream(codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            picture = np.zeros((64, 64, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())

    assert probe(path).metadata.get("start_timecode") == timecode


def test_a_film_without_sound(saved: Callable[..., str]) -> None:
    results = probe(saved(samples.video(sound=False)))
    assert results.type == MediaType.VIDEO
    assert results.metadata["has_audio"] is False
    assert "audio_codec" not in results.metadata


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_film_held_otherwise(saved: Callable[..., str], rotation: int) -> None:
    metadata = probe(saved(samples.video(rotation=rotation))).metadata
    assert metadata["rotation"] == rotation
    assert (metadata["width"], metadata["height"]) == (64, 48)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
@pytest.mark.parametrize(
    ("times_ms", "is_variable"),
    [
        ([n * 1000 // 30 for n in range(40)], False),
        ([n * 1001 // 30 for n in range(300)], False),
        ([n * 40 for n in range(20)] + [n * 40 for n in range(25, 40)], True),
        ([0, 33, 80, 100, 170, 200, 233, 290], True),
        ([0, 40], None),
    ],
    ids=["rounded", "NTSC", "a gap", "a phone", "two frames"],
)
def test_a_variable_frame_rate(
    saved: Callable[..., str], container: str, times_ms: list[int], is_variable: bool | None
) -> None:
    content = film([halves(40, 220)] * len(times_ms), times_ms=times_ms, container=container)
    results = probe(saved(content, f"source.{container}"))
    assert results.metadata["variable_frame_rate"] is is_variable


REORDERED = {
    "x264": ("mp4", "-c:v", "libx264", "-bf", "3", "-b_strategy", "0"),
    "x264 with edits": ("mov", "-c:v", "libx264", "-preset", "veryslow"),
    "x265": ("mp4", "-c:v", "libx265", "-bf", "4", "-x265-params", "log-level=none"),
    "transport stream": ("ts", "-c:v", "libx264"),
    "MPEG-2": ("mpg", "-c:v", "mpeg2video", "-bf", "2"),
    "VP8": (
        "webm",
        "-c:v",
        "libvpx",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "16",
        "-cpu-used",
        "5",
    ),
    "VP9": ("webm", "-c:v", "libvpx-vp9", "-auto-alt-ref", "1", "-deadline", "realtime"),
    "AV1": ("mkv", "-c:v", "libsvtav1", "-preset", "12"),
}


@pytest.mark.parametrize("seconds", [1, 12])
@pytest.mark.parametrize("kind", REORDERED.values(), ids=REORDERED)
def test_a_constant_rate_of_frames_that_are_stored_in_another_order(
    tmp_path: Path, kind: tuple[str, ...], seconds: int
) -> None:
    suffix, *codec = kind
    path = make_film(tmp_path / f"film.{suffix}", seconds=seconds, sound=False, extra=(*codec,))
    assert probe(str(path)).metadata["variable_frame_rate"] is False


def test_a_film_cut_without_coding_ends_on_a_frame_that_is_shown_later(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", extra=REORDERED["x264"][1:], sound=False)
    cut = tmp_path / "cut.mp4"
    ffmpeg.run(["-i", film, "-frames:v", "18", "-c", "copy", cut])
    assert probe(str(cut)).metadata["variable_frame_rate"] is False


@pytest.mark.parametrize("kind", REORDERED.values(), ids=REORDERED)
def test_a_variable_rate_of_frames_that_are_stored_in_another_order(
    tmp_path: Path, kind: tuple[str, ...]
) -> None:
    suffix, *codec = kind
    extra = ("-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr", *codec)
    path = make_film(tmp_path / f"film.{suffix}", seconds=2, sound=False, extra=extra)
    assert probe(str(path)).metadata["variable_frame_rate"] is True


@pytest.mark.parametrize(
    ("transfer", "name", "hdr"), [(16, "pq", True), (18, "hlg", True), (1, "bt709", False)]
)
def test_colour_and_depth(saved: Callable[..., str], transfer: int, name: str, hdr: bool) -> None:
    content = film(
        [halves(40, 220)] * 3,
        codec="libx265",
        pix_fmt="yuv420p10le",
        color_trc=transfer,
        color_primaries=9,
        colorspace=9,
    )
    metadata = probe(saved(content)).metadata
    assert metadata["bit_depth"] == 10
    assert (metadata["color_primaries"], metadata["color_transfer"]) == ("bt2020", name)
    assert metadata["hdr"] is hdr


@pytest.mark.parametrize(("orientation", "rotation"), [(1, 0), (6, 90), (3, 180), (8, 270)])
def test_a_photo_held_otherwise(saved: Callable[..., str], orientation: int, rotation: int) -> None:
    metadata = probe(saved(samples.photo(orientation), "a.jpg")).metadata
    assert (metadata["width"], metadata["height"]) == (64, 48)
    assert metadata["rotation"] == rotation


def test_a_picture_has_a_depth(saved: Callable[..., str]) -> None:
    assert probe(saved(samples.image(), "a.png")).metadata["bit_depth"] == 8


def test_a_sound(saved: Callable[..., str]) -> None:
    results = probe(saved(samples.wav(), "source.wav"))
    assert (results.type, results.duration_ms) == (MediaType.AUDIO, 1000)
    assert results.metadata == {
        "container": "wav",
        "has_audio": True,
        "audio_codec": "pcm_u8",
        "audio_channels": 1,
        "audio_layout": "mono",
        "audio_sample_rate": 16_000,
    }


def test_the_cover_of_a_song_is_no_film(saved: Callable[..., str]) -> None:
    results = probe(saved(samples.song_with_cover(), "source.mp3"))
    assert results.type == MediaType.AUDIO
    assert "width" not in results.metadata


@pytest.mark.parametrize(
    ("codec", "name"), [("png", "a.png"), ("mjpeg", "a.jpg"), ("png", "a.mp4")]
)
def test_a_picture_whatever_its_name(saved: Callable[..., str], codec: str, name: str) -> None:
    results = probe(saved(samples.image(codec), name))
    assert (results.type, results.duration_ms) == (MediaType.IMAGE, None)
    assert (results.metadata["width"], results.metadata["height"]) == (64, 48)


def test_a_recording_whose_header_has_no_duration(saved: Callable[..., str]) -> None:
    recording = saved(samples.video(container="webm", live=True), "source.webm")
    results = probe(recording)
    assert results.duration_ms == pytest.approx(400, abs=20)
    assert results.metadata["rotation"] == 0
    with pytest.raises(DurationUnknownError):
        probe(recording, max_scan_seconds=0)


@pytest.mark.parametrize("name", ["song.mp3", "song.aac"])
def test_a_sound_whose_rate_varies_lasts_as_long_as_it_plays(tmp_path: Path, name: str) -> None:
    # By the rate of its silent beginning it would last several times as long.
    song = tmp_path / name
    sound = "aevalsrc=if(lt(t\\,5)\\,0\\,random(0)):d=20:s=44100"
    ffmpeg.run(["-f", "lavfi", "-i", sound, "-q:a", "1", "-write_xing", "0", song])
    with av.open(str(song)) as container:
        assert container.duration / av.time_base > 30
    assert probe(str(song)).duration_ms == pytest.approx(20_000, abs=100)


def test_twelve_hours_and_no_longer(saved: Callable[..., str]) -> None:
    seconds = MAX_DURATION_MS // 1000
    longest = saved(samples.wav(frames=seconds, rate=1), "source.wav")
    assert probe(longest).duration_ms == MAX_DURATION_MS
    with pytest.raises(MediaTooLongError):
        probe(saved(samples.wav(frames=seconds + 1, rate=1), "source.wav"))


def test_what_does_not_decode_is_for_its_job_to_find_out(saved: Callable[..., str]) -> None:
    results = probe(saved(samples.undecodable_video()))
    assert (results.type, results.duration_ms) == (MediaType.VIDEO, 400)


NO_MEDIA = {
    "text": samples.TEXT,
    "one byte": b"x",
    "zeros": bytes(5000),
    "session description": samples.SESSION,
    "concatenation": samples.CONCATENATION,
    "half a header": samples.video()[:300],
    "a film without its end, where its index was": samples.video()[
        : samples.video().index(b"moov") - 4
    ],
    "an archive": samples.zipped(),
    "a document": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 20,
    "a page": b"<!DOCTYPE html><html><body><video src=a.mp4></video></body></html>" * 20,
    "a program": b"\x7fELF\x02\x01\x01" + bytes(500),
}


@pytest.mark.parametrize("content", NO_MEDIA.values(), ids=NO_MEDIA)
@pytest.mark.parametrize("extension", ["mp4", "mp3", "flac", "m4v", "aac", "mpg", "jpg", "gif"])
def test_no_media_whatever_its_name(
    saved: Callable[..., str], content: bytes, extension: str
) -> None:
    with pytest.raises(UnsupportedMediaError):
        probe(saved(content, f"source.{extension}"))


def test_a_sound_without_a_sample(saved: Callable[..., str]) -> None:
    with pytest.raises(UnsupportedMediaError):
        probe(saved(samples.wav(frames=0), "source.wav"))


@pytest.mark.parametrize("name", ["source.mp4", "source.m3u8", "source.ts"])
def test_a_playlist_makes_us_ask_nobody(
    saved: Callable[..., str], listener: tuple[int, list[str]], name: str
) -> None:
    port, request_data = listener
    with pytest.raises(UnsupportedMediaError):
        probe(saved(samples.PLAYLIST % port, name))
    assert request_data == []


def test_of_several_sounds_the_one_that_is_played_is_described(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    source = ["-f", "lavfi", "-i", "sine=duration=1:sample_rate=48000"]
    maps = ["-map", "0", "-map", "0", "-c:a:0", "flac", "-c:a:1", "libopus", "-ac:a:1", "2"]
    ffmpeg.run([*source, *maps, "-disposition:a:0", "0", "-disposition:a:1", "default", path])
    metadata = probe(str(path)).metadata
    assert (metadata["audio_codec"], metadata["audio_channels"]) == ("opus", 2)


SQUARES = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8).repeat(32, 0).repeat(32, 1)


def saved_as(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(SQUARES).save(buffer, kind, **options)
    return buffer.getvalue()


PICTURES = {
    "JPEG": lambda: saved_as("JPEG"),
    "progressive JPEG": lambda: saved_as("JPEG", progressive=True),
    "PNG": lambda: saved_as("PNG"),
    "WebP": lambda: saved_as("WEBP"),
    "lossless WebP": lambda: saved_as("WEBP", lossless=True),
    "GIF": lambda: saved_as("GIF"),
    "AVIF": lambda: saved_as("AVIF"),
    "HEIC": lambda: heic(SQUARES),
    "HEIC of tiles": lambda: heic(SQUARES, columns=4),
}


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_a_picture_whose_data_ends_early_is_refused(
    saved: Callable[..., str], make: Callable[[], bytes]
) -> None:
    content = make()
    assert probe(saved(content, "picture")).type == MediaType.IMAGE
    for share in (0.5, 0.8):
        with pytest.raises(PictureDamagedError):
            probe(saved(content[: int(share * len(content))], "picture"))


def test_a_jpeg_without_its_last_marker_is_whole(saved: Callable[..., str]) -> None:
    assert probe(saved(saved_as("JPEG")[:-2], "a.jpg")).type == MediaType.IMAGE


CENC = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
        "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")  # fmt: skip


def test_what_is_encrypted_is_refused(tmp_path: Path) -> None:
    whole, encrypted = make_film(tmp_path / "film.mp4"), tmp_path / "encrypted.mp4"
    ffmpeg.run(["-i", whole, "-c", "copy", *CENC, encrypted])
    with pytest.raises(ProtectedMediaError):
        probe(str(encrypted))


@pytest.mark.parametrize(("entry", "name"), [(b"mp4v", b"encv"), (b"mp4a", b"enca")])
def test_pictures_of_unknown_encryption_are_no_sound(
    saved: Callable[..., str], entry: bytes, name: bytes
) -> None:
    with pytest.raises(ProtectedMediaError):
        probe(saved(renamed_entry(samples.video(), entry, name)))


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_a_clock_that_starts_again_is_refused(tmp_path: Path, suffix: str) -> None:
    codec = ("-c:v", "mpeg2video", "-c:a", "mp2")
    path = make_film(tmp_path / f"film.{suffix}", seconds=2, extra=codec)
    assert abs((probe(str(path)).duration_ms or 0) - 2000) < 100
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(TimestampsRestartError):
        probe(str(path))


class TestHeif:
    """HEIC and AVIF."""

    @pytest.mark.parametrize(
        ("kind", "codec", "make"),
        [("heic", "hevc", lambda: heic(SQUARES)), ("avif", "av1", lambda: saved_as("AVIF"))],
    )
    def test_facts(
        self, saved: Callable[..., str], kind: str, codec: str, make: Callable[[], bytes]
    ) -> None:
        results = probe(saved(make(), f"photo.{kind}"))
        assert (results.type, results.duration_ms) == (MediaType.IMAGE, None)
        facts = results.metadata
        assert (facts["container"], facts["video_codec"]) == (kind, codec)
        assert (facts["width"], facts["height"], facts["bit_depth"]) == (256, 192, 8)
        assert (facts["rotation"], facts["has_audio"]) == (0, False)

    def test_the_size_is_that_of_the_upright_picture(self, saved: Callable[..., str]) -> None:
        facts = probe(saved(heic(SQUARES, quarter_turns=1))).metadata
        assert (facts["width"], facts["height"], facts["rotation"]) == (192, 256, 0)

    def test_one_that_is_too_large_is_refused_before_it_is_decoded(
        self, saved: Callable[..., str]
    ) -> None:
        size = (192).to_bytes(4, "big")
        content = heic(SQUARES, columns=2).replace(
            (256).to_bytes(4, "big") + size, (300_000).to_bytes(4, "big") + size
        )
        with pytest.raises(PictureTooLargeError):
            probe(saved(content))

    def test_one_that_moves_is_refused(self, saved: Callable[..., str]) -> None:
        further = Image.fromarray(SQUARES[::-1])
        moving = saved_as("AVIF", save_all=True, append_images=[further])
        for content in (moving, heic(SQUARES).replace(b"ftypheic", b"ftyphevc")):
            with pytest.raises(AnimatedPictureError):
                probe(saved(content))
