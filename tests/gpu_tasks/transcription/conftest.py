"""The draft engine and one transcript, made once."""

from pathlib import Path

import pytest

from gpu_tasks.runtime.engine import Engine, load
from gpu_tasks.transcription.contract import RecordingTranscript, TranscriptionResult
from tests.gpu_tasks.recordings import INTERVIEW
from tests.gpu_tasks.transcription.calls import transcribe


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the draft engine, loaded as a worker loads it."""
    return load("transcription", "draft")


@pytest.fixture(scope="session")
def interview(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TranscriptionResult, RecordingTranscript]:
    """Return the engine's transcript of the demo's film."""
    return transcribe(engine, INTERVIEW, tmp_path_factory.mktemp("interview"))


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a Whisper that hears the same in any sound."""
    from tests.gpu_tasks.transcription import tiny_whisper

    return tiny_whisper.save(tmp_path_factory.mktemp("taught"), says=tiny_whisper.SAID)
