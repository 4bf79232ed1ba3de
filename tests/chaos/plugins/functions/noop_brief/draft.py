"""The engine of `noop`."""

from gpu_tasks.noop.draft import DraftEngine

__all__ = ["DraftEngine"]
