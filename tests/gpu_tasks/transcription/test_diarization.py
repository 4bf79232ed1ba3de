"""pyannote, by a tiny pipeline of the same classes; skipped where it cannot be imported."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.runtime.engine import Host, load
from gpu_tasks.runtime.errors import StoppedError
from gpu_tasks.transcription.diarization import Diarization
from tests.gpu_tasks.recordings import INTERVIEW, SHORT, sound_of
from tests.gpu_tasks.transcription import tiny_pyannote
from tests.gpu_tasks.transcription.calls import payload, workspace_with

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def diarized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a pipeline."""
    tiny_pyannote.importable()
    return tiny_pyannote.save(tmp_path_factory.mktemp("diarized"))


@pytest.mark.shims
def test_turns_lie_within_the_sound_and_progress_is_told(diarized: Path):
    reports: list[float] = []
    sound = sound_of(INTERVIEW)[: 11 * RATE]
    turns = Diarization(Host(diarized)).detect_turns(sound, reports.append)
    assert turns
    assert all(0 <= turn.start_ms < turn.end_ms <= 11_100 for turn in turns)
    assert reports == sorted(reports)
    assert reports[-1] == 1.0


@pytest.mark.shims
def test_it_stops_when_told(diarized: Path):
    def stop(share: float) -> None:
        if share > 0:
            raise StoppedError

    with pytest.raises(StoppedError):
        Diarization(Host(diarized)).detect_turns(sound_of(SHORT), stop)


@pytest.mark.shims
def test_the_engine_names_speakers(diarized: Path, taught: Path, tmp_path: Path):
    models = tmp_path / "models"
    for item in (diarized, taught):
        shutil.copytree(item, models, dirs_exist_ok=True)
    engine = load("transcription", "production", Host(models))
    reports: list[float] = []
    files = workspace_with(SHORT, tmp_path / "work", reports.append)
    engine.run(payload(speaker_diarization=True), files)
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert '"speaker":"Speaker 1"' in files.output("transcript").read_text(encoding="utf-8")


def test_weights_must_be_there(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        Diarization(Host(tmp_path)).detect_turns(sound_of(SHORT), lambda _share: None)
