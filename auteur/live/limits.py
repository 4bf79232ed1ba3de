"""Limits of connections and messages: per client, per address and in total."""

from dataclasses import dataclass, field

from django.conf import settings

from auteur.server.limits import KIB, Budget, Limits

CONNECTIONS = 12_000
"""Most connections of one process."""
CONNECTIONS_PER_USER = 20
"""Streams, sockets and waiting polls of one user."""
UNKNOWN_PER_ADDRESS = 50
"""Sockets of one address that have not authenticated."""
AUTHENTICATION_SECONDS = 10.0
"""The time in which a socket must authenticate."""
MESSAGE_BYTES = 4 * KIB
"""Most bytes of one message of a client."""
FRAMES_BYTES = 16 * KIB
"""Most bytes of a message that are read at all."""
FRAGMENTS = 16
"""Most fragments of one message."""
MESSAGES_BURST, MESSAGES_PER_SECOND = 10, 1.0
"""Frames of a socket, pings of the protocol included: so many at once, then so many a second."""
SLICE_BYTES = 2 * KIB
"""How much is parsed at once: a client may send thousands of frames together."""
DISCARDED_BYTES, DISCARDING_SECONDS = 64 * KIB, 1.0
"""Read and thrown away of a socket that was closed for its frames, for it to see the reason."""
RECEIVE_BUFFER_BYTES = 16 * KIB
"""The system's buffer for each connection."""
UNREAD_SECONDS = 5.0
"""A client that reads nothing for so long, while more than our buffers hold waits for it, is
disconnected. It reconnects with its last number."""
SEND_BUFFER_BYTES = 128 * KIB
"""The system's buffer for each connection, so that little unread data piles up there."""
THREADS = 4
"""Threads for requests, for openings and for reading the log, each."""


def connection_limits() -> Limits:
    """Return the limits of connections and requests, where they differ from the API's."""
    overrides = {"connections": CONNECTIONS, "threads": THREADS}
    return Limits(
        **settings.API_SERVER | overrides, head_bytes=16 * KIB, unread_seconds=UNREAD_SECONDS
    )


@dataclass(frozen=True)
class Seats:
    """The connected clients: authenticated users, and addresses that have not authenticated."""

    users: Budget = field(default_factory=lambda: Budget(CONNECTIONS, CONNECTIONS_PER_USER))
    unknown: Budget = field(default_factory=lambda: Budget(CONNECTIONS, UNKNOWN_PER_ADDRESS))
