"""The contract of video queries: a film and a question in, an answer with evidence out."""

from enum import StrEnum

from pydantic import Field

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    InputFile,
    Payload,
    PlainModel,
)

MODELS = {"vlm": "Qwen/Qwen3-VL-8B-Instruct@0c351dd01ed87e9c1b53cbc748cba10e6187ff3b"}

MIN_QUESTION = 1
MAX_QUESTION = 1000
MAX_ANSWER = 4000
MAX_EVIDENCE = 50
MAX_DETAIL = 500
MAX_SEGMENTS = 2000
MAX_SEGMENT_TEXT = 2000
MAX_DURATION_MS = {"draft": 10 * 60_000, "production": 2 * 3_600_000}
"""The longest film about which each engine can answer within the time limit."""


class SpokenSegment(PlainModel):
    """A segment of the film's transcript."""

    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    text: str = Field(max_length=MAX_SEGMENT_TEXT)


class VideoQueryPayload(Payload):
    """No file is written: the result is the answer."""

    video: InputFile
    question: str = Field(min_length=MIN_QUESTION, max_length=MAX_QUESTION)
    segments: tuple[SpokenSegment, ...] | None = Field(
        default=None,
        max_length=MAX_SEGMENTS,
        description="The film's transcript, where there is one.",
    )
    seed: int = Field(ge=0, lt=2**31)


class EvidenceKind(StrEnum):
    """The source of a piece of evidence."""

    PICTURE = "picture"
    SPEECH = "speech"
    CUT = "cut"
    MOTION = "motion"
    BRIGHTNESS = "brightness"
    COLOUR = "colour"
    FACE = "face"
    TEXT = "text"
    SOUND = "sound"


class Evidence(PlainModel):
    """A part of the film that shows the answer; times are in milliseconds."""

    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    kind: EvidenceKind
    detail: str = Field(max_length=MAX_DETAIL)


class VideoQueryResult(PlainModel):
    """The answer with its evidence."""

    answer: str = Field(min_length=1, max_length=MAX_ANSWER)
    evidence: tuple[Evidence, ...] = Field(max_length=MAX_EVIDENCE)
    duration_ms: int = Field(ge=0)
    frames_sampled: int = Field(ge=1)


CONTRACT = Contract(
    name="video_query",
    gpu=GpuClass.A10G,
    image=ImageFamily.VLM,
    time_limit_seconds=300,
    payload=VideoQueryPayload,
    result=VideoQueryResult,
    models=MODELS,
    gpu_memory_gb=20,  # 8.8 B parameters at 2 bytes, and activations
    draft_needs=("rapidocr", "onnxruntime"),
    dtype="bfloat16",
    memory_mb=16 * 1024,
)
