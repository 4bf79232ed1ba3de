"""Calls of the transcription function, as the runner makes them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.transcription.contract import (
    RecordingTranscript,
    TranscriptionPayload,
    TranscriptionResult,
)
from tests.gpu_tasks.workspaces import workspace


def payload(
    *,
    base: str = "http://127.0.0.1:9",
    language: str = "en",
    speaker_diarization: bool = True,
) -> TranscriptionPayload:
    """Return the payload of a call whose files are at ``base``."""
    return TranscriptionPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url=f"{base}/callback",
        media=InputFile(url=f"{base}/media", name="recording.bin"),
        language=language,
        speaker_diarization=speaker_diarization,
        transcript=OutputFile(key="t.json", content_type="application/json"),
    )


def workspace_with(
    recording: Path, root: Path, progress: Callable[[float], None] = lambda _share: None
) -> Workspace:
    """Return a workspace that holds a copy of the recording."""
    inputs: dict[str, Path | Sequence[Path]] = {"media": recording}
    return workspace(root, inputs=inputs, outputs=["transcript"], progress=progress)


def transcribe(
    engine: Engine, recording: Path, root: Path, **request: object
) -> tuple[TranscriptionResult, RecordingTranscript]:
    """Return the result, and the transcript that was written."""
    files = workspace_with(recording, root)
    result = engine.run(payload(**request), files)  # type: ignore[arg-type]
    assert isinstance(result, TranscriptionResult)
    written = files.output("transcript").read_text(encoding="utf-8")
    return result, RecordingTranscript.model_validate_json(written)
