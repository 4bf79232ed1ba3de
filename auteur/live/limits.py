"""How much of it one client, one address and all together may have."""

from dataclasses import dataclass, field

from django.conf import settings

from auteur.server.limits import KIB, Budget, Limits

CONNECTIONS = 12_000
"""Of one process, all together."""
CONNECTIONS_PER_USER = 20
"""Streams, sockets and waiting polls."""
UNKNOWN_PER_ADDRESS = 50
"""Sockets that have not said who they are."""
AUTHENTICATION_SECONDS = 10.0
"""For a socket to say it."""
MESSAGE_BYTES = 4 * KIB
"""Of what a client says in one message."""
FRAMES_BYTES = 16 * KIB
"""More is not even read."""
FRAGMENTS = 16
"""Of one message."""
MESSAGES_BURST, MESSAGES_PER_SECOND = 10, 1.0
"""Frames of a socket, pings of the protocol included: so many at once, then so many a second."""
SLICE_BYTES = 2 * KIB
"""Parsed at once: what a client sends in one go may be thousands of frames."""
DISCARDED_BYTES, DISCARDING_SECONDS = 64 * KIB, 1.0
"""Read and thrown away of a socket that was closed for its frames, for it to see the reason."""
RECEIVE_BUFFER_BYTES = 16 * KIB
"""In the system, for each connection."""
UNREAD_SECONDS = 5.0
"""A client that takes nothing for so long, while more than our buffers hold waits for it, is
dropped; it comes back with its last number."""
SEND_BUFFER_BYTES = 128 * KIB
"""In the system, for each connection: what is unread shall not pile up there."""
THREADS = 4
"""For requests, for openings and for reading the log, each."""


def connection_limits() -> Limits:
    """Of connections and requests, where they are others than the API's."""
    own = {"connections": CONNECTIONS, "threads": THREADS}
    return Limits(**settings.API_SERVER | own, head_bytes=16 * KIB, unread_seconds=UNREAD_SECONDS)


@dataclass(frozen=True)
class Seats:
    """Who is connected: known users, and addresses that have not said who they are."""

    users: Budget = field(default_factory=lambda: Budget(CONNECTIONS, CONNECTIONS_PER_USER))
    unknown: Budget = field(default_factory=lambda: Budget(CONNECTIONS, UNKNOWN_PER_ADDRESS))
