"""The contract of speech synthesis: a text and perhaps a voice sample in, a WAV file out."""

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
from gpu_tasks.transcription import contract as transcription
from gpu_tasks.tts import planning, text

MODELS = {
    # CC-BY-NC 4.0: for commercial work, others of the same architecture (F5-TTS v1), such as
    # OpenF5-TTS (Apache-2.0), are read from the same folder (f5.py).
    "tts": "SWivid/F5-TTS@84e5a410d9cead4de2f847e7c9369a6440bdfaca",
    "vocoder": "charactr/vocos-mel-24khz@0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21",  # MIT
    # Transcribes the voice sample, because F5-TTS needs its text.
    "asr": transcription.MODELS["asr"],
}

MAX_CHARACTERS = 5_000
MIN_SPEED, MAX_SPEED = 0.5, 2.0
SAMPLE_RATE = 24_000
"""The result is mono, with 16 bits."""


def get_readable_text(written: str) -> str:
    """Return the text as it is read; raise ``EngineError`` INPUT_INVALID if nothing is readable."""
    return text.clean(written)


def check_stock_voice(written: str, speed: float) -> None:
    """Raise ``EngineError`` INPUT_INVALID if the production engine's own voice takes too long."""
    planning.plan_speech(planning.STOCK, get_readable_text(written), speed)


class TtsPayload(Payload):
    """``result`` receives a WAV file."""

    text: str = Field(min_length=1, max_length=MAX_CHARACTERS)
    speed: float = Field(ge=MIN_SPEED, le=MAX_SPEED, description="1 is the voice's own.")
    voice: InputFile | None = Field(
        description="A few seconds of the voice to speak with; a stock voice if absent."
    )
    seed: int = Field(ge=0, lt=2**31)
    result: OutputFile


class TtsResult(PlainModel):
    """The properties of the speech."""

    duration_ms: int = Field(ge=1)
    sample_rate: int
    characters: int = Field(ge=1, description="How many were read.")


CONTRACT = Contract(
    name="tts",
    gpu=GpuClass.L4,
    image=ImageFamily.TTS,
    time_limit_seconds=120,
    payload=TtsPayload,
    result=TtsResult,
    max_output_bytes=512 * 1024**2,
    models=MODELS,
    draft_needs=("bin/flite|espeakng_loader",),
)
