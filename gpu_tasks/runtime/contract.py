"""What a GPU function takes and returns: the wire types and the declaration of a function."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from gpu_tasks.runtime import overrides
from gpu_tasks.runtime.errors import POLICIES, ErrorCode


class GpuClass(StrEnum):
    """The hardware a function runs on."""

    B200 = "B200"
    H200 = "H200"
    H100 = "H100"
    A100_80GB = "A100-80GB"
    A100_40GB = "A100-40GB"
    L40S = "L40S"
    A10G = "A10G"
    L4 = "L4"
    T4 = "T4"
    CPU = "CPU"

    @property
    def queue(self) -> str:
        """The Celery queue that local engines of this class are run from."""
        return f"gpu.{self.value.lower()}"

    @property
    def modal_type(self) -> str | None:
        """What Modal calls it (https://modal.com/docs/guide/gpu); None for no GPU."""
        if self is GpuClass.CPU:
            return None
        return "A10" if self is GpuClass.A10G else self.value

    @property
    def memory_gb(self) -> int:
        """Of one such GPU."""
        return MEMORY_GB[self]


MEMORY_GB: Mapping[GpuClass, int] = {
    GpuClass.B200: 192,
    GpuClass.H200: 141,
    GpuClass.H100: 80,
    GpuClass.A100_80GB: 80,
    GpuClass.A100_40GB: 40,
    GpuClass.L40S: 48,
    GpuClass.A10G: 24,
    GpuClass.L4: 24,
    GpuClass.T4: 16,
    GpuClass.CPU: 0,
}
RENTED = tuple(gpu.value for gpu in GpuClass if gpu is not GpuClass.CPU)
"""What Modal rents out by the piece, as https://modal.com/docs/guide/gpu lists it."""
WITHOUT_BFLOAT16 = frozenset({GpuClass.T4})
"""Older than Ampere: they reckon in it by detours, if at all."""


class ImageFamily(StrEnum):
    """The container image that a function needs; `requirements/images/` locks what is in each."""

    ASR = "asr"
    TTS = "tts"
    FACE = "face"
    DIFFUSION = "diffusion"
    VLM = "vlm"
    FFMPEG = "ffmpeg"


CLASS_LIMITS: Mapping[str, int] = {
    GpuClass.B200: 10,
    GpuClass.H200: 10,
    GpuClass.H100: 10,
    GpuClass.A100_80GB: 10,
    GpuClass.A100_40GB: 10,
    GpuClass.L40S: 50,
    GpuClass.A10G: 50,
    GpuClass.L4: 100,
    GpuClass.T4: 100,
}
"""How many calls of a class are in flight at most, over all features together, where
``GPU_LIMITS`` sets nothing else; CPUs are ours."""


def rented_limit(gpu: str) -> int | None:
    """Return the limit of calls in flight on rented GPUs of a class; None for CPUs."""
    return overrides.gpu_limits(RENTED).get(gpu) or CLASS_LIMITS.get(gpu)


class PlainModel(BaseModel):
    """A value that crosses a process: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputFile(PlainModel):
    """A file to read: fetched from ``url`` (signed, short-lived) before the engine runs."""

    url: str
    name: str = Field(description="A file name with the extension of its type.")


class OutputFile(PlainModel):
    """A file to write: its call asks where to put it once it is there (`callback.place_for`)."""

    key: str = Field(description="Where it will lie in our object storage.")
    content_type: str


class Payload(PlainModel):
    """What every function is called with; a contract adds its files and parameters."""

    job_id: UUID
    attempt_id: UUID
    callback_url: str


class EngineInfo(PlainModel):
    """Which engine did the work, shown with every result."""

    name: str = Field(description="`draft` or `production`.")
    model: str = Field(description="Model id, with its revision where it has one.")


MAX_MESSAGE_LENGTH = 500
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Failure(PlainModel):
    """Why there is no result."""

    code: ErrorCode
    message: str = Field(max_length=MAX_MESSAGE_LENGTH)


MAX_TENTHS = 9
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Outcome(PlainModel):
    """How a call ended: exactly one of ``result`` and ``error``."""

    result: dict[str, Any] | None = None
    error: Failure | None = None
    engine: EngineInfo | None = None
    started_at: AwareDatetime | None = Field(
        default=None, description="When the function began, by its own clock."
    )
    load_seconds: float = Field(
        default=0.0, ge=0, description="Loading the engine; 0 where it was loaded already."
    )
    seconds: float = Field(default=0.0, ge=0, description="Running the engine, files included.")
    tenths: tuple[Seconds, ...] = Field(
        default=(),
        max_length=MAX_TENTHS,
        description="From `started_at` until each tenth of the progress was done; not the last.",
    )

    @classmethod
    def failed(cls, code: ErrorCode) -> Self:
        """A failure of which no more is known than its code."""
        return cls(error=Failure(code=code, message=POLICIES[code].message))

    @field_validator("result")
    @classmethod
    def _storable(cls, result: dict[str, Any] | None) -> dict[str, Any] | None:
        """Refused here, where one call fails by it: Postgres keeps no such JSON."""
        if ESCAPED_NUL.search(json.dumps(result, allow_nan=False)):
            raise ValueError("a result has no NUL characters")
        return result

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.result is None) == (self.error is None):
            raise ValueError("an outcome has either a result or an error")
        return self


@dataclass(frozen=True)
class Contract:
    """One GPU function, declared once: `gpu_tasks/<name>/contract.py` holds it as ``CONTRACT``.

    What an installation sets (`overrides`) takes the place of what is declared, wherever a contract
    is made; raises ``InvalidOverrideError`` for what cannot be.
    """

    name: str
    gpu: GpuClass
    image: ImageFamily
    time_limit_seconds: int
    payload: type[Payload]
    result: type[PlainModel]
    at_once: int | None = None
    """How many calls run at most, where that is fewer than its GPU class allows."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Hub ids with pinned revisions (``id@revision``) of the production engine."""
    draft_needs: tuple[str, ...] = ()
    """What its draft needs and an image may lack: packages, programs as ``bin/name``, one of
    ``a|b``."""
    cpu: float = 2.0
    """Cores that a rented machine keeps for it; it may use more where they are free."""
    memory_mb: int = 8192
    """Main memory that a rented machine keeps for it; it may use more where it is free."""
    gpu_memory_gb: int = 0
    """The least of a GPU, for what of its own models is there at once; 0 where nobody knows."""
    dtype: str = "float16"
    """What the production engine reckons in on a GPU; on a CPU it is ``float32``."""
    max_output_bytes: int = 2 * 1024**3
    """The largest file that a call may store; smaller where `MAX_UPLOAD_BYTES` is."""
    snapshot: bool = True
    """Start containers from a memory snapshot taken after the engine's imports."""
    defaults: Mapping[str, Any] = field(init=False, repr=False)
    """What was declared of the fields that are set."""

    def __post_init__(self) -> None:
        given = overrides.overrides_of(self.name, models=self.models, gpus=RENTED)
        object.__setattr__(self, "defaults", {name: getattr(self, name) for name in given})
        if "gpu" in given:
            given["gpu"] = self._fitting(GpuClass(given["gpu"]), own_models="models" not in given)
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def _fitting(self, gpu: GpuClass, *, own_models: bool) -> GpuClass:
        """A GPU that the function can run on; how large others' models are is not known."""
        needed = self.gpu_memory_gb if own_models else 0
        if self.gpu is GpuClass.CPU:
            why = "it runs on CPUs"
        elif gpu in WITHOUT_BFLOAT16 and self.dtype == "bfloat16":
            why = "it reckons in bfloat16, which that has not"
        elif gpu.memory_gb < needed:
            why = f"it needs {needed} GB of memory, that has {gpu.memory_gb}"
        else:
            return gpu
        raise overrides.InvalidOverrideError(f"{overrides.GPUS} gives {self.name} a {gpu}: {why}.")
