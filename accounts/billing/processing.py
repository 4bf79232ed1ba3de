"""What the orchestrator does for billing, in threads of its own: Stripe may be slow."""

import logging

from accounts.billing import auto_top_up, events, missed_events
from accounts.billing.client import StripeAwayError, StripeRefusedError
from accounts.billing.stripe_objects import UnreadableError

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""Between rounds while nothing is due."""
FIND_SECONDS = 3600.0
"""Between looks for events that the webhook missed; the first is when an orchestrator starts."""


def process_billing() -> int:
    """Work on events, then buy what is to be bought automatically; returns how much there was."""
    return events.process_due_events() + auto_top_up.process_top_ups()


def find_missed_events() -> int:
    """Store what the webhook missed, for `process_billing`; returns 0, for it can wait."""
    try:
        done = missed_events.fetch_missed_events()
    except (StripeAwayError, StripeRefusedError, UnreadableError) as exc:
        logger.warning("Stripe could not be asked for missed events: %s", exc)
        return 0
    if done.found or not done.is_complete:
        logger.warning(
            "the webhook has missed %d of %d events since %s%s",
            done.found,
            done.listed,
            f"{done.since:%Y-%m-%d %H:%M}",
            "" if done.is_complete else "; there are more, see stripe_sync",
        )
    return 0
