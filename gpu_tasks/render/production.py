"""The production engine: FFmpeg on CPUs, where it runs as well as on GPUs."""

from gpu_tasks.render.rendering import RenderEngine


class ProductionEngine(RenderEngine):
    """The FFmpeg engine."""
