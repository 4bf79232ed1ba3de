"""Pictures out of a film: a function with an input file and several outputs."""

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

MAX_COUNT = 4


class StillsPayload(Payload):
    """``results`` receive a PNG each."""

    video: InputFile
    seed: int
    results: tuple[OutputFile, ...] = Field(min_length=1, max_length=MAX_COUNT)


class StillsResult(PlainModel):
    """What they show."""

    width: int
    height: int
    seed: int


CONTRACT = Contract(
    name="stills",
    gpu=GpuClass.CPU,
    image=ImageFamily.FFMPEG,
    time_limit_seconds=120,  # longer than an outage of the storage in `tests.chaos`
    payload=StillsPayload,
    result=StillsResult,
)
