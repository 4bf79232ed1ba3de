"""The production engine: the draft, which needs no GPU and no weights."""

from gpu_tasks.stills.draft import DraftEngine


class ProductionEngine(DraftEngine):
    """The only engine there is."""
