"""The limits of the server: seconds, bytes and connections, in total and for each client."""

from collections import Counter
from dataclasses import dataclass, replace

from gpu_tasks.runtime.errors import AuteurError

KIB = 1024
SHARED = ("queued", "connections", "connections_per_address", "body_bytes", "answer_bytes")
"""The limits that all processes share. Each process has ``threads`` of its own."""


@dataclass(frozen=True)
class Limits:
    """The limits of a server. The first six are set by ``API_SERVER``."""

    threads: int
    queued: int
    """The most requests that wait for a thread."""
    connections: int
    connections_per_address: int
    """The most connections of an address, and the most requests in progress of an address.

    Behind a proxy, all connections have the proxy's address, so only requests are counted.
    """
    body_bytes: int
    """The most bytes of all bodies together, without those that are in memory."""
    answer_bytes: int
    """The most bytes of all responses together that peers have not read yet."""

    head_seconds: float = 10.0
    """The time from the connection, or a request's first byte, to the end of its headers."""
    head_bytes: int = 64 * KIB
    idle_seconds: float = 20.0
    """The time between two requests. The proxy closes connections earlier (deploy/Caddyfile)."""
    window_seconds: float = 10.0
    """In each such time, a body must bring ``window_bytes`` or end."""
    window_bytes: int = 64 * KIB
    unread_seconds: float = 10.0
    """The time in which the peer must read some tens of KiB of a response, or the rest of it."""
    linger_seconds: float = 2.0
    """How long the rest of a body is discarded after a response that did not need it."""
    graceful_seconds: int = 5
    """The time for requests in progress when the server stops."""
    waiting: int = 200
    """The most requests of a process that wait without a thread (`auteur.server.waits`)."""
    waiting_per_user: int = 8
    memory_bytes: int = 64 * KIB
    """The most bytes in memory of each body, and of each part of a response.

    A larger body is stored in a file.
    """

    def divide(self, processes: int) -> "Limits":
        """Return the limits of each of several processes.

        Together they have no more than these limits, except that each has at least 1.
        """
        shares = {name: max(1, getattr(self, name) // processes) for name in SHARED}
        return replace(self, **shares)


class Budget:
    """A number of units for all clients, of which one client may have at most ``client_limit``."""

    def __init__(self, total: int, client_limit: int) -> None:
        self.remaining = total
        self._client_limit = client_limit
        self._amounts: Counter[str] = Counter()

    def take(self, client: str, amount: int = 1) -> bool:
        """Take units for a client. Return False, and take none, if there are too few."""
        if amount > self.remaining or self._amounts[client] + amount > self._client_limit:
            return False
        self.remaining -= amount
        self._amounts[client] += amount
        return True

    def release(self, client: str, amount: int = 1) -> None:
        self.remaining += amount
        self._amounts[client] -= amount
        if not self._amounts[client]:
            del self._amounts[client]


class OverloadedError(AuteurError):
    """A budget is exhausted."""


class reserve:  # noqa: N801 - used as a function
    """Take units of a budget while a block runs. Raise ``OverloadedError`` if there are too few."""

    __slots__ = ("_arguments",)

    def __init__(self, budget: Budget, client: str, amount: int = 1) -> None:
        self._arguments = (budget, client, amount)

    def __enter__(self) -> None:
        budget, client, amount = self._arguments
        if not budget.take(client, amount):
            raise OverloadedError

    def __exit__(self, *error: object) -> None:
        budget, client, amount = self._arguments
        budget.release(client, amount)
