"""The same engine as in production: it needs no GPU and no weights."""

from pathlib import Path

from gpu_tasks.render.rendering import RenderEngine


def load(model_dir: Path | None, device: str, dtype: str) -> RenderEngine:
    """The engine; it has neither weights to find nor a device to choose."""
    del model_dir, device, dtype
    return RenderEngine("draft")
