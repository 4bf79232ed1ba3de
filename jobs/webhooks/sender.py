"""The process that delivers: requests in one loop, the database in one thread beside it."""

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

from auteur import liveness
from auteur.api.problems import DATABASE_OUTAGES
from auteur.outbound import PooledResolver
from jobs.webhooks import claims, deliveries, sending
from jobs.webhooks.addresses import webhook_policy
from jobs.webhooks.claims import Claimed, Tried

logger = logging.getLogger(__name__)

AT_ONCE = 600
"""Deliveries that a process has under way."""
QUICK_AT_ONCE = 256
"""Of these, of lanes that are not slow."""
SLOW_AT_ONCE = 256
"""Of slow lanes; more only where some have become slow while they were under way."""
SLOW_THREADS = 512
"""Threads that resolve the names of slow lanes: a thread can outlive its delivery. The others have
threads of their own, so names that hang keep no other name from being resolved."""
SLOW_SECONDS = 1.0
"""A lane is slow once a delivery takes so long, until one takes less."""
MAX_SLOW_LANES = 10_000
"""Known at once; beyond it, all are forgotten and found anew."""
ROUND_SECONDS = 0.05
"""Shortest time from one round to the next: what comes to an end meanwhile is written at once."""
POLL_SECONDS = 0.25
"""Longest, while nothing comes to an end."""
LOST_SECONDS = 5.0
"""Between looks for what dead processes held."""
OUTAGE_PAUSE_SECONDS = 1.0
STOP_SECONDS = claims.TIME_LIMIT_SECONDS
"""How long what is under way may take after we are told to stop."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Flight:
    """A delivery under way."""

    id: UUID
    lane: UUID
    owner_id: UUID
    started: float

    @property
    def is_slow(self) -> bool:
        return time.monotonic() - self.started >= SLOW_SECONDS


class Sender:
    """Hands out, claims, sends and writes down until it is told to stop."""

    def __init__(self) -> None:
        self._holder = liveness.process_name()
        self._policy = webhook_policy()
        self._flights: dict[asyncio.Task[None], _Flight] = {}
        self._slow: set[UUID] = set()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._tried: list[Tried] = []
        self._ended = asyncio.Event()
        self._lost_at = 0.0
        self._is_unsure = False
        self._database = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then end what is under way, and give back the rest."""
        async with (
            sending.session(self._policy, PooledResolver(QUICK_AT_ONCE)) as quick,
            sending.session(self._policy, PooledResolver(SLOW_THREADS)) as slow,
        ):
            self._sessions = {False: quick, True: slow}
            while not stop.is_set():
                await self._wait(stop, await self._round())
            await self._end()
        await self._in_thread(_disconnect)
        self._database.shutdown()

    async def _round(self) -> float:
        """Write, hand out, claim, begin to send; returns how long to rest at most."""
        self._ended.clear()
        tried, self._tried = self._tried, []
        try:
            handed_out, claimed = await self._in_thread(self._ask(tried))
        except DATABASE_OUTAGES as exc:
            logger.warning("webhooks wait for the database: %s", type(exc).__name__)
        except Exception:
            logger.exception("a round of webhooks failed")
        else:
            self._is_unsure = False
            for delivery in claimed:
                self._begin(delivery)
            return ROUND_SECONDS if handed_out else POLL_SECONDS
        self._tried = tried + self._tried
        self._is_unsure = True
        with suppress(Exception):
            await self._in_thread(_disconnect)
        return OUTAGE_PAUSE_SECONDS

    def _ask(self, tried: list[Tried]) -> Callable[[], tuple[int, list[Claimed]]]:
        """A round of the database's thread, by what is under way now."""
        self._slow |= {flight.lane for flight in self._flights.values() if flight.is_slow}
        if len(self._slow) > MAX_SLOW_LANES:
            self._slow.clear()
        slow = set(self._slow)
        busy = Counter(flight.lane for flight in self._flights.values())
        busy_owners = Counter(flight.owner_id for flight in self._flights.values())
        of_slow = sum(number for lane, number in busy.items() if lane in slow)
        left = AT_ONCE - busy.total()
        quick_places = min(left, QUICK_AT_ONCE - (busy.total() - of_slow))
        slow_places = min(left - max(0, quick_places), SLOW_AT_ONCE - of_slow)

        known = {flight.id for flight in self._flights.values()}
        is_unsure = self._is_unsure

        def ask() -> tuple[int, list[Claimed]]:
            if tried:
                claims.finish(tried, holder=self._holder)
            if is_unsure:  # what was claimed when the answer was lost
                claims.release_own(self._holder, known=known)
            self._release_lost()
            handed_out = deliveries.fan_out_events()
            claimed: list[Claimed] = []
            for is_slow, places in ((False, quick_places), (True, slow_places)):
                more = claims.claim(
                    holder=self._holder,
                    limit=places,
                    busy=busy,
                    busy_owners=busy_owners,
                    slow=slow,
                    is_slow=is_slow,
                )
                busy_owners.update(claim.owner_id for claim in more)
                claimed += more
            return handed_out, claimed

        return ask

    def _release_lost(self) -> None:
        if time.monotonic() >= self._lost_at:
            self._lost_at = time.monotonic() + LOST_SECONDS
            if lost := claims.release_lost():
                logger.warning("%d deliveries of senders that are gone", lost)

    def _begin(self, claimed: Claimed) -> None:
        http = self._sessions[claimed.lane in self._slow]
        task = asyncio.create_task(self._send(http, claimed))
        self._flights[task] = _Flight(claimed.id, claimed.lane, claimed.owner_id, time.monotonic())
        task.add_done_callback(self._landed)

    async def _send(self, http: aiohttp.ClientSession, claimed: Claimed) -> None:
        outcome = await sending.attempt(http, self._policy, claimed)
        self._tried.append((claimed, outcome))

    def _landed(self, task: "asyncio.Task[None]") -> None:
        flight = self._flights.pop(task)
        if flight.is_slow:
            self._slow.add(flight.lane)
        else:
            self._slow.discard(flight.lane)
        self._ended.set()

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        """A round's time at least, and at most ``seconds`` if nothing ends before."""
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping], timeout=ROUND_SECONDS)
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait(
            [stopping, ended],
            timeout=max(0.0, seconds - ROUND_SECONDS),
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopping.cancel()
        ended.cancel()

    async def _end(self) -> None:
        if self._flights:
            await asyncio.wait(list(self._flights), timeout=STOP_SECONDS)
        for task in list(self._flights):
            task.cancel()
        tried = self._tried

        def give_back() -> None:
            if tried:
                claims.finish(tried, holder=self._holder)
            claims.release_own(self._holder)

        try:
            await self._in_thread(give_back)
        except DATABASE_OUTAGES as exc:
            logger.warning("nothing given back, leases will end: %s", type(exc).__name__)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._database, work)


def _disconnect() -> None:
    """Close the connection of the thread that runs this."""
    connection.close()
