"""Connect to MongoDB on the first use in each process, so that processes start without it."""

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
    """Register the address from the settings, and close an open connection."""
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
    """Return the EDL documents; raise pymongo's ``ConnectionFailure`` in an outage."""
    with _lock:  # Two concurrent first uses would create two clients.
        documents: Collection[dict[str, Any]] = EditDecisionList._get_collection()
    if not _indexed.is_set():
        EditDecisionList.ensure_indexes()
        _indexed.set()
    return documents


def edls(**selector: Any) -> QuerySet:
    """Return the EDL documents that match a selector; raise like `collection`."""
    collection()
    return EditDecisionList.objects(**selector)
