"""One try: the request, signed, and what is kept of the answer."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import aiohttp

from auteur import __version__
from auteur.encryption import UnreadableSecretError
from auteur.outbound import (
    AddressPolicy,
    RefusedAddressError,
    RefusedURLError,
    checked_url,
    connector,
)
from gpu_tasks.runtime.errors import AuteurError
from jobs.webhooks import secrets, verification
from jobs.webhooks.claims import TIME_LIMIT_SECONDS, Claimed, Outcome
from jobs.webhooks.models import DeliveryError
from jobs.webhooks.retrying import asked_wait

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 64 * 1024
"""Read of an answer; the rest is not asked for."""
KEPT_ANSWER_BYTES = 4 * 1024
MAX_RECEIVED_BYTES = 2 * MAX_ANSWER_BYTES
"""With the heads, of which there may be several."""
READ_AT_ONCE = 16 * 1024
SIGNATURE = "webhook-signature"


def session(
    policy: AddressPolicy, resolver: aiohttp.abc.AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """For requests to what the policy allows; to be made and closed in a running loop."""
    return aiohttp.ClientSession(
        connector=connector(policy, most=MAX_RECEIVED_BYTES, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # `attempt` has one for all of it
        headers={"User-Agent": f"Auteur-Webhooks/{__version__}", "Accept-Encoding": "identity"},
        auto_decompress=False,
        read_bufsize=READ_AT_ONCE,
        trust_env=False,
    )


async def attempt(http: aiohttp.ClientSession, policy: AddressPolicy, claimed: Claimed) -> Outcome:
    """Send it once; raises nothing."""
    try:
        url = _checked(claimed, policy)
        content = claimed.content
        headers = _headers(claimed, content)
    except UnsendableError as exc:
        return Outcome(exc.error)
    started = time.monotonic()
    status: int | None = None
    answer, asked, is_verified = None, None, False
    error: DeliveryError | None
    try:
        async with (
            asyncio.timeout(TIME_LIMIT_SECONDS),
            http.post(
                url, data=content.encode(), headers=headers, allow_redirects=False
            ) as response,
        ):
            status = response.status
            asked = asked_wait(response.headers.get("Retry-After"))
            answer = await _beginning(response.content)
            error = _error_of(status)
            if claimed.type == verification.TYPE:
                is_verified = error is None and verification.is_echo(
                    answer, delivery_id=claimed.id, url=claimed.url or ""
                )
                answer = None  # it may hold the challenge, which is for the receiver alone
    except Exception as exc:  # noqa: BLE001 - of each kind it is known whose fault it is
        error = _error_by(exc)
    return Outcome(
        error=error,
        status=status,
        duration_ms=int(1000 * (time.monotonic() - started)),
        headers={name: value for name, value in headers.items() if name != SIGNATURE},
        answer=answer,
        asked=asked,
        is_verified=is_verified,
    )


class UnsendableError(AuteurError):
    """It cannot be sent as it stands."""

    def __init__(self, error: DeliveryError) -> None:
        self.error = error


def _checked(claimed: Claimed, policy: AddressPolicy) -> str:
    if not claimed.has_endpoint or claimed.url is None:
        raise UnsendableError(DeliveryError.ENDPOINT_DELETED)
    if claimed.is_disabled:
        raise UnsendableError(DeliveryError.ENDPOINT_DISABLED)
    try:
        return checked_url(claimed.url, policy)
    except RefusedURLError as exc:
        raise UnsendableError(DeliveryError.URL_REFUSED) from exc


def _headers(claimed: Claimed, content: str) -> dict[str, str]:
    now = datetime.now(UTC)
    message_id = str(claimed.id)
    try:
        signature = secrets.signature(
            stored=claimed.secrets, message_id=message_id, at=now, body=content
        )
    except UnreadableSecretError as exc:
        logger.warning("delivery %s cannot be signed: its secret's key is not ours", claimed.id)
        raise UnsendableError(DeliveryError.SECRET_UNREADABLE) from exc
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        SIGNATURE: signature,
    }


async def _beginning(content: aiohttp.StreamReader) -> str:
    """How the answer begins; after ``MAX_ANSWER_BYTES`` it is left."""
    kept, read = b"", 0
    while read < MAX_ANSWER_BYTES and (chunk := await content.read(READ_AT_ONCE)):
        kept += chunk[: KEPT_ANSWER_BYTES - len(kept)]
        read += len(chunk)
    return kept.decode(errors="replace").replace("\x00", "\ufffd")


def _error_of(status: int) -> DeliveryError | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return DeliveryError.REDIRECTED
    return DeliveryError.GONE if status == 410 else DeliveryError.STATUS


def _error_by(exc: Exception) -> DeliveryError:
    for kinds, error in _ERRORS:
        if isinstance(exc, kinds):
            refused = isinstance(getattr(exc, "os_error", None), RefusedAddressError)
            return DeliveryError.ADDRESS_REFUSED if refused else error
    logger.error("a delivery failed by a fault of ours", exc_info=exc)
    return DeliveryError.INTERNAL


# The first that fits.
_ERRORS: tuple[tuple[tuple[type[Exception], ...], DeliveryError], ...] = (
    ((TimeoutError,), DeliveryError.TIMEOUT),
    ((aiohttp.ClientSSLError,), DeliveryError.TLS_FAILED),
    ((aiohttp.ClientConnectorDNSError, UnicodeError), DeliveryError.NAME_NOT_RESOLVED),
    ((aiohttp.ServerDisconnectedError,), DeliveryError.INVALID_ANSWER),
    ((aiohttp.ClientOSError, OSError), DeliveryError.CONNECTION_FAILED),
    ((aiohttp.ClientError, ValueError), DeliveryError.INVALID_ANSWER),
)
