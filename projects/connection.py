"""The way to MongoDB: made on first use, in each process for itself, so that we start without."""

import threading
from typing import Any

import mongoengine
from django.conf import settings
from mongoengine.queryset import QuerySet
from pymongo.collection import Collection

from projects.documents import ALIAS, EditDecisionList

_lock = threading.Lock()
_indexed = threading.Event()


def register() -> None:
    """Take the address from the settings (again); an open connection is closed."""
    mongoengine.disconnect(ALIAS)
    _indexed.clear()
    mongoengine.register_connection(
        ALIAS,
        name=settings.MONGODB_DATABASE,
        host=settings.MONGODB_URI,
        connect=False,
        timeoutMS=settings.MONGODB_TIMEOUT_MS,
        serverSelectionTimeoutMS=settings.MONGODB_TIMEOUT_MS,
        connectTimeoutMS=settings.MONGODB_TIMEOUT_MS,
        tz_aware=True,
        uuidRepresentation="standard",
    )


def collection() -> Collection[dict[str, Any]]:
    """The EDL documents; raises pymongo's ``ConnectionFailure`` where the server is away."""
    with _lock:  # two first uses at once would make two clients
        documents: Collection[dict[str, Any]] = EditDecisionList._get_collection()
    if not _indexed.is_set():
        EditDecisionList.ensure_indexes()
        _indexed.set()
    return documents


def edls(**which: Any) -> QuerySet:
    """Those of the EDL documents; raises as `collection`."""
    collection()
    return EditDecisionList.objects(**which)
