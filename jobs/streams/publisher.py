"""Publishes the numbered log: read by position, written to the sink, and only then passed.

One process publishes, any number may wait to follow it (`jobs.streams.cursor`). The cursor moves
when the sink has acknowledged, so a crash repeats and never skips. No transaction is open while the
sink answers, and nothing waits in memory but two batches: a sink that is away costs lag alone.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from django.db import connection

from auteur import liveness
from auteur.api.problems import DATABASE_OUTAGES
from auteur.leases import LeaseLostError
from jobs.events import epochs
from jobs.failpoints import failpoint
from jobs.streams import cursor, usage
from jobs.streams.batches import Reader
from jobs.streams.encoding import RegistryError
from jobs.streams.inbox import Inbox
from jobs.streams.records import Record, progress_record
from jobs.streams.sinks.base import LogBehindError, Sink, SinkError, SinkRefusedError

logger = logging.getLogger(__name__)

USAGE_AT_ONCE = 1000
USAGE_SECONDS = 1.0
"""Between looks for usage of the API."""
ROUND_SECONDS = 0.05
"""Shortest time between batches that are not full: what happens meanwhile shares one."""
POLL_SECONDS = 0.5
"""Longest time until the log is looked at when nobody wakes us."""
STANDBY_SECONDS = 1.0
"""Between looks of a process that waits whether the one that publishes is gone."""
RENEW_SECONDS = 5.0
FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 15.0
"""A lease is longer."""


class Publisher:
    """One process that publishes, or waits to."""

    def __init__(self, sink: Sink, *, holder: str | None = None) -> None:
        self._sink = sink
        self.holder = holder or liveness.process_name()
        self.inbox = Inbox()
        self._stop = threading.Event()
        self._reader = Reader()
        self._outage = Outage()
        self.position: int | None = None
        """Where the cursor is; None while another process publishes."""
        self._has_begun = False
        self._is_ahead = False
        """Whether the sink has been reported to know more than the log holds."""
        self._renew_at = 0.0
        self._usage_at = 0.0

    def stop(self) -> None:
        """End after the batch that is being written; may be called by a signal's handler."""
        self._stop.set()
        self.inbox.stop()

    def run(self) -> None:
        """Publish until told to stop, through outages of whatever is needed."""
        self.inbox.start()
        while not self._stop.is_set():
            self._rest(self.attempt(self.publish))
        self.attempt(self._release)
        self.close()
        connection.close()

    def close(self) -> None:
        """Disconnect."""
        self._sink.close()
        self._reader.close()

    def attempt(self, work: Callable[[], float]) -> float:
        """Do it, whatever is away; returns how long to rest."""
        try:
            seconds = work()
        except LeaseLostError:
            logger.warning("streams: another process publishes now")
            self.position, self._has_begun = None, False
            return 0.0
        except (SinkError, RegistryError) as exc:
            self._has_begun = False
            return self._outage.goes_on(str(exc), is_passing=not isinstance(exc, SinkRefusedError))
        except DATABASE_OUTAGES as exc:
            connection.close()
            return self._outage.goes_on(f"PostgreSQL is away: {type(exc).__name__}")
        except Exception:
            logger.exception("a batch was not published")
            self._has_begun = False
            connection.close()
            return LAST_BACKOFF_SECONDS
        self._outage.ends()
        return seconds

    def _rest(self, seconds: float) -> None:
        if self._has_begun:
            self.inbox.wait(seconds)
            self._stop.wait(ROUND_SECONDS if seconds else 0)
        else:  # whatever wakes us cannot help
            self._stop.wait(seconds)

    def publish(self) -> float:
        """One round; returns how long to rest at most before the next.

        Raises ``SinkError``, ``RegistryError``, ``LeaseLostError`` and the database's errors.
        """
        if not self._hold():
            self.inbox.take_progress()
            return STANDBY_SECONDS
        if not self._has_begun:
            self._begin()
        batch = self._reader.next(self._held_position)
        if not batch.events and epochs.log_end() < self._held_position:
            # The log was set back: begin again from where the cursor is now.
            self.position, self._has_begun = None, False
            return 0.0
        used = self._used()
        besides = self._reader.encoded([*self._told(), *(record for _, record in used)])
        if batch.events or besides:
            self._sink.write([*batch.records, *besides], batch.last if batch.events else None)
            failpoint("before_cursor_moved")
            self._move(batch.last)
        if used:
            usage.forget(number for number, _ in used)
            self._usage_at = 0.0 if len(used) == USAGE_AT_ONCE else self._usage_at
        is_behind = batch.is_full or len(used) == USAGE_AT_ONCE
        return 0.0 if is_behind else POLL_SECONDS

    def _hold(self) -> bool:
        """Whether we publish; renews the lease where nothing else does."""
        if self.position is None:
            self.position = cursor.acquire(self.holder)
            if self.position is None:
                return False
            logger.info("streams: publishing from position %d", self.position)
            self._renew_at = time.monotonic() + RENEW_SECONDS
        if time.monotonic() >= self._renew_at:
            self._move(self.position)
        return True

    def _begin(self) -> None:
        """Connect, and go back where the sink knows less than the cursor.

        Raises ``LogBehindError`` where it knows more than was ever numbered: what is numbered now
        would have numbers that its readers know, and they would drop it.
        """
        end = epochs.log_end()
        if self._held_position > end:
            epochs.report_log_behind("streams", seen=self._held_position, end=end)
            self._move(end)
        position = self._held_position
        known = self._sink.begin()
        if known is not None and known > end:
            if not self._is_ahead:
                epochs.report_log_behind("streams", seen=known, end=end)
            self._is_ahead = True
            raise LogBehindError(
                f"The sink has position {known} of the log, which ends at {end}: "
                "run `manage.py events_new_epoch`"
            )
        self._is_ahead = False
        if known is not None and known < position:
            logger.warning("streams: the sink has %d of %d, going back", known, position)
            self._move(known)
        self._reader.restart()
        self._has_begun = True

    def _told(self) -> list[Record]:
        records = []
        for message in self.inbox.take_progress():
            try:
                records.append(progress_record(message))
            except (ValueError, KeyError, TypeError):
                logger.warning("a message of progress was not understood")
        return records

    def _used(self) -> list[tuple[int, Record]]:
        if time.monotonic() < self._usage_at:
            return []
        self._usage_at = time.monotonic() + USAGE_SECONDS
        return usage.take(USAGE_AT_ONCE)

    @property
    def _held_position(self) -> int:
        assert self.position is not None  # noqa: S101 - `_hold` has been asked
        return self.position

    def _move(self, position: int) -> None:
        cursor.move(self.holder, self._held_position, position)
        self.position = position
        self._renew_at = time.monotonic() + RENEW_SECONDS

    def _release(self) -> float:
        cursor.release(self.holder)
        return 0.0


class Outage:
    """Says once that something is away and once that it is back, and how long to wait."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said = ""
        self._seconds = FIRST_BACKOFF_SECONDS

    def goes_on(self, why: str, *, is_passing: bool = True) -> float:
        """How long to wait before the next try: longer each time, and not all at once."""
        if self._since is None:
            self._since = time.monotonic()
        reason = why.partition(" (")[0]  # what stands in brackets differs from try to try
        if not self._said or not (is_passing or reason == self._said):
            level = logging.WARNING if is_passing else logging.ERROR
            logger.log(level, "streams wait: %s", why)
            self._said = reason
        longest, self._seconds = self._seconds, min(LAST_BACKOFF_SECONDS, 2 * self._seconds)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def ends(self) -> None:
        """It works."""
        if self._since is not None:
            logger.warning("streams go on after %.1f s", time.monotonic() - self._since)
        self._since, self._said, self._seconds = None, "", FIRST_BACKOFF_SECONDS
