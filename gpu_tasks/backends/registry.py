"""The backends by name."""

from gpu_tasks.backends.base import Backend
from gpu_tasks.backends.local import LocalBackend

_BACKENDS: dict[str, Backend] = {"local": LocalBackend()}


def backend_of(name: str) -> Backend:
    """The backend of that name; raises ``KeyError``."""
    return _BACKENDS[name]
