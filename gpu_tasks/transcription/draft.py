"""The draft engine: PocketSphinx and simple speaker labels, on a CPU and offline."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from gpu_tasks.mediakit.audio import RATE, Block, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.speech.speakers import Voice, labels, voice
from gpu_tasks.mediakit.speech.utterances import Utterance, utterances
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.transcription.contract import (
    DRAFT_LANGUAGES,
    Segment,
    Transcript,
    TranscriptionPayload,
    TranscriptionResult,
    Word,
)
from gpu_tasks.transcription.listening import listen, measure
from gpu_tasks.transcription.sphinx import HeardWord, Recogniser
from gpu_tasks.transcription.turns import ONLY_SPEAKER


@dataclass(frozen=True)
class Spoken:
    """What was understood of an utterance."""

    start_ms: int
    words: list[HeardWord]
    voice: Voice


class DraftEngine(Engine):
    """Transcribes English, one call at a time; its memory grows with the words, not the sound."""

    def __init__(self) -> None:
        self.model = f"pocketsphinx-{version('pocketsphinx')} en-us"
        self._recogniser = Recogniser()

    def run(self, payload: TranscriptionPayload, workspace: Workspace) -> TranscriptionResult:
        """Write the ``Transcript``; the result counts what is in it."""
        _check_language(payload.language)
        transcript = self.transcribe(
            workspace.input("media"),
            diarization=payload.speaker_diarization,
            progress=workspace.progress,
        )
        workspace.output("transcript").write_text(transcript.model_dump_json(), encoding="utf-8")
        return TranscriptionResult(
            language=transcript.language,
            duration_ms=transcript.duration_ms,
            segments_count=len(transcript.segments),
            words_count=sum(len(segment.words) for segment in transcript.segments),
        )

    def transcribe(
        self, media: Path, *, diarization: bool, progress: Callable[[float], None]
    ) -> Transcript:
        """The transcript of an English recording."""
        level = measure(media, progress)
        with open_media(media) as container:
            track = SoundTrack(container)
            blocks = listen(track, level.gain, progress)
            spoken = list(self._understand(blocks, progress))
            duration_ms = track.duration_ms
        speakers = _speakers(spoken, diarization)
        return Transcript(
            language="en",
            duration_ms=duration_ms,
            segments=[_segment(*pair, duration_ms) for pair in zip(spoken, speakers, strict=True)],
            is_silent=level.is_silent,
        )

    def _understand(
        self, blocks: Iterable[Block], progress: Callable[[float], None]
    ) -> Iterator[Spoken]:
        for utterance in utterances(blocks):
            words = self._words(utterance, progress)
            if words:
                start_ms = utterance.start * 1000 // RATE
                yield Spoken(start_ms, words, voice(utterance.samples))

    def _words(self, utterance: Utterance, progress: Callable[[float], None]) -> list[HeardWord]:
        return self._recogniser.words(utterance.samples, lambda: progress(utterance.share))


def _check_language(language: str) -> None:
    if language not in DRAFT_LANGUAGES:
        raise EngineError(
            ErrorCode.INPUT_INVALID,
            f"The draft engine understands English (en) only, not {language!r:.20}.",
        )


def _speakers(spoken: Sequence[Spoken], diarization: bool) -> list[str]:
    if not diarization:
        return [ONLY_SPEAKER] * len(spoken)
    return labels([one.voice for one in spoken])


def _segment(spoken: Spoken, speaker: str, duration_ms: int) -> Segment:
    """The words at their times in the media, between the first and the last of them."""
    words = [
        Word(
            word=_spelt(heard.text, first=index == 0),
            # The last frame of a file is padded: its words must not outlast the media.
            start_ms=min(spoken.start_ms + heard.start_ms, duration_ms),
            end_ms=min(spoken.start_ms + heard.end_ms, duration_ms),
            confidence=round(heard.confidence, 3),
        )
        for index, heard in enumerate(spoken.words)
    ]
    return Segment(
        speaker=speaker,
        start_ms=words[0].start_ms,
        end_ms=words[-1].end_ms,
        text=" ".join(word.word for word in words),
        words=words,
    )


def _spelt(text: str, *, first: bool) -> str:
    """The dictionary is in lower case: give a segment and the word "I" their capitals."""
    pronoun = text == "i" or text.startswith("i'")
    return text[:1].upper() + text[1:] if first or pronoun else text
