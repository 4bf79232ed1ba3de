"""The contract of audio generation: a description in, a stereo sound of an exact length out."""

from pydantic import Field

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    OutputFile,
    Payload,
    PlainModel,
)

MODELS = {
    # Its terms must be accepted: the Stability AI Community License is free for research and for
    # those with less than a million US dollars of revenue a year; others need a licence of
    # Stability AI. Retrained weights of the same pipeline can be named here instead; the draft
    # needs none.
    "audio": "stabilityai/stable-audio-open-1.0@f21265c1e2710b3bd2386596943f0007f55f802e",
}

RATE = 44_100
CHANNELS = 2
CONTENT_TYPE = "audio/wav"
MAX_PROMPT_CHARACTERS = 1000
MIN_DURATION_SEC = 1
MAX_DURATION_SEC = 47
"""The longest sound of Stable Audio Open's training (its model card)."""
MAX_SEED = 2**31 - 1


class AudioGenerationPayload(Payload):
    """``result`` receives a WAV file, 16 bit, 44.1 kHz, stereo."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    duration_sec: int = Field(ge=MIN_DURATION_SEC, le=MAX_DURATION_SEC)
    seed: int = Field(ge=0, le=MAX_SEED)
    result: OutputFile


class AudioGenerationResult(PlainModel):
    """The properties of the sound."""

    duration_ms: int = Field(ge=0)
    sample_rate: int
    channels: int
    seed: int
    layers: tuple[str, ...] | None = Field(
        default=None,
        description="What the draft engine understood of the prompt: empty where it understood "
        "nothing and plays a neutral pad. Null for the production engine, which has no such parts.",
    )


CONTRACT = Contract(
    name="audio_generation",
    gpu=GpuClass.L4,
    image=ImageFamily.TTS,
    time_limit_seconds=300,
    payload=AudioGenerationPayload,
    result=AudioGenerationResult,
    max_output_bytes=512 * 1024**2,
    models=MODELS,
)
