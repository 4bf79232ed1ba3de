"""Diffusion pipelines of production engines: loading, progress, and the length of prompts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gpu_tasks.runtime.errors import EngineError, ErrorCode


def loaded(
    kind: Any, folder: Path, device: str, dtype: str, *, needs_gib: int, **parts: Any
) -> Any:
    """The pipeline of a class, from the folder of its weights.

    Where the GPU has less than ``needs_gib`` of memory, its models are kept in main memory and
    brought to the GPU one at a time.
    """
    pipeline = kind.from_pretrained(
        str(folder), dtype=getattr(torch, dtype), local_files_only=True, **parts
    )
    pipeline.set_progress_bar_config(disable=True)
    if device.startswith("cuda") and _gib_of(device) < needs_gib:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return pipeline


def decoder(kind: Any, folder: Path) -> Any:
    """The decoder of a pipeline's latents, in float32: half precision shows in the pictures."""
    return kind.from_pretrained(
        str(folder), subfolder="vae", dtype=torch.float32, local_files_only=True
    )


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

    def stepped(_pipeline: Any, step: int, _time: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
        tell(step + 1)
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
