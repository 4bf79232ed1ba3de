"""Store partners' messages as requests, and send invalid ones to the dead letters.

A message is acknowledged only after this.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DataError, IntegrityError, transaction
from yarl import URL

from auteur.core import encryption
from auteur.core.net.outbound import RefusedURLError
from jobs.failpoints import failpoint
from jobs.integrations.partners import dead_letters, messages
from jobs.integrations.partners.brokers import find_kind
from jobs.integrations.partners.failures import Failure
from jobs.integrations.partners.messages import InvalidMessageError
from jobs.integrations.partners.models import (
    MAX_COORDINATES_LENGTH,
    PURPOSE,
    Kind,
    Partner,
    PartnerRequest,
    State,
)
from jobs.integrations.partners.transports.base import Message, Transport
from media.imports.addresses import build_policy, parse_address, redact_address

logger = logging.getLogger(__name__)

NOT_OURS = "This topic is not one of those that are read."
UNSTORABLE = "The message has characters that cannot be stored."
HOST_REFUSED = "The video is on a host that is not allowed for this partner. Use an agreed host."


@dataclass
class IntakeCounts:
    """The numbers of new requests and of dead letters. Repeated messages count as neither."""

    requests: int = 0
    dead_letters: int = 0


def store_messages(
    partner: Partner, transport: Transport, received_messages: Sequence[Message]
) -> IntakeCounts:
    """Store messages as requests, in order, and acknowledge each.

    Raises ``TransportError`` and the database's errors. Unacknowledged messages arrive again.
    """
    counts = IntakeCounts()
    for message in received_messages:
        try:
            counts.requests += store_request(build_request(partner, message))
        except (InvalidMessageError, DataError) as exc:
            reason = str(exc) if isinstance(exc, InvalidMessageError) else UNSTORABLE
            _move_to_dead_letters(partner, transport, message, reason)
            counts.dead_letters += 1
            continue
        failpoint("partner.stored")
        transport.acknowledge([message])
        failpoint("partner.acknowledged")
    return counts


def build_request(partner: Partner, message: Message) -> PartnerRequest:
    """Build the request of a message, not yet stored. Raise ``InvalidMessageError``."""
    kind = find_kind(partner, message.topic)
    if kind is None:
        raise InvalidMessageError(NOT_OURS)
    parsed_message = messages.parse_message(
        kind, message.value, max_bytes=partner.max_message_bytes
    )
    request = PartnerRequest(
        partner=partner,
        kind=kind,
        video_id=parsed_message.video_id,
        coordinates=message.coordinates[:MAX_COORDINATES_LENGTH],
        url_hash=hashlib.sha256(
            f"{parsed_message.asked_for}\n{parsed_message.video_url}".encode()
        ).digest(),
        target=parsed_message.asked_for if kind is Kind.COMPRESS else "",
    )
    _set_address(request, parsed_message.video_url)
    return request


def store_request(request: PartnerRequest) -> bool:
    """Store a request and return True if it is new.

    It is not new if its message arrived before, or another message about the same video.
    """
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError:
        if not _is_duplicate(request):
            raise
        logger.info("partner %s sent %s again", request.partner, request.video_id)
        return False
    logger.info("partner request %s of %s: %s", request.pk, request.partner, request.kind)
    return True


def _is_duplicate(request: PartnerRequest) -> bool:
    requests = PartnerRequest.objects.filter(partner=request.partner)
    requests_for_video = requests.filter(
        kind=request.kind, video_id=request.video_id, url_hash=request.url_hash
    )
    return requests.filter(coordinates=request.coordinates).exists() or requests_for_video.exists()


def _set_address(request: PartnerRequest, text: str) -> None:
    """Store the URL. If it is refused, store the failure, which the partner will receive."""
    try:
        url = parse_address(text, build_policy())
        _check_host(request.partner, url)
    except RefusedURLError as exc:
        request.state = State.ANSWERING
        for column, value in Failure(exc.code, str(exc)).columns.items():
            setattr(request, column, value)
        return
    request.source = redact_address(url)
    request.url = encryption.encrypt(text.encode(), purpose=PURPOSE)


def _check_host(partner: Partner, url: URL) -> None:
    host = (url.raw_host or "").lower().removesuffix(".")
    if not partner.url_hosts or any(
        _is_host_allowed(host, allowed_host) for allowed_host in partner.url_hosts
    ):
        return
    raise RefusedURLError("host_not_agreed", HOST_REFUSED)


def _is_host_allowed(host: str, allowed_host: str) -> bool:
    return (
        f".{host}".endswith(allowed_host) if allowed_host.startswith(".") else host == allowed_host
    )


def _move_to_dead_letters(
    partner: Partner, transport: Transport, message: Message, reason: str
) -> None:
    logger.warning("partner %s: a message is set aside: %s", partner, reason)
    dead_letters.store_dead_letter(partner, message, reason)
    transport.set_aside(message, reason)
