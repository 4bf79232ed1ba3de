"""The engine: FFmpeg, on CPUs, where it runs as well as anywhere."""

from pathlib import Path

from gpu_tasks.render.rendering import RenderEngine


def load(model_dir: Path | None, device: str, dtype: str) -> RenderEngine:
    """The engine; it has neither weights to find nor a device to choose."""
    del model_dir, device, dtype
    return RenderEngine("production")
