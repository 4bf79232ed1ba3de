"""The orchestrator's billing work, which has its own threads because Stripe may be slow."""

import logging

from accounts.billing import auto_top_up, events, missed_events
from accounts.billing.client import StripeAwayError, StripeRefusedError
from accounts.billing.stripe_objects import UnreadableError

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""The pause between rounds while nothing is due."""
FIND_SECONDS = 3600.0
"""The pause between searches for missed events; the first runs when an orchestrator starts."""


def process_billing() -> int:
    """Process due events, then automatic top-ups; return how many there were."""
    return events.process_due_events() + auto_top_up.process_top_ups()


def find_missed_events() -> int:
    """Store the events that the webhook missed, for `process_billing`.

    Returns 0, so that the orchestrator pauses before the next search.
    """
    try:
        synced = missed_events.fetch_missed_events()
    except (StripeAwayError, StripeRefusedError, UnreadableError) as exc:
        logger.warning("missed events cannot be fetched from Stripe: %s", exc)
        return 0
    if synced.missed or not synced.is_complete:
        logger.warning(
            "the webhook has missed %d of %d events since %s%s",
            synced.missed,
            synced.listed,
            f"{synced.since:%Y-%m-%d %H:%M}",
            "" if synced.is_complete else "; there are more, see stripe_sync",
        )
    return 0
