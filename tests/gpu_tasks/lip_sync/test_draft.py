"""The draft engine on films of a face that says nothing, and on what is no such film."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

from gpu_tasks.lip_sync.contract import MAX_SECONDS, MIN_SECONDS, LipSyncResult
from gpu_tasks.lip_sync.speech import measure_openings as openings_of
from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import probe
from gpu_tasks.mediakit.mouth import measure_opening
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.lip_sync.calls import (
    FRAME_RATE,
    HEIGHT,
    WIDTH,
    damaged,
    filmed,
    nodding,
    payload,
    synced,
    workspace_of,
)
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene
from tests.gpu_tasks.recordings import SHORT, sound_of, tone, write_sound

pytestmark = pytest.mark.xdist_group("lip_sync")

MIN_CORRELATION = 0.8


def openings(film: Path) -> np.ndarray:
    """How far the mouth is open in each frame, as another network sees it."""
    tracker = FaceTracker(frame_rate=float(FRAME_RATE))
    faces = [tracker.follow(frame) for frame in probe(film).frames()]
    assert all(faces)
    return np.array([measure_opening(face.points) for face in faces if face is not None])


def recording(path: Path, seconds: float, hertz: float = 440.0) -> Path:
    return write_sound(path, "pcm_s16le", tone(seconds, hertz), rate=RATE)


def refused(engine: Engine, root: Path, film: Path, sound: Path) -> str:
    with pytest.raises(EngineError) as caught:
        synced(engine, root, film, sound)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    return caught.value.message


def test_the_mouth_follows_the_voice(spoken: tuple[LipSyncResult, Path]):
    seen = openings(spoken[1])
    text = openings_of(sound_of(SHORT), frames=seen.size, frame_rate=FRAME_RATE)
    assert np.corrcoef(seen, text)[0, 1] > MIN_CORRELATION
    assert seen[text > 0.9].min() > 2 * seen[text < 0.02].max()


def test_the_film_is_as_long_as_the_recording_and_has_its_sound(
    spoken: tuple[LipSyncResult, Path],
):
    result, film = spoken
    heard = sound_of(film)
    seconds = sound_of(SHORT).size / RATE
    assert result == LipSyncResult(
        duration_ms=3280,
        width=WIDTH,
        height=HEIGHT,
        frame_rate=25.0,
        frames=82,
        frames_with_face=82,
    )
    assert probe(film).duration_seconds == pytest.approx(seconds, abs=1 / 25)
    expected = sound_of(SHORT)[: heard.size].astype(float)
    assert np.corrcoef(heard[: expected.size], expected)[0, 1] > 0.95


def test_only_the_lower_face_changes(spoken: tuple[LipSyncResult, Path], speaker: Path):
    before, after = list(probe(speaker).frames()), list(probe(spoken[1]).frames())
    for index in (0, 16, 29):
        changes = np.abs(before[index].astype(int) - after[index])
        assert changes[: HEIGHT // 2 - 20].mean() < 3  # compressed once more, and no more than that
        assert changes[:, :40].mean() < 3
    assert np.abs(before[16].astype(int) - after[16])[90:150, 80:160].mean() > 5


def test_a_film_too_short_goes_back_and_forth(spoken: tuple[LipSyncResult, Path]):
    foreheads = [frame[:60].astype(int) for frame in probe(spoken[1]).frames()]

    def difference(item: int, other: int) -> float:
        return float(np.abs(foreheads[item] - foreheads[other]).mean())

    for item, other in [(28, 30), (20, 38), (10, 48), (0, 58), (10, 68)]:
        assert difference(item, other) < 0.3 * difference(10, 29)


def test_silence_closes_the_mouth(draft: Engine, speaker: Path, tmp_path: Path):
    silence = np.zeros(RATE // 2, np.int16)
    sound = write_sound(tmp_path / "silence.wav", "pcm_s16le", silence, rate=RATE)
    _, film = synced(draft, tmp_path / "work", speaker, sound)
    assert openings(film).max() < 0.6 * openings(speaker)[:12].min()


def test_a_still_film_of_one_frame_speaks(draft: Engine, tmp_path: Path):
    still = filmed(tmp_path / "still.mp4", nodding(1))
    result, film = synced(draft, tmp_path / "work", still, recording(tmp_path / "s.wav", 1.0))
    assert (result.frames, result.frames_with_face) == (25, 25)
    assert openings(film).mean() > 0.2


def test_a_film_longer_than_the_recording_is_cut(draft: Engine, speaker: Path, tmp_path: Path):
    result, film = synced(draft, tmp_path / "work", speaker, recording(tmp_path / "s.wav", 0.4))
    assert result.frames == 10
    assert len(list(probe(film).frames())) == 10


def test_frames_without_a_face_stay_as_they_are(draft: Engine, tmp_path: Path):
    wall = scene(width=WIDTH, height=HEIGHT)
    film = filmed(tmp_path / "film.mp4", [*nodding(15), *[wall] * 15])
    result, output = synced(draft, tmp_path / "work", film, recording(tmp_path / "s.wav", 1.2))
    assert (result.frames, result.frames_with_face) == (30, 15)
    before, after = (list(probe(path).frames())[20].astype(int) for path in (film, output))
    assert np.abs(before - after).mean() < 2


def test_of_two_faces_the_larger_one_speaks(draft: Engine, tmp_path: Path):
    both = scene(Place(80, 90, 100), Place(190, 90, 60), width=WIDTH, height=HEIGHT)
    film = filmed(tmp_path / "two.mp4", [both] * 5)
    _, output = synced(draft, tmp_path / "work", film, recording(tmp_path / "s.wav", 0.2))
    changes = np.abs(list(probe(output).frames())[2].astype(int) - both).mean(axis=2)
    assert changes[90:150, 50:110].mean() > 3 * changes[90:150, 160:220].mean()


def test_a_film_turned_on_its_side_is_upright(draft: Engine, tmp_path: Path):
    upright = scene(Place(90, 120, 90), width=180, height=240)
    lying = filmed(tmp_path / "lying.mp4", [np.ascontiguousarray(np.rot90(upright))] * 6)
    film = turned(tmp_path / "phone.mp4", lying, -90)
    result, _ = synced(draft, tmp_path / "work", film, recording(tmp_path / "s.wav", 0.24))
    assert (result.width, result.height, result.frames_with_face) == (180, 240, 6)


def test_fast_films_are_halved_and_slow_ones_filled_up(draft: Engine, tmp_path: Path):
    sound = recording(tmp_path / "s.wav", 1.0)
    fast = filmed(tmp_path / "fast.mp4", nodding(12), rate=Fraction(60))
    slow = filmed(tmp_path / "slow.mp4", nodding(4), rate=Fraction(8))
    assert synced(draft, tmp_path / "1", fast, sound)[0].frame_rate == 30
    assert synced(draft, tmp_path / "2", slow, sound)[0].frame_rate == 25


def test_a_film_without_a_face(draft: Engine, tmp_path: Path):
    film = make_film(tmp_path / "pattern.mp4", seconds=0.4)
    message = refused(draft, tmp_path / "work", film, SHORT)
    assert message == "There is no face in the film that could speak."


def test_a_film_with_hardly_a_face(draft: Engine, tmp_path: Path):
    wall = scene(width=WIDTH, height=HEIGHT)
    film = filmed(tmp_path / "film.mp4", [*nodding(2), *[wall] * 28])
    assert "no face" in refused(draft, tmp_path / "work", film, recording(tmp_path / "s.wav", 1.2))


def test_a_recording_without_sound(draft: Engine, speaker: Path, tmp_path: Path):
    mute = make_film(tmp_path / "mute.mp4", sound=False, seconds=0.2)
    assert refused(draft, tmp_path / "work", speaker, mute) == "The file has no sound."


@pytest.mark.parametrize(("seconds", "word"), [(MAX_SECONDS + 0.1, "longer"), (0.19, "shorter")])
def test_a_recording_past_its_limits(
    draft: Engine, speaker: Path, tmp_path: Path, seconds: float, word: str
):
    sound = recording(tmp_path / "s.wav", seconds)
    assert word in refused(draft, tmp_path / "work", speaker, sound)


def test_a_recording_at_its_lower_limit(draft: Engine, speaker: Path, tmp_path: Path):
    sound = recording(tmp_path / "s.wav", MIN_SECONDS)
    assert synced(draft, tmp_path / "work", speaker, sound)[0].frames == 5


def test_a_film_that_looks_right_and_will_not_decode(draft: Engine, speaker: Path, tmp_path: Path):
    broken = damaged(tmp_path / "broken.mp4", speaker)
    message = refused(draft, tmp_path / "work", broken, SHORT)
    assert message == "The pictures of the film could not be decoded."


def test_surround_sound_is_said_too(draft: Engine, speaker: Path, tmp_path: Path):
    sound = tmp_path / "speech.m4a"
    write_sound(sound, "aac", sound_of(SHORT)[:RATE], rate=48_000, layout="5.1")
    result, film = synced(draft, tmp_path / "work", speaker, sound)
    assert result.frames == pytest.approx(25, abs=1)
    assert probe(film).has_sound


def test_what_is_no_film(draft: Engine, tmp_path: Path):
    (tmp_path / "film.mp4").write_bytes(b"This is a letter and no film.\n" * 50)
    message = refused(draft, tmp_path / "work", tmp_path / "film.mp4", SHORT)
    assert message == "The file is not an audio or video file that we can read."


def test_progress_is_told_in_order(draft: Engine, speaker: Path, tmp_path: Path):
    reports: list[float] = []
    draft.run(payload(), workspace_of(tmp_path, speaker, SHORT, reports.append))
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert max(np.diff([0.0, *reports])) < 0.05


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_cancelled_call_stops_at_once(draft: Engine, speaker: Path, tmp_path: Path, share: float):
    def stop(done: float) -> None:
        if done > share:
            raise StoppedError

    with pytest.raises(StoppedError):
        draft.run(payload(), workspace_of(tmp_path, speaker, SHORT, stop))
    assert not [item for item in psutil.Process().children() if "ffmpeg" in item.name()]


def test_the_same_call_gives_the_same_film(draft: Engine, speaker: Path, tmp_path: Path):
    sound = recording(tmp_path / "s.wav", 0.4)
    films = [synced(draft, tmp_path / name, speaker, sound)[1] for name in "12"]
    assert films[0].read_bytes() == films[1].read_bytes()


def test_a_draft_says_that_it_is_one(draft: Engine):
    assert draft.info.name == "draft"
