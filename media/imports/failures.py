"""Translate the HTTP client's errors: permanent refusals, or failures that may be retried."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from auteur.core.net.outbound import RefusedAddressError
from gpu_tasks.runtime.errors import AuteurError
from media.imports.errors import FetchFailedError, build_refusal

# The first entry that matches counts.
_CODES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((TimeoutError,), "timeout"),
    ((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError), "interrupted"),
    ((aiohttp.ClientOSError, OSError), "connection_failed"),
    ((aiohttp.ClientError, ValueError), "invalid_answer"),
)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise the client's errors as ``InputRefusedError`` or ``FetchFailedError``."""
    try:
        yield
    except AuteurError:
        raise
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        # The text of the exception may contain the URL, which may hold secrets.
        raise _translate_error(exc) from None


def _translate_error(exc: Exception) -> AuteurError:
    if isinstance(getattr(exc, "os_error", None), RefusedAddressError):
        return build_refusal("address_refused")
    if isinstance(exc, aiohttp.ClientSSLError):
        return build_refusal("tls_failed")
    if isinstance(exc, UnicodeError) or _is_unknown_name(exc):
        return build_refusal("name_not_resolved")
    return FetchFailedError(next(code for kinds, code in _CODES if isinstance(exc, kinds)))


def _is_unknown_name(exc: Exception) -> bool:
    """Return True if the name does not exist, False if no name server answers."""
    if not isinstance(exc, aiohttp.ClientConnectorDNSError):
        return False
    return exc.os_error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
