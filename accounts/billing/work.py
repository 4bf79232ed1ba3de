"""What the orchestrator does for billing, in a thread of its own: Stripe may be slow."""

from accounts.billing import auto_top_up, events

ROUND_SECONDS = 1.0
"""Between rounds while nothing is due."""


def work_on_billing() -> int:
    """Work on events, then buy what is to be bought automatically; returns how much there was."""
    return events.work_off() + auto_top_up.run()
