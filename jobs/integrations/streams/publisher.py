"""Publish the event log: read by position, write to the sink, then move the cursor.

One process publishes; any number of processes stand by to replace it
(`jobs.integrations.streams.cursor`). The cursor moves when the sink has acknowledged, so a crash
repeats records and never skips any. No transaction is open while the sink answers, and at most two
batches are in memory: a sink that is away causes lag and nothing else.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from django.db import connection

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.work import liveness
from auteur.core.work.leases import LeaseLostError
from jobs.events import epochs
from jobs.failpoints import failpoint
from jobs.integrations.streams import cursor, usage
from jobs.integrations.streams.batches import Reader
from jobs.integrations.streams.encoding import RegistryError
from jobs.integrations.streams.inbox import Inbox
from jobs.integrations.streams.records import Record, build_progress_record
from jobs.integrations.streams.sinks.base import LogBehindError, Sink, SinkError, SinkRefusedError

logger = logging.getLogger(__name__)

USAGE_PER_ROUND = 1000
USAGE_SECONDS = 1.0
"""How often usage of the API is read."""
ROUND_SECONDS = 0.05
"""The shortest time between batches that are not full. Events of that time share a batch."""
POLL_SECONDS = 0.5
"""The longest time between reads of the log without a wake-up."""
STANDBY_SECONDS = 1.0
"""How often a standby process checks whether the publishing process is gone."""
RENEW_SECONDS = 5.0
FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 15.0
"""It must be shorter than a lease."""


class Publisher:
    """A process that publishes, or stands by to publish."""

    def __init__(self, sink: Sink, *, holder: str | None = None) -> None:
        self._sink = sink
        self.holder = holder or liveness.get_process_name()
        self.inbox = Inbox()
        self._stop = threading.Event()
        self._reader = Reader()
        self._outage = Outage()
        self.position: int | None = None
        """The position of the cursor. None while another process publishes."""
        self._has_begun = False
        self._is_ahead = False
        """True if it was reported that the sink is ahead of the log."""
        self._renew_at = 0.0
        self._usage_at = 0.0

    def stop(self) -> None:
        """Stop after the current batch. A signal handler may call this."""
        self._stop.set()
        self.inbox.stop()

    def run(self) -> None:
        """Publish until told to stop, through outages of the sink and of our stores."""
        self.inbox.start()
        while not self._stop.is_set():
            self._wait_for_next_round(self.attempt(self.publish))
        self.attempt(self._release_cursor)
        self.close()
        connection.close()

    def close(self) -> None:
        """Close the connections to the sink and of the reader."""
        self._sink.close()
        self._reader.close()

    def attempt(self, work: Callable[[], float]) -> float:
        """Run ``work`` and handle every outage. Return how long to rest."""
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

    def _wait_for_next_round(self, seconds: float) -> None:
        if self._has_begun:
            self.inbox.wait(seconds)
            self._stop.wait(ROUND_SECONDS if seconds else 0)
        else:  # A wake-up cannot end an outage.
            self._stop.wait(seconds)

    def publish(self) -> float:
        """Run one round. Return how long to rest at most before the next.

        Raises ``SinkError``, ``RegistryError``, ``LeaseLostError`` and the database's errors.
        """
        if not self._acquire_or_renew():
            self.inbox.take_progress()
            return STANDBY_SECONDS
        if not self._has_begun:
            self._connect_sink()
        batch = self._reader.next(self._current_position)
        if not batch.events and epochs.get_log_end() < self._current_position:
            # The database was restored to an earlier state: begin again at the cursor.
            self.position, self._has_begun = None, False
            return 0.0
        usage_rows = self._read_usage()
        other_records = self._reader.encoded(
            [*self._take_progress_records(), *(record for _, record in usage_rows)]
        )
        if batch.events or other_records:
            self._sink.write([*batch.records, *other_records], batch.last if batch.events else None)
            failpoint("before_cursor_moved")
            self._move_cursor(batch.last)
        if usage_rows:
            usage.delete_rows(row_id for row_id, _ in usage_rows)
            self._usage_at = 0.0 if len(usage_rows) == USAGE_PER_ROUND else self._usage_at
        is_behind = batch.is_full or len(usage_rows) == USAGE_PER_ROUND
        return 0.0 if is_behind else POLL_SECONDS

    def _acquire_or_renew(self) -> bool:
        """Return True if this process publishes. Acquire or renew the lease where it is due."""
        if self.position is None:
            self.position = cursor.acquire(self.holder)
            if self.position is None:
                return False
            logger.info("streams: publishing from position %d", self.position)
            self._renew_at = time.monotonic() + RENEW_SECONDS
        if time.monotonic() >= self._renew_at:
            self._move_cursor(self.position)
        return True

    def _connect_sink(self) -> None:
        """Connect the sink, and move the cursor back if the sink has less than the cursor says.

        Raises ``LogBehindError`` if the sink has more than the log: new events would get numbers
        that readers already know, and readers would drop them.
        """
        end = epochs.get_log_end()
        if self._current_position > end:
            epochs.report_log_behind("streams", seen=self._current_position, end=end)
            self._move_cursor(end)
        position = self._current_position
        sink_position = self._sink.begin()
        if sink_position is not None and sink_position > end:
            if not self._is_ahead:
                epochs.report_log_behind("streams", seen=sink_position, end=end)
            self._is_ahead = True
            raise LogBehindError(
                f"The sink has position {sink_position} of the log, which ends at {end}: "
                "run `manage.py events_new_epoch`"
            )
        self._is_ahead = False
        if sink_position is not None and sink_position < position:
            logger.warning("streams: the sink has %d of %d, going back", sink_position, position)
            self._move_cursor(sink_position)
        self._reader.restart()
        self._has_begun = True

    def _take_progress_records(self) -> list[Record]:
        records = []
        for message in self.inbox.take_progress():
            try:
                records.append(build_progress_record(message))
            except (ValueError, KeyError, TypeError):
                logger.warning("a message of progress was not understood")
        return records

    def _read_usage(self) -> list[tuple[int, Record]]:
        if time.monotonic() < self._usage_at:
            return []
        self._usage_at = time.monotonic() + USAGE_SECONDS
        return usage.list_oldest(USAGE_PER_ROUND)

    @property
    def _current_position(self) -> int:
        assert self.position is not None  # noqa: S101 - `_acquire_or_renew` comes first
        return self.position

    def _move_cursor(self, position: int) -> None:
        cursor.move(self.holder, self._current_position, position)
        self.position = position
        self._renew_at = time.monotonic() + RENEW_SECONDS

    def _release_cursor(self) -> float:
        cursor.release(self.holder)
        return 0.0


class Outage:
    """The current outage. It logs the start and the end once, and computes the backoff."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._logged_reason = ""
        self._seconds = FIRST_BACKOFF_SECONDS

    def goes_on(self, message: str, *, is_passing: bool = True) -> float:
        """Record a failed try. Return how long to wait before the next, with backoff and jitter."""
        if self._since is None:
            self._since = time.monotonic()
        reason = message.partition(" (")[0]  # The text in brackets differs from try to try.
        if not self._logged_reason or not (is_passing or reason == self._logged_reason):
            level = logging.WARNING if is_passing else logging.ERROR
            logger.log(level, "streams wait: %s", message)
            self._logged_reason = reason
        max_seconds, self._seconds = self._seconds, min(LAST_BACKOFF_SECONDS, 2 * self._seconds)
        return max_seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def ends(self) -> None:
        """Record that the outage is over."""
        if self._since is not None:
            logger.warning("streams go on after %.1f s", time.monotonic() - self._since)
        self._since, self._logged_reason, self._seconds = None, "", FIRST_BACKOFF_SECONDS
