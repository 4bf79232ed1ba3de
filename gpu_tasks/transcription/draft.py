"""The draft engine: PocketSphinx and simple speaker labels, on a CPU and offline."""

from gpu_tasks.mediakit.speech.recognition import Recogniser
from gpu_tasks.mediakit.speech.speakers import labels
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.transcription.contract import (
    DRAFT_LANGUAGES,
    RecordingTranscript,
    TranscriptionPayload,
    TranscriptionResult,
)
from gpu_tasks.transcription.turns import ONLY_SPEAKER, ordered, segment


class DraftEngine(Engine):
    """Transcribes English, one call at a time."""

    model = Recogniser.model

    def __init__(self) -> None:
        self._recogniser = Recogniser()

    def run(self, payload: TranscriptionPayload, workspace: Workspace) -> TranscriptionResult:
        """Write the ``RecordingTranscript``; the result counts what is in it."""
        if payload.language not in DRAFT_LANGUAGES:
            raise EngineError(
                ErrorCode.INPUT_INVALID,
                f"The draft engine understands English (en) only, not {payload.language!r:.20}.",
            )
        heard = self._recogniser.hear(workspace.input("media"), workspace.progress)
        speakers = [ONLY_SPEAKER] * len(heard.passages)
        if payload.speaker_diarization:
            speakers = labels([one.voice for one in heard.passages])
        transcript = RecordingTranscript(
            language=payload.language,
            duration_ms=heard.duration_ms,
            segments=[
                segment(ordered(passage.words, heard.duration_ms), speaker)
                for passage, speaker in zip(heard.passages, speakers, strict=True)
            ],
            is_silent=heard.is_silent,
        )
        workspace.output("transcript").write_text(transcript.model_dump_json(), encoding="utf-8")
        return TranscriptionResult.of(transcript)
