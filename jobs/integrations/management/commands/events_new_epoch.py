"""Provide `manage.py events_new_epoch`: after a restore, begin numbers above all known ones."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from jobs.events import epochs
from jobs.integrations.streams import sinks
from jobs.integrations.streams.sinks.base import SinkError


class Command(BaseCommand):
    help = (
        "Begin a new epoch of the event log. Run this after PostgreSQL was restored to an "
        "earlier state, or failed over to a standby without the last commits, and before "
        "orchestrators start: events then get numbers that nobody has seen. Running it twice is "
        "harmless."
    )

    def handle(self, **options: Any) -> None:
        epoch = epochs.start_epoch(seen=self._list_sink_positions())
        self.stdout.write(
            f"Epoch {epoch.number} begins: events are numbered from {epoch.first_position} on."
        )

    def _list_sink_positions(self) -> list[int]:
        if settings.STREAMS_SINK == sinks.OFF:
            return []
        sink = sinks.create_sink()
        try:
            position = sink.begin()
        except SinkError as exc:
            self.stderr.write(f"The position of the sink could not be read: {exc}")
            return []
        finally:
            sink.close()
        return [] if position is None else [position]
