"""Define the exit codes of the command, by error (docs/command-line.md)."""

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
UNREACHABLE = 5
STALE_EDIT = 6
INTERRUPTED = 130

SERVER_ERROR = 500
CAP_REACHED = "spending_cap_reached"

BY_ERROR: tuple[tuple[type[AuteurError], int], ...] = (
    (NotSignedInError, NOT_SIGNED_IN),
    (InsufficientCreditsError, NO_CREDITS),
    (UnreachableError, UNREACHABLE),
    (StaleEditError, STALE_EDIT),
)


def get_exit_code(error: AuteurError) -> int:
    """Return the exit code for an error."""
    if getattr(error, "status", 0) >= SERVER_ERROR:
        return UNREACHABLE
    if getattr(error, "code", "") == CAP_REACHED:
        return NO_CREDITS
    return next((code for kind, code in BY_ERROR if isinstance(error, kind)), FAILED)
