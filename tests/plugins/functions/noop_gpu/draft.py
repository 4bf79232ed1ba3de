"""The engine for a CPU."""

from gpu_tasks.noop.draft import DraftEngine

__all__ = ["DraftEngine"]
