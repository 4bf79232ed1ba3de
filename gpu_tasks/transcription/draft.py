"""The draft engine: PocketSphinx and simple speaker labels, on a CPU and offline."""

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from gpu_tasks.audio import RATE, Block, SoundTrack
from gpu_tasks.contract import EngineInfo
from gpu_tasks.decoding import open_media
from gpu_tasks.engine import Workspace
from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.transcription.contract import (
    DRAFT_LANGUAGES,
    Segment,
    Transcript,
    TranscriptionPayload,
    TranscriptionResult,
    Word,
)
from gpu_tasks.transcription.speakers import Voice, labels, voice
from gpu_tasks.transcription.sphinx import HeardWord, Recogniser
from gpu_tasks.transcription.utterances import Utterance, utterances

ONLY_SPEAKER = "Speaker 1"


class DraftEngine:
    """Transcribes English; one call at a time, in memory that does not grow with the sound."""

    def __init__(self) -> None:
        self.info = EngineInfo(
            name="draft", model=f"pocketsphinx {version('pocketsphinx')} en-us"
        )  # fmt: skip
        self._recogniser = Recogniser()

    def run(self, payload: TranscriptionPayload, workspace: Workspace) -> TranscriptionResult:
        """Write the ``Transcript``; the result counts what is in it."""
        _check_language(payload.language)
        with open_media(workspace.input("media")) as container:
            track = SoundTrack(container)
            spoken = list(self._spoken(track, workspace))
            duration_ms = track.duration_ms
        speakers = (
            labels([who for _, who in spoken])
            if payload.speaker_diarization
            else [ONLY_SPEAKER] * len(spoken)
        )
        transcript = Transcript(
            language=payload.language,
            duration_ms=duration_ms,
            segments=[
                _segment(words, speaker, duration_ms)
                for (words, _), speaker in zip(spoken, speakers, strict=True)
            ],
        )
        workspace.output("transcript").write_text(transcript.model_dump_json(), encoding="utf-8")
        return _counted(transcript)

    def _spoken(
        self, track: SoundTrack, workspace: Workspace
    ) -> Iterator[tuple[list[HeardWord], Voice]]:
        """The words of every utterance that has any, and the voice that said them."""
        for utterance in utterances(_watched(track.blocks(), workspace)):
            if words := self._words(utterance, workspace):
                yield words, voice(utterance.samples)
