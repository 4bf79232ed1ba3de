"""Limits on what one peer may use: seconds, bytes, connections."""

from collections import Counter
from dataclasses import dataclass, replace

from gpu_tasks.runtime.errors import AuteurError

KIB = 1024
SHARED = ("queued", "connections", "connections_per_address", "body_bytes", "answer_bytes")
"""What all processes have together; threads are those of each."""


@dataclass(frozen=True)
class Limits:
    """The first six are settings (``API_SERVER``); the others are the same everywhere."""

    threads: int
    queued: int
    """Requests that wait for a thread."""
    connections: int
    connections_per_address: int
    """Also requests in hand of an address, which a proxy's connections do not show."""
    body_bytes: int
    """Of all bodies under way together, beyond what is kept in memory for each."""
    answer_bytes: int
    """Of all answers that are not yet read, together."""

    head_seconds: float = 10.0
    """From the first byte of a request, or from the connection, to the end of its headers."""
    head_bytes: int = 64 * KIB
    idle_seconds: float = 20.0
    """Between two requests; longer than the proxy keeps its connections (deploy/Caddyfile)."""
    window_seconds: float = 10.0
    """A body brings ``window_bytes`` in any such time, or ends."""
    window_bytes: int = 64 * KIB
    unread_seconds: float = 10.0
    """For the peer to take some tens of KiB of an answer, or the rest of it."""
    linger_seconds: float = 2.0
    """How long the rest of a body is thrown away after an answer that did not need it."""
    graceful_seconds: int = 5
    """For requests in hand, once the server is told to stop."""
    waiting: int = 200
    """Requests of a process that wait for a result without a thread (`auteur.server.waits`)."""
    waiting_per_user: int = 8
    memory_bytes: int = 64 * KIB
    """Of each body, and of each answer that is sent bit by bit; a larger body goes to a file."""

    def of_one(self, processes: int) -> "Limits":
        """Those of one of so many: together they have no more than one would, but one of each."""
        shares = {name: max(1, getattr(self, name) // processes) for name in SHARED}
        return replace(self, **shares)


class Budget:
    """So many of something for all, of which one address has at most so many."""

    def __init__(self, total: int, each: int) -> None:
        self.left = total
        self._each = each
        self._taken: Counter[str] = Counter()

    def take(self, who: str, amount: int = 1) -> bool:
        """Take ``amount`` if there is so much; whether it was taken."""
        if amount > self.left or self._taken[who] + amount > self._each:
            return False
        self.left -= amount
        self._taken[who] += amount
        return True

    def release(self, who: str, amount: int = 1) -> None:
        self.left += amount
        self._taken[who] -= amount
        if not self._taken[who]:
            del self._taken[who]


class OverloadedError(AuteurError):
    """A budget is used up."""


class taken:  # noqa: N801 - used as a function
    """Hold ``amount`` of the budget for the block; raises ``OverloadedError``."""

    __slots__ = ("_held",)

    def __init__(self, budget: Budget, who: str, amount: int = 1) -> None:
        self._held = (budget, who, amount)

    def __enter__(self) -> None:
        budget, who, amount = self._held
        if not budget.take(who, amount):
            raise OverloadedError

    def __exit__(self, *error: object) -> None:
        budget, who, amount = self._held
        budget.release(who, amount)
