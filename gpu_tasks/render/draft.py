"""The draft engine is the production engine: it needs no GPU and no weights."""

from gpu_tasks.render.rendering import RenderEngine


class DraftEngine(RenderEngine):
    """The FFmpeg engine."""
