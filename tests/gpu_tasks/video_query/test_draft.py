"""The draft engine on films that are known by heart."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.decoding import TOO_LONG
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.video_query.contract import EvidenceKind, SpokenSegment
from tests.gpu_tasks.films import lying_film, make_film, turned
from tests.gpu_tasks.recordings import BROKEN, FIXTURES, SHORT
from tests.gpu_tasks.video_query.calls import ask


def refused(engine: Engine, film: Path, root: Path) -> str:
    with pytest.raises(EngineError) as caught:
        ask(engine, film, root, "How long is it?")
    assert caught.value.code == ErrorCode.INPUT_INVALID
    return caught.value.message


def test_cuts_are_found_where_they_are(engine: Engine, silent: Path, tmp_path: Path):
    result = ask(engine, silent, tmp_path, "How many cuts are there?")
    assert result.answer == "There are 3 cuts, at 0:02.0, 0:03.0, 0:05.0, so 4 shots."
    assert [item.start_ms for item in result.evidence] == [2000, 3000, 5000]
    assert (result.duration_ms, result.frames_sampled) == (6000, 60)


def test_light_motion_and_colour_are_told_from_each_other(
    engine: Engine, silent: Path, tmp_path: Path
):
    question = "When is it dark, what colour is it, and does it move?"
    result = ask(engine, silent, tmp_path, question).evidence
    reports = {(item.kind, item.start_ms, item.end_ms, item.detail) for item in result}
    assert (EvidenceKind.BRIGHTNESS, 5000, 6000, "dark picture") in reports
    assert (EvidenceKind.BRIGHTNESS, 2000, 3000, "bright picture") in reports
    assert (EvidenceKind.COLOUR, 0, 2000, "mostly red") in reports
    assert (EvidenceKind.MOTION, 0, 3000, "still picture") in reports
    [maximum] = [item for item in result if item.detail == "most motion"]
    assert 3000 <= maximum.start_ms < maximum.end_ms <= 5100


def test_words_are_heard_where_there_is_no_transcript(
    engine: Engine, talking: Path, tmp_path: Path
):
    result = ask(engine, talking, tmp_path, "What is said about the letter?")
    assert SHORT.with_suffix(".txt").read_text().strip(" .\n") in result.answer
    [evidence] = result.evidence
    assert 0 < evidence.start_ms < 500
    assert 2500 < evidence.end_ms < 3300


def test_faces_are_found_where_they_are(engine: Engine, silent: Path, tmp_path: Path):
    portrait = ["-loop", "1", "-t", "3", "-i", str(FIXTURES / "portrait.png")]
    joined = "[1]scale=160:90:force_original_aspect_ratio=decrease,pad=160:90:-1:-1,fps=25,setsar=1"
    joined += "[face];[0]setsar=1[none];[none][face]concat=n=2:v=1:a=0,format=yuv420p[v]"
    film = tmp_path / "faces.mp4"
    graph = ["-filter_complex", joined, "-map", "[v]"]
    ffmpeg.run(["-i", str(silent), *portrait, *graph, str(film)])
    result = ask(engine, film, tmp_path / "work", "Is there a face?")
    assert "A face is seen from 0:06.0 to 0:09.0; at most 1 at once." in result.answer
    assert [(item.start_ms, item.end_ms) for item in result.evidence] == [(6000, 9000)]


def test_text_is_read_where_it_stands(engine: Engine, titled: Path, tmp_path: Path):
    result = ask(engine, titled, tmp_path, "What does the sign in the picture say?")
    assert "“HARBOUR 3” from 0:00.0 to 0:02.0" in result.answer
    assert "“LIGHTHOUSE” from 0:02.0 to 0:04.0" in result.answer
    texts = [item for item in result.evidence if item.kind == EvidenceKind.TEXT]
    assert [(item.start_ms, item.end_ms) for item in texts] == [(0, 2000), (2000, 4000)]


def test_text_is_told_where_the_question_is_not_understood(
    engine: Engine, titled: Path, tmp_path: Path
):
    assert "HARBOUR 3" in ask(engine, titled, tmp_path, "Where is this?").answer


def test_a_given_transcript_is_believed(engine: Engine, talking: Path, tmp_path: Path):
    text = (SpokenSegment(start_ms=4000, end_ms=9000, text="Somebody sings about a lighthouse."),)
    result = ask(engine, talking, tmp_path, "What is said about lighthouses?", segments=text)
    assert [(item.start_ms, item.end_ms) for item in result.evidence] == [(4000, 6000)]


def test_a_film_without_sound_says_nothing(engine: Engine, silent: Path, tmp_path: Path):
    result = ask(engine, silent, tmp_path, "What is said?")
    assert result.answer == "The film has no sound, so nothing is said."


def test_the_sound_is_quiet_where_nobody_speaks(engine: Engine, talking: Path, tmp_path: Path):
    result = ask(engine, talking, tmp_path, "How loud is it, and when is it quiet?")
    loudest, *quiet = result.evidence
    assert loudest.start_ms < 3000
    assert quiet[-1].end_ms == 6000
    assert quiet[-1].start_ms == pytest.approx(3000, abs=500)
    assert {item.kind for item in result.evidence} == {EvidenceKind.SOUND}


def test_a_film_without_sound_is_not_loud(engine: Engine, silent: Path, tmp_path: Path):
    assert ask(engine, silent, tmp_path, "Is there music?").answer == "The film has no sound."


def test_measuring_sound_can_be_stopped(engine: Engine, talking: Path, tmp_path: Path):
    told = 0

    def stop(share: float) -> None:
        nonlocal told
        told += share == 1.0
        if told:
            raise StoppedError

    with pytest.raises(StoppedError):
        ask(engine, talking, tmp_path, "How loud is it?", progress=stop)


def test_progress_grows_to_one_listening_included(engine: Engine, talking: Path, tmp_path: Path):
    reports: list[float] = []
    ask(engine, talking, tmp_path, "What do they say?", progress=reports.append)
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert max(np.diff([0.0, *reports])) < 0.3


@pytest.mark.parametrize("at", [0.0, 0.4, 0.6])
def test_it_stops_when_told(engine: Engine, talking: Path, tmp_path: Path, at: float):
    def stop(share: float) -> None:
        if share >= at:
            raise StoppedError

    with pytest.raises(StoppedError):
        ask(engine, talking, tmp_path, "What do they say?", progress=stop)


@pytest.mark.parametrize(
    ("size", "rate", "seconds"), [("161x91", "30000/1001", 1.0), ("64x200", "5", 2.0)]
)
def test_odd_sizes_and_rates_are_watched(
    engine: Engine, tmp_path: Path, size: str, rate: str, seconds: float
):
    extra = ("-pix_fmt", "yuv444p")
    film = make_film(tmp_path / "film.mp4", size=size, rate=rate, seconds=seconds, extra=extra)
    result = ask(engine, film, tmp_path / "work", "How long is it?")
    assert result.duration_ms == pytest.approx(seconds * 1000, abs=200)


def test_a_turned_film_is_watched(engine: Engine, tmp_path: Path):
    film = turned(tmp_path / "turned.mp4", make_film(tmp_path / "film.mp4"), 90)
    assert ask(engine, film, tmp_path / "work", "How many cuts?").answer.startswith("There are no")


def test_a_film_that_lasts_longer_than_it_says_is_refused(
    engine: Engine, silent: Path, tmp_path: Path
):
    lying = lying_film(tmp_path / "lying.avi", silent, frames=25)
    assert refused(engine, lying, tmp_path / "work") == TOO_LONG


def test_sound_alone_is_no_film(engine: Engine, tmp_path: Path):
    assert refused(engine, SHORT, tmp_path) == "The file has no moving pictures."


def test_a_truncated_film_is_refused(engine: Engine, tmp_path: Path):
    film = make_film(tmp_path / "film.mkv", seconds=5.0)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 5])
    message = refused(engine, film, tmp_path / "work")
    assert message == "The pictures of the film could not be decoded."


def test_sound_that_cannot_be_decoded_is_refused(engine: Engine, tmp_path: Path):
    with pytest.raises(EngineError, match="The sound could not be decoded"):
        ask(engine, BROKEN, tmp_path, "What is said?")


@pytest.mark.parametrize("question", ["What happens?", "Does it move?", "What does it say?"])
def test_a_film_of_one_frame_is_answered(engine: Engine, tmp_path: Path, question: str):
    film = make_film(tmp_path / "frame.mp4", seconds=1 / 25, sound=False)
    assert ask(engine, film, tmp_path, question).frames_sampled == 1
