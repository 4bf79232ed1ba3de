"""The backends by name."""

from functools import cache

from django.utils.module_loading import import_string

from gpu_tasks.runtime.backends.base import Backend, BackendUnavailableError
from gpu_tasks.runtime.backends.local import LocalBackend

_BACKENDS: dict[str, Backend] = {"local": LocalBackend()}
_PATHS = {"modal": "gpu_tasks.runtime.backends.modal.ModalBackend"}
"""Made when first asked for: who runs everything locally need not load a cloud's client."""


@cache
def _elsewhere(path: str) -> Backend:
    try:
        backend: Backend = import_string(path)()
    except ImportError as exc:
        raise BackendUnavailableError(path) from exc
    return backend


def backend_of(name: str) -> Backend:
    """The backend of that name, or of a class by its dotted path.

    Raises ``BackendUnavailableError`` for one that we no longer have.
    """
    return _BACKENDS[name] if name in _BACKENDS else _elsewhere(_PATHS.get(name, name))
