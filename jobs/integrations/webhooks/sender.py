"""Deliver webhooks in one process: requests in an event loop, the database in one thread."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import aiohttp
from django.db import connection

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.net.callable_urls import build_policy
from auteur.core.net.outbound import PooledResolver
from auteur.core.work import liveness
from jobs.integrations.webhooks import claims, deliveries, sending
from jobs.integrations.webhooks.claims import ClaimedDelivery, DeliveryResult

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 600
"""How many deliveries a process has in flight."""
MAX_QUICK_IN_FLIGHT = 256
"""How many of these may be of queues that are not slow."""
MAX_SLOW_IN_FLIGHT = 256
"""How many may be of slow queues. There are more only if a queue becomes slow in flight."""
SLOW_THREADS = 512
"""How many threads resolve host names of slow queues. A thread can outlive its delivery. The other
queues have threads of their own, so a name server that hangs does not delay them."""
SLOW_SECONDS = 1.0
"""A queue is slow after a delivery has taken this long, until a delivery takes less."""
MAX_SLOW_QUEUES = 10_000
"""How many slow queues are remembered. Beyond this number, all are forgotten."""
ROUND_SECONDS = 0.05
"""The shortest time between two rounds. Deliveries that end meanwhile are stored together."""
POLL_SECONDS = 0.25
"""The longest time between two rounds, while no delivery ends."""
LOST_SECONDS = 5.0
"""How often deliveries of dead processes are released."""
OUTAGE_PAUSE_SECONDS = 1.0
STOP_SECONDS = claims.TIME_LIMIT_SECONDS
"""How long deliveries in flight may take after the process is told to stop."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _InFlightRequest:
    """A delivery that is being sent."""

    id: UUID
    lane: UUID
    owner_id: UUID
    started: float

    @property
    def is_slow(self) -> bool:
        return time.monotonic() - self.started >= SLOW_SECONDS


