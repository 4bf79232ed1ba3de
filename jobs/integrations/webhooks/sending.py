"""Send one try of a delivery as a signed request, and read the outcome."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import aiohttp

from auteur import __version__
from auteur.core.encryption import UnreadableSecretError
from auteur.core.net.outbound import (
    AddressPolicy,
    RefusedAddressError,
    RefusedURLError,
    build_connector,
    validate_url,
)
from gpu_tasks.runtime.errors import AuteurError
from jobs.integrations.webhooks import secrets, verification
from jobs.integrations.webhooks.claims import TIME_LIMIT_SECONDS, ClaimedDelivery, Outcome
from jobs.integrations.webhooks.models import DeliveryError
from jobs.integrations.webhooks.retrying import parse_retry_after

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 64 * 1024
"""How much of an answer is read. The rest is not requested."""
MAX_STORED_ANSWER_BYTES = 4 * 1024
MAX_RECEIVED_BYTES = 2 * MAX_ANSWER_BYTES
"""Includes the response heads, of which there may be several."""
CHUNK_BYTES = 16 * 1024
SIGNATURE = "webhook-signature"


def create_session(
    policy: AddressPolicy, resolver: aiohttp.abc.AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Return a session for requests to the addresses that the policy allows.

    Create and close it in a running event loop.
    """
    return aiohttp.ClientSession(
        connector=build_connector(policy, max_bytes=MAX_RECEIVED_BYTES, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # `attempt` limits the whole request.
        headers={"User-Agent": f"Auteur-Webhooks/{__version__}", "Accept-Encoding": "identity"},
        auto_decompress=False,
        read_bufsize=CHUNK_BYTES,
        trust_env=False,
    )


async def try_delivery(
    http: aiohttp.ClientSession, policy: AddressPolicy, delivery: ClaimedDelivery
) -> Outcome:
    """Send the delivery once and return the outcome. It raises nothing."""
    try:
        url = _get_checked_url(delivery, policy)
        content = delivery.content
        headers = _build_headers(delivery, content)
    except UnsendableError as exc:
        return Outcome(exc.error)
    started = time.monotonic()
    status: int | None = None
    answer, retry_after, is_verified = None, None, False
    error: DeliveryError | None
    try:
        async with (
            asyncio.timeout(TIME_LIMIT_SECONDS),
            http.post(
                url, data=content.encode(), headers=headers, allow_redirects=False
            ) as response,
        ):
            status = response.status
            retry_after = parse_retry_after(response.headers.get("Retry-After"))
            answer = await _read_answer(response.content)
            error = _find_status_error(status)
            if delivery.type == verification.TYPE:
                is_verified = error is None and verification.is_echo(
                    answer, delivery_id=delivery.id, url=delivery.url or ""
                )
                answer = None  # It may hold the challenge, which is secret.
    except Exception as exc:  # noqa: BLE001 - each kind maps to an error code
        error = _classify_exception(exc)
    return Outcome(
        error=error,
        status=status,
        duration_ms=int(1000 * (time.monotonic() - started)),
        headers={name: value for name, value in headers.items() if name != SIGNATURE},
        answer=answer,
        retry_after=retry_after,
        is_verified=is_verified,
    )


class UnsendableError(AuteurError):
    """Raised if the delivery cannot be sent in its present state."""

    def __init__(self, error: DeliveryError) -> None:
        self.error = error


def _get_checked_url(delivery: ClaimedDelivery, policy: AddressPolicy) -> str:
    if not delivery.has_endpoint or delivery.url is None:
        raise UnsendableError(DeliveryError.ENDPOINT_DELETED)
    if delivery.is_disabled:
        raise UnsendableError(DeliveryError.ENDPOINT_DISABLED)
    try:
        return validate_url(delivery.url, policy)
    except RefusedURLError as exc:
        raise UnsendableError(DeliveryError.URL_REFUSED) from exc


def _build_headers(delivery: ClaimedDelivery, content: str) -> dict[str, str]:
    now = datetime.now(UTC)
    message_id = str(delivery.id)
    try:
        signature = secrets.compute_signature(
            stored=delivery.secrets, message_id=message_id, at=now, body=content
        )
    except UnreadableSecretError as exc:
        logger.warning("delivery %s cannot be signed: its secret's key is not ours", delivery.id)
        raise UnsendableError(DeliveryError.SECRET_UNREADABLE) from exc
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        SIGNATURE: signature,
    }


async def _read_answer(content: aiohttp.StreamReader) -> str:
    """Return the first bytes of the answer as text. Reading stops after ``MAX_ANSWER_BYTES``."""
    answer, size = b"", 0
    while size < MAX_ANSWER_BYTES and (chunk := await content.read(CHUNK_BYTES)):
        answer += chunk[: MAX_STORED_ANSWER_BYTES - len(answer)]
        size += len(chunk)
    return answer.decode(errors="replace").replace("\x00", "\ufffd")


def _find_status_error(status: int) -> DeliveryError | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return DeliveryError.REDIRECTED
    return DeliveryError.GONE if status == 410 else DeliveryError.STATUS


def _classify_exception(exc: Exception) -> DeliveryError:
    for kinds, error in _ERRORS:
        if isinstance(exc, kinds):
            is_refused = isinstance(getattr(exc, "os_error", None), RefusedAddressError)
            return DeliveryError.ADDRESS_REFUSED if is_refused else error
    logger.error("a delivery failed by a fault of ours", exc_info=exc)
    return DeliveryError.INTERNAL


# The first entry that matches the exception decides.
_ERRORS: tuple[tuple[tuple[type[Exception], ...], DeliveryError], ...] = (
    ((TimeoutError,), DeliveryError.TIMEOUT),
    ((aiohttp.ClientSSLError,), DeliveryError.TLS_FAILED),
    ((aiohttp.ClientConnectorDNSError, UnicodeError), DeliveryError.NAME_NOT_RESOLVED),
    ((aiohttp.ServerDisconnectedError,), DeliveryError.INVALID_ANSWER),
    ((aiohttp.ClientOSError, OSError), DeliveryError.CONNECTION_FAILED),
    ((aiohttp.ClientError, ValueError), DeliveryError.INVALID_ANSWER),
)
