"""Record the lengths of streams and the lags of their groups in a thread, for `/metrics`."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from django.db import connection

from auteur.core.api.problems import DATABASE_OUTAGES
from jobs.integrations.streams import figures
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.sinks.base import SinkError, StreamAdmin

logger = logging.getLogger(__name__)

WATCH_SECONDS = 15.0
STALE = timedelta(seconds=4 * WATCH_SECONDS)
"""The age after which recorded numbers are no longer shown."""


class Watch:
    """A thread that records the state of the streams. It leaves out what it cannot learn."""

    def __init__(self, make_admin: Callable[[], StreamAdmin], holder: str) -> None:
        self._make_admin = make_admin
        self._holder = holder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record_forever, name="watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop recording. A request in progress ends with the process."""
        self._stop.set()

    def _record_forever(self) -> None:
        admin: StreamAdmin | None = None
        while not self._stop.is_set():
            try:
                admin = admin or self._make_admin()
                if figures.is_published_by(self._holder):
                    figures.store_standing(admin.standing(STREAMS.values()), self._holder)
            except SinkError as exc:
                logger.debug("streams cannot be inspected: %s", exc)
            except DATABASE_OUTAGES:
                connection.close()
            except Exception:
                logger.exception("recording the state of the streams failed")
            self._stop.wait(WATCH_SECONDS)
        connection.close()