class Sender:
    """The sender of one process. It fans out, claims, sends and finishes deliveries."""

    def __init__(self) -> None:
        self._holder = liveness.get_process_name()
        self._policy = build_policy()
        self._in_flight: dict[asyncio.Task[None], _InFlightRequest] = {}
        self._slow: set[UUID] = set()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._outcomes: list[DeliveryResult] = []
        self._delivery_ended = asyncio.Event()
        self._next_reap_at = 0.0
        self._is_unsure = False
        self._database = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop`` is set. Then finish what is in flight and release the rest."""
        async with (
            sending.create_session(self._policy, PooledResolver(MAX_QUICK_IN_FLIGHT)) as quick,
            sending.create_session(self._policy, PooledResolver(SLOW_THREADS)) as slow,
        ):
            self._sessions = {False: quick, True: slow}
            while not stop.is_set():
                await self._wait_for_next_round(stop, await self._run_round())
            await self._shut_down()
        await self._run_in_database_thread(_close_connection)
        self._database.shutdown()

    async def _run_round(self) -> float:
        """Store outcomes, fan out, claim and start to send. Return how long to wait at most."""
        self._delivery_ended.clear()
        outcomes, self._outcomes = self._outcomes, []
        try:
            events_count, deliveries_to_send = await self._run_in_database_thread(
                self._build_database_round(outcomes)
            )
        except DATABASE_OUTAGES as exc:
            logger.warning("webhooks wait for the database: %s", type(exc).__name__)
        except Exception:
            logger.exception("a round of webhooks failed")
        else:
            self._is_unsure = False
            for delivery in deliveries_to_send:
                self._start_sending(delivery)
            return ROUND_SECONDS if events_count else POLL_SECONDS
        self._outcomes = outcomes + self._outcomes
        self._is_unsure = True
        with suppress(Exception):
            await self._run_in_database_thread(_close_connection)
        return OUTAGE_PAUSE_SECONDS

    def _build_database_round(
        self, outcomes: list[DeliveryResult]
    ) -> Callable[[], tuple[int, list[ClaimedDelivery]]]:
        """Return the work of one round for the database thread, based on what is in flight now."""
        self._slow |= {request.lane for request in self._in_flight.values() if request.is_slow}
        if len(self._slow) > MAX_SLOW_QUEUES:
            self._slow.clear()
        slow_queues = set(self._slow)
        busy = Counter(request.lane for request in self._in_flight.values())
        busy_owners = Counter(request.owner_id for request in self._in_flight.values())
        slow_count = sum(count for queue_id, count in busy.items() if queue_id in slow_queues)
        remaining = MAX_IN_FLIGHT - busy.total()
        quick_limit = min(remaining, MAX_QUICK_IN_FLIGHT - (busy.total() - slow_count))
        slow_limit = min(remaining - max(0, quick_limit), MAX_SLOW_IN_FLIGHT - slow_count)

        in_flight_ids = {request.id for request in self._in_flight.values()}
        is_unsure = self._is_unsure

        def run_database_round() -> tuple[int, list[ClaimedDelivery]]:
            if outcomes:
                claims.finish(outcomes, holder=self._holder)
            if is_unsure:  # The answer to a claim was lost.
                claims.release_own(self._holder, in_flight_ids=in_flight_ids)
            self._release_lost()
            events_count = deliveries.fan_out_events()
            claimed_deliveries: list[ClaimedDelivery] = []
            for is_slow, limit in ((False, quick_limit), (True, slow_limit)):
                new_deliveries = claims.claim(
                    holder=self._holder,
                    limit=limit,
                    busy=busy,
                    busy_owners=busy_owners,
                    slow=slow_queues,
                    is_slow=is_slow,
                )
                busy_owners.update(delivery.owner_id for delivery in new_deliveries)
                claimed_deliveries += new_deliveries
            return events_count, claimed_deliveries

        return run_database_round

    def _release_lost(self) -> None:
        if time.monotonic() >= self._next_reap_at:
            self._next_reap_at = time.monotonic() + LOST_SECONDS
            if count := claims.release_lost():
                logger.warning("released %d deliveries of dead senders", count)

    def _start_sending(self, delivery: ClaimedDelivery) -> None:
        http = self._sessions[delivery.lane in self._slow]
        task = asyncio.create_task(self._send_delivery(http, delivery))
        self._in_flight[task] = _InFlightRequest(
            delivery.id, delivery.lane, delivery.owner_id, time.monotonic()
        )
        task.add_done_callback(self._on_delivered)

    async def _send_delivery(self, http: aiohttp.ClientSession, delivery: ClaimedDelivery) -> None:
        outcome = await sending.try_delivery(http, self._policy, delivery)
        self._outcomes.append((delivery, outcome))

    def _on_delivered(self, task: "asyncio.Task[None]") -> None:
        request = self._in_flight.pop(task)
        if request.is_slow:
            self._slow.add(request.lane)
        else:
            self._slow.discard(request.lane)
        self._delivery_ended.set()

    async def _wait_for_next_round(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait at least ``ROUND_SECONDS``, and at most ``seconds`` while no delivery ends."""
        stop_task = asyncio.create_task(stop.wait())
        await asyncio.wait([stop_task], timeout=ROUND_SECONDS)
        end_task = asyncio.create_task(self._delivery_ended.wait())
        await asyncio.wait(
            [stop_task, end_task],
            timeout=max(0.0, seconds - ROUND_SECONDS),
            return_when=asyncio.FIRST_COMPLETED,
        )
        stop_task.cancel()
        end_task.cancel()

    async def _shut_down(self) -> None:
        if self._in_flight:
            await asyncio.wait(list(self._in_flight), timeout=STOP_SECONDS)
        for task in list(self._in_flight):
            task.cancel()
        outcomes = self._outcomes

        def release() -> None:
            if outcomes:
                claims.finish(outcomes, holder=self._holder)
            claims.release_own(self._holder)

        try:
            await self._run_in_database_thread(release)
        except DATABASE_OUTAGES as exc:
            logger.warning("nothing given back, leases will end: %s", type(exc).__name__)

    async def _run_in_database_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._database, work)


def _close_connection() -> None:
    """Close the connection of the thread that runs this function."""
    connection.close()
