"""Which ids the present work carries: of the request, the Celery task, the job it is about.

They are bound where the work begins and follow it within its thread; every line of the log and
every report of a fault names them (docs/decisions/0023).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_bound: ContextVar[dict[str, str]] = ContextVar("ids", default={})  # noqa: B039 - never changed


@contextmanager
def bind_ids(**ids: object) -> Iterator[None]:
    """Name these ids in all that is logged inside, beside those that are named already."""
    token = _bound.set(_bound.get() | {name: str(value) for name, value in ids.items()})
    try:
        yield
    finally:
        _bound.reset(token)


def current() -> dict[str, str]:
    """The ids by name: ``request``, ``task``, ``call``, ``attempt``, ``job``."""
    return _bound.get()


def bind_task(task_id: str) -> None:
    """Begin a Celery task: nothing that the one before it carried is left."""
    _bound.set({"task": task_id})


def request_id() -> dict[str, str]:
    """``{"request_id": …}`` where a request is answered, for events that it gives rise to."""
    request_id = _bound.get().get("request")
    return {"request_id": request_id} if request_id else {}
