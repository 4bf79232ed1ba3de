"""Diffusion pipelines of production engines: loading, progress, and checks of their values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.errors import EngineError, ErrorCode


def load(kind: Any, host: Host, model: str, *, needs_gib: int = 0, vae: Any = None) -> Any:
    """Load the pipeline of a class with the weights of ``id@revision``.

    Where the GPU has less than ``needs_gib`` of memory, the pipeline's models stay in main memory
    and are moved to the GPU one at a time. ``vae`` is the class of the decoder of latents. It is
    loaded in float32, because half precision shows in the pictures.
    """
    folder = str(host.weights(model))
    parts = {}
    if vae is not None:
        parts["vae"] = vae.from_pretrained(
            folder, subfolder="vae", dtype=torch.float32, local_files_only=True
        )
    pipeline = kind.from_pretrained(
        folder, dtype=getattr(torch, host.dtype), local_files_only=True, **parts
    )
    pipeline.set_progress_bar_config(disable=True)
    if host.device.startswith("cuda") and _get_memory_gib(host.device) < needs_gib:
        pipeline.enable_model_cpu_offload(device=host.device)
    else:
        pipeline.to(host.device)
    return pipeline


@contextmanager
def free_gpu_memory(pipeline: Any) -> Iterator[None]:
    """Free the GPU of the pipeline's models when the context ends, however it ends.

    Diffusers does that by itself only when a run succeeds.
    """
    try:
        yield
    finally:
        pipeline.maybe_free_model_hooks()


def _get_memory_gib(device: str) -> float:
    return float(torch.cuda.get_device_properties(device).total_memory) / 2**30


def build_step_callback(tell: Callable[[int], None]) -> Callable[..., dict[str, Any]]:
    """Return a pipeline's ``callback_on_step_end`` that reports how many steps are done.

    What ``tell`` raises ends the pipeline.
    """
    steps_done = 0

    def count_step(
        _pipeline: Any, _step: int, _time: Any, _tensors: dict[str, Any]
    ) -> dict[str, Any]:
        nonlocal steps_done
        steps_done += 1
        tell(steps_done)
        return {}

    return count_step


def build_generator(seed: int) -> torch.Generator:
    """Return a random generator for a seed.

    It draws on the CPU, so that a picture starts from the same noise on every machine.
    """
    return torch.Generator("cpu").manual_seed(seed)


def check_length(tokenizer: Any, prompt: str, limit: int) -> None:
    """Raise ``EngineError`` INPUT_INVALID if the text encoder would truncate the prompt."""
    tokens = len(tokenizer(prompt).input_ids)
    if tokens > limit:
        raise EngineError(
            ErrorCode.INPUT_INVALID,
            f"The prompt is too long: the model reads {limit} tokens, this has {tokens}.",
        )


def check_values(values: Any, shape: tuple[int, ...]) -> None:
    """Raise MODEL_ERROR for values of another shape, or values that are not finite.

    Half precision overflows to infinity.
    """
    if values.shape != shape or not np.isfinite(values).all():
        raise EngineError(ErrorCode.MODEL_ERROR)


def convert_to_pictures(values: Any, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    """Convert values of 0 to 1 to pictures, one after another.

    Raises at once, as ``check_values`` does.
    """
    check_values(values, shape)
    return (np.asarray(np.rint(value * 255), np.uint8) for value in values)
