"""The engine for a CPU."""

from gpu_tasks.noop.draft import load

__all__ = ["load"]
