"""Limits of connections and messages: per client, per address and in total."""

from dataclasses import dataclass, field

from django.conf import settings

from auteur.server.limits import KIB, Budget, Limits

CONNECTIONS = 12_000
"""The most connections of one process."""
CONNECTIONS_PER_USER = 20
"""Streams, sockets and waiting polls of one user."""
UNAUTHENTICATED_PER_ADDRESS = 50
"""Sockets of one address that have not authenticated."""
AUTHENTICATION_SECONDS = 10.0
"""The time in which a socket must authenticate."""
MESSAGE_BYTES = 4 * KIB
"""The most bytes of one message of a client."""
FRAMES_BYTES = 16 * KIB
"""The most bytes of a message that are read at all."""
FRAGMENTS = 16
"""The most fragments of one message."""
MESSAGES_BURST, MESSAGES_PER_SECOND = 10, 1.0
"""The most frames of a socket, including pings of the protocol: at once, and then each second."""
SLICE_BYTES = 2 * KIB
"""The most bytes that are parsed at once. A client may send thousands of frames together."""
MAX_DISCARDED_BYTES, DISCARD_SECONDS = 64 * KIB, 1.0
"""What is discarded of a socket that sent too many frames, so that it can read the reason."""
RECEIVE_BUFFER_BYTES = 16 * KIB
"""The system's buffer for each connection."""
UNREAD_SECONDS = 5.0
"""The time after which a client is disconnected that reads nothing while our buffers are full."""
SEND_BUFFER_BYTES = 128 * KIB
"""The system's buffer for each connection, so that little unread data piles up there."""
THREADS = 4
"""Threads for requests, for openings and for reading the log, each."""


def build_limits() -> Limits:
    """Return the API's limits of connections and requests, changed for long connections."""
    overrides = {"connections": CONNECTIONS, "threads": THREADS}
    return Limits(
        **settings.API_SERVER | overrides, head_bytes=16 * KIB, unread_seconds=UNREAD_SECONDS
    )


@dataclass(frozen=True)
class ConnectionBudgets:
    """The connections of each user, and those of each address that have not authenticated."""

    users: Budget = field(default_factory=lambda: Budget(CONNECTIONS, CONNECTIONS_PER_USER))
    unauthenticated: Budget = field(
        default_factory=lambda: Budget(CONNECTIONS, UNAUTHENTICATED_PER_ADDRESS)
    )
