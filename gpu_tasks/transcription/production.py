"""The production engine: Whisper recognises the words, pyannote the speakers."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO, Self

import numpy as np

from gpu_tasks.mediakit.audio import Block, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.speech.loudness_pass import measure_loudness, read_amplified_blocks
from gpu_tasks.mediakit.speech.utterances import RecognisedWord, split_into_utterances
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.transcription.chunks import Chunk, pack_chunks
from gpu_tasks.transcription.contract import (
    CONTRACT,
    WHISPER_LANGUAGES,
    RecordingTranscript,
    TranscriptionPayload,
    TranscriptionResult,
)
from gpu_tasks.transcription.diarization import Diarization
from gpu_tasks.transcription.turns import Turn, assign_speakers, build_segments, order_words
from gpu_tasks.transcription.whisper import Whisper

BATCH = 16
"""Chunks per batch: 8 minutes of sound, in 10 GB of the GPU's memory at most."""
VAD_STRICTNESS = 1
"""Doubtful sound counts as speech: Whisper hears more than the detector."""
ASR_SHARE = 0.7
"""The share of the work that Whisper takes if pyannote takes the rest."""
SOUND = "sound.s16"


class ProductionEngine(Engine):
    """An engine that transcribes one call at a time.

    Its memory grows with the words and, if it distinguishes speakers, with the sound.
    """

    model = " and ".join(CONTRACT.models.values())

    def __init__(self, whisper: Whisper, diarization: Diarization) -> None:
        self._whisper = whisper
        self._diarization = diarization

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load Whisper; pyannote is loaded by the first call that needs it."""
        return cls(Whisper(host), Diarization(host))

    def run(self, payload: TranscriptionPayload, workspace: Workspace) -> TranscriptionResult:
        """Write the ``RecordingTranscript``; return its counts."""
        _check_language(payload.language)
        by_speaker = payload.speaker_diarization
        media = workspace.input("media")
        level = measure_loudness(media, workspace.progress)
        with open_media(media) as container:
            track = SoundTrack(container)
            words = list(self._recognise_words(track, level.gain, payload, workspace))
            duration_ms = track.duration_ms
        words = order_words(words, duration_ms)
        turns = self._find_turns(workspace) if by_speaker and words else []
        transcript = RecordingTranscript(
            language=payload.language,
            duration_ms=duration_ms,
            segments=build_segments(words, assign_speakers(words, turns)),
            is_silent=level.is_silent,
        )
        workspace.output("transcript").write_text(transcript.model_dump_json(), encoding="utf-8")
        workspace.progress(1.0)
        return TranscriptionResult.from_transcript(transcript)

    def _recognise_words(
        self,
        track: SoundTrack,
        gain: float,
        payload: TranscriptionPayload,
        workspace: Workspace,
    ) -> Iterator[RecognisedWord]:
        """Yield the words batch by batch; store the sound if speakers are distinguished."""
        share = 0.0
        scale = ASR_SHARE if payload.speaker_diarization else 1.0

        def tick(_: float = 0.0) -> None:
            workspace.progress(share * scale)

        with workspace.scratch(SOUND).open("wb") as file:
            blocks: Iterable[Block] = read_amplified_blocks(track, gain, tick)
            if payload.speaker_diarization:
                blocks = _tee_blocks(blocks, file)
            for batch in _batch_chunks(pack_chunks(split_into_utterances(blocks, VAD_STRICTNESS))):
                yield from self._whisper.words(batch, payload.language, tick)
                share = batch[-1].share
                tick()

    def _find_turns(self, workspace: Workspace) -> list[Turn]:
        sound = np.memmap(workspace.scratch(SOUND), np.int16, mode="r")
        return self._diarization.detect_turns(sound, workspace.progress_within(ASR_SHARE, 1.0))


def _check_language(language: str) -> None:
    if language not in WHISPER_LANGUAGES:
        raise EngineError(ErrorCode.INPUT_INVALID, f"No language has the code {language!r:.20}.")


def _batch_chunks(all_chunks: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    while batch := list(islice(all_chunks, BATCH)):
        yield batch


def _tee_blocks(blocks: Iterable[Block], file: BinaryIO) -> Iterator[Block]:
    """Yield the blocks, and write each to its position in the file; gaps read as silence."""
    for block in blocks:
        file.seek(block.start * block.samples.itemsize)
        file.write(block.samples.tobytes())
        yield block
