"""What the command exits with, and which error comes to what (docs/command-line.md)."""

from auteur_client.errors import (
    AuteurError,
    InsufficientCreditsError,
    NotSignedInError,
    StaleEditError,
    UnreachableError,
)

FAILED = 1
"""The job failed, or the API refused."""
NOT_SIGNED_IN = 3
NO_CREDITS = 4
AWAY = 5
STALE = 6
INTERRUPTED = 130

SERVER_ERROR = 500
CAP_REACHED = "spending_cap_reached"

BY_ERROR: tuple[tuple[type[AuteurError], int], ...] = (
    (NotSignedInError, NOT_SIGNED_IN),
    (InsufficientCreditsError, NO_CREDITS),
    (UnreachableError, AWAY),
    (StaleEditError, STALE),
)


def code_of(error: AuteurError) -> int:
    """What an error comes to."""
    if getattr(error, "status", 0) >= SERVER_ERROR:
        return AWAY
    if getattr(error, "code", "") == CAP_REACHED:
        return NO_CREDITS
    return next((code for kind, code in BY_ERROR if isinstance(error, kind)), FAILED)
