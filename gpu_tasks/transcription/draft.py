"""The draft engine: PocketSphinx and simple speaker labels, on a CPU and offline."""

from gpu_tasks.mediakit.speech.recognition import Recogniser
from gpu_tasks.mediakit.speech.speakers import label_speakers
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.transcription.contract import (
    DRAFT_LANGUAGES,
    RecordingTranscript,
    TranscriptionPayload,
    TranscriptionResult,
)
from gpu_tasks.transcription.turns import ONLY_SPEAKER, build_segment, order_words


class DraftEngine(Engine):
    """An engine that transcribes English, one call at a time."""

    model = Recogniser.model

    def __init__(self) -> None:
        self._recogniser = Recogniser()

    def run(self, payload: TranscriptionPayload, workspace: Workspace) -> TranscriptionResult:
        """Write the ``RecordingTranscript``; return its counts."""
        if payload.language not in DRAFT_LANGUAGES:
            raise EngineError(
                ErrorCode.INPUT_INVALID,
                f"The draft engine understands English (en) only, not {payload.language!r:.20}.",
            )
        recording = self._recogniser.recognise(workspace.input("media"), workspace.progress)
        speakers = [ONLY_SPEAKER] * len(recording.passages)
        if payload.speaker_diarization:
            speakers = label_speakers([passage.voice for passage in recording.passages])
        transcript = RecordingTranscript(
            language=payload.language,
            duration_ms=recording.duration_ms,
            segments=[
                build_segment(order_words(passage.words, recording.duration_ms), speaker)
                for passage, speaker in zip(recording.passages, speakers, strict=True)
            ],
            is_silent=recording.is_silent,
        )
        workspace.output("transcript").write_text(transcript.model_dump_json(), encoding="utf-8")
        return TranscriptionResult.from_transcript(transcript)
