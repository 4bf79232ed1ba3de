"""Serve partners in one process, with a thread for each that receives, works and answers.

Any number of processes may run. They share a partner's messages by its consumer group, and its
requests by leases.
"""

import logging
import threading
import time
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import connection

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.encryption import UnreadableSecretError
from auteur.core.work import liveness
from jobs.integrations.partners import intake, steps
from jobs.integrations.partners.brokers import get_transport
from jobs.integrations.partners.models import Partner, PartnerRequest, State
from jobs.integrations.partners.transports.base import (
    MAX_UNACKNOWLEDGED,
    Transport,
    TransportError,
)
from jobs.integrations.partners.transports.connections import ConnectionSettingsError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""The longest wait for messages while no request is due."""
RELOAD_SECONDS = 2.0
"""How often the list of partners is read."""
FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS = 1.0, 30.0
"""The bounds of the pause before a failing broker is tried again."""
DATABASE_PAUSE_SECONDS = 1.0
STOP_SECONDS = 20.0
"""How long the current round may take after the process is told to stop."""


class Consumer:
    """The consumer of one partner, with the partner's row as it was at the start."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.patience = POLL_SECONDS
        self._stop = threading.Event()
        self._transport: Transport | None = None
        self._broker_at = 0.0
        self._backoff = FIRST_BACKOFF_SECONDS
        self._was_busy = False
        self._thread = threading.Thread(target=self.run, name=f"partner {partner}", daemon=True)

    @property
    def version(self) -> datetime:
        """Return the time of the last change of the partner's row."""
        return self.partner.updated_at

    def start(self) -> None:
        """Start the consumer in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop once all received messages are stored. A signal handler may call this."""
        self._stop.set()

    def is_over(self, seconds: float = 0.0) -> bool:
        """Return True if the thread has ended, or ends within the given time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Serve until told to stop, through outages of the broker and of our own stores."""
        logger.info("partner %s is served", self.partner)
        while not self._stop.is_set():
            try:
                self.round()
            except DATABASE_OUTAGES as exc:
                logger.warning("partners wait for the database: %s", type(exc).__name__)
                self._pause_after_error()
            except Exception:
                logger.exception("a round of partner %s failed", self.partner)
                self._pause_after_error()
        self._shut_down()

    def round(self) -> None:
        """Receive and store messages, then advance the due requests."""
        for act in (self._receive_messages, self._advance_requests):
            try:
                act()
            except TransportError as exc:
                self._handle_broker_failure(exc)

    def _receive_messages(self) -> None:
        transport, capacity = self.broker(), self._compute_capacity()
        patience = 0.0 if self._was_busy else self.patience
        if transport is None or capacity <= 0:
            self._stop.wait(patience)
            return
        messages = transport.receive(patience, min(capacity, MAX_UNACKNOWLEDGED))
        self._backoff = FIRST_BACKOFF_SECONDS
        if messages:
            intake.store_messages(self.partner, transport, messages)

    def _advance_requests(self) -> None:
        self._was_busy = bool(steps.advance_requests(self.partner, self.broker()))

    def _compute_capacity(self) -> int:
        requests = PartnerRequest.objects.filter(partner=self.partner, due_at__isnull=False)
        return self.partner.max_open_requests - requests.exclude(state=State.ANSWERED).count()

    def broker(self) -> Transport | None:
        """Return the transport, or None during the pause after a failure."""
        if time.monotonic() < self._broker_at:
            return None
        if self._transport is None:
            try:
                self._transport = get_transport(self.partner)
            except (ConnectionSettingsError, UnreadableSecretError) as exc:
                raise TransportError(str(exc) or type(exc).__name__, is_outage=False) from exc
        return self._transport

    def _handle_broker_failure(self, exc: TransportError) -> None:
        logger.warning("partner %s: its broker fails: %s", self.partner, exc)
        self._broker_at = time.monotonic() + self._backoff
        self._backoff = min(2 * self._backoff, LAST_BACKOFF_SECONDS)

    def _pause_after_error(self) -> None:
        with suppress(Exception):
            connection.close()
        self._stop.wait(DATABASE_PAUSE_SECONDS)

    def _shut_down(self) -> None:
        try:
            steps.release_leases(self.partner)
        except DATABASE_OUTAGES as exc:
            logger.warning("nothing given back, leases will end: %s", type(exc).__name__)
        self.disconnect()
        with suppress(Exception):
            connection.close()
        logger.info("partner %s is served no more", self.partner)

    def disconnect(self) -> None:
        """Disconnect from the broker. Unacknowledged messages go to another process."""
        if self._transport is not None:
            self._transport.close()


class Consumers:
    """The consumers of all active partners, or of the one named."""

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._stop = threading.Event()
        self._running: dict[UUID, Consumer] = {}

    def stop(self) -> None:
        """Stop all consumers. A signal handler may call this."""
        self._stop.set()

    def run(self) -> None:
        """Serve until told to stop. Changes of partners by staff take effect within seconds."""
        with liveness.watch_database() as watch:
            threading.Thread(
                target=watch.run, args=[self._stop], name="database watch", daemon=True
            ).start()
            while not self._stop.is_set():
                try:
                    self._update_consumers(self._load_partners())
                except DATABASE_OUTAGES as exc:
                    logger.warning("partners wait for the database: %s", type(exc).__name__)
                    with suppress(Exception):
                        connection.close()
                self._stop.wait(RELOAD_SECONDS)
            self._shut_down()

    def _load_partners(self) -> dict[UUID, Partner]:
        partners = Partner.objects.filter(is_active=True, user__closing_at=None)
        partners = partners.select_related("user")
        if self._name is not None:
            partners = partners.filter(name=self._name)
        return {partner.pk: partner for partner in partners}

    def _update_consumers(self, partners: dict[UUID, Partner]) -> None:
        for pk, consumer in list(self._running.items()):
            partner = partners.get(pk)
            if partner is None or partner.updated_at != consumer.version:
                consumer.stop()
            if consumer.is_over():
                del self._running[pk]
        for pk in partners.keys() - self._running.keys():
            self._running[pk] = Consumer(partners[pk])
            self._running[pk].start()

    def _shut_down(self) -> None:
        for consumer in self._running.values():
            consumer.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for consumer in self._running.values():
            if not consumer.is_over(max(0.0, deadline - time.monotonic())):
                logger.warning("partner %s does not end", consumer.partner)
        connection.close()
