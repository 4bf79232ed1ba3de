"""Decoding: every format to the same samples, at their times, in bounded memory."""

import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.mediakit.audio import (
    JITTER_SECONDS,
    MAX_UNDECODABLE_SHARE,
    RATE,
    SOURCE_RATES,
    Block,
    SampleConverter,
    Samples,
    SoundTrack,
)
from gpu_tasks.mediakit.decoding import LONGEST_SECONDS, TOLERANCE_SECONDS, TOO_LONG, open_media
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from tests.gpu_tasks.recordings import (
    BROKEN,
    lying_sound,
    sound_of,
    spoil,
    tone,
    write_film,
    write_sound,
)

FORMATS = [
    ("wav", "pcm_s16le", 16_000, "mono", None),
    ("wav", "pcm_u8", 8_000, "mono", None),
    ("wav", "pcm_f64le", 96_000, "stereo", None),
    ("wav", "pcm_mulaw", 8_000, "mono", None),
    ("wav", "adpcm_ms", 22_050, "mono", None),
    ("w64", "pcm_s24le", 48_000, "stereo", None),
    ("aiff", "pcm_s16be", 44_100, "stereo", None),
    ("au", "pcm_alaw", 8_000, "mono", None),
    ("caf", "pcm_s32le", 48_000, "mono", None),
    ("mp3", "libmp3lame", 44_100, "stereo", None),
    ("mp3", "libmp3lame", 8_000, "mono", None),
    ("flac", "flac", 48_000, "5.1", "s32"),
    ("ogg", "libopus", 48_000, "mono", None),
    ("opus", "libopus", 48_000, "stereo", None),
    ("m4a", "aac", 44_100, "5.1", None),
    ("m4a", "alac", 44_100, "mono", None),
    ("mp4", "ac3", 48_000, "5.1", None),
    ("mov", "pcm_s16le", 32_000, "7.1", None),
    ("webm", "libopus", 48_000, "mono", None),
    ("mkv", "flac", 11_025, "mono", None),
    ("avi", "mp2", 24_000, "stereo", None),
    ("wma", "wmav2", 44_100, "mono", None),
    ("ts", "aac", 48_000, "stereo", None),
    ("flv", "aac", 44_100, "mono", None),
    ("wv", "wavpack", 44_100, "mono", None),
    ("aac", "aac", 44_100, "mono", None),
]


def blocks_of(path: Path) -> list[Block]:
    with open_media(path) as container:
        return list(SoundTrack(container).blocks())


def refused(path: Path) -> str:
    with pytest.raises(EngineError) as caught:
        blocks_of(path)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    return caught.value.message


def likeness(item: Samples, other: Samples) -> tuple[float, float]:
    """How well the sounds match where they match best, and how many seconds apart that is."""
    size = 2 * max(item.size, other.size)
    spectra = [np.fft.rfft(sound.astype(float), size) for sound in (item, other)]
    match = np.fft.irfft(spectra[0] * np.conj(spectra[1]))
    power = [(sound.astype(float) ** 2).sum() for sound in (item, other)]
    lag = int(match.argmax())
    return match.max() / np.sqrt(power[0] * power[1]), min(lag, size - lag) / RATE


@pytest.mark.parametrize(("suffix", "codec", "rate", "layout", "sample_format"), FORMATS)
def test_every_format_gives_the_same_sound_at_the_same_time(
    tmp_path: Path,
    short_sound: Samples,
    suffix: str,
    codec: str,
    rate: int,
    layout: str,
    sample_format: str | None,
):
    path = tmp_path / f"speech.{suffix}"
    write_sound(path, codec, short_sound, rate=rate, layout=layout, sample_format=sample_format)
    decoded = sound_of(path)
    assert decoded.size == pytest.approx(short_sound.size, abs=0.06 * RATE)
    match, lag = likeness(decoded, short_sound)
    assert match > 0.9
    assert lag < 0.05  # some formats do not tell the delay of their encoder


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_sound_that_starts_after_the_picture_keeps_its_offset(tmp_path: Path, suffix: str):
    path = write_film(tmp_path / f"film.{suffix}", tone(1.0), sound_starts=2.5)
    heard = np.abs(sound_of(path)) > 1000
    assert heard.argmax() == pytest.approx(2.5 * RATE, abs=0.05 * RATE)


