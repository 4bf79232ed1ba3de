"""The contract of transcription: a recording in, words with times and speakers out."""

from pydantic import Field

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    InputFile,
    OutputFile,
    Payload,
    PlainModel,
)

MODELS = {
    "asr": "openai/whisper-large-v3-turbo@41f01f3fe87f28c78e2fbf8b568835947dd65ed9",
    # Its terms must be accepted before it can be downloaded.
    "diarization": "pyannote/speaker-diarization-community-1"
    "@3533c8cf8e369892e6b79ff1bf80f7b0286a54ee",
}


DRAFT_LANGUAGES = frozenset({"en"})
_WHISPER = """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw
    he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt
    my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl
    tr tt uk ur uz vi yi yo yue zh
"""
WHISPER_LANGUAGES = frozenset(_WHISPER.split())
"""The language codes of Whisper large-v3 (its model card)."""
LANGUAGES = {"draft": DRAFT_LANGUAGES, "production": WHISPER_LANGUAGES}
MAX_DURATION_MS = {"draft": 30 * 60_000, "production": 3 * 3_600_000}
"""The longest media that each engine transcribes safely within the time limit.

A user measured Whisper large-v3-turbo at 33 times real time on an RTX 3090 (discussion 40 of the
model at the Hugging Face hub), whose tensor cores are as fast as the A10G's, its memory half as
fast again: 3 hours take 330 s of the 600, 490 s if memory is what counts.
"""
MAX_DURATION_BY_SPEAKER_MS = {"draft": 30 * 60_000, "production": 2 * 3_600_000}
"""The same if speakers are distinguished as well.

An earlier pyannote took 84 s for an hour on an A10G (`e6quisitory/pyannote-benchmark`), and
community-1 is no slower: on an H100 the earlier took 41 s there, community-1 31 to 37 s by its
README. So 2 hours take 220 to 330 s for the words and 170 s for the voices, 3 hours 580 s or more.
"""


def get_longest_ms(engine: str, *, by_speaker: bool) -> int:
    """Return the duration of the longest media that an engine accepts."""
    return (MAX_DURATION_BY_SPEAKER_MS if by_speaker else MAX_DURATION_MS)[engine]


class TranscriptionPayload(Payload):
    """``transcript`` receives the ``RecordingTranscript`` as JSON."""

    media: InputFile
    language: str = Field(description="ISO 639-1.")
    speaker_diarization: bool
    transcript: OutputFile


class TranscribedWord(PlainModel):
    """One word; times in milliseconds of the source media."""

    word: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    confidence: float = Field(ge=0, le=1)


class TranscribedSegment(PlainModel):
    """The speech of one speaker between silences."""

    speaker: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    text: str
    words: list[TranscribedWord]


class RecordingTranscript(PlainModel):
    """The stored result."""

    language: str
    duration_ms: int = Field(ge=0)
    segments: list[TranscribedSegment]
    is_silent: bool = Field(default=False, description="Whether there is nothing at all to hear.")

    @property
    def content_kind(self) -> str:
        """Return "speech", "sound" without understood words, or "silence"."""
        if self.segments:
            return "speech"
        return "silence" if self.is_silent else "sound"


class TranscriptionResult(PlainModel):
    """The counts of a transcript, for the callback; the transcript itself is in the storage."""

    language: str
    duration_ms: int = Field(ge=0)
    segments_count: int = Field(ge=0)
    words_count: int = Field(ge=0)

    @classmethod
    def from_transcript(cls, transcript: RecordingTranscript) -> "TranscriptionResult":
        """Return the counts of a transcript."""
        return cls(
            language=transcript.language,
            duration_ms=transcript.duration_ms,
            segments_count=len(transcript.segments),
            words_count=sum(len(segment.words) for segment in transcript.segments),
        )


CONTRACT = Contract(
    name="transcription",
    gpu=GpuClass.A10G,
    image=ImageFamily.ASR,
    time_limit_seconds=600,
    payload=TranscriptionPayload,
    result=TranscriptionResult,
    max_output_bytes=64 * 1024**2,
    models=MODELS,
)
