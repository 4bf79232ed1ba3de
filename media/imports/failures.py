"""What a client's error means: whose fault it is, and whether another try may help."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from auteur.outbound import RefusedAddressError
from gpu_tasks.runtime.errors import AuteurError
from media.imports.errors import FetchFailedError, refusal

# The first that fits.
_CODES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((TimeoutError,), "timeout"),
    ((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError), "interrupted"),
    ((aiohttp.ClientOSError, OSError), "connection_failed"),
    ((aiohttp.ClientError, ValueError), "invalid_answer"),
)


@contextmanager
def translated() -> Iterator[None]:
    """The client's errors as ours: ``InputRefusedError`` or ``FetchFailedError``."""
    try:
        yield
    except AuteurError:
        raise
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        # Its text may hold the URL, and so secrets.
        raise _error_of(exc) from None


def _error_of(exc: Exception) -> AuteurError:
    if isinstance(getattr(exc, "os_error", None), RefusedAddressError):
        return refusal("address_refused")
    if isinstance(exc, aiohttp.ClientSSLError):
        return refusal("tls_failed")
    if isinstance(exc, UnicodeError) or _is_unknown_name(exc):
        return refusal("name_not_resolved")
    return FetchFailedError(next(code for kinds, code in _CODES if isinstance(exc, kinds)))


def _is_unknown_name(exc: Exception) -> bool:
    """Rather than that no name server answers."""
    if not isinstance(exc, aiohttp.ClientConnectorDNSError):
        return False
    return exc.os_error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
