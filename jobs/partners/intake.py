"""Messages become rows; what cannot is set aside. Only then are they acknowledged."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DataError, IntegrityError, transaction
from yarl import URL

from auteur import encryption
from auteur.outbound import RefusedURLError
from jobs.failpoints import failpoint
from jobs.partners import dead_letters, messages
from jobs.partners.brokers import find_kind
from jobs.partners.failures import Failure
from jobs.partners.messages import InvalidMessageError
from jobs.partners.models import (
    MAX_COORDINATES_LENGTH,
    PURPOSE,
    Kind,
    Partner,
    PartnerRequest,
    State,
)
from jobs.partners.transports.base import Message, Transport
from media.imports.addresses import parse_address, policy, redact_address

logger = logging.getLogger(__name__)

NOT_OURS = "This topic is not one that we read."
UNSTORABLE = "It holds what cannot be stored."
HOST_REFUSED = "The video does not lie on a host that was agreed on."


@dataclass
class IntakeCounts:
    """What became of messages; those that came again are among none of these."""

    taken: int = 0
    set_aside: int = 0


def store_messages(
    partner: Partner, transport: Transport, received: Sequence[Message]
) -> IntakeCounts:
    """Make rows of messages, in order, and acknowledge each.

    Raises ``TransportError`` and the database's errors; whatever was not acknowledged comes again.
    """
    tally = IntakeCounts()
    for message in received:
        try:
            tally.taken += store(request_of(partner, message))
        except (InvalidMessageError, DataError) as exc:
            why = str(exc) if isinstance(exc, InvalidMessageError) else UNSTORABLE
            _set_aside(partner, transport, message, why)
            tally.set_aside += 1
            continue
        failpoint("partner.stored")
        transport.acknowledge([message])
        failpoint("partner.acknowledged")
    return tally


def request_of(partner: Partner, message: Message) -> PartnerRequest:
    """The row of a message, not yet stored; raises ``InvalidMessageError``."""
    kind = find_kind(partner, message.topic)
    if kind is None:
        raise InvalidMessageError(NOT_OURS)
    asked = messages.parse_message(kind, message.value, max_bytes=partner.max_message_bytes)
    request = PartnerRequest(
        partner=partner,
        kind=kind,
        video_id=asked.video_id,
        coordinates=message.coordinates[:MAX_COORDINATES_LENGTH],
        url_hash=hashlib.sha256(f"{asked.asked_for}\n{asked.video_url}".encode()).digest(),
        target=asked.asked_for if kind is Kind.COMPRESS else "",
    )
    _address(request, asked.video_url)
    return request


def store(request: PartnerRequest) -> bool:
    """Whether it is a new one: its message may have come before, or another with the same video."""
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError:
        if not _is_known(request):
            raise
        logger.info("partner %s sent %s again", request.partner, request.video_id)
        return False
    logger.info("partner request %s of %s: %s", request.pk, request.partner, request.kind)
    return True


def _is_known(request: PartnerRequest) -> bool:
    known = PartnerRequest.objects.filter(partner=request.partner)
    same = known.filter(kind=request.kind, video_id=request.video_id, url_hash=request.url_hash)
    return known.filter(coordinates=request.coordinates).exists() or same.exists()


def _address(request: PartnerRequest, text: str) -> None:
    """Keep the URL, or note that it is refused, which its sender will hear."""
    try:
        url = parse_address(text, policy())
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
    if not partner.url_hosts or any(_fits(host, one) for one in partner.url_hosts):
        return
    raise RefusedURLError("host_not_agreed", HOST_REFUSED)


def _fits(host: str, agreed: str) -> bool:
    return f".{host}".endswith(agreed) if agreed.startswith(".") else host == agreed


def _set_aside(partner: Partner, transport: Transport, message: Message, reason: str) -> None:
    logger.warning("partner %s: a message is set aside: %s", partner, reason)
    dead_letters.store_dead_letter(partner, message, reason)
    transport.set_aside(message, reason)
