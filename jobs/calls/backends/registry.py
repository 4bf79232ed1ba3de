"""The backends by their names."""

from functools import cache

from django.utils.module_loading import import_string

from jobs.calls.backends.base import Backend, BackendUnavailableError
from jobs.calls.backends.local import LocalBackend

_BACKENDS: dict[str, Backend] = {"local": LocalBackend()}
_PATHS = {"modal": "jobs.calls.backends.modal.ModalBackend"}
"""Loaded on first use, so that local installations need not load a cloud's client."""


@cache
def _load_backend(path: str) -> Backend:
    try:
        backend: Backend = import_string(path)()
    except ImportError as exc:
        raise BackendUnavailableError(path) from exc
    return backend


def get_backend(name: str) -> Backend:
    """Return the backend with this name, or of the class at this dotted path.

    Raises ``BackendUnavailableError`` for a backend that no longer exists.
    """
    return _BACKENDS[name] if name in _BACKENDS else _load_backend(_PATHS.get(name, name))
