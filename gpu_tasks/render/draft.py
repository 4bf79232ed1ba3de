"""The same engine as in production: it needs no GPU and no weights."""

from gpu_tasks.render.rendering import RenderEngine


class DraftEngine(RenderEngine):
    """The only one there is."""
