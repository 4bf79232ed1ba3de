"""Connect to the broker of a partner, and map topics to kinds of requests."""

from jobs.integrations.partners.models import Kind, Partner
from jobs.integrations.partners.transports import connect
from jobs.integrations.partners.transports.base import Transport


def get_transport(partner: Partner) -> Transport:
    """Return the transport of a partner. It connects when it is first used.

    Raises ``UnreadableSecretError`` and ``ConnectionSettingsError``.
    """
    return connect(
        partner.transport,
        partner.connection_settings,
        topics=(partner.transcribe_topic, partner.compress_topic),
        group=partner.group,
        dead_letters=partner.dead_letter_topic,
    )


def find_kind(partner: Partner, topic: str) -> Kind | None:
    """Return the kind of requests that a topic has, or None."""
    kinds = {
        partner.transcribe_topic: Kind.TRANSCRIBE,
        partner.compress_topic: Kind.COMPRESS,
    }
    return kinds.get(topic)


def get_topic(partner: Partner, kind: str, *, is_failed: bool) -> str:
    """Return the topic of an answer."""
    topics = {
        (Kind.TRANSCRIBE, False): partner.transcribed_topic,
        (Kind.TRANSCRIBE, True): partner.transcribe_failed_topic,
        (Kind.COMPRESS, False): partner.compressed_topic,
        (Kind.COMPRESS, True): partner.compress_failed_topic,
    }
    return topics[Kind(kind), is_failed]