def test_a_gap_in_the_sound_moves_what_follows_and_costs_no_samples(tmp_path: Path):
    path = write_sound(tmp_path / "gap.mkv", "flac", tone(2.0), starts=(0.0, 601.0), rate=RATE)
    blocks = blocks_of(path)
    later = next(block for block in blocks if block.start > 2 * RATE)
    assert later.start == pytest.approx(601 * RATE, abs=0.01 * RATE)
    assert sum(block.samples.size for block in blocks) == pytest.approx(2 * RATE, abs=64)


def place(timeline: SampleConverter, seconds: float | None) -> int:
    """Where a tenth of a second stamped ``seconds`` is put."""
    frame = av.AudioFrame.from_ndarray(np.zeros((1, RATE // 10), np.int16), layout="mono")
    frame.sample_rate = RATE
    return timeline.convert(frame, seconds)[0][0]


def test_the_rounding_of_timestamps_does_not_tear_the_sound():
    timeline = SampleConverter(limit=60.0)
    assert place(timeline, 0.0) == 0
    assert place(timeline, 0.1 + JITTER_SECONDS) == 0.1 * RATE
    assert place(timeline, 0.2 + JITTER_SECONDS + 0.01) == pytest.approx(0.31 * RATE)


def test_timestamps_that_jump_back_or_lack_or_pass_the_end_are_ignored():
    timeline = SampleConverter(limit=10.0)
    assert [place(timeline, at) for at in (5.0, 0.0, None, 10.1)] == [
        5.0 * RATE,
        5.1 * RATE,
        5.2 * RATE,
        5.3 * RATE,
    ]
    assert place(timeline, 10.0) == 10 * RATE


@pytest.mark.parametrize(("seconds", "is_told"), [(2.0, True), (1.999, False)])
def test_a_sound_may_go_on_for_a_second_beyond_its_header(
    tmp_path: Path, seconds: float, is_told: bool
):
    assert TOLERANCE_SECONDS == 1
    whole = write_sound(tmp_path / "tone.flac", "flac", tone(3.0), rate=RATE)
    path = lying_sound(tmp_path / "lying.flac", whole, seconds=seconds)
    if is_told:
        assert sound_of(path).size == 3 * RATE
    else:
        assert refused(path) == TOO_LONG


def test_time_begins_with_the_container(tmp_path: Path):
    path = write_sound(tmp_path / "late.ts", "mp2", tone(1.0), starts=(3600.0,))
    assert blocks_of(path)[0].start == 0


def test_the_duration_is_the_headers_or_else_what_was_read(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4", tone(0.5))
    with open_media(film) as container:
        track = SoundTrack(container)
        list(track.blocks())
        assert track.duration_ms == 1000
    raw = write_sound(tmp_path / "live.mkv", "flac", tone(2.0))
    content = raw.read_bytes()
    duration = content.index(b"\x44\x89\x88")  # Matroska's Duration element
    raw.write_bytes(content[: duration + 3] + bytes(8) + content[duration + 11 :])
    with open_media(raw) as container:
        track = SoundTrack(container)
        shares = [block.share for block in track.blocks()]
        assert track.duration_ms == pytest.approx(2000, abs=2)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_header_that_claims_weeks_is_not_believed(tmp_path: Path):
    raw = write_sound(tmp_path / "long.mkv", "flac", tone(1.0))
    content = raw.read_bytes()
    at = content.index(b"\x44\x89\x88") + 3
    claimed = np.array([(LONGEST_SECONDS + 1) * 1000], ">f8").tobytes()
    raw.write_bytes(content[:at] + claimed + content[at + 8 :])
    with open_media(raw) as container:
        track = SoundTrack(container)
        list(track.blocks())
    assert track.duration_ms == pytest.approx(1000, abs=2)


def test_memory_does_not_grow_with_the_length(tmp_path: Path):
    silence = np.zeros(600 * RATE, np.int16)
    path = write_sound(tmp_path / "ten_minutes.flac", "flac", silence, rate=RATE)
    del silence
    with open_media(path) as container:
        tracemalloc.start()
        try:
            seconds = sum(block.samples.size for block in SoundTrack(container).blocks()) / RATE
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert seconds == pytest.approx(600)
    assert peak < 2_000_000  # the samples alone would be 19 MB


def test_a_film_without_sound(tmp_path: Path):
    assert refused(write_film(tmp_path / "mute.mp4", None)) == "The file has no sound."


def test_a_sound_of_no_samples(tmp_path: Path):
    path = write_sound(tmp_path / "empty.wav", "pcm_s16le", tone(0.1))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"data") + 8])
    assert refused(path) == "The sound could not be decoded."


def test_a_good_header_over_garbage():
    with open_media(BROKEN) as container:
        assert container.duration == pytest.approx(12_600_000, abs=100_000)
    assert refused(BROKEN) == "The sound could not be decoded."


@pytest.mark.parametrize("excess", [-0.03, 0.03])
def test_damaged_packets_are_skipped_up_to_a_share_and_the_rest_stays_in_place(
    tmp_path: Path, excess: float
):
    path = write_sound(tmp_path / "speech.m4a", "aac", tone(4.0), rate=RATE)
    spoil(path, MAX_UNDECODABLE_SHARE + excess)
    if excess > 0:
        assert refused(path) == "The sound could not be decoded."
    else:
        blocks = blocks_of(path)
        assert blocks[0].start == pytest.approx(1.9 * RATE, abs=0.1 * RATE)
        assert blocks[-1].end == pytest.approx(4.0 * RATE, abs=0.1 * RATE)


def test_what_could_be_read_of_a_truncated_file_counts(tmp_path: Path, short_sound: Samples):
    path = write_sound(tmp_path / "speech.mkv", "libopus", short_sound, rate=48_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 0.3 < blocks_of(path)[-1].end / short_sound.size < 0.7


def test_a_stream_that_comes_unannounced_is_passed_over(tmp_path: Path):
    path = write_sound(tmp_path / "speech.flv", "aac", tone(20.0))
    whole = sound_of(path).size
    content = path.read_bytes()
    at = 13  # the header's length; tags follow
    while at < len(content) - 10_000:
        at += 11 + int.from_bytes(content[at + 1 : at + 4], "big") + 4
    picture = b"\x12" + bytes(200)  # an intra frame of Sorenson's H.263
    tag = b"\x09" + len(picture).to_bytes(3, "big") + content[at + 4 : at + 8] + bytes(3) + picture
    path.write_bytes(content[:at] + tag + (len(tag)).to_bytes(4, "big") + content[at:])
    assert sound_of(path).size == whole


@pytest.mark.parametrize("rate", [SOURCE_RATES[0], SOURCE_RATES[-1]])
def test_every_sample_rate_that_exists_is_converted(rate: int):
    frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.int16), layout="mono")
    frame.sample_rate = rate
    timeline = SampleConverter(limit=10.0)
    parts = timeline.convert(frame, 0.0) + timeline.flush()
    assert sum(samples.size for _, samples in parts) == pytest.approx(RATE, abs=2)


@pytest.mark.parametrize("rate", [1, SOURCE_RATES[0] - 1, SOURCE_RATES[-1] + 1])
def test_a_sample_rate_that_cannot_be_is_damage(rate: int):
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 100), np.int16), layout="mono")
    frame.sample_rate = rate
    with pytest.raises(ValueError, match="samples a second"):
        SampleConverter(limit=10.0).convert(frame, 0.0)


def test_the_better_of_two_sounds_is_read(tmp_path: Path):
    path = tmp_path / "two.mkv"
    sounds = [(8_000, "mono", 0), (48_000, "stereo", 9000)]
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=r, layout=name) for r, name, _ in sounds]
        for stream, (rate, layout, level) in zip(streams, sounds, strict=True):
            samples = np.full((1, rate * len(av.AudioLayout(layout).channels)), level, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
    sound = sound_of(path)
    assert sound.size == RATE
    assert abs(sound).max() > 5000
