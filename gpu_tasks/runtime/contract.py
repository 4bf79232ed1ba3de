"""The wire types of GPU functions, and the contract that declares one."""

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
    """The hardware on which a function runs."""

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
        """Return the Celery queue from which local engines of this class run."""
        return f"gpu.{self.value.lower()}"

    @property
    def modal_type(self) -> str | None:
        """Return Modal's name of the GPU (https://modal.com/docs/guide/gpu), or None for CPUs."""
        if self is GpuClass.CPU:
            return None
        return "A10" if self is GpuClass.A10G else self.value

    @property
    def memory_gb(self) -> int:
        """Return the memory of one such GPU."""
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
RENTED_GPUS = tuple(gpu.value for gpu in GpuClass if gpu is not GpuClass.CPU)
"""The GPUs that Modal rents out one by one, as https://modal.com/docs/guide/gpu lists them."""
WITHOUT_BFLOAT16 = frozenset({GpuClass.T4})
"""GPUs older than Ampere. They emulate bfloat16 slowly, or not at all."""


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
"""The limit of calls in flight of a class, over all features together, unless ``GPU_LIMITS`` sets
another. CPUs have none, because they are ours."""


def get_rented_limit(gpu: str) -> int | None:
    """Return the limit of calls in flight on rented GPUs of a class; None for CPUs."""
    return overrides.read_gpu_limits(RENTED_GPUS).get(gpu) or CLASS_LIMITS.get(gpu)


class PlainModel(BaseModel):
    """A value that crosses a process: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputFile(PlainModel):
    """A file to read: fetched from ``url`` (signed, short-lived) before the engine runs."""

    url: str
    name: str = Field(description="A file name with the extension of its type.")


class OutputFile(PlainModel):
    """A file to write: its call requests an upload URL for it (`callback.request_grant`)."""

    key: str = Field(description="Where it will lie in our object storage.")
    content_type: str


class Payload(PlainModel):
    """The payload of every function; a contract adds its files and parameters."""

    job_id: UUID
    attempt_id: UUID
    callback_url: str


class EngineInfo(PlainModel):
    """The engine that did the work, shown with every result."""

    name: str = Field(description="`draft` or `production`.")
    model: str = Field(description="Model id, with its revision where it has one.")


MAX_MESSAGE_LENGTH = 500
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Failure(PlainModel):
    """The reason why there is no result."""

    code: ErrorCode
    message: str = Field(max_length=MAX_MESSAGE_LENGTH)


MAX_TENTHS = 9
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Outcome(PlainModel):
    """The outcome of a call: exactly one of ``result`` and ``error`` is set."""

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
    def from_code(cls, code: ErrorCode) -> Self:
        """Return a failure with the code's own message."""
        return cls(error=Failure(code=code, message=POLICIES[code].message))

    @field_validator("result")
    @classmethod
    def _check_storable(cls, result: dict[str, Any] | None) -> dict[str, Any] | None:
        """Refuse NUL characters, which PostgreSQL cannot store in JSON."""
        if ESCAPED_NUL.search(json.dumps(result, allow_nan=False)):
            raise ValueError("a result has no NUL characters")
        return result

    @model_validator(mode="after")
    def _check_result_or_error(self) -> Self:
        if (self.result is None) == (self.error is None):
            raise ValueError("an outcome has either a result or an error")
        return self


@dataclass(frozen=True)
class Contract:
    """The declaration of one GPU function: ``CONTRACT`` in `gpu_tasks/<name>/contract.py`.

    Settings of the installation (`overrides`) replace declared values wherever a contract is
    created. Raises ``InvalidOverrideError`` for a setting that is not possible.
    """

    name: str
    gpu: GpuClass
    image: ImageFamily
    time_limit_seconds: int
    payload: type[Payload]
    result: type[PlainModel]
    at_once: int | None = None
    """The limit of concurrent calls, if it is lower than that of the GPU class."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Hub ids with pinned revisions (``id@revision``) of the production engine."""
    draft_needs: tuple[str, ...] = ()
    """What the draft engine needs and an image may lack: packages, programs as ``bin/name``, and
    alternatives as ``a|b``."""
    cpu: float = 2.0
    """Cores that a rented machine reserves for it. It may use more if they are free."""
    memory_mb: int = 8192
    """Main memory that a rented machine reserves for it. It may use more if it is free."""
    gpu_memory_gb: int = 0
    """The GPU memory that its own models need at the same time; 0 if unknown."""
    dtype: str = "float16"
    """The number type of the production engine on a GPU. On a CPU it is ``float32``."""
    max_output_bytes: int = 2 * 1024**3
    """The largest file that a call may store. `MAX_UPLOAD_BYTES` may lower it."""
    snapshot: bool = True
    """Start containers from a memory snapshot taken after the engine's imports."""
    defaults: Mapping[str, Any] = field(init=False, repr=False)
    """The declared values of the fields that settings replace."""

    def __post_init__(self) -> None:
        settings = overrides.read_overrides(self.name, models=self.models, gpus=RENTED_GPUS)
        object.__setattr__(self, "defaults", {name: getattr(self, name) for name in settings})
        if "gpu" in settings:
            settings["gpu"] = self._check_gpu(
                GpuClass(settings["gpu"]), own_models="models" not in settings
            )
        for name, value in settings.items():
            object.__setattr__(self, name, value)

    def _check_gpu(self, gpu: GpuClass, *, own_models: bool) -> GpuClass:
        """Return the GPU class; raise ``InvalidOverrideError`` if the function cannot run on it.

        Models that the installation sets may need any amount of memory.
        """
        needed_gb = self.gpu_memory_gb if own_models else 0
        if self.gpu is GpuClass.CPU:
            reason = "it runs on CPUs"
        elif gpu in WITHOUT_BFLOAT16 and self.dtype == "bfloat16":
            reason = "it reckons in bfloat16, which that has not"
        elif gpu.memory_gb < needed_gb:
            reason = f"it needs {needed_gb} GB of memory, that has {gpu.memory_gb}"
        else:
            return gpu
        raise overrides.InvalidOverrideError(
            f"{overrides.GPUS} gives {self.name} a {gpu}: {reason}."
        )
