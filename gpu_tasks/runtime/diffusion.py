"""Diffusion pipelines of production engines: loading, progress, prompts, and what they make."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.errors import EngineError, ErrorCode


def load(kind: Any, host: Host, model: str, *, needs_gib: int = 0, vae: Any = None) -> Any:
    """The pipeline of a class, with the weights of ``id@revision``.

    Where the GPU has less than ``needs_gib`` of memory, its models are kept in main memory and
    brought to the GPU one at a time. A ``vae``, the class of its decoder of latents, is loaded in
    float32: half precision shows in the pictures.
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
    if host.device.startswith("cuda") and _gib_of(host.device) < needs_gib:
        pipeline.enable_model_cpu_offload(device=host.device)
    else:
        pipeline.to(host.device)
    return pipeline


@contextmanager
def at_work(pipeline: Any) -> Iterator[None]:
    """While a pipeline runs; where its models take turns on the GPU, the last leaves it.

    Diffusers brings it back by itself only when a run comes to a good end.
    """
    try:
        yield
    finally:
        pipeline.maybe_free_model_hooks()


def _gib_of(device: str) -> float:
    return float(torch.cuda.get_device_properties(device).total_memory) / 2**30


def after_each_step(tell: Callable[[int], None]) -> Callable[..., dict[str, Any]]:
    """A pipeline's ``callback_on_step_end`` that tells how many steps are done.

    What ``tell`` raises ends the pipeline.
    """
    done = 0

    def stepped(_pipeline: Any, _step: int, _time: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        done += 1
        tell(done)
        return {}

    return stepped


def generator(seed: int) -> torch.Generator:
    """Random numbers of a seed, drawn on the CPU: a picture begins as the same noise everywhere."""
    return torch.Generator("cpu").manual_seed(seed)


def check_length(tokenizer: Any, prompt: str, limit: int) -> None:
    """Refuse, with INPUT_INVALID, what the text encoder would silently drop the end of."""
    tokens = len(tokenizer(prompt).input_ids)
    if tokens > limit:
        raise EngineError(
            ErrorCode.INPUT_INVALID,
            f"The prompt is too long: the model reads {limit} tokens, this has {tokens}.",
        )


def check_made(made: Any, shape: tuple[int, ...]) -> None:
    """Raise MODEL_ERROR for values that are not of this shape, or not finite: as half precision
    overflows.
    """
    if made.shape != shape or not np.isfinite(made).all():
        raise EngineError(ErrorCode.MODEL_ERROR)


def pictures(made: Any, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    """Values of 0 to 1 as pictures, one after another; raises as ``check_made`` at once."""
    check_made(made, shape)
    return (np.asarray(np.rint(one * 255), np.uint8) for one in made)
