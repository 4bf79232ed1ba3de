"""The production engine: FFmpeg, on CPUs, where it runs as well as anywhere."""

from gpu_tasks.render.rendering import RenderEngine


class ProductionEngine(RenderEngine):
    """The only one there is."""
