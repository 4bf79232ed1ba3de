"""Wait, then succeed or fail."""

from gpu_tasks.runtime.contract import Contract, GpuClass, ImageFamily, Payload, PlainModel
from gpu_tasks.runtime.errors import ErrorCode


class NoopPayload(Payload):
    """How long to wait, and how to fail, if at all."""

    seconds: float
    error: ErrorCode | None


class NoopResult(PlainModel):
    """Nothing."""


CONTRACT = Contract(
    name="noop",
    gpu=GpuClass.CPU,
    image=ImageFamily.FFMPEG,
    time_limit_seconds=600,
    payload=NoopPayload,
    result=NoopResult,
)
