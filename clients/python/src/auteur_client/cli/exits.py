"""What the command exits with, and which error comes to what."""

from auteur_client.errors import (
    AuteurError,
    InsufficientCreditsError,
    NotSignedInError,
    UnreachableError,
)

DONE = 0
FAILED = 1
"""The job failed, or the API refused."""
USAGE = 2
NOT_SIGNED_IN = 3
NO_CREDITS = 4
AWAY = 5
INTERRUPTED = 130

SERVER_ERROR = 500

BY_ERROR: tuple[tuple[type[AuteurError], int], ...] = (
    (NotSignedInError, NOT_SIGNED_IN),
    (InsufficientCreditsError, NO_CREDITS),
    (UnreachableError, AWAY),
)


def code_of(error: AuteurError) -> int:
    """What an error comes to."""
    if getattr(error, "status", 0) >= SERVER_ERROR:
        return AWAY
    return next((code for kind, code in BY_ERROR if isinstance(error, kind)), FAILED)
