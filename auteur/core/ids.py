"""The ids of the current work: of its request, Celery task, call, attempt and job.

They are bound where the work begins and follow it within its thread. Log lines and fault reports
contain them (docs/decisions/0023).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_bound: ContextVar[dict[str, str]] = ContextVar("ids", default={})  # noqa: B039 - never changed


@contextmanager
def bind_ids(**ids: object) -> Iterator[None]:
    """Add these ids to all log lines inside, besides those that are already bound."""
    token = _bound.set(_bound.get() | {name: str(value) for name, value in ids.items()})
    try:
        yield
    finally:
        _bound.reset(token)


def current() -> dict[str, str]:
    """Return the ids by name: ``request``, ``task``, ``call``, ``attempt``, ``job``."""
    return _bound.get()


def bind_task(task_id: str) -> None:
    """Bind the id of a Celery task, and drop all ids of the task before it."""
    _bound.set({"task": task_id})


def request_id() -> dict[str, str]:
    """Return ``{"request_id": …}`` for events of the current request, or an empty dict."""
    request_id = _bound.get().get("request")
    return {"request_id": request_id} if request_id else {}
