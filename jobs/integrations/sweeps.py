"""Delete old deliveries, dead letters and tokens."""

from jobs.integrations.partners import answers, dead_letters
from jobs.integrations.webhooks import deliveries
from jobs.retention.sweeping import Sweep, register_sweep


def register_sweeps() -> None:
    """Register the sweeps; called once, when Django is ready."""
    register_sweep(
        Sweep(
            "webhook deliveries no longer kept",
            lambda: deliveries.list_old_deliveries().count(),
            deliveries.delete_old_deliveries,
        )
    )
    register_sweep(
        Sweep(
            "partners' dead letters no longer kept",
            lambda: dead_letters.list_old().count(),
            dead_letters.delete_old,
        )
    )
    register_sweep(Sweep("plain tokens of answered partners", None, answers.hash_tokens))
